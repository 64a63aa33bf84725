"""The configuration file, in Prometheus' format: what to scrape, which rules, whom to alert.

    global: {scrape_interval, scrape_timeout, evaluation_interval, external_labels}
    rule_files: [rules.yml]
    alerting: {alertmanagers: [{scheme, path_prefix, static_configs: [{targets: [...]}]}]}
    scrape_configs: [{job_name, static_configs, metrics_path, params, relabel_configs, ...}]

Relative paths begin at the file's directory.  Left out: discovery of targets other than
static_configs, TLS towards targets; other keys are refused by name rather than passed over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from bedrock.app.config import ConfigError
from tsdb.monitor.relabel import relabels
from tsdb.monitor.settings import Group, Job, Rule, Settings
from tsdb.promql.errors import ParseError
from tsdb.promql.lexer import parse_duration
from tsdb.promql.parser import parse

MINUTE_MS = 60_000


def load(path: str) -> Settings:
    """Read a configuration file and its rule files; ConfigError."""
    file = Path(path)
    text = _read(file)
    content = Section(_parsed(text, file), path)
    common = content.section("global")
    interval = common.duration("scrape_interval", MINUTE_MS)
    timeout = common.duration("scrape_timeout", min(10_000, interval))
    every = common.duration("evaluation_interval", MINUTE_MS)
    settings = Settings(text, external_labels=common.strings("external_labels"))
    for job in content.sections("scrape_configs"):
        settings.jobs.append(_job(job, interval, timeout))
    for pattern in content.take("rule_files", list, []):
        for rules in sorted(file.parent.glob(pattern)) or [file.parent / pattern]:
            settings.groups += _groups(rules, every)
    for manager in content.section("alerting").sections("alertmanagers"):
        prefix = manager.take("path_prefix", str, "/").strip("/")
        for group in manager.sections("static_configs"):
            for target in group.take("targets", list, []):
                settings.alertmanagers.append(f"{target}/{prefix}".rstrip("/"))
        manager.take("scheme", str, "http")
        manager.take("timeout", str, "10s")
        manager.take("api_version", str, "v2")
    for unused in ("remote_write", "remote_read", "storage"):
        if content.take(unused, object, None):
            raise content.trouble(f"{unused} is not supported")
    return settings


class Section:
    """A mapping of the file; what nobody took at the end is a mistake."""

    def __init__(self, content: Any, where: str):
        if not isinstance(content, Mapping):
            raise ConfigError(f"{where}: expected a mapping")
        self.content = content
        self.where = where

    def trouble(self, why: str) -> ConfigError:
        return ConfigError(f"{self.where}: {why}")

    def take(self, key: str, kind: type, default: Any) -> Any:
        value = self.content.get(key, default)
        if value is not None and value is not default and not isinstance(value, kind):
            raise self.trouble(f"{key}: expected {kind.__name__}")
        return default if value is None else value

    def section(self, key: str) -> Section:
        return Section(self.take(key, Mapping, {}), f"{self.where}: {key}")

    def sections(self, key: str) -> list[Section]:
        listed = self.take(key, list, [])
        return [Section(one, f"{self.where}: {key}[{i}]") for i, one in enumerate(listed)]

    def strings(self, key: str) -> dict[str, str]:
        return {str(k): str(v) for k, v in self.take(key, Mapping, {}).items()}

    def duration(self, key: str, default_ms: int) -> int:
        text = self.content.get(key)
        if text is None:
            return default_ms
        try:
            return 0 if str(text) in ("0", "0s") else parse_duration(str(text))
        except ValueError as exc:
            raise self.trouble(f"{key}: {exc}") from exc

    def only(self, keys: Sequence[str]) -> None:
        """ConfigError for a key that is none of these."""
        for key in self.content:
            if key not in keys:
                raise self.trouble(f"field {key} is not known here")


JOB_KEYS = (
    "job_name", "scrape_interval", "scrape_timeout", "metrics_path", "scheme", "params",
    "honor_labels", "honor_timestamps", "static_configs", "relabel_configs",
    "metric_relabel_configs", "basic_auth", "authorization", "bearer_token", "sample_limit",
    "follow_redirects", "enable_http2",
)  # fmt: skip


def _job(section: Section, interval: int, timeout: int) -> Job:
    section.only(JOB_KEYS)
    name = section.take("job_name", str, "")
    if not name:
        raise section.trouble("job_name is missing")
    if section.take("scheme", str, "http") != "http":
        raise section.trouble("only scheme http is supported")
    job = Job(
        name,
        section.duration("scrape_interval", interval),
        section.duration("scrape_timeout", min(timeout, section.duration("scrape_interval",
                                                                         interval))),
        section.take("metrics_path", str, "/metrics"),
        {k: [str(v) for v in vs] for k, vs in section.take("params", Mapping, {}).items()},
        section.take("honor_labels", bool, False),
        section.take("honor_timestamps", bool, True),
        _authorization(section),
        section.take("sample_limit", int, 0),
    )
    for group in section.sections("static_configs"):
        group.only(("targets", "labels"))
        for target in group.take("targets", list, []):
            job.targets.append({**group.strings("labels"), "__address__": str(target)})
    job.relabel = relabels(section.take("relabel_configs", list, []), section.where)
    job.metric_relabel = relabels(section.take("metric_relabel_configs", list, []), section.where)
    return job


def _authorization(section: Section) -> str:
    import base64

    basic = section.section("basic_auth")
    if basic.content:
        word = f"{basic.take('username', str, '')}:{basic.take('password', str, '')}"
        return "Basic " + base64.b64encode(word.encode()).decode()
    given = section.section("authorization")
    token = given.take("credentials", str, section.take("bearer_token", str, ""))
    return f"{given.take('type', str, 'Bearer')} {token}" if token else ""


def _groups(file: Path, every: int) -> list[Group]:
    content = Section(_parsed(_read(file), file), str(file))
    content.only(("groups",))
    groups = []
    for section in content.sections("groups"):
        section.only(("name", "interval", "limit", "rules"))
        rules = [_rule(rule) for rule in section.sections("rules")]
        name = section.take("name", str, "")
        interval = section.duration("interval", every)
        groups.append(Group(name, str(file), interval, section.take("limit", int, 0), rules))
    return groups


def _rule(section: Section) -> Rule:
    section.only(("record", "alert", "expr", "for", "keep_firing_for", "labels", "annotations"))
    rule = Rule(
        str(section.take("expr", object, "")),
        section.take("record", str, ""),
        section.take("alert", str, ""),
        section.duration("for", 0),
        section.duration("keep_firing_for", 0),
        section.strings("labels"),
        section.strings("annotations"),
    )
    if bool(rule.record) == bool(rule.alert):
        raise section.trouble("one of 'record' and 'alert' must be set")
    try:
        parse(rule.expr)
    except ParseError as exc:
        raise section.trouble(f"could not parse expression: {exc}") from exc
    return rule


def _read(file: Path) -> str:
    try:
        return file.read_text()
    except OSError as exc:
        raise ConfigError(f"{file}: {exc.strerror}") from exc


def _parsed(text: str, file: Path) -> Any:
    try:
        return yaml.safe_load(text) or {}
    except yaml.YAMLError as exc:
        raise ConfigError(f"{file}: {exc}") from exc
