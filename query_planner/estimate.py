"""How many rows: selectivities of conditions and numbers of distinct values.

Over the statistics that ANALYZE leaves (stats package), by PostgreSQL's formulas: most common
values
are looked up, the rest is spread evenly (equality) or read off an equi-depth histogram (ranges);
two tables join on a = b with 1 / max(distinct(a), distinct(b)) of their pairs, most common values
matched value by value where both sides have them.  Conditions are taken as independent, except that
the two ends of a range on one column are one condition.

Without statistics: = 0.005, < 1/3, LIKE 0.05, 1,000 rows, 200 distinct values.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from typing import Any

from query_planner.catalog import ColumnStats
from query_planner.expr import (
    And,
    AnyArray,
    Array,
    Call,
    Cast,
    Column,
    Const,
    Expr,
    InList,
    IsBool,
    IsNull,
    Not,
    Or,
    Subquery,
)  # fmt: skip
from query_planner.rules import Context

EQUAL, RANGE, BETWEEN, LIKE, OTHER = 0.005, 1 / 3, 0.005, 0.05, 1 / 3
ROWS, DISTINCT = 1000.0, 200.0
_FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "=", "<>": "<>"}


def clamp(x: float) -> float:
    """A probability."""
    return 0.0 if x < 0 else 1.0 if x > 1 else x


class Estimator:
    """Selectivities over one statement's columns."""

    def __init__(self, context: Context) -> None:
        self.context = context

    def column(self, e: Expr) -> ColumnStats | None:
        """Statistics of a plain column (through lossless casts), or None."""
        while type(e) is Cast:
            e = e.arg
        if type(e) is not Column or e.source is None:
            return None
        stats = self.context.stats.get(e.source[0])
        return None if stats is None else stats.columns.get(e.source[1])

    def distinct(self, e: Expr, rows: float) -> float:
        """Number of different values of an expression among `rows` rows."""
        if type(e) is Const:
            return 1.0
        stats = self.column(e)
        if stats is not None:
            return max(1.0, min(stats.distinct, rows))
        if type(e) is Column and e.source is not None:
            table = self.context.relations.get(e.source[0])
            if table is not None:
                for index in table.indexes:
                    if index.unique and index.columns == (e.source[1],):
                        return max(1.0, rows)
        return max(1.0, min(DISTINCT, rows))

    def all_of(self, conditions: Iterable[Expr]) -> float:
        """Selectivity of a conjunction."""
        result = 1.0
        ranges: dict[int, list[float | None]] = {}
        for e in conditions:
            bound = self._bound(e)
            if bound is None:
                result *= self.of(e)
                continue
            column, low, selectivity = bound
            ends = ranges.setdefault(column, [None, None])
            side = 0 if low else 1
            known = ends[side]
            ends[side] = selectivity if known is None else min(known, selectivity)
        for low_end, high_end in ranges.values():
            if low_end is None or high_end is None:
                result *= low_end if high_end is None else high_end  # type: ignore[operator]
            elif low_end == RANGE and high_end == RANGE:
                result *= BETWEEN
            else:
                result *= max(low_end + high_end - 1, 1e-5)
        return clamp(result)

    def _bound(self, e: Expr) -> tuple[int, bool, float] | None:
        """(column id, is a lower bound, selectivity) of column < constant and kin."""
        if type(e) is not Call or len(e.args) != 2 or e.function.name not in ("<", "<=", ">", ">="):
            return None
        left, right = e.args
        name = e.function.name
        if type(right) is Column and type(left) is not Column:
            left, right, name = right, left, _FLIPPED[name]
        if type(left) is not Column or type(right) is Column:
            return None
        return left.id, name[0] == ">", self._range(left, name, right)

    def of(self, e: Expr) -> float:
        """Selectivity of one condition."""
        kind = type(e)
        if kind is Call:
            return self._call(e)
        if kind is And:
            return self.all_of(e.args)
        if kind is Or:
            none = 1.0
            for arg in e.args:
                none *= 1 - self.of(arg)
            return clamp(1 - none)
        if kind is Not:
            return clamp(1 - self.of(e.arg))
        if kind is Const:
            return 1.0 if e.value is True else 0.0
        if kind is IsNull:
            stats = self.column(e.arg)
            nulls = stats.null_fraction if stats is not None else EQUAL
            return clamp(1 - nulls if e.negated else nulls)
        if kind is InList:
            found = sum(self._equal(e.arg, item) for item in e.items)
            return clamp(1 - found if e.negated else found)
        if kind is AnyArray:
            return self._any(e)
        if kind is Column:
            return self._equal(e, Const(value=True, type=e.type))
        if kind is IsBool:
            part = self.of(e.arg) if e.value is not None else EQUAL
            part = 1 - part if e.value is False else part
            return clamp(1 - part if e.negated else part)
        if kind is Subquery:
            return 0.5
        return OTHER

    def _any(self, e: AnyArray) -> float:
        if e.function.name == "=" and e.kind == "any":
            array = e.array
            count = 10
            if type(array) is Array:
                count = len(array.items)
            elif type(array) is Const and isinstance(array.value, tuple):
                count = len(array.value)
            return clamp(count * self._equal(e.left, e.array))
        return OTHER

    def _call(self, e: Call) -> float:
        name = e.function.name
        if len(e.args) != 2:
            return OTHER
        left, right = e.args
        if type(right) is Column and type(left) is not Column and name in _FLIPPED:
            left, right, name = right, left, _FLIPPED[name]
        if name == "=":
            return self._equal(left, right)
        if name == "<>":
            return clamp(1 - self._equal(left, right) - self._nulls(left))
        if name in ("<", "<=", ">", ">="):
            return self._range(left, name, right)
        if name in ("~~", "~~*", "~", "~*", "^@"):
            return self._pattern(right)
        if name in ("!~~", "!~~*", "!~", "!~*"):
            return clamp(1 - self._pattern(right))
        return OTHER

    def _nulls(self, e: Expr) -> float:
        stats = self.column(e)
        return 0.0 if stats is None else stats.null_fraction

    def _pattern(self, pattern: Expr) -> float:
        """Longer patterns match less: each fixed character beyond the first narrows by half."""
        if type(pattern) is Const and isinstance(pattern.value, str):
            fixed = len(pattern.value.replace("%", "").replace("_", ""))
            return max(1e-4, 0.2 * 0.6 ** max(0, fixed - 1))
        return LIKE

    def _equal(self, left: Expr, right: Expr) -> float:
        stats = self.column(left)
        if type(right) is Column:
            return self.join(left, right, ROWS, ROWS)
        if stats is None:
            return min(EQUAL, 1 / self.distinct(left, 1e18))
        if type(right) is Const:
            if right.value is None:
                return 0.0
            for value, fraction in stats.common:
                if value == right.value:
                    return fraction
        common = sum(fraction for _, fraction in stats.common)
        rest = max(1.0, stats.distinct - len(stats.common))
        share = max(0.0, 1 - common - stats.null_fraction) / rest
        if type(right) is Const:
            if not stats.bounds and stats.common and share == 0:
                return 1e-6
            return clamp(share)
        return clamp((1 - stats.null_fraction) / max(1.0, stats.distinct))

    def _range(self, left: Expr, name: str, right: Expr) -> float:
        stats = self.column(left)
        if stats is None or type(right) is not Const or right.value is None:
            return RANGE
        value = right.value
        try:
            below = _below(stats, value, name in ("<=", ">"))
        except TypeError:
            return RANGE
        if name[0] == "<":
            return clamp(below)
        return clamp(1 - stats.null_fraction - below)

    def join(self, left: Expr, right: Expr, left_rows: float, right_rows: float) -> float:
        """Selectivity of left = right between two inputs."""
        one, two = self.column(left), self.column(right)
        if one is not None and two is not None and one.common and two.common:
            return _match(one, two)
        a, b = self.distinct(left, left_rows), self.distinct(right, right_rows)
        nulls = (1 - self._nulls(left)) * (1 - self._nulls(right))
        return clamp(nulls / max(a, b))


