"""What a component tells the rest of Bedrock about itself.

Each component's `config.py` holds one `COMPONENT`, found through the entry-point group
`bedrock.components`.  It names classes and functions by "module:attribute", so that reading the
table imports nothing heavy: `bedrock --help` must not load six servers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any


@dataclass(frozen=True)
class Port:
    """One listening port of a component.

    option   the config field that holds it, e.g. "port"
    speaks   what it speaks, e.g. "RESP"
    client   a command of a real client to try, with {host} and {port}
    env      name -> URL template exported by `bedrock exec`, with {host} and {port}
    """

    option: str
    speaks: str
    client: str = ""
    env: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Component:
    """A system: its names, its options, and where its parts are found.

    server   class with the `Server` interface below
    check    function (disk: Disk) -> Iterable[Finding]: the offline consistency checker
    shell    class with the `Grammar` interface of bedrock.app.shell
    bench    function (argv: list[str]) -> int

    The server class is called with (world: World, config) and has

        async start() -> None        listen; afterwards `ports` maps option name to port number
        async drain(grace_s) -> None finish what was begun, refuse what is new
        async stop() -> None         close everything; idempotent
        ports: dict[str, int]
        metrics() -> Iterable[prometheus_client.Metric]   collected when asked
        ready: bool
    """

    name: str
    speaks: str
    config: type
    ports: tuple[Port, ...]
    server: str
    check: str = ""
    shell: str = ""
    bench: str = ""

    def load(self, part: str) -> Any:
        """Import the part named by the field `part` ("server", "check", "shell", "bench")."""
        module, _, attribute = getattr(self, part).partition(":")
        if not attribute:
            raise LookupError(f"{self.name} has no {part}")
        return getattr(import_module(module), attribute)


def components() -> dict[str, Component]:
    """All installed components by name, in the order of their names."""
    found: dict[str, Callable[[], Component]] = {
        point.name: point.load for point in entry_points(group="bedrock.components")
    }
    return {name: found[name]() for name in sorted(found)}
