"""`/metrics` for Prometheus, `/healthz` and `/readyz`, on `--metrics-port`.

What every server counts comes from the driver of its network; what is its own it yields from
`Server.metrics()`.  Names are `bedrock_<component>_<noun>_<unit>`.

It listens through a driver of its own: a scrape does not count as traffic, and the page still
answers when the server's turn has failed.  It knows no passwords: a server that asks for one shows
its numbers to this machine only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from bedrock.net import Server
from bedrock.net.http import HttpSession, Request, Response, Route, Router
from bedrock.net.reactor import Reactor
from bedrock.world import OsClock, Turn, World

if TYPE_CHECKING:
    from bedrock.app.instance import Instance

LOOPBACK = "127.0.0.1"

# counter of the driver -> (metric, help)
COUNTERS = {
    "accepted": ("connections_accepted", "Connections accepted."),
    "refused": ("connections_refused", "Connections closed at once: too many."),
    "overflows": ("connections_overflowed", "Connections aborted: output limit reached."),
    "errors": ("errors", "Connections ended by a fault of ours."),
    "bytes_in": ("in_bytes", "Bytes received."),
    "bytes_out": ("out_bytes", "Bytes sent."),
    "recvs": ("receives", "Times bytes were taken from a connection."),
    "sends": ("sends", "Times bytes were given to a connection."),
    "turns": ("turns", "Turns of the event loop with work in them."),
}


class MetricsServer:
    """Serves an instance's numbers."""

    def __init__(self, instance: Instance):
        self._instance = instance
        self._net: Any = None
        self._server: Any = None

    @property
    def port(self) -> int:
        """The real port."""
        return self._server.port

    async def start(self) -> None:
        """Listen; prometheus_client is imported beside the work, being slow to import."""
        config = self._instance.config
        clock = OsClock()
        self._net = Reactor(clock, Turn()).attach()
        assert self._instance.world is not None
        world = World(self._instance.world.disk, self._net, clock)
        router = Router(
            [
                metrics_route(
                    self._instance.component.name,
                    lambda: (self._instance.world, self._instance.server),
                ),
                Route("GET", "/healthz", self._healthz),
                Route("GET", "/readyz", self._readyz),
            ]
        )
        host = LOOPBACK if config.password_file else config.host
        address = (host, config.metrics_port)
        self._server = Server(world, lambda: HttpSession(router), address)
        await self._server.start()
        asyncio.get_running_loop().run_in_executor(None, __import__, "prometheus_client")

    async def stop(self) -> None:
        """Close."""
        await self._server.stop()
        self._net.close()

    def _healthz(self, request: Request) -> Response:
        return Response(b"ok\n")

    def _readyz(self, request: Request) -> Response:
        server = self._instance.server
        if server is not None and server.ready:
            return Response(b"ready\n")
        return Response(b"not ready\n", status=503)


def metrics_route(name: str, running: Callable[[], tuple[World | None, Any]]) -> Route:
    """The route that shows the numbers of a component, whose world and server are asked for them.

    prometheus_client, slow to import, is imported when somebody looks.
    """
    registry: Any = None

    def metrics(request: Request) -> Response:
        """The server's own numbers, for a Prometheus that scrapes them."""
        from prometheus_client import (
            CONTENT_TYPE_LATEST,
            CollectorRegistry,
            ProcessCollector,
            generate_latest,
        )

        nonlocal registry
        if registry is None:
            registry = CollectorRegistry(auto_describe=False)
            registry.register(_Collector(name, running))
            ProcessCollector(registry=registry)
        return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)

    return Route("GET", "/metrics", metrics)


class _Collector:
    def __init__(self, name: str, running: Callable[[], tuple[World | None, Any]]):
        self._name = name
        self._running = running

    def collect(self) -> Iterator[Any]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        world, server = self._running()
        if server is None or world is None:
            return
        prefix = f"bedrock_{self._name}_"
        net: Any = world.net
        counters = net.counters
        yield GaugeMetricFamily(
            prefix + "connections", "Open connections.", counters["links_open"]
        )
        for counter, (name, text) in COUNTERS.items():
            yield CounterMetricFamily(prefix + name, text, counters[counter])
        yield GaugeMetricFamily(
            prefix + "longest_turn_seconds",
            "Longest time one turn of the event loop took.",
            net.longest_turn_ns / 1e9,
        )
        yield from server.metrics()
