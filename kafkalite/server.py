"""The server: a broker behind a listener."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from bedrock.net import Limits
from bedrock.net import Server as Listener
from bedrock.world import World
from kafkalite.broker import Broker
from kafkalite.lag import Lag
from kafkalite.metrics import broker_metrics
from kafkalite.session import KafkaSession

if TYPE_CHECKING:
    from kafkalite.config import KafkaConfig
    from kafkalite.page.server import Page


# A consumer's records are sent from their files, so what is queued for it costs little memory.
LIMITS = Limits()


class Server:
    """What `bedrock.app` runs; see bedrock.app.component."""

    def __init__(self, world: World, config: KafkaConfig):
        self.config = config
        self.ready = False
        self.broker = Broker(world, config, config.password())
        self._listener = Listener(
            world,
            lambda: KafkaSession(self.broker, config.max_request_bytes),
            (config.host, config.port),
            limits=LIMITS,
            tls=config.tls(),
        )
        self.lag = Lag(self.broker)
        self._page: Page | None = None
        if config.page_port >= 0:
            from kafkalite.page.server import Page

            self._page = Page(world, self.broker, self.lag)

    @property
    def ports(self) -> dict[str, int]:
        """Where it really listens."""
        ports = {"port": self._listener.port}
        if self._page is not None:
            ports["page_port"] = self._page.port
        return ports

    async def start(self) -> None:
        """Listen; OSError when the port cannot be had."""
        await self._listener.start()
        if not self.config.advertised_port:
            self.broker.port = self._listener.port
        self.broker.start()
        if self._page is not None:
            await self._page.start()
        self.ready = True

    async def drain(self, grace_s: float) -> None:
        """Let waiting requests be answered, then close the connections."""
        self.ready = False
        self.broker.release()
        await self._listener.drain(grace_s)

    async def stop(self) -> None:
        """Close everything; idempotent."""
        self.ready = False
        if self._page is not None:
            await self._page.stop()
        await self._listener.stop()
        self.broker.close()

    def metrics(self) -> Iterator[Any]:
        """Topics, partitions, groups, and how far each is; in kafka_exporter's names."""
        return broker_metrics(self.broker, self.lag)
