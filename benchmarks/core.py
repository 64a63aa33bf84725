"""The core by itself: checksums, the record log, and what an idle connection costs."""

from __future__ import annotations

import asyncio
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

from bedrock.codec.crc32c import crc32c_chunks
from bedrock.sim import recordlog
from bedrock.sim.simulation import run as play
from bedrock.storage.recordlog import RecordLog
from bedrock.world import OsDisk
from benchmarks.harness import Bench

GIB = 1 << 30
RECORD = bytes(100)
SIM_SEEDS = 40
CONNECTIONS = 2000  # both ends of each are ours


def run(bench: Bench) -> None:
    """Every figure, as medians of the rounds."""
    for chunk in (64, 512, 4096, 65_536):
        bench.figure(
            f"crc32c, chunks of {chunk} B",
            median(bench, lambda chunk=chunk: crc_rate(chunk)),
            "GiB/s",
            at_least=8 if chunk == 512 else None,
        )
    for batch in (1, 64, 1024):
        bench.figure(
            f"record log, {batch} x 100 B a sync",
            median(bench, lambda batch=batch: commit_rate(batch)),
            "records/s",
        )
    bench.figure("record log, replay", median(bench, replay_rate), "records/s")
    bench.figure("simulator, record log", median(bench, simulation_rate), "seeds/h")
    bench.figure("reactor, idle connection", idle_bytes(), "B")


def median(bench: Bench, measure: Callable[[], float]) -> float:
    """The median of the rounds."""
    return statistics.median(measure() for _ in range(bench.rounds))


def crc_rate(chunk: int) -> float:
    """GiB/s from the first-level cache upwards: 64 KiB, again and again."""
    data = bytes(range(256)) * 256
    begun, rounds = time.perf_counter(), 4000
    for _ in range(rounds):
        crc32c_chunks(data, chunk)
    return rounds * len(data) / (time.perf_counter() - begun) / GIB


def commit_rate(batch: int) -> float:
    """Durable records/s with `batch` of them sharing a sync, for half a second."""
    with tempfile.TemporaryDirectory() as folder:
        log = RecordLog(OsDisk(folder))
        begun = time.perf_counter()
        while (took := time.perf_counter() - begun) < 0.5:
            for _ in range(batch):
                log.append(RECORD)
            log.flush()
        log.close()
        return log.records / took


def replay_rate() -> float:
    """Records/s read back and checked."""
    with tempfile.TemporaryDirectory() as folder:
        log = RecordLog(OsDisk(folder))
        for _ in range(200_000):
            log.append(RECORD)
        log.flush()
        begun = time.perf_counter()
        count = sum(1 for _ in log.replay())
        took = time.perf_counter() - begun
        log.close()
        return count / took


def simulation_rate() -> float:
    """Seeds of the record log's scenario an hour, on one core."""
    begun = time.perf_counter()
    for seed in range(SIM_SEEDS):
        play(recordlog.scenario, seed)
    return SIM_SEEDS * 3600 / (time.perf_counter() - begun)


def idle_bytes() -> float:
    """Bytes of this process for an open connection, in a process without other history."""
    code = "from benchmarks.core import print_idle_bytes; print_idle_bytes()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout)


def print_idle_bytes() -> None:
    """Open connections to a server in this process; print the memory for each link."""
    from bedrock.net import Server, Session
    from bedrock.net.reactor import Reactor
    from bedrock.world import OsClock, Turn, World

    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 3 * CONNECTIONS), hard))

    async def main() -> float:
        clock, turn = OsClock(), Turn()
        net = Reactor(clock, turn).attach()
        with tempfile.TemporaryDirectory() as folder:
            world = World(OsDisk(folder), net, clock, turn=turn)
            server = await Server(world, Session, ("127.0.0.1", 0)).start()
            kept = [await net.connect(Session, server.address) for _ in range(100)]
            before = private_bytes()
            kept += [await net.connect(Session, server.address) for _ in range(CONNECTIONS)]
            grown = private_bytes() - before
            await server.stop()
            return grown / (2 * CONNECTIONS)

    print(asyncio.run(main()))


def private_bytes() -> int:
    """Memory that belongs to this process alone."""
    with open("/proc/self/smaps_rollup") as file:
        rows = [line.split() for line in file if line.startswith("Private_")]
    return sum(int(row[1]) for row in rows) * 1024
