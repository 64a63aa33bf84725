"""Options of the schema registry, a server like the others (but nobody's component)."""

from __future__ import annotations

from dataclasses import dataclass

from bedrock.app.component import Component, Port
from bedrock.app.config import ServerConfig, option


@dataclass
class RegistryConfig(ServerConfig):
    """It keeps all in a topic of the broker, so its own data is ephemeral."""

    port: int = option(8081, "port for the REST API; 0 takes a free one")
    ephemeral: bool = option(True, "the registry keeps its data in the broker")
    bootstrap_server: str = option("127.0.0.1:9092", "the broker")
    client_config: str = option("", "properties file that says how to log in at the broker")
    topic: str = option("_schemas", "the topic that schemas are kept in")
    compatibility: str = option("BACKWARD", "level of subjects that say nothing else")


REGISTRY = Component(
    name="schema_registry",
    speaks="the Confluent Schema Registry REST API",
    config=RegistryConfig,
    ports=(Port("port", "HTTP", client="curl http://{host}:{port}/subjects"),),
    server="kafkalite.registry.server:Server",
)
