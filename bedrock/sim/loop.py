"""An asyncio event loop in virtual time: nothing waits, and the seed decides who goes first.

When no callback is ready, time jumps to the next timer.  So a simulated minute takes as long as
its computations, and a run depends on nothing but its seed: there are no sockets, signals or
threads here.

Tasks that are ready at the same moment run in an order drawn from the seed, as they would on
machines of their own.  Plain callbacks keep the order in which they were scheduled, which asyncio
promises.

A handle belongs to the boot of the machine in whose context it was made (`BOOT`).  While that
machine stands still its handles are put aside; once the boot is over they do not run any more: a
machine that lost power does nothing.  (Its tasks were cancelled, and run that far.)
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Protocol

from bedrock.sim.clock import VirtualTime
from bedrock.world import Rand


class Boot(Protocol):
    """A machine between power-on and crash."""

    over: bool
    paused: bool
    parked: list[asyncio.Handle]
    tasks: dict[asyncio.Task, None]


BESIDE_S = 0.010  # a call beside the loop waits as long at most, and then takes as long

BOOT: ContextVar[Boot | None] = ContextVar("boot", default=None)


class Stuck(RuntimeError):
    """Nothing is ready and no timer is set: what is awaited will never come."""


class SimLoop(asyncio.BaseEventLoop):
    """See the module.

    time:  shared with the clocks of all machines
    steps: callbacks run so far
    """

    def __init__(self, rand: Rand):
        super().__init__()
        self.virtual = VirtualTime()
        self.rand = rand
        self.steps = 0
        self.limit_ns = 0  # 0: none
        self.set_task_factory(_make_task)
        self.set_exception_handler(self._note)
        self.errors: list[dict[str, Any]] = []

    def time(self) -> float:
        """Virtual seconds since the start."""
        return self.virtual.now_ns / 1e9

    def _run_once(self) -> None:
        ready = self._ready  # type: ignore[attr-defined]
        scheduled = self._scheduled  # type: ignore[attr-defined]
        while scheduled and scheduled[0]._cancelled:
            heapq.heappop(scheduled)._scheduled = False
        if not ready:
            if not scheduled:
                raise Stuck("nothing left to happen")
            due_ns = round(scheduled[0]._when * 1e9)
            self.virtual.now_ns = max(self.virtual.now_ns, due_ns)
            if self.limit_ns and self.virtual.now_ns > self.limit_ns:
                raise Stuck(f"not finished after {self.limit_ns / 1e9:g} virtual seconds")
        now = self.time() + 1e-9
        while scheduled and scheduled[0]._when <= now:
            handle = heapq.heappop(scheduled)
            handle._scheduled = False
            ready.append(handle)
        batch = list(ready)
        ready.clear()
        if len(batch) > 1:
            self._shuffle_tasks(batch)
        for handle in batch:
            if handle._cancelled:
                continue
            boot = handle._context.get(BOOT)
            if boot is not None:
                if boot.over and _task_of(handle) is None:
                    continue
                if boot.paused and not boot.over:
                    boot.parked.append(handle)
                    continue
            self.steps += 1
            handle._run()

    def unpark(self, boot: Boot) -> None:
        """Run what a machine could not run while it stood still."""
        self._ready.extend(boot.parked)  # type: ignore[attr-defined]
        boot.parked.clear()

    def _shuffle_tasks(self, batch: list[asyncio.Handle]) -> None:
        places = [i for i, handle in enumerate(batch) if _task_of(handle) is not None]
        if len(places) > 1:
            tasks = [batch[i] for i in places]
            self.rand.shuffle(tasks)
            for i, handle in zip(places, tasks, strict=True):
                batch[i] = handle

    def _note(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """An exception nobody awaits: kept, for the simulation's verdict."""
        self.errors.append(context)

    def _process_events(self, event_list: Any) -> None:
        """There are no sockets."""

    def _write_to_self(self) -> None:
        """There are no threads to be woken from."""

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:  # type: ignore[override]
        """The call takes effect at one moment, its result comes at a later one, both by the seed.

        A call made by a machine that crashes before that moment never happens.
        """
        future = self.create_future()
        begin_s, more_s = self.rand.random() * BESIDE_S, self.rand.random() * BESIDE_S

        def run() -> None:
            try:
                result = func(*args)
            except Exception as exc:
                self.call_later(more_s, give, future.set_exception, exc)
            else:
                self.call_later(more_s, give, future.set_result, result)

        def give(settle: Callable[[Any], None], outcome: Any) -> None:
            if not future.done():
                settle(outcome)

        self.call_later(begin_s, run)
        return future


def _task_of(handle: asyncio.Handle) -> asyncio.Task | None:
    owner = getattr(handle._callback, "__self__", None)  # type: ignore[attr-defined]
    return owner if isinstance(owner, asyncio.Task) else None


def _make_task(loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> asyncio.Task:
    task: asyncio.Task = asyncio.Task(coro, loop=loop, **options)
    context = options.get("context")
    boot = BOOT.get() if context is None else context.get(BOOT)
    if boot is not None:
        boot.tasks[task] = None
        task.add_done_callback(lambda task: boot.tasks.pop(task, None))
    return task
