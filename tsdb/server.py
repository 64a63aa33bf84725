"""The server: configuration -> store -> routes -> listeners."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import asdict
from importlib import import_module
from typing import TYPE_CHECKING, Any

from bedrock.app.logs import logger
from bedrock.app.metrics import metrics_route
from bedrock.net import Limits
from bedrock.net import Server as Listener
from bedrock.net.http import HttpSession, Route
from bedrock.storage.errors import Damaged
from bedrock.world import DiskFailed, DiskFull, Timer, World
from tsdb import pages
from tsdb.admin import Admin
from tsdb.api import Api
from tsdb.auth import GuardedRouter
from tsdb.config import TsdbConfig
from tsdb.form import in_slices
from tsdb.influx import Influx
from tsdb.intake import Intake
from tsdb.inventory import Inventory
from tsdb.monitor.monitor import Monitor
from tsdb.policy import duration_ms, policy_of
from tsdb.status import Status
from tsdb.store import Store

if TYPE_CHECKING:
    from tsdb.forwarder import Forwarder

LIMITS = Limits()
WARM_NS = 300_000_000  # after the start: the first clients are being greeted until then


class Server:
    """A tsdb that listens; interface in bedrock.app.component."""

    def __init__(self, world: World, config: TsdbConfig):
        self.world = world
        self.config = config
        self.log = logger("tsdb")
        self.ports: dict[str, int] = {}
        self.ready = False
        self.store: Store | None = None
        self._listeners: list[Listener] = []
        self._timer: Timer | None = None
        self._job: asyncio.Task[None] | None = None
        self.forwarder: Forwarder | None = None
        self._api: Api | None = None
        self.routes: list[Route] = []
        self.inventory: Inventory | None = None
        self._monitor: Monitor | None = None

    async def start(self) -> None:
        """Open the store and listen."""
        config = self.config
        self.store = store = Store(
            self.world,
            series_max=config.series_max,
            labels_max=config.labels_max,
            policy=policy_of(config),
        )
        store.queries.set_aside = self._set_aside
        store.queries.at_once = config.queries_at_once
        store.queries.wait_s = config.query_timeout_s
        for finding in store.log.findings:
            self.log.warning("the log's end was repaired", finding=str(finding))
        for finding in store.block_set.findings:
            self.log.error("a damaged block was set aside", finding=str(finding))
        if config.forward:
            from tsdb.forwarder import Forwarder

            self.forwarder = Forwarder(self.world, store.head, config.forward)
            self.forwarder.start()
            store.on_commit = self.forwarder.take
        self._api = Api(store, config, duration_ms("lookback", config.lookback))
        self.inventory = Inventory(store)
        self._monitor = Monitor(
            self.world, store, config.config_file, self._api.budget, config.state_file
        )
        status = Status(store, self._flags, self._monitor)
        reading = self._api.routes() + status.routes() + self.inventory.routes()
        routes = [in_slices(route, store.queries) for route in reading]
        routes += status.pages() + self._monitor.routes()
        routes += Influx(store, self._api.budget).routes() + Admin(store).routes()
        routes += Intake(store, self._monitor.received.take).routes()
        routes.append(metrics_route("tsdb", lambda: (self.world, self)))
        routes += pages.routes(config.host, self.world.clock)
        self.routes = routes
        router = GuardedRouter(routes, password=config.password())
        tls = config.tls()
        for option in ("port", "influx_port"):
            port = getattr(config, option)
            if port < 0:
                continue
            listener = Listener(
                self.world, lambda: HttpSession(router), (config.host, port), limits=LIMITS, tls=tls
            )
            await listener.start()
            self._listeners.append(listener)
            self.ports[option] = listener.port
        self._maintain_later()
        self.inventory.pulse.start()
        self._monitor.start(f"http://{config.host}:{self.ports['port']}")
        self.ready = True
        clock = self.world.clock
        clock.call_at(clock.now_ns() + WARM_NS, self._warm)

    def _warm(self) -> None:
        """Load the query engine (and numpy) beside the work, so that no query waits for it."""
        self.world.spawn(self.world.beside(import_module, "tsdb.promql.answer"), "warm")

    async def drain(self, grace_s: float) -> None:
        """Finish what was begun, refuse what is new."""
        self.ready = False
        for listener in self._listeners:
            await listener.drain(grace_s)

    async def stop(self) -> None:
        """Close everything; idempotent."""
        self.ready = False
        if self._monitor is not None:
            self._monitor.stop()
        if self.inventory is not None:
            self.inventory.pulse.stop()
        if self.forwarder is not None:
            await self.forwarder.stop()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for listener in self._listeners:
            await listener.stop()
        self._listeners = []
        store, self.store = self.store, None
        if store is not None:
            await store.queries.stop()
            if self._job is not None and not self._job.done():
                await asyncio.wait([self._job])
            store.close()

    def _flags(self) -> dict[str, str]:
        hidden = ("password_file", "tls_key")
        return {
            name.replace("_", "-"): str(value)
            for name, value in asdict(self.config).items()
            if name not in hidden
        }

    def _set_aside(self, damage: Damaged) -> None:
        assert self.store is not None
        blocks = self.store.block_set
        if blocks.set_aside(damage):
            self.log.error("a damaged block was set aside", finding=str(damage))
        elif damage.finding not in blocks.findings:
            raise damage

    def _maintain_later(self) -> None:
        clock = self.world.clock
        period_ns = int(self.config.maintenance_s * 1e9)
        self._timer = clock.call_at(clock.now_ns() + period_ns, self._maintain)

    def _maintain(self) -> None:
        self._job = self.world.spawn(self._maintain_now(), "maintenance")

    async def _maintain_now(self) -> None:
        store = self.store
        assert store is not None
        try:
            await store.maintain_beside()
        except DiskFull as exc:
            self.log.warning("no room to flush the head; trying again later", error=str(exc))
        except Damaged as exc:
            self._set_aside(exc)
        except DiskFailed as exc:
            self.world.turn.fail(exc)
            return
        if self.ready:
            self._maintain_later()

    def metrics(self) -> Iterator[Any]:
        """Our own numbers for /metrics."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        store = self.store
        if store is None or self._api is None:
            return
        gauges = {
            "head_series": ("Series in the head.", store.head.live),
            "head_samples": ("Samples in the head.", store.head.samples),
            "blocks": ("Blocks on disk.", len(store.blocks)),
            "blocks_bytes": ("Bytes of all blocks.", sum(b.size for b in store.blocks)),
            "blocks_damaged": ("Blocks set aside.", len(store.block_set.findings)),
            "log_bytes": ("Bytes of the log that are kept.", store.log.end - store.log.start),
        }
        counters = {
            "samples_ingested": ("Samples taken.", store.ingested),
            "lines_rejected": ("Lines of line protocol refused.", store.rejected),
            "queries": ("Queries asked.", self._api.queries),
            "log_syncs": ("Times the log was synced.", store.log.syncs),
        }
        if self.forwarder is not None:
            counters["samples_forwarded"] = ("Samples sent on.", self.forwarder.sent)
            counters["forwarding_dropped"] = ("Samples not sent on.", self.forwarder.dropped)
        for name, (text, value) in gauges.items():
            yield GaugeMetricFamily(f"bedrock_tsdb_{name}", text, value)
        for name, (text, value) in counters.items():
            yield CounterMetricFamily(f"bedrock_tsdb_{name}", text, value)
