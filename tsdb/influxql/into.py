"""SELECT ... INTO: the rows of an answer written as points, tags as tags and columns as fields."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from tsdb.influxql.ast import InfluxError, Target
from tsdb.influxql.points import Series
from tsdb.influxql.select import Scope

MS_NS = 1_000_000


def write(target: Target, answer: list[Series], scope: Scope) -> list[Series]:
    """Write an answer; what InfluxDB says then: how many points it were."""
    database = target.database or scope.database
    if not database:
        raise InfluxError("database name required")
    if not scope.catalog.knows(database):
        raise InfluxError(f"database not found: {database}")
    lines = [line for series in answer for line in _lines(target, series)]
    if lines:
        parser = scope.catalog.write_lines(database, "\n".join(lines).encode(), MS_NS)
        if parser.rejected:
            raise InfluxError(f"partial write: {parser.errors[0][1]} dropped={parser.rejected}")
    return [Series("result", {}, ["time", "written"], [[0, len(lines)]])]


def _lines(target: Target, series: Series) -> Iterator[str]:
    measurement = _escaped(target.measurement or series.name, ", ")
    tags = "".join(f",{_key(name)}={_key(value)}" for name, value in series.tags.items() if value)
    for time_ms, *cells in series.rows:
        fields = ",".join(_fields(series.columns[1:], cells))
        if fields:
            yield f"{measurement}{tags} {fields} {time_ms}"


def _fields(columns: Iterable[str], cells: Iterable[float | str | None]) -> Iterator[str]:
    for name, cell in zip(columns, cells, strict=True):
        if isinstance(cell, str):
            yield _key(name) + '="' + _escaped(cell, '\\"') + '"'
        elif cell is not None:
            yield f"{_key(name)}={cell!r}"


def _key(text: str) -> str:
    return _escaped(text, ",= ")


def _escaped(text: str, marks: str) -> str:
    return re.sub(f"([{re.escape(marks)}])", r"\\\1", text)
