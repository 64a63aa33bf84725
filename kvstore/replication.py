"""Replication, the primary's side: a snapshot, then the stream of changes, to each replica.

    PSYNC ? -1          ─► +FULLRESYNC id offset, $length RDB, then the stream from offset on
    PSYNC id offset     ─► +CONTINUE id, then the stream from offset on, if the backlog reaches back
    SYNC                ─► $length RDB, then the stream: tools that know no PSYNC

The stream is what the journal records, numbered by bytes; the backlog keeps its end.  What is
written while a snapshot is under way waits for its replica behind the file.  Replicas tell how far
they are once a second (REPLCONF ACK), and when WAIT asks them to; one that is silent for
`repl-timeout` is cut off.

A stream has a name, and one that was taken over a second:

    id2  ───────────────► offset2        the stream of the primary that this server followed
    id                    offset2 ────►  its own, since it was made a primary (REPLICAOF NO ONE)

so that the other replicas of the old primary can go on with the new one.

A replica gets a record when the primary's own file has it: under `appendfsync always` a replica
never knows what the primary could forget.
"""

from __future__ import annotations

import asyncio
from typing import Any

from bedrock.app.logs import logger
from bedrock.world.disk import DiskFull
from kvstore.engine import command
from kvstore.feed import Feed
from kvstore.resp import ReplyError, encode
from kvstore.snapshot import Snapshot

log = logger("kvstore")

NOBODY = b"0" * 40
KEEPALIVE_MS = 1000
GETACK = b"*3\r\n$8\r\nREPLCONF\r\n$6\r\nGETACK\r\n$1\r\n*\r\n"
PING = b"*1\r\n$4\r\nPING\r\n"


class Replica:
    """A connection that asked for the stream."""

    def __init__(self, client: Any):
        self.client = client
        self.port = 0
        self.address = ""  # what it wants to be called
        self.online = False  # it has the snapshot and gets the stream as it comes
        self.waiting: list[bytes] | None = None  # the stream since its snapshot began
        self.only = b""  # it wants the snapshot alone: "all", or "functions"
        self.acked = 0  # how far it said it is
        self.acked_ms = client.store.keyspace.now_ms

    @property
    def host(self) -> str:
        """Where it connects from."""
        peer = self.client.link.peer
        return self.address or (peer[0] if isinstance(peer, tuple) else "")

    def come_online(self, now_ms: int) -> None:
        """From here on it gets the stream as it comes."""
        self.waiting = None
        self.online = True
        self.acked_ms = now_ms


