"""Jobs: work on a store that goes on beside reading and writing.

A job is a generator: what it yields are steps that touch only files and memory of its own, so they
may run on a thread beside the loop, while reading and writing go on; what lies between two steps
runs on the loop, sees the store at rest, and is short.  A job that has to wait for something yields
an awaitable.  `run` does all of it at once, for embedded use, where there is nothing to wait for;
`run_beside` is the server's.  One job runs at a time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Iterator
from heapq import merge
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from bedrock.world import World

SLICE = 1000  # series a step takes
SORTED_AT_ONCE = 20_000  # keys: some milliseconds

T = TypeVar("T")
Step = Callable[[], Any] | Awaitable[Any]
Job = Generator[Step, None, T]


def run(job: Job[T]) -> T:
    """Do a job at once."""
    try:
        step = next(job)
        while True:
            try:
                assert not isinstance(step, Awaitable)
                step()
            except BaseException as exc:
                step = job.throw(exc)
            else:
                step = next(job)
    except StopIteration as stop:
        return stop.value


async def run_beside(world: World, job: Job[T]) -> T:
    """Do a job while the loop goes on."""
    try:
        step = next(job)
        while True:
            try:
                await (step if isinstance(step, Awaitable) else world.beside(step))
            except BaseException as exc:
                step = job.throw(exc)
            else:
                step = next(job)
    except StopIteration as stop:
        return stop.value


def pause() -> None:
    """A step that only lets others have their turn."""


def slices(keys: list[bytes]) -> Iterator[list[bytes]]:
    """What a step takes of many series."""
    return (keys[first : first + SLICE] for first in range(0, len(keys), SLICE))


def sorted_in_steps(keys: list[bytes]) -> Job[list[bytes]]:
    """Sort in steps: nobody else runs while a list is being sorted."""
    runs = []
    for first in range(0, len(keys), SORTED_AT_ONCE):
        run = keys[first : first + SORTED_AT_ONCE]
        yield run.sort
        runs.append(run)
    if len(runs) < 2:
        return runs[0] if runs else []
    merged: list[bytes] = []
    yield lambda: merged.extend(merge(*runs))
    return merged
