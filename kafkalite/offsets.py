"""`__consumer_offsets`: where each group is in each partition, and who is in the group.

Kept in memory, and made durable as records in Kafka's own form, so that its tools read them:

    key 0, 1   version int16, group string, topic string, partition int32
    value 3    version int16, offset int64, leader_epoch int32, metadata string, commit time int64
    key 2      version int16, group string
    value 3    see kafkalite.group_record

The last record of a key counts, one without a value says that there is nothing: the topic is a
compacted one.

Offsets committed in a transaction are in batches of its producer.  They are `pending` until the
marker comes, which makes them the group's or drops them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bedrock.codec.errors import Malformed
from kafkalite.batch import Record, describe, marker_type, unpack
from kafkalite.group_record import GroupRecord
from kafkalite.schema import table
from kafkalite.topics import OFFSETS_TOPIC

if TYPE_CHECKING:
    from kafkalite.log import Log
    from kafkalite.topics import Topics

GROUP_KEY_VERSION, KEY_VERSION, VALUE_VERSION = 2, 1, 3
FLEXIBLE_SINCE = 4
TRANSACTIONAL, CONTROL = 16, 32  # attributes of a batch
VERSION = table("""
version       int16
""")
KEY = table("""
version       int16
group         string
topic         string
partition     int32
""")
GROUP_KEY = table("""
version       int16
group         string
""")
VALUE = """
version       int16
offset        int64
leader_epoch  int32   3+ = -1
metadata      string
time_ms       int64
expires_ms    int64   1 = -1
topic_id      uuid    4+ ~0
"""

Partition = tuple[str, int]


@dataclass(frozen=True)
class Committed:
    """A committed offset; metadata is the client's own note."""

    offset: int
    leader_epoch: int = -1
    metadata: str = ""
    time_ms: int = 0


# What a transaction has committed so far: group -> partition -> offset, None for "forgotten".
Pending = dict[str, dict[Partition, Committed]]


class Offsets:
    """The committed offsets of all groups: group -> (topic, partition) -> Committed.

    pending   by producer id, what is committed in its open transaction
    members   what the log knew of the groups themselves, for the coordinator to begin with
    """

    def __init__(self, topics: Topics):
        self.topics = topics
        self.groups: dict[str, dict[Partition, Committed]] = {}
        self.pending: dict[int, Pending] = {}
        self.members: dict[str, GroupRecord] = {}
        if OFFSETS_TOPIC in topics.by_name:
            for batch in self._log().batches():
                self._replay(batch)

    def _replay(self, batch: bytes) -> None:
        header = describe(batch)
        producer_id = header["producer_id"]
        if header["attributes"] & CONTROL:
            kind = marker_type(batch)
            if kind >= 0:
                self.end_transaction(producer_id, commit=kind == 1)
            return
        pending = None
        if header["attributes"] & TRANSACTIONAL:
            pending = self.pending.setdefault(producer_id, {})
        for record in unpack(batch):
            self._apply(record, pending)

    def _apply(self, record: Record, pending: Pending | None) -> None:
        data = record.key or b""
        try:
            version = VERSION.decode(data[:2])["version"]
            if version == GROUP_KEY_VERSION:
                group = GROUP_KEY.decode(data)["group"]
                self.members.pop(group, None)
                if record.value is not None:
                    self.members[group] = GroupRecord.decode(record.value)
                return
            if version > KEY_VERSION:
                return  # a later Kafka's
            key = KEY.decode(data)
        except Malformed:
            return
        partition = (key["topic"], key["partition"])
        if record.value is None:
            self._drop(key["group"], [partition])
            return
        version = VERSION.decode(record.value[:2])["version"]
        value = table(VALUE, version, version >= FLEXIBLE_SINCE).decode(record.value)
        committed = Committed(
            value["offset"], value["leader_epoch"], value["metadata"], value["time_ms"]
        )
        target = self.groups if pending is None else pending
        target.setdefault(key["group"], {})[partition] = committed

    def _drop(self, group: str, partitions: Iterable[Partition]) -> None:
        kept = self.groups.get(group, {})
        for partition in partitions:
            kept.pop(partition, None)
        if not kept:
            self.groups.pop(group, None)

    def _log(self) -> Log:
        return self.topics.internal(OFFSETS_TOPIC)

    def _now_ms(self) -> int:
        return self.topics.world.clock.wall_ms()

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
            fields = {"version": VALUE_VERSION, **vars(committed)}
            value = table(VALUE, VALUE_VERSION).encode(fields)
        return Record(0, self._now_ms(), key, value)

    # ------------------------------------------------------------------ offsets

    def get(self, group: str) -> dict[Partition, Committed]:
        """What a group has committed."""
        return self.groups.get(group, {})

    def unstable(self, group: str) -> set[Partition]:
        """The partitions of a group with a commit in an open transaction."""
        return {p for pending in self.pending.values() for p in pending.get(group, ())}

    def commit(self, group: str, commits: dict[Partition, Committed]) -> None:
        """Keep offsets; the reply to this turn's request may say so.  KafkaError if it cannot."""
        if not commits:
            return
        self._log().append([self._record(group, p, each) for p, each in commits.items()])
        self.groups.setdefault(group, {}).update(commits)

    def commit_in_transaction(
        self, group: str, commits: dict[Partition, Committed], producer_id: int, epoch: int
    ) -> None:
        """Keep offsets that are to count once the producer's transaction is committed."""
        if not commits:
            return
        records = [self._record(group, p, each) for p, each in commits.items()]
        self._log().append_in_transaction(records, producer_id, epoch)
        self.pending.setdefault(producer_id, {}).setdefault(group, {}).update(commits)

    def end_transaction(self, producer_id: int, commit: bool) -> None:
        """A marker was written: what the transaction committed counts, or never did."""
        for group, commits in self.pending.pop(producer_id, {}).items():
            if commit:
                self.groups.setdefault(group, {}).update(commits)

    def delete(self, group: str, partitions: Iterable[Partition]) -> None:
        """Forget offsets of a group."""
        kept = self.groups.get(group, {})
        gone = [partition for partition in partitions if partition in kept]
        if not gone:
            return
        self._log().append([self._record(group, partition, None) for partition in gone])
        self._drop(group, gone)

    def delete_topic(self, topic: str) -> None:
        """Forget the offsets of a topic that was deleted."""
        for group, partitions in list(self.groups.items()):
            self.delete(group, [p for p in partitions if p[0] == topic])

    # ------------------------------------------------------------------ groups

    def keep_group(self, group: str, record: GroupRecord | None) -> None:
        """Keep who is in a group; None: it is no more."""
        key = GROUP_KEY.encode({"version": GROUP_KEY_VERSION, "group": group})
        value = None if record is None else record.encode()
        self._log().append([Record(0, self._now_ms(), key, value)])
