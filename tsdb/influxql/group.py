"""Group: the points of one group of tags, and the rows that a SELECT makes of them.

What its columns are decides how:

    plain          field, tag, arithmetic                     a row for each point
    transformed    derivative(field), ...                     a row for each time
    reduced        mean(field), derivative(mean(field)), ...  a row for each window
    picked         max(field), host; top(field, 3)            the points that a selector picks

Column arrays have a value for each window or point, NaN where there is none.  They are in the order
of the answer: with ORDER BY time DESC "previous" is what is later, and a derivative looks ahead.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from bedrock.world import Rand
from tsdb.influxql.analysis import ANALYSES
from tsdb.influxql.ast import (
    Call,
    Duration,
    Expr,
    InfluxError,
    Literal,
    Math,
    Name,
    Operation,
    Select,
    calls,
    names,
)
from tsdb.influxql.functions import (
    AGGREGATES,
    MATH,
    PER_UNIT,
    PREDICTING,
    REDUCING,
    SELECTORS,
    SEVERAL,
    TRANSFORMS,
    integrals,
)
from tsdb.influxql.points import Column, Merged, Points, Row
from tsdb.influxql.spans import Span
from tsdb.influxql.where import ARITHMETIC, MS, computed, label_of

MIXED = "mixing aggregate and non-aggregate queries is not supported"
Cell = float | int | None
Columns = Sequence[tuple[Expr, str]]  # expression, title


class Group:
    """The points of one group; spans are its windows, one if they are not grouped by time."""

    def __init__(self, select: Select, points: list[Points], spans: list[Span], rand: Rand):
        self.select = select
        self.rand = rand
        self.points = points
        self.order = slice(None, None, -1 if select.descending else 1)
        self.spans = spans[self.order]
        self.starts = np.array([start for start, _, _ in self.spans], np.int64)

    def rows(self, columns: Columns, fields: set[str]) -> list[Row]:
        """The rows, in the order of the answer."""
        found = [call for expr, _ in columns for call in calls(expr)]
        picking = [call for call in found if call.name in SEVERAL or call.name in SELECTORS]
        if len(picking) == len(found) == 1 and _stands_alone(picking[0], columns):
            return self._picked(picking[0], columns)
        if any(call.name in PREDICTING for call in found):
            return self._merged([self._predicted(expr) for expr, _ in columns])
        if any(map(reduces, found)):
            return self._reduced(columns)
        return self._transformed(columns) if found else self._plain(columns, fields)

    # ---- a row for each point ------------------------------------------------------------

    def _plain(self, columns: Columns, fields: set[str]) -> list[Row]:
        rows: list[Row] = []
        for points in self.points:
            values = [plain(expr, points) for expr, _ in columns]
            telling = [
                value for value, (expr, _) in zip(values, columns, strict=True)
                if any(name in fields for name in names(expr))
            ]  # fmt: skip
            some = ~np.all([np.isnan(value) for value in telling], axis=0)
            shown = np.flatnonzero(some)
            cells = [
                [value] * len(shown) if isinstance(value, str) else _cells(value[shown])
                for value in values
            ]
            rows += map(list, zip(points.times[shown].tolist(), *cells, strict=True))
        rows.sort(key=lambda row: row[0])
        return rows[self.order]

    def _transformed(self, columns: Columns) -> list[Row]:
        return self._merged([self._over_points(expr) for expr, _ in columns])

    def _merged(self, made: Sequence[Column]) -> list[Row]:
        """Columns with times of their own as rows."""
        times = np.unique(np.concatenate([t for t, _ in made]))
        rows: list[Row] = [[int(t)] + [None] * len(made) for t in times]
        for number, (at, values) in enumerate(made, 1):
            for i, value in zip(np.searchsorted(times, at).tolist(), _cells(values), strict=True):
                rows[i][number] = value
        return rows[self.order]

    def _over_points(self, expr: Expr) -> Column:
        match expr:
            case Name(name):
                found = Merged(self.points, name)
                return found.times[self.order], found.values[self.order]
            case Call(name, (inner, *params)) if name in TRANSFORMS:
                times, values = self._over_points(inner)
                return TRANSFORMS[name](times, values, *_params(name, params))
            case Math(name, (inner, *args)):
                times, values = self._over_points(inner)
                with np.errstate(all="ignore"):
                    return times, MATH[name](values, *map(_param, args))
        raise InfluxError(MIXED)

    # ---- the points that a selector picks --------------------------------------------------

    def _picked(self, call: Call, columns: Columns) -> list[Row]:
        """What stands beside the selector is told of the point it picks."""
        found = Merged(self.points, _field(call))
        several, interval = call.name in SEVERAL, bool(self.select.interval)
        rows: list[Row] = []
        for start, first, end in self.spans:
            within = found.between(first, end)
            picks = self._picks(call, found, within)
            for i, value in picks:
                time = start if i < 0 or (interval and not several) else int(found.times[i])
                points, at = found.origin(i) if i >= 0 else (None, 0)
                cells = [
                    _number(value) if expr == call or points is None
                    else _cell(plain(expr, points), at)
                    for expr, _ in columns
                ]  # fmt: skip
                rows.append([time, *cells])
            if not picks and interval and not several and self.select.fill != "none":
                rows.append([start, *(None for _ in columns)])
        return rows

    def _picks(self, call: Call, found: Merged, within: slice) -> list[tuple[int, float]]:
        """(which point, value); -1 for a value that is no point's."""
        times, values = found.times[within], found.values[within]
        if not len(times):
            return []
        offset = within.start
        if call.name in SELECTORS:
            chosen = SELECTORS[call.name](values, times, *map(_param, call.args[1:]))
            return [(offset + chosen, float(values[chosen]))] if chosen >= 0 else []
        tags = [arg.name for arg in call.args[1:] if isinstance(arg, Name)]
        params = [_param(arg) for arg in call.args[1 + len(tags) :]]
        if not tags:
            rand = [self.rand] if call.name == "sample" else []
            made = SEVERAL[call.name](values, times, *params, *rand)
            return [(offset + i if i >= 0 else -1, value) for i, value in made]
        best: dict[tuple[str, ...], int] = {}  # of the points with these tags
        sign = 1 if call.name == "top" else -1
        for i, value in enumerate(values):
            points, _ = found.origin(offset + i)
            key = tuple(points.tags.get(label_of(tag), "") for tag in tags)
            if key not in best or sign * value > sign * values[best[key]]:
                best[key] = i
        kept = np.array(sorted(best.values()))
        made = SEVERAL[call.name](values[kept], times[kept], *params)
        return [(offset + int(kept[i]), value) for i, value in made]

    # ---- a row for each window -------------------------------------------------------------

    def _reduced(self, columns: Columns) -> list[Row]:
        made = [self._column(expr) for expr, _ in columns]
        if not self.select.interval:
            cells = [_number(values[0]) for _, values in made]
            if all(cell is None for cell in cells):
                return []
            found = [call for expr, _ in columns for call in calls(expr)]
            lone = len(found) == 1 and found[0].name in SELECTORS
            return [[int(made[0][0][0] if lone else self.starts[0]), *cells]]
        filled = [
            self._filled(values, isinstance(expr, Call) and expr.name == "count")
            for (_, values), (expr, _) in zip(made, columns, strict=True)
        ]
        rows = [list(row) for row in zip(self.starts.tolist(), *map(_cells, filled), strict=True)]
        if self.select.fill == "none" or any(_transforms(expr) for expr, _ in columns):
            rows = [row for row in rows if any(cell is not None for cell in row[1:])]
        return rows

    def _predicted(self, expr: Expr) -> Column:
        """How a column of windows goes on; at least two of them have a value."""
        from tsdb.influxql.holt_winters import holt_winters

        match expr:
            case Call(name, (Call() as inner, *numbers)) if name in PREDICTING:
                ahead, m = map(_whole, numbers)
            case Call(name) if name in PREDICTING:
                raise InfluxError(f"must use aggregate function with {name}")
            case _:
                raise InfluxError(MIXED)
        if ahead <= 0:
            raise InfluxError(f"second arg to {name} must be greater than 0, got {ahead}")
        if m < 0:
            raise InfluxError(f"third arg to {name} cannot be negative, got {m}")
        interval = self.select.interval // MS
        if not interval:
            raise InfluxError(f"{name} aggregate requires a GROUP BY interval")
        times, values = (array[self.order] for array in self._column(inner))
        there = np.flatnonzero(~np.isnan(values))
        if len(there) < max(2, m):
            return times[:0], values[:0]
        first, last = there[0], there[-1] + 1
        made = holt_winters(values[first:last].copy(), ahead, m)
        at = times[first] + interval * np.arange(len(made))
        shown = ~np.isnan(made)
        if name == "holt_winters":
            shown[: last - first] = False
        return at[shown], made[shown]

    def _column(self, expr: Expr) -> Column:
        """Times and values of an expression for every window."""
        match expr:
            case Literal(bool() | str()):
                pass
            case Literal(value):
                return self.starts, np.full(len(self.spans), float(value))
            case Operation(op, left, right) if op in ARITHMETIC:
                times, a = self._column(left)
                _, b = self._column(right)
                result = ARITHMETIC[op](a, b)
                return times, np.where(np.isnan(a) | np.isnan(b), np.nan, result)
            case Math(name, args):
                made = [self._column(arg) for arg in args]
                with np.errstate(all="ignore"):
                    return made[0][0], MATH[name](*(values for _, values in made))
            case Call(name, (Call() | Math() | Operation() as inner, *params)) if (
                name in TRANSFORMS
            ):
                times, values = self._column(inner)
                there = ~np.isnan(values)
                if name in PER_UNIT and name != "elapsed" and not params:
                    params = [Duration(self.select.interval or 1000 * MS)]
                at, changed = TRANSFORMS[name](
                    times[there], values[there], *_params(name, params)
                )
                place = {time: i for i, time in enumerate(times.tolist())}
                result = np.full(len(times), np.nan)
                result[[place[time] for time in at.tolist()]] = changed
                return times, result
            case Call("count", (Call("distinct", (Name(name),)),)):
                return self._windowed(name, lambda v, t: float(len(np.unique(v))))
            case Call("integral", (_, *params)):
                found = Merged(self.points, _field(expr))
                edges = [(first, end) for _, first, end in self.spans]
                if not len(found.times):
                    return self.starts, np.full(len(edges), np.nan)
                unit = map(_param, params)
                return self.starts, integrals(found.times, found.values, edges, *unit)
            case Call(name, _) if name in AGGREGATES:
                return self._windowed(_field(expr), AGGREGATES[name])
            case Call(name, _) if name in SELECTORS:
                return self._selected(expr)
        raise InfluxError(MIXED)

    def _windowed(self, field: str, function: Callable[..., float]) -> Column:
        found = Merged(self.points, field)
        result = np.full(len(self.spans), np.nan)
        for i, (_, first, end) in enumerate(self.spans):
            within = found.between(first, end)
            if within.start < within.stop:
                result[i] = function(found.values[within], found.times[within])
        return self.starts, result

    def _selected(self, call: Call) -> Column:
        """The values a selector picks; their times, where they are not those of windows."""
        found = Merged(self.points, _field(call))
        times, result = self.starts.copy(), np.full(len(self.spans), np.nan)
        for i, (_, first, end) in enumerate(self.spans):
            for chosen, value in self._picks(call, found, found.between(first, end)):
                result[i] = value
                if not self.select.interval:
                    times[i] = found.times[chosen]
        return times, result

    def _filled(self, values: np.ndarray, counting: bool) -> np.ndarray:
        """Windows without a value, as FILL has them."""
        fill, empty = self.select.fill, np.isnan(values)
        if not empty.any():
            return values
        if fill == "null" and counting:
            return np.where(empty, 0.0, values)
        if isinstance(fill, float):
            return np.where(empty, fill, values)
        there = np.flatnonzero(~empty)
        if fill == "previous" and len(there):
            last = np.maximum.accumulate(np.where(empty, -1, np.arange(len(values))))
            return np.where(last >= 0, values[last], np.nan)
        if fill == "linear" and len(there):
            every = np.arange(len(values))
            return np.interp(every, there, values[there], left=np.nan, right=np.nan)
        return values


