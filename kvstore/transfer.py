"""Full resynchronization: one snapshot on its way to all the replicas that wait for one.

    by file    (repl-diskless-sync no)
               BGSAVE ─► dump.rdb ─► $length, the file ─► the stream since
    by stream  (yes, and all who wait can take it: `capa eof`)
               $EOF:mark ─► pieces, no faster than the slowest takes them ─► mark
               ─► REPLCONF ACK, so it is loaded ─► the stream since

A transfer begins when no other snapshot is under way; one by stream a little later
(`repl-diskless-sync-delay`), because whoever comes once it has begun must wait for the next.  Who
comes while a file is being written shares it: the stream since then is there, kept for the others.

    Transfers    who waits, and what is sent now: one Transfer at a time
    Transfer     one snapshot, and who gets it

Invariants:
1. Between the snapshot's moment and the `+FULLRESYNC id offset` that names it nothing is published.
2. From that moment on the stream waits, for each replica, behind the snapshot.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from bedrock.app.logs import logger
from bedrock.world.disk import DiskFull
from kvstore.resp import ReplyError
from kvstore.saving import rest
from kvstore.snapshot import Snapshot

if TYPE_CHECKING:
    from kvstore.replication import Primary, Replica

log = logger("kvstore")

LOOK_S = 0.01  # between two looks at whether something can go on
SPAN = 4 << 20  # bytes on their way to one replica at a time
NO_EOF = "ERR Filtered replica requires EOF capability"


class Transfers:
    """Who waits for a snapshot, and the one that is being sent."""

    def __init__(self, primary: Primary):
        self.primary = primary
        self.store = primary.store
        self.current: Transfer | None = None
        self.task: Any = None

    def ask(self, replica: Replica, named: bool) -> None:
        """A replica waits; `named`: it wants to be told which place of which stream it gets."""
        if replica.is_choosy and not replica.takes_eof:
            raise ReplyError(NO_EOF)
        replica.named = named
        replica.asked_ms = self.store.keyspace.now_ms
        if self.current is not None and self.current.is_open_to(replica):
            self.current.join(replica)
        elif self.task is None:
            self.task = self.store.world.spawn(self._serve(), "full resync")

    def streams_to(self, replica: Replica) -> bool:
        """Whether a snapshot of unknown length is on its way: nothing may be sent in between."""
        current = self.current
        return current is not None and current.by_stream and replica in current.replicas

    def forget(self, replica: Replica) -> None:
        """A replica is gone."""
        if self.current is not None:
            self.current.leave(replica)

    def stop(self) -> None:
        """The server ends."""
        if self.task is not None:
            self.task.cancel()

    @property
    def waiting(self) -> list[Replica]:
        """Who is to share the next transfer."""
        waiting = [r for r in self.primary.replicas.values() if r.state and r.is_waiting]
        return [r for r in waiting if r.parts == waiting[0].parts]

    async def _serve(self) -> None:
        try:
            while waiting := self.waiting:
                if not self._is_due(waiting):
                    await self.store.world.clock.sleep(LOOK_S)
                    continue
                self.current = Transfer(self, waiting)
                try:
                    await self.current.run()
                finally:
                    self.current = None
        finally:
            self.task = None

    def can_stream(self, waiting: list[Replica]) -> bool:
        """Whether they get it as it is made, not from a file."""
        wanted = self.store.parameters["repl-diskless-sync"] or waiting[0].is_choosy
        return bool(wanted) and all(replica.takes_eof for replica in waiting)

    def _is_due(self, waiting: list[Replica]) -> bool:
        store, parameters = self.store, self.store.parameters
        if store.snapshot is not None or store.saver.job is not None or store.saver.rewriting:
            return False
        if not self.can_stream(waiting):
            return True
        most = parameters["repl-diskless-sync-max-replicas"]
        waited_ms = store.now() - min(replica.asked_ms for replica in waiting)
        delay_ms = parameters["repl-diskless-sync-delay"] * 1000
        return waited_ms >= delay_ms or 0 < most <= len(waiting)


class Transfer:
    """One snapshot, and the replicas that get it."""

    def __init__(self, transfers: Transfers, replicas: list[Replica]):
        self.transfers = transfers
        self.primary = transfers.primary
        self.store = transfers.store
        self.replicas = replicas
        self.by_stream = transfers.can_stream(replicas)
        self.parts = replicas[0].parts
        self.offset = 0  # of the stream, at the moment of the snapshot
        self.snapshot: Any = None

    async def run(self) -> None:
        """Send it; who cannot be sent all of it is cut off, and comes again."""
        try:
            await (self._stream() if self.by_stream else self._save_and_send())
        except (DiskFull, ReplyError) as error:
            log.warning("full resync failed", why=str(error))
            for replica in list(self.replicas):
                replica.client.link.abort()
        finally:
            if self.snapshot is not None:
                self.snapshot.abort()

    # ------------------------------------------------------------------ who gets it

    def is_open_to(self, replica: Replica) -> bool:
        """Whether someone who comes now can have it too."""
        return (
            not self.by_stream
            and self.snapshot is not None
            and not self.snapshot.ended
            and bool(self.replicas)
            and replica.parts == self.parts
        )

    def join(self, replica: Replica) -> None:
        """Share what was begun for others."""
        first = self.replicas[0]
        self.replicas.append(replica)
        self._announce(replica)
        assert first.waiting is not None
        for data in first.waiting:
            replica.send(data)

    def leave(self, replica: Replica) -> None:
        """A replica is gone; a snapshot that nobody wants any more is given up."""
        if replica not in self.replicas:
            return
        self.replicas.remove(replica)
        if self.replicas or self.snapshot is None:
            return
        if self.by_stream:
            log.info("last replica dropped while its snapshot was sent")
            self.snapshot.abort()
        elif not self.store.parameters["save"]:
            self.snapshot.abort()

    def _begin(self) -> None:
        """Take the snapshot; what is written from now on waits behind it."""
        store, primary = self.store, self.primary
        store.now()
        self.snapshot = Snapshot(
            store, keys=b"keys" in self.parts, functions=b"functions" in self.parts
        )
        self.offset = primary.offset
        for replica in self.replicas:
            self._announce(replica)
        store.journal.forget_database()

    def _announce(self, replica: Replica) -> None:
        replica.put_off()
        if replica.named:
            name = b"+FULLRESYNC %s %d\r\n" % (self.primary.id, self.offset)
            replica.client.link.write(name)

    # ------------------------------------------------------------------ the two ways

    async def _save_and_send(self) -> None:
        saver = self.store.saver
        self._begin()
        if not await saver.save_beside(saver.write(self.snapshot)):
            raise ReplyError("ERR no snapshot for replicas")
        file = saver.disk.open(saver.file_name)
        for replica in self.replicas:
            self.store.world.spawn(self._send_file(replica, file), "snapshot to a replica")

    async def _send_file(self, replica: Replica, file: Any) -> None:
        link, size = replica.client.link, file.size()
        replica.receive()
        link.write(b"$%d\r\n" % size)
        for at in range(0, size, SPAN):
            link.send_file(file, at, min(SPAN, size - at))
            if not await self._taken(replica):
                return
        self._arrived(replica)
        replica.go_on()

    async def _stream(self) -> None:
        store, sleep = self.store, self.store.world.clock.sleep
        log.info(f"Background RDB transfer started by pid {os.getpid()}")
        self._begin()
        mark = self.primary.new_id()
        for replica in self.replicas:
            replica.client.link.write(b"$EOF:%s\r\n" % mark)
        while piece := self.snapshot.next():
            for replica in self.replicas:
                replica.client.link.send_ref(piece)
            for pause_s in rest(self.snapshot):
                await sleep(pause_s)
            for replica in list(self.replicas):
                await self._taken(replica)
            store.now()
        log.info("all of the snapshot sent", replicas=len(self.replicas))
        for replica in self.replicas:
            replica.client.link.write(mark)
            self._arrived(replica)

    def _arrived(self, replica: Replica) -> None:
        if replica.client.link.closed:
            return
        replica.come_online(self.store.keyspace.now_ms)
        log.info(f"Synchronization with replica {replica.name} succeeded")
        if replica.snapshot_only:
            replica.client.link.close()

    async def _taken(self, replica: Replica) -> bool:
        """Wait until little is on its way to a replica; False if it is gone, or takes nothing."""
        link, clock = replica.client.link, self.store.world.clock
        timeout_ns = self.store.parameters["repl-timeout"] * 1_000_000_000
        sent, sent_ns = link.bytes_out, clock.now_ns()
        while link.queued > SPAN // 4 and not link.closed:
            await clock.sleep(LOOK_S)
            if link.bytes_out != sent:
                sent, sent_ns = link.bytes_out, clock.now_ns()
            elif clock.now_ns() - sent_ns > timeout_ns:
                log.warning(f"Disconnecting timedout replica (full sync): {replica.name}")
                link.abort("repl-timeout")
        return not link.closed
