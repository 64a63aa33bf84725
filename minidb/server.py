"""The glue: configuration to engine, engine to a listener."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from bedrock.app.logs import logger
from bedrock.net import Limits
from bedrock.net import Server as NetServer
from bedrock.world import World
from minidb.auth import Verifier
from minidb.engine import Engine
from minidb.session import PgSession

if TYPE_CHECKING:
    from prometheus_client import Metric


class Server:
    """minidb as a server; what its sessions ask of it is below `stop`."""

    def __init__(self, world: World, config: Any) -> None:
        self.world = world
        self.config = config
        self.ports: dict[str, int] = {}
        self.ready = False
        self.log = logger("minidb")
        self.sessions: dict[int, PgSession] = {}
        self.verifier: Verifier | None = None
        self.listeners: dict[str, NetServer] = {}
        self._engine: Engine | None = None
        self._last_pid = 0

    @property
    def engine(self) -> Engine:
        assert self._engine is not None
        return self._engine

    async def start(self) -> None:
        """Recover the data, then listen."""
        config = self.config
        self._engine = Engine(self.world)
        password = config.password()
        if password:
            self.verifier = Verifier.of(password, self.token(16))
        limits = Limits(
            max_clients=config.max_clients, high=8 << 20, low=1 << 20, hard=1 << 30)
        server = NetServer(
            self.world, lambda: PgSession(self), (config.host, config.port), limits=limits,
            tls=config.tls())
        self.listeners["port"] = await server.start()
        self.ports["port"] = server.port
        self.ready = True

    async def drain(self, grace_s: float) -> None:
        """End idle sessions as PostgreSQL's fast shutdown does; let running statements finish."""
        self.ready = False
        for server in self.listeners.values():
            await server.drain(grace_s)

    async def stop(self) -> None:
        """Close the connections, write a checkpoint; idempotent."""
        self.ready = False
        for server in self.listeners.values():
            await server.stop()
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    def metrics(self) -> Iterable[Metric]:
        """Sessions, transactions, and rows in tables."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        if self._engine is None:
            return
        engine = self._engine
        yield CounterMetricFamily(
            "bedrock_minidb_commits", "transactions that changed something",
            engine.transactions.last_commit)
        yield GaugeMetricFamily("bedrock_minidb_sessions", "open sessions", len(self.sessions))
        yield GaugeMetricFamily(
            "bedrock_minidb_running_transactions", "transactions under way",
            len(engine.transactions.running))
        yield GaugeMetricFamily(
            "bedrock_minidb_rows", "rows in tables",
            sum(store.count() for store in engine.stores.values()))

    # -- for sessions

    def token(self, n: int) -> bytes:
        return self.world.rand.token(n)

    def admit(self, session: PgSession) -> tuple[int, int]:
        """A new session's process id and cancel secret."""
        self._last_pid += 1
        self.sessions[self._last_pid] = session
        return self._last_pid, int.from_bytes(self.token(4), "big")

    def leave(self, session: PgSession) -> None:
        self.sessions.pop(session.pid, None)

    def cancel(self, pid: int, secret: int) -> None:
        """A cancel request; a wrong secret is passed over in silence."""
        session = self.sessions.get(pid)
        if session is not None and session.secret == secret:
            session.cancel()
