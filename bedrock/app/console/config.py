"""Options of the console, a server like the others (but nobody's component)."""

from __future__ import annotations

from dataclasses import dataclass

from bedrock.app.component import Component, Port
from bedrock.app.config import ServerConfig, option


@dataclass
class ConsoleConfig(ServerConfig):
    """It keeps nothing, so its data is ephemeral."""

    port: int = option(7070, "port for the browser")
    ephemeral: bool = option(True, "the console keeps no data")
    state_file: str = option("data/up.json", "what `bedrock up` writes: which systems there are")


COMPONENT = Component(
    name="console",
    speaks="HTTP",
    config=ConsoleConfig,
    ports=(Port("port", "HTTP, for a browser", "browse http://{host}:{port}/"),),
    server="bedrock.app.console.server:Server",
)
