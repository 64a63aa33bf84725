"""The store: head, log and blocks behind one door; usable without a server.

    write ──► parse ──► log (durable at the end of the turn) ──► head ──► blocks, every few hours
    select ◄── blocks, oldest first, then the head

On disk:  wal/  the record log       blocks/  <rank>-<generation>.block       meta  where wal begins

Flushing moves what is older than a cut from the head to a block.  Its steps leave a store that a
crash at any point turns, at worst, into one that holds some samples twice with equal values:
the block is made durable; the head drops those samples; what is left of the head is logged anew
(the checkpoint); `meta` is pointed at it; older segments of the log are removed.

Invariants:
1. A sample is in the log before it is in the head, and durable before its write is answered.
2. Reading gives for each series and time the value written last, wherever it lies.
3. A full disk is found before the head changes; reads go on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgpack

from bedrock.codec.compress import decompress
from bedrock.storage.errors import Damaged
from bedrock.storage.recordlog import RecordLog
from bedrock.world import World
from tsdb.block import Block, BlockWriter
from tsdb.columns import Columns
from tsdb.head import Batch, Head
from tsdb.labels import Labels
from tsdb.line_protocol import LineParser
from tsdb.matchers import Matcher
from tsdb.remote_write import RemoteWriteParser
from tsdb.selection import Finder
from tsdb.wal import BadRecord, log_all, log_batch, replay

HOUR_MS = 3_600_000
DECODED_BYTES_MAX = 32 << 20
DATABASES_MAX = 64
COMPACT_RUN = 4  # blocks of one generation that are made one


class Store:
    """A time-series store in `world.disk`.

    series_max:   series the head may hold
    block_ms:     span of a block
    retention_ms: blocks older than this are removed; 0 keeps all
    """

    def __init__(
        self,
        world: World,
        *,
        series_max: int = 10_000_000,
        block_ms: int = 2 * HOUR_MS,
        retention_ms: int = 0,
        samples_max: int = 50_000_000,
    ):
        self.world = world
        self.block_ms = block_ms
        self.retention_ms = retention_ms
        self.samples_max = samples_max
        self.head = Head(series_max)
        self.blocks: list[Block] = []  # by rank
        self.remote = RemoteWriteParser(self.head)
        self.parsers: dict[bytes, LineParser] = {}
        self.finder = Finder(self)
        self.batch = Batch()
        self.ingested = 0
        self.rejected = 0
        self._block_disk = world.disk.sub("blocks")
        self._open_blocks()
        self.log = RecordLog(world.disk.sub("wal"), world.turn)
        self._replay()

    # ---- opening -------------------------------------------------------------------------

    def _open_blocks(self) -> None:
        disk = self._block_disk
        for name in disk.list():
            if name.endswith(".new"):
                disk.remove(name)
            elif name.endswith(".block"):
                self.blocks.append(Block(disk, name))
        replaced = {name for block in self.blocks for name in block.meta["replaces"]}
        self._remove(block for block in list(self.blocks) if block.name in replaced)
        self.blocks.sort(key=lambda block: block.rank)

    def _replay(self) -> None:
        disk = self.world.disk
        start = msgpack.unpackb(disk.read("meta"))["wal"] if disk.exists("meta") else 0
        batch = Batch()
        for position, record in self.log.replay(start):
            try:
                replay(record, self.head, batch)
            except BadRecord as exc:
                raise Damaged("wal", position, str(exc)) from exc

    def close(self) -> None:
        """Flush the log and close the files."""
        self.log.close()
        for block in self.blocks:
            block.close()

    # ---- writing -------------------------------------------------------------------------

    def write_lines(
        self, body: bytes, unit_ns: int = 1, database: bytes = b"", now_ms: int | None = None
    ) -> LineParser:
        """Write line protocol; the parser returned tells of lines that were rejected."""
        parser = self.parsers.get(database)
        if parser is None:
            if len(self.parsers) >= DATABASES_MAX:
                self.parsers.clear()
            parser = self.parsers[database] = LineParser(self.head, database)
        self.batch.clear()
        parser.parse(
            body, self.batch, unit_ns, self.world.clock.wall_ms() if now_ms is None else now_ms
        )
        self.rejected += parser.rejected
        self._commit()
        return parser

    def write_remote(self, body: bytes) -> None:
        """Write a remote-write request (snappy); BadRequest, Malformed, TooLarge."""
        self.batch.clear()
        self.remote.parse(decompress("snappy", body, DECODED_BYTES_MAX), self.batch)
        self._commit()

    def add(self, labels: Labels, times: Iterable[int], values: Iterable[float]) -> None:
        """Write samples of one series."""
        self.batch.clear()
        ref = self.head.ref_of(labels.key)
        for t, v in zip(times, values, strict=True):
            self.batch.add(ref, t, v)
        self._commit()

    def write_samples(self, samples: Iterable[tuple[Labels, int, float]]) -> None:
        """Write (labels, time, value) of any series, as one batch."""
        self.batch.clear()
        for labels, t, v in samples:
            self.batch.add(self.head.ref_of(labels.key), t, v)
        self._commit()

    def _commit(self) -> None:
        """Log the batch, then take it into the head."""
        if len(self.batch):
            log_batch(self.log, self.head, self.batch)
            self.head.append(self.batch)
            self.ingested += len(self.batch)

    # ---- reading -------------------------------------------------------------------------

    def select(self, matchers: Sequence[Matcher], low_ms: int, high_ms: int) -> Columns:
        """The series that meet the matchers, with their samples in [low_ms, high_ms]."""
        return self.finder.select(matchers, low_ms, high_ms).gather()

    def _indexes(self, low_ms: int, high_ms: int) -> Iterator:
        """Postings of all that overlaps a time range."""
        for block in self.blocks:
            if block.first <= high_ms and block.last >= low_ms:
                yield block.postings
        if self.head.samples and self.head.first <= high_ms and self.head.last >= low_ms:
            yield self.head.postings

    def label_names(
        self, selectors: Sequence[Sequence[Matcher]], low_ms: int, high_ms: int
    ) -> list[str]:
        """Names of labels of the series any selector finds (all series without one)."""
        found: set[str] = set()
        for postings in self._indexes(low_ms, high_ms):
            for matchers in selectors or [()]:
                chosen = postings.select(matchers) if matchers else None
                found |= postings.names(chosen)
        return sorted(found)

    def label_values(
        self, name: str, selectors: Sequence[Sequence[Matcher]], low_ms: int, high_ms: int
    ) -> list[str]:
        """Values of a label in the series any selector finds (all series without one)."""
        found: set[str] = set()
        for postings in self._indexes(low_ms, high_ms):
            for matchers in selectors or [()]:
                chosen = postings.select(matchers) if matchers else None
                found |= postings.values(name, chosen)
        return sorted(found)

    def series(
        self, selectors: Sequence[Sequence[Matcher]], low_ms: int, high_ms: int
    ) -> list[Labels]:
        """Labels of the series that any selector finds, sorted."""
        found: set[Labels] = set()
        head = self.head
        for matchers in selectors:
            for block in self.blocks:
                if block.first <= high_ms and block.last >= low_ms:
                    found.update(map(block.labels_of, block.postings.select(matchers)))
            if head.samples and head.first <= high_ms and head.last >= low_ms:
                found.update(head.series[ref].labels for ref in head.postings.select(matchers))
        return sorted(found)

    # ---- flushing, compaction, retention ---------------------------------------------------

    def maintain(self) -> None:
        """What is due: flush the head, make runs of blocks one, remove what is too old."""
        head = self.head
        if head.samples:
            span_ms = head.last - head.first
            if span_ms > self.block_ms * 3 // 2:
                cut = head.last - self.block_ms // 2
                self.flush(cut - cut % self.block_ms)
            if head.samples > self.samples_max:
                self.flush(head.last + 1)
        self.compact()
        self.expire()

    def flush(self, cut_ms: int) -> Block | None:
        """Move all samples older than cut_ms from the head to a block; see the module."""
        head = self.head
        if not head.samples or head.first >= cut_ms:
            return None
        rank = self.blocks[-1].rank + 1 if self.blocks else 1
        writer = BlockWriter(self._block_disk, f"{rank:08d}-0000.block")
        try:
            for key in sorted(head.by_key):
                columns = Columns()
                head.read(head.by_key[key], columns, head.first, cut_ms - 1)
                if columns.n:
                    columns.end_series(None)
                    writer.add(key, columns, 0)
            block = writer.finish()
        except OSError:
            writer.abandon()
            raise
        self.blocks.append(block)
        head.drop_before(cut_ms)
        self._checkpoint()
        return block

    def _checkpoint(self) -> None:
        """Log anew what the head still holds, and let go of the older log."""
        log = self.log
        log.roll()
        start = log.end
        log_all(log, self.head)
        log.flush()
        self.world.disk.replace("meta", msgpack.packb({"wal": start}))
        log.trim(start)

    def compact(self) -> Block | None:
        """Make the first run of neighbouring blocks of one generation a single block."""
        generations = [int(block.name[9:13]) for block in self.blocks]
        for first in range(len(self.blocks) - COMPACT_RUN + 1):
            run = self.blocks[first : first + COMPACT_RUN]
            if len(set(generations[first : first + COMPACT_RUN])) == 1:
                return self.merge(run)
        return None

    def merge(self, run: Sequence[Block]) -> Block:
        """Make neighbouring blocks one; reading gives the same before and after."""
        generation = max(int(block.name[9:13]) for block in run) + 1
        writer = BlockWriter(self._block_disk, f"{run[-1].rank:08d}-{generation:04d}.block")
        places: dict[bytes, list[tuple[Block, int]]] = {}
        try:
            for block in run:
                block.load()
                for number, key in enumerate(block.keys):
                    places.setdefault(key, []).append((block, number))
            for key in sorted(places):
                columns = Columns()
                for block, number in places[key]:
                    block.read(number, columns, block.first, block.last)
                columns.end_series(None)
                writer.add(key, columns, 0)
            merged = writer.finish([block.name for block in run])
        except OSError:
            writer.abandon()
            raise
        at = self.blocks.index(run[0])
        self.blocks.insert(at, merged)
        self._remove(run)
        return merged

    def expire(self) -> list[str]:
        """Remove the blocks that are wholly past the retention; returns their names."""
        if not self.retention_ms:
            return []
        limit = self.world.clock.wall_ms() - self.retention_ms
        old = [block for block in self.blocks if block.last < limit]
        self._remove(old)
        return [block.name for block in old]

    def _remove(self, blocks: Iterable[Block]) -> None:
        for block in list(blocks):
            self.blocks.remove(block)
            block.close()
            self._block_disk.remove(block.name)
        self._block_disk.sync_dir()
