"""kvstore beside redis-server: the same redis-benchmark runs against both, in turns."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable

from benchmarks.harness import Bench, Sample, Subject, rss_bytes

CLIENTS = 50
MANY = 1_000_000


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


def fill(subject: Subject, keys: int) -> None:
    """Values of 100 bytes under keys of 14, pipelined."""
    with socket.create_connection((subject.host, subject.port)) as sock:
        for first in range(0, keys, 10_000):
            sock.sendall(b"".join(
                b"*3\r\n$3\r\nSET\r\n$14\r\nkey:%010d\r\n$100\r\n%s\r\n" % (i, bytes(100))
                for i in range(first, first + 10_000)))  # fmt: skip
            waiting = 50_000
            while waiting:
                waiting -= len(sock.recv(waiting))


def ask(command: str) -> Callable[[Subject], Sample]:
    """A round: one request, which takes long."""

    def run(subject: Subject) -> Sample:
        start = time.perf_counter()
        subprocess.run(["redis-cli", "-h", subject.host, "-p", str(subject.port), *command.split()],
                       capture_output=True, check=True)  # fmt: skip
        return Sample(operations=MANY, seconds=time.perf_counter() - start)

    return run


def memory(bench: Bench) -> None:
    """A million keys: what they take, and how long it takes to write and to load them."""
    debug = ["enable-debug-command=yes"]
    with bench.ours("kvstore", appendonly=False, set=debug) as ours, \
            bench.peer("redis-server", "--enable-debug-command", "yes") as peer:  # fmt: skip
        for side in filter(None, (ours, peer)):
            fill(side, MANY)
        if peer is not None:
            bench.figure("1 M keys x 100 B, RSS over redis",
                         rss_bytes(ours.pid) / rss_bytes(peer.pid), "x", at_most=1.3)  # fmt: skip
        bench.compare("SAVE of 1 M keys", ask("SAVE"), ours, peer, rps=0.5)
        bench.compare("load of 1 M keys", ask("DEBUG RELOAD NOSAVE"), ours, peer, rps=0.5)


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
    memory(bench)


def main(argv: list[str]) -> int:
    """`python -m kvstore bench`"""
    from benchmarks.__main__ import main as run_named

    return run_named(["kvstore", *argv])
