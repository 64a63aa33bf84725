"""tsdb: the chunk codec and the store without a server; ingest and queries beside a Prometheus.

The data is that of the TSBS "cpu-only" set: hosts with ten fields, each a clamped walk of whole
numbers.  Remote-write requests hold 2,000 samples, one of each series, as a scraper's would.
Line protocol beside VictoriaMetrics and InfluxDB is `tsbs`.  Real series are those of
BEDROCK_JUDGES, beside pcodec where it can be imported.
"""

from __future__ import annotations

import http.client
import json
import math
import os
import statistics
import tempfile
import threading
import time
from pathlib import Path
from urllib.parse import urlencode

import numpy as np

from bedrock.codec.compress import compress
from bedrock.world import World
from bedrock.world.disk import OsDisk
from benchmarks.harness import Bench, Sample, Subject
from benchmarks.timeseries.devops import FIELDS, STEP_MS
from tests.tsdb.wire import write_request
from tsdb import chunk as chunks
from tsdb.labels import labels_of
from tsdb.store import Store

REQUESTS = 120  # of 2,000 samples each, a round


def run(bench: Bench) -> None:
    """All rows."""
    codec(bench)
    real_series(bench)
    embedded(bench)
    beside_jobs(bench)
    with (
        bench.ours("tsdb") as ours,
        bench.peer(
            "prometheus", "global: {}\n", "--web.enable-remote-write-receiver"
        ) as peer,
    ):
        writes = RemoteWriteLoad()
        bench.compare("remote-write, samples", writes.load, ours, peer, cpu=1 / 3)
        for side in filter(None, (ours, peer)):
            bench.figure(f"remote-write, read back, all equal, {side.name}",
                         writes.read_back(side), "values", at_least=writes.written)  # fmt: skip
        for title, query in (
            ("query: one series, 1 h", "cpu_usage_user{host='host_7'}"),
            ("query: sum(rate[5m]), 1 h", "sum(rate(cpu_usage_user[5m]))"),
            ("query: max by (host), 1 h", "max by (host) ({__name__=~'cpu_.+'})"),
        ):
            bench.compare(title, QueryLoad(query, writes.begun_ms).load, ours, peer)


def walk(rng: np.random.Generator, steps: int, series: int) -> np.ndarray:
    """series walks of whole numbers in 0..100, as columns."""
    return np.clip(rng.normal(size=(steps, series)).cumsum(axis=0) + 50, 0, 100).round()


# ---- the codec -------------------------------------------------------------------------------


def codec(bench: Bench) -> None:
    """Encode and decode 2,000 distinct series of 1,000 points, by the CPU's time."""
    rng = np.random.default_rng(1)
    steady = np.arange(1000, dtype=np.int64) * STEP_MS + 1_600_000_000_000
    jitter = steady + rng.integers(-5, 6, 1000)
    walks = np.ascontiguousarray(walk(rng, 1000, 2000).T)
    for name, times, values, goal in (
        ("integer walk", steady, walks, 100.0),
        ("integer walk, jitter", jitter, walks, None),
        ("full floats", steady, rng.normal(size=(2000, 1000)), None),
        ("two decimals", steady, rng.normal(20, 5, (2000, 1000)).round(2), None),
    ):
        for small in (False, True):
            encoding, decoding = [], []
            for _ in range(bench.rounds):
                begun = time.thread_time()
                made = [chunks.encode(times, row, small) for row in values]
                encoded = time.thread_time()
                for chunk in made:
                    chunks.decode(chunk)
                decoding.append(2 / (time.thread_time() - encoded))
                encoding.append(2 / (encoded - begun))
            what = f"{name}, {'small' if small else 'fast'}"
            least = None if small else goal
            bench.figure(f"encode {what}", statistics.median(encoding), "Mpoint/s", at_least=least)
            bench.figure(f"decode {what}", statistics.median(decoding), "Mpoint/s", at_least=least)
            bench.figure(f"size {what}", sum(map(len, made)) / values.size, "B/point")


