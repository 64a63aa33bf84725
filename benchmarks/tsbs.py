"""The Time Series Benchmark Suite's "devops, cpu-only" case: ours, VictoriaMetrics and InfluxDB.

Ten million values over HTTP, in three rounds; every one of them read back and compared; the suite's
queries, and the bytes on disk.  Then the same with timestamps that jitter.

The queries are asked in each server's own language, ours in both: in PromQL beside VictoriaMetrics
and InfluxDB, with a request for each field, or with one for all where there are several; and in the
very InfluxQL that InfluxDB is asked, whose answers have to be the same.
"""

from __future__ import annotations

import http.client
import json
import tempfile
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np

from bedrock.world import World
from bedrock.world.disk import OsDisk
from benchmarks.harness import Bench, Sample, Subject
from benchmarks.timeseries.devops import FIELDS, STEP_MS, CpuOnly
from benchmarks.timeseries.readback import read_back
from tsdb.store import Store

POINTS = 10_000_000
CONNECTIONS = 4
SETTLE_S = 2  # after a load, so that the CPU of what a server does later is counted
QUERY_S = 0.5
ALL_S = 10_000  # "12 hours": all there is
WRITE_PATH = {"influxdb": "/write?db=db"}
DATABASE = {"influxdb": "db", "tsdb": "prometheus"}


# ---- ingest --------------------------------------------------------------------------------


