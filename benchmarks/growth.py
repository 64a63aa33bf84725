"""tsdb as the number of series grows tenfold: memory, new series, samples, queries, flushing.

Each size has a process of its own, so that its memory is its own.  Every series gets its first
sample as a line and 99 more as arrays, the log on disk.  Times are of the CPU, as the machine may
be shared.  The curve goes to docs/images, by `python -m benchmarks.timeseries.page`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time

import numpy as np

from bedrock.world import World
from bedrock.world.disk import OsDisk
from benchmarks.harness import Bench, rss_bytes
from tsdb.labels import labels_of
from tsdb.matchers import Matcher
from tsdb.promql.engine import range_query
from tsdb.store import Store

SIZES = (1_000, 10_000, 100_000, 1_000_000)
SAMPLES = 100
STEP_MS = 10_000
FLUSHED_MAX = 100_000  # series: a million take a minute to flush
BODY_LINES = 10_000
# what is measured -> unit, and what a million series may cost
FIGURES = {
    "new series": ("us", None),
    "sample": ("ns", None),
    "memory": ("bytes/series", None),
    "values of a label, one a series": ("ms", 50.0),
    "values of a label, selected": ("ms", 50.0),
    "select one": ("ms", None),
    "sum(rate)": ("ms", None),
    "flush a sample": ("ns", None),
    "on disk": ("B/sample", None),
}


def run(bench: Bench) -> None:
    """All sizes."""
    for series in SIZES:
        command = [sys.executable, "-m", "benchmarks.growth", str(series)]
        found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
        for name, value in found.items():
            unit, limit = FIGURES[name]
            bench.figure(f"{series:,} series: {name}", value, unit,
                         at_most=limit if series == SIZES[-1] else None)  # fmt: skip
        if series == SIZES[-1]:
            bench.figure("a million series: RSS", found["memory"] * series / 2**30, "GiB",
                         at_most=4.0)  # fmt: skip


def measure(series: int) -> dict[str, float]:
    """One size."""
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="growth-") as directory:
        before = rss_bytes(os.getpid())
        store = Store(World(OsDisk(directory)))
        start_ms = store.world.clock.wall_ms() // STEP_MS * STEP_MS - SAMPLES * STEP_MS
        taken = 0.0
        for first in range(0, series, BODY_LINES):
            body = "\n".join(
                f"requests,instance=host-{i},job=job-{i % 100},zone=zone-{i % 7} total={i % 1000}i"
                f" {start_ms}"
                for i in range(first, min(first + BODY_LINES, series))
            ).encode()
            begun = time.process_time()
            store.write_lines(body, 1_000_000)
            store.world.turn.run()
            taken += time.process_time() - begun
        found["new series"] = taken * 1e6 / series
        times = start_ms + np.arange(1, SAMPLES, dtype=np.int64) * STEP_MS
        steps = np.random.default_rng(1).integers(0, 10, (1000, SAMPLES - 1)).cumsum(axis=1)
        values = np.ascontiguousarray(steps + 1000, np.float64)
        begun = time.process_time()
        for i in range(series):
            labels = labels_of(
                {
                    "__name__": "requests_total", "instance": f"host-{i}",
                    "job": f"job-{i % 100}", "zone": f"zone-{i % 7}",
                }
            )  # fmt: skip
            store.add(labels, times, values[i % 1000])
        store.world.turn.run()
        found["sample"] = (time.process_time() - begun) * 1e9 / (series * (SAMPLES - 1))
        found["memory"] = (rss_bytes(os.getpid()) - before) / series
        begun = time.process_time()
        assert len(store.label_values("instance", [], 0, 2**62)) == series
        found["values of a label, one a series"] = (time.process_time() - begun) * 1e3
        begun = time.process_time()
        job = [[Matcher("job", "=", "job-1")]]
        assert len(store.label_values("zone", job, 0, 2**62)) == 7
        found["values of a label, selected"] = (time.process_time() - begun) * 1e3
        one = [Matcher("instance", "=", "host-7")]
        begun = time.process_time()
        assert len(store.select(one, 0, 2**62).samples(0)[0]) == SAMPLES
        found["select one"] = (time.process_time() - begun) * 1e3
        end_ms = start_ms + SAMPLES * STEP_MS
        query = 'sum(rate(requests_total{job="job-1"}[5m]))'
        range_query(store.finder, query, end_ms - 60_000, end_ms, 60_000)
        begun = time.process_time()
        range_query(store.finder, query, end_ms - 600_000, end_ms, 60_000)
        found["sum(rate)"] = (time.process_time() - begun) * 1e3
        if series <= FLUSHED_MAX:
            begun = time.process_time()
            store.flush(2**62)
            found["flush a sample"] = (time.process_time() - begun) * 1e9 / (series * SAMPLES)
            found["on disk"] = sum(block.size for block in store.blocks) / (series * SAMPLES)
        store.close()
    return found


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]))))
