"""What is known of each transactional producer, durable: the internal topic `__transaction_state`.

A record of Kafka's own form for each step of a transaction; the last one of a key counts, so the
topic is a compacted one.

    key    version int16 (0), transactional_id string
    value  version int16 (0), producer_id int64, producer_epoch int16, timeout_ms int32,
           phase int8, partitions [ topic string, [ partition int32 ] ]?,
           updated_ms int64, started_ms int64
           null: the transactional id expired
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING

from kafkalite.batch import Record, unpack
from kafkalite.schema import table
from kafkalite.topics import TRANSACTIONS_TOPIC, Topics

if TYPE_CHECKING:
    from bedrock.world import Timer
    from kafkalite.log import Log

KEY = table("""
version        int16
id             string
""")
VALUE = table("""
version        int16
producer_id    int64
epoch          int16
timeout_ms     int32
phase          int8
partitions     []?
  topic        string
  indexes      []int32
updated_ms     int64
started_ms     int64
""")
VERSION = 0

Partition = tuple[str, int]


class Phase(IntEnum):
    """Where a transaction is; the numbers are those of the records."""

    EMPTY = 0
    ONGOING = 1
    PREPARE_COMMIT = 2
    PREPARE_ABORT = 3
    COMPLETE_COMMIT = 4
    COMPLETE_ABORT = 5
    DEAD = 6

    @property
    def title(self) -> str:
        """As DescribeTransactions names it."""
        return "".join(word.capitalize() for word in self.name.split("_"))

    @property
    def preparing(self) -> bool:
        """True while the end is decided and not yet said to every partition."""
        return self in (Phase.PREPARE_COMMIT, Phase.PREPARE_ABORT)


@dataclass
class Transaction:
    """One transactional id: its producer, and the transaction that is open or was the last.

    last_epoch   what InitProducerId may still name: its answer was lost, or time was up
    next_id      what the producer is to be called when its epochs are used up; -1 for as before
    """

    id: str
    producer_id: int
    epoch: int
    timeout_ms: int
    phase: Phase = Phase.EMPTY
    partitions: set[Partition] = field(default_factory=set)
    updated_ms: int = -1
    started_ms: int = -1
    last_epoch: int = -1
    next_id: int = -1
    timer: Timer | None = None

    def by_topic(self) -> dict[str, list[int]]:
        """The partitions, sorted, by topic."""
        topics: dict[str, list[int]] = {}
        for topic, index in sorted(self.partitions):
            topics.setdefault(topic, []).append(index)
        return topics


class TransactionLog:
    """Reads and writes `__transaction_state`."""

    def __init__(self, topics: Topics):
        self.topics = topics

    def _log(self) -> Log:
        return self.topics.internal(TRANSACTIONS_TOPIC)

    def replay(self) -> Iterator[Transaction]:
        """All transactional ids as they were last written."""
        if TRANSACTIONS_TOPIC not in self.topics.by_name:
            return
        values: dict[str, bytes | None] = {}
        for batch in self._log().batches():
            for record in unpack(batch):
                values[KEY.decode(record.key or b"")["id"]] = record.value
        for transactional_id, value in values.items():
            if value is None:
                continue
            fields = VALUE.decode(value)
            yield Transaction(
                transactional_id, fields["producer_id"], fields["epoch"], fields["timeout_ms"],
                Phase(fields["phase"]),
                {(t["topic"], i) for t in fields["partitions"] or () for i in t["indexes"]},
                fields["updated_ms"], fields["started_ms"],
            )  # fmt: skip

    def write(self, transaction: Transaction) -> None:
        """Keep a transaction as it is now; KafkaError if it cannot be."""
        transaction.updated_ms = self.topics.world.clock.wall_ms()
        topics = [{"topic": t, "indexes": i} for t, i in transaction.by_topic().items()]
        value = VALUE.encode(
            {
                "version": VERSION,
                "producer_id": transaction.producer_id,
                "epoch": transaction.epoch,
                "timeout_ms": transaction.timeout_ms,
                "phase": transaction.phase,
                "partitions": topics or None,
                "updated_ms": transaction.updated_ms,
                "started_ms": transaction.started_ms,
            }
        )
        self._append(transaction, value)

    def forget(self, transaction: Transaction) -> None:
        """Keep that the id is gone."""
        self._append(transaction, None)

    def _append(self, transaction: Transaction, value: bytes | None) -> None:
        key = KEY.encode({"version": VERSION, "id": transaction.id})
        self._log().append([Record(0, self.topics.world.clock.wall_ms(), key, value)])

    def flush(self) -> None:
        """Write now what other partitions' records are about to rely on."""
        self._log().flush()
