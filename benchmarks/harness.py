"""Compare a server of ours with its peer so that the ratio means something.

Both run at the same time on the same machine and get the same load in turns (ours first in one
round, the peer first in the next); what is reported is the median of the rounds.  Throughput on a
shared machine moves by tens of percent from run to run, the ratio within a round far less, and
server CPU for each operation least of all: it is the figure to trust.

Traps this avoids:
- CPU is read from /proc/PID/task/*/schedstat (nanoseconds), not from 10 ms ticks; children that
  ended in between (PostgreSQL's backends) are added from their parent's ticks.
- `redis-benchmark --threads` rounds elapsed time up to 250 ms: use one thread, or runs over 10 s.
- A round shorter than a second measures the start-up: `load` should take at least that.
- The client and both servers share the cores; a server that is idle costs nothing, but never run
  two loads at once.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import bedrock
from bedrock.testing import peers

RESULTS = Path(__file__).parent / "results"


@dataclass
class Subject:
    """A server under load."""

    name: str
    host: str
    port: int
    ports: dict[str, int]
    pid: int
    url: str
    handle: Any = None  # the Process or Peer behind it


@dataclass
class Sample:
    """What one round of load did, as the client saw it."""

    operations: float
    seconds: float
    p99_ms: float | None = None


@dataclass
class Cost:
    """A round with what it cost the server."""

    rate: float  # operations/s
    cpu_us: float  # server CPU for one operation
    p99_ms: float | None
    rss_mib: float


@dataclass
class Row:
    """One line of the report; ratios are ours / peer, medians over the rounds."""

    title: str
    ours: dict[str, Any]
    peer: dict[str, Any] | None = None
    rate_ratio: float | None = None
    cpu_ratio: float | None = None
    p99_ratio: float | None = None
    rss_ratio: float | None = None
    goals: dict[str, float] = field(default_factory=dict)
    met: bool | None = None


@dataclass
class Figure:
    """A number of ours alone."""

    title: str
    value: float
    unit: str
    at_least: float | None = None
    at_most: float | None = None

    @property
    def met(self) -> bool | None:
        if self.at_least is None and self.at_most is None:
            return None
        low = self.at_least is None or self.value >= self.at_least
        return low and (self.at_most is None or self.value <= self.at_most)


class Bench:
    """Collects the rows of one component's benchmarks.

    rounds: alternating runs of each side; only: run just rows whose title contains it
    """

    def __init__(self, name: str, rounds: int = 5, only: str = ""):
        self.name, self.rounds, self.only = name, rounds, only
        self.rows: list[Row] = []
        self.figures: list[Figure] = []

    @contextmanager
    def ours(self, component: str, **options: Any) -> Iterator[Subject]:
        """A server of ours as a process, on free ports with data of its own."""
        options.setdefault("log_level", "warning")
        with bedrock.run(component, process=True, **options) as running:
            yield Subject(
                component, running.host, running.port, running.ports, running.pid, running.url,
                running,
            )

    @contextmanager
    def peer(self, name: str, *args: str, **settings: Any) -> Iterator[Subject | None]:
        """A peer of bedrock.testing.peers; None where it is not installed."""
        try:
            running = peers.STARTERS[name](*args, **settings)
        except peers.PeerMissing as exc:
            print(f"  no peer: {exc}", file=sys.stderr)
            yield None
            return
        with running:
            yield Subject(
                name, running.host, running.port, running.ports, running.pid, running.url, running
            )

    def compare(
        self,
        title: str,
        load: Callable[[Subject], Sample],
        ours: Subject,
        peer: Subject | None = None,
        *,
        rps: float | None = None,
        cpu: float | None = None,
        rss: float | None = None,
        before: Callable[[Subject], object] | None = None,
    ) -> Row | None:
        """Run `load` on both sides in turns; rps (at least), cpu and rss (at most) are goals.

        before: what makes a side ready for a round, not measured
        """
        goals = {name: goal for name, goal in (("rps", rps), ("cpu", cpu), ("rss", rss)) if goal}
        sides = [ours] + ([peer] if peer else [])
        each = {side.name: goals for side in sides}
        rows = self.compare_all(title, load, *sides, goals=each, before=before)
        return rows[0] if rows else None

    def compare_all(
        self,
        title: str,
        load: Callable[[Subject], Sample],
        ours: Subject,
        *peers: Subject,
        goals: dict[str, dict[str, float]] | None = None,
        before: Callable[[Subject], object] | None = None,
    ) -> list[Row]:
        """`compare` with several peers, a row for each, and the goals beside each by its name."""
        if self.only not in title:
            return []
        sides = [ours, *peers]
        costs: dict[str, list[Cost]] = {side.name: [] for side in sides}
        for number in range(self.rounds):
            for side in sides if number % 2 == 0 else reversed(sides):
                if before is not None:
                    before(side)
                costs[side.name].append(measure(load, side))
        rows = []
        for peer in peers or (None,):
            name = title if peer is None or len(peers) == 1 else f"{title}; {peer.name}"
            row = Row(name, _medians(costs[ours.name]))
            row.goals = (goals or {}).get(peer.name if peer else ours.name, {})
            if peer:
                row.peer = _medians(costs[peer.name])
                both = list(zip(costs[ours.name], costs[peer.name], strict=True))
                row.rate_ratio = _median_ratio((a.rate, b.rate) for a, b in both)
                row.cpu_ratio = _median_ratio((a.cpu_us, b.cpu_us) for a, b in both)
                row.p99_ratio = _median_ratio((a.p99_ms, b.p99_ms) for a, b in both)
                row.rss_ratio = _median_ratio((a.rss_mib, b.rss_mib) for a, b in both)
                row.met = _met(row)
            rows.append(row)
            print(_line(row), flush=True)
        self.rows += rows
        return rows

    def figure(
        self,
        title: str,
        value: float,
        unit: str,
        *,
        at_least: float | None = None,
        at_most: float | None = None,
    ) -> Figure | None:
        """Report a number of ours alone, perhaps with the line it has to reach."""
        if self.only not in title:
            return None
        made = Figure(title, value, unit, at_least, at_most)
        self.figures.append(made)
        goal = ""
        if made.met is not None:
            bound = f">= {at_least:,.4g}" if at_least is not None else f"<= {at_most:,.4g}"
            goal = f"   goal {bound}: {_mark(made.met)}"
        print(f"  {title:<34} {value:,.4g} {unit}{goal}", flush=True)
        return made

    def save(self) -> Path | None:
        """Write benchmarks/results/<name>.json; nothing when there are no rows."""
        if not self.rows and not self.figures:
            return None
        RESULTS.mkdir(exist_ok=True)
        path = RESULTS / f"{self.name}.json"
        report = {
            "name": self.name,
            "date": time.strftime("%Y-%m-%d"),
            "machine": machine(),
            "rounds": self.rounds,
            "rows": [asdict(row) for row in self.rows],
            "figures": [asdict(item) | {"met": item.met} for item in self.figures],
        }
        path.write_text(json.dumps(report, indent=2) + "\n")
        return path


def measure(load: Callable[[Subject], Sample], side: Subject) -> Cost:
    """One round, with the CPU the server's processes used meanwhile."""
    before = cpu_ns(side.pid)
    sample = load(side)
    used_ns = cpu_ns(side.pid) - before
    return Cost(
        sample.operations / sample.seconds,
        used_ns / 1e3 / sample.operations,
        sample.p99_ms,
        rss_bytes(side.pid) / (1 << 20),
    )


