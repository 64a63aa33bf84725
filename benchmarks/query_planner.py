"""How long planning takes: text to plan for everyday statements, and join order alone."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.harness import Bench
from query_planner import parse, plan
from query_planner.binder import Binder
from query_planner.catalog import TableStats
from query_planner.csvdir import CsvCatalog
from query_planner.joins.enumerate import order

SCHEMA = """
CREATE TABLE t (id int PRIMARY KEY, a int, b text, c numeric, d date);
CREATE TABLE u (id int PRIMARY KEY, tid int, x float8, y timestamp);
"""
STATEMENTS = {
    "point": "SELECT a FROM t WHERE id = $1",
    "update": "UPDATE t SET a = a + $1 WHERE id = $2",
    "filter": "SELECT a, b FROM t WHERE a > 10 AND b LIKE 'abc%' AND (c < 5 OR d IS NULL) "
              "ORDER BY a DESC, b LIMIT 20",
    "expression": "SELECT a + 1, -b1.a * 3, CASE WHEN a > 3 THEN 1 ELSE 2 END, COALESCE(a, 3) "
                  "FROM t AS b1 WHERE NOT a IN (1, 2)",
    "join": "SELECT t.a, sum(u.x) FROM t JOIN u ON t.id = u.tid WHERE t.a > 10 GROUP BY t.a "
            "ORDER BY 2 DESC LIMIT 10",
}  # fmt: skip
SHAPES: dict[str, tuple[int, Callable[[int], list]]] = {
    "chain 20": (20, lambda n: [(3 << i, 0.01, True) for i in range(n - 1)]),
    "chain 64": (64, lambda n: [(3 << i, 0.01, True) for i in range(n - 1)]),
    "cycle 20": (20, lambda n: [*[(3 << i, 0.01, True) for i in range(n - 1)],
                                (1 | 1 << n - 1, 0.01, True)]),
    "star 12": (12, lambda n: [(1 | 1 << i, 0.01, True) for i in range(1, n)]),
    "star 15": (15, lambda n: [(1 | 1 << i, 0.01, True) for i in range(1, n)]),
    "star 50": (50, lambda n: [(1 | 1 << i, 0.01, True) for i in range(1, n)]),
    "clique 10": (10, lambda n: [(1 << i | 1 << j, 0.5, True) for i in range(n) for j in range(i)]),
    "clique 12": (12, lambda n: [(1 << i | 1 << j, 0.5, True) for i in range(n) for j in range(i)]),
}  # fmt: skip


def _catalog() -> CsvCatalog:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "schema.sql").write_text(SCHEMA, encoding="utf-8")
        catalog = CsvCatalog(Path(folder))
    for table in catalog.tables.values():
        catalog.sizes[table.oid] = TableStats(1_000, 10)
    return catalog


def _time(work: Callable[[], Any], count: int, rounds: int) -> float:
    """Median over rounds of the microseconds of one call."""
    samples = []
    for _ in range(rounds):
        start = time.perf_counter()
        for _ in range(count):
            work()
        samples.append((time.perf_counter() - start) / count * 1e6)
    return statistics.median(samples)


def run(bench: Bench) -> None:
    """Every statement parsed, bound and planned; every shape of join put in order."""
    catalog = _catalog()
    for name, sql in STATEMENTS.items():
        steps: dict[str, Callable[[], Any]] = {
            "parse": lambda sql=sql: parse(sql),
            "parse, bind": lambda sql=sql: Binder(catalog).statement(parse(sql)[0]),
            "parse, bind, plan": lambda sql=sql: plan(sql, catalog),
        }
        for step, work in steps.items():
            took = _time(work, 200, bench.rounds)
            bench.figure(f"{name}, {len(sql)} chars: {step}", took, "us")
    for name, (n, shape) in SHAPES.items():
        edges, rows, costs = shape(n), [1000.0] * n, [10.0] * n
        _, pairs, exact = order(rows, costs, edges)
        took = _time(lambda e=edges, r=rows, c=costs: order(r, c, e), 1, bench.rounds) / 1e3
        how = "exact" if exact else "greedy"
        bench.figure(f"join order of a {name}: {pairs} pairs, {how}", took, "ms")
