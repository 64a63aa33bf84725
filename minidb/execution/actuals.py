"""EXPLAIN ANALYZE: how often each operator ran, how many rows it gave, and how long it took.

While a tree is built under `watched(actuals)`, each operator is put into a `Watched`, which counts
what passes through.  Time is that of an operator with all below it, as PostgreSQL tells it; clocks
stand still while the statement waits or lets others run.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from minidb.events import Pause


class Actual:
    """Of one operator: loops, rows and nanoseconds, to the first row and in all, over all loops."""

    __slots__ = ("first_ns", "loops", "rows", "total_ns")

    def __init__(self) -> None:
        self.first_ns = self.total_ns = self.rows = self.loops = 0

    def mean(self) -> tuple[float, float, float, int]:
        """(ms to the first row, ms in all, rows, loops), the first three for one loop."""
        loops = self.loops
        scale = 1e6 * max(1, loops)
        return self.first_ns / scale, self.total_ns / scale, self.rows / max(1, loops), loops


class Actuals:
    """What was measured, by the plan node's id.  clock: what tells the nanoseconds."""

    def __init__(self, clock: Any) -> None:
        self.clock = clock
        self.by_node: dict[int, Actual] = {}

    def means(self) -> dict[int, tuple[float, float, float, int]]:
        """As query_planner.explain wants it."""
        return {id_: actual.mean() for id_, actual in self.by_node.items()}


class Watched:
    """An operator that is measured."""

    def __init__(self, operator: Any, actual: Actual, clock: Any) -> None:
        self.operator = operator
        self.actual = actual
        self.clock = clock

    def batches(self, context: Any) -> Iterator[Any]:
        """The operator's batches."""
        actual, clock = self.actual, self.clock
        actual.loops += 1
        spent, given = 0, False
        batches = iter(self.operator.batches(context))
        while True:
            begun = clock.now_ns()
            batch = next(batches, None)
            spent += clock.now_ns() - begun
            if not given and not isinstance(batch, Pause):
                given = True
                actual.first_ns += spent
            if batch is None:
                actual.total_ns += spent
                return
            if not isinstance(batch, Pause):
                actual.rows += batch.n
            yield batch

    def __getattr__(self, name: str) -> Any:
        return getattr(self.operator, name)


_watch: ContextVar[Actuals | None] = ContextVar("actuals of the tree being built", default=None)


@contextmanager
def watched(actuals: Actuals) -> Iterator[None]:
    """Trees built within are measured."""
    token = _watch.set(actuals)
    try:
        yield
    finally:
        _watch.reset(token)


def watching() -> bool:
    """Whether the tree being built is to be measured, so that every operator must run."""
    return _watch.get() is not None


def watch(node: Any, operator: Any) -> Any:
    """The operator, measured if its tree is to be."""
    actuals = _watch.get()
    if actuals is None:
        return operator
    return Watched(operator, actuals.by_node.setdefault(node.id, Actual()), actuals.clock)