class Primary:
    """The stream of a store, and who follows it.

    begun: there is a stream that `id` and `offset` speak of
    """

    def __init__(self, store: Any):
        self.store = store
        self.id = self.new_id()
        self.offset = 0
        self.id2, self.offset2 = NOBODY, -1
        self.begun = False
        self.backlog = bytearray()  # the last bytes of the stream
        self.replicas: dict[Any, Replica] = {}  # client -> Replica
        self.acknowledged = asyncio.Event()  # set and cleared when a replica tells how far it is
        self.pinged_ms = self.kept_ms = self.alone_ms = 0
        self.db = 0  # the database the stream speaks of, while it comes from another
        self.full = self.partial = self.refused = 0  # how replicas' requests were answered

    # ------------------------------------------------------------------ the stream

    def begin(self) -> None:
        """From now on the journal's records are handed to `publish`."""
        self.begun = True
        if self.store.journal is None:
            self.store.record_in(Feed(self.store.world.turn))
        self.store.journal.follow(None if self.store.follower else self.publish)

    def publish(self, data: bytes) -> None:
        """Some more of the stream."""
        self.offset += len(data)
        self.backlog += data
        size = self.store.parameters["repl-backlog-size"]
        if len(self.backlog) > 2 * size:
            del self.backlog[:-size]
        # One that takes nothing any more is cut off by its link, and gone from here.
        for replica in list(self.replicas.values()):
            if replica.online:
                replica.client.push(data)
            elif replica.waiting is not None:
                replica.waiting.append(data)

    @property
    def kept(self) -> int:
        """Bytes that the backlog has; it is cut now and then, so it may hold more."""
        return min(len(self.backlog), self.store.parameters["repl-backlog-size"])

    def start_at(self, id: bytes, offset: int) -> None:
        """The data is now another server's: the stream goes on as its does."""
        self.id, self.offset, self.begun = id, offset, True
        self.id2, self.offset2 = NOBODY, -1
        self.backlog.clear()
        self.cut_off()

    def follow_on(self, id: bytes | None) -> None:
        """The server followed goes on where it was, perhaps under another name."""
        if id is not None and id != self.id:
            self.id2, self.offset2 = self.id, self.offset + 1
            self.id = id
            self.cut_off()

    def rename(self) -> None:
        """What is written from now on is this server's own stream."""
        self.id2, self.offset2 = self.id, self.offset + 1
        self.id = self.new_id()
        if self.begun:
            log.info(
                f"Setting secondary replication ID to {self.id2.decode()}, valid up to offset: "
                f"{self.offset2}. New replication ID is {self.id.decode()}"
            )
        self.cut_off()
        if self.store.journal is not None:
            self.store.journal.forget_database()
        if self.begun:
            self.begin()

    def end(self) -> None:
        """Nobody has asked for the stream for long: forget it."""
        self.store.journal.flush()
        self.store.journal.follow(None)
        self.begun = False
        self.backlog.clear()
        self.id = self.new_id()
        self.id2, self.offset2 = NOBODY, -1

    def new_id(self) -> bytes:
        """A name for a stream."""
        return b"%040x" % int.from_bytes(self.store.world.rand.bytes(20), "big")

    def cut_off(self) -> None:
        """Replicas must come again and ask anew."""
        for replica in list(self.replicas.values()):
            replica.client.link.abort()

    # ------------------------------------------------------------------ from time to time

    def cycle(self, now_ms: int) -> None:
        """Let replicas know that the primary lives, and drop those that do not."""
        parameters = self.store.parameters
        if now_ms - self.kept_ms >= KEEPALIVE_MS:
            self.kept_ms = now_ms
            self._look_after_replicas(now_ms, parameters["repl-timeout"] * 1000)
        if self.store.follower is not None or not self.begun:
            return
        if self.replicas:
            self.alone_ms = now_ms
            if now_ms - self.pinged_ms >= parameters["repl-ping-replica-period"] * 1000:
                self.pinged_ms = now_ms
                self.store.journal.flush()
                self.publish(PING)
        elif 0 < parameters["repl-backlog-ttl"] * 1000 < now_ms - self.alone_ms:
            log.info(
                f"Replication backlog freed after {parameters['repl-backlog-ttl']} seconds "
                "without connected replicas."
            )
            self.end()

    def _look_after_replicas(self, now_ms: int, timeout_ms: int) -> None:
        for replica in list(self.replicas.values()):
            if replica.waiting is not None:
                replica.client.link.write(b"\n")  # the snapshot takes its time
            elif replica.online and not replica.only and now_ms - replica.acked_ms > timeout_ms:
                log.warning("Disconnecting timedout replica (streaming sync)", host=replica.host)
                replica.client.link.abort("repl-timeout")

    # ------------------------------------------------------------------ replicas

    def replica(self, client: Any) -> Replica:
        """What is known of a connection that speaks as a replica."""
        if client not in self.replicas:
            self.replicas[client] = Replica(client)
        return self.replicas[client]

    def heard(self, client: Any) -> None:
        """A replica said nothing, which tells that it lives."""
        if client in self.replicas:
            self.replicas[client].acked_ms = self.store.keyspace.now_ms

    def forget(self, client: Any) -> None:
        """A connection is gone."""
        if self.replicas.pop(client, None) is not None:
            log.info(f"Connection with replica client id #{client.id} lost.")
            self.acknowledged.set()
            self.acknowledged.clear()

    def can_go_on(self, id: bytes, offset: int) -> bool:
        """Whether a replica of the stream `id` that wants `offset` next can go on here."""
        known = id == self.id or (id == self.id2 and offset <= self.offset2)
        return known and self.begun and 0 <= self.offset + 1 - offset <= self.kept

    def follow(self, client: Any, wanted: bytes, offset: int) -> None:
        """PSYNC: go on from an offset if that can be, else begin anew."""
        if self.store.follower is not None and not self.store.follower.up:
            raise ReplyError("NOMASTERLINK Can't SYNC while not connected with my master")
        replica = self.replica(client)
        going_on = self.can_go_on(wanted, offset)
        if not self.begun:
            self.alone_ms = self.store.keyspace.now_ms
        self.begin()
        self.store.journal.flush()
        if going_on:
            missing = self.offset + 1 - offset
            client.push(b"+CONTINUE %s\r\n" % self.id)
            if missing:
                client.push(bytes(self.backlog[-missing:]))
            replica.come_online(self.store.keyspace.now_ms)
            self.partial += 1
            log.info(
                f"Partial resynchronization request from {replica.host}:{replica.port} accepted. "
                f"Sending {missing} bytes of backlog starting from offset {offset}."
            )
            return
        if wanted not in (b"?", b""):
            self.refused += 1
            log.info(
                f"Unable to partial resync with replica {replica.host}:{replica.port} for lack "
                f"of backlog (Replica request was: {offset})."
            )
        self.full += 1
        self.pinged_ms = self.store.keyspace.now_ms
        replica.online = False
        self.store.world.spawn(self._send_all(replica, bool(wanted)), "full resync")

    async def _send_all(self, replica: Replica, named: bool) -> None:
        """Send a snapshot; `named` = say before which place of which stream it is."""
        store, link = self.store, replica.client.link
        name = f"temp-replica-{replica.client.id}.rdb"
        while store.snapshot is not None:
            await store.world.clock.sleep(0.02)
        if link.closed:
            return
        # From here to the first piece nothing else happens.
        store.now()
        store.journal.flush()
        snapshot = Snapshot(
            store,
            stream_db=self.db if store.follower else 0,
            only_functions=replica.only == b"functions",
        )
        replica.waiting = []
        store.journal.forget_database()
        if named:
            link.write(b"+FULLRESYNC %s %d\r\n" % (self.id, self.offset))
        file = None
        try:
            file = store.saver.disk.open(name, "rw")
            file.truncate(0)
            for piece in iter(snapshot.next, b""):
                file.append(piece)
                await store.world.clock.sleep(snapshot.pause_s)
                if link.closed:
                    return
            link.write(b"$%d\r\n" % snapshot.written)
            link.send_file(file, 0, snapshot.written)
            link.write(b"".join(replica.waiting))
            replica.come_online(store.keyspace.now_ms)
            if replica.only:
                link.close()
            log.info(f"Synchronization with replica {replica.host}:{replica.port} succeeded")
        except (DiskFull, ReplyError) as error:
            log.error("full resync failed", why=str(error))
            link.abort()
        finally:
            snapshot.abort()
            if file is not None:
                store.saver.disk.remove(name)

    # ------------------------------------------------------------------ WAIT

    def reached(self, offset: int) -> int:
        """Replicas that said they are so far."""
        return sum(r.acked >= offset for r in self.replicas.values() if r.online)

    async def wait(self, client: Any, wanted: int, timeout_ms: int) -> None:
        """Answer when enough replicas have all that is written so far, or in time."""
        offset = self.offset
        if self.replicas:
            self.publish(GETACK)
        clock = self.store.world.clock
        until = clock.now_ns() + timeout_ms * 1_000_000
        while self.reached(offset) < wanted:
            left = (until - clock.now_ns()) / 1e9 if timeout_ms else 3600.0
            if left <= 0 or client.link.closed:
                break
            try:
                await asyncio.wait_for(self.acknowledged.wait(), left)
            except TimeoutError:
                break
        client.push(encode(self.reached(offset)))

    # ------------------------------------------------------------------ what INFO and ROLE say

    def facts(self) -> dict[str, Any]:
        """For INFO."""
        now_ms = self.store.keyspace.now_ms
        replicas = [r for r in self.replicas.values() if r.online or r.waiting is not None]
        facts: dict[str, Any] = {"role": "master"}
        if self.store.follower is not None:
            facts = self.store.follower.facts()
        facts["connected_slaves"] = len(replicas)
        for i, r in enumerate(replicas):
            facts[f"slave{i}"] = (
                f"ip={r.host},port={r.port},state={'online' if r.online else 'send_bulk'},"
                f"offset={r.acked},lag={(now_ms - r.acked_ms) // 1000}"
            )
        return facts | {
            "master_failover_state": "no-failover",
            "master_replid": self.id.decode(),
            "master_replid2": self.id2.decode(),
            "master_repl_offset": self.offset,
            "second_repl_offset": self.offset2,
            "repl_backlog_active": int(self.begun),
            "repl_backlog_size": self.store.parameters["repl-backlog-size"],
            "repl_backlog_first_byte_offset": self.offset - self.kept + 1 if self.begun else 0,
            "repl_backlog_histlen": self.kept,
        }


