"""Relabelling: rules that change, keep or drop a set of labels, as Prometheus has them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from bedrock.app.config import ConfigError
from bedrock.lazy import hashlib
from tsdb.labels import is_label_name
from tsdb.promql.template_text import expand
from tsdb.regex import BadRegex, Regex, compile_regex

Labels = dict[str, str]
DEFAULTS: dict[str, Any] = {
    "action": "replace", "source_labels": (), "separator": ";", "regex": "(.*)",
    "target_label": "", "replacement": "$1", "modulus": 0,
}  # fmt: skip


@dataclass(frozen=True)
class Relabel:
    """One rule."""

    action: str
    sources: tuple[str, ...]
    separator: str
    regex: Regex
    target: str
    replacement: str
    modulus: int


def relabels(configs: Sequence[dict[str, Any]], where: str) -> list[Relabel]:
    """The rules of a list in the configuration; ConfigError."""
    made = []
    for config in configs:
        if unknown := config.keys() - DEFAULTS.keys():
            raise ConfigError(f"{where}: field {min(unknown)} is not known here")
        given = DEFAULTS | config
        if given["action"].lower() not in ACTIONS:
            raise ConfigError(f"{where}: unknown relabel action {given['action']!r}")
        try:
            regex = compile_regex(str(given["regex"]))
        except BadRegex as exc:
            raise ConfigError(f"{where}: {exc}") from exc
        made.append(
            Relabel(
                given["action"].lower(), tuple(given["source_labels"]), given["separator"], regex,
                given["target_label"], given["replacement"], given["modulus"],
            )
        )  # fmt: skip
    return made


def apply(rules: Sequence[Relabel], labels: Labels) -> Labels | None:
    """The labels after all rules, None where one drops them."""
    for rule in rules:
        value = rule.separator.join(labels.get(name, "") for name in rule.sources)
        changed = ACTIONS[rule.action](rule, value, dict(labels))
        if changed is None:
            return None
        labels = {name: value for name, value in changed.items() if value}
    return labels


def _replace(rule: Relabel, value: str, labels: Labels) -> Labels:
    match = rule.regex.fullmatch(value)
    if match is not None:
        target = expand(rule.target, match)
        result = expand(rule.replacement, match) if is_label_name(target) else ""
        labels[target if is_label_name(target) else rule.target] = result
    return labels


def _kept(condition: Callable[[Relabel, str, Labels], bool]) -> Callable[..., Labels | None]:
    return lambda rule, value, labels: labels if condition(rule, value, labels) else None


def _setting(make: Callable[[Relabel, str], str]) -> Callable[..., Labels]:
    return lambda rule, value, labels: labels | {rule.target: make(rule, value)}


def _hash(rule: Relabel, value: str) -> str:
    digest = hashlib.md5(value.encode(), usedforsecurity=False).digest()
    return str(int.from_bytes(digest[8:], "big") % rule.modulus)


def _map(rule: Relabel, value: str, labels: Labels) -> Labels:
    for name, old in list(labels.items()):
        if match := rule.regex.fullmatch(name):
            labels[expand(rule.replacement, match)] = old
    return labels


def _names(keep: bool) -> Callable[..., Labels]:
    return lambda rule, value, labels: {
        name: old
        for name, old in labels.items()
        if rule.regex.matches(name) == keep
    }


ACTIONS: dict[str, Callable[[Relabel, str, Labels], Labels | None]] = {
    "replace": _replace,
    "keep": _kept(lambda rule, value, labels: rule.regex.matches(value)),
    "drop": _kept(lambda rule, value, labels: not rule.regex.matches(value)),
    "keepequal": _kept(lambda rule, value, labels: labels.get(rule.target, "") == value),
    "dropequal": _kept(lambda rule, value, labels: labels.get(rule.target, "") != value),
    "lowercase": _setting(lambda rule, value: value.lower()),
    "uppercase": _setting(lambda rule, value: value.upper()),
    "hashmod": _setting(_hash),
    "labelmap": _map,
    "labeldrop": _names(keep=False),
    "labelkeep": _names(keep=True),
}
