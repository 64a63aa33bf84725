"""DROP and DELETE: which samples go, as matchers and a span of time."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tsdb.catalog import Catalog, database_matcher
from tsdb.influxql.ast import Expr, InfluxError, Literal, Manage, Name, Operation, Pattern, parts
from tsdb.influxql.select import named
from tsdb.influxql.where import TIME_MAX, TIME_MIN, Bounds, label_of
from tsdb.matchers import Matcher

Going = tuple[list[Matcher], int, int]  # matchers, first and last ms


def going(statement: Manage, catalog: Catalog, database: str, now_ms: int) -> Iterator[Going]:
    """What a statement deletes; the catalog forgets what is dropped."""
    if statement.what == "drop database":
        if catalog.knows(statement.name):
            catalog.forget(statement.name)
            yield [database_matcher(statement.name)], TIME_MIN, TIME_MAX
        return
    if not database:
        raise InfluxError("database name required")
    measurements = catalog.measurements(database)
    bounds = Bounds(statement.where, now_ms)
    if statement.what == "drop measurement":
        chosen = [statement.name] if statement.name in measurements else []
        catalog.forget(database, statement.name)
    else:
        chosen = [
            name
            for name in measurements
            if not statement.sources or any(named(s.name, name) for s in statement.sources)
        ]
        if statement.what == "drop series" and (bounds.low, bounds.high) != (TIME_MIN, TIME_MAX):
            raise InfluxError("DROP SERIES doesn't support time in WHERE clause")
    metrics = [metric for name in chosen for metric in measurements[name].values()]
    if metrics:
        pattern = "|".join(map(re.escape, metrics))
        matchers = [Matcher("__name__", "=~", pattern), database_matcher(database)]
        yield [*matchers, *_conditions(bounds.rest)], bounds.low, bounds.high


def _conditions(expr: Expr | None) -> list[Matcher]:
    """Conditions on tags that all must hold."""
    match expr:
        case None:
            return []
        case Operation("and"):
            return [m for part in parts("and", expr) for m in _conditions(part)]
        case Operation("=" | "!=" as op, Name(name), Literal(str() as value)):
            return [Matcher(label_of(name), op, value)]
        case Operation("=~" | "!~" as op, Name(name), Pattern() as pattern):
            return [Matcher(label_of(name), op, pattern.anywhere)]
    raise InfluxError("fields and OR are not supported in WHERE clause during deletion")
