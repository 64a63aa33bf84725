"""A world: clock, disk, net, randomness and the turn they share."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field, replace

from bedrock.world.clock import Clock, OsClock
from bedrock.world.disk import Disk
from bedrock.world.net import Net
from bedrock.world.rand import OsRand, Rand
from bedrock.world.turn import Turn

_tasks: set[asyncio.Task] = set()


@dataclass(frozen=True)
class World:
    """What an engine may touch.  `disk` and `net` are handed in by whoever puts it together.

    node: the machine's name, for logs and for simulations of several machines.
    """

    disk: Disk
    net: Net | None = None
    clock: Clock = field(default_factory=OsClock)
    rand: Rand = field(default_factory=OsRand)
    turn: Turn = field(default_factory=Turn)
    node: str = "local"

    def spawn(self, coro: Coroutine, name: str) -> asyncio.Task:
        """Run `coro` as a task of the running loop, kept alive until it ends."""
        task = asyncio.get_running_loop().create_task(coro, name=name)
        _tasks.add(task)
        task.add_done_callback(_tasks.discard)
        return task

    def at(self, directory: str) -> World:
        """The same world with `disk` rooted at a sub-directory."""
        return replace(self, disk=self.disk.sub(directory))
