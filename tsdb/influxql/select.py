"""SELECT: points or windows of them, per group of tags, as rows of (time, column, ...).

    points ──► WHERE ──► groups (GROUP BY tags) ──► windows ──► functions ──► rows

The points are those of measurements, or the rows of a SELECT within (`points.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC

from bedrock.world.slices import paced
from tsdb.budget import Budget
from tsdb.catalog import Catalog
from tsdb.influxql.ast import (
    TIME_MAX,
    TIME_MIN,
    Call,
    Expr,
    InfluxError,
    Math,
    Name,
    Operation,
    Pattern,
    Select,
    Star,
    calls,
    names,
)
from tsdb.influxql.functions import check
from tsdb.influxql.group import Group
from tsdb.influxql.points import Points, Row, Series, derived, stored
from tsdb.influxql.spans import Span, spans, window
from tsdb.influxql.summed import Key, is_summed, summed
from tsdb.influxql.where import MS, Bounds, label_of

WINDOWS_MAX = 100_000


@dataclass
class Scope:
    """What a statement is answered from."""

    catalog: Catalog
    database: str
    now_ms: int
    budget: Budget


def run(select: Select, scope: Scope) -> list[Series]:
    """The answer to a SELECT."""
    for expr, _ in select.columns:
        _check(expr)
    parts = _united(_parts(select, scope), select.descending)
    every = sorted({field for part in parts if part.series for field in part.fields})
    tags = sorted({tag for part in parts for points in part.series for tag in points.tags})
    answer = [series for part in parts for series in part.answer(every, tags)]
    if select.series_limit or select.series_offset:
        end = select.series_offset + select.series_limit if select.series_limit else None
        answer = answer[select.series_offset : end]
    return answer


def _united(parts: Iterable[Measurement], descending: bool) -> list[Measurement]:
    """Parts in the order of their names, those of one name made one."""
    found: dict[str, Measurement] = {}
    for part in parts:
        known = found.setdefault(part.name, part)
        if known is not part:
            known.fields |= part.fields
            known.series += part.series
    return [found[name] for name in sorted(found, reverse=descending)]


def _parts(select: Select, scope: Scope) -> Iterator[Measurement]:
    """What FROM lists, read."""
    asked = {name for expr, _ in select.columns for name in names(expr)}
    star = any(_has_star(expr) for expr, _ in select.columns)
    for source in select.sources:
        if isinstance(source, Select):
            yield from _nested(select, source, scope)
            continue
        database = source.database or scope.database
        if not database:
            raise InfluxError("database name required")
        if not scope.catalog.knows(database):
            raise InfluxError(f"database not found: {database}")
        for name, metrics in scope.catalog.measurements(database).items():
            if not named(source.name, name):
                continue
            part = Measurement(select, name, metrics, scope)
            if is_summed(select, part.bounds, metrics):
                part.sum_up(database, metrics)
                yield part
                continue
            read = asked.union(names(part.bounds.rest))
            wanted = [field for field in metrics if star or field in read]
            found = stored(scope.catalog, database, metrics, wanted, part.bounds, scope.budget)
            part.take(found)
            yield part


def _nested(outer: Select, inner: Select, scope: Scope) -> Iterator[Measurement]:
    """A SELECT as a source: it reads what the outer asks for, and keeps the tags it groups by."""
    bounds = Bounds(outer.where, scope.now_ms, outer.zone or UTC)
    reducing = any(calls(expr) for expr, _ in inner.columns)
    found: dict[str, list[Series]] = {}
    for series in run(
        replace(
            inner,
            tags=[*inner.tags, *outer.tags],
            interval=inner.interval or (outer.interval if reducing else 0),
            low=max(inner.low, outer.low, bounds.low),
            high=min(inner.high, outer.high, bounds.high),
        ),
        scope,
    ):
        found.setdefault(series.name, []).append(series)
    for name, listed in found.items():
        points = derived(listed)
        fields = dict.fromkeys(field for one in points for field in one.fields)
        part = Measurement(outer, name, fields, scope)
        part.widen()
        part.take(points)
        yield part


def named(wanted: str | Pattern, name: str) -> bool:
    """Whether a name is the one, or one of those, wanted."""
    if isinstance(wanted, Pattern):
        return wanted.matches(name)
    return wanted == name


class Measurement:
    """A SELECT at work on one measurement."""

    def __init__(self, select: Select, name: str, fields: Iterable[str], scope: Scope):
        self.select = select
        self.scope = scope
        self.name = name
        self.fields = set(fields)
        self.bounds = Bounds(select.where, scope.now_ms, select.zone or UTC)
        self.bounds.within(select.low, select.high)
        self.series: list[Points] = []
        self.summed: dict[Key, Group] | None = None
        if select.interval:
            if not any(calls(expr) for expr, _ in select.columns):
                raise InfluxError("GROUP BY requires at least one aggregate function")
            if self.bounds.high == TIME_MAX:
                self.bounds.high = scope.now_ms

    def widen(self) -> None:
        """Begin with a whole window: a row within may be of one that begins before the bound."""
        bounds, select = self.bounds, self.select
        if select.interval >= MS and bounds.low != TIME_MIN:
            shift = select.offset_ns // MS
            bounds.low, _ = window(bounds.low, select.interval // MS, shift, select.zone)

    def take(self, found: Iterable[Points]) -> None:
        """Keep the points that meet the conditions."""
        kept = (points.meeting(self.bounds) for points in found)
        self.series = [points for points in kept if len(points.times)]

    def sum_up(self, database: str, metrics: dict[str, str]) -> None:
        """Read what the windows come to instead of points."""
        spans, scope = list(self._spans([])), self.scope
        self.summed = summed(
            self.select, spans, scope.catalog, database, metrics, self.bounds, scope.budget
        )

    def answer(self, every: list[str], tag_names: list[str]) -> list[Series]:
        """The series of the answer, one for each group of tags.

        every, tag_names: the fields and tags of all measurements asked for.
        """
        columns = self._columns(every, tag_names)
        if not any(name in self.fields for expr, _ in columns for name in names(expr)):
            return []
        by = self._dimensions(tag_names)
        groups = self._groups(by) if self.summed is None else self.summed
        answer = []
        for key in paced(sorted(groups, reverse=self.select.descending)):
            rows = self._limited(groups[key].rows(columns, self.fields))
            if rows:
                tags = dict(zip(by, key, strict=True))
                header = ["time", *unique([title for _, title in columns])]
                answer.append(Series(self.name, tags, header, rows, self.bounds.zone))
        return answer

    def _groups(self, by: list[str]) -> dict[Key, Group]:
        """The points, by the values of the tags they are grouped by."""
        found: dict[Key, list[Points]] = {}
        for points in paced(self.series):
            key = tuple(points.tags.get(label_of(tag), "") for tag in by)
            found.setdefault(key, []).append(points)
        rand = self.scope.catalog.store.world.rand
        return {
            key: Group(self.select, points, list(self._spans(points)), rand)
            for key, points in paced(found.items())
        }

    def _columns(self, fields: list[str], tag_names: list[str]) -> list[tuple[Expr, str]]:
        """The columns asked for, with their titles; `*` and regexes written out."""
        found: list[tuple[Expr, str]] = []
        for expr, alias in self.select.columns:
            if isinstance(expr, Star | Pattern):
                grouped = set(self._dimensions(tag_names))
                tags = [tag for tag in tag_names if tag not in grouped]
                kind = expr.kind if isinstance(expr, Star) else ""
                every = {"field": fields, "tag": tags}.get(kind, [*fields, *tags])
                found += [
                    (Name(name), name)
                    for name in sorted(every)
                    if isinstance(expr, Star) or expr.matches(name)
                ]
            elif isinstance(expr, Call) and expr.args and isinstance(expr.args[0], Star | Pattern):
                pattern = expr.args[0]
                for field in fields:
                    if isinstance(pattern, Star) or pattern.matches(field):
                        call = Call(expr.name, (Name(field), *expr.args[1:]))
                        found.append((call, f"{alias or expr.name}_{field}"))
            elif isinstance(expr, Call) and expr.name in ("top", "bottom"):
                tags = [arg.name for arg in expr.args[1:] if isinstance(arg, Name)]
                found.append((expr, alias or expr.name))
                found += [(Name(tag), tag) for tag in tags]
            else:
                found.append((expr, alias or _title(expr)))
        return found

    def _dimensions(self, tag_names: list[str]) -> list[str]:
        by: set[str] = set()
        for tag in self.select.tags:
            if isinstance(tag, Name):
                by.add(tag.name)
            else:
                by |= {t for t in tag_names if isinstance(tag, Star) or tag.matches(t)}
        return sorted(by)

    def _spans(self, group: list[Points]) -> Iterator[Span]:
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
        if (count := (bounds.high - low) // interval) > WINDOWS_MAX:
            raise InfluxError(f"max-select-buckets limit exceeded: ({count}/{WINDOWS_MAX})")
        shift = self.select.offset_ns // MS
        yield from spans(low, bounds.high, interval, shift, self.select.zone)

    def _limited(self, rows: list[Row]) -> list[Row]:
        select = self.select
        end = select.offset + select.limit if select.limit else None
        return rows[select.offset : end]


# ---- columns --------------------------------------------------------------------------------


def _check(expr: Expr) -> None:
    """InfluxError for functions that do not exist, or not so."""
    match expr:
        case Call(name, args) | Math(name, args):
            check(name, len(args))
            for arg in args:
                _check(arg)
        case Operation(_, left, right):
            _check(left)
            _check(right)


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
        case Call(name) | Math(name):
            return name
        case Operation(_, left, right):
            return "_".join(filter(None, (_title(left), _title(right))))
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
