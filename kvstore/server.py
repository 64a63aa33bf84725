"""The glue: configuration to parameters, engine, append-only file and listener."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from bedrock.app.config import ConfigError
from bedrock.app.logs import logger
from bedrock.net import Limits
from bedrock.net import Server as NetServer
from bedrock.storage.errors import Damaged
from bedrock.world import Timer, World
from kvstore.acl import BadRule
from kvstore.aof import Aof, Truncated
from kvstore.engine import Store
from kvstore.parameters import NotApplied, Parameters
from kvstore.replication import watch
from kvstore.resp import ReplyError
from kvstore.saving import run_beside
from kvstore.session import RespSession

log = logger("kvstore")

HIGH = 64 << 20  # bytes of replies to a client that reads none, at which it is not listened to
UNLISTENED = "Unable to listen on this port. Check server logs."

if TYPE_CHECKING:
    from prometheus_client import Metric


def parameters_of(config: Any, directory: str = "") -> Parameters:
    """The parameters a configuration asks for."""
    parameters = Parameters(
        appendfsync=config.appendfsync,
        appendonly=config.appendonly and config.engine == "memory",
        bind=config.host,
        databases=config.databases,
        dir=directory,
        maxclients=config.maxclients,
        port=config.port,
        protected_mode=not config.insecure,
        requirepass=config.password(),
    )
    try:
        parameters.set([item.partition("=")[::2] for item in config.set], starting=True)
    except ReplyError as error:
        raise ConfigError(f"--set: {error}") from None
    return parameters


class Server:
    """kvstore as a server: one listener on `port`."""

    def __init__(self, world: World, config: Any):
        self.world = world
        self.config = config
        self.ports: dict[str, int] = {}
        self.ready = False
        self.loaded = False
        self.store: Store | None = None
        self._net: NetServer | None = None
        self._local: NetServer | None = None  # the unix socket
        self._page: Any = None  # kvstore.page.server.Page, when it is asked for
        self._timer: Timer | None = None

    async def start(self) -> None:
        """Listen, then load the data."""
        config = self.config
        store = Store(self.world, parameters_of(config, self.world.disk.path()))
        store.server = self
        self._admit(store)
        self.store = store
        # How many there may be is the session's to say: it can be changed, and has words for it.
        # Nor is who takes no output cut off by time: `client-output-buffer-limit` and
        # `repl-timeout` say when.
        # A client may send a long pipeline before it reads anything.
        limits = Limits(
            max_clients=0, first_message_s=0, frame_s=0, stall_s=0, high=HIGH, low=HIGH // 4
        )
        self._net = NetServer(
            self.world,
            lambda: RespSession(store),
            (config.host, config.port),
            limits=limits,
            tls=config.tls(),
        )
        await self._net.start()
        self.ports["port"] = self._net.port
        await self._listen_locally(store, limits)
        store.parameters.note("port", self._net.port)
        store.parameters.listen(self._move)
        if store.parameters["cluster-enabled"]:
            self._join(store)
        log.info("listening", port=self._net.port, pid=os.getpid())
        store.begin_loading()
        try:
            await self._load(store)
        finally:
            store.end_loading()
        self.loaded = True
        self._expire_later()
        if config.page_port >= 0:
            from kvstore.page.server import Page

            self._page = Page(self.world, store, config)
            await self._page.start()
            self.ports["page_port"] = self._page.port
        self.ready = True
        watch(store)
        if store.parameters["replicaof"]:
            from kvstore.following import follow

            host, port = store.parameters["replicaof"].split()
            follow(store, host, int(port))

    def _move(self) -> None:
        """CONFIG SET port: listen there from now on."""
        assert self.store is not None and self._net is not None
        port = self.store.parameters["port"]
        if port == self.ports["port"]:
            return
        if not port:
            raise NotApplied("port", "without a port nobody could come in")
        try:
            self._net.move((self.config.host, port))
        except OSError as error:
            log.warning("cannot listen", port=port, why=str(error))
            raise NotApplied("port", UNLISTENED) from None
        self.ports["port"] = port

    async def _listen_locally(self, store: Store, limits: Limits) -> None:
        """Listen on a unix socket too, if there is to be one."""
        path, permissions = store.parameters["unixsocket"], store.parameters["unixsocketperm"]
        if path:
            self._local = NetServer(self.world, lambda: RespSession(store), path, limits=limits)
            await self._local.start()
            if int(permissions, 8):
                os.chmod(path, int(permissions, 8))

    async def _load(self, store: Store) -> None:
        """Load the data; who connects meanwhile is told so."""
        if self.config.engine == "log":
            from kvstore.log_engine import LogEngine

            store.log_engine = LogEngine(store, self.world)
            store.log_engine.open()
            store.record_in(store.log_engine.journal)
            if store.log_engine.is_new:
                await self._load_snapshot(store)
            return
        if not self.config.appendonly:
            await self._load_snapshot(store)
            return
        aof = Aof(store, self.world)
        try:
            await run_beside(self.world, aof.opening())
        except Truncated as damage:
            log.error(f"Unexpected end of file reading the append only file {damage}")
            raise
        except Damaged as damage:
            if damage.why.startswith("ERR unknown command"):
                name = damage.why.split("'")[1]
                log.error(f"Unknown command '{name}' reading the append only file: {damage}")
            else:
                log.error(f"Bad file format reading the append only file: {damage}")
            raise
        store.keep(aof)
        aof.start()

    async def _load_snapshot(self, store: Store) -> None:
        try:
            await run_beside(self.world, store.saver.loading())
        except Damaged as damage:
            what = "RDB CRC error" if "checksum" in damage.why else "Bad RDB file"
            log.error(f"Fatal error loading the DB, {what}: {damage}")
            raise

    def _admit(self, store: Store) -> None:
        """Take the users of the configuration, or of the ACL file."""
        if self.config.user and store.parameters["aclfile"]:
            raise ConfigError("users stand in the configuration or in an ACL file, not in both")
        try:
            store.users.configured(self.config.user)
            if store.parameters["aclfile"]:
                store.users.load()
        except (BadRule, ReplyError) as error:
            raise ConfigError(f"users: {error}") from None

    def _join(self, store: Store) -> None:
        """Be a node of the cluster that is written down."""
        from kvstore.cluster import Cluster
        from kvstore.following import follow

        cluster = Cluster(store)
        try:
            cluster.load(self.config.host, self.ports["port"])
        except (ValueError, IndexError, KeyError) as error:
            raise ConfigError(f"cluster-config-file: {error}") from None
        store.join_cluster(cluster.router)
        if cluster.me.primary is not None:
            follow(store, cluster.me.primary.host, cluster.me.primary.port)

    @property
    def address_text(self) -> str:
        """host:port where it listens, as CLIENT LIST shows it."""
        return f"{self.config.host}:{self.ports.get('port', 0)}"

    def _expire_later(self) -> None:
        assert self.store is not None
        clock = self.world.clock
        period_ns = 1_000_000_000 // min(max(self.store.parameters["hz"], 1), 500)
        self._timer = clock.call_at(clock.now_ns() + period_ns, self._expire)

    def _expire(self) -> None:
        assert self.store is not None
        self.store.cycle()
        self._expire_later()

    async def may_stop(self) -> bool:
        """Let replicas catch up and write a snapshot, as far as that is wanted."""
        return self.store is None or await self.store.stopping.may_stop()

    async def drain(self, grace_s: float) -> None:
        """Let requests that were begun end; who waits for others is let go, as Redis does."""
        self.ready = False
        for client in list(self.store.clients.values()) if self.store is not None else ():
            if client.link is not None and (client.waiter is not None or client.postponed):
                client.link.close()
        for net in (self._local, self._net):
            if net is not None:
                await net.drain(grace_s)

    async def stop(self) -> None:
        """Close the connections and the file; idempotent."""
        self.ready = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for net in (self._page, self._local, self._net):
            if net is not None:
                await net.stop()
        store, self.store = self.store, None
        if store is None:
            return
        if store.follower is not None:
            store.follower.stop()
        store.saver.give_up()
        if store.aof is not None:
            store.aof.close()
        if self.loaded:
            store.stopping.save()
            if store.log_engine is not None:
                store.log_engine.close()

    def metrics(self) -> Iterable[Metric]:
        """Commands run by name, keys, hits and misses."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        store = self.store
        if store is None:
            return
        requests = CounterMetricFamily(
            "bedrock_kvstore_requests", "commands run", labels=["command"]
        )
        for name, command in store.commands.items():
            if command.calls:
                requests.add_metric([name], command.calls)
        yield requests
        keys = GaugeMetricFamily("bedrock_kvstore_keys", "keys held", labels=["db"])
        for db in store.keyspace.databases:
            if len(db):
                keys.add_metric([str(db.index)], len(db))
        yield keys
        lookups = CounterMetricFamily(
            "bedrock_kvstore_lookups", "keys read, by whether they were there", labels=["result"]
        )
        lookups.add_metric(["hit"], store.keyspace.hits)
        lookups.add_metric(["miss"], store.keyspace.misses)
        yield lookups
        yield CounterMetricFamily(
            "bedrock_kvstore_expired_keys", "keys that passed their time", store.keyspace.expired
        )
