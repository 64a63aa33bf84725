"""Replication, the primary's side: the stream of changes, its names, and who follows it.

    PSYNC id offset     ─► +CONTINUE id, the stream from offset on, if the backlog reaches back
    PSYNC ? -1          ─► +FULLRESYNC id offset, a snapshot (kvstore.transfer), then the stream
    SYNC                ─► a snapshot, then the stream: tools that know no PSYNC

The stream is what the journal records, numbered by bytes; the backlog keeps its end:

    byte 1 ........................... offset
                 │◄── backlog, `kept` ──►│      PSYNC id n goes on if n-1 is in here

Replicas tell how far they are once a second (REPLCONF ACK), and when WAIT asks them to; one that is
silent for `repl-timeout` is cut off.

A stream has a name, and one that was taken over a second:

    id2  ───────────────► offset2        the stream of the primary that this server followed
    id                    offset2 ────►  its own, since it was made a primary (REPLICAOF NO ONE)

so that the other replicas of the old primary can go on with the new one.

A replica is in one of these states:

    (introduced) ─ PSYNC ─► WAITING ──► RECEIVING ──► ONLINE
                       │    for a snap-  the snapshot;   gets the stream as it comes
                       │    shot         the stream since
                       └─ goes on ────── waits ────────►

Invariants:
1. A replica gets a record when the primary's own file has it: under `appendfsync always` a replica
   never knows what the primary could forget.
2. What a replica has been sent, counted from the offset it was told, is the stream without a hole.
3. While this server follows another, its stream is that one's, byte for byte, under its name.
"""

from __future__ import annotations

import asyncio
from typing import Any

from bedrock.app.logs import logger
from kvstore.feed import Feed
from kvstore.refusals import READ_ONLY_REPLICA, SAVING_FAILS, TOO_FEW_REPLICAS
from kvstore.resp import ReplyError
from kvstore.transfer import Transfers

log = logger("kvstore")

NOBODY = b"0" * 40
KEEPALIVE_MS = 1000
GETACK = b"*3\r\n$8\r\nREPLCONF\r\n$6\r\nGETACK\r\n$1\r\n*\r\n"
PING = b"*1\r\n$4\r\nPING\r\n"
PARTS = frozenset((b"keys", b"functions"))
WAITING, RECEIVING, ONLINE = "wait_bgsave", "send_bulk", "online"  # as INFO calls them


