"""hdfs_sim under its real clients: MB/s of writing and reading, metadata operations, CPU an op.

The cluster runs as it does for users: a NameNode process and three DataNode processes, three
replicas, every block synced before it is acknowledged.  CPU is utime + stime of all of its
processes, the client's left out.  There is no peer to compare with: HDFS itself needs a JVM.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.harness import Bench

BLOCK = 64 << 20
MIB = 256
OPS = 1000
TICKS = os.sysconf("SC_CLK_TCK")


def cpu_s(pid: int) -> float:
    """CPU seconds of a process and its children that live."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    own = (int(fields[11]) + int(fields[12])) / TICKS
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return own + sum(cpu_s(int(child)) for child in children)


def measure(pid: int, count: int, work: Callable[[], Any]) -> tuple[float, float]:
    """Run work that does `count` things: how many a second, and server CPU us for each."""
    cpu, begun = cpu_s(pid), time.perf_counter()
    work()
    took_s, used_s = time.perf_counter() - begun, cpu_s(pid) - cpu
    return count / took_s, used_s / count * 1e6


def run(bench: Bench) -> None:
    """All figures; the median of the rounds of each."""
    import hdfs_native
    import requests

    piece = os.urandom(8 << 20)
    with bench.ours("hdfs_sim", block_size=BLOCK) as server:
        client = hdfs_native.Client(server.url)
        web = f"http://127.0.0.1:{server.ports['http_port']}/webhdfs/v1"
        session = requests.Session()
        numbers = itertools.count()

        def write(path: str, replication: int) -> None:
            options = hdfs_native.WriteOptions(replication=replication, overwrite=True)
            with client.create(path, options) as file:
                for _ in range(MIB // 8):
                    file.write(piece)

        def read() -> None:
            with client.read("/three") as file:
                assert len(file.read()) == MIB << 20

        def put_web() -> None:
            reply = session.put(f"{web}/web?op=CREATE&overwrite=true", data=piece * 4)
            assert reply.status_code == 201

        def get_web() -> None:
            assert len(session.get(f"{web}/web?op=OPEN").content) == 4 * len(piece)

        def repeat(do: Callable[[int], Any]) -> Callable[[], None]:
            def work() -> None:
                for _ in range(OPS):
                    do(next(numbers))
            return work

        for title, count, unit, work in (
            ("write, 1 replica, hdfs-native", MIB, "MiB", lambda: write("/one", 1)),
            ("write, 3 replicas, hdfs-native", MIB, "MiB", lambda: write("/three", 3)),
            ("read, hdfs-native", MIB, "MiB", read),
            ("write, 3 replicas, WebHDFS", 32, "MiB", put_web),
            ("read, WebHDFS", 32, "MiB", get_web),
            ("mkdirs", OPS, "op", repeat(lambda n: client.mkdirs(f"/d{n}", 0o755, False))),
            ("getFileInfo", OPS, "op", repeat(lambda n: client.get_file_info("/three"))),
            ("create + complete", OPS, "op", repeat(lambda n: client.create(f"/f{n}").close())),
            ("GETFILESTATUS, WebHDFS", OPS, "op",
             repeat(lambda n: session.get(f"{web}/three?op=GETFILESTATUS"))),
        ):
            if bench.only not in title:
                continue
            rounds = [measure(server.pid, count, work) for _ in range(bench.rounds)]
            bench.figure(title, median(rate for rate, _ in rounds), f"{unit}/s")
            bench.figure(f"{title}: server CPU", median(cpu for _, cpu in rounds), f"us/{unit}")


def main(argv: list[str] | None = None) -> int:
    """`python -m hdfs_sim bench`."""
    from benchmarks.__main__ import main as run_benchmarks

    return run_benchmarks(["hdfs_sim", *(argv or [])])
