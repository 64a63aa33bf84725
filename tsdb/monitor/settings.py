"""What a configuration file says, as data: what to scrape, which rules, whom to alert."""

from __future__ import annotations

from dataclasses import dataclass, field

from tsdb.monitor.relabel import Relabel


@dataclass
class Job:
    """One of scrape_configs."""

    name: str
    interval_ms: int
    timeout_ms: int
    path: str = "/metrics"
    params: dict[str, list[str]] = field(default_factory=dict)
    honor_labels: bool = False
    honor_timestamps: bool = True
    authorization: str = ""
    sample_limit: int = 0
    targets: list[dict[str, str]] = field(default_factory=list)  # labels, with __address__
    relabel: list[Relabel] = field(default_factory=list)
    metric_relabel: list[Relabel] = field(default_factory=list)


@dataclass
class Rule:
    """A recording rule (record) or an alerting one (alert)."""

    expr: str
    record: str = ""
    alert: str = ""
    hold_ms: int = 0
    keep_firing_ms: int = 0
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, ...]:
        """What makes it another rule when it changes."""
        labels = (part for pair in sorted(self.labels.items()) for part in pair)
        return (self.record, self.alert, self.expr, *labels)


@dataclass
class Group:
    """Rules that are evaluated one after the other, every interval."""

    name: str
    file: str
    interval_ms: int
    limit: int
    rules: list[Rule]

    @property
    def key(self) -> tuple[str, str]:
        """What makes it another group when it changes."""
        return self.file, self.name


@dataclass
class Settings:
    """What the file says."""

    text: str = ""
    jobs: list[Job] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    alertmanagers: list[str] = field(default_factory=list)  # host:port/prefix
    external_labels: dict[str, str] = field(default_factory=dict)
