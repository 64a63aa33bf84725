"""The store: head, log and blocks behind one door; usable without a server.

    write ──► parse ──► log (durable at the end of the turn) ──► head ──► blocks, every few hours
    select ◄── blocks, oldest first, then the head

On disk:  wal/  the record log     blocks/  see `blocks`     meta  where wal begins, its number

What becomes of samples after the head is told in `lifecycle`.

Invariants:
1. A sample is in the log before it is in the head, and durable before its write is answered.
2. Reading gives for each series and time the value written last, wherever it lies.
3. A full disk is found before the head changes; reads go on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import chain
from typing import TYPE_CHECKING

import msgpack

from bedrock.codec.compress import decompress
from bedrock.storage.errors import Damaged
from bedrock.storage.recordlog import RecordLog
from bedrock.world import World
from bedrock.world.slices import paced, paced_sort
from tsdb.block import Block
from tsdb.blocks import Blocks
from tsdb.columns import Columns
from tsdb.head import Batch, Head
from tsdb.jobs import run, run_beside
from tsdb.labels import Labels
from tsdb.lifecycle import Lifecycle, Policy
from tsdb.line_protocol import LineParser
from tsdb.matchers import Matcher
from tsdb.queries import Queries
from tsdb.remote_write import RemoteWriteParser
from tsdb.selection import Finder
from tsdb.wal import BadRecord, log_batch, replay

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

DECODED_BYTES_MAX = 32 << 20
DATABASES_MAX = 64
TIME_MIN = -(2**63)


class Store:
    """A time-series store in `world.disk`.

    series_max: series the head may hold
    labels_max: labels a series may have
    policy:     what becomes of samples, and when (see `lifecycle`)
    """

    def __init__(
        self,
        world: World,
        *,
        series_max: int = 10_000_000,
        labels_max: int = 512,
        policy: Policy | None = None,
    ):
        self.world = world
        self.lifecycle = Lifecycle(self, policy or Policy())
        self.busy = asyncio.Lock()  # held while a job runs
        self.head = Head(series_max, labels_max)
        self.remote = RemoteWriteParser(self.head)
        self.parsers: dict[bytes, LineParser] = {}
        self.finder = Finder(self)
        self.batch = Batch()
        self.on_commit: Callable[[Batch], None] | None = None  # told of what was taken
        self.ingested = 0
        self.rejected = 0
        self.queries = Queries(world)
        self.block_set = Blocks(world.disk.sub("blocks"), self.queries.after)
        self.log = RecordLog(world.disk.sub("wal"), world.turn)
        self._replay()

    # ---- opening -------------------------------------------------------------------------

    def _replay(self) -> None:
        disk = self.world.disk
        meta = msgpack.unpackb(disk.read("meta")) if disk.exists("meta") else {"wal": 0}
        self.block_set.log_number = meta.get("number", 0)
        if not self.block_set.log_number:
            self.block_set.log_number = self.world.rand.u64()
            self.write_meta(meta["wal"])
        flushed = self.block_set.flushed()
        batch = Batch()
        for position, record in self.log.replay(meta["wal"]):
            cut = max((cut for end, cut in flushed if position < end), default=TIME_MIN)
            try:
                replay(record, self.head, batch, cut)
            except BadRecord as exc:
                raise Damaged("wal", position, str(exc)) from exc
        self.head.recount()

    def write_meta(self, start: int) -> None:
        """The head begins at this position of the log."""
        content = {"wal": start, "number": self.block_set.log_number}
        self.world.disk.replace("meta", msgpack.packb(content))

    def close(self) -> None:
        """Flush the log and close the files."""
        self.log.close()
        self.block_set.close()

    @property
    def blocks(self) -> list[Block]:
        """All blocks, by rank."""
        return list(self.block_set.all)

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

    def write_remote(self, body: bytes, second: bool = False) -> int:
        """Write a remote-write request (snappy), of version 2.0 or 1.0; how many samples.

        BadRequest, Malformed, TooLarge.
        """
        self.batch.clear()
        self.remote.parse(decompress("snappy", body, DECODED_BYTES_MAX), self.batch, second)
        self._commit()
        return len(self.batch)

    def add(self, labels: Labels, times: ArrayLike, values: ArrayLike) -> None:
        """Write samples of one series; fastest from arrays of int64 and float64."""
        import numpy as np  # here, because a server must be ready before numpy is loaded

        self.batch.clear()
        self.batch.add_many(
            self.head.ref_of(labels.key),
            np.ascontiguousarray(times, np.int64),
            np.ascontiguousarray(values, np.float64),
        )
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
            if self.on_commit is not None:
                self.on_commit(self.batch)

    # ---- reading -------------------------------------------------------------------------

    def select(
        self, matchers: Sequence[Matcher], low_ms: int, high_ms: int, resolution_ms: int = 0
    ) -> Columns:
        """The series that meet the matchers, with their samples in [low_ms, high_ms]."""
        found = self.finder.select(matchers, low_ms, high_ms, resolution=resolution_ms)
        return found.gather()

    def resolution(self, beat_ms: int) -> int:
        """The coarsest tier that answers as samples would at multiples of this; 0 for samples."""
        tiers = self.block_set.resolutions()
        return max((r for r in tiers if beat_ms % r == 0), default=0)

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
        found = []
        for postings in self._indexes(low_ms, high_ms):
            for matchers in selectors or [()]:
                chosen = postings.select(matchers) if matchers else None
                found.append(postings.values(name, chosen))
        if len(found) == 1:
            return found[0]
        # Sorting what are runs already takes but a look at each.
        return list(dict.fromkeys(paced_sort(chain.from_iterable(found))))

    def series(
        self, selectors: Sequence[Sequence[Matcher]], low_ms: int, high_ms: int
    ) -> list[Labels]:
        """Labels of the series that any selector finds, sorted."""
        found: set[Labels] = set()
        head = self.head
        for matchers in selectors:
            for block in self.blocks:
                if block.first <= high_ms and block.last >= low_ms:
                    numbers = block.postings.select(matchers).to_array()
                    found.update(map(block.labels_of, paced(numbers)))
            if head.samples and head.first <= high_ms and head.last >= low_ms:
                refs = head.postings.select(matchers).to_array()
                found.update(s.labels for ref in paced(refs) if (s := head.series[ref]))
        return paced_sort(found)

    # ---- what becomes of samples -------------------------------------------------------------

    def delete(self, matchers: Sequence[Matcher], low_ms: int, high_ms: int) -> None:
        """Delete samples; their disk is free after the next maintenance.  Not during a job."""
        run(self.lifecycle.delete(matchers, low_ms, high_ms))

    def maintain(self) -> None:
        """Do all that is due: flush the head, merge, downsample, remove what is too old."""
        for job in self.lifecycle.due():
            run(job)

    async def maintain_beside(self) -> None:
        """`maintain` while reading and writing go on."""
        async with self.busy:
            for job in self.lifecycle.due():
                await run_beside(self.world, job)

    async def delete_beside(
        self, matchers: Sequence[Matcher], low_ms: int, high_ms: int
    ) -> None:
        """`delete`, as soon as no job runs."""
        async with self.busy:
            await run_beside(self.world, self.lifecycle.delete(matchers, low_ms, high_ms))

    async def snapshot_beside(self, skip_head: bool = False) -> str:
        """Copy all blocks, and the head as one, to a directory of their own; its name."""
        now_s = self.world.clock.wall_ms() // 1000
        stamp = datetime.fromtimestamp(now_s, UTC).strftime("%Y%m%dT%H%M%SZ")
        name = f"{stamp}-{self.world.rand.u64():016x}"
        async with self.busy:
            await run_beside(self.world, self.lifecycle.snapshot(f"snapshots/{name}", skip_head))
        return name

    def flush(self, cut_ms: int) -> Block | None:
        """Move all samples older than cut_ms from the head to a block."""
        return run(self.lifecycle.flush(cut_ms))

    def merge(self, blocks: Sequence[Block]) -> Block | None:
        """Make neighbouring blocks one."""
        return run(self.lifecycle.merge(blocks))
