"""Committed offsets: where each group is in each partition.

Kept in memory, and made durable as records of the internal topic `__consumer_offsets`, in Kafka's
own form, so that its tools read them:

    key    version int16 (1), group string, topic string, partition int32
    value  version int16 (3), offset int64, leader_epoch int32, metadata string, time int64
           null: the offset was deleted

The last record of a key counts.  When the log has grown by a segment, everything is written once
more and what came before is deleted: a compaction that needs no cleaner, the state being small.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bedrock.codec.errors import Malformed
from bedrock.world import DiskFull
from kafkalite.batch import Record
from kafkalite.errors import KafkaError
from kafkalite.schema import table
from kafkalite.topics import OFFSETS_TOPIC

if TYPE_CHECKING:
    from kafkalite.log import Log
    from kafkalite.topics import Topics

logger = logging.getLogger("kafkalite")

KEY_VERSION, VALUE_VERSION = 1, 3
KEY = table("""
version       int16
group         string
topic         string
partition     int32
""")
VALUE = table("""
version       int16
offset        int64
leader_epoch  int32
metadata      string
time_ms       int64
""")
SEGMENT_BYTES = 16 << 20
BATCH_RECORDS = 1000

Partition = tuple[str, int]


@dataclass(frozen=True)
class Committed:
    """A committed offset; metadata is the client's own note."""

    offset: int
    leader_epoch: int = -1
    metadata: str = ""
    time_ms: int = 0


class Offsets:
    """The committed offsets of all groups: group -> (topic, partition) -> Committed."""

    def __init__(self, topics: Topics):
        self.topics = topics
        self.groups: dict[str, dict[Partition, Committed]] = {}
        if OFFSETS_TOPIC in topics.by_name:
            self._replay()

    def _replay(self) -> None:
        log = self._log()
        at = log.start_offset
        while at < log.end_offset:
            records = log.records(at)
            for record in records:
                self._apply(record)
            at = records[-1].offset + 1

    def _apply(self, record: Record) -> None:
        try:
            key = KEY.decode(record.key or b"")
        except Malformed:
            return  # a group's own record, as Kafka writes them: members do not outlive a broker
        if key["version"] > KEY_VERSION:
            return
        partitions = self.groups.setdefault(key["group"], {})
        partition = (key["topic"], key["partition"])
        if record.value is None:
            partitions.pop(partition, None)
        else:
            value = VALUE.decode(record.value)
            del value["version"]
            partitions[partition] = Committed(**value)
        if not partitions:
            del self.groups[key["group"]]

    def _log(self) -> Log:
        topic = self.topics.by_name.get(OFFSETS_TOPIC)
        if topic is None:
            settings = {"segment.bytes": str(SEGMENT_BYTES), "retention.ms": "-1"}
            topic = self.topics.create(OFFSETS_TOPIC, 1, settings)
        return topic.logs[0]

    def _record(self, group: str, partition: Partition, committed: Committed | None) -> Record:
        key = KEY.encode(
            {
                "version": KEY_VERSION,
                "group": group,
                "topic": partition[0],
                "partition": partition[1],
            }
        )
        value = None
        if committed is not None:
            value = VALUE.encode({"version": VALUE_VERSION, **vars(committed)})
        return Record(0, self.topics.world.clock.wall_ms(), key, value)

    def get(self, group: str) -> dict[Partition, Committed]:
        """What a group has committed."""
        return self.groups.get(group, {})

    def commit(self, group: str, commits: dict[Partition, Committed]) -> None:
        """Keep offsets; the reply to this turn's request may say so.  KafkaError if it cannot."""
        if not commits:
            return
        log = self._log()
        log.append([self._record(group, p, committed) for p, committed in commits.items()])
        self.groups.setdefault(group, {}).update(commits)
        self._compact(log)

    def delete(self, group: str, partitions: Iterable[Partition]) -> None:
        """Forget offsets of a group."""
        kept = self.groups.get(group, {})
        gone = [partition for partition in partitions if partition in kept]
        if not gone:
            return
        self._log().append([self._record(group, partition, None) for partition in gone])
        for partition in gone:
            del kept[partition]
        if not kept:
            del self.groups[group]

    def delete_topic(self, topic: str) -> None:
        """Forget the offsets of a topic that was deleted."""
        for group, partitions in list(self.groups.items()):
            self.delete(group, [p for p in partitions if p[0] == topic])

    def _compact(self, log: Log) -> None:
        """Write all offsets once more in a segment of their own, and drop those before it."""
        if len(log.segments) < 2:
            return
        try:
            self._rewrite(log)
        except (DiskFull, KafkaError) as exc:
            logger.error("%s is not compacted: %s", log.name, exc)

    def _rewrite(self, log: Log) -> None:
        log.flush()
        log.roll()
        start = log.end_offset
        records = [
            self._record(group, partition, committed)
            for group, partitions in self.groups.items()
            for partition, committed in partitions.items()
        ]
        for i in range(0, len(records), BATCH_RECORDS):
            log.append(records[i : i + BATCH_RECORDS])
        log.flush()
        log.sync()
        log.delete_to(start)
