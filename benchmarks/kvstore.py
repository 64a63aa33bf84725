"""kvstore beside redis-server: the same redis-benchmark runs against both, in turns.

The commands, and the lines they have to reach, are in `COMMANDS`; `memory`, `durable`, `first_pong`
and `larger_than_memory` measure the rest.  `python -m benchmarks.kvstore` writes
docs/reference/kvstore-figures.md from the results of the last whole run.
"""

from __future__ import annotations

import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bedrock.app.ports import free_port
from benchmarks.harness import RESULTS, Bench, Sample, Subject, rss_bytes

CLIENTS = 50
KEYS = "100000"  # different keys, members and values
MANY = 1_000_000
HUGE = 10_000_000
STARTS = 15
CAP_MIB = 256
PAGE = Path(__file__).parents[1] / "docs" / "reference" / "kvstore-figures.md"


@dataclass
class Command:
    """A command to measure, as redis-benchmark knows it or in words.

    full, fast: requests of a round, pipelined and not; floor: the line of the pipelined rate
    plain:      the line of the rate of one request at a time, 0 = not measured
    fill:       what has to be there before a round
    """

    title: str
    words: tuple[str, ...]
    full: int = 400_000
    fast: int = 100_000
    floor: float = 0.9
    plain: float = 0.95
    cpu: float | None = None
    fill: tuple[str, ...] = ()


def known(name: str) -> tuple[str, ...]:
    """One of redis-benchmark's own tests."""
    return ("-t", name)


EVAL_GET = ("EVAL", "return redis.call('GET',KEYS[1])", "1", "key:__rand_int__")

COMMANDS = [
    Command("SET", known("set"), 800_000, floor=1.1, cpu=1.0),
    Command("GET", known("get"), 800_000, floor=1.1, cpu=1.0),
    Command("INCR", known("incr"), floor=1.1),
    Command("LPUSH", known("lpush")),
    Command("LPOP", known("lpop"), fill=known("lpush")),
    Command("SADD", known("sadd")),
    Command("HSET", known("hset")),
    Command("ZADD", known("zadd")),
    Command("ZPOPMIN", known("zpopmin"), 100_000, fill=known("zadd")),
    Command("LRANGE_100", ("LRANGE", "mylist", "0", "99"), 60_000, 50_000, fill=known("lpush")),
    Command("MSET", known("mset"), 80_000, 50_000),
    Command("EVAL GET", EVAL_GET, 200_000, floor=0.4, plain=0),
]


