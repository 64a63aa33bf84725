"""The registry as a server: loads the topic, then answers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from bedrock.app.config import ConfigError
from bedrock.net import Server as Listener
from bedrock.net.http import HttpSession
from kafkalite.client import Failed
from kafkalite.registry.journal import Journal
from kafkalite.registry.routes import Api
from kafkalite.registry.store import LEVELS, Store

if TYPE_CHECKING:
    from bedrock.world import World
    from kafkalite.registry.config import RegistryConfig


class Server:
    """See bedrock.app.component.Component."""

    def __init__(self, world: World, config: RegistryConfig):
        if config.compatibility.upper() not in LEVELS:
            raise ConfigError(f"--compatibility is one of {', '.join(LEVELS)}")
        self.ready = False
        self.store = Store(config.compatibility.upper())
        self._journal = Journal(config.bootstrap_server, config.client_config, config.topic)
        router = Api(self.store, self._journal).router(config.password())
        self._listener = Listener(
            world, lambda: HttpSession(router), (config.host, config.port), tls=config.tls()
        )

    @property
    def ports(self) -> dict[str, int]:
        """Where it really listens."""
        return {"port": self._listener.port}

    async def start(self) -> None:
        """Read the topic, and listen; OSError when the broker or the port cannot be had."""
        try:
            await self._journal.load(self.store)
        except Failed as exc:
            raise OSError(f"the broker refused: {exc}") from exc
        await self._listener.start()
        self.ready = True

    async def drain(self, grace_s: float) -> None:
        """Let requests be answered, then close the connections."""
        self.ready = False
        await self._listener.drain(grace_s)

    async def stop(self) -> None:
        """Close everything; idempotent."""
        self.ready = False
        await self._listener.stop()
        self._journal.close()

    def metrics(self) -> Iterable[Any]:
        """Subjects and schemas."""
        from prometheus_client.core import GaugeMetricFamily

        yield GaugeMetricFamily(
            "bedrock_schema_registry_subjects", "Subjects.", len(self.store.names())
        )
        yield GaugeMetricFamily(
            "bedrock_schema_registry_schemas", "Schemas.", len(self.store.schemas)
        )
