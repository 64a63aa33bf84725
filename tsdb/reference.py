"""The reference page of what tsdb answers: routes and functions, made from their tables.

    python -m tsdb.reference          writes docs/reference/tsdb.md

A test holds the page to the tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from bedrock.net.http import Route
from tsdb.influxql import functions as influxql
from tsdb.influxql.show import EMPTY, TABLE
from tsdb.promql.functions import AGGREGATIONS, DOCS, FUNCTIONS, signature

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "tsdb.md"
HEAD = """# What tsdb answers

Made by `python -m tsdb.reference` from the tables of routes and functions, which also drive
dispatch, checks of arguments and completion. Every route is on both ports; where there is a
password, all but `/ping`, `/health`, `/-/healthy` and `/-/ready` ask for it.

## Routes

| path | by | |
|---|---|---|
"""
PROMQL = """
## Functions of PromQL

All those of Prometheus 2.42 but for native histograms.

| function | takes and gives | |
|---|---|---|
"""
INFLUXQL = """
## InfluxQL

`SELECT ... [INTO ...] FROM measurement, /regex/ or (SELECT ...) [WHERE] [GROUP BY tags, time()]
[fill()] [ORDER BY time] [LIMIT] [OFFSET] [SLIMIT] [SOFFSET] [tz()]`, `DELETE`, `CREATE DATABASE`,
`DROP DATABASE`, `DROP MEASUREMENT`, `DROP SERIES`, and

| | |
|---|---|
"""


def page(routes: Iterable[Route]) -> str:
    """The whole page, with these routes."""
    kinds = {
        "SHOW": (name.upper() for name in [*TABLE, *EMPTY]),
        "one value of many": [*influxql.AGGREGATES, "integral"],
        "one point of many": influxql.SELECTORS,
        "several of many": influxql.SEVERAL,
        "point after point": influxql.TRANSFORMS,
        "value by value": influxql.MATH,
    }
    lists = [f"| {kind} | {', '.join(sorted(names))} |\n" for kind, names in kinds.items()]
    return "".join([HEAD, *_routes(routes), PROMQL, *_functions(), INFLUXQL, *lists])


def _routes(routes: Iterable[Route]) -> Iterator[str]:
    found: dict[str, list[Route]] = {}
    for route in routes:
        found.setdefault(route.pattern, []).append(route)
    for pattern, same in sorted(found.items()):
        methods = ", ".join(route.method for route in same)
        what = (same[0].handler.__doc__ or "").partition("\n")[0]
        yield f"| `{pattern}` | {methods} | {what} |\n"


def _functions() -> Iterator[str]:
    for name in sorted(FUNCTIONS.keys() | AGGREGATIONS.keys()):
        yield f"| `{name}` | {signature(name).replace('|', ' or ')} | {DOCS[name]} |\n"


if __name__ == "__main__":
    import bedrock

    with bedrock.run("tsdb") as running:
        PAGE.write_text(page(running.server.routes))
