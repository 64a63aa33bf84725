"""How soon a server is there: as a process (exec to ready) and in a test (`bedrock.run`).

The first row is what an interpreter that only imports its event loop takes on this machine: what a
server needs beyond that is its own.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import bedrock
from bedrock.app.component import Component, components
from bedrock.app.flags import as_flags
from bedrock.testing.run import wait_ready
from benchmarks.harness import Bench

ROUNDS = 15


def run(bench: Bench) -> None:
    """The start-up figures of every component that is installed."""
    bench.figure("python -c 'import uvloop'", statistics.median(
        interpreter_ms() for _ in range(ROUNDS)), "ms")
    # In turns: what else the machine does comes in bursts, which should not meet one server alone.
    rounds = [[exec_to_ready_ms(found) for found in components().values()] for _ in range(ROUNDS)]
    for found, times in zip(components().values(), zip(*rounds, strict=True), strict=True):
        milliseconds = statistics.median(times)
        bench.figure(f"{found.name}: exec to ready", milliseconds, "ms", at_most=150)
    for found in components().values():
        bedrock.run(found.name).stop()  # imports
        milliseconds = statistics.median(run_ms(found.name) for _ in range(ROUNDS))
        bench.figure(f"{found.name}: bedrock.run", milliseconds, "ms", at_most=5)


def interpreter_ms() -> float:
    """Python and its event loop, from exec to exit, in milliseconds."""
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import uvloop"], check=True)
    return (time.perf_counter() - begun) * 1e3


def exec_to_ready_ms(found: Component) -> float:
    """From exec to the ready line, in milliseconds."""
    options = {port.option: 0 for port in found.ports}
    with tempfile.TemporaryDirectory() as folder:
        ready = Path(folder, "ready")
        options |= {"ephemeral": True, "ready_file": str(ready), "log_level": "warning"}
        begun = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", found.module, "serve", *as_flags(options)]
        )
        wait_ready(ready, process)
        took = time.perf_counter() - begun
        process.terminate()
        process.wait()
    return took * 1e3


def run_ms(name: str) -> float:
    """Starting a server in this process, in milliseconds."""
    begun = time.perf_counter()
    server = bedrock.run(name)
    took = time.perf_counter() - begun
    server.stop()
    return took * 1e3
