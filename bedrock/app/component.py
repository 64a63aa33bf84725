"""What a component tells the rest of Bedrock about itself.

Each component's `config.py` holds one `COMPONENT`, found through the entry-point group
`bedrock.components`.  It names classes and functions by "module:attribute", so that reading the
table imports nothing heavy: `bedrock --help` must not load six servers.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

GROUP = "bedrock.components"


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

    def command(self, host: str, port: int) -> str:
        """The client's command line; "" when there is none."""
        return self.client.format(host=host, port=port)

    def environment(self, host: str, port: int) -> dict[str, str]:
        """The variables that lead a program here."""
        return {name: url.format(host=host, port=port) for name, url in self.env}


@dataclass(frozen=True)
class Component:
    """A system: its names, its options, and where its parts are found.

    server   class with the `Server` interface below
    early    function (config) -> None, called before there is an event loop (to fork, say)
    embedded option values for a server that lives in another's process (`bedrock.run`)
    check    function (disk: Disk) -> Iterable[Finding]: the offline consistency checker
    shell    class with the `Grammar` interface of bedrock.app.shell
    bench    function (argv: list[str]) -> int
    simulation  async function (sim: Simulation) that plays it under faults

    The server class is called with (world: World, config) and has

        async start() -> None        listen; afterwards `ports` maps option name to port number
        async drain(grace_s) -> None finish what was begun, refuse what is new
        async stop() -> None         close everything; idempotent
        ports: dict[str, int]        option name -> port
        metrics() -> Iterable[prometheus_client.Metric]   collected when asked
        ready: bool

    and may have

        async may_stop() -> bool     a signal tells the process to end: True once it may
    """

    name: str
    speaks: str
    config: type
    ports: tuple[Port, ...]
    server: str
    early: str = ""
    check: str = ""
    shell: str = ""
    bench: str = ""
    simulation: str = ""
    embedded: tuple[tuple[str, Any], ...] = ()

    @property
    def module(self) -> str:
        """What `python -m` runs: the package of the server."""
        return self.server.partition(":")[0].rpartition(".")[0]

    def load(self, part: str) -> Any:
        """Import the part named by the field `part` ("server", "check", "shell", "bench")."""
        module, _, attribute = getattr(self, part).partition(":")
        if not attribute:
            raise LookupError(f"{self.name} has no {part}")
        return getattr(import_module(module), attribute)


def components() -> dict[str, Component]:
    """All installed components by name, in the order of their names."""
    return {name: point.load() for name, point in sorted(_points().items())}


@cache
def component(name: str) -> Component:
    """One component; LookupError, naming those there are, when it is not installed."""
    points = _points()
    point = points.get(name.replace("-", "_"))
    if point is None:
        raise LookupError(f"no component {name!r}; there are: {', '.join(sorted(points))}")
    return point.load()


def _points() -> dict[str, Any]:
    """Entry points whose module can be found, by name."""
    # A server started by its own name needs none of this, and it is a third of its start.
    from importlib.metadata import entry_points
    from importlib.util import find_spec

    return {point.name: point for point in entry_points(group=GROUP) if find_spec(point.module)}