def processes(pid: int) -> list[int]:
    """A process and all that descend from it."""
    found, new = [pid], [pid]
    while new:
        children = []
        for parent in new:
            for task in _listdir(f"/proc/{parent}/task"):
                children += _read(f"/proc/{parent}/task/{task}/children").split()
        new = [int(child) for child in children]
        found += new
    return found


def cpu_ns(pid: int) -> int:
    """CPU time used so far by a process, its threads and its children."""
    tick_ns = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
    total = 0
    for process in processes(pid):
        for task in _listdir(f"/proc/{process}/task"):
            fields = _read(f"/proc/{process}/task/{task}/schedstat").split()
            total += int(fields[0]) if fields else 0
        stat = _read(f"/proc/{process}/stat").rpartition(")")[2].split()
        if stat:
            total += (int(stat[13]) + int(stat[14])) * tick_ns  # cutime, cstime
    return total


def rss_bytes(pid: int) -> int:
    """Memory of a process and its children, shared pages counted once (PSS)."""
    total = 0
    for process in processes(pid):
        for line in _read(f"/proc/{process}/smaps_rollup").splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) * 1024
    return total


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    model = ""
    for line in _read("/proc/cpuinfo").splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    memory = _read("/proc/meminfo").split()
    return {
        "cpu": model or platform.machine(),
        "cores": os.cpu_count(),
        "memory_gib": round(int(memory[1]) / (1 << 20), 1) if len(memory) > 1 else None,
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load_average": round(os.getloadavg()[0], 2),
    }


def _medians(costs: list[Cost]) -> dict[str, Any]:
    late = [cost.p99_ms for cost in costs if cost.p99_ms is not None]
    return {
        "rate": statistics.median(cost.rate for cost in costs),
        "rates": [round(cost.rate, 1) for cost in costs],
        "cpu_us": statistics.median(cost.cpu_us for cost in costs),
        "p99_ms": statistics.median(late) if late else None,
        "rss_mib": statistics.median(cost.rss_mib for cost in costs),
    }


def _median_ratio(pairs: Any) -> float | None:
    ratios = [a / b for a, b in pairs if a is not None and b]
    return statistics.median(ratios) if ratios else None


def _met(row: Row) -> bool | None:
    checks = []
    if "rps" in row.goals:
        checks.append((row.rate_ratio or 0) >= row.goals["rps"])
    if "cpu" in row.goals:
        checks.append((row.cpu_ratio or 99) <= row.goals["cpu"])
    if "rss" in row.goals:
        checks.append((row.rss_ratio or 99) <= row.goals["rss"])
    return all(checks) if checks else None


HEADER = (
    f"  {'':<34} {'ours/s':>11} {'peer/s':>11} {'rate':>6} {'CPU/op':>7} {'p99':>6} {'RSS':>6}"
)


def _line(row: Row) -> str:
    def ratio(value: float | None, width: int) -> str:
        return f"{value:>{width - 1}.2f}x" if value is not None else " " * (width - 1) + "-"

    peer = f"{row.peer['rate']:>11,.0f}" if row.peer else f"{'-':>11}"
    line = (
        f"  {row.title:<34} {row.ours['rate']:>11,.0f} {peer} {ratio(row.rate_ratio, 6)} "
        f"{ratio(row.cpu_ratio, 7)} {ratio(row.p99_ratio, 6)} {ratio(row.rss_ratio, 6)}"
    )
    if row.met is not None:
        line += f"   goal {', '.join(f'{k} {v:g}' for k, v in row.goals.items())}: {_mark(row.met)}"
    return line


def _mark(met: bool | None) -> str:
    return "met" if met else "NOT MET"


def _listdir(path: str) -> list[str]:
    try:
        return os.listdir(path)
    except OSError:  # it ended meanwhile
        return []


def _read(path: str) -> str:
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""