def benchmark(subject: Subject, words: tuple[str, ...], pipeline: int, n: int,
              keys: str = KEYS) -> list[str]:
    """Run redis-benchmark; its line of results."""
    said = subprocess.run(
        ["redis-benchmark", "-h", subject.host, "-p", str(subject.port), "-c", str(CLIENTS),
         "-n", str(n), "-P", str(pipeline), "-r", keys, "--csv", *words],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    return said.splitlines()[-1].strip('"').split('","')


def load(words: tuple[str, ...], pipeline: int, n: int, keys: str = KEYS) \
        -> Callable[[Subject], Sample]:  # fmt: skip
    """A round: n requests of one kind from 50 connections."""

    def run(subject: Subject) -> Sample:
        start = time.perf_counter()
        row = benchmark(subject, words, pipeline, n, keys)
        seconds = time.perf_counter() - start
        return Sample(operations=n, seconds=min(seconds, n / float(row[-7])),
                      p99_ms=float(row[-2]))  # fmt: skip

    return run


def filling(words: tuple[str, ...], n: int) -> Callable[[Subject], object] | None:
    """What puts n elements there before a round."""
    return (lambda subject: benchmark(subject, words, 16, n)) if words else None


def fill(subject: Subject, keys: int) -> None:
    """Values of 100 bytes under redis-benchmark's names, pipelined."""
    with socket.create_connection((subject.host, subject.port)) as sock:
        for first in range(0, keys, 10_000):
            sock.sendall(b"".join(
                b"*3\r\n$3\r\nSET\r\n$16\r\nkey:%012d\r\n$100\r\n%s\r\n" % (i, bytes(100))
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


def throughput(bench: Bench) -> None:
    """Every command, pipelined and not, in memory on both sides."""
    with bench.ours("kvstore", appendonly=False) as ours, bench.peer("redis-server") as peer:
        for each in COMMANDS:
            bench.compare(f"{each.title} -P 16", load(each.words, 16, each.full), ours, peer,
                          rps=each.floor, cpu=each.cpu,
                          before=filling(each.fill, each.full))  # fmt: skip
        for each in COMMANDS:
            if each.plain:
                bench.compare(f"{each.title} -P 1", load(each.words, 1, each.fast), ours, peer,
                              rps=each.plain, before=filling(each.fill, each.fast))  # fmt: skip


def durable(bench: Bench) -> None:
    """With an append-only file: beside redis-server with one, and beside ourselves without."""
    for policy in ("everysec", "always"):
        redis = ("--appendonly", "yes", "--appendfsync", policy)
        with bench.ours("kvstore", appendfsync=policy) as ours, \
                bench.peer("redis-server", *redis) as peer:  # fmt: skip
            bench.compare(f"SET -P 16, AOF {policy}", load(known("set"), 16, 400_000), ours, peer,
                          rps=0.9)  # fmt: skip
            bench.compare(f"SET -P 1, AOF {policy}", load(known("set"), 1, 50_000), ours, peer,
                          rps=0.9)  # fmt: skip
    with bench.ours("kvstore", appendfsync="everysec") as kept, \
            bench.ours("kvstore", appendonly=False) as loose:  # fmt: skip
        bench.compare("SET -P 16, everysec over no AOF", load(known("set"), 16, 400_000),
                      kept, replace(loose, name="without"), rps=0.9)  # fmt: skip


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


def first_pong_ms(words: list[str], port: int) -> float:
    """From exec to the first +PONG of a server, in milliseconds."""
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        process = subprocess.Popen(words, cwd=folder, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)  # fmt: skip
        while True:
            try:
                with socket.create_connection(("127.0.0.1", port)) as sock:
                    sock.sendall(b"PING\r\n")
                    if sock.recv(7) == b"+PONG\r\n":
                        break
            except ConnectionError:
                time.sleep(0.0005)
        took = time.perf_counter() - begun
        process.terminate()
        process.wait()
    return took * 1e3


def first_pong(bench: Bench) -> None:
    """How soon the server answers."""
    times = []
    for _ in range(STARTS):
        port = free_port()
        times.append(first_pong_ms(
            [sys.executable, "-m", "kvstore.redis_server", "--port", str(port), "--save", ""],
            port))  # fmt: skip
    bench.figure("exec to first PONG", statistics.median(times), "ms", at_most=100)


def peak_mib(pid: int) -> float:
    """The most memory a process has had, in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise ValueError(f"no VmHWM of {pid}")


def larger_than_memory(bench: Bench) -> None:
    """Ten million keys on the log engine; its file stays in the system's cache."""
    with tempfile.TemporaryDirectory() as folder, \
            bench.ours("kvstore", engine="log", data_dir=folder) as ours:  # fmt: skip
        begun = time.perf_counter()
        fill(ours, HUGE)
        bench.figure("log engine: 10 M SETs", HUGE / (time.perf_counter() - begun), "/s")
        for pipeline, goal in ((1, 60_000), (16, None)):
            words = known("get")
            rates = [float(benchmark(ours, words, pipeline, 300_000, str(HUGE))[-7])
                     for _ in range(bench.rounds)]  # fmt: skip
            bench.figure(f"log engine: random GET -P {pipeline}", statistics.median(rates), "/s",
                         at_least=goal)  # fmt: skip
        bench.figure("log engine: most memory", peak_mib(ours.pid), "MiB", at_most=CAP_MIB)
        begun = time.perf_counter()
        ours.handle.restart()
        bench.figure("log engine: start with 10 M keys", time.perf_counter() - begun, "s",
                     at_most=5)  # fmt: skip
        bench.figure("log engine: most memory after it", peak_mib(ours.handle.pid), "MiB",
                     at_most=CAP_MIB)  # fmt: skip


def run(bench: Bench) -> None:
    """Everything; a part whose titles --only leaves out is not even started."""
    parts = {
        throughput: "".join(f"{each.title} -P 1 {each.title} -P 16 " for each in COMMANDS),
        durable: "SET -P 16, AOF everysec, AOF always everysec over no AOF",
        memory: "1 M keys x 100 B, RSS over redis SAVE of 1 M keys load of 1 M keys",
        first_pong: "exec to first PONG",
        larger_than_memory: "log engine: ",
    }
    for part, titles in parts.items():
        if bench.only in titles:
            part(bench)


def main(argv: list[str]) -> int:
    """`python -m kvstore bench`"""
    from benchmarks.__main__ import main as run_named

    return run_named(["kvstore", *argv])


HEAD = """# kvstore's figures

Made by `python -m benchmarks kvstore` and `python -m benchmarks.kvstore` on {date}: {cpu}, {cores}
cores shared with the load and with other work (load average {load_average} at the end), Linux
{kernel}, Python {python}. redis-server 7.0 runs beside it and gets the same redis-benchmark (50
connections, {keys} different keys) in turns; each figure is the median of {rounds} rounds, each
ratio the median of the rounds' ratios, ours / redis-server. On a machine this busy CPU for each
operation says most.

| | ours | redis-server | rate | line | CPU | p99 |
|---|---|---|---|---|---|---|
"""
ALONE = """
| | figure | line |
|---|---|---|
"""


def page(report: dict[str, Any]) -> str:
    """The page of figures, from a saved report."""
    lines = [HEAD.format(date=report["date"], rounds=report["rounds"], keys=f"{int(KEYS):,}",
                         **report["machine"])]  # fmt: skip
    lines += [row_line(row) for row in report["rows"]]
    lines.append(ALONE)
    lines += [figure_line(figure) for figure in report["figures"]]
    return "".join(lines)


def row_line(row: dict[str, Any]) -> str:
    """A comparison."""

    def ratio(name: str) -> str:
        return f"{row[name]:.2f}" if row[name] is not None else ""

    theirs = f"{row['peer']['rate']:,.0f}" if row["peer"] else ""
    line = f">= {row['goals']['rps']:g}" if "rps" in row["goals"] else ""
    return (f"| {row['title']} | {row['ours']['rate']:,.0f} | {theirs} | {ratio('rate_ratio')} "
            f"| {line} | {ratio('cpu_ratio')} | {ratio('p99_ratio')} |\n")  # fmt: skip


def figure_line(figure: dict[str, Any]) -> str:
    """A number of ours alone."""
    line = f">= {figure['at_least']:,g}" if figure["at_least"] is not None else ""
    if figure["at_most"] is not None:
        line = f"<= {figure['at_most']:,g}"
    return f"| {figure['title']} | {figure['value']:,.4g} {figure['unit']} | {line} |\n"


if __name__ == "__main__":
    PAGE.write_text(page(json.loads((RESULTS / "kvstore.json").read_text())))