# ---- expressions and cells -------------------------------------------------------------------


def plain(expr: Expr, points: Points) -> Any:
    """An expression over points as they are: an array, or a tag's text for all of them."""
    match expr:
        case Name(name):
            if name in points.fields:
                return points.fields[name]
            tag = points.tags.get(label_of(name))
            return np.full(len(points.times), np.nan) if tag is None else tag
        case Literal(float() as value):
            made = np.float64(value)
        case Operation(op, left, right) if op in ARITHMETIC:
            made = computed(ARITHMETIC[op], plain(left, points), plain(right, points))
        case Math(name, args):
            made = computed(MATH[name], *(plain(arg, points) for arg in args))
        case _:
            raise InfluxError("invalid expression in SELECT")
    return np.broadcast_to(made, len(points.times))


def reduces(call: Call) -> bool:
    """Whether a call, or one within it, makes few of many."""
    return call.name in REDUCING or any(reduces(c) for arg in call.args for c in calls(arg))


def _stands_alone(call: Call, columns: Columns) -> bool:
    """Whether a selector is a column; one that picks a single point, with others beside it."""
    own = any(expr == call for expr, _ in columns)
    return own and (len(columns) > 1 or call.name in SEVERAL)


def _field(call: Call) -> str:
    match call.args[0]:
        case Name(field):
            return field
    raise InfluxError(f"expected field argument in {call.name}()")


