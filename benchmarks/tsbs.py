"""The Time Series Benchmark Suite's "devops, cpu-only" case: ours, VictoriaMetrics and InfluxDB.

Every host reports ten fields of the measurement `cpu` each ten seconds, with ten tags.  A field is
a walk with normal steps, held within 0..100 at every step and written as an integer.  With jitter,
a host's timestamps are off by up to `jitter_ms` either way, as those of real collectors are.

Left out: the suite's other cases, and its Go programs, which would need a toolchain of their own.
"""

from __future__ import annotations

import http.client
import json
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

import numpy as np

from bedrock.world import World
from bedrock.world.disk import OsDisk
from benchmarks.harness import Bench, Sample, Subject
from tsdb.store import Store

FIELDS = (
    *("usage_user", "usage_system", "usage_idle", "usage_nice", "usage_iowait"),
    *("usage_irq", "usage_softirq", "usage_steal", "usage_guest", "usage_guest_nice"),
)
REGIONS = {
    "us-east-1": "abce", "us-west-1": "ab", "us-west-2": "abc", "eu-west-1": "abc",
    "eu-central-1": "ab", "ap-southeast-1": "ab", "ap-southeast-2": "ab",
    "ap-northeast-1": "ac", "sa-east-1": "abc",
}  # fmt: skip
START_MS = 1_704_067_200_000  # 2024-01-01
STEP_MS = 10_000
CONNECTIONS = 4
STEPS_A_ROUND = 200  # 2 M points
SETTLE_S = 2  # after a load, so that the CPU of what a server does later is counted
WRITE_PATH = {"influxdb": "/write?db=db"}


@dataclass
class CpuOnly:
    """A stream of line protocol; two made alike give the same bytes.

    totals: sum of every field over all that was generated so far
    """

    hosts: int = 1000
    seed: int = 1
    jitter_ms: int = 0
    start_ms: int = START_MS
    points: int = 0
    totals: np.ndarray = field(default_factory=lambda: np.zeros(len(FIELDS), np.int64))

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)
        self.walks = self.rng.uniform(0, 100, (self.hosts, len(FIELDS)))
        self.now_ms = self.start_ms
        self.prefixes = [f"cpu,{self._tags(host)} " for host in range(self.hosts)]

    def _tags(self, host: int) -> str:
        pick = self.rng.choice
        region = str(pick(list(REGIONS)))
        tags = {
            "hostname": f"host_{host}",
            "region": region,
            "datacenter": region + str(pick(list(REGIONS[region]))),
            "rack": self.rng.integers(100),
            "os": pick(["Ubuntu15.10", "Ubuntu16.10", "Ubuntu16.04LTS"]),
            "arch": pick(["x64", "x86"]),
            "team": pick(["SF", "NYC", "LON", "CHI"]),
            "service": self.rng.integers(20),
            "service_version": self.rng.integers(2),
            "service_environment": pick(["production", "staging", "test"]),
        }
        return ",".join(f"{name}={value}" for name, value in tags.items())

    def step(self) -> tuple[np.ndarray, np.ndarray]:
        """Timestamps by host and values by host and field of one step."""
        self.walks = np.clip(self.walks + self.rng.normal(size=self.walks.shape), 0, 100)
        values = self.walks.astype(np.int64)
        times = np.full(self.hosts, self.now_ms, np.int64)
        if self.jitter_ms:
            times += self.rng.integers(-self.jitter_ms, self.jitter_ms + 1, self.hosts)
        self.now_ms += STEP_MS
        self.points += values.size
        self.totals += values.sum(axis=0)
        return times, values

    def bodies(self, steps: int, lines_each: int = 10_000) -> Iterator[bytes]:
        """Bodies for /write of the next steps, with timestamps in nanoseconds."""
        form = ",".join(f"{name}=%di" for name in FIELDS) + " %d000000"
        lines: list[str] = []
        for _ in range(steps):
            times, values = self.step()
            rows = np.column_stack([values, times]).tolist()
            for prefix, row in zip(self.prefixes, rows, strict=True):
                lines.append(prefix + form % tuple(row))
                if len(lines) == lines_each:
                    yield "\n".join(lines).encode()
                    lines = []
        if lines:
            yield "\n".join(lines).encode()


# ---- ingest --------------------------------------------------------------------------------


class Ingest:
    """Bodies of 10,000 lines over four connections; each side gets the same stream."""

    def __init__(self, jitter_ms: int = 0):
        self.jitter_ms = jitter_ms
        self.streams: dict[str, CpuOnly] = {}

    def load(self, side: Subject) -> Sample:
        """One round."""
        stream = self.streams.setdefault(side.name, CpuOnly(jitter_ms=self.jitter_ms))
        bodies = list(stream.bodies(STEPS_A_ROUND))
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
            threading.Thread(target=send, args=(bodies[i::CONNECTIONS],))
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
        return Sample(STEPS_A_ROUND * stream.hosts * len(FIELDS), taken)


# ---- queries -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Query:
    """One of the suite's queries: as range queries of PromQL, and as InfluxQL."""

    title: str
    promql: tuple[str, ...]
    influxql: str
    span_s: int = 3600  # of PromQL, up to the end of the data
    step_s: int = 60


def _each_field(form: str, count: int = 10) -> tuple[str, ...]:
    return tuple(form.replace("FIELD", f"cpu_{name}") for name in FIELDS[:count])


def _influx(what: str, count: int, where: str, groups: str) -> str:
    chosen = ", ".join(f"{what}({name})" for name in FIELDS[:count])
    return f"SELECT {chosen} FROM cpu WHERE time > START AND time <= END{where} GROUP BY {groups}"


