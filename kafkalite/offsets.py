"""`__consumer_offsets`: where each group is in each partition, and who is in the group.

Kept in memory, and made durable as records in Kafka's own form, so that its tools read them:

    kafkalite.offset_record    where a group is in a partition
    kafkalite.group_record     who is in a group of the classic protocol
    kafkalite.consumer_record  who is in one of KIP-848

The last record of a key counts, one without a value says that there is nothing: the topic is a
compacted one.

Offsets committed in a transaction are in batches of its producer.  They are `pending` until the
marker comes, which makes them the group's or drops them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from bedrock.codec.errors import Malformed
from kafkalite import consumer_record
from kafkalite.batch import Record, describe, marker_type, unpack
from kafkalite.consumer_record import ConsumerRecords
from kafkalite.group_record import GroupRecord
from kafkalite.offset_record import Committed, decode_key, decode_value, encode_key, encode_value
from kafkalite.schema import table
from kafkalite.topics import OFFSETS_TOPIC

if TYPE_CHECKING:
    from kafkalite.log import Log
    from kafkalite.topics import Topics

GROUP_KEY_VERSION = 2
GROUP_KEY_PREFIX = b"\0\2"
TRANSACTIONAL, CONTROL = 16, 32  # attributes of a batch
GROUP_KEY = table("""
version       int16
group         string
""")

Partition = tuple[str, int]

# What a transaction has committed so far: group -> partition -> offset, None for "forgotten".
Pending = dict[str, dict[Partition, Committed]]


class Offsets:
    """The committed offsets of all groups: group -> (topic, partition) -> Committed.

    pending   by producer id, what is committed in its open transaction
    members, consumers   what the log knew of the groups themselves, classic ones and those of
                         KIP-848, for the coordinator to begin with
    """

    def __init__(self, topics: Topics):
        self.topics = topics
        self.groups: dict[str, dict[Partition, Committed]] = {}
        self.pending: dict[int, Pending] = {}
        self.members: dict[str, GroupRecord] = {}
        self.consumers: dict[str, ConsumerRecords] = {}
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
            if data[:2] == GROUP_KEY_PREFIX:
                group = GROUP_KEY.decode(data)["group"]
                self.members.pop(group, None)
                if record.value is not None:
                    self.members[group] = GroupRecord.decode(record.value)
                return
            if int.from_bytes(data[:2], "big") in consumer_record.KEYS:
                self._apply_to_consumers(data, record.value)
                return
            key = decode_key(data)
            committed = decode_value(record.value) if key and record.value is not None else None
        except Malformed:
            return
        if key is None:
            return  # a later Kafka's
        partition = (key["topic"], key["partition"])
        if committed is None:
            self._drop(key["group"], [partition])
            return
        target = self.groups if pending is None else pending
        target.setdefault(key["group"], {})[partition] = committed

    def _apply_to_consumers(self, key: bytes, value: bytes | None) -> None:
        kind, group, member, fields = consumer_record.decode(key, value)
        kept = self.consumers.setdefault(group, ConsumerRecords())
        kept.take(kind, member, fields)
        if not kept.found:
            del self.consumers[group]

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
        value = None if committed is None else encode_value(committed)
        return Record(0, self._now_ms(), encode_key(group, *partition), value)

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

    def keep_consumers(self, changes: dict[bytes, bytes | None]) -> None:
        """Keep what has changed of a group of KIP-848."""
        now_ms = self._now_ms()
        self._log().append([Record(0, now_ms, key, value) for key, value in changes.items()])
