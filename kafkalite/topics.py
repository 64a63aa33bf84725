"""The topics of a broker: names, ids, configuration, and the logs of their partitions.

    topics.json            what exists: the one file that decides, replaced as a whole
    NAME-0/ NAME-1/ ...    a log each (kafkalite.log), with `partition.metadata` (the topic's id)
    *-checkpoint           see kafkalite.checkpoint
    .kafka_cleanshutdown   the broker was stopped in order: for Kafka, which then does not look for
                           torn batches; we go by the recovery points

A topic exists once topics.json says so.  A directory it does not list is what an interrupted
creation or deletion left, and is removed on a start.

Invariants:
1. An id is never used twice, so that a client can tell a topic from its namesake before it.
"""

from __future__ import annotations

import base64
import json
import logging
import re
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bedrock.storage.errors import Damaged
from bedrock.world import DiskFull
from kafkalite import checkpoint
from kafkalite.errors import Code, KafkaError
from kafkalite.log import Log
from kafkalite.topic_config import LogConfig, check, log_config

if TYPE_CHECKING:
    from bedrock.world import Disk, World

logger = logging.getLogger("kafkalite")

CATALOG = "topics.json"
CATALOG_VERSION = 1
CLEAN_SHUTDOWN = ".kafka_cleanshutdown"
CLEAN_SHUTDOWN_TEXT = b'{"version":0,"brokerEpoch":-1}'
PARTITION_METADATA = "partition.metadata"
OFFSETS_TOPIC = "__consumer_offsets"
TRANSACTIONS_TOPIC = "__transaction_state"
INTERNAL_TOPICS = (OFFSETS_TOPIC, TRANSACTIONS_TOPIC)
INTERNAL_SETTINGS = {"cleanup.policy": "compact", "segment.bytes": str(16 << 20)}
MAX_PARTITIONS = 10_000
LEGAL_NAME = re.compile(r"[a-zA-Z0-9._-]{1,249}")
PARTITION_DIRECTORY = re.compile(r"(.+)-(\d+)")


def id_text(topic_id: bytes) -> str:
    """A topic id as Kafka writes it."""
    return base64.urlsafe_b64encode(topic_id).decode().rstrip("=")


def id_bytes(text: str) -> bytes:
    """The 16 bytes of a topic id."""
    return base64.urlsafe_b64decode(text + "==")


def check_name(name: str) -> None:
    """KafkaError (INVALID_TOPIC) unless a topic may be called so."""
    if name in (".", "..") or not LEGAL_NAME.fullmatch(name):
        raise KafkaError(Code.INVALID_TOPIC, f"Topic name is illegal: {name!r}")


def read_catalog(disk: Disk) -> list[dict[str, Any]]:
    """What the catalog lists: name, id, partitions and configs of each topic."""
    try:
        data = disk.read(CATALOG)
    except FileNotFoundError:
        return []
    try:
        content = json.loads(data)
        if content["version"] != CATALOG_VERSION:
            raise ValueError(f"version {content['version']}")
        return content["topics"]
    except (ValueError, KeyError, TypeError) as exc:
        raise Damaged(CATALOG, 0, f"not a catalog: {exc}") from None


@dataclass
class Topic:
    """overrides: what was set for this topic, text by name; logs: one for each partition."""

    name: str
    id: bytes
    overrides: dict[str, str]
    logs: list[Log] = field(default_factory=list)

    @property
    def internal(self) -> bool:
        """True for the broker's own topics."""
        return self.name in INTERNAL_TOPICS