class Ingest:
    """Bodies of 10,000 lines over four connections; each side gets the same stream.

    done: rounds that a side has taken
    """

    def __init__(self, rounds: int, jitter_ms: int = 0):
        self.stream = CpuOnly(jitter_ms=jitter_ms)
        self.steps = -(-POINTS // (rounds * self.stream.hosts * len(FIELDS)))
        self.done: dict[str, int] = {}
        self.made = 0
        self.bodies: list[bytes] = []  # of the round that was made last

    def load(self, side: Subject) -> Sample:
        """One round."""
        self.done[side.name] = self.done.get(side.name, 0) + 1
        if self.done[side.name] > self.made:
            self.bodies = list(self.stream.bodies(self.steps))
            self.made += 1
        assert self.done[side.name] == self.made, "sides take rounds in turns"
        path = WRITE_PATH.get(side.name, "/write")
        refused: list[bytes] = []

        def send(share: list[bytes]) -> None:
            connection = http.client.HTTPConnection(side.host, side.port)
            for body in share:
                connection.request("POST", path, body)
                response = connection.getresponse()
                answer = response.read()
                if response.status >= 300:
                    refused.append(answer)

        threads = [
            threading.Thread(target=send, args=(self.bodies[i::CONNECTIONS],))
            for i in range(CONNECTIONS)
        ]
        begun = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        taken = time.perf_counter() - begun
        assert not refused, refused[0]
        time.sleep(SETTLE_S)
        return Sample(self.steps * self.stream.hosts * len(FIELDS), taken)


# ---- queries -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Query:
    """One of the suite's queries: as range queries of PromQL, and as InfluxQL."""

    title: str
    promql: tuple[str, ...]
    influxql: str
    goal: float | None  # of our rate, as a part of VictoriaMetrics'
    span_s: int = 3600  # of PromQL, up to the end of the data
    step_s: int = 60


def _each_field(form: str, count: int = 10) -> tuple[str, ...]:
    return tuple(form.replace("FIELD", f"cpu_{name}") for name in FIELDS[:count])


def _influx(what: str, count: int, where: str, groups: str) -> str:
    chosen = ", ".join(f"{what}({name})" for name in FIELDS[:count])
    return f"SELECT {chosen} FROM cpu WHERE time > START AND time <= END{where} GROUP BY {groups}"


ONE = """hostname="host_7\""""
EIGHT = 'hostname=~"' + "|".join(f"host_{i}" for i in range(8)) + '"'
WHERE_ONE = " AND hostname='host_7'"
WHERE_EIGHT = " AND (" + " OR ".join(f"hostname='host_{i}'" for i in range(8)) + ")"
MAX_1M = "max by (hostname) (max_over_time(FIELD{%s}[1m]))"
AVG_1H = "avg by (hostname) (avg_over_time(FIELD[1h]))"

QUERIES = (
    Query("single-groupby-1-1-1", _each_field(MAX_1M % ONE, 1),
          _influx("max", 1, WHERE_ONE, "time(1m), hostname"), 0.67),
    Query("single-groupby-1-1-12", _each_field(MAX_1M % ONE, 1),
          _influx("max", 1, WHERE_ONE, "time(1m), hostname"), 0.67, ALL_S),
    Query("single-groupby-1-8-1", _each_field(MAX_1M % EIGHT, 1),
          _influx("max", 1, WHERE_EIGHT, "time(1m), hostname"), 0.67),
    Query("single-groupby-5-1-1", _each_field(MAX_1M % ONE, 5),
          _influx("max", 5, WHERE_ONE, "time(1m), hostname"), 0.67),
    Query("single-groupby-5-1-12", _each_field(MAX_1M % ONE, 5),
          _influx("max", 5, WHERE_ONE, "time(1m), hostname"), 0.67, ALL_S),
    Query("single-groupby-5-8-1", _each_field(MAX_1M % EIGHT, 5),
          _influx("max", 5, WHERE_EIGHT, "time(1m), hostname"), 0.67),
    Query("last 5 minutes of one series", _each_field(f"FIELD{{{ONE}}}", 1),
          "SELECT usage_user FROM cpu WHERE time > END - 5m AND time <= END" + WHERE_ONE,
          0.67, 300, 10),
    Query("double-groupby-1", _each_field(AVG_1H, 1), _influx("mean", 1, "", "time(1h), hostname"),
          1.0, 2 * 3600, 3600),
    Query("double-groupby-all", _each_field(AVG_1H), _influx("mean", 10, "", "time(1h), hostname"),
          0.67, 2 * 3600, 3600),
    Query("max-1h, all hosts", ("max(max_over_time(cpu_usage_user[1m]))",),
          _influx("max", 1, "", "time(1m)"), 1.0),
    Query("lastpoint", ('{__name__=~"cpu_.+"}',),
          _influx("last", 10, "", "hostname"), 1.0, 0),
    Query("sum(rate[5m]), 1 h", ("sum(rate(cpu_usage_user[5m]))",), "", None, 3600, 15),
)  # fmt: skip


def at_once(query: Query) -> Query:
    """The same with one request for all fields: a label tells which is which."""
    told = (f'label_replace({text}, "field", "{name}", "", "")'
            for text, name in zip(query.promql, FIELDS, strict=False))  # fmt: skip
    return replace(query, title=f"{query.title}, one request", promql=(" or ".join(told),))


class QueryLoad:
    """One query, over and over for half a second; influxql: so are ours asked as well."""

    def __init__(self, query: Query, end_ms: int, influxql: bool = False):
        self.query, self.end_ms, self.influxql = query, end_ms, influxql

    def requests(self, side: Subject) -> list[tuple[str, str]]:
        """(path, form) of what makes one query."""
        end_s = self.end_ms / 1000
        if self.influxql or side.name == "influxdb":
            text = self.query.influxql.replace("END", f"{self.end_ms}ms")
            text = text.replace("START", f"{self.end_ms - (self.query.span_s or 3600) * 1000}ms")
            return [("/query", urlencode({"db": DATABASE[side.name], "q": text, "epoch": "ms"}))]
        made = []
        for text in self.query.promql:
            fields = {"query": text, "nocache": 1}
            if self.query.span_s:
                fields |= {
                    "start": end_s - self.query.span_s, "end": end_s, "step": self.query.step_s
                }  # fmt: skip
                made.append(("/api/v1/query_range", urlencode(fields)))
            else:
                made.append(("/api/v1/query", urlencode(fields | {"time": end_s})))
        return made

    def load(self, side: Subject) -> Sample:
        """Ask for a while; the rate is of whole queries."""
        connection = http.client.HTTPConnection(side.host, side.port)
        requests = self.requests(side)
        taken: list[float] = []
        begun = time.perf_counter()
        while time.perf_counter() - begun < QUERY_S:
            before = time.perf_counter()
            for path, form in requests:
                answer = _asked(connection, path, form)
                assert b'"result":[]' not in answer[:200], (side.name, form)
            taken.append(time.perf_counter() - before)
        p99 = float(np.quantile(taken, 0.99)) * 1e3
        return Sample(len(taken), time.perf_counter() - begun, p99)


    def agree(self, a: Subject, b: Subject) -> None:
        """AssertionError unless both give the same answer, to InfluxQL."""
        answers = []
        for side in (a, b):
            connection = http.client.HTTPConnection(side.host, side.port)
            ((path, form),) = self.requests(side)
            answers.append(_rounded(json.loads(_asked(connection, path, form))))
        assert answers[0] == answers[1], self.query.title
        assert answers[0]["results"][0]["series"], self.query.title


def _asked(connection: http.client.HTTPConnection, path: str, form: str) -> bytes:
    connection.request("POST", path, form, {"Content-Type": "application/x-www-form-urlencoded"})
    response = connection.getresponse()
    answer = response.read()
    assert response.status == 200, answer[:300]
    return answer


def _rounded(answer: Any) -> Any:
    """With floats that agree to twelve digits made equal."""
    match answer:
        case float():
            return float(f"{answer:.12g}")
        case dict():
            return {name: _rounded(value) for name, value in answer.items()}
        case list():
            return [_rounded(value) for value in answer]
    return answer


# ---- size ----------------------------------------------------------------------------------


def _bytes_below(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


def size_of(side: Subject, points: int) -> float:
    """Bytes for each point on disk, index included, after all merging; it ends the server."""
    if side.name == "tsdb":
        side.handle.kill()
        directory = Path(side.handle.data_dir)
        store = Store(World(OsDisk(str(directory))))
        store.flush(2**62)
        store.merge(store.blocks)
        store.close()
        return _bytes_below(directory / "blocks") / points
    directory = side.handle.directory / "data"
    if side.name == "victoria-metrics":
        for path in ("/internal/force_flush", "/internal/force_merge"):
            connection = http.client.HTTPConnection(side.host, side.port)
            connection.request("GET", path)
            connection.getresponse().read()
            time.sleep(5)
        return _bytes_below(directory) / points
    time.sleep(10)  # InfluxDB compacts what is cold by itself
    return sum(path.stat().st_size for path in directory.rglob("*.tsm")) / points


def run(bench: Bench) -> None:
    """Ingest, read back, query and weigh; then with jitter."""
    with_peers(bench, "", 0)
    with_peers(bench, " with jitter", 5)


def with_peers(bench: Bench, what: str, jitter_ms: int) -> None:
    """One data set.  With jitter, without InfluxDB and the queries."""
    with ExitStack() as stack:
        enter = stack.enter_context
        # Beside the peers' data, not in memory as a test's.
        directory = enter(tempfile.TemporaryDirectory(prefix="tsbs-"))
        ours = enter(bench.ours("tsdb", data_dir=directory, maintenance_s=5))
        peers = [enter(bench.peer("victoria-metrics"))]
        if not jitter_ms:
            peers.append(
                enter(bench.peer("influxdb", compact_full_write_cold_duration="1s",
                                 cache_snapshot_write_cold_duration="1s"))
            )  # fmt: skip
        sides = [ours, *filter(None, peers)]
        ingest = Ingest(bench.rounds, jitter_ms)
        bench.compare_all(
            f"ingest, values{what}", ingest.load, *sides,
            goals={"victoria-metrics": {"cpu": 1.0}, "influxdb": {"rps": 1.0}},
        )  # fmt: skip
        for side in sides:
            bench.figure(f"read back, all equal, {side.name}{what}",
                         read_back(side, ingest.stream), "values", at_least=POINTS)  # fmt: skip
        for query in () if jitter_ms else QUERIES:
            ask(bench, query, ingest.stream.now_ms - STEP_MS, sides)
        for side in sides:
            goal = 0.60 if side is ours and not jitter_ms else None
            bytes_each = size_of(side, ingest.stream.points)
            bench.figure(f"size, {side.name}{what}", bytes_each, "B/point", at_most=goal)


def ask(bench: Bench, query: Query, end_ms: int, sides: list[Subject]) -> None:
    """A query in each server's language; at once, if it has several parts; in InfluxQL."""
    goals = {"influxdb": {"rps": 1.0}}
    if query.goal:
        goals["victoria-metrics"] = {"rps": query.goal}
    asked = [side for side in sides if query.influxql or side.name != "influxdb"]
    for one in (query, at_once(query)) if len(query.promql) > 1 else (query,):
        rows = bench.compare_all(one.title, QueryLoad(one, end_ms).load, *asked, goals=goals)
        if rows:
            bench.figure(f"latency, {one.title}", 1000 / rows[0].ours["rate"], "ms",
                         at_most=100)  # fmt: skip
    influxdb = [side for side in sides if side.name == "influxdb"]
    if query.influxql and influxdb and bench.only in (title := f"{query.title}, InfluxQL"):
        load = QueryLoad(query, end_ms, influxql=True)
        load.agree(sides[0], influxdb[0])
        bench.compare_all(title, load.load, sides[0], *influxdb, goals=goals)
