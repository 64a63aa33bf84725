"""The life of samples after the head: flushed, merged, downsampled, deleted.

    head ──flush──► block ──merge──► larger blocks ──downsample──► 5 m ──downsample──► 1 h
                      │                └── recompress: once they are old
                      └── expire: whole blocks past their retention, or series of them

Nothing expires before the tier above it has it, with all that came late for its time.

Flushing: the block is made durable, and says up to where in the log it has what is older than the
cut, so that whoever reads the log passes over it; the head drops those samples, as soon as no query
is unfinished that began before there was the block; what is left of the
head is logged anew (the checkpoint); `meta` is pointed at it; the older log is removed.

Ages are told by the world's clock, so a test can let a year pass in a moment.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from pyroaring import BitMap

from tsdb.block import Block
from tsdb.block_writer import BlockWriter
from tsdb.blocks import ALWAYS, DELETIONS, buckets_of, times_meet
from tsdb.columns import Columns
from tsdb.downsampling import downsample
from tsdb.jobs import SLICE, Job, pause, slices, sorted_in_steps
from tsdb.matchers import Matcher
from tsdb.wal import log_deletion, log_samples

if TYPE_CHECKING:
    from bedrock.world import Disk
    from tsdb.store import Store

HOUR_MS = 3_600_000
COMPACT_RUN = 4  # blocks of one generation that are made one
MERGED_SAMPLES_MAX = 2_000_000_000
MERGED_SPAN_MAX_MS = 31 * 24 * HOUR_MS


@dataclass(frozen=True)
class Tier:
    """Samples older than after_ms are downsampled; what was made is kept for retention_ms."""

    resolution_ms: int
    after_ms: int
    retention_ms: int = 0


@dataclass(frozen=True)
class Rule:
    """Series that meet the matchers are kept for age_ms, in every tier; the first rule counts."""

    matchers: tuple[Matcher, ...]
    age_ms: int


@dataclass(frozen=True)
class Policy:
    """When what becomes of samples.  A retention of 0 keeps all.

    block_ms:    span of a block as it is flushed
    samples_max: samples in the head at which it is flushed whole
    tiers:       from fine to coarse, each made from the one before
    cold_ms:     age at which blocks are written anew with zstd tried as well; 0: never
    """

    block_ms: int = 2 * HOUR_MS
    samples_max: int = 50_000_000
    retention_ms: int = 0
    rules: tuple[Rule, ...] = ()
    tiers: tuple[Tier, ...] = ()
    cold_ms: int = 0


class Lifecycle:
    """The jobs of one store."""

    def __init__(self, store: Store, policy: Policy):
        self.store = store
        self.policy = policy

    def due(self) -> Iterator[Job[Any]]:
        """Jobs that are due, one after the other, until there are no more."""
        while (job := self._next()) is not None:
            yield job
        self.store.block_set.forget_deletions()

    def _next(self) -> Job[Any] | None:
        return (
            self._flush_due()
            or self._without_deleted()
            or self._expire()
            or self._downsample_due()
            or self._merge_due()
            or self._cold_due()
        )

    def _flush_due(self) -> Job[Any] | None:
        head, policy = self.store.head, self.policy
        if head.samples > policy.samples_max:
            return self.flush(head.last + 1)
        if head.samples and head.last - head.first > policy.block_ms * 3 // 2:
            cut = head.last - policy.block_ms // 2
            cut -= cut % policy.block_ms - 1  # a block's last sample may be at its last moment,
            if head.first < cut:  # as a bucket's
                return self.flush(cut)
        return None

    def _without_deleted(self) -> Job[Any] | None:
        """Write a block anew of which something was deleted, those of samples first."""
        blocks = self.store.block_set
        for block in sorted(blocks.all, key=lambda block: block.resolution):
            if block.cuts:
                finer = blocks.finer_of(block)
                if len(finer) == 1 and blocks.replaceable(block):
                    return self._downsample(finer[0], block.resolution)
                return self.merge([block])
        return None

    def _downsample_due(self) -> Job[Any] | None:
        finest = 0
        for tier in self.policy.tiers:
            limit = self._now() - tier.after_ms
            for block in self.store.block_set.of(finest):
                if block.last < limit and not self.store.block_set.covered(
                    block, tier.resolution_ms
                ):
                    return self._downsample(block, tier.resolution_ms)
            finest = tier.resolution_ms
        return None

    def _downsample(self, block: Block, resolution_ms: int) -> Job[Block | None]:
        """Downsample a block, but first, tier by tier, what older blocks have of its buckets."""
        blocks = self.store.block_set
        low, high = buckets_of(block, resolution_ms)
        finest = 0
        for tier in self.policy.tiers:
            if finest > block.resolution:
                break
            for older in blocks.of(finest):
                if (
                    older.rank < block.low
                    and times_meet(older, low, high)
                    and not blocks.covered(older, tier.resolution_ms)
                ):
                    return self._downsample(older, tier.resolution_ms)
            finest = tier.resolution_ms
        return downsample(blocks, block, resolution_ms)

    def _merge_due(self) -> Job[Any] | None:
        for resolution in (0, *(tier.resolution_ms for tier in self.policy.tiers)):
            run = self._run_to_merge(self.store.block_set.of(resolution))
            if run:
                return self.merge(run)
        return None

    def _cold_due(self) -> Job[Any] | None:
        """Write a block anew that has become old, with zstd tried as well."""
        for block in self.store.block_set.all if self.policy.cold_ms else ():
            if not block.cold and self._now() - block.last > self.policy.cold_ms:
                return self.merge([block], cold=True)
        return None

    def _now(self) -> int:
        return self.store.world.clock.wall_ms()

    # ---- flushing --------------------------------------------------------------------------

    def flush(self, cut_ms: int) -> Job[Block | None]:
        """Move all samples older than cut_ms from the head to a block; see the module."""
        store, head = self.store, self.store.head
        if not head.samples or head.first >= cut_ms:
            return None
        rank = store.block_set.next_rank
        held = store.log.end, cut_ms
        name, meta = store.block_set.described(rank, 0, rank, flushed=[held])
        head.hold(cut_ms)
        try:
            keys = yield from sorted_in_steps(list(head.by_key))
            writer = BlockWriter(store.block_set.disk, name, meta)
            try:
                for part in slices(keys):
                    yield partial(writer.add, part, head.gather(part))
                yield writer.finish
            except BaseException:
                writer.abandon()
                raise
        except BaseException:
            head.keep_all()
            raise
        store.block_set.install(writer.block)
        if (readers := store.queries.settled()) is not None:
            yield readers
        for part in slices(keys):
            head.release(part)
            yield pause
        head.released()
        yield from self.checkpoint()
        return writer.block

    def checkpoint(self) -> Job[None]:
        """Log anew what the head still holds, and let go of the older log."""
        log, head = self.store.log, self.store.head
        log.roll()
        start = log.end
        head.log_begins()
        for part in slices(list(head.by_key)):
            log_samples(log, head, part)
            yield pause
        log.flush()
        self.store.write_meta(start)
        log.trim(start)

    def delete(self, matchers: Sequence[Matcher], low_ms: int, high_ms: int) -> Job[None]:
        """Delete samples, in the head some series at a time."""
        head = self.store.head
        self.store.block_set.delete(matchers, low_ms, high_ms)
        refs = list(head.postings.select(matchers))
        for first in range(0, len(refs), SLICE):
            part = [ref for ref in refs[first : first + SLICE] if head.series[ref] is not None]
            log_deletion(self.store.log, part, low_ms, high_ms)
            head.delete(part, low_ms, high_ms)
            head.drop_empty(part)
            yield pause
        if refs:
            head.recount()

    # ---- rewriting blocks --------------------------------------------------------------------

    def _run_to_merge(self, blocks: list[Block]) -> list[Block]:
        """The first run of neighbours of one generation that may be one block."""
        for first in range(len(blocks) - COMPACT_RUN + 1):
            run = blocks[first : first + COMPACT_RUN]
            if (
                len({block.generation for block in run}) == 1
                and sum(block.samples for block in run) <= MERGED_SAMPLES_MAX
                and run[-1].last - run[0].first <= self._span_max(run[0])
                and self.store.block_set.alone(run)
            ):
                return run
        return []

    def _span_max(self, block: Block) -> int:
        """How long a merged block may be, so that its age says when all of it is too old."""
        ages = [self.retention(block), *(rule.age_ms for rule in self.policy.rules)]
        return min(MERGED_SPAN_MAX_MS, min(ages) // 8)

    def merge(
        self, run: Sequence[Block], expired: BitMap | None = None, cold: bool = False
    ) -> Job[Block | None]:
        """Make neighbouring blocks (or one) a new one, without what was deleted.

        Reading gives the same before and after, but for the series (of one block) that expired.
        """
        blocks = self.store.block_set
        run = list(run)
        name, meta = blocks.described(
            run[-1].rank, max(block.generation for block in run) + 1, run[0].low,
            run[0].resolution, run, cold=cold or all(block.cold for block in run),
        )  # fmt: skip
        writer = BlockWriter(blocks.disk, name, meta)
        try:
            places: dict[bytes, list[tuple[Block, int]]] = {}
            for block in run:
                yield partial(_find_places, block, expired or BitMap(), places)
            for part in slices((yield from sorted_in_steps(list(places)))):
                yield partial(_copy, writer, part, places)
            if writer.samples:
                if run[0].resolution:  # a bucket stands for the time before it
                    writer.bound(min(b.first for b in run), max(b.last for b in run))
                yield writer.finish
            else:
                writer.abandon()
        except BaseException:
            writer.abandon()
            raise
        gone = run
        if writer.block is None and expired is None:  # what was made of it must not stay alone
            gone = [b for b in blocks.all if any(b.within(r) for r in run)]
            gone.sort(key=lambda block: -block.resolution)
        blocks.install(writer.block, gone)
        return writer.block

    def snapshot(self, directory: str, skip_head: bool) -> Job[None]:
        """Copy the blocks, among them one of all that is in the head, to a data directory."""
        disk, blocks = self.store.world.disk, self.store.block_set
        if not skip_head:
            yield from self.flush(self.store.head.last + 1)
        files = [block.name for block in blocks.all]
        files += [DELETIONS] if blocks.deletions else []
        into = disk.sub(f"{directory}/blocks")
        for name in files:
            yield partial(_copy_file, name, blocks.disk, into)

    # ---- retention -------------------------------------------------------------------------

    def retention(self, block: Block) -> int:
        """Age up to which a block's series are kept, if no rule says otherwise; ALWAYS."""
        for tier in self.policy.tiers:
            if tier.resolution_ms == block.resolution:
                return tier.retention_ms or ALWAYS
        return self.policy.retention_ms or ALWAYS

    def _expired(self, block: Block) -> BitMap:
        """Numbers of the series of a block of which all is past retention."""
        age = self._now() - block.last
        if not self.policy.rules and age <= self.retention(block):
            return BitMap()
        rest = BitMap(range(len(block)))
        gone = BitMap()
        for rule in self.policy.rules:
            chosen = block.postings.select(rule.matchers) & rest
            rest -= chosen
            if age > rule.age_ms:
                gone |= chosen
        return gone | rest if age > self.retention(block) else gone

    def _expire(self) -> Job[Any] | None:
        """Remove blocks that are wholly past retention, and what is due first for that."""
        blocks = self.store.block_set
        for block in list(blocks.all):
            expired = self._expired(block)
            if not expired:
                continue
            job = self._absorb(block)
            if job is not None:
                return job
            if len(expired) < len(block):
                return self.merge([block], expired)
            blocks.remove([block])
        return None

    def _absorb(self, block: Block) -> Job[Any] | None:
        """Bring what there is of a block's buckets to the tier above; None if there is nothing."""
        blocks, head = self.store.block_set, self.store.head
        finest = 0
        for tier in self.policy.tiers:
            if finest == block.resolution:
                low, high = buckets_of(block, tier.resolution_ms)
                if not finest and head.samples and head.first <= high:
                    return self.flush(high + 1)
                for other in blocks.of(finest):
                    if times_meet(other, low, high) and not blocks.covered(
                        other, tier.resolution_ms
                    ):
                        return self._downsample(other, tier.resolution_ms)
            finest = tier.resolution_ms
        return None


# ---- steps: they touch only what they are given ------------------------------------------------


def _copy_file(name: str, from_disk: Disk, to_disk: Disk) -> None:
    to_disk.replace(name, from_disk.read(name))


def _find_places(
    block: Block, without: BitMap, places: dict[bytes, list[tuple[Block, int]]]
) -> None:
    for number in range(len(block)):
        if number not in without:
            places.setdefault(block.key_of(number), []).append((block, number))


def _copy(
    writer: BlockWriter, keys: list[bytes], places: dict[bytes, list[tuple[Block, int]]]
) -> None:
    columns = Columns()
    for key in keys:
        for row in range(writer.meta["rows"]):
            for block, number in places[key]:
                block.read_row(number, row, columns, block.first, block.last)
            columns.end_series(None, True)
    writer.add(keys, columns)
