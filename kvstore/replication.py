"""Replication, the primary's side: a snapshot, then the stream of changes, to each replica.

    PSYNC ? -1          ─► +FULLRESYNC id offset, $length RDB, then the stream from offset on
    PSYNC id offset     ─► +CONTINUE id, then the stream from offset on, if the backlog reaches back

The stream is what the journal records, numbered by bytes; the backlog keeps its end.  What is
written while a snapshot is under way waits for its replica behind the file.  Replicas tell how far
they are once a second (REPLCONF ACK), and when WAIT asks them to.

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

PING_S = 10
GETACK = b"*3\r\n$8\r\nREPLCONF\r\n$6\r\nGETACK\r\n$1\r\n*\r\n"
PING = b"*1\r\n$4\r\nPING\r\n"


class Replica:
    """A connection that asked for the stream."""

    def __init__(self, client: Any):
        self.client = client
        self.port = 0
        self.online = False  # it has the snapshot and gets the stream as it comes
        self.waiting: list[bytes] | None = None  # the stream since its snapshot began
        self.acked = 0  # how far it said it is
        self.acked_ms = client.store.keyspace.now_ms

    @property
    def host(self) -> str:
        """Where it connects from."""
        peer = self.client.link.peer
        return peer[0] if isinstance(peer, tuple) else ""


class Primary:
    """The stream of a store, and who follows it."""

    def __init__(self, store: Any):
        self.store = store
        self.id = self.new_id()
        self.offset = 0
        self.backlog = bytearray()  # the last bytes of the stream
        self.replicas: dict[Any, Replica] = {}  # client -> Replica
        self.acknowledged = asyncio.Event()  # set and cleared when a replica tells how far it is
        self.pinged_ms = 0
        self.synced = False  # this server has data that `id` and `offset` speak of, as a replica
        self.db = 0  # the database the stream speaks of, while it comes from another
        self.full = self.partial = 0  # how often a replica began anew, and went on

    # ------------------------------------------------------------------ the stream

    def begin(self) -> None:
        """From now on the journal's records are handed to `publish`."""
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
        for replica in self.replicas.values():
            if replica.online:
                replica.client.push(data)
            elif replica.waiting is not None:
                replica.waiting.append(data)

    def start_at(self, id: bytes, offset: int) -> None:
        """The data is now another server's: the stream goes on as its does."""
        self.id, self.offset, self.synced = id, offset, True
        self.backlog.clear()
        self.cut_off()

    def follow_on(self, id: bytes | None) -> None:
        """The server followed goes on where it was, perhaps under another name."""
        if id is not None and id != self.id:
            self.id = id
            self.cut_off()

    def rename(self) -> None:
        """What is written from now on is this server's own stream."""
        self.id = self.new_id()
        self.synced = False
        self.cut_off()
        if self.store.journal is not None:
            self.begin()

    def new_id(self) -> bytes:
        """A name for a stream."""
        return b"%040x" % int.from_bytes(self.store.world.rand.bytes(20), "big")

    def cut_off(self) -> None:
        """Replicas must come again and ask anew."""
        for replica in list(self.replicas.values()):
            replica.client.link.abort()

    def cycle(self, now_ms: int) -> None:
        """From time to time: let replicas know that the primary lives."""
        if self.store.follower is not None:
            return
        if self.replicas and now_ms - self.pinged_ms >= PING_S * 1000:
            self.pinged_ms = now_ms
            self.store.journal.flush()
            self.publish(PING)

    # ------------------------------------------------------------------ replicas

    def replica(self, client: Any) -> Replica:
        """What is known of a connection that speaks as a replica."""
        if client not in self.replicas:
            self.replicas[client] = Replica(client)
        return self.replicas[client]

    def forget(self, client: Any) -> None:
        """A connection is gone."""
        self.replicas.pop(client, None)

    def follow(self, client: Any, wanted: bytes, offset: int) -> None:
        """PSYNC: go on from an offset if that can be, else begin anew."""
        self.begin()
        self.store.journal.flush()
        replica = self.replica(client)
        missing = self.offset + 1 - offset
        if wanted == self.id and 0 <= missing <= len(self.backlog):
            client.push(b"+CONTINUE %s\r\n" % self.id)
            if missing:
                client.push(bytes(self.backlog[-missing:]))
            replica.online = True
            self.partial += 1
            return
        replica.online = False
        self.full += 1
        self.store.world.spawn(self._send_all(replica), "full resync")

    async def _send_all(self, replica: Replica) -> None:
        store, link = self.store, replica.client.link
        name = f"temp-replica-{replica.client.id}.rdb"
        while store.snapshot is not None:
            await store.world.clock.sleep(0.02)
        # From here to the first piece nothing else happens.
        store.now()
        store.journal.flush()
        snapshot = Snapshot(store, False, self.db if store.follower else 0)
        replica.waiting = []
        store.journal.forget_database()
        link.write(b"+FULLRESYNC %s %d\r\n" % (self.id, self.offset))
        try:
            file = store.saver.disk.open(name, "rw")
            file.truncate(0)
            for piece in iter(snapshot.next, b""):
                file.append(piece)
                await store.world.clock.sleep(0)
                if link.closed:
                    return
            link.write(b"$%d\r\n" % snapshot.written)
            link.send_file(file, 0, snapshot.written)
            link.write(b"".join(replica.waiting))
            replica.waiting = None
            replica.online = True
        except (DiskFull, ReplyError) as error:
            log.error("full resync failed", why=str(error))
            link.abort()
        finally:
            snapshot.abort()
            store.saver.disk.remove(name)

    # ------------------------------------------------------------------ WAIT

    def reached(self, offset: int) -> int:
        """Replicas that said they are so far."""
        return sum(r.acked >= offset for r in self.replicas.values() if r.online)

    async def wait(self, client: Any, wanted: int, timeout_ms: int) -> None:
        """Answer when enough replicas have all that is written so far, or in time."""
        self.store.journal.flush()
        offset = self.offset
        if self.store.follower is None:
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
            "master_replid2": "0" * 40,
            "master_repl_offset": self.offset,
            "second_repl_offset": -1,
            "repl_backlog_active": int(bool(self.offset)),
            "repl_backlog_size": self.store.parameters["repl-backlog-size"],
            "repl_backlog_first_byte_offset": self.offset - len(self.backlog) + 1,
            "repl_backlog_histlen": len(self.backlog),
        }


@command("role")
def role(client, words):
    """ROLE"""
    primary, follower = client.store.primary, client.store.follower
    if follower is not None:
        state = b"connected" if follower.up else b"connect"
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
        elif option not in (b"capa", b"ip-address", b"version"):
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


@command("wait")
def wait(client, words):
    """WAIT numreplicas timeout"""
    wanted, timeout_ms = number(words[1]), number(words[2])
    if timeout_ms < 0:
        raise ReplyError("ERR timeout is negative")
    primary = client.store.primary
    if client.store.journal is not None:
        client.store.journal.flush()
    enough = primary.reached(primary.offset) >= wanted
    if enough or client.executing or client.link is None:
        return primary.reached(primary.offset)
    client.link.run(primary.wait(client, wanted, timeout_ms))
    return NotImplemented
