"""SAVE, BGSAVE, LASTSAVE: snapshots in a file, and what INFO says of them.

The file is written beside the old one and takes its name when it is whole and durable.  The long
jobs, this one and the rewriting of the append-only file, are generators: each `yield` is a place
where the service may go on, and what is yielded is a blocking call to be made beside it, or None.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from bedrock.app.logs import logger
from bedrock.world.disk import DiskFull
from kvstore.engine import command
from kvstore.resp import ReplyError, Simple

log = logger("kvstore")

Steps = Iterator[Callable[[], Any] | None]


def run(steps: Steps) -> None:
    """Do a long job at once."""
    for call in steps:
        if call is not None:
            call()


async def run_beside(world: Any, steps: Steps) -> None:
    """Do a long job a step a turn."""
    for call in steps:
        if call is None:
            await world.clock.sleep(0)
        else:
            await world.beside(call)


def write_pieces(snapshot: Any, file: Any) -> Steps:
    """Write a snapshot to an empty file and make it durable."""
    try:
        for piece in iter(snapshot.next, b""):
            file.append(piece)
            yield None
    finally:
        snapshot.abort()
    yield file.sync


class Saver:
    """The snapshots of a store: one job at a time."""

    def __init__(self, store: Any):
        self.store = store
        self.job: Any = None  # the task of a BGSAVE
        self.last_ok = True
        self.last_s = store.started_ms // 1000
        self.dirty = 0  # the store's changes when the last snapshot began

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

    def steps(self) -> Steps:
        """Write the file anew."""
        from kvstore.snapshot import Snapshot

        dirty = self.store.keyspace.dirty
        snapshot = Snapshot(self.store)
        name = f"temp-{self.file_name}"
        self.last_ok = False
        with self.disk.open(name, "rw") as file:
            file.truncate(0)
            yield from write_pieces(snapshot, file)
        self.disk.rename(name, self.file_name)
        self.disk.sync_dir()
        self.last_ok = True
        self.last_s = self.store.now() // 1000
        self.dirty = dirty

    def save(self) -> None:
        """SAVE: nothing else happens meanwhile."""
        try:
            run(self.steps())
        except DiskFull as error:
            raise ReplyError(f"ERR {error.strerror}") from None

    def begin(self) -> None:
        """BGSAVE; a store without a server has no loop to do it on, so it does it at once."""
        if self.store.server is None:
            self.save()
        else:
            self.job = self.store.world.spawn(self._save_beside(), "bgsave")

    async def _save_beside(self) -> None:
        try:
            await run_beside(self.store.world, self.steps())
        except (DiskFull, ReplyError) as error:
            log.error("background save failed", why=str(error))
        finally:
            self.job = None

    def rewrite(self) -> None:
        """BGREWRITEAOF."""
        steps = self.store.aof.rewrite()
        if self.store.server is None:
            run(steps)
        else:
            self.store.world.spawn(self._rewrite_beside(steps), "aof rewrite")

    def rewrite_now(self) -> None:
        """The same, at once: the data was replaced."""
        if self.store.snapshot is not None:
            self.store.snapshot.abort()
        run(self.store.aof.rewrite())

    async def _rewrite_beside(self, steps: Steps) -> None:
        try:
            await run_beside(self.store.world, steps)
        except (DiskFull, ReplyError) as error:
            log.error("rewriting the append-only file failed", why=str(error))

    def load(self) -> None:
        """Load the file, if there is one."""
        from kvstore.rdb_read import Reader

        if not self.disk.exists(self.file_name):
            return
        self.store.keyspace.loading = True
        try:
            with self.disk.open(self.file_name) as file:
                Reader(self.store, file, b"", self.file_name).load(False)
        finally:
            self.store.keyspace.loading = False

    def facts(self) -> dict[str, Any]:
        """For INFO."""
        return {
            "rdb_changes_since_last_save": self.store.keyspace.dirty - self.dirty,
            "rdb_bgsave_in_progress": int(self.job is not None),
            "rdb_last_save_time": self.last_s,
            "rdb_last_bgsave_status": "ok" if self.last_ok or self.job is not None else "err",
        }


def refuse_second(store: Any) -> None:
    """One snapshot at a time."""
    if store.saver.job is not None:
        raise ReplyError("ERR Background save already in progress")
    if store.snapshot is not None:
        raise ReplyError(
            "ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE "
            "SCHEDULE in order to schedule a BGSAVE whenever possible."
        )


@command("save")
def save(client, words):
    """SAVE"""
    refuse_second(client.store)
    client.store.saver.save()
    return "OK"


@command("bgsave")
def bgsave(client, words):
    """BGSAVE [SCHEDULE]"""
    if len(words) > 2 or (len(words) == 2 and words[1].upper() != b"SCHEDULE"):
        raise ReplyError("ERR syntax error")
    refuse_second(client.store)
    client.store.saver.begin()
    return Simple("Background saving started")


@command("lastsave")
def lastsave(client, words):
    """LASTSAVE"""
    return client.store.saver.last_s
