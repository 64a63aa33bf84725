"""The embedded form: the engine in this process, without a socket.

    kv = connect()                               # in memory, gone at the end
    kv = connect("data", appendfsync="always")   # kept in a folder, as the server keeps it
    kv.execute("ZADD", "board", 12, "ada")       # -> 1
    kv.execute("ZRANGE", "board", 0, -1)         # -> [b"ada"]

Words are str, bytes, int or float; replies are Python values as RESP3 has them; an error reply is
raised as `ReplyError`.
"""

from __future__ import annotations

from typing import Any

from bedrock.world import OsDisk, World
from kvstore.aof import Aof
from kvstore.engine import Store
from kvstore.parameters import Parameters


class Embedded:
    """A store and the one client that uses it.

    world: its disk holds the data when parameters have appendonly
    """

    def __init__(self, world: World, parameters: Parameters | None = None):
        self.world = world
        self.store = Store(world, parameters or Parameters())
        if self.store.parameters["appendonly"]:
            aof = Aof(self.store, world)
            aof.open()
            self.store.keep(aof)
        self._client = self.store.client()

    def execute(self, *words: Any) -> Any:
        """Run one command; what it changed is durable as `appendfsync` says when this returns."""
        return self.store.execute_words(self._client, *words)

    def close(self) -> None:
        """Write what is left and release the folder; idempotent."""
        if self.store.aof is not None:
            self.store.aof.close()
            self.store.keep(None)

    def __enter__(self) -> Embedded:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def connect(directory: str = "", **parameters: Any) -> Embedded:
    """A store in this process: in memory, or kept in a directory."""
    world = World(OsDisk(directory) if directory else None)
    return Embedded(world, Parameters(appendonly=bool(directory), **parameters))