class Replica:
    """A connection that speaks as a replica.

    state:   "" while it has only introduced itself
    waiting: the stream since its snapshot began, None when it gets the stream as it comes
    parts:   of a snapshot that it wants
    snapshot_only: it wants no stream
    takes_eof: it can take a snapshot whose length is not known
    """

    def __init__(self, client: Any):
        self.client = client
        self.port = 0
        self.address = ""  # what it wants to be called
        self.state = ""
        self.takes_eof = False
        self.waiting: list[bytes] | None = None
        self.waiting_bytes = 0
        self.parts = PARTS
        self.snapshot_only = False
        self.named = True  # it is told where in the stream it is
        self.asked_ms = 0  # when it asked for a snapshot
        self.acked = 0  # how far it said it is
        self.acked_ms = client.store.keyspace.now_ms

    @property
    def host(self) -> str:
        """Where it connects from."""
        peer = self.client.link.peer
        return self.address or (peer[0] if isinstance(peer, tuple) else "")

    @property
    def name(self) -> str:
        """What the log calls it."""
        return f"{self.host}:{self.port}" if self.port else f"client id #{self.client.id}"

    @property
    def is_choosy(self) -> bool:
        """It does not want all of a snapshot."""
        return self.parts != PARTS

    @property
    def online(self) -> bool:
        """It has all data up to some place of the stream."""
        return self.state == ONLINE

    @property
    def is_waiting(self) -> bool:
        """It is to get a snapshot, which has not begun."""
        return self.state == WAITING and self.waiting is None

    def send(self, data: bytes) -> None:
        """Some more of the stream, behind what waits already."""
        if self.waiting is None:
            self.client.push(data)
        else:
            self.waiting.append(data)
            self.waiting_bytes += len(data)

    def put_off(self) -> None:
        """From here on the stream waits until `go_on`."""
        self.waiting = []
        self.waiting_bytes = 0

    def go_on(self) -> None:
        """Send what waited; what comes from here on goes at once."""
        if self.waiting:
            self.client.link.write(b"".join(self.waiting))
        self.waiting = None
        self.waiting_bytes = 0

    def is_silent(self, since_ms: int) -> bool:
        """It should have told how far it is, and did not since a time."""
        return self.online and not self.snapshot_only and self.acked_ms < since_ms

    def receive(self) -> None:
        """Its snapshot is on the way."""
        self.state = RECEIVING

    def come_online(self, now_ms: int) -> None:
        """The snapshot is with it, or it needed none."""
        self.state = ONLINE
        self.acked_ms = now_ms

    def acknowledge(self, offset: int, now_ms: int) -> None:
        """It says how far it is, which it can only do once it has loaded its snapshot."""
        self.acked, self.acked_ms = offset, now_ms
        if self.online and self.waiting is not None:
            # Not from here: what is written while its request runs would be an answer to it.
            clock = self.client.store.world.clock
            clock.call_at(clock.now_ns(), self.go_on)


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
        self.introduced: dict[Any, Replica] = {}  # client -> who may ask for the stream
        self.replicas: dict[Any, Replica] = {}  # client -> who did
        self.transfers = Transfers(self)
        self.failover: Any = None  # kvstore.failover.Failover under way, or None
        self.acknowledged = asyncio.Event()  # set and cleared when a replica tells how far it is
        self.pinged_ms = self.kept_ms = self.alone_ms = 0
        self.db = 0  # the database the stream speaks of, while it comes from another
        self.full = self.partial = self.refused = 0  # how replicas' requests were answered
        store.parameters.listen(self.judge_writes)

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
            if not replica.is_waiting:
                replica.send(data)

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
        self.alone_ms = self.store.keyspace.now_ms  # the other replicas get time to come
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
            self.judge_writes()
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
            if replica.state == WAITING:
                if not self.transfers.streams_to(replica):
                    replica.client.link.write(b"\n")  # the snapshot takes its time
            elif replica.is_silent(now_ms - timeout_ms):
                log.warning(f"Disconnecting timedout replica (streaming sync): {replica.name}")
                replica.client.link.abort("repl-timeout")

    # ------------------------------------------------------------------ replicas

    def replica(self, client: Any) -> Replica:
        """What is known of a connection that speaks as a replica."""
        if client in self.replicas:
            return self.replicas[client]
        return self.introduced.setdefault(client, Replica(client))

    def heard(self, client: Any) -> None:
        """A replica said nothing, which tells that it lives."""
        if client in self.replicas:
            self.replicas[client].acked_ms = self.store.keyspace.now_ms

    def judge_writes(self) -> None:
        """Whether clients may write, now that something has changed that decides it."""
        parameters, refusal = self.store.parameters, None
        if self.store.follower is not None:
            refusal = READ_ONLY_REPLICA if parameters["replica-read-only"] else None
        elif self.store.saver.stops_writes:
            refusal = SAVING_FAILS
        elif parameters["min-replicas-to-write"] and parameters["min-replicas-max-lag"]:
            lacking = self.good < parameters["min-replicas-to-write"]
            refusal = TOO_FEW_REPLICAS if lacking else None
        self.store.refusal = refusal

    def forget(self, client: Any) -> None:
        """A connection is gone."""
        self.introduced.pop(client, None)
        replica = self.replicas.pop(client, None)
        if replica is not None:
            log.info(f"Connection with replica {replica.name} lost.")
            self.transfers.forget(replica)
            self.tell_acknowledged()
            self.judge_writes()

    def tell_acknowledged(self) -> None:
        """Who waits for replicas may look again."""
        self.acknowledged.set()
        self.acknowledged.clear()

    def can_go_on(self, id: bytes, offset: int) -> bool:
        """Whether a replica of the stream `id` that wants `offset` next can go on here."""
        known = id == self.id or (id == self.id2 and offset <= self.offset2)
        return known and self.begun and 0 <= self.offset + 1 - offset <= self.kept

    def follow(self, client: Any, wanted: bytes, offset: int) -> None:
        """PSYNC: go on from an offset if that can be, else begin anew."""
        if client in self.replicas:
            return  # it follows already: its second request means nothing
        if self.store.follower is not None and not self.store.follower.up:
            raise ReplyError("NOMASTERLINK Can't SYNC while not connected with my master")
        replica = self.replica(client)
        log.info(f"Replica {replica.name} asks for synchronization")
        going_on = self.can_go_on(wanted, offset)
        if not self.begun:
            self.alone_ms = self.store.keyspace.now_ms
        self.begin()
        self.store.journal.flush()
        self.replicas[client] = self.introduced.pop(client)
        client.following = True
        if going_on:
            missing = self.offset + 1 - offset
            client.push(b"+CONTINUE %s\r\n" % self.id)
            if missing:
                client.push(bytes(self.backlog[-missing:]))
            replica.come_online(self.store.keyspace.now_ms)
            self.partial += 1
            log.info(
                f"Partial resynchronization request from {replica.name} accepted. "
                f"Sending {missing} bytes of backlog starting from offset {offset}."
            )
            return
        if wanted in (b"?", b""):
            log.info(f"Full resync requested by replica {replica.name}")
        else:
            self.refused += 1
            self._say_why_not(replica, wanted, offset)
        self.full += 1
        self.pinged_ms = self.store.keyspace.now_ms
        replica.state = WAITING
        self.transfers.ask(replica, bool(wanted))

    def _say_why_not(self, replica: Replica, wanted: bytes, offset: int) -> None:
        """A replica cannot go on: of another stream, or it was away for too long."""
        if wanted not in (self.id, self.id2):
            log.info(
                "Partial resynchronization not accepted: Replication ID mismatch (Replica asked "
                f"for '{wanted.decode('latin-1')}', my replication IDs are '{self.id.decode()}' "
                f"and '{self.id2.decode()}')"
            )
        else:
            log.info(
                f"Unable to partial resync with replica {replica.name} for lack of backlog "
                f"(Replica request was: {offset})."
            )

    # ------------------------------------------------------------------ who has how much

    def reached(self, offset: int) -> int:
        """Replicas that said they are so far."""
        return sum(r.acked >= offset for r in self.replicas.values() if r.online)

    @property
    def good(self) -> int:
        """Replicas that were heard of within `min-replicas-max-lag`."""
        now_ms = self.store.keyspace.now_ms
        most_ms = self.store.parameters["min-replicas-max-lag"] * 1000
        return sum(
            now_ms - r.acked_ms <= most_ms for r in self.replicas.values() if r.online
        )

    def facts(self) -> dict[str, Any]:
        """For INFO."""
        now_ms = self.store.keyspace.now_ms
        facts: dict[str, Any] = {"role": "master"}
        if self.store.follower is not None:
            facts = self.store.follower.facts()
        facts["connected_slaves"] = len(self.replicas)
        if self.store.parameters["min-replicas-to-write"]:
            facts["min_slaves_good_slaves"] = self.good
        for i, r in enumerate(self.replicas.values()):
            lag_s = (now_ms - r.acked_ms) // 1000 if r.online else 0
            facts[f"slave{i}"] = (
                f"ip={r.host},port={r.port},state={r.state},offset={r.acked},lag={lag_s}"
            )
        return facts | {
            "master_failover_state": self.failover.state if self.failover else "no-failover",
            "master_replid": self.id.decode(),
            "master_replid2": self.id2.decode(),
            "master_repl_offset": self.offset,
            "second_repl_offset": self.offset2,
            "repl_backlog_active": int(self.begun),
            "repl_backlog_size": self.store.parameters["repl-backlog-size"],
            "repl_backlog_first_byte_offset": self.offset - self.kept + 1 if self.begun else 0,
            "repl_backlog_histlen": self.kept,
        }


def state_changed(store: Any) -> None:
    """What clients may do depends on whether this server follows another."""
    store.primary.judge_writes()
    if store.follower is None:
        store.go_stale(False)
    else:
        store.follower.judge()


def watch(store: Any) -> None:
    """Take over changed parameters from now on."""
    store.parameters.listen(lambda: state_changed(store))
