"""Summed: the short way of a SELECT whose columns are made of the sums and extremes of windows.

    SELECT mean(a), max(b) - min(b) FROM m WHERE tag = 'x' AND time > ... GROUP BY time(1m), host

That is what dashboards ask.  No point is joined with others or becomes an object: what the windows
of each group come to is found in one pass over the samples of each field (`summaries.pyx`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from bedrock.world import Rand
from bedrock.world.slices import paced
from tsdb.budget import Budget
from tsdb.catalog import Catalog, database_matcher
from tsdb.influxql.ast import (
    TIME_MIN,
    Call,
    Expr,
    Literal,
    Math,
    Name,
    Operation,
    Select,
    calls,
)
from tsdb.influxql.functions import PREDICTING, SELECTORS, TRANSFORMS
from tsdb.influxql.group import Group
from tsdb.influxql.points import Column
from tsdb.influxql.spans import Span
from tsdb.influxql.summaries import Summaries
from tsdb.influxql.where import Bounds, label_of, matchers_of
from tsdb.matchers import Matcher

PICKING = ("min", "max", "first", "last")
SUMMED = frozenset(("count", "sum", "mean", "spread", *PICKING))

Key = tuple[str, ...]  # the values of a group's tags
Told = dict[tuple[str, str], tuple[np.ndarray, np.ndarray]]  # (function, field) -> [group, window]


def is_summed(select: Select, bounds: Bounds, fields: Mapping[str, str]) -> bool:
    """Whether a SELECT from one source can go the short way."""
    if len(select.sources) > 1 or not all(isinstance(tag, Name) for tag in select.tags):
        return False
    if select.interval and bounds.low == TIME_MIN:
        return False  # each group has windows of its own
    found = [call for expr, _ in select.columns for call in calls(expr)]
    if len(found) == 1 and found[0].name in SELECTORS and len(select.columns) > 1:
        return False  # the others are told of the point that is picked
    if not found or not all(_of_sums(expr) for expr, _ in select.columns):
        return False
    return bounds.rest is None or matchers_of(bounds.rest, fields) is not None


def _of_sums(expr: Expr) -> bool:
    match expr:
        case Call(name, (Name(),)) if name in SUMMED:
            return True
        case Call(name, (Call() | Math() | Operation() as inner, *_)) if (
            name in TRANSFORMS or name in PREDICTING
        ):
            return _of_sums(inner)
        case Math(_, args):
            return all(map(_of_sums, args))
        case Operation(_, left, right):
            return _of_sums(left) and _of_sums(right)
        case Literal(value):
            return not isinstance(value, bool | str)
    return False


def _sums_in(expr: Expr) -> Iterable[tuple[str, str]]:
    """(function, field) of each sum in an expression."""
    for call in calls(expr):
        match call:
            case Call(name, (Name(field),)) if name in SUMMED:
                yield name, field
            case Call(_, (inner, *_)):
                yield from _sums_in(inner)


def summed(
    select: Select,
    spans: list[Span],
    catalog: Catalog,
    database: str,
    metrics: Mapping[str, str],
    bounds: Bounds,
    budget: Budget,
) -> dict[Key, Group]:
    """The groups that have points, by the values of the tags they are grouped by."""
    by = sorted({tag.name for tag in select.tags if isinstance(tag, Name)})
    labels = [label_of(tag) for tag in by]
    wanted: dict[str, set[str]] = {}  # functions of each field
    for expr, _ in select.columns:
        for function, field in _sums_in(expr):
            if field in metrics:
                wanted.setdefault(field, set()).add(function)
    conditions = [database_matcher(database), *(matchers_of(bounds.rest, metrics) or ())]
    number: dict[Key, int] = {}
    read = []
    for field in wanted:
        matchers = [Matcher("__name__", "=", metrics[field]), *conditions]
        selection = catalog.store.finder.select(
            matchers, bounds.low, bounds.high, budget, stale=False
        )
        rows = [
            number.setdefault(tuple([one.get(name) for name in labels]), len(number))
            for one in paced(selection.labels)
        ]
        read.append((field, selection, np.array(rows, np.int64)))
    firsts = np.array([first for _, first, _ in spans], np.int64)
    ends = np.array([end for _, _, end in spans], np.int64)
    timed = not select.interval  # a point that is picked has its own time
    told: Told = {}
    some = np.zeros(len(number), np.bool_)
    for field, selection, group_of in read:
        functions = wanted[field]
        budget.hold(len(number) * len(spans) * 96)
        found = Summaries(
            len(number), firsts, ends, timed and not functions.isdisjoint(("min", "max")),
            not functions.isdisjoint(("first", "last")),
        )  # fmt: skip
        found.add(selection, group_of)
        for name in {*functions, "count"}:
            told[name, field] = found.told(name)
        some |= ~np.isnan(told["count", field][1]).all(axis=1)
    rand = catalog.store.world.rand
    return {
        key: SummedGroup(select, spans, rand, told, group)
        for key, group in number.items()
        if some[group]
    }


class SummedGroup(Group):
    """A group of which only the sums are known."""

    def __init__(self, select: Select, spans: list[Span], rand: Rand, told: Told, number: int):
        super().__init__(select, [], spans, rand)
        self.told = told
        self.number = number

    def _column(self, expr: Expr) -> Column:
        match expr:
            case Call(name, (Name(field),)) if name in SUMMED:
                found = self.told.get((name, field))
                if found is None:  # there is no such field
                    return self.starts, np.full(len(self.starts), np.nan)
                times, values = (array[self.number][self.order] for array in found)
                picked = name in PICKING and not self.select.interval
                return (times if picked else self.starts), values
        return super()._column(expr)
