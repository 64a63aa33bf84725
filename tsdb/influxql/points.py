"""Points: what a SELECT reads, from the store or from another SELECT.

In InfluxDB a point has several fields; here each is a series of its own, and points are joined by
their time again where a row, or a condition, needs several of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import Any

import numpy as np

from tsdb.budget import Budget
from tsdb.catalog import Catalog, database_matcher
from tsdb.influxql.where import Bounds, holds, sifting
from tsdb.matchers import Matcher

Row = list[Any]
Column = tuple[np.ndarray, np.ndarray]  # times (ms), values


@dataclass
class Series:
    """One series of an answer; zone is that in which times are shown."""

    name: str
    tags: dict[str, str]
    columns: list[str]
    rows: list[Row]
    zone: tzinfo = UTC


@dataclass
class Points:
    """The points of one series (of InfluxDB's): times, and a column for each field, NaN = none."""

    tags: dict[str, str]
    times: np.ndarray
    fields: dict[str, np.ndarray]

    def meeting(self, bounds: Bounds) -> Points:
        """Those that meet the conditions."""
        kept = holds(bounds.rest, self.tags, self.fields, len(self.times))
        if kept.all():
            return self
        fields = {name: values[kept] for name, values in self.fields.items()}
        return Points(self.tags, self.times[kept], fields)


def stored(
    catalog: Catalog,
    database: str,
    metrics: dict[str, str],
    wanted: Sequence[str],
    bounds: Bounds,
    budget: Budget,
) -> list[Points]:
    """The points of each series of a measurement; metrics is {field: metric}."""
    held: dict[tuple[tuple[str, str], ...], dict[str, Column]] = {}
    conditions = [database_matcher(database), *sifting(bounds.rest, metrics)]
    for field in wanted:
        matchers = [Matcher("__name__", "=", metrics[field]), *conditions]
        found = catalog.store.finder.select(
            matchers, bounds.low, bounds.high, budget, stale=False
        ).gather()
        for row, labels in enumerate(found.labels):
            tags = tuple(p for p in labels.pairs if p[0] not in ("__name__", "db"))
            held.setdefault(tags, {})[field] = found.samples(row)
    return [_joined(dict(tags), columns, wanted) for tags, columns in sorted(held.items())]


def derived(series: Iterable[Series]) -> list[Points]:
    """The rows of another SELECT as points; a column of texts was a tag."""
    made = []
    for one in series:
        groups: dict[tuple[tuple[str, str], ...], list[Row]] = {}
        for row in one.rows:
            cells = zip(one.columns[1:], row[1:], strict=True)
            texts = tuple((title, cell) for title, cell in cells if isinstance(cell, str))
            groups.setdefault(texts, []).append(row)
        for texts, rows in groups.items():
            titles = {title for title, _ in texts}
            fields = {
                title: np.array([np.nan if r[i] is None else r[i] for r in rows], np.float64)
                for i, title in enumerate(one.columns[1:], 1)
                if title not in titles
            }
            times = np.array([row[0] for row in rows], np.int64)
            order = np.argsort(times, kind="stable")
            fields = {title: values[order] for title, values in fields.items()}
            made.append(Points({**one.tags, **dict(texts)}, times[order], fields))
    return made


def _joined(tags: dict[str, str], columns: dict[str, Column], wanted: Iterable[str]) -> Points:
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


class Merged:
    """A field's points of all series of a group, in the order of time."""

    def __init__(self, group: Sequence[Points], field: str):
        pieces = [p.fields.get(field, np.full(len(p.times), np.nan)) for p in group]
        times = np.concatenate([p.times for p in group])
        values = np.concatenate(pieces)
        there = np.flatnonzero(~np.isnan(values))
        self._at = there[np.argsort(times[there], kind="stable")]
        self._starts = np.cumsum([0, *(len(p.times) for p in group)])
        self._group = group
        self.times, self.values = times[self._at], values[self._at]

    def origin(self, i: int) -> tuple[Points, int]:
        """The series of a point, and its place there."""
        at = self._at[i]
        number = int(np.searchsorted(self._starts, at, side="right")) - 1
        return self._group[number], int(at - self._starts[number])

    def between(self, first: int, end: int) -> slice:
        """The points in [first, end)."""
        a, b = np.searchsorted(self.times, (first, end))
        return slice(int(a), int(b))
