"""Configuration of a topic: what a client may set, read and alter, as a table.

The names are Kafka's.  A broker-wide default (kafkalite.config) stands behind each, and a topic's
own value overrides it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Any

from kafkalite.errors import Code, KafkaError


class ConfigType(IntEnum):
    """How DescribeConfigs names the type of a value."""

    BOOLEAN = 1
    STRING = 2
    INT = 3
    SHORT = 4
    LONG = 5
    DOUBLE = 6
    LIST = 7
    PASSWORD = 9


class Source(IntEnum):
    """Where a value comes from, in DescribeConfigs."""

    TOPIC = 1
    BROKER = 2
    ALL_BROKERS = 3
    STATIC_BROKER = 4
    DEFAULT = 5
    GROUP = 8


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
    codec: str = "producer"  # or one of kafkalite.batch.CODECS
    timestamp_after_max_ms: int = 3_600_000
    timestamp_before_max_ms: int = (1 << 63) - 1
    cleanup: Sequence[str] = ("delete",)
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

    broker   the broker option that is its default; "" for none
    parse    text -> value; ValueError refuses
    field    of LogConfig; "" for an option that changes nothing here
    """

    name: str
    type: ConfigType
    default: str
    broker: str
    parse: Callable[[str], Any]
    help: str
    field: str = ""


def at_least(least: int) -> Callable[[str], int]:
    """A parser of whole numbers."""

    def parse(text: str) -> int:
        value = int(text)
        if value < least:
            raise ValueError(f"Value must be at least {least}")
        return value

    return parse


def one_of(*allowed: str) -> Callable[[str], str]:
    """A parser of words."""

    def parse(text: str) -> str:
        if text not in allowed:
            raise ValueError(f"String must be one of: {', '.join(allowed)}")
        return text

    return parse


def some_of(*allowed: str) -> Callable[[str], list[str]]:
    """A parser of lists of words."""

    def parse(text: str) -> list[str]:
        return [one_of(*allowed)(word) for word in words(text)]

    return parse


def words(text: str) -> list[str]:
    """The elements of a value of type LIST."""
    return [word for part in text.split(",") if (word := part.strip())]


def boolean(text: str) -> bool:
    """true or false."""
    return one_of("true", "false")(text.strip().lower()) == "true"


def fraction(text: str) -> float:
    """From 0 to 1."""
    value = float(text)
    if not 0 <= value <= 1:
        raise ValueError("Value must be between 0 and 1")
    return value


def _append_time(text: str) -> bool:
    return one_of("CreateTime", "LogAppendTime")(text) == "LogAppendTime"


def _codec(text: str) -> str:
    return "none" if one_of(*CODECS)(text) == "uncompressed" else text


FOREVER = str((1 << 63) - 1)
CODECS = ("uncompressed", "zstd", "lz4", "snappy", "gzip", "producer")
_INT, _LONG, _TEXT = ConfigType.INT, ConfigType.LONG, ConfigType.STRING
_LIST, _BOOL = ConfigType.LIST, ConfigType.BOOLEAN

