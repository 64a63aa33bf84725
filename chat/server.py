"""The glue: configuration to network, network to two listeners."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from bedrock.net import Limits
from bedrock.net import Server as NetServer
from bedrock.net.http import HttpSession
from bedrock.world import Timer, World
from chat.network import SWEEP_S, Network
from chat.session import IrcSession

if TYPE_CHECKING:
    from prometheus_client import Metric

# A client that does not read is cut off long before it costs much; silence is the network's
# business (PING), so there is no idle deadline here.
LIMITS = Limits(high=256 << 10, low=64 << 10, hard=4 << 20, first_message_s=30, frame_s=30)


class Server:
    """chat as a server: IRC on `port`, IRC over WebSocket and the web client on the other."""

    def __init__(self, world: World, config: Any):
        self.world = world
        self.config = config
        self.ports: dict[str, int] = {}
        self.ready = False
        self.network: Network | None = None
        self._servers: list[NetServer] = []
        self._timer: Timer | None = None

    async def start(self) -> None:
        """Recover the history, then listen."""
        config = self.config
        network = self.network = Network(self.world, config, config.password())
        tls = config.tls()
        await self._listen("port", config.port, lambda: IrcSession(network), tls)
        if config.websocket_port >= 0:
            from chat.websocket import router

            routes = router(network)
            await self._listen(
                "websocket_port", config.websocket_port, lambda: HttpSession(routes), tls
            )
        self._sweep_later()
        self.ready = True

    async def _listen(self, option: str, port: int, factory: Any, tls: Any) -> None:
        address = (self.config.host, port)
        server = NetServer(self.world, factory, address, limits=LIMITS, tls=tls)
        self._servers.append(await server.start())
        self.ports[option] = server.port

    def _sweep_later(self) -> None:
        clock = self.world.clock
        self._timer = clock.call_at(clock.now_ns() + SWEEP_S * 10**9, self._sweep)

    def _sweep(self) -> None:
        assert self.network is not None
        self.network.sweep()
        self._sweep_later()

    async def drain(self, grace_s: float) -> None:
        """Tell everyone, and close once what is queued is sent."""
        assert self.network is not None
        self.ready = False
        for client in list(self.network.clients):
            self.network.quit(client, "Server shutting down", "Server shutting down")
        for server in self._servers:
            await server.drain(grace_s)

    async def stop(self) -> None:
        """Close the listeners and the history; idempotent."""
        self.ready = False
        if self._timer is not None:
            self._timer.cancel()
        for server in self._servers:
            await server.stop()
        if self.network is not None:
            self.network.history.close()
            self.network = None

    def metrics(self) -> Iterable[Metric]:
        """Lines handled and delivered, and who is here."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        network = self.network
        if network is None:
            return
        yield CounterMetricFamily("bedrock_chat_requests", "lines handled", network.handled)
        yield CounterMetricFamily("bedrock_chat_deliveries", "lines sent", network.delivered)
        yield GaugeMetricFamily("bedrock_chat_users", "registered users", len(network.nicks))
        yield GaugeMetricFamily("bedrock_chat_channels", "channels", len(network.channels))
