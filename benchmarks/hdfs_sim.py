"""hdfs_sim under its real clients: MB/s of writing and reading, metadata operations, CPU an op.

    python -m hdfs_sim bench [--mib 256] [--ops 2000]

The cluster runs as it does for users: a NameNode process and three DataNode processes, three
replicas, every block synced before it is acknowledged.  CPU is utime + stime of all of its
processes, the client's left out.  There is no peer to compare with: HDFS itself needs a JVM.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bedrock

BLOCK = 64 << 20
TICKS = os.sysconf("SC_CLK_TCK")


def cpu_s(pid: int) -> float:
    """CPU seconds of a process and its children that live."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    own = (int(fields[11]) + int(fields[12])) / TICKS
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return own + sum(cpu_s(int(child)) for child in children)


def measure(pid: int, count: float, unit: str, work: Callable[[], Any]) -> dict[str, Any]:
    """Run work that does `count` of `unit`."""
    cpu, begun = cpu_s(pid), time.perf_counter()
    work()
    took_s, used_s = time.perf_counter() - begun, cpu_s(pid) - cpu
    return {"per_s": round(count / took_s, 1), "unit": unit,
            "server_cpu_us_each": round(used_s / count * 1e6, 1)}


def main(argv: list[str] | None = None) -> int:
    """Run all and print one JSON line a figure."""
    import hdfs_native
    import requests

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mib", type=int, default=256)
    parser.add_argument("--ops", type=int, default=2000)
    options = parser.parse_args(argv)
    piece = os.urandom(8 << 20)
    pieces = max(1, options.mib // 8)

    with bedrock.run("hdfs_sim", process=True, block_size=BLOCK) as server:
        client = hdfs_native.Client(server.url)
        pid = server.pid
        web = f"http://127.0.0.1:{server.ports['http_port']}/webhdfs/v1"
        session = requests.Session()

        def write(path: str, replication: int) -> None:
            with client.create(path, hdfs_native.WriteOptions(replication=replication)) as file:
                for _ in range(pieces):
                    file.write(piece)

        def read() -> None:
            with client.read("/three") as file:
                assert len(file.read()) == pieces * len(piece)

        def put_web() -> None:
            reply = session.put(f"{web}/web?op=CREATE&overwrite=true", data=piece * 4)
            assert reply.status_code == 201

        def get_web() -> None:
            assert len(session.get(f"{web}/web?op=OPEN").content) == 4 * len(piece)

        def repeat(do: Callable[[int], Any]) -> Callable[[], None]:
            return lambda: [do(n) for n in range(options.ops)] and None

        mib = pieces * 8
        for name, count, unit, work in (
            ("write 1 replica, hdfs-native", mib, "MiB", lambda: write("/one", 1)),
            ("write 3 replicas, hdfs-native", mib, "MiB", lambda: write("/three", 3)),
            ("read, hdfs-native", mib, "MiB", read),
            ("write 3 replicas, WebHDFS", 32, "MiB", put_web),
            ("read, WebHDFS", 32, "MiB", get_web),
            ("mkdirs", options.ops, "op",
             repeat(lambda n: client.mkdirs(f"/d{n}", 0o755, False))),
            ("getFileInfo", options.ops, "op",
             repeat(lambda n: client.get_file_info(f"/d{n}"))),
            ("create + complete", options.ops, "op",
             repeat(lambda n: client.create(f"/d{n}/f").close())),
            ("GETFILESTATUS, WebHDFS", options.ops, "op",
             repeat(lambda n: session.get(f"{web}/d{n}?op=GETFILESTATUS"))),
        ):
            print(json.dumps({"what": name, **measure(pid, count, unit, work)}), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