def _transforms(expr: Expr) -> bool:
    return any(call.name in TRANSFORMS for call in calls(expr))


def _cell(column: Any, i: int) -> Any:
    return column if isinstance(column, str) else _number(column[i])


def _cells(column: np.ndarray) -> list[Cell]:
    """`_number` of each."""
    return [
        (int(v) if v.is_integer() and abs(v) < 2**63 else v) if math.isfinite(v) else None
        for v in column.tolist()
    ]


def _number(value: float) -> Cell:
    """A value as JSON has it; NaN is null."""
    value = float(value)
    if not math.isfinite(value):
        return None
    return int(value) if value.is_integer() and abs(value) < 2**63 else value


def _params(name: str, params: Sequence[Expr]) -> list[float | str]:
    """Those of a transformation: numbers, and of an analysis the name of a warmup."""
    if name not in ANALYSES:
        return [_param(param) for param in params]
    return [_text(param) if isinstance(param, Literal) else _whole(param) for param in params]


def _text(literal: Literal) -> float | str:
    return literal.value if isinstance(literal.value, str) else _whole(literal)


def _whole(expr: Expr) -> int:
    """A whole number; one below zero is an operation on one above."""
    match expr:
        case Literal(float() as value):
            return int(value)
        case Operation("-", Literal(0.0), Literal(float() as value)):
            return -int(value)
    raise InfluxError("expected integer argument")


def _param(expr: Expr) -> float:
    """A number; a duration in ms."""
    match expr:
        case Duration(ns):
            if ns <= 0:
                raise InfluxError("duration argument must be positive, got 0s")
            return ns / MS
        case Literal(bool() | str()):
            pass
        case Literal(value):
            return float(value)
    raise InfluxError("expected a number or a duration as an argument")