ONE = """hostname="host_7\""""
EIGHT = 'hostname=~"' + "|".join(f"host_{i}" for i in range(8)) + '"'
EIGHT_INFLUX = " AND (" + " OR ".join(f"hostname='host_{i}'" for i in range(8)) + ")"
MAX_1M = "max by (hostname) (max_over_time(FIELD{%s}[1m]))"
AVG_1H = "avg by (hostname) (avg_over_time(FIELD[1h]))"

QUERIES = (
    Query("single-groupby-1-1-1", _each_field(MAX_1M % ONE, 1),
          _influx("max", 1, " AND hostname='host_7'", "time(1m), hostname")),
    Query("single-groupby-1-8-1", _each_field(MAX_1M % EIGHT, 1),
          _influx("max", 1, EIGHT_INFLUX, "time(1m), hostname")),
    Query("single-groupby-5-8-1", _each_field(MAX_1M % EIGHT, 5),
          _influx("max", 5, EIGHT_INFLUX, "time(1m), hostname")),
    Query("double-groupby-1", _each_field(AVG_1H, 1), _influx("mean", 1, "", "time(1h), hostname"),
          2 * 3600, 3600),
    Query("double-groupby-all", _each_field(AVG_1H), _influx("mean", 10, "", "time(1h), hostname"),
          2 * 3600, 3600),
    Query("max-1h, all hosts", ("max(max_over_time(cpu_usage_user[1m]))",),
          _influx("max", 1, "", "time(1m)")),
    Query("lastpoint", ('{__name__=~"cpu_.+"}',),
          _influx("last", 10, "", "hostname"), 0),
    Query("last 5 minutes of one series", _each_field(f"FIELD{{{ONE}}}", 1),
          "SELECT usage_user FROM cpu WHERE time > END - 5m AND time <= END"
          " AND hostname='host_7'", 300, 10),
    Query("sum(rate[5m]), 1 h", ("sum(rate(cpu_usage_user[5m]))",), "", 3600, 15),
)  # fmt: skip


class QueryLoad:
    """One query, over and over for a second."""

    def __init__(self, query: Query, end_ms: int):
        self.query, self.end_ms = query, end_ms

    def requests(self, side: Subject) -> list[tuple[str, str]]:
        """(path, form) of what makes one query."""
        end_s = self.end_ms / 1000
        if side.name == "influxdb":
            text = self.query.influxql.replace("END", f"{self.end_ms}ms")
            text = text.replace("START", f"{self.end_ms - (self.query.span_s or 3600) * 1000}ms")
            return [("/query", urlencode({"db": "db", "q": text, "epoch": "ms"}))]
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
        """Ask for a second; the rate is of whole queries."""
        connection = http.client.HTTPConnection(side.host, side.port)
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        requests = self.requests(side)
        taken: list[float] = []
        begun = time.perf_counter()
        while time.perf_counter() - begun < 1:
            before = time.perf_counter()
            for path, form in requests:
                connection.request("POST", path, form, headers)
                response = connection.getresponse()
                answer = response.read()
                assert response.status == 200, answer[:300]
                assert b'"result":[]' not in answer[:200], (side.name, form)
            taken.append(time.perf_counter() - before)
        p99 = float(np.quantile(taken, 0.99)) * 1e3
        return Sample(len(taken), time.perf_counter() - begun, p99)


def total(side: Subject, stream: CpuOnly) -> tuple[int, int]:
    """(samples, sum of all values) as a server that speaks PromQL has them."""
    found = []
    for call in ("count_over_time", "sum_over_time"):
        here = 0.0
        for name in FIELDS:
            text = f"sum({call}(cpu_{name}[10h]))"
            form = urlencode({"query": text, "time": stream.now_ms / 1000, "nocache": 1})
            connection = http.client.HTTPConnection(side.host, side.port)
            connection.request("GET", f"/api/v1/query?{form}")
            answer = json.loads(connection.getresponse().read())
            here += float(answer["data"]["result"][0]["value"][1])
        found.append(round(here))
    return found[0], found[1]


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
    """Ingest, read back, query and weigh."""
    with (
        # Beside the peers' data, not in memory as a test's; flushing early, as they do.
        tempfile.TemporaryDirectory(prefix="tsbs-") as directory,
        bench.ours("tsdb", data_dir=directory, maintenance_s=5) as ours,
        bench.peer("victoria-metrics") as victoria,
        bench.peer("influxdb", compact_full_write_cold_duration="1s",
                   cache_snapshot_write_cold_duration="1s") as influx,
    ):  # fmt: skip
        peers = [peer for peer in (victoria, influx) if peer is not None]
        ingest = Ingest()
        for peer in peers or [None]:
            name = peer.name if peer else "alone"
            bench.compare(f"ingest, values; {name}", ingest.load, ours, peer)
        for side in [ours, *peers]:
            stream = ingest.streams.get(side.name)
            if stream is not None and side.name != "influxdb":
                expected = stream.points, int(stream.totals.sum())
                assert total(side, stream) == expected, f"{side.name} lost something"
        for query in QUERIES:
            for peer in peers or [None]:
                sides = [side for side in (ours, peer) if side is not None]
                if peer is influx and influx is not None and not query.influxql:
                    continue
                end = min(ingest.streams[side.name].now_ms for side in sides) - STEP_MS
                name = peer.name if peer else "alone"
                bench.compare(f"{query.title}; {name}", QueryLoad(query, end).load, ours, peer)
        for side in [ours, *peers]:
            bytes_each = size_of(side, ingest.streams[side.name].points)
            bench.figure(f"size, {side.name}", bytes_each, "B/point",
                         at_most=0.60 if side is ours else None)  # fmt: skip