_OPTIONS = (
    Option("cleanup.policy", _LIST, "delete", "log.cleanup.policy",
           some_of("compact", "delete"), "what becomes of old segments", "cleanup"),
    Option("compression.gzip.level", _INT, "-1", "compression.gzip.level", at_least(-1),
           "the codec's usual level is used"),
    Option("compression.lz4.level", _INT, "9", "compression.lz4.level", at_least(1),
           "the codec's usual level is used"),
    Option("compression.type", _TEXT, "producer", "compression.type", _codec,
           "what batches are packed with; producer: as they come", "codec"),
    Option("compression.zstd.level", _INT, "3", "compression.zstd.level", at_least(-131072),
           "the codec's usual level is used"),
    Option("delete.retention.ms", _LONG, "86400000", "log.cleaner.delete.retention.ms",
           at_least(0), "time that tombstones are kept in a compacted topic",
           "delete_retention_ms"),
    Option("file.delete.delay.ms", _LONG, "60000", "log.segment.delete.delay.ms", at_least(0),
           "files are deleted at once, as no reader needs them"),
    Option("flush.messages", _LONG, FOREVER, "log.flush.interval.messages", at_least(1),
           "the broker's --fsync decides instead"),
    Option("flush.ms", _LONG, FOREVER, "log.flush.interval.ms", at_least(0),
           "the broker's --fsync decides instead"),
    Option("follower.replication.throttled.replicas", _LIST, "", "",
           words, "there are no followers"),
    Option("index.interval.bytes", _INT, "4096", "log.index.interval.bytes", at_least(0),
           "bytes of log per index entry", "index_interval_bytes"),
    Option("leader.replication.throttled.replicas", _LIST, "", "",
           words, "there are no followers"),
    Option("local.retention.bytes", _LONG, "-2", "log.local.retention.bytes", at_least(-2),
           "all storage is local"),
    Option("local.retention.ms", _LONG, "-2", "log.local.retention.ms", at_least(-2),
           "all storage is local"),
    Option("max.compaction.lag.ms", _LONG, FOREVER, "log.cleaner.max.compaction.lag.ms",
           at_least(1), "age at which a record must be up for compaction",
           "max_compaction_lag_ms"),
    Option("max.message.bytes", _INT, "1048588", "message.max.bytes", at_least(0),
           "largest batch that is accepted", "max_message_bytes"),
    Option("message.timestamp.after.max.ms", _LONG, "3600000",
           "log.message.timestamp.after.max.ms", at_least(0),
           "how far in the future a producer's timestamp may be", "timestamp_after_max_ms"),
    Option("message.timestamp.before.max.ms", _LONG, FOREVER,
           "log.message.timestamp.before.max.ms", at_least(0),
           "how far in the past a producer's timestamp may be", "timestamp_before_max_ms"),
    Option("message.timestamp.type", _TEXT, "CreateTime", "log.message.timestamp.type",
           _append_time, "whose clock a record's timestamp is from", "append_time"),
    Option("min.cleanable.dirty.ratio", ConfigType.DOUBLE, "0.5",
           "log.cleaner.min.cleanable.ratio", fraction, "share of a log that makes compaction due",
           "min_cleanable_dirty_ratio"),
    Option("min.compaction.lag.ms", _LONG, "0", "log.cleaner.min.compaction.lag.ms",
           at_least(0), "age below which a record is not compacted", "min_compaction_lag_ms"),
    Option("min.insync.replicas", _INT, "1", "min.insync.replicas", at_least(1),
           "there is one replica, always in sync"),
    Option("preallocate", _BOOL, "false", "log.preallocate", boolean,
           "files are allocated ahead in any case"),
    Option("remote.log.copy.disable", _BOOL, "false", "", boolean,
           "all storage is local"),
    Option("remote.log.delete.on.disable", _BOOL, "false", "",
           boolean, "all storage is local"),
    Option("remote.storage.enable", _BOOL, "false", "", one_of("false"),
           "all storage is local"),
    Option("retention.bytes", _LONG, "-1", "log.retention.bytes", at_least(-1),
           "size of a partition above which old segments go; -1 for any", "retention_bytes"),
    Option("retention.ms", _LONG, "604800000", "log.retention.ms", at_least(-1),
           "age above which segments go; -1 for any", "retention_ms"),
    Option("segment.bytes", _INT, "1073741824", "log.segment.bytes", at_least(14),
           "size at which a segment is rolled", "segment_bytes"),
    Option("segment.index.bytes", _INT, "10485760", "log.index.size.max.bytes", at_least(4),
           "an index grows as it must"),
    Option("segment.jitter.ms", _LONG, "0", "log.roll.jitter.ms", at_least(0),
           "segments are rolled at their exact age"),
    Option("segment.ms", _LONG, "604800000", "log.roll.ms", at_least(1),
           "age at which a segment is rolled", "segment_ms"),
    Option("unclean.leader.election.enable", _BOOL, "false", "unclean.leader.election.enable",
           boolean, "there is one replica, always the leader"),
)
OPTIONS = {option.name: option for option in _OPTIONS}


def check(overrides: Mapping[str, str | None]) -> None:
    """KafkaError (INVALID_CONFIG) unless every name is known and every value acceptable."""
    for name, text in overrides.items():
        option = OPTIONS.get(name)
        if option is None:
            raise KafkaError(Code.INVALID_CONFIG, f"Unknown topic config name: {name}")
        check_value(name, option.parse, text)


def check_value(name: str, parse: Callable[[str], Any], text: str | None) -> None:
    """KafkaError (INVALID_CONFIG) unless the text can be parsed."""
    if text is None:
        raise KafkaError(Code.INVALID_CONFIG, f"{name} has no value")
    try:
        parse(text)
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
