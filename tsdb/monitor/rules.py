"""Rules: PromQL evaluated every interval; results are recorded as series, or are alerts.

    pending ──(held for `for`)──► firing ──(gone for `keep_firing_for`)──► inactive, resolved

Groups evaluate side by side; the rules of a group one after the other, so that one may use what the
one before it recorded.  A series that a rule no longer gives ends with a stale marker.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field

from bedrock.world import DiskFull, World
from tsdb.budget import Budget
from tsdb.head import TooManySeries
from tsdb.labels import Labels, labels_of
from tsdb.matchers import Matcher
from tsdb.monitor.notify import Notifier
from tsdb.monitor.scrape import STALE, Sample
from tsdb.monitor.settings import Group, Rule
from tsdb.monitor.template import Template
from tsdb.promql.errors import QueryError
from tsdb.store import Store

RESOLVED_KEPT_MS = 15 * 60_000
RESEND_MS = 60_000
OUTAGE_MS = 3_600_000  # how long a restart may take for alerts to go on
GRACE_MS = 600_000
Rows = list[tuple[dict[str, str], float]]


class RuleFailed(Exception):
    """A rule that could not be evaluated; the message says why."""


@dataclass
class Alert:
    """One alert of a rule."""

    labels: Labels
    annotations: dict[str, str]
    value: float
    active_ms: int
    state: str = "pending"
    fired_ms: int = 0
    resolved_ms: int = 0
    kept_since_ms: int = 0
    sent_ms: int = 0
    valid_ms: int = 0


@dataclass
class Standing:
    """How a rule stands."""

    rule: Rule
    health: str = "unknown"
    error: str = ""
    at_ms: int = 0
    took_s: float = 0.0
    alerts: dict[Labels, Alert] = field(default_factory=dict)
    alive: set[Labels] = field(default_factory=set)

    @property
    def state(self) -> str:
        """That of its most serious alert."""
        states = {alert.state for alert in self.alerts.values()}
        return next((s for s in ("firing", "pending") if s in states), "inactive")


@dataclass
class Running:
    """A group, and how it stands."""

    group: Group
    rules: list[Standing]
    at_ms: int = 0
    took_s: float = 0.0
    task: asyncio.Task | None = None

    def stop(self) -> None:
        """Evaluate it no more."""
        if self.task is not None:
            self.task.cancel()
            self.task = None


class RuleManager:
    """Evaluates all groups."""

    def __init__(
        self,
        world: World,
        store: Store,
        notifier: Notifier,
        budget: Callable[[], Budget],
    ):
        self.world = world
        self.store = store
        self.notifier = notifier
        self.budget = budget
        self.external: dict[str, str] = {}
        self.url = ""
        self.groups: list[Running] = []

    def set(self, groups: Iterable[Group], external: dict[str, str]) -> None:
        """Have these groups; rules that were there already stand as they stood."""
        self.external = external
        before, self.groups = self.groups, []
        for group in groups:
            known = next((r for r in before if r.group.key == group.key), None)
            if known is not None:
                before.remove(known)
            if known is not None and known.group == group:
                self.groups.append(known)
                continue
            standing = {} if known is None else {s.rule.key: s for s in known.rules}
            rules = [standing.pop(rule.key, Standing(rule)) for rule in group.rules]
            self.groups.append(Running(group, rules))
            if known is not None:
                known.stop()
                self._end(standing.values())
        for running in before:
            running.stop()
            self._end(running.rules)

    def start(self) -> None:
        """Evaluate the groups that are not yet."""
        for running in self.groups:
            if running.task is None:
                name = f"rules {running.group.name}"
                running.task = self.world.spawn(self._keep(running), name)

    def stop(self) -> None:
        """Stop evaluating."""
        for running in self.groups:
            running.stop()

    def _end(self, gone: Iterable[Standing]) -> None:
        """The series of rules that are no more end now."""
        now_ms = self.world.clock.wall_ms()
        with suppress(DiskFull):
            self.store.write_samples(
                (labels, now_ms, STALE) for standing in gone for labels in standing.alive
            )

    async def _keep(self, running: Running) -> None:
        interval_s = running.group.interval_ms / 1000
        await self.world.clock.sleep(self.world.rand.random() * min(interval_s, 1.0))
        while True:
            now_ms = self.world.clock.wall_ms()
            await self.evaluate(running, now_ms)
            await self.notifier.flush()
            took = (self.world.clock.wall_ms() - now_ms) / 1000
            await self.world.clock.sleep(max(interval_s - took, 0.05))

    async def evaluate(self, running: Running, now_ms: int) -> None:
        """All rules of a group, once."""
        clock = self.world.clock
        begun = clock.now_ns()
        for standing in running.rules:
            before = clock.now_ns()
            try:
                samples = await self.store.queries.ask(
                    self._evaluate, standing, running.group, now_ms
                )
                alive = {labels for labels, _, _ in samples}
                gone = [(labels, now_ms, STALE) for labels in standing.alive - alive]
                self.store.write_samples([*samples, *gone])
                standing.alive = alive
                standing.health, standing.error = "ok", ""
            except (QueryError, RuleFailed, DiskFull, TooManySeries) as exc:
                standing.health, standing.error = "err", str(exc)
            standing.at_ms, standing.took_s = now_ms, (clock.now_ns() - before) / 1e9
        running.at_ms, running.took_s = now_ms, (clock.now_ns() - begun) / 1e9

    def query(self, text: str, now_ms: int) -> Rows:
        """An instant query's rows: a scalar is a row without labels."""
        from tsdb.promql.engine import instant_query
        from tsdb.promql.vector import Vector

        result = instant_query(self.store.finder, text, now_ms, budget=self.budget())
        value = result.value
        if isinstance(value, Vector):
            return [
                (labels.as_dict(), float(v))
                for labels, v in zip(value.labels, value.values[:, 0], strict=True)
            ]
        if result.type == "scalar":
            return [({}, float(value[0]))]  # type: ignore[arg-type, index]
        raise RuleFailed("rule result is not a vector or scalar")

    def _evaluate(self, standing: Standing, group: Group, now_ms: int) -> list[Sample]:
        rows = self.query(standing.rule.expr, now_ms)
        if standing.rule.alert:
            samples = self._alerts(standing, group, rows, now_ms)
            self._send(standing, group, now_ms)
            return samples
        samples = []
        for labels, value in rows:
            named = {**labels, "__name__": standing.rule.record, **standing.rule.labels}
            samples.append((labels_of(named), now_ms, value))
        if len({labels for labels, _, _ in samples}) < len(samples):
            raise RuleFailed(
                "vector contains metrics with the same labelset after applying rule labels"
            )
        if group.limit and len(samples) > group.limit:
            raise RuleFailed(f"exceeded limit of {group.limit} with {len(samples)} series")
        return samples

    # ---- alerts ------------------------------------------------------------------------

    def _alerts(
        self, standing: Standing, group: Group, rows: Rows, now_ms: int
    ) -> list[Sample]:
        """Bring the alerts up to date; returns ALERTS and ALERTS_FOR_STATE."""
        rule, alerts = standing.rule, standing.alerts
        found: dict[Labels, Alert] = {}
        for labels, value in rows:
            alert = self._alert(rule, labels, value, now_ms)
            if alert.labels in found:
                raise RuleFailed(
                    "vector contains metrics with the same labelset after applying alert labels"
                )
            found[alert.labels] = alert
        for key, alert in found.items():
            known = alerts.get(key)
            if known is not None and known.state != "inactive":
                known.value, known.annotations = alert.value, alert.annotations
            else:
                alerts[key] = alert
                if not standing.at_ms and rule.hold_ms >= GRACE_MS:
                    self._restore(alert, rule, now_ms)
        samples: list[Sample] = []
        for key, alert in list(alerts.items()):
            if key in found:
                alert.kept_since_ms = 0
            elif not self._kept(alert, rule, now_ms):
                if alert.state == "pending" or (
                    alert.resolved_ms and now_ms - alert.resolved_ms > RESOLVED_KEPT_MS
                ):
                    del alerts[key]
                if alert.state != "inactive":
                    alert.state, alert.resolved_ms = "inactive", now_ms
                continue
            if alert.state == "pending" and now_ms - alert.active_ms >= rule.hold_ms:
                alert.state, alert.fired_ms = "firing", now_ms
            own = alert.labels.as_dict()
            state = {**own, "__name__": "ALERTS", "alertstate": alert.state}
            samples.append((labels_of(state), now_ms, 1.0))
            since = {**own, "__name__": "ALERTS_FOR_STATE"}
            samples.append((labels_of(since), now_ms, float(alert.active_ms // 1000)))
        if group.limit and len(samples) // 2 > group.limit:
            alerts.clear()
            raise RuleFailed(f"exceeded limit of {group.limit} with {len(samples) // 2} alerts")
        return samples

    def _restore(self, alert: Alert, rule: Rule, now_ms: int) -> None:
        """Let an alert that was pending before a restart go on from there.

        The time that nobody looked does not count; what is left is at least GRACE_MS.
        """
        labels = labels_of({**alert.labels.as_dict(), "__name__": "ALERTS_FOR_STATE"})
        matchers = [Matcher(name, "=", value) for name, value in labels.pairs]
        columns = self.store.select(matchers, now_ms - OUTAGE_MS, now_ms)
        if labels not in columns.labels:
            return
        times, values = columns.samples(columns.labels.index(labels))
        last_ms, since = int(times[-1]), float(values[-1])
        if math.isnan(since):
            return  # it had ended
        left_ms = rule.hold_ms - (last_ms - int(since) * 1000)
        if left_ms <= 0:
            alert.active_ms = int(since) * 1000
        else:
            alert.active_ms = now_ms + max(left_ms, GRACE_MS) - rule.hold_ms

    def _kept(self, alert: Alert, rule: Rule, now_ms: int) -> bool:
        """Whether one that is no longer found goes on firing for a while."""
        if alert.state != "firing" or not rule.keep_firing_ms:
            return False
        alert.kept_since_ms = alert.kept_since_ms or now_ms
        return now_ms - alert.kept_since_ms < rule.keep_firing_ms

    def _alert(self, rule: Rule, labels: dict[str, str], value: float, now_ms: int) -> Alert:
        template = Template(
            labels, value, self.external, self.url, lambda text: self.query(text, now_ms)
        )
        own = {name: text for name, text in labels.items() if name != "__name__"}
        own |= {name: template.expand(text) for name, text in rule.labels.items()}
        annotations = {name: template.expand(text) for name, text in rule.annotations.items()}
        return Alert(labels_of({**own, "alertname": rule.alert}), annotations, value, now_ms)

    def _send(self, standing: Standing, group: Group, now_ms: int) -> None:
        """Queue the alerts that Alertmanager should hear of now."""
        for alert in standing.alerts.values():
            resolved = alert.resolved_ms > alert.sent_ms
            if alert.state == "pending" or not (
                resolved or alert.sent_ms + RESEND_MS < now_ms
            ):
                continue
            alert.sent_ms = now_ms
            alert.valid_ms = now_ms + 4 * max(RESEND_MS, group.interval_ms)
            self.notifier.queue(
                {**self.external, **alert.labels.as_dict()},
                alert.annotations,
                alert.fired_ms,
                alert.resolved_ms or alert.valid_ms,
                standing.rule.expr,
            )