class Topics:
    """All topics of a data directory.

    defaults: LogConfig of topics that say nothing else; fsync: see kafkalite.log
    """

    def __init__(self, world: World, defaults: LogConfig, fsync: str = "never"):
        self.world = world
        self.disk: Disk = world.disk
        self.defaults = defaults
        self.fsync = fsync
        self.by_name: dict[str, Topic] = {}
        self.by_id: dict[bytes, Topic] = {}
        self._saved: dict[str, checkpoint.Offsets] = {}
        self._open_all()

    # ------------------------------------------------------------------ starting

    def _open_all(self) -> None:
        if self.disk.exists(CLEAN_SHUTDOWN):
            self.disk.remove(CLEAN_SHUTDOWN)
        recovery = checkpoint.read(self.disk, checkpoint.RECOVERY_POINT)
        starts = checkpoint.read(self.disk, checkpoint.LOG_START)
        cleaned = checkpoint.read(self.disk, checkpoint.CLEANER)
        listed = read_catalog(self.disk)
        self._remove_strays({f"{t['name']}-{i}" for t in listed for i in range(t["partitions"])})
        for entry in listed:
            topic = Topic(entry["name"], id_bytes(entry["id"]), entry["configs"])
            for index in range(entry["partitions"]):
                key = (topic.name, index)
                offsets = (points.get(key, 0) for points in (recovery, starts, cleaned))
                self._open_log(topic, index, *offsets)
            self._list(topic)

    def _remove_strays(self, listed: set[str]) -> None:
        found = {name.split("/")[0] for name in self.disk.list() if "/" in name}
        for directory in sorted(found - listed):
            if PARTITION_DIRECTORY.fullmatch(directory):
                logger.warning("%s is in no catalog: removed", directory)
                self.disk.remove_tree(directory)

    def _open_log(
        self, topic: Topic, index: int, recovery_point: int = 0, start: int = 0, cleaned: int = 0
    ) -> None:
        name = f"{topic.name}-{index}"
        topic.logs.append(
            Log(
                self.disk.sub(name), self.world.turn, self.world.clock,
                log_config(self.defaults, topic.overrides), name=name, fsync=self.fsync,
                recovery_point=recovery_point, start_offset=start, cleaned_offset=cleaned,
            )
        )

    def _list(self, topic: Topic) -> None:
        self.by_name[topic.name] = topic
        self.by_id[topic.id] = topic

    # ------------------------------------------------------------------ finding

    def find(self, name: str | None, topic_id: bytes = bytes(16)) -> Topic:
        """The topic by name, or by id if it has none; KafkaError if there is none."""
        if name:
            topic = self.by_name.get(name)
            if topic is None:
                raise KafkaError(Code.UNKNOWN_TOPIC_OR_PARTITION, f"no topic {name!r}")
        else:
            topic = self.by_id.get(topic_id)
            if topic is None:
                raise KafkaError(Code.UNKNOWN_TOPIC_ID, "no topic has this id")
        return topic

    def log(self, name: str, index: int) -> Log:
        """The log of a partition; KafkaError if there is none."""
        logs = self.find(name).logs
        if not 0 <= index < len(logs):
            raise KafkaError(Code.UNKNOWN_TOPIC_OR_PARTITION, f"no partition {index} of {name!r}")
        return logs[index]

    def all_logs(self) -> list[Log]:
        """The logs of all partitions of all topics."""
        return [log for topic in self.by_name.values() for log in topic.logs]

    def internal(self, name: str) -> Log:
        """The log of one of the broker's own topics, made on first use."""
        topic = self.by_name.get(name)
        if topic is None:
            topic = self.create(name, 1, dict(INTERNAL_SETTINGS))
        return topic.logs[0]

    # ------------------------------------------------------------------ changing

    def check_new(self, name: str, partitions: int, overrides: dict[str, str]) -> None:
        """KafkaError unless `create` with these arguments would succeed."""
        check_name(name)
        if name in self.by_name:
            raise KafkaError(Code.TOPIC_ALREADY_EXISTS, f"Topic '{name}' already exists.")
        if not 1 <= partitions <= MAX_PARTITIONS:
            raise KafkaError(
                Code.INVALID_PARTITIONS, f"Number of partitions must be 1 to {MAX_PARTITIONS}."
            )
        check(overrides)

    def create(self, name: str, partitions: int, overrides: dict[str, str] | None = None) -> Topic:
        """Make a topic, durably; KafkaError if it cannot be."""
        overrides = overrides or {}
        self.check_new(name, partitions, overrides)
        topic = Topic(name, self._new_id(), overrides)
        try:
            for index in range(partitions):
                self._make_partition(topic, index)
            self._write_catalog(topic)
        except DiskFull as exc:
            raise KafkaError(Code.KAFKA_STORAGE_ERROR, str(exc)) from exc
        self._list(topic)
        return topic

    def _new_id(self) -> bytes:
        """Kafka keeps ids that begin with '-' out of the way of its command line."""
        while True:
            topic_id = self.world.rand.bytes(16)
            if not id_text(topic_id).startswith("-") and topic_id not in self.by_id:
                return topic_id

    def _make_partition(self, topic: Topic, index: int) -> None:
        directory = f"{topic.name}-{index}"
        self.disk.remove_tree(directory)
        self._open_log(topic, index)
        with self.disk.open(f"{directory}/{PARTITION_METADATA}", "rw") as file:
            file.write_at(0, f"version: 0\ntopic_id: {id_text(topic.id)}".encode())

    def _write_catalog(self, *more: Topic, without: Topic | None = None) -> None:
        topics = [t for t in self.by_name.values() if t is not without and t not in more]
        entries = [
            {
                "name": t.name,
                "id": id_text(t.id),
                "partitions": len(t.logs),
                "configs": t.overrides,
            }
            for t in [*topics, *more]
        ]
        content = {"version": CATALOG_VERSION, "topics": entries}
        self.disk.replace(CATALOG, json.dumps(content, indent=1).encode())

    def delete(self, topic: Topic) -> None:
        """Remove a topic and its records."""
        del self.by_name[topic.name]
        del self.by_id[topic.id]
        try:
            # The checkpoints first: a namesake must not inherit its offsets.
            self.checkpoint()
            self._write_catalog()
        except DiskFull as exc:
            self._list(topic)
            raise KafkaError(Code.KAFKA_STORAGE_ERROR, str(exc)) from exc
        for log in topic.logs:
            log.discard()
            self.disk.remove_tree(log.name)
        self.disk.sync_dir()

    def check_growth(self, topic: Topic, count: int) -> None:
        """KafkaError unless `grow` with these arguments would succeed."""
        if not len(topic.logs) < count <= MAX_PARTITIONS:
            raise KafkaError(
                Code.INVALID_PARTITIONS, f"The topic has {len(topic.logs)} partitions already."
            )

    def grow(self, topic: Topic, count: int) -> None:
        """Add partitions until there are `count`."""
        self.check_growth(topic, count)
        before = len(topic.logs)
        try:
            for index in range(before, count):
                self._make_partition(topic, index)
            self._write_catalog(topic)
        except DiskFull as exc:
            del topic.logs[before:]
            raise KafkaError(Code.KAFKA_STORAGE_ERROR, str(exc)) from exc

    def alter(
        self, topic: Topic, overrides: dict[str, str], *, validate_only: bool = False
    ) -> None:
        """Replace the topic's own configuration."""
        check(overrides)
        if validate_only:
            return
        before, topic.overrides = topic.overrides, dict(overrides)
        try:
            self._write_catalog(topic)
        except DiskFull as exc:
            topic.overrides = before
            raise KafkaError(Code.KAFKA_STORAGE_ERROR, str(exc)) from exc
        for log in topic.logs:
            log.configure(log_config(self.defaults, topic.overrides))

    def set_defaults(self, defaults: LogConfig) -> None:
        """Change what topics have that say nothing else."""
        if defaults == self.defaults:
            return
        self.defaults = defaults
        for topic in self.by_name.values():
            for log in topic.logs:
                log.configure(log_config(defaults, topic.overrides))

    # ------------------------------------------------------------------ upkeep

    def sync(self) -> None:
        """Make everything appended durable, and say so in the checkpoints."""
        for log in self.all_logs():
            log.sync()
        self.checkpoint()

    def checkpoint(self) -> None:
        """Write the checkpoints that have changed."""
        keyed = [
            ((topic.name, index), log)
            for topic in self.by_name.values()
            for index, log in enumerate(topic.logs)
        ]
        points = {
            checkpoint.RECOVERY_POINT: {key: log.recovery_point for key, log in keyed},
            checkpoint.LOG_START: {key: log.start_offset for key, log in keyed},
            checkpoint.CLEANER: {
                key: log.cleaned_offset for key, log in keyed if log.cleaned_offset
            },
        }
        for name, offsets in points.items():
            if self._saved.get(name) != offsets:
                checkpoint.write(self.disk, name, offsets)
                self._saved[name] = offsets

    def upkeep(self) -> None:
        """Retention, and what has long been written made durable; now and then."""
        for log in self.all_logs():
            try:
                log.retain()
                log.settle()
                log.save_indexes()
            except DiskFull as exc:
                logger.error("%s: %s", log.name, exc)
        try:
            self.checkpoint()
        except DiskFull as exc:
            logger.error("checkpoint: %s", exc)

    def close(self) -> None:
        """Make everything durable and close the logs."""
        for log in self.all_logs():
            log.close()
        self.checkpoint()
        with suppress(DiskFull):
            self.disk.replace(CLEAN_SHUTDOWN, CLEAN_SHUTDOWN_TEXT)
