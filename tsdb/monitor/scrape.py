"""The scraper: every target's page, every interval, into the store.

Besides its samples a target has those named in REPORTS.  A series that a page no longer
has, or whose target is down, ends with a stale marker: queries see it gone at once, not minutes
later.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field

from bedrock.lazy import lazy
from bedrock.world import DiskFull, World
from tsdb.head import TooManySeries
from tsdb.labels import Labels, labels_of
from tsdb.monitor.exemplars import Exemplars
from tsdb.monitor.exposition import BadExposition, Metadata, Page, labels_in, parse_page
from tsdb.monitor.fetch import FetchFailed, fetch
from tsdb.monitor.relabel import apply
from tsdb.monitor.settings import Job
from tsdb.store import Store

urls = lazy("urllib.parse")

STALE = struct.unpack("<d", (0x7FF0000000000002).to_bytes(8, "little"))[0]
ACCEPT = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
NEVER = "0001-01-01T00:00:00Z"
REPORTS = (
    "up", "scrape_duration_seconds", "scrape_samples_scraped",
    "scrape_samples_post_metric_relabeling", "scrape_series_added",
)  # fmt: skip

Sample = tuple[Labels, int, float]


@dataclass
class Target:
    """One page, and how its last scrape went.

    known   series text -> labels it is stored under, None where a rule drops it
    alive   the series of the last page
    """

    job: Job
    discovered: dict[str, str]
    labels: dict[str, str]
    address: str
    path: str
    health: str = "unknown"
    error: str = ""
    last_ms: int = 0
    took_s: float = 0.0
    metadata: dict[str, Metadata] = field(default_factory=dict)
    known: dict[str, Labels | None] = field(default_factory=dict)
    alive: set[Labels] = field(default_factory=set)
    task: asyncio.Task | None = None

    def same_as(self, other: Target) -> bool:
        """Whether the configuration says the same of both."""
        return self.job == other.job and self.discovered == other.discovered

    def stop(self) -> None:
        """Scrape it no more."""
        if self.task is not None:
            self.task.cancel()
            self.task = None

    @property
    def url(self) -> str:
        return f"http://{self.address}{self.path}"


def target_of(job: Job, discovered: dict[str, str]) -> Target | None:
    """The target that a configured address is; None if relabelling drops it."""
    query = {f"__param_{name}": values[0] for name, values in job.params.items() if values}
    before = {
        "job": job.name,
        "__scheme__": "http",
        "__metrics_path__": job.path,
        "__scrape_interval__": f"{job.interval_ms // 1000}s",
        "__scrape_timeout__": f"{job.timeout_ms // 1000}s",
        **query,
        **discovered,
    }
    labels = apply(job.relabel, before)
    if labels is None or not labels.get("__address__"):
        return None
    params = {name: list(values) for name, values in job.params.items()}
    for name, value in labels.items():
        if name.startswith("__param_"):
            params[name.removeprefix("__param_")] = [value]
    path = labels.get("__metrics_path__", "/metrics")
    if params:
        path += "?" + urls.urlencode(params, doseq=True)
    address = labels["__address__"]
    shown = {name: value for name, value in labels.items() if not name.startswith("__")}
    shown.setdefault("instance", address)
    return Target(job, before, shown, address, path)


class Scraper:
    """All targets of all jobs."""

    def __init__(self, world: World, store: Store, exemplars: Exemplars):
        self.world = world
        self.store = store
        self.exemplars = exemplars
        self.targets: list[Target] = []
        self.dropped: list[dict[str, str]] = []

    def set(self, jobs: Iterable[Job]) -> None:
        """Scrape what these say from now on; targets they do not change go on as they are."""
        before, self.targets, self.dropped = self.targets, [], []
        for job in jobs:
            for discovered in job.targets:
                target = target_of(job, discovered)
                if target is None:
                    self.dropped.append({"job": job.name, **discovered})
                    continue
                known = next((one for one in before if one.same_as(target)), None)
                if known is not None:
                    before.remove(known)
                self.targets.append(known or target)
        for target in before:
            target.stop()
            self._end(target)
        for target in self.targets:
            if target.task is None:
                target.task = self.world.spawn(self._keep(target), f"scrape {target.url}")

    def stop(self) -> None:
        """Stop scraping."""
        for target in self.targets:
            target.stop()

    async def _keep(self, target: Target) -> None:
        interval_s = target.job.interval_ms / 1000
        await self.world.clock.sleep(self.world.rand.random() * min(interval_s, 1.0))
        while True:
            begun = self.world.clock.now_ns()
            await self.scrape(target)
            took = (self.world.clock.now_ns() - begun) / 1e9
            await self.world.clock.sleep(max(interval_s - took, 0.05))

    async def scrape(self, target: Target) -> None:
        """Fetch one page and store it."""
        clock = self.world.clock
        now_ms, begun = clock.wall_ms(), clock.now_ns()
        page, problem = Page(), ""
        try:
            page = await self._page(target)
            samples = self._samples(target, page, now_ms)
        except (FetchFailed, BadExposition) as exc:
            samples, problem = [], str(exc)
        alive = {labels for labels, t, _ in samples if t == now_ms}
        gone = [(labels, now_ms, STALE) for labels in target.alive - alive]
        took_s = (clock.now_ns() - begun) / 1e9
        target.metadata = page.metadata or target.metadata
        counted = (len(page.lines), len(samples), len(alive - target.alive))
        told = (0.0 if problem else 1.0, took_s, *map(float, counted))
        reports = _reports(target, dict(zip(REPORTS, told, strict=True)), now_ms)
        unwritten = self._write([*samples, *gone, *reports])
        problem = problem or unwritten
        target.alive = alive
        target.health, target.error = ("down", problem) if problem else ("up", "")
        target.last_ms, target.took_s = now_ms, took_s

    def _end(self, target: Target) -> None:
        """The series of a target that is scraped no more end now."""
        if target.last_ms:
            now_ms = self.world.clock.wall_ms()
            reports = _reports(target, dict.fromkeys(REPORTS, STALE), now_ms)
            self._write([*((labels, now_ms, STALE) for labels in target.alive), *reports])

    def _write(self, samples: list[Sample]) -> str:
        """Store samples; why they were not, or ""."""
        try:
            self.store.write_samples(samples)
        except (DiskFull, TooManySeries) as exc:
            return str(exc)
        return ""

    async def _page(self, target: Target) -> Page:
        headers = {
            "Accept": ACCEPT,
            "Accept-Encoding": "gzip",
            "User-Agent": "Prometheus/2.42.0",
            "X-Prometheus-Scrape-Timeout-Seconds": f"{target.job.timeout_ms / 1000:g}",
        }
        if target.job.authorization:
            headers["Authorization"] = target.job.authorization
        answer = await fetch(
            self.world, "GET", target.address, target.path, headers,
            timeout_s=target.job.timeout_ms / 1000,
        )  # fmt: skip
        if answer.status != 200:
            raise FetchFailed(f"server returned HTTP status {answer.status}")
        openmetrics = answer.headers.get("content-type", "").startswith(
            "application/openmetrics-text"
        )
        page = parse_page(answer.body.decode("utf-8", "replace"), openmetrics)
        if target.job.sample_limit and len(page.lines) > target.job.sample_limit:
            raise FetchFailed("sample limit exceeded")
        return page

    def _samples(self, target: Target, page: Page, now_ms: int) -> list[Sample]:
        samples: list[Sample] = []
        for line in page.lines:
            if line.series not in target.known:
                target.known[line.series] = _stored(target, line.name, line.labels)
            labels = target.known[line.series]
            if labels is None:
                continue
            t = now_ms
            if line.time_ms is not None and target.job.honor_timestamps:
                t = line.time_ms
            samples.append((labels, t, line.value))
            if line.exemplar is not None:
                self.exemplars.add(labels, line.exemplar, now_ms)
        if len(target.known) > 2 * len(page.lines) + 1000:
            target.known.clear()  # a page whose series come and go
        return samples


def _reports(target: Target, values: dict[str, float], now_ms: int) -> list[Sample]:
    """What is told of a target itself."""
    return [
        (labels_of({**target.labels, "__name__": name}), now_ms, value)
        for name, value in values.items()
    ]


def _stored(target: Target, name: str, text: str) -> Labels | None:
    """The labels of a series as it is stored: its own and those of its target, relabelled."""
    own = dict(labels_in(text))
    merged = {**own, "__name__": name}
    for label, value in target.labels.items():
        if label not in own:
            merged[label] = value
        elif not target.job.honor_labels:
            merged[f"exported_{label}"] = own[label]
            merged[label] = value
    relabelled = apply(target.job.metric_relabel, merged)
    return None if relabelled is None else labels_of(relabelled)
