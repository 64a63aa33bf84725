"""The routes that tell what is watched: targets, rules, alerts, metadata, exemplars."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

from bedrock.net.http import Request, Response, Route
from tsdb.form import ApiError, Form, answering, success_of
from tsdb.matchers import Matcher
from tsdb.monitor.exemplars import Exemplars
from tsdb.monitor.exposition import Metadata
from tsdb.monitor.notify import Notifier, rfc3339
from tsdb.monitor.received import Received
from tsdb.monitor.rules import Alert, RuleManager, Standing
from tsdb.monitor.scrape import NEVER, Scraper, Target
from tsdb.promql import ast
from tsdb.promql.json_out import value_text
from tsdb.promql.parser import parse


class Discovery:
    """The handlers; `routes` is the table."""

    def __init__(
        self,
        scraper: Scraper,
        rules: RuleManager,
        notifier: Notifier,
        exemplars: Exemplars,
        received: Received,
    ):
        self.received = received
        self.scraper = scraper
        self.rules = rules
        self.notifier = notifier
        self.exemplars = exemplars

    def routes(self) -> list[Route]:
        """Method, path, handler."""
        table = {
            "alertmanagers": self.alertmanagers,
            "alerts": self.alerts,
            "metadata": self.metadata,
            "query_exemplars": self.query_exemplars,
            "rules": self.rule_groups,
            "scrape_pools": self.scrape_pools,
            "targets": self.targets,
            "targets/metadata": self.target_metadata,
        }
        routes = [Route("GET", f"/api/v1/{path}", answering(h)) for path, h in table.items()]
        posted = Route("POST", "/api/v1/query_exemplars", answering(self.query_exemplars))
        return [*routes, posted]

    # ---- targets -----------------------------------------------------------------------

    def targets(self, request: Request) -> Response:
        """The targets, and the addresses that relabelling dropped."""
        form = Form(request)
        pool, state = form.get("scrapePool"), form.get("state", "any").lower()
        active = [
            _target(target)
            for target in self.scraper.targets
            if pool in ("", target.job.name) and state in ("active", "any")
        ]
        dropped = [
            {"discoveredLabels": labels}
            for labels in self.scraper.dropped
            if pool in ("", labels["job"]) and state in ("dropped", "any")
        ]
        return success_of({"activeTargets": active, "droppedTargets": dropped})

    def scrape_pools(self, request: Request) -> Response:
        """The names of the jobs."""
        names = sorted({target.job.name for target in self.scraper.targets})
        return success_of({"scrapePools": names})

    def target_metadata(self, request: Request) -> Response:
        """What each target tells of its metrics."""
        form = Form(request)
        metric, limit = form.get("metric"), form.count("limit")
        matchers: list[Matcher] = []
        if form.get("match_target"):
            from tsdb.promql.parser import parse_selector

            matchers = parse_selector(form.get("match_target"))
        found = []
        for target, name, told in self._told():
            if metric in ("", name) and all(
                m.matches(target.labels.get(m.name, "")) for m in matchers
            ):
                row: dict[str, Any] = {"target": target.labels}
                if not metric:
                    row["metric"] = name
                found.append(row | _metadata(told))
        return success_of(found if limit is None or limit < 0 else found[:limit])

    def metadata(self, request: Request) -> Response:
        """What is told of each metric."""
        form = Form(request)
        metric, limit = form.get("metric"), form.count("limit")
        found: dict[str, list[dict[str, str]]] = {}
        scraped = ((name, told) for _, name, told in self._told())
        for name, told in chain(scraped, self.received.metadata.items()):
            if metric in ("", name):
                listed = found.setdefault(name, [])
                if _metadata(told) not in listed:
                    listed.append(_metadata(told))
        if limit is not None and limit >= 0:
            found = dict(list(found.items())[:limit])
        return success_of(found)

    def _told(self) -> Iterator[tuple[Target, str, Metadata]]:
        for target in self.scraper.targets:
            for name, told in target.metadata.items():
                yield target, name, told

    # ---- rules -------------------------------------------------------------------------

    def rule_groups(self, request: Request) -> Response:
        """The groups and their rules."""
        kind = Form(request).get("type").lower()
        if kind not in ("", "alert", "record"):
            raise ApiError("bad_data", f'invalid parameter "type": not supported value "{kind}"')
        groups = []
        for running in self.rules.groups:
            group = running.group
            rules = [
                _rule(standing)
                for standing in running.rules
                if kind != ("record" if standing.rule.alert else "alert")
            ]
            groups.append(
                {
                    "name": group.name,
                    "file": group.file,
                    "rules": rules,
                    "interval": group.interval_ms / 1000,
                    "limit": group.limit,
                    "evaluationTime": running.took_s,
                    "lastEvaluation": _time(running.at_ms),
                }
            )
        return success_of({"groups": groups})

    def alerts(self, request: Request) -> Response:
        """The alerts that are pending or firing."""
        found = [
            _alert(alert)
            for running in self.rules.groups
            for standing in running.rules
            for alert in _active(standing)
        ]
        return success_of({"alerts": found})

    def alertmanagers(self, request: Request) -> Response:
        """Whom alerts are sent to."""
        active = [{"url": f"http://{a}/api/v2/alerts"} for a in self.notifier.addresses]
        return success_of({"activeAlertmanagers": active, "droppedAlertmanagers": []})

    # ---- exemplars ---------------------------------------------------------------------

    def query_exemplars(self, request: Request) -> Response:
        """The exemplars of the series in a query."""
        form = Form(request)
        low, high = form.span()
        if high < low:
            raise ApiError("bad_data", "end timestamp must not be before start timestamp")
        selectors = [each.matchers for each in ast.selectors(parse(form.get("query")))]
        return success_of(self.exemplars.find(selectors, low, high))


def _target(target: Target) -> dict[str, Any]:
    return {
        "discoveredLabels": target.discovered,
        "labels": target.labels,
        "scrapePool": target.job.name,
        "scrapeUrl": target.url,
        "globalUrl": target.url,
        "lastError": target.error,
        "lastScrape": _time(target.last_ms),
        "lastScrapeDuration": target.took_s,
        "health": target.health,
        "scrapeInterval": target.discovered["__scrape_interval__"],
        "scrapeTimeout": target.discovered["__scrape_timeout__"],
    }


def _metadata(told: Metadata) -> dict[str, str]:
    return {"type": told.type, "help": told.help, "unit": told.unit}


def _rule(standing: Standing) -> dict[str, Any]:
    rule = standing.rule
    common = {
        "query": _laid_out(rule.expr),
        "labels": rule.labels,
        "health": standing.health,
        "evaluationTime": standing.took_s,
        "lastEvaluation": _time(standing.at_ms),
    }
    if standing.error:
        common["lastError"] = standing.error
    if rule.record:
        return {"name": rule.record, **common, "type": "recording"}
    return {
        "state": standing.state,
        "name": rule.alert,
        "duration": rule.hold_ms / 1000,
        "keepFiringFor": rule.keep_firing_ms / 1000,
        "annotations": rule.annotations,
        "alerts": [_alert(alert) for alert in _active(standing)],
        **common,
        "type": "alerting",
    }


def _active(standing: Standing) -> list[Alert]:
    return [alert for alert in standing.alerts.values() if alert.state != "inactive"]


def _alert(alert: Alert) -> dict[str, Any]:
    return {
        "labels": alert.labels.as_dict(),
        "annotations": alert.annotations,
        "state": alert.state,
        "activeAt": _time(alert.active_ms),
        "value": _exponent(alert.value),
    }


def _exponent(value: float) -> str:
    """A value as alerts show it: 1.5e+00."""
    text = value_text(value)
    if not text.lstrip("-")[0].isdigit():
        return text
    mantissa, _, power = f"{value:.16e}".partition("e")
    for digits in range(17):
        if float(f"{value:.{digits}e}") == value:
            mantissa, _, power = f"{value:.{digits}e}".partition("e")
            break
    return f"{mantissa}e{power}"


def _laid_out(text: str) -> str:
    from tsdb.promql.format import text_of

    return text_of(parse(text))


def _time(ms: int) -> str:
    return rfc3339(ms) if ms else NEVER
