"""Configuration of a topic: what a client may set, read and alter, as a table.

The names are Kafka's.  A broker-wide default (kafkalite.config) stands behind each, and a topic's
own value overrides it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Any

from kafkalite.errors import Code, KafkaError


class ConfigType(IntEnum):
    """How DescribeConfigs names the type of a value."""

    BOOLEAN = 1
    STRING = 2
    INT = 3
    LONG = 5
    LIST = 7


class Source(IntEnum):
    """Where a value comes from, in DescribeConfigs."""

    TOPIC = 1
    STATIC_BROKER = 4
    DEFAULT = 5


@dataclass(frozen=True)
class LogConfig:
    """The options a log acts on; see `OPTIONS` for their names outside."""

    segment_bytes: int = 1 << 30
    segment_ms: int = 604_800_000
    retention_bytes: int = -1
    retention_ms: int = 604_800_000
    max_message_bytes: int = 1_048_588
    index_interval_bytes: int = 4096
    append_time: bool = False
    cleanup: tuple[str, ...] = ("delete",)
    delete_retention_ms: int = 86_400_000
    min_cleanable_dirty_ratio: float = 0.5
    min_compaction_lag_ms: int = 0
    max_compaction_lag_ms: int = (1 << 63) - 1

    @property
    def compact(self) -> bool:
        """True if of each key only the newest record is kept."""
        return "compact" in self.cleanup

    @property
    def delete(self) -> bool:
        """True if old segments go."""
        return "delete" in self.cleanup


@dataclass(frozen=True)
class Option:
    """One topic option.

    field    of LogConfig; "" for an option that has one possible value
    parse    text -> value; ValueError refuses
    """

    name: str
    type: ConfigType
    default: str
    parse: Callable[[str], Any]
    help: str
    field: str = ""


def _at_least(least: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        value = int(text)
        if value < least:
            raise ValueError(f"at least {least}")
        return value

    return parse


def _one_of(*allowed: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in allowed:
            raise ValueError(f"one of {', '.join(allowed)}")
        return text

    return parse


def _append_time(text: str) -> bool:
    return _one_of("CreateTime", "LogAppendTime")(text) == "LogAppendTime"


def _policies(text: str) -> tuple[str, ...]:
    return tuple(_one_of("compact", "delete")(word.strip()) for word in text.split(","))


OPTIONS = {
    option.name: option
    for option in (
        Option(
            "cleanup.policy", ConfigType.LIST, "delete", _policies,
            "what becomes of old segments", "cleanup",
        ),
        Option(
            "compression.type", ConfigType.STRING, "producer", _one_of("producer"),
            "batches are stored as the producer packed them",
        ),
        Option(
            "index.interval.bytes", ConfigType.INT, "4096", _at_least(0),
            "bytes of log per index entry", "index_interval_bytes",
        ),
        Option(
            "max.message.bytes", ConfigType.INT, "1048588", _at_least(0),
            "largest batch that is accepted", "max_message_bytes",
        ),
        Option(
            "message.timestamp.type", ConfigType.STRING, "CreateTime", _append_time,
            "whose clock a record's timestamp is from", "append_time",
        ),
        Option(
            "min.insync.replicas", ConfigType.INT, "1", _at_least(1),
            "there is one replica, always in sync",
        ),
        Option(
            "retention.bytes", ConfigType.LONG, "-1", _at_least(-1),
            "size of a partition above which old segments go; -1 for any", "retention_bytes",
        ),
        Option(
            "retention.ms", ConfigType.LONG, "604800000", _at_least(-1),
            "age above which segments go; -1 for any", "retention_ms",
        ),
        Option(
            "segment.bytes", ConfigType.INT, "1073741824", _at_least(14),
            "size at which a segment is rolled", "segment_bytes",
        ),
        Option(
            "segment.ms", ConfigType.LONG, "604800000", _at_least(1),
            "age at which a segment is rolled", "segment_ms",
        ),
    )
}


def check(overrides: Mapping[str, str | None]) -> None:
    """KafkaError (INVALID_CONFIG) unless every name is known and every value acceptable."""
    for name, text in overrides.items():
        option = OPTIONS.get(name)
        if option is None:
            raise KafkaError(Code.INVALID_CONFIG, f"Unknown topic config name: {name}")
        if text is None:
            raise KafkaError(Code.INVALID_CONFIG, f"{name} has no value")
        try:
            option.parse(text)
        except ValueError as exc:
            raise KafkaError(
                Code.INVALID_CONFIG, f"Invalid value {text} for configuration {name}: {exc}"
            ) from None


def log_config(defaults: LogConfig, overrides: Mapping[str, str]) -> LogConfig:
    """What a log of a topic with these overrides acts on."""
    values = {f.name: getattr(defaults, f.name) for f in fields(LogConfig)}
    for name, text in overrides.items():
        option = OPTIONS[name]
        if option.field:
            values[option.field] = option.parse(text)
    return LogConfig(**values)


def default_text(option: Option, defaults: LogConfig) -> str:
    """The text of the broker-wide value of an option."""
    if not option.field:
        return option.default
    if option.field == "append_time":
        return "LogAppendTime" if defaults.append_time else "CreateTime"
    if option.field == "cleanup":
        return ",".join(defaults.cleanup)
    return str(getattr(defaults, option.field))
