"""A world: clock, disk, net, randomness and the turn they share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from bedrock.world.clock import Clock, OsClock
from bedrock.world.disk import Disk, DiskFailed
from bedrock.world.net import Net
from bedrock.world.rand import OsRand, Rand
from bedrock.world.slices import Slices
from bedrock.world.turn import Turn

T = TypeVar("T")

_tasks: set[asyncio.Task] = set()


def forget_tasks(loop: asyncio.AbstractEventLoop) -> None:
    """A loop has ended: what was left unfinished on it keeps nothing alive any more."""
    _tasks.difference_update([task for task in _tasks if task.get_loop() is loop])


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
    slices: Slices = field(default_factory=Slices)
    node: str = "local"

    def spawn(self, coro: Coroutine, name: str) -> asyncio.Task:
        """Run `coro` as a task of the running loop, kept alive until it ends.

        DiskFailed stops the server, as it does within a turn; other errors are told to the loop.
        """
        task = asyncio.get_running_loop().create_task(coro, name=name)
        _tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task) -> None:
        _tasks.discard(task)
        exc = None if task.cancelled() else task.exception()
        if isinstance(exc, DiskFailed):
            self.turn.fail(exc)
        elif exc is not None:
            said = {"message": f"task failed: {task.get_name()}", "exception": exc, "task": task}
            task.get_loop().call_exception_handler(said)

    async def beside(self, call: Callable[..., T], *args: Any) -> T:
        """The result of a blocking call, a sync above all, made while the loop goes on.

        It runs on a thread, so it must touch nothing that the loop changes meanwhile.  In a
        simulation it takes effect at one moment that the seed decides, and its result comes later.
        DiskFailed stops the server, as it does within a turn.
        """
        try:
            return await asyncio.to_thread(call, *args)
        except DiskFailed as exc:
            self.turn.fail(exc)
            raise

    def sliced(self, call: Callable[..., T], *args: Any) -> T | Awaitable[T]:
        """The result of a long calculation, made on the loop while it serves others as well.

        It comes at once if that takes less than a slice.  The calculation has to `rest` now and
        then: see bedrock.world.slices.
        """
        return self.slices.run(self.clock, call, args)

    def at(self, directory: str) -> World:
        """The same world with `disk` rooted at a sub-directory."""
        return replace(self, disk=self.disk.sub(directory))
