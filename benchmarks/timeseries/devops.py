"""The Time Series Benchmark Suite's "devops, cpu-only" data: a seeded stream of line protocol.

Every host reports ten fields of the measurement `cpu` each ten seconds, with ten tags.  A field is
a walk with normal steps, held within 0..100 at every step and written as an integer.  With jitter,
a host's timestamps are off by up to `jitter_ms` either way, as those of real collectors are.

Left out: the suite's other cases, and its Go programs, which would need a toolchain of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

FIELDS = (
    *("usage_user", "usage_system", "usage_idle", "usage_nice", "usage_iowait"),
    *("usage_irq", "usage_softirq", "usage_steal", "usage_guest", "usage_guest_nice"),
)
REGIONS = {
    "us-east-1": "abce", "us-west-1": "ab", "us-west-2": "abc", "eu-west-1": "abc",
    "eu-central-1": "ab", "ap-southeast-1": "ab", "ap-southeast-2": "ab",
    "ap-northeast-1": "ac", "sa-east-1": "abc",
}  # fmt: skip
START_MS = 1_704_067_200_000  # 2024-01-01
STEP_MS = 10_000


@dataclass
class CpuOnly:
    """A stream of line protocol; two made alike give the same bytes.

    times, values: of all steps so far, [host] and [host, field]
    """

    hosts: int = 1000
    seed: int = 1
    jitter_ms: int = 0
    start_ms: int = START_MS

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)
        self.walks = self.rng.uniform(0, 100, (self.hosts, len(FIELDS)))
        self.now_ms = self.start_ms
        self.times: list[np.ndarray] = []
        self.values: list[np.ndarray] = []
        self.prefixes = [f"cpu,{self._tags(host)} " for host in range(self.hosts)]

    def _tags(self, host: int) -> str:
        pick = self.rng.choice
        region = str(pick(list(REGIONS)))
        tags = {
            "hostname": f"host_{host}",
            "region": region,
            "datacenter": region + str(pick(list(REGIONS[region]))),
            "rack": self.rng.integers(100),
            "os": pick(["Ubuntu15.10", "Ubuntu16.10", "Ubuntu16.04LTS"]),
            "arch": pick(["x64", "x86"]),
            "team": pick(["SF", "NYC", "LON", "CHI"]),
            "service": self.rng.integers(20),
            "service_version": self.rng.integers(2),
            "service_environment": pick(["production", "staging", "test"]),
        }
        return ",".join(f"{name}={value}" for name, value in tags.items())

    def step(self) -> tuple[np.ndarray, np.ndarray]:
        """Timestamps by host and values by host and field of one step."""
        self.walks = np.clip(self.walks + self.rng.normal(size=self.walks.shape), 0, 100)
        values = self.walks.astype(np.int64)
        times = np.full(self.hosts, self.now_ms, np.int64)
        if self.jitter_ms:
            times += self.rng.integers(-self.jitter_ms, self.jitter_ms + 1, self.hosts)
        self.now_ms += STEP_MS
        self.times.append(times)
        self.values.append(values.astype(np.int8))
        return times, values

    @property
    def points(self) -> int:
        """Values so far."""
        return len(self.values) * self.hosts * len(FIELDS)

    def bodies(self, steps: int, lines_each: int = 10_000) -> Iterator[bytes]:
        """Bodies for /write of the next steps, with timestamps in nanoseconds."""
        form = ",".join(f"{name}=%di" for name in FIELDS) + " %d000000"
        lines: list[str] = []
        for _ in range(steps):
            times, values = self.step()
            rows = np.column_stack([values, times]).tolist()
            for prefix, row in zip(self.prefixes, rows, strict=True):
                lines.append(prefix + form % tuple(row))
                if len(lines) == lines_each:
                    yield "\n".join(lines).encode()
                    lines = []
        if lines:
            yield "\n".join(lines).encode()
