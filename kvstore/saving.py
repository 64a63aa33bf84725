"""SAVE, BGSAVE, LASTSAVE: snapshots in a file, when they are made, and what INFO says of them.

The file is written beside the old one and takes its name when it is whole and durable.  The long
jobs, this one and the rewriting of the append-only file, are generators: each `yield` is a place
where the service may go on, and what is yielded is a blocking call to be made beside it, seconds to
wait (the parameters `*-delay`, for tests), or None.

    save 900 1 300 10          a snapshot when so many changes are so many seconds old
    auto-aof-rewrite-*         a rewrite when the file has grown by so much
    CONFIG SET appendonly yes  the file is begun with a rewrite; until then restarts know nothing
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Generator, Iterator
from typing import Any

from bedrock.app.logs import logger
from bedrock.world.disk import DiskFull
from kvstore.binding import command
from kvstore.parameters import NotApplied
from kvstore.resp import ReplyError, Simple

log = logger("kvstore")

LOOK_S = 0.05  # the longest a job sleeps before it looks whether it is still wanted
RETRY_S = 5  # after a background job failed
BUSY_SAVING = "ERR Background save already in progress"
BUSY_REWRITING = (
    "ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE SCHEDULE in "
    "order to schedule a BGSAVE whenever possible."
)

Steps = Iterator[Callable[[], Any] | float | None]


def run(steps: Steps) -> None:
    """Do a long job at once."""
    for call in steps:
        if callable(call):
            call()


async def run_beside(world: Any, steps: Steps) -> None:
    """Do a long job a step a turn."""
    for call in steps:
        if callable(call):
            await world.beside(call)
        else:
            await world.clock.sleep(call or 0)


def rest(snapshot: Any) -> Iterator[float]:
    """What a snapshot is to wait after a piece, in short sleeps, unless it is given up."""
    left_s = snapshot.pause_s
    yield min(left_s, LOOK_S)
    while (left_s := left_s - LOOK_S) > 0 and not snapshot.abandoned:
        yield min(left_s, LOOK_S)


def write_pieces(snapshot: Any, file: Any) -> Steps:
    """Write a snapshot to an empty file and make it durable."""
    try:
        for piece in iter(snapshot.next, b""):
            file.append(piece)
            yield from rest(snapshot)
    finally:
        snapshot.abort()
    yield file.sync


class Saver:
    """The snapshots of a store: one job at a time."""

    def __init__(self, store: Any):
        self.store = store
        self.job: Any = None  # the task of a BGSAVE
        self.scheduled = False  # another one when the present job has ended
        self.rewrite_scheduled = False
        self.last_ok = self.rewrite_ok = True
        self.last_s = self.tried_s = store.started_ms // 1000
        self.took_s = self.rewrite_took_s = -1
        self.rewrite_tried_s = 0
        self.begun_s = self.rewrite_begun_s = 0
        self.saves = self.rewrites = self.attempts = 0
        self._resting: Any = None
        self.unfinished = ""  # the name under which a file is being written
        self.loaded = self.dead = 0  # keys of the file that was loaded last; the dead were left out
        self.dirty = 0  # the store's changes when the last snapshot began
        store.parameters.listen(self.configure)

    @property
    def disk(self) -> Any:
        """Where the file is."""
        if self.store.world.disk is None:
            raise ReplyError("ERR this store is in memory only: it has no folder")
        return self.store.world.disk

    @property
    def file_name(self) -> str:
        """The snapshot's name."""
        name: str = self.store.parameters["dbfilename"]
        return name

    @property
    def changes(self) -> int:
        """Changes that no snapshot has."""
        return self.store.keyspace.dirty - self.dirty

    # ------------------------------------------------------------------ snapshots

    def steps(self) -> Steps:
        """Write the file anew, with the state as it is now."""
        from kvstore.snapshot import Snapshot

        self.store.now()
        return self.write(Snapshot(self.store))

    def write(self, snapshot: Any) -> Steps:
        """Write the file anew, from a snapshot that was just taken."""
        self.tried_s = self.store.now() // 1000
        self.attempts += 1
        return self._write(snapshot, self.store.keyspace.dirty)

    def _write(self, snapshot: Any, dirty: int) -> Steps:
        self.unfinished = name = f"temp-{self.attempts}-{self.file_name}"
        try:
            with self.disk.open(name, "rw") as file:
                file.truncate(0)
                yield from write_pieces(snapshot, file)
            self.disk.rename(name, self.file_name)
        except (OSError, ReplyError) as error:
            self.drop_unfinished()
            # A snapshot that was given up says nothing about the disk.
            self.ended(not isinstance(error, OSError))
            raise
        self.unfinished = ""
        self.disk.sync_dir()
        self.ended(True)
        self.last_s = self.store.now() // 1000
        self.dirty = dirty
        self.saves += 1

    def ended(self, well: bool) -> None:
        """A snapshot is written, or could not be; writes may depend on it."""
        if well != self.last_ok:
            self.last_ok = well
            self.store.primary.judge_writes()

    @property
    def stops_writes(self) -> bool:
        """Whether nothing may be written because nothing can be saved."""
        parameters = self.store.parameters
        wanted = parameters["stop-writes-on-bgsave-error"] and parameters["save"]
        return bool(wanted) and not self.last_ok

    def save(self) -> None:
        """SAVE: nothing else happens meanwhile."""
        try:
            run(self.steps())
        except OSError as error:
            log.error(f"Failed saving the DB: {error.strerror}")
            raise ReplyError(f"ERR {error.strerror}") from None
        log.info("DB saved on disk")

    def begin(self) -> None:
        """BGSAVE; a store without a server has no loop to do it on, so it does it at once."""
        if self.store.server is None:
            self.save()
        else:
            self.job = self.store.world.spawn(self.save_beside(self.steps()), "bgsave")

    async def save_beside(self, steps: Steps) -> bool:
        """The same as SAVE, while the service goes on; True if the file is written."""
        log.info(f"Background saving started by pid {os.getpid()}")
        self.job = asyncio.current_task()
        self.begun_s = self.store.now() // 1000
        try:
            await run_beside(self.store.world, steps)
            log.info("Background saving terminated with success")
        except (DiskFull, ReplyError) as error:
            log.error("Background saving error", why=str(error))
            return False
        finally:
            self.took_s = self.store.now() // 1000 - self.begun_s
            self.job = None
        return True

    @property
    def saving(self) -> bool:
        """Whether a snapshot is under way, for the file or for replicas."""
        return self.job is not None or self.store.primary.transfers.current is not None

    def data_goes(self) -> None:
        """FLUSHALL: nobody wants what a background job is saving any more."""
        if self.saving and self.store.snapshot is not None:
            self.store.snapshot.abort()

    def give_up(self) -> None:
        """End a background job, because the process is to end."""
        if self.store.snapshot is not None:
            self.store.snapshot.abort()
        if self.job is not None:
            self.job.cancel()
        self.drop_unfinished()

    def drop_unfinished(self) -> None:
        """Remove what was being written."""
        if self.unfinished:
            self.disk.remove(self.unfinished)
            self.unfinished = ""

    # ------------------------------------------------------------------ rewriting

    @property
    def aof(self) -> Any:
        """The append-only file, or one that is not written to while there is none."""
        from kvstore.aof import Aof

        if self.store.aof is not None:
            return self.store.aof
        if self._resting is None:
            assert self.disk is not None
            self._resting = Aof(self.store, self.store.world)
        return self._resting

    @property
    def rewriting(self) -> bool:
        """Whether a rewrite is under way."""
        resting = self._resting is not None and self._resting.rewriting
        return resting or (self.store.aof is not None and self.store.aof.rewriting)

    def rewrite(self) -> None:
        """BGREWRITEAOF; where no file is kept a base is written all the same."""
        steps = self.aof.rewrite()
        if self.store.server is None:
            run(steps)
        else:
            log.info("Background append only file rewriting started")
            self.rewrite_begun_s = self.rewrite_tried_s = self.store.now() // 1000
            self.store.world.spawn(self._rewrite_beside(steps), "aof rewrite")

    async def _rewrite_beside(self, steps: Steps) -> None:
        self.rewrite_ok = False
        try:
            await run_beside(self.store.world, steps)
            self.rewrite_ok = True
            self.rewrites += 1
            log.info("Background AOF rewrite finished successfully")
        except (DiskFull, ReplyError) as error:
            log.error("Background AOF rewrite failed", why=str(error))
        finally:
            self.rewrite_took_s = self.store.now() // 1000 - self.rewrite_begun_s

    # ------------------------------------------------------------------ from time to time

    def configure(self) -> None:
        """Take over changed parameters."""
        server = self.store.server
        if server is not None and server.ready:
            wanted = self.store.parameters["appendonly"]
            if wanted and self.store.aof is None:
                self.turn_on()
            elif not wanted and self.store.aof is not None:
                self.turn_off()

    def turn_on(self) -> None:
        """CONFIG SET appendonly yes."""
        if self.store.log_engine is not None:
            raise NotApplied("appendonly", "the log engine keeps no append-only file")
        from kvstore.aof import Aof

        aof = Aof(self.store, self.store.world)
        aof.begin_aside()
        if self.store.journal is not None:
            self.store.journal.flush()
        self.store.keep(aof)
        aof.start()
        self.resume_stream()
        self.rewrite_scheduled = True
        self.cycle(self.store.now())

    def turn_off(self) -> None:
        """CONFIG SET appendonly no."""
        aof = self.store.aof
        if aof.rewriting and self.store.snapshot is not None:
            log.info("rewrite given up with its file", pid=os.getpid())
            self.store.snapshot.abort()
        aof.close()
        self.store.keep(None)
        self.rewrite_scheduled = False
        self.resume_stream()

    def resume_stream(self) -> None:
        """The journal is another: replicas go on hearing of all changes."""
        if self.store.primary.begun:
            self.store.primary.begin()

    def cycle(self, now_ms: int) -> None:
        """Begin what is due."""
        store, aof = self.store, self.store.aof
        busy = self.job is not None or store.snapshot is not None or store.keyspace.loading
        if busy or self.rewriting or store.server is None:
            return
        if self.rewrite_scheduled or (aof is not None and self.grown(aof, now_ms // 1000)):
            self.rewrite_scheduled = False
            self.rewrite()
        elif self.scheduled or self.due(now_ms // 1000):
            self.scheduled = False
            self.begin()

    def grown(self, aof: Any, now_s: int) -> bool:
        """Whether the append-only file is due for a rewrite."""
        if aof.aside:
            return now_s - self.rewrite_tried_s >= RETRY_S  # the first one failed
        percent = self.store.parameters["auto-aof-rewrite-percentage"]
        least = self.store.parameters["auto-aof-rewrite-min-size"]
        if not percent or aof.total <= least:
            return False
        if not self.rewrite_ok and now_s - self.rewrite_tried_s < RETRY_S:
            return False
        growth = (aof.total - aof.total_before) * 100 // max(aof.total_before, 1)
        if growth >= percent:
            log.info(f"Starting automatic rewriting of AOF on {growth}% growth")
            return True
        return False

    def due(self, now_s: int) -> bool:
        """Whether one of the save points says that a snapshot is due."""
        for seconds, changes in self.store.parameters["save"]:
            if self.changes < changes or now_s - self.last_s <= seconds:
                continue
            if self.last_ok or now_s - self.tried_s > RETRY_S:
                log.info(f"{changes} changes in {seconds} seconds. Saving...")
                return True
        return False

    # ------------------------------------------------------------------ loading

    def load(self, merge: bool = False) -> None:
        """Load the file, if there is one; merge: over what is there."""
        run(self.loading(merge))

    def starting(self) -> Steps:
        """The same at the start, a step at a time; the stream goes on from where it was."""
        following = bool(self.store.parameters["replicaof"])
        reader = yield from self.loading(keep_dead=following, resume=True)
        if reader is not None and reader.stream_id and reader.stream_offset >= 0:
            self.store.primary.go_on_from(
                reader.stream_id, reader.stream_offset, reader.stream_db, following
            )
            for db, key in reader.left_out:
                self.store.record_vanished(db, key)

    def loading(
        self, merge: bool = False, keep_dead: bool = False, resume: bool = False
    ) -> Generator[Any, None, Any]:
        """Load the file a step at a time; what read it, None if there was none."""
        from kvstore.rdb_read import Reader

        if not self.disk.exists(self.file_name):
            return None
        self.store.keyspace.loading = True
        try:
            with self.disk.open(self.file_name) as file:
                reader = Reader(self.store, file, b"", self.file_name)
                reader.merges, reader.resumes = merge, resume
                yield from reader.steps(keep_dead)
                self.loaded, self.dead = reader.loaded, reader.dead
        finally:
            self.store.keyspace.loading = False
        return reader

    def facts(self) -> dict[str, Any]:
        """For INFO."""
        now_s, saving = self.store.keyspace.now_ms // 1000, self.saving
        return {
            "rdb_changes_since_last_save": self.changes,
            "rdb_bgsave_in_progress": int(saving),
            "rdb_last_save_time": self.last_s,
            "rdb_last_bgsave_status": "ok" if self.last_ok or saving else "err",
            "rdb_last_bgsave_time_sec": self.took_s,
            "rdb_current_bgsave_time_sec": now_s - self.begun_s if saving else -1,
            "rdb_saves": self.saves,
            "rdb_last_cow_size": 0,
            "rdb_last_load_keys_expired": self.dead,
            "rdb_last_load_keys_loaded": self.loaded,
            **self.progress(),
        }

    def progress(self) -> dict[str, Any]:
        """For INFO: how far the snapshot is that is being written, wherever it goes."""
        snapshot = self.store.snapshot
        done, total = (snapshot.keys_done, snapshot.keys) if snapshot is not None else (0, 0)
        return {
            "current_cow_size": 0,
            "current_fork_perc": f"{100 * done / total if total else 0:.2f}",
            "current_save_keys_processed": done,
            "current_save_keys_total": total,
        }

    def rewrite_facts(self) -> dict[str, Any]:
        """For INFO, of the append-only file."""
        aof, now_s = self.store.aof, self.store.keyspace.now_ms // 1000
        rewriting = self.rewriting
        facts = {
            "aof_enabled": int(aof is not None),
            "aof_rewrite_in_progress": int(rewriting),
            "aof_rewrite_scheduled": int(self.rewrite_scheduled),
            "aof_last_rewrite_time_sec": self.rewrite_took_s,
            "aof_current_rewrite_time_sec": now_s - self.rewrite_begun_s if rewriting else -1,
            "aof_last_bgrewrite_status": "ok" if self.rewrite_ok or rewriting else "err",
            "aof_rewrites": self.rewrites,
            "aof_last_write_status": "err" if aof is not None and aof.full else "ok",
            "aof_last_cow_size": 0,
        }
        if aof is not None:
            facts |= {
                "aof_current_size": aof.total,
                "aof_base_size": aof.total_before,
                "aof_pending_rewrite": 0,
                "aof_buffer_length": 0,
                "aof_pending_bio_fsync": int(aof.size > aof.synced),
            }
        return facts


def refuse_second(store: Any) -> None:
    """One snapshot at a time."""
    if store.saver.saving:
        raise ReplyError(BUSY_SAVING)
    if store.snapshot is not None or store.saver.rewriting:
        raise ReplyError(BUSY_REWRITING)


@command("save")
def save(client, words):
    """SAVE"""
    refuse_second(client.store)
    client.store.saver.save()
    return "OK"


@command("bgsave")
def bgsave(client, words):
    """BGSAVE [SCHEDULE]"""
    schedule = len(words) == 2 and words[1].upper() == b"SCHEDULE"
    if len(words) > 1 and not schedule:
        raise ReplyError("ERR syntax error")
    saver = client.store.saver
    try:
        refuse_second(client.store)
    except ReplyError:
        if not schedule or saver.job is not None:
            raise
        saver.scheduled = True
        return Simple("Background saving scheduled")
    saver.begin()
    return Simple("Background saving started")


@command("bgrewriteaof")
def bgrewriteaof(client, words):
    """BGREWRITEAOF"""
    store = client.store
    if store.log_engine is not None:
        raise ReplyError("ERR the log engine keeps no append-only file")
    saving = store.saver.job is not None or store.snapshot is not None
    if saving and not store.saver.rewriting:
        store.saver.rewrite_scheduled = True
        return Simple("Background append only file rewriting scheduled")
    store.saver.rewrite()
    return Simple("Background append only file rewriting started")


@command("lastsave")
def lastsave(client, words):
    """LASTSAVE"""
    return client.store.saver.last_s