def _below(stats: ColumnStats, value: Any, inclusive: bool) -> float:
    """Fraction of all rows with a value less than (or, inclusive, equal to) `value`."""
    found = 0.0
    common = 0.0
    for known, fraction in stats.common:
        common += fraction
        if known < value or (inclusive and known == value):
            found += fraction
    rest = max(0.0, 1 - common - stats.null_fraction)
    bounds = stats.bounds
    if len(bounds) < 2:
        return found + rest * 0.5 if not stats.common else found
    if value < bounds[0]:
        return found
    if value >= bounds[-1]:
        return found + rest
    place = max(1, bisect_left(bounds, value))
    low, high = bounds[place - 1], bounds[place]
    inside = 0.5
    if isinstance(value, (int, float)) and isinstance(low, (int, float)) and high != low:
        inside = (value - low) / (high - low)
    return found + rest * (place - 1 + clamp(inside)) / (len(bounds) - 1)


def _match(one: ColumnStats, two: ColumnStats) -> float:
    """Join selectivity from most common values on both sides, and evenly spread rests."""
    other = dict(two.common)
    both = 0.0
    seen_one = seen_two = 0.0
    for value, fraction in one.common:
        if value in other:
            both += fraction * other[value]
            seen_one += fraction
            seen_two += other[value]
    rest_one = max(0.0, 1 - one.null_fraction - seen_one)
    rest_two = max(0.0, 1 - two.null_fraction - seen_two)
    distinct = max(one.distinct, two.distinct) - len(one.common)
    return clamp(both + rest_one * rest_two / max(1.0, distinct))
