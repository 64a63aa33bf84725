"""kvstore beside redis-server: the same redis-benchmark runs against both, in turns."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable

from benchmarks.harness import Bench, Sample, Subject

CLIENTS = 50


def load(command: str, pipeline: int, n: int) -> Callable[[Subject], Sample]:
    """A round: n requests of one kind from 50 connections."""

    def run(subject: Subject) -> Sample:
        start = time.perf_counter()
        said = subprocess.run(
            ["redis-benchmark", "-h", subject.host, "-p", str(subject.port), "-c", str(CLIENTS),
             "-n", str(n), "-P", str(pipeline), "-r", "100000", "-t", command, "--csv"],
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        seconds = time.perf_counter() - start
        row = said.splitlines()[1].strip('"').split('","')
        return Sample(operations=n, seconds=min(seconds, n / float(row[1])), p99_ms=float(row[6]))

    return run


def run(bench: Bench) -> None:
    """In memory on both sides; then with an append-only file on both."""
    with bench.ours("kvstore", appendonly=False) as ours, bench.peer("redis-server") as peer:
        for name in ("set", "get"):
            bench.compare(f"{name.upper()} -P 16", load(name, 16, 800_000), ours, peer,
                          rps=1.0, cpu=0.95)  # fmt: skip
        for name in ("set", "get"):
            bench.compare(f"{name.upper()} -P 1", load(name, 1, 100_000), ours, peer, rps=0.95)
        for name in ("incr", "lpush", "lpop", "sadd", "hset", "zadd", "lrange_100"):
            n = 60_000 if name == "lrange_100" else 400_000
            bench.compare(f"{name.upper()} -P 16", load(name, 16, n), ours, peer)
    for policy in ("everysec", "always"):
        redis = ("--appendonly", "yes", "--appendfsync", policy)
        with bench.ours("kvstore", appendfsync=policy) as ours, \
                bench.peer("redis-server", *redis) as peer:  # fmt: skip
            bench.compare(f"SET -P 16, AOF {policy}", load("set", 16, 400_000), ours, peer)


def main(argv: list[str]) -> int:
    """`python -m kvstore bench`"""
    from benchmarks.__main__ import main as run_named

    return run_named(["kvstore", *argv])
