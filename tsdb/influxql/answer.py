"""/query: the statements of a request, answered as JSON.

    {"results": [{"statement_id": 0, "series": [{"name", "tags", "columns", "values"}]}]}

Chunked answers are one such object a line, with at most `chunk_size` rows each, and
`"partial": true` where more of a series (or of a statement) follows.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import datetime, tzinfo
from typing import Any

from tsdb.budget import Budget
from tsdb.catalog import Catalog
from tsdb.influxql.ast import InfluxError, Manage, Select, Show, Statement, SyntaxTrouble
from tsdb.influxql.drop import going
from tsdb.influxql.into import write
from tsdb.influxql.parser import parse
from tsdb.influxql.points import Series
from tsdb.influxql.select import Scope, run
from tsdb.influxql.show import show
from tsdb.promql.errors import QueryError

MS_IN = {"ns": (1_000_000, 1), "n": (1_000_000, 1), "u": (1000, 1), "µ": (1000, 1), "ms": (1, 1),
         "s": (1, 1000), "m": (1, 60_000), "h": (1, 3_600_000)}  # fmt: skip
CHUNK_ROWS = 10_000
Result = dict[str, Any]


class Session:
    """What the statements of a request share."""

    def __init__(
        self,
        catalog: Catalog,
        database: str,
        epoch: str,
        budget: Budget,
        values: dict[str, Any] | None = None,
    ):
        self.catalog = catalog
        self.values = values
        self.database = database
        self.epoch = epoch
        self.now_ms = catalog.store.world.clock.wall_ms()
        self.scope = Scope(catalog, database, self.now_ms, budget)

    async def answer(self, text: str) -> dict[str, Any]:
        """All results at once; SyntaxTrouble."""
        statements = parse(text, self.values)
        return {"results": [self._result(n, await self._run(s)) for n, s in enumerate(statements)]}

    async def chunks(self, text: str, size: int) -> AsyncIterator[bytes]:
        """The results as lines of at most `size` rows."""
        for number, statement in enumerate(parse(text, self.values)):
            found = await self._run(statement)
            pieces = list(self._pieces(found, size)) if isinstance(found, list) else []
            if not pieces:
                yield encode({"results": [self._result(number, found)]})
            for i, (series, more) in enumerate(pieces):
                result = self._result(number, [series])
                if more:
                    result["series"][0]["partial"] = True
                if i + 1 < len(pieces):
                    result["partial"] = True
                yield encode({"results": [result]})

    def _pieces(self, found: list[Series], size: int) -> Iterator[tuple[Series, bool]]:
        for series in found:
            for at in range(0, max(len(series.rows), 1), size):
                rows = series.rows[at : at + size]
                more = at + size < len(series.rows)
                yield replace(series, rows=rows), more

    async def _run(self, statement: Statement) -> list[Series] | str:
        """The series of an answer, or what went wrong."""
        try:
            match statement:
                case Select():
                    if self.database and not self.catalog.knows(self.database):
                        raise InfluxError(f"database not found: {self.database}")
                    queries = self.catalog.store.queries
                    found = await queries.ask(run, statement, self.scope)
                    return write(statement.into, found, self.scope) if statement.into else found
                case Show():
                    asked = statement, self.catalog, self.database, self.now_ms
                    return await self.catalog.store.queries.ask(show, *asked)
                case Manage("create database", name):
                    self.catalog.add(name)
                    return []
                case Manage("drop database" | "drop measurement" | "drop series" | "delete"):
                    for matchers, low, high in going(
                        statement, self.catalog, self.database, self.now_ms
                    ):
                        await self.catalog.store.delete_beside(matchers, low, high)
                    return []
                case Manage(what):
                    raise InfluxError(f"{what.upper()} is not supported")
        except SyntaxTrouble:
            raise
        except (InfluxError, QueryError) as exc:
            return str(exc)
        raise AssertionError(statement)

    def _result(self, number: int, found: list[Series] | str) -> Result:
        result: Result = {"statement_id": number}
        if isinstance(found, str):
            result["error"] = found
        elif found:
            result["series"] = [self._series(series) for series in found]
        return result

    def _series(self, series: Series) -> dict[str, Any]:
        shown: dict[str, Any] = {"name": series.name} if series.name else {}
        if series.tags:
            shown["tags"] = series.tags
        shown["columns"] = series.columns
        rows = series.rows
        if series.columns[0] == "time":
            rows = [
                [time, *row[1:]] for time, row in zip(self._times(series), rows, strict=True)
            ]
        if rows:
            shown["values"] = rows
        return shown

    def _times(self, series: Series) -> Iterator[int | str]:
        """Those of the rows, as they were asked for."""
        if self.epoch not in MS_IN:
            return (_written(row[0], series.zone) for row in series.rows)
        times, by = MS_IN[self.epoch]
        return (row[0] * times // by for row in series.rows)


def _written(ms: int, zone: tzinfo) -> str:
    whole = datetime.fromtimestamp(ms // 1000, zone).isoformat()
    part = f".{ms % 1000:03d}".rstrip("0") if ms % 1000 else ""
    return (whole[:19] + part + whole[19:]).replace("+00:00", "Z")


def encode(answer: dict[str, Any]) -> bytes:
    """A line of JSON."""
    return json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
