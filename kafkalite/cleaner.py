"""The cleaner: keeps of a compacted topic the newest record of each key (cleanup.policy=compact).

        cleaned_offset                      active segment
    clean    |    dirty: sealed since then  |
    ---------+------------------------------+---------
    rewritten against the newest offset of each key in the dirty part

What may be cleaned ends before the active segment, before the first open transaction, and before
records younger than min.compaction.lag.ms.  It is due when the dirty part is at least
min.cleanable.dirty.ratio of it all, or older than max.compaction.lag.ms.

Records of aborted transactions go.  A marker goes once no record of its transaction is left and the
delete horizon it got then has passed.  The last batch of a producer stays, empty if need be: its
sequence numbers are what the next batch is compared with.

The work is cut in steps of a few batches, between which the broker serves its clients.  Segments
are replaced by what is left of them, several small ones by one:

    BASE.log.cleaned   being written; a start removes it
    BASE.log.swap      whole and durable: it takes the place of the segments in its range, which a
                       start finishes
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING

from bedrock.codec.errors import Malformed
from bedrock.storage.errors import Damaged
from bedrock.world import DiskFull
from kafkalite.batch import describe, marker_type, split
from kafkalite.compaction import compacted, emptied, note_keys, with_horizon

if TYPE_CHECKING:
    from bedrock.world import Timer, World
    from kafkalite.aborted import Aborted
    from kafkalite.log import Log
    from kafkalite.segment import Segment
    from kafkalite.topics import Topics

logger = logging.getLogger("kafkalite")

READ_BYTES = 1 << 20  # looked at between two services of clients
PAUSE_MS = 1
CYCLE_MS = 10_000
TRANSACTIONAL, CONTROL, HORIZON = 16, 32, 64  # attributes of a batch


class Cleaning:
    """One pass over a log; `steps()` does it, a bit for each item."""

    def __init__(self, log: Log, segments: list[Segment], now_ms: int):
        self.log = log
        self.segments = segments
        self.end = segments[-1].next_offset
        self.now_ms = now_ms
        self.latest: dict[bytes, int] = {}
        self.aborted: list[Aborted] = [e for s in log.segments for e in s.aborted.entries]
        self.kept_of: set[int] = set()  # producers with a record left in their open transaction

    def steps(self) -> Iterator[None]:
        """Clean, bit by bit."""
        for segment in self.segments:
            if segment.next_offset <= self.log.cleaned_offset:
                continue
            for batch in self._batches(segment):
                if batch and not self._superfluous(describe(batch)):
                    note_keys(batch, self.latest)
                elif not batch:
                    yield
        group: list[Segment] = []
        for segment in self.segments:
            if group and not self._fits(group, segment):
                yield from self._rewrite(group)
                group = []
            group.append(segment)
        yield from self._rewrite(group)
        self.log.cleaned_offset = self.end

    def _fits(self, group: list[Segment], segment: Segment) -> bool:
        size = sum(s.size for s in group) + segment.size
        span = segment.next_offset - group[0].base
        return size <= self.log.config.segment_bytes and span < 1 << 31

    def _batches(self, segment: Segment) -> Iterator[bytes]:
        """The batches of a segment, and b"" now and then, to let others have their turn."""
        at = 0
        while at < segment.size:
            data = segment.read_whole(at, READ_BYTES)
            at += len(data)
            yield from split(data)
            yield b""

    def _superfluous(self, header: dict) -> bool:
        """True for a control batch, and for records of an aborted transaction."""
        attributes, offset = header["attributes"], header["base_offset"]
        if attributes & CONTROL:
            return True
        return bool(attributes & TRANSACTIONAL) and any(
            e.producer_id == header["producer_id"] and e.first_offset <= offset < e.last_offset
            for e in self.aborted
        )

    def _rewrite(self, group: list[Segment]) -> Iterator[None]:
        """Replace segments by one with what is left of them."""
        log = self.log
        fresh = log.begin_cleaned(group[0])
        try:
            for segment in group:
                for batch in self._batches(segment):
                    if batch:
                        fresh.add_cleaned(self._left_of(batch))
                    else:
                        yield
            if log.deleted or any(segment not in log.segments for segment in group):
                return  # by retention or an administrator, meanwhile
            for segment in group:
                fresh.take_aborted(segment)
            log.replace_segments(group, fresh)
        finally:
            fresh.drop_cleaned()

    def _left_of(self, batch: bytes) -> bytes:
        header = describe(batch)
        if header["attributes"] & CONTROL:
            left = self._left_of_marker(batch, header)
        elif self._superfluous(header):
            left = b""
        else:
            left = compacted(
                batch, self.latest, self.now_ms, self.log.config.delete_retention_ms
            )
            if left and header["attributes"] & TRANSACTIONAL:
                self.kept_of.add(header["producer_id"])
        producer = self.log.producers.by_id.get(header["producer_id"])
        if not left and producer is not None and not header["attributes"] & CONTROL:
            last = header["base_offset"] + header["last_delta"]
            if last == producer.last_offset:
                if header["attributes"] & TRANSACTIONAL:
                    self.kept_of.add(producer.id)
                return emptied(batch)
        return left

    def _left_of_marker(self, batch: bytes, header: dict) -> bytes:
        if marker_type(batch) < 0 or header["producer_id"] in self.kept_of:
            self.kept_of.discard(header["producer_id"])
            return batch
        if not header["attributes"] & HORIZON:
            return with_horizon(batch, self.now_ms + self.log.config.delete_retention_ms)
        return batch if header["base_timestamp"] > self.now_ms else b""


def due(log: Log, now_ms: int) -> list[Segment]:
    """The segments to clean, none if it is not time."""
    config = log.config
    if not config.compact:
        return []
    end = min(log.stable_offset, log.active.base)
    segments = []
    for segment in log.segments[:-1]:
        age_ms = now_ms - segment.max_timestamp
        young = config.min_compaction_lag_ms > 0 and age_ms < config.min_compaction_lag_ms
        if segment.next_offset > end or young:
            break
        segments.append(segment)
    dirty = [s for s in segments if s.next_offset > log.cleaned_offset]
    if not dirty:
        return []
    total = sum(s.size for s in segments)
    ratio = sum(s.size for s in dirty) / total if total else 0.0
    overdue = now_ms - dirty[0].created_ms > config.max_compaction_lag_ms
    return segments if ratio >= config.min_cleanable_dirty_ratio or overdue else []


class Cleaner:
    """Cleans the logs of a broker, one after the other, beside its other work."""

    def __init__(self, world: World, topics: Topics):
        self.world = world
        self.topics = topics
        self._timer: Timer | None = None
        self._steps: Iterator[None] = iter(())

    def start(self) -> None:
        """Begin.  Needs a running loop."""
        self._again(CYCLE_MS)

    def _again(self, after_ms: int) -> None:
        when_ns = self.world.clock.now_ns() + after_ms * 1_000_000
        self._timer = self.world.clock.call_at(when_ns, self._step)

    def _step(self) -> None:
        self._again(PAUSE_MS if self.step() else CYCLE_MS)

    def step(self) -> bool:
        """Do a bit; False when all logs are clean."""
        try:
            return next(self._steps, self) is not self or self._begin()
        except (DiskFull, Malformed, Damaged) as exc:
            logger.error("cleaning: %s", exc)
            return False
        except OSError as exc:
            self.world.turn.fail(exc)
            return False

    def _begin(self) -> bool:
        now_ms = self.world.clock.wall_ms()
        for log in self.topics.all_logs():
            segments = due(log, now_ms)
            if segments:
                self._steps = Cleaning(log, segments, now_ms).steps()
                return True
        return False

    def close(self) -> None:
        """Stop; what was begun is left as it was."""
        if self._timer is not None:
            self._timer.cancel()
        self._steps = iter(())
