"""FAILOVER: primary and replica change places, and nothing that was acknowledged is lost.

    FAILOVER ─► writes wait ─► a replica has all of the stream ─► PSYNC id offset FAILOVER to it
             ─► it is the primary now, and says +CONTINUE ─► writes go on, to be told READONLY
                        │ TIMEOUT passed                   │ it refused, or cannot be reached
                        ├─► given up, writes go on         └─► primary again
                        └─► with FORCE: to the replica named, whatever it lacks

Without `TO host port` the first replica that has everything is taken.  The new primary goes on with
the stream of the old one under a second name (see kvstore.replication), so that neither the old
primary nor the other replicas need a snapshot.

Invariant: between the moment the replica had everything and the end nothing is written here.
"""

from __future__ import annotations

from typing import Any

from bedrock.app.logs import logger
from kvstore import following
from kvstore.binding import command
from kvstore.pausing import Pause
from kvstore.replica_commands import number
from kvstore.replication import Replica
from kvstore.resp import ReplyError

log = logger("kvstore")

LOOK_S = 0.01
REFUSAL_S = 10  # how long a new primary may take to answer
HOLD_MS = 60_000  # writes wait for so long, which is prolonged again and again
WAITING, UNDER_WAY = "waiting-for-sync", "failover-in-progress"


class Failover:
    """One change of places.

    address: of the replica that is wanted, None for any
    timeout_ms: how long it may take to catch up, 0 = for ever
    """

    def __init__(
        self, store: Any, address: tuple[str, int] | None, timeout_ms: int, force: bool
    ):
        self.store = store
        self.address = address
        self.timeout_ms = timeout_ms
        self.force = force
        self.state = WAITING
        self.ended = False

    def begin(self) -> None:
        """Writes wait from now on."""
        self.store.primary.failover = self
        self._hold_writes()
        self.store.world.spawn(self._run(), "failover")

    def _hold_writes(self) -> None:
        """Also after CLIENT UNPAUSE."""
        store = self.store
        if store.pause is None:
            store.pause = Pause(store)
        store.pause.extend(store.now() + HOLD_MS, False)

    async def _run(self) -> None:
        try:
            address = await self._wait_for_replica()
            if address is not None:
                await self._change_places(*address)
        finally:
            self._end()

    def abort(self) -> None:
        """FAILOVER ABORT: all is as before."""
        log.info("FAILOVER aborted: Failover manually aborted")
        if self.state == UNDER_WAY:
            following.cease(self.store)
        self._end()

    def _end(self) -> None:
        if not self.ended:
            self.ended = True
            self.store.primary.failover = None
            if self.store.pause is not None:
                self.store.pause.end()

    async def _wait_for_replica(self) -> tuple[str, int] | None:
        """Where the replica is that has everything; None if none will have."""
        store, clock = self.store, self.store.world.clock
        until_ns = clock.now_ns() + self.timeout_ms * 1_000_000
        while not self.ended:
            self._hold_writes()
            store.journal.flush()
            for replica in self.candidates:
                if replica.online and replica.acked >= store.primary.offset:
                    return replica.host, replica.port
            if self.timeout_ms and clock.now_ns() >= until_ns:
                if self.force:
                    log.info("Failover to the replica that was named: time out exceeded, "
                             "failing over.")
                    return self.address
                log.info("FAILOVER aborted: Replica never caught up before timeout")
                return None
            await clock.sleep(LOOK_S)
        return None

    @property
    def candidates(self) -> list[Replica]:
        """Replicas that may become the primary."""
        replicas = self.store.primary.replicas.values()
        return [r for r in replicas if self.address in (None, (r.host, r.port))]

    async def _change_places(self, host: str, port: int) -> None:
        """Follow the replica, which becomes the primary when it is asked to."""
        store, clock = self.store, self.store.world.clock
        self.state = UNDER_WAY
        log.info(f"Failover target is synced, failing over to {host}:{port}.")
        following.follow(store, host, port, failing_over=True)
        follower = store.follower
        until_ns = clock.now_ns() + REFUSAL_S * 1_000_000_000
        while store.follower is follower and not follower.up:
            late = clock.now_ns() >= until_ns and not self.force
            if follower.refused or late:
                log.warning("Failover target rejected psync request", host=host, port=port)
                following.cease(store)
                return
            await clock.sleep(LOOK_S)


@command("failover")
def failover(client, words):
    """FAILOVER [TO host port [FORCE]] [ABORT] [TIMEOUT milliseconds]"""
    store = client.store
    address, timeout_ms, force, abort = parse(words)
    if store.server is None:
        raise ReplyError("ERR an embedded store has no replicas")
    primary = store.primary
    if store.router is not None:
        raise ReplyError("ERR FAILOVER not allowed in cluster mode.")
    if abort:
        if primary.failover is None:
            raise ReplyError("ERR No failover in progress.")
        primary.failover.abort()
        return "OK"
    if primary.failover is not None:
        raise ReplyError("ERR FAILOVER already in progress.")
    if store.follower is not None:
        raise ReplyError("ERR FAILOVER is not valid when server is a replica.")
    if not primary.replicas:
        raise ReplyError("ERR FAILOVER requires connected replicas.")
    if force and (not timeout_ms or address is None):
        raise ReplyError(
            "ERR FAILOVER with force option requires both a timeout and target HOST and IP.")
    wanted = Failover(store, address, timeout_ms, force)
    if not wanted.candidates:
        raise ReplyError("ERR FAILOVER target HOST and PORT is not a replica.")
    if address is not None and not wanted.candidates[0].online:
        raise ReplyError("ERR FAILOVER target replica is not online.")
    log.info("FAILOVER requested to "
             + ("any replica." if address is None else f"{address[0]}:{address[1]}."))
    wanted.begin()
    return "OK"


def parse(words: list[bytes]) -> tuple[tuple[str, int] | None, int, bool, bool]:
    """Address, timeout, FORCE and ABORT of a request; ABORT stands alone."""
    address, timeout_ms, force = None, 0, False
    i = 1
    while i < len(words):
        option = words[i].upper()
        if option == b"ABORT" and len(words) == 2:
            return None, 0, False, True
        if option == b"TIMEOUT" and i + 1 < len(words) and not timeout_ms:
            timeout_ms = number(words[i + 1])
            if timeout_ms <= 0:
                raise ReplyError("ERR FAILOVER timeout must be greater than 0")
            i += 2
        elif option == b"TO" and i + 2 < len(words) and address is None:
            address = words[i + 1].decode("latin-1"), number(words[i + 2])
            i += 3
        elif option == b"FORCE" and not force:
            force = True
            i += 1
        else:
            raise ReplyError("ERR syntax error")
    return address, timeout_ms, force, False