@command("role")
def role(client, words):
    """ROLE"""
    primary, follower = client.store.primary, client.store.follower
    if follower is not None:
        state = follower.state.encode()
        return [b"slave", follower.host.encode(), follower.port, state, primary.offset]
    return [
        b"master",
        primary.offset,
        [
            [r.host.encode(), b"%d" % r.port, b"%d" % r.acked]
            for r in primary.replicas.values()
            if r.online
        ],
    ]


@command("replconf")
def replconf(client, words):
    """REPLCONF option value ...: what replicas tell"""
    if len(words) % 2 == 0:
        raise ReplyError("ERR syntax error")
    primary = client.store.primary
    for option, value in zip(words[1::2], words[2::2], strict=True):
        option = option.lower()
        if option == b"listening-port":
            primary.replica(client).port = number(value)
        elif option == b"ack":
            if client in primary.replicas:
                replica = primary.replicas[client]
                replica.acked = number(value)
                replica.acked_ms = client.store.keyspace.now_ms
                primary.acknowledged.set()
                primary.acknowledged.clear()
            return NotImplemented
        elif option == b"ip-address":
            primary.replica(client).address = value.decode("latin-1")
        elif option == b"rdb-only":
            primary.replica(client).only = b"all" if number(value) else b""
        elif option == b"rdb-filter-only":
            if value not in (b"", b"functions"):
                raise ReplyError("ERR Unsupported rdb-filter-only option")
            primary.replica(client).only = value or b"all"
        elif option not in (b"capa", b"version"):
            raise ReplyError(
                f"ERR Unrecognized REPLCONF option: {option.decode('latin-1')[:128]}"
            )
    return "OK"