def real_series(bench: Bench) -> None:
    """Values of real series in blocks of 1,000, and what pcodec makes of the same blocks."""
    directory = Path(os.environ.get("BEDROCK_JUDGES", ""), "timeseries")
    try:
        from pcodec import ChunkConfig, standalone
    except ImportError:
        standalone = None
    times = np.arange(1000, dtype=np.int64) * STEP_MS
    for path in sorted(directory.glob("*.csv")) if os.environ.get("BEDROCK_JUDGES") else ():
        text = [line for line in path.read_text().splitlines() if line[:1] in "-.0123456789"]
        values = np.array([float(line) for line in text if line])
        parts = np.split(values, range(1000, len(values), 1000))
        ours = sum(len(chunks.encode(times[: len(part)], part, True)) for part in parts)
        limit = None
        if standalone is not None:
            level = ChunkConfig(compression_level=8)
            theirs = sum(len(standalone.simple_compress(part, level)) for part in parts)
            bench.figure(f"size {path.stem}, pcodec", theirs / len(values), "B/value")
            limit = 1.15 * theirs / len(values)
        bench.figure(f"size {path.stem}", ours / len(values), "B/value", at_most=limit)


def embedded(bench: Bench) -> None:
    """Arrays into a store, its log on disk; then flushed."""
    times = np.arange(1000, dtype=np.int64) * STEP_MS + 1_600_000_000_000
    values = np.ascontiguousarray(walk(np.random.default_rng(4), 1000, 5000).T)
    labels = [labels_of({"__name__": "walk", "series": str(i)}) for i in range(len(values))]
    rates = []
    for _ in range(bench.rounds):
        with tempfile.TemporaryDirectory() as directory:
            store = Store(World(OsDisk(directory)))
            begun = time.perf_counter()
            for one, row in zip(labels, values, strict=True):
                store.add(one, times, row)
            store.world.turn.run()
            rates.append(values.size / 1e6 / (time.perf_counter() - begun))
            store.close()
    bench.figure("numpy ingest", statistics.median(rates), "Mpoint/s", at_least=10.0)


def beside_jobs(bench: Bench) -> None:
    """A small query, asked all the time, while 1.2 M samples are flushed, merged, downsampled."""
    series, samples = 50_000, 24
    stopped = threading.Event()
    taken: list[tuple[float, float]] = []
    begun_s = int(time.time()) - 40 * 3600

    def ask() -> None:
        connection = http.client.HTTPConnection(side.host, side.port)
        path = "/api/v1/query?" + urlencode({"query": 'm_v{i="5"}', "time": begun_s + 600})
        while not stopped.is_set():
            before = time.perf_counter()
            connection.request("GET", path)
            connection.getresponse().read()
            taken.append((before, time.perf_counter() - before))
            time.sleep(0.002)

    with bench.ours("tsdb", maintenance_s=1.0, tiers="5m:1h:0") as side:
        connection = Connection(side)
        asking = threading.Thread(target=ask)
        asking.start()
        for number in range(samples):
            for first in range(0, series, 10_000):
                body = "\n".join(
                    f"m,i={i} v={i % 100 + number}i {begun_s + number * 600}"
                    for i in range(first, first + 10_000)
                )
                connection.post("/write?precision=s", body.encode(), {})
        written = changed = time.perf_counter()
        blocks: list[str] = []
        while time.perf_counter() - changed < 4:
            time.sleep(0.1)
            found = sorted(os.listdir(Path(side.handle.data_dir, "blocks")))
            if found != blocks:
                blocks, changed = found, time.perf_counter()
        stopped.set()
        asking.join()
    for what, low, high in (
        ("jobs run", written, changed), ("no job runs", changed, math.inf)
    ):  # fmt: skip
        spent = [ms * 1e3 for at, ms in taken if low <= at < high]
        if spent:
            bench.figure(f"a query while {what}, p99", float(np.quantile(spent, 0.99)), "ms")


# ---- loads -----------------------------------------------------------------------------------


