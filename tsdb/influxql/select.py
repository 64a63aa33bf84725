"""SELECT: points or windows of them, per group of tags, as rows of (time, column, ...).

    fields' samples ──► groups (GROUP BY tags) ──► WHERE ──► windows ──► functions ──► rows

In InfluxDB a point has several fields; here each is a series, and points are joined by their time
again where a row, or a condition, needs several of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tsdb.budget import Budget
from tsdb.catalog import Catalog, database_matcher
from tsdb.influxql.ast import (
    Call,
    Duration,
    Expr,
    InfluxError,
    Literal,
    Name,
    Operation,
    Pattern,
    Select,
    Star,
    calls,
    names,
)
from tsdb.influxql.functions import AGGREGATES, REDUCING, SELECTORS, SEVERAL, TRANSFORMS
from tsdb.influxql.where import (
    ARITHMETIC,
    MS,
    TIME_MAX,
    TIME_MIN,
    Bounds,
    holds,
    label_of,
    matchers_of,
)
from tsdb.matchers import Matcher

WINDOWS_MAX = 100_000
Row = list[Any]
Column = tuple[np.ndarray, np.ndarray]  # times (ms), values


@dataclass
class Series:
    """One series of an answer."""

    name: str
    tags: dict[str, str]
    columns: list[str]
    rows: list[Row]


@dataclass
class Points:
    """The points of one series (of InfluxDB's): times, and a column for each field, NaN = none."""

    tags: dict[str, str]
    times: np.ndarray
    fields: dict[str, np.ndarray]


def run(
    select: Select, catalog: Catalog, database: str, now_ms: int, budget: Budget
) -> list[Series]:
    """The answer to a SELECT."""
    parts: list[Measurement] = []
    for source in select.sources:
        in_database = source.database or database
        if not in_database:
            raise InfluxError("database name required")
        known = catalog.measurements(in_database)
        for measurement, fields in known.items():
            if named(source.name, measurement):
                parts.append(Measurement(select, measurement, fields, in_database, now_ms))
    for part in parts:
        part.read(catalog, budget)
    every = sorted({field for part in parts if part.series for field in part.metrics})
    tags = sorted({tag for part in parts for points in part.series for tag in points.tags})
    answer = [series for part in parts for series in part.answer(every, tags)]
    if select.series_limit or select.series_offset:
        end = select.series_offset + select.series_limit if select.series_limit else None
        answer = answer[select.series_offset : end]
    return answer


def named(wanted: str | Pattern, name: str) -> bool:
    """Whether a name is the one, or one of those, wanted."""
    if isinstance(wanted, Pattern):
        return wanted.regex.search(name) is not None
    return wanted == name


class Measurement:
    """A SELECT at work on one measurement."""

    def __init__(
        self, select: Select, name: str, fields: dict[str, str], database: str, now_ms: int
    ):
        self.select = select
        self.name = name
        self.metrics = fields
        self.database = database
        self.bounds = Bounds(select.where, now_ms)
        self.series: list[Points] = []
        found = [call for expr, _ in select.columns for call in calls(expr)]
        self.reducing = any(_reduces(call) for call in found)
        if select.interval:
            if not found:
                raise InfluxError("GROUP BY requires at least one aggregate function")
            if self.bounds.high == TIME_MAX:
                self.bounds.high = now_ms

    # ---- reading -----------------------------------------------------------------------

    def answer(self, every: list[str], tag_names: list[str]) -> list[Series]:
        """The series of the answer, one for each group of tags.

        every, tag_names: the fields and tags of all measurements asked for.
        """
        columns = self._columns(every, tag_names)
        if not any(name in self.metrics for expr, _ in columns for name in names(expr)):
            return []
        by = self._dimensions(tag_names)
        groups: dict[tuple[str, ...], list[Points]] = {}
        for points in self.series:
            key = tuple(points.tags.get(label_of(tag), "") for tag in by)
            groups.setdefault(key, []).append(points)
        answer = []
        for key in sorted(groups):
            rows = self._limited(self._rows(groups[key], columns))
            if rows:
                tags = dict(zip(by, key, strict=True))
                header = ["time", *unique([title for _, title in columns])]
                answer.append(Series(self.name, tags, header, rows))
        return answer

    def read(self, catalog: Catalog, budget: Budget) -> None:
        """Take the points of every series within the bounds that meet the conditions."""
        select, rest = self.select, self.bounds.rest
        asked = {name for expr, _ in select.columns for name in names(expr)}
        asked |= set(names(rest))
        star = any(_has_star(expr) for expr, _ in select.columns)
        wanted = [f for f in self.metrics if star or f in asked]
        held: dict[tuple[tuple[str, str], ...], dict[str, Column]] = {}
        conditions = [database_matcher(self.database), *matchers_of(rest, self.metrics)]
        for field in wanted:
            matchers = [Matcher("__name__", "=", self.metrics[field]), *conditions]
            found = catalog.store.finder.select(
                matchers, self.bounds.low, self.bounds.high, budget, stale=False
            ).gather()
            for row, labels in enumerate(found.labels):
                tags = tuple(p for p in labels.pairs if p[0] not in ("__name__", "db"))
                held.setdefault(tags, {})[field] = found.samples(row)
        for tags, columns in sorted(held.items()):
            points = _joined(dict(tags), columns, wanted)
            kept = holds(rest, points.tags, points.fields, len(points.times))
            if kept.any():
                fields = {name: values[kept] for name, values in points.fields.items()}
                self.series.append(Points(points.tags, points.times[kept], fields))

    def _columns(self, fields: list[str], tag_names: list[str]) -> list[tuple[Expr, str]]:
        """The columns asked for, with their titles; `*` and regexes written out."""
        found: list[tuple[Expr, str]] = []
        for expr, alias in self.select.columns:
            if isinstance(expr, Star | Pattern):
                grouped = set(self._dimensions(tag_names))
                every = sorted([*fields, *(t for t in tag_names if t not in grouped)])
                found += [
                    (Name(name), name)
                    for name in every
                    if isinstance(expr, Star) or expr.regex.search(name)
                ]
            elif isinstance(expr, Call) and expr.args and isinstance(expr.args[0], Star | Pattern):
                pattern = expr.args[0]
                for field in fields:
                    if isinstance(pattern, Star) or pattern.regex.search(field):
                        call = Call(expr.name, (Name(field), *expr.args[1:]))
                        found.append((call, f"{alias or expr.name}_{field}"))
            else:
                found.append((expr, alias or _title(expr)))
        return found

    def _dimensions(self, tag_names: list[str]) -> list[str]:
        by: set[str] = set()
        for tag in self.select.tags:
            if isinstance(tag, Name):
                by.add(tag.name)
            else:
                by |= {t for t in tag_names if isinstance(tag, Star) or tag.regex.search(t)}
        return sorted(by)

    # ---- rows --------------------------------------------------------------------------

    def _rows(self, group: list[Points], columns: list[tuple[Expr, str]]) -> list[Row]:
        if self.reducing:
            return self._reduced(group, columns)
        if any(calls(expr) for expr, _ in columns):
            return self._transformed(group, columns)
        rows: list[Row] = []
        for points in group:
            values = [_raw(expr, points) for expr, _ in columns]
            fields = [
                v for v, (expr, _) in zip(values, columns, strict=True)
                if any(name in self.metrics for name in names(expr))
            ]  # fmt: skip
            some = ~np.all([np.isnan(v) for v in fields], axis=0)
            for i in np.flatnonzero(some).tolist():
                rows.append([int(points.times[i]), *(_cell(column, i) for column in values)])
        rows.sort(key=lambda row: row[0])
        return rows

    def _transformed(self, group: list[Points], columns: list[tuple[Expr, str]]) -> list[Row]:
        """Transforms of points themselves."""
        made = [self._over_points(expr, group) for expr, _ in columns]
        return _together(made)

    def _over_points(self, expr: Expr, group: list[Points]) -> Column:
        match expr:
            case Name(name):
                return _merged(group, name)
            case Call(name, (inner, *params)) if name in TRANSFORMS:
                times, values = self._over_points(inner, group)
                return TRANSFORMS[name](times, values, *map(_param, params))
        raise InfluxError("mixing aggregate and non-aggregate queries is not supported")

    def _reduced(self, group: list[Points], columns: list[tuple[Expr, str]]) -> list[Row]:
        """One row a window (or several, of functions that give several)."""
        several = [e for e, _ in columns if isinstance(e, Call) and e.name in SEVERAL]
        if several:
            return self._several(several[0], columns, group)
        spans = list(self._windows(group))
        lone = self._lone_selector(columns)
        made = [self._column(expr, group, spans) for expr, _ in columns]
        starts = np.array([start for start, _, _ in spans], np.int64)
        if not self.select.interval:
            times = made[0][0] if lone else starts
            values = [[_number(column[1][0])] for column in made]
            empty = all(value[0] is None for value in values)
            return [] if empty else [[int(times[0]), *(v[0] for v in values)]]
        counts = [isinstance(expr, Call) and expr.name == "count" for expr, _ in columns]
        filled = [
            self._filled(column[1], counting)
            for column, counting in zip(made, counts, strict=True)
        ]
        rows = [
            [int(start), *(_number(column[i]) for column in filled)]
            for i, start in enumerate(starts)
        ]
        if self.select.fill == "none" or self._transforms(columns):
            rows = [row for row in rows if any(cell is not None for cell in row[1:])]
        return rows

    def _transforms(self, columns: list[tuple[Expr, str]]) -> bool:
        return any(isinstance(e, Call) and e.name in TRANSFORMS for e, _ in columns)

    def _lone_selector(self, columns: list[tuple[Expr, str]]) -> bool:
        """A single selector tells the time of its point."""
        found = [call for expr, _ in columns for call in calls(expr)]
        return len(found) == 1 and found[0].name in SELECTORS

    def _windows(self, group: list[Points]) -> Iterator[tuple[int, int, int]]:
        """(start to show, first ms, end ms) of every window."""
        bounds, interval = self.bounds, self.select.interval // MS
        if not interval:
            if self.select.interval:
                raise InfluxError("windows shorter than a millisecond are not supported")
            shown = bounds.shown if bounds.low != TIME_MIN else 0
            yield shown, bounds.low, bounds.high + 1
            return
        low = bounds.low
        if low == TIME_MIN:
            low = min(int(points.times[0]) for points in group)
        shift = self.select.offset_ns // MS
        first = (low - shift) // interval * interval + shift
        if (bounds.high - first) // interval > WINDOWS_MAX:
            raise InfluxError(
                f"max-select-buckets limit exceeded: ({(bounds.high - first) // interval}/"
                f"{WINDOWS_MAX})"
            )
        for start in range(first, bounds.high + 1, interval):
            yield start, max(start, low), min(start + interval, bounds.high + 1)

    def _column(
        self, expr: Expr, group: list[Points], spans: Sequence[tuple[int, int, int]]
    ) -> Column:
        """Times and values of an expression for every window, NaN = none."""
        match expr:
            case Literal(bool() | str()):
                pass
            case Literal(value):
                return _starts(spans), np.full(len(spans), float(value))
            case Operation(op, left, right) if op in ARITHMETIC:
                times, a = self._column(left, group, spans)
                _, b = self._column(right, group, spans)
                result = ARITHMETIC[op](a, b)
                return times, np.where(np.isnan(a) | np.isnan(b), np.nan, result)
            case Call(name, (Call() as inner, *params)) if name in TRANSFORMS:
                times, values = self._column(inner, group, spans)
                there = ~np.isnan(values)
                at, made = TRANSFORMS[name](times[there], values[there], *map(_param, params))
                result = np.full(len(times), np.nan)
                result[np.searchsorted(times, at)] = made
                return times, result
            case Call("count", (Call("distinct", (Name(name),)),)):
                return self._reduce(lambda v, t: float(len(np.unique(v))), name, group, spans)
            case Call(name, (Name(field), *params)) if name in AGGREGATES:
                def aggregate(v: np.ndarray, t: np.ndarray) -> float:
                    return AGGREGATES[expr.name](v, t, *map(_param, params))

                return self._reduce(aggregate, field, group, spans)
            case Call(name, (Name(field), *params)) if name in SELECTORS:
                return self._choose(name, field, params, group, spans)
            case Call(name):
                if name not in REDUCING and name not in TRANSFORMS:
                    raise InfluxError(f"undefined function {name}()")
                raise InfluxError(f"invalid number of arguments for {name}")
        raise InfluxError("mixing aggregate and non-aggregate queries is not supported")

    def _reduce(self, function: Any, field: str, group: list[Points], spans: Any) -> Column:
        times, values = _merged(group, field)
        result = np.full(len(spans), np.nan)
        for i, (_, first, end) in enumerate(spans):
            a, b = np.searchsorted(times, (first, end))
            if a < b:
                result[i] = function(values[a:b], times[a:b])
        return _starts(spans), result

    def _choose(
        self, name: str, field: str, params: Sequence[Expr], group: list[Points], spans: Any
    ) -> Column:
        times, values = _merged(group, field)
        at, result = _starts(spans), np.full(len(spans), np.nan)
        for i, (_, first, end) in enumerate(spans):
            a, b = np.searchsorted(times, (first, end))
            if a == b:
                continue
            chosen = SELECTORS[name](values[a:b], times[a:b], *map(_param, params))
            if chosen >= 0:
                result[i] = values[a + chosen]
                if not self.select.interval:
                    at[i] = times[a + chosen]
        return at, result

    def _several(
        self, expr: Call, columns: list[tuple[Expr, str]], group: list[Points]
    ) -> list[Row]:
        if len(columns) != 1 or not expr.args or not isinstance(expr.args[0], Name):
            raise InfluxError(f"{expr.name}() cannot be combined with other functions or fields")
        times, values = _merged(group, expr.args[0].name)
        params = [_param(param) for param in expr.args[1:]]
        rows: list[Row] = []
        for start, first, end in self._windows(group):
            a, b = np.searchsorted(times, (first, end))
            if a < b:
                for i, value in SEVERAL[expr.name](values[a:b], times[a:b], *params):
                    rows.append([int(times[a + i]) if i >= 0 else start, _number(value)])
        return rows

    def _filled(self, values: np.ndarray, counting: bool) -> np.ndarray:
        """Windows without a value, as FILL has them."""
        fill, empty = self.select.fill, np.isnan(values)
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

    def _limited(self, rows: list[Row]) -> list[Row]:
        select = self.select
        if select.descending:
            rows = rows[::-1]
        end = select.offset + select.limit if select.limit else None
        return rows[select.offset : end]


# ---- points and columns ----------------------------------------------------------------------


def _joined(tags: dict[str, str], columns: dict[str, Column], wanted: list[str]) -> Points:
    """Fields of one series, joined by time."""
    every = [times for times, _ in columns.values()]
    times = every[0] if len(every) == 1 else np.unique(np.concatenate(every))
    fields = {}
    for name in wanted:
        values = np.full(len(times), np.nan)
        if name in columns:
            at, found = columns[name]
            values[np.searchsorted(times, at)] = found
        fields[name] = values
    return Points(tags, times, fields)


def _merged(group: list[Points], field: str) -> Column:
    """A field's points of all series of a group, in the order of time."""
    pieces = [(p.times, p.fields[field]) for p in group if field in p.fields]
    if not pieces:
        return np.zeros(0, np.int64), np.zeros(0)
    times = np.concatenate([t for t, _ in pieces])
    values = np.concatenate([v for _, v in pieces])
    there = ~np.isnan(values)
    times, values = times[there], values[there]
    order = np.argsort(times, kind="stable")
    return times[order], values[order]


def _raw(expr: Expr, points: Points) -> Any:
    """A column of raw rows: an array, or a tag's text for all of them."""
    match expr:
        case Name(name):
            if name in points.fields:
                return points.fields[name]
            tag = points.tags.get(label_of(name))
            return np.full(len(points.times), np.nan) if tag is None else tag
        case Literal(bool() | str()):
            pass
        case Literal(value):
            return np.full(len(points.times), float(value))
        case Operation(op, left, right) if op in ARITHMETIC:
            return ARITHMETIC[op](_raw(left, points), _raw(right, points))
    raise InfluxError("invalid expression in SELECT")


def _cell(column: Any, i: int) -> Any:
    return column if isinstance(column, str) else _number(column[i])


def _together(columns: list[Column]) -> list[Row]:
    """Columns joined by time to rows."""
    times = np.unique(np.concatenate([t for t, _ in columns]))
    rows: list[Row] = [[int(t)] + [None] * len(columns) for t in times]
    for number, (at, values) in enumerate(columns):
        for i, value in zip(np.searchsorted(times, at), values, strict=True):
            rows[i][number + 1] = _number(value)
    return rows


def _number(value: float) -> float | int | None:
    """A value as JSON has it; NaN is null."""
    value = float(value)
    if np.isnan(value) or np.isinf(value):
        return None
    return int(value) if value.is_integer() and abs(value) < 2**63 else value


def _starts(spans: Sequence[tuple[int, int, int]]) -> np.ndarray:
    return np.array([start for start, _, _ in spans], np.int64)


def _param(expr: Expr) -> float:
    match expr:
        case Duration(ns):
            return ns / MS
        case Literal(bool() | str()):
            pass
        case Literal(value):
            return float(value)
    raise InfluxError("expected a number or a duration as an argument")


def _reduces(call: Call) -> bool:
    inner = [c for arg in call.args for c in calls(arg)]
    return call.name in REDUCING or any(map(_reduces, inner))


def _has_star(expr: Expr) -> bool:
    match expr:
        case Star() | Pattern():
            return True
        case Call():
            return any(map(_has_star, expr.args))
    return False


def _title(expr: Expr) -> str:
    match expr:
        case Name(name):
            return name
        case Call(name):
            return name
        case Operation():
            titles = [_title(call) for call in calls(expr)] or names(expr)
            return "_".join(titles)
    return ""


def unique(titles: list[str]) -> list[str]:
    """Titles with numbers behind those that were there already."""
    seen: dict[str, int] = {}
    result = []
    for title in titles:
        count = seen.get(title, 0)
        seen[title] = count + 1
        result.append(f"{title}_{count}" if count else title)
    return result
