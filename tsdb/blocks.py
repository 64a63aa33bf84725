"""Blocks: the immutable files of a store, which of them answer for a time, and what was deleted.

    <rank>-<generation>[-<resolution>].block   see `block`
    deletions                                  msgpack: [[id, rank, low, high, matchers], ...]
    <name>.damaged                             set aside: it is not read any more

What a block was flushed from is still in the log for a while.  So every block says what blocks
hold of it, in `flushed`: [[number of the log, position, cut], ...], all samples older than cut that
the log has before the position.

A deletion holds for the samples of every block that was there, that is, up to a rank; what is
written later for the same time is kept.  Readers pass over what was deleted; when a block is
written anew its samples are left out, and `deleted` in its meta says up to which deletion.

A block that is found damaged is renamed, reported in `findings`, and the others serve on.

Invariant 1: of the blocks of one resolution the ranges of ranks [low, rank] do not overlap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import msgpack

from bedrock.storage.errors import Damaged, Finding
from bedrock.world import Disk
from tsdb.block import ROWS, Block
from tsdb.matchers import Matcher

DELETIONS = "deletions"
ALWAYS = 2**62


@dataclass(frozen=True)
class Deletion:
    """Samples in [low, high] of the series that meet the matchers, in blocks up to a rank."""

    number: int
    rank: int
    low: int
    high: int
    matchers: tuple[Matcher, ...]

    def concerns(self, block: Block) -> bool:
        """Whether the block may hold such samples."""
        return (
            self.number > block.meta["deleted"]
            and block.rank <= self.rank
            and block.first <= self.high
            and block.last >= self.low
        )

    def packed(self) -> list[Any]:
        """For the file."""
        matchers = [[m.name, m.op, m.value] for m in self.matchers]
        return [self.number, self.rank, self.low, self.high, matchers]


def _ranks_meet(a: Block, b: Block) -> bool:
    return a.low <= b.rank and b.low <= a.rank


def times_meet(block: Block, low_ms: int, high_ms: int) -> bool:
    """Whether a block may have samples of a time."""
    return block.first <= high_ms and block.last >= low_ms


def buckets_of(block: Block, resolution_ms: int) -> tuple[int, int]:
    """The time of the buckets that a block has samples in."""
    first, last = block.first - 1, block.last + resolution_ms - 1
    return first - first % resolution_ms + 1, last - last % resolution_ms


def _span(found: list[Block], block: Block) -> bool:
    """Whether blocks of one resolution have all ranks of a block."""
    return sum(
        min(b.rank, block.rank) - max(b.low, block.low) + 1 for b in found
    ) == block.rank - block.low + 1  # fmt: skip


class Blocks:
    """The blocks in a directory; see the module.

    after_queries: calls a function once nobody reads what is read now
    """

    def __init__(self, disk: Disk, after_queries: Callable[[Callable[[], None]], None]):
        self.disk = disk
        self.after_queries = after_queries
        self.log_number = 0  # of the store's log: a copied directory begins another
        self.all: list[Block] = []  # by rank, the finer before the coarser
        self.tiers: dict[int, list[Block]] = {}  # the same, by resolution
        self.findings: list[Finding] = []
        self.deletions: list[Deletion] = []
        for name in disk.list():
            if name.endswith(".new"):
                disk.remove(name)
            elif name.endswith(".block"):
                try:
                    self.all.append(Block(disk, name))
                except Damaged as exc:
                    self._rename(exc.finding)
        replaced = {name for block in self.all for name in block.meta["replaces"]}
        self.remove(block for block in list(self.all) if block.name in replaced)
        self._sort()
        if disk.exists(DELETIONS):
            for number, rank, low, high, matchers in msgpack.unpackb(disk.read(DELETIONS)):
                found = tuple(Matcher(*matcher) for matcher in matchers)
                self._apply(Deletion(number, rank, low, high, found))

    def close(self) -> None:
        """Close the files."""
        for block in self.all:
            block.close()

    def _sort(self) -> None:
        self.all.sort(key=lambda block: (block.rank, block.resolution))
        self.tiers = {
            resolution: [block for block in self.all if block.resolution == resolution]
            for resolution in {block.resolution for block in self.all}
        }

    # ---- what is in the log as well ----------------------------------------------------------

    def flushed(self, *more: tuple[int, int]) -> list[tuple[int, int]]:
        """(position, cut) as the blocks have it, and more; without what others imply."""
        said = {
            (position, cut)
            for block in self.all
            for number, position, cut in block.meta.get("flushed", ())
            if number == self.log_number
        }
        kept: list[tuple[int, int]] = []
        for position, cut in sorted({*said, *more}, reverse=True):
            if not kept or cut > kept[-1][1]:
                kept.append((position, cut))
        return kept

    # ---- which blocks ----------------------------------------------------------------------

    @property
    def next_rank(self) -> int:
        """Of a block that holds what was written last."""
        return max((block.rank for block in self.all), default=0) + 1

    def of(self, resolution_ms: int) -> list[Block]:
        """Those of one resolution, by rank; not to be changed."""
        return self.tiers.get(resolution_ms, [])

    def resolutions(self) -> set[int]:
        """The tiers there are."""
        return self.tiers.keys() - {0}

    def covered(self, block: Block, resolution_ms: int) -> bool:
        """Whether all of a block is there in another resolution as well."""
        return _span([b for b in self.of(resolution_ms) if _ranks_meet(b, block)], block)

    def finer_of(self, block: Block) -> list[Block]:
        """The blocks of the next finer resolution that hold all of a tier's block; [] if none."""
        for resolution in sorted((r for r in self.tiers if r < block.resolution), reverse=True):
            found = [b for b in self.of(resolution) if _ranks_meet(b, block)]
            if _span(found, block):
                return found
        return []

    def lost(self, resolution_ms: int) -> list[tuple[int, int]]:
        """Times of which a tier has buckets that cannot be made anew."""
        return [(b.first, b.last) for b in self.of(resolution_ms) if not self.finer_of(b)]

    def sources(
        self, low_ms: int, high_ms: int, resolution_ms: int = 0, head_ms: int = ALWAYS
    ) -> list[Block]:
        """The blocks to read for a time range, the older first.

        Where there are several tiers, the coarsest that is no coarser than asked for is taken;
        where there is none such, the finest there is.  A tier does not know of what came later
        than its blocks, here or in the head (whose first time is given), nor of a part of a bucket
        that was deleted: then finer blocks are taken instead, as long as there are all.
        """
        near = [block for block in self.all if times_meet(block, low_ms, high_ms)]
        if not any(block.resolution for block in near):
            return near
        while True:
            taken = self._finest_fit(near, resolution_ms)
            for block in taken:
                if block.resolution and (
                    block.cuts or head_ms <= block.last or self._later(block, taken)
                ):
                    gone = self.replaceable(block)
                    if gone:
                        break
            else:
                return sorted(taken, key=lambda block: block.rank)
            near = [block for block in near if block not in gone]

    def replaceable(self, block: Block) -> list[Block]:
        """A tier's block and those made of the same finer blocks, if these are as good; else [].

        They are not if some are gone, or if an older block that shares buckets cannot be replaced:
        only the tier knows what was written over there.
        """
        tier = self.of(block.resolution)
        fixed, more = [], [b for b in tier if not self.finer_of(b)]
        while more:
            fixed += more
            more = [
                b
                for b in tier
                if b not in fixed and any(times_meet(b, other.first, other.last) for other in more)
            ]
        finer = self.finer_of(block)
        made = [b for b in tier if any(_ranks_meet(b, other) for other in finer)]
        return made if not any(b in fixed for b in made) else []

    @staticmethod
    def _finest_fit(near: list[Block], resolution_ms: int) -> list[Block]:
        taken: list[Block] = []
        tiers = {block.resolution for block in near}
        for tier in sorted(tiers, key=lambda r: (r > resolution_ms, abs(r - resolution_ms))):
            others = list(taken)
            taken += [
                block
                for block in near
                if block.resolution == tier
                and not any(_ranks_meet(other, block) for other in others)
            ]
        return taken

    @staticmethod
    def _later(block: Block, among: list[Block]) -> bool:
        """Whether finer blocks have samples of a block's time."""
        return any(
            other.resolution < block.resolution and times_meet(other, block.first, block.last)
            for other in among
        )

    def alone(self, run: Sequence[Block]) -> bool:
        """Whether a run may become one block: other tiers have all of it, or nothing.

        Of a finer tier that must be in one block, so that it is whole as long as it is there.
        Nor may a block between them be gone of which another tier has more: the new one would
        seem to be all there was of its ranks.
        """
        gone = [(a.rank + 1, b.low - 1) for a, b in pairwise(run)]
        for other in self.all:
            if other.resolution != run[0].resolution and any(
                low <= high and other.low <= high and low <= other.rank for low, high in gone
            ):
                return False
        for resolution in self.tiers.keys() - {run[0].resolution}:
            others = self.of(resolution)
            if resolution < run[0].resolution:
                meeting = [b for b in others if any(_ranks_meet(b, block) for block in run)]
                if any(b.low > run[0].low or b.rank < run[-1].rank for b in meeting):
                    return False
            elif len({self.covered(block, resolution) for block in run}) > 1:
                return False
        return True

    # ---- making and removing ---------------------------------------------------------------

    def described(
        self, rank: int, generation: int, low: int, resolution_ms: int = 0,
        replaces: Iterable[Block] = (), flushed: Iterable[tuple[int, int]] = (),
        cold: bool = False,
    ) -> tuple[str, dict[str, Any]]:
        """Name and meta of a block to be written."""
        tier = f"-{resolution_ms}" if resolution_ms else ""
        return f"{rank:08d}-{generation:04d}{tier}.block", {
            "rows": len(ROWS) if resolution_ms else 1,
            "resolution": resolution_ms,
            "low": low,
            "cold": cold,
            "replaces": [block.name for block in replaces],
            "deleted": self.deletions[-1].number if self.deletions else 0,
            "flushed": [[self.log_number, *entry] for entry in self.flushed(*flushed)],
        }  # fmt: skip

    def install(self, block: Block | None, instead_of: Iterable[Block] = ()) -> None:
        """Read a new block from now on, and no more those it replaces."""
        if block is not None:
            self.all.append(block)
            self._sort()
        self.remove(instead_of)

    def remove(self, blocks: Iterable[Block]) -> None:
        """Remove files."""
        gone = list(blocks)
        for block in gone:
            self.all.remove(block)
            self.after_queries(block.close)
            self.disk.remove(block.name)
        if gone:
            self._sort()
            self.disk.sync_dir()

    def set_aside(self, damage: Damaged) -> bool:
        """Read the damaged block no more; False if it is none of these."""
        for block in self.all:
            if block.name == damage.file:
                self.all.remove(block)
                self._sort()
                self.after_queries(block.close)
                self._rename(damage.finding)
                return True
        return False

    def _rename(self, finding: Finding) -> None:
        self.findings.append(finding)
        self.disk.rename(finding.file, finding.file + ".damaged")
        self.disk.sync_dir()

    # ---- deletion --------------------------------------------------------------------------

    def delete(self, matchers: Sequence[Matcher], low_ms: int, high_ms: int) -> None:
        """Take samples out of all blocks, from now on and for good."""
        number = self.deletions[-1].number + 1 if self.deletions else 1
        rank = self.next_rank - 1
        made = Deletion(number, rank, low_ms, high_ms, tuple(matchers))
        self._keep([*self.deletions, made])
        self._apply(made)

    def _keep(self, deletions: list[Deletion]) -> None:
        packed = msgpack.packb([deletion.packed() for deletion in deletions])
        self.disk.replace(DELETIONS, packed)

    def _apply(self, deletion: Deletion) -> None:
        self.deletions.append(deletion)
        for block in list(self.all):
            if deletion.concerns(block):
                try:
                    numbers = block.postings.select(deletion.matchers)
                except Damaged as exc:
                    self.set_aside(exc)
                    continue
                if numbers:
                    block.cut(numbers, deletion.low, deletion.high)

    def forget_deletions(self) -> None:
        """Drop deletions that concern no block any more (but the last: numbers must rise)."""
        kept = [
            deletion
            for deletion in self.deletions
            if deletion is self.deletions[-1]
            or any(deletion.concerns(block) for block in self.all)
        ]
        if len(kept) < len(self.deletions):
            self._keep(kept)
            self.deletions = kept
