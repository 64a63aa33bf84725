"""tsdb: the chunk codec, ingest and queries, next to a real Prometheus.

The data is that of the TSBS "cpu-only" set: hosts with ten fields, each a clamped walk of whole
numbers.  Remote-write requests hold 2,000 samples, one of each series, as a scraper's would.
"""

from __future__ import annotations

import http.client
import statistics
import time
from urllib.parse import urlencode

import numpy as np

from bedrock.codec.compress import compress
from benchmarks.harness import Bench, Sample, Subject
from tests.tsdb.wire import write_request
from tsdb import chunk as codec_module

FIELDS = (
    *("usage_user", "usage_system", "usage_idle", "usage_nice", "usage_iowait"),
    *("usage_irq", "usage_softirq", "usage_steal", "usage_guest", "usage_guest_nice"),
)
TAGS = "region=eu-west-1,datacenter=eu-west-1c,rack={},os=Ubuntu16.10,arch=x86,team=NYC"
HOSTS = 1000
STEP_MS = 10_000


def run(bench: Bench) -> None:
    """All rows."""
    codec(bench)
    with bench.ours("tsdb") as ours:
        bench.compare("line protocol, values", LineLoad().load, ours)
    with (
        bench.ours("tsdb") as ours,
        bench.peer(
            "prometheus", "global: {}\n", "--web.enable-remote-write-receiver"
        ) as peer,
    ):
        writes = RemoteWriteLoad()
        bench.compare("remote-write, samples", writes.load, ours, peer)
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
    """Encode and decode 2,000 distinct series of 1,000 points, one core."""
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
        encoding, decoding = [], []
        for _ in range(bench.rounds):
            begun = time.perf_counter()
            chunks = [codec_module.encode(times, row) for row in values]
            encoded = time.perf_counter()
            for chunk in chunks:
                codec_module.decode(chunk)
            decoding.append(2 / (time.perf_counter() - encoded))
            encoding.append(2 / (encoded - begun))
        size = sum(map(len, chunks)) / values.size
        bench.figure(f"encode {name}", statistics.median(encoding), "Mpoint/s", at_least=goal)
        bench.figure(f"decode {name}", statistics.median(decoding), "Mpoint/s", at_least=goal)
        bench.figure(f"size {name}", size, "B/point")


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


class LineLoad:
    """Bodies of 10,000 lines, ten values a line; time goes on from round to round."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(2)
        self.now_ms = int(time.time() * 1000) - 4 * 3_600_000

    def bodies(self, count: int) -> list[bytes]:
        """count bodies of ten steps of all hosts."""
        made = []
        for _ in range(count):
            lines = []
            values = walk(self.rng, 10, HOSTS * 10).astype(int)
            for step in range(10):
                for host in range(HOSTS):
                    row = values[step, host * 10 : host * 10 + 10]
                    fields = ",".join(f"{f}={v}i" for f, v in zip(FIELDS, row, strict=True))
                    tags = TAGS.format(host % 100)
                    stamp = self.now_ms * 1_000_000
                    lines.append(f"cpu,hostname=host_{host},{tags} {fields} {stamp}")
                self.now_ms += STEP_MS
            made.append("\n".join(lines).encode())
        return made

    def load(self, side: Subject) -> Sample:
        bodies = self.bodies(20)
        connection = Connection(side)
        begun = time.perf_counter()
        for body in bodies:
            connection.post("/write", body, {})
        return Sample(len(bodies) * 100_000, time.perf_counter() - begun)


class RemoteWriteLoad:
    """Requests of 2,000 samples, each of another series."""

    HEADERS = {
        "Content-Encoding": "snappy",
        "Content-Type": "application/x-protobuf",
        "X-Prometheus-Remote-Write-Version": "0.1.0",
    }

    def __init__(self) -> None:
        self.begun_ms = int(time.time() * 1000) - 3_600_000
        self.now_ms: dict[str, int] = {}
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
        rng = np.random.default_rng(3)
        now_ms = self.now_ms.get(side.name, self.begun_ms)
        bodies = []
        for values in walk(rng, 60, len(self.series)):
            samples = {s: [(now_ms, v)] for s, v in zip(self.series, values, strict=True)}
            bodies.append(compress("snappy", write_request(samples)))
            now_ms += STEP_MS
        self.now_ms[side.name] = now_ms
        connection = Connection(side)
        begun = time.perf_counter()
        for body in bodies:
            connection.post("/api/v1/write", body, self.HEADERS)
        return Sample(60 * len(self.series), time.perf_counter() - begun)


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
        while time.perf_counter() - begun < 1:
            before = time.perf_counter()
            connection.post("/api/v1/query_range", self.body, headers)
            taken.append(time.perf_counter() - before)
        p99 = float(np.quantile(taken, 0.99)) * 1e3
        return Sample(len(taken), time.perf_counter() - begun, p99)
