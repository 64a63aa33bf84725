"""The transaction coordinator: who may write under a transactional id, and how it ends.

           first partition added                 EndTxn, time is up, or a new producer
    EMPTY ───────────────────────► ONGOING ───────────────────────────┐
                                      ▲                               ▼
                                      │                 PREPARE_COMMIT or PREPARE_ABORT
                first partition added │                               │ a marker in each partition
                                      │                               ▼
                                      └────────────── COMPLETE_COMMIT or COMPLETE_ABORT

Each step is a record of `__transaction_state` (kafkalite.transaction_log).  The decision is made by
the PREPARE record: what a crash leaves there is carried through on the next start.  A new producer
under the same id gets the next epoch, and the one before it is fenced.

With EndTxn from version 5 on (KIP-890) every transaction has an epoch of its own: the marker bumps
it, so that a request of the one before, delayed on another connection, is refused wherever it
arrives.  Producers that speak Produce 12 and TxnOffsetCommit 5 also need not say which partitions
they are about to write: the first record adds its partition.

Order of what is written, crash or not:
1. A partition is in ONGOING before a record of the transaction is in it.
2. The decision is written before the first marker.
3. COMPLETE is written after the last marker; so a transaction never stays open in a partition.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from bedrock.world import DiskFull
from kafkalite.errors import Code, KafkaError
from kafkalite.topics import OFFSETS_TOPIC
from kafkalite.transaction_log import Partition, Phase, Transaction, TransactionLog

if TYPE_CHECKING:
    from bedrock.world import World
    from kafkalite.offsets import Offsets
    from kafkalite.producer_ids import ProducerIds
    from kafkalite.topics import Topics

logger = logging.getLogger("kafkalite")

LAST_EPOCH = 32_766  # a producer that has reached it gets a new id
RETRY_MS = 1000
EXPIRY_MS = 7 * 86_400_000
COMPLETE = {
    Phase.PREPARE_COMMIT: Phase.COMPLETE_COMMIT,
    Phase.PREPARE_ABORT: Phase.COMPLETE_ABORT,
}


class Transactions:
    """All transactional ids of the broker.

    max_timeout_ms: longest transaction a producer may ask for
    """

    def __init__(
        self,
        world: World,
        topics: Topics,
        offsets: Offsets,
        producer_ids: ProducerIds,
        max_timeout_ms: int,
    ):
        self.world = world
        self.topics = topics
        self.offsets = offsets
        self.producer_ids = producer_ids
        self.max_timeout_ms = max_timeout_ms
        self.log = TransactionLog(topics)
        self.by_id = {each.id: each for each in self.log.replay()}

    def resume(self) -> None:
        """After a start: carry through what was decided, and watch what is open."""
        for transaction in self.by_id.values():
            if transaction.phase.preparing:
                self._mark(transaction)
            elif transaction.phase is Phase.ONGOING:
                self._watch(transaction)

    # ------------------------------------------------------------------ identity

    def init(
        self, transactional_id: str, timeout_ms: int, producer_id: int = -1, epoch: int = -1
    ) -> tuple[int, int]:
        """Producer id and epoch for whoever comes under this id; the one before is fenced.

        producer_id, epoch: what a producer that recovers has been; -1 for a new one
        """
        if not transactional_id:
            raise KafkaError(Code.INVALID_REQUEST, "The transactional id is empty.")
        if not 0 < timeout_ms <= self.max_timeout_ms:
            raise KafkaError(Code.INVALID_TRANSACTION_TIMEOUT)
        transaction = self.by_id.get(transactional_id)
        if transaction is None:
            fresh = Transaction(transactional_id, self._new_id(), 0, timeout_ms)
            self.log.write(fresh)
            self.by_id[transactional_id] = fresh
            return fresh.producer_id, fresh.epoch
        if producer_id >= 0 and producer_id != transaction.producer_id:
            raise KafkaError(Code.PRODUCER_FENCED)
        if transaction.phase.preparing:
            raise KafkaError(Code.CONCURRENT_TRANSACTIONS)
        if transaction.phase is Phase.ONGOING:
            if epoch >= 0 and epoch != transaction.epoch:
                raise KafkaError(Code.PRODUCER_FENCED)
            # The producer asks again, and is then given the epoch after the aborted one.
            self._end(transaction, commit=False, epoch=transaction.epoch + 1)
            transaction.last_epoch = epoch
            raise KafkaError(Code.CONCURRENT_TRANSACTIONS)
        if epoch >= 0 and epoch not in (transaction.epoch, transaction.last_epoch):
            raise KafkaError(Code.PRODUCER_FENCED)
        if epoch < 0 or epoch == transaction.epoch:
            self._bump(transaction, timeout_ms, epoch)
        return transaction.producer_id, transaction.epoch

    def _new_id(self) -> int:
        try:
            return self.producer_ids.take()
        except DiskFull as exc:
            raise KafkaError(Code.KAFKA_STORAGE_ERROR, str(exc)) from exc

    def _bump(self, transaction: Transaction, timeout_ms: int, last_epoch: int) -> None:
        """Begin the next epoch, of a new producer id if the epochs are used up."""
        before = vars(transaction).copy()
        if transaction.epoch >= LAST_EPOCH:
            transaction.producer_id, transaction.epoch = self._new_id(), 0
        else:
            transaction.epoch += 1
        transaction.last_epoch = last_epoch
        transaction.timeout_ms = timeout_ms
        transaction.phase = Phase.EMPTY
        transaction.started_ms = -1
        self._write(transaction, before)

    def _write(self, transaction: Transaction, before: dict) -> None:
        """Keep a change; undo it when there is no room."""
        try:
            self.log.write(transaction)
        except KafkaError:
            vars(transaction).update(before)
            raise

    def _find(self, transactional_id: str, producer_id: int, epoch: int) -> Transaction:
        """The transaction of a producer; KafkaError unless it is the present one."""
        transaction = self.by_id.get(transactional_id)
        if transaction is None or producer_id != transaction.producer_id:
            raise KafkaError(Code.INVALID_PRODUCER_ID_MAPPING)
        if epoch != transaction.epoch:
            raise KafkaError(Code.PRODUCER_FENCED)
        return transaction

    # ------------------------------------------------------------------ going on

    def add(
        self, transactional_id: str, producer_id: int, epoch: int, partitions: Iterable[Partition]
    ) -> None:
        """The producer is about to write to these partitions."""
        transaction = self._find(transactional_id, producer_id, epoch)
        if transaction.phase.preparing:
            raise KafkaError(Code.CONCURRENT_TRANSACTIONS)
        ongoing = transaction.phase is Phase.ONGOING
        known = transaction.partitions if ongoing else set()
        wanted = known.union(partitions)
        if ongoing and wanted == known:
            return
        before = vars(transaction).copy()
        transaction.partitions = wanted
        if not ongoing:
            transaction.phase = Phase.ONGOING
            transaction.started_ms = self.world.clock.wall_ms()
        self._write(transaction, before)
        if not ongoing:
            self._watch(transaction)

    def verify(
        self, transactional_id: str, producer_id: int, epoch: int, partition: Partition, add: bool
    ) -> None:
        """KafkaError unless a record may go to a partition; add: it need not be known there."""
        if add:
            self.add(transactional_id, producer_id, epoch, (partition,))
            self.log.flush()
            return
        transaction = self._find(transactional_id, producer_id, epoch)
        if transaction.phase is not Phase.ONGOING or partition not in transaction.partitions:
            raise KafkaError(Code.INVALID_TXN_STATE)

    def _watch(self, transaction: Transaction) -> None:
        """Abort the transaction when its time is up."""
        clock = self.world.clock
        left_ms = transaction.started_ms + transaction.timeout_ms - clock.wall_ms()
        when_ns = clock.now_ns() + max(0, left_ms) * 1_000_000
        transaction.timer = clock.call_at(when_ns, lambda: self._expire(transaction))

    def _expire(self, transaction: Transaction) -> None:
        transaction.timer = None
        if transaction.phase is not Phase.ONGOING:
            return
        logger.warning("transaction %r: aborted, its time is up", transaction.id)
        epoch = transaction.epoch
        try:
            self._end(transaction, commit=False, epoch=epoch + 1)
            transaction.last_epoch = epoch
        except KafkaError:
            self._later(transaction, lambda: self._expire(transaction))

    # ------------------------------------------------------------------ ending

    def end(
        self, transactional_id: str, producer_id: int, epoch: int, commit: bool, bump: bool
    ) -> tuple[int, int]:
        """Commit or abort; the producer id and epoch of the next transaction.

        bump: the next transaction has an epoch of its own (KIP-890)
        """
        transaction = self.by_id.get(transactional_id)
        if bump and transaction is not None and self._repeats(transaction, epoch, commit):
            if transaction.phase.preparing:
                raise KafkaError(Code.CONCURRENT_TRANSACTIONS)
            return transaction.producer_id, transaction.epoch
        transaction = self._find(transactional_id, producer_id, epoch)
        if transaction.phase.preparing:
            raise KafkaError(Code.CONCURRENT_TRANSACTIONS)
        if transaction.phase is Phase.ONGOING:
            self._end(transaction, commit, epoch + bump)
        elif bump and not commit:
            # Nothing was written; yet what the producer has under way must be fenced.
            self._bump(transaction, transaction.timeout_ms, -1)
        elif transaction.phase is not (Phase.COMPLETE_COMMIT if commit else Phase.COMPLETE_ABORT):
            raise KafkaError(Code.INVALID_TXN_STATE)
        if transaction.next_id >= 0:
            return transaction.next_id, 0
        return transaction.producer_id, transaction.epoch

    def _repeats(self, transaction: Transaction, epoch: int, commit: bool) -> bool:
        """True for the end that is under way, or was the last: its answer was lost."""
        if commit:
            phases = (Phase.PREPARE_COMMIT, Phase.COMPLETE_COMMIT)
        else:
            phases = (Phase.PREPARE_ABORT, Phase.COMPLETE_ABORT)
        renamed = transaction.epoch == 0 and epoch >= LAST_EPOCH
        return transaction.phase in phases and (epoch == transaction.epoch - 1 or renamed)

    def _end(self, transaction: Transaction, commit: bool, epoch: int) -> None:
        """Decide how the transaction ends; the markers follow when that is written."""
        before = vars(transaction).copy()
        transaction.epoch = epoch
        if epoch > LAST_EPOCH:
            transaction.next_id = self._new_id()
        transaction.phase = Phase.PREPARE_COMMIT if commit else Phase.PREPARE_ABORT
        self._write(transaction, before)
        if transaction.timer is not None:
            transaction.timer.cancel()
            transaction.timer = None
        self.world.turn.before_flush(lambda: self._mark(transaction))

    def _mark(self, transaction: Transaction) -> None:
        """Write the markers; try again those for which there is no room."""
        commit = transaction.phase is Phase.PREPARE_COMMIT
        refused = set()
        for partition in transaction.partitions:
            code = self.mark(transaction.producer_id, transaction.epoch, partition, commit)
            if code is Code.KAFKA_STORAGE_ERROR:
                refused.add(partition)
        if refused:
            self._later(transaction, lambda: self._mark(transaction))
        else:
            self.world.turn.before_flush(lambda: self._complete(transaction))

    def mark(
        self,
        producer_id: int,
        epoch: int,
        partition: Partition,
        commit: bool,
        coordinator_epoch: int = 0,
    ) -> Code:
        """End a producer's transaction in one partition."""
        try:
            log = self.topics.log(*partition)
        except KafkaError as exc:
            return exc.code  # deleted with its topic
        code = Code(log.end_transaction(producer_id, epoch, commit, coordinator_epoch))
        if code is Code.NONE and partition[0] == OFFSETS_TOPIC:
            self.offsets.end_transaction(producer_id, commit)
        return code

    def _complete(self, transaction: Transaction) -> None:
        before = vars(transaction).copy()
        transaction.phase = COMPLETE[transaction.phase]
        transaction.partitions = set()
        try:
            if transaction.epoch > LAST_EPOCH:
                # The id is not in the log: a restart since the decision has forgotten it.
                fresh = transaction.next_id if transaction.next_id >= 0 else self._new_id()
                transaction.producer_id, transaction.epoch = fresh, 0
                transaction.next_id = -1
            self._write(transaction, before)
        except KafkaError:
            vars(transaction).update(before)
            self._later(transaction, lambda: self._complete(transaction))

    def _later(self, transaction: Transaction, work: Callable[[], None]) -> None:
        when_ns = self.world.clock.now_ns() + RETRY_MS * 1_000_000
        transaction.timer = self.world.clock.call_at(when_ns, work)

    # ------------------------------------------------------------------ upkeep

    def expire(self) -> None:
        """Forget ids that nobody has used for a week."""
        before_ms = self.world.clock.wall_ms() - EXPIRY_MS
        for transaction in list(self.by_id.values()):
            idle = transaction.phase not in (Phase.ONGOING, *COMPLETE)
            if idle and transaction.updated_ms < before_ms:
                self.log.forget(transaction)
                del self.by_id[transaction.id]

    def close(self) -> None:
        """Stop all timers."""
        for transaction in self.by_id.values():
            if transaction.timer is not None:
                transaction.timer.cancel()