class Connection:
    """A kept-alive connection to a subject."""

    def __init__(self, side: Subject):
        self.http = http.client.HTTPConnection(side.host, side.port)

    def post(self, path: str, body: bytes, headers: dict[str, str]) -> bytes:
        """The answer's body; AssertionError unless 2xx."""
        self.http.request("POST", path, body, headers)
        response = self.http.getresponse()
        answer = response.read()
        assert 200 <= response.status < 300, answer
        return answer


class RemoteWriteLoad:
    """Requests of 2,000 samples, each of another series."""

    HEADERS = {
        "Content-Encoding": "snappy",
        "Content-Type": "application/x-protobuf",
        "X-Prometheus-Remote-Write-Version": "0.1.0",
    }

    def __init__(self) -> None:
        self.begun_ms = (int(time.time()) // 15 * 15 - 3 * 3600) * 1000
        self.now_ms: dict[str, int] = {}
        self.values: dict[str, list[np.ndarray]] = {}
        self.series = [
            (
                ("__name__", f"cpu_{field}"), ("arch", "x86"), ("datacenter", "eu-west-1c"),
                ("host", f"host_{host}"), ("os", "Ubuntu16.10"), ("rack", str(host % 100)),
                ("region", "eu-west-1"), ("team", "NYC"),
            )
            for host in range(200)
            for field in FIELDS
        ]  # fmt: skip

    def load(self, side: Subject) -> Sample:
        written = self.values.setdefault(side.name, [])
        rng = np.random.default_rng(len(written))
        now_ms = self.now_ms.get(side.name, self.begun_ms)
        bodies = []
        for values in walk(rng, REQUESTS, len(self.series)):
            written.append(values)
            samples = {s: [(now_ms, v)] for s, v in zip(self.series, values, strict=True)}
            bodies.append(compress("snappy", write_request(samples)))
            now_ms += STEP_MS
        self.now_ms[side.name] = now_ms
        connection = Connection(side)
        begun = time.perf_counter()
        for body in bodies:
            connection.post("/api/v1/write", body, self.HEADERS)
        return Sample(REQUESTS * len(self.series), time.perf_counter() - begun)


    @property
    def written(self) -> int:
        """Values that a side was given."""
        return max(len(values) for values in self.values.values()) * len(self.series)

    def read_back(self, side: Subject) -> int:
        """How many values a server gave back, each with its time, all equal."""
        written = np.array(self.values[side.name])
        times = self.begun_ms + np.arange(len(written)) * STEP_MS
        form = {"query": '{__name__=~"cpu_.+"}[1d]', "time": self.now_ms[side.name] / 1000}
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        body = Connection(side).post("/api/v1/query", urlencode(form).encode(), headers)
        numbers = {dict(labels)["__name__"] + dict(labels)["host"]: i
                   for i, labels in enumerate(self.series)}  # fmt: skip
        found = 0
        for series in json.loads(body)["data"]["result"]:
            number = numbers[series["metric"]["__name__"] + series["metric"]["host"]]
            there = np.array(series["values"], float)
            assert np.array_equal(np.round(there[:, 0] * 1000), times), (side.name, number)
            assert np.array_equal(there[:, 1], written[:, number]), (side.name, number)
            found += len(there)
        return found


class QueryLoad:
    """One range query, over and over."""

    def __init__(self, query: str, begun_ms: int):
        self.body = urlencode(
            {"query": query, "start": begun_ms / 1000, "end": begun_ms / 1000 + 3600, "step": 15}
        ).encode()

    def load(self, side: Subject) -> Sample:
        connection = Connection(side)
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        taken: list[float] = []
        begun = time.perf_counter()
        while time.perf_counter() - begun < 0.5:
            before = time.perf_counter()
            connection.post("/api/v1/query_range", self.body, headers)
            taken.append(time.perf_counter() - before)
        p99 = float(np.quantile(taken, 0.99)) * 1e3
        return Sample(len(taken), time.perf_counter() - begun, p99)