def number(word: bytes) -> int:
    """A word that must be a whole number."""
    if not word.removeprefix(b"-").isdigit():
        raise ReplyError("ERR value is not an integer or out of range")
    return int(word)


@command("psync")
def psync(client, words):
    """PSYNC replicationid offset"""
    if client.store.server is None:
        raise ReplyError("ERR an embedded store has no replicas")
    client.store.primary.follow(client, words[1], number(words[2]))
    return NotImplemented


@command("sync")
def sync(client, words):
    """SYNC"""
    if client.store.server is None:
        raise ReplyError("ERR an embedded store has no replicas")
    client.store.primary.follow(client, b"", -1)
    return NotImplemented


@command("wait")
def wait(client, words):
    """WAIT numreplicas timeout"""
    wanted, timeout_ms = number(words[1]), number(words[2])
    if timeout_ms < 0:
        raise ReplyError("ERR timeout is negative")
    primary = client.store.primary
    if client.store.follower is not None:
        raise ReplyError(
            "ERR WAIT cannot be used with replica instances. Please also note that since Redis "
            "4.0 if a replica is configured to be writable (which is not the default) writes to "
            "replicas are just local and are not propagated."
        )
    if client.store.journal is not None:
        client.store.journal.flush()
    enough = primary.reached(primary.offset) >= wanted
    if enough or client.executing or client.link is None:
        return primary.reached(primary.offset)
    client.link.run(primary.wait(client, wanted, timeout_ms))
    return NotImplemented
