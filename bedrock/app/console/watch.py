"""Asks every system for its numbers once a second and remembers the last two minutes.

What runs is in the state file of `bedrock up`; numbers come from each server's /metrics.  Rates are
differences of counters; a counter that went back (a restarted server) gives none for that second.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from bedrock.app import state
from bedrock.app.component import Component, components
from bedrock.world import Clock

EVERY_S = 1.0
KEPT = 120
TIMEOUT_S = 2.0


@dataclass
class Numbers:
    """One system, as last seen.

    sums    metric sample name -> sum over its labels
    rates   name -> change each second, of counters
    series  the last KEPT values of "requests" and "bytes"
    """

    at_ns: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    rates: dict[str, float] = field(default_factory=dict)
    series: dict[str, deque[float]] = field(
        default_factory=lambda: {name: deque(maxlen=KEPT) for name in ("requests", "bytes")}
    )
    error: str = ""


class Watch:
    """Keeps `state` and `numbers` fresh while `run` runs."""

    def __init__(self, state_file: str, clock: Clock):
        self._state_file = state_file
        self._clock = clock
        self.state: state.State | None = None
        self.numbers: dict[str, Numbers] = {}
        self.components: dict[str, Component] = components()

    async def run(self) -> None:
        """Look once a second, until cancelled."""
        while True:
            await self.look()
            await self._clock.sleep(EVERY_S)

    async def look(self) -> None:
        """Read the state and ask every system that is up."""
        self.state = state.read(self._state_file)
        if self.state is None:
            return
        systems = [each for each in self.state.systems if each.name in self.components]
        await asyncio.gather(*(self._ask(system) for system in systems))

    async def _ask(self, system: state.System) -> None:
        numbers = self.numbers.setdefault(system.name, Numbers())
        port = system.ports.get("metrics_port")
        text = ""
        numbers.error = ""
        if system.state == "up" and port:
            try:
                text = await asyncio.wait_for(get(system.host, port, "/metrics"), TIMEOUT_S)
            except (OSError, TimeoutError, ValueError) as exc:
                numbers.error = str(exc) or type(exc).__name__
        update(numbers, system.name, parse(text), self._clock.now_ns())


def update(numbers: Numbers, name: str, sums: dict[str, float], now_ns: int) -> None:
    """Take new sums in; rates follow from the last ones."""
    seconds = (now_ns - numbers.at_ns) / 1e9
    numbers.rates = {
        key: (value - numbers.sums[key]) / seconds
        for key, value in sums.items()
        if key.endswith("_total") and value >= numbers.sums.get(key, float("inf")) and seconds > 0
    }
    numbers.at_ns, numbers.sums = now_ns, sums
    prefix = f"bedrock_{name}_"
    rate = numbers.rates.get
    requests = rate(prefix + "requests_total", rate(prefix + "receives_total", 0.0))
    carried = rate(prefix + "in_bytes_total", 0.0) + rate(prefix + "out_bytes_total", 0.0)
    numbers.series["requests"].append(requests)
    numbers.series["bytes"].append(carried)


def parse(text: str) -> dict[str, float]:
    """Sums over labels of every sample but histogram buckets."""
    from prometheus_client.parser import text_string_to_metric_families

    sums: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if not sample.name.endswith(("_bucket", "_created")):
                sums[sample.name] = sums.get(sample.name, 0.0) + sample.value
    return sums


async def get(host: str, port: int, path: str) -> str:
    """The body of a page of one of our servers; ValueError when the status is not 200."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        request = f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n"
        writer.write(request.encode())
        head, _, body = (await reader.read(-1)).partition(b"\r\n\r\n")
    finally:
        writer.close()
    status = head.split(b" ", 2)[1:2]
    if status != [b"200"]:
        raise ValueError(f"{path} answered {head.splitlines()[0].decode('latin-1', 'replace')}")
    return body.decode()


def overview(watch: Watch) -> dict[str, Any]:
    """What the first page shows, as plain data: also its JSON."""
    now = watch.state
    if now is None:
        return {"up": 0, "systems": []}
    systems = [
        describe(watch, found, system)
        for name, found in watch.components.items()
        if (system := now.find(name)) is not None
    ]
    return {
        "pid": now.pid,
        "started_at": now.started_at,
        "up": sum(system["state"] == "up" for system in systems),
        "requests_per_s": sum(system["requests_per_s"] for system in systems),
        "bytes_per_s": sum(system["in_per_s"] + system["out_per_s"] for system in systems),
        "memory_bytes": sum(system["memory_bytes"] for system in systems),
        "systems": systems,
    }


def describe(watch: Watch, found: Component, system: state.System) -> dict[str, Any]:
    """One system as plain data."""
    numbers = watch.numbers.get(system.name, Numbers())
    prefix = f"bedrock_{system.name}_"
    series = numbers.series
    return {
        "name": system.name,
        "speaks": found.speaks,
        "state": system.state,
        "why": system.why or numbers.error,
        "pid": system.pid,
        "since": system.since,
        "restarts": system.restarts,
        "data_dir": system.data_dir,
        "addresses": [
            {
                "speaks": port.speaks,
                "address": f"{system.host}:{system.ports[port.option]}",
                "try": port.command(system.host, system.ports[port.option]),
            }
            for port in found.ports
            if system.ports.get(port.option)
        ],
        "requests_per_s": series["requests"][-1] if series["requests"] else 0.0,
        "in_per_s": numbers.rates.get(prefix + "in_bytes_total", 0.0),
        "out_per_s": numbers.rates.get(prefix + "out_bytes_total", 0.0),
        "connections": int(numbers.sums.get(prefix + "connections", 0)),
        "memory_bytes": int(numbers.sums.get("process_resident_memory_bytes", 0)),
        "cpu_cores": numbers.rates.get("process_cpu_seconds_total", 0.0),
        "series": {name: [round(value, 2) for value in values] for name, values in series.items()},
        "metrics": {
            metric: {"value": value, "each_s": numbers.rates.get(metric)}
            for metric, value in sorted(numbers.sums.items())
            if metric != "process_start_time_seconds"
        },
    }
