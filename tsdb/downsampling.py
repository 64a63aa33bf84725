"""Downsampling: a block of a tier made of a finer block, beside it.

A bucket of the new block holds all there is of its time up to the block's rank (see `tiers`), and
late samples may share buckets with older blocks.  Those buckets are made anew, of the finer blocks
where they are still there, or else of the bucket that was made of them before.
"""

from __future__ import annotations

from functools import partial

from tsdb.block import ROWS, Block
from tsdb.block_writer import BlockWriter
from tsdb.blocks import Blocks, buckets_of, times_meet
from tsdb.columns import Columns
from tsdb.jobs import SLICE, Job


def downsample(blocks: Blocks, block: Block, resolution_ms: int) -> Job[Block | None]:
    """Make a block of a coarser tier beside a block."""
    inside = [b for b in blocks.of(resolution_ms) if b.within(block)]
    low, high = buckets_of(block, resolution_ms)
    lost = [time for time in blocks.lost(resolution_ms) if time[0] <= high and time[1] >= low]
    older, finer = (
        [b for b in blocks.of(tier) if b.rank < block.low and times_meet(b, low, high)]
        for tier in (resolution_ms, block.resolution)
    )
    if not lost:
        older = []
    name, meta = blocks.described(
        block.rank, max([block.generation, *(b.generation + 1 for b in inside)]), block.low,
        resolution_ms, inside,
    )  # fmt: skip
    writer = BlockWriter(blocks.disk, name, meta)
    try:
        numbers: dict[Block, dict[bytes, int]] = {}
        for other in (*older, *finer):
            yield partial(_find_numbers, other, numbers)
        for first in range(0, len(block), SLICE):
            part = range(first, min(first + SLICE, len(block)))
            yield partial(
                _downsample, writer, block, part, finer, older, lost, numbers, resolution_ms
            )
        writer.bound(low, high)
        yield writer.finish
    except BaseException:
        writer.abandon()
        raise
    blocks.install(writer.block, inside)
    return writer.block


# ---- steps: they touch only what they are given ------------------------------------------------


def _find_numbers(block: Block, numbers: dict[Block, dict[bytes, int]]) -> None:
    numbers[block] = {block.key_of(number): number for number in range(len(block))}


def _downsample(
    writer: BlockWriter, block: Block, part: range, finer: list[Block], older: list[Block],
    lost: list[tuple[int, int]], numbers: dict[Block, dict[bytes, int]], resolution_ms: int,
) -> None:  # fmt: skip
    from tsdb.tiers import downsample as make_buckets

    columns = Columns()
    keys = [block.key_of(number) for number in part]
    for key, number in zip(keys, part, strict=True):
        low, high = buckets_of(block, resolution_ms)
        late = [(b, numbers[b][key]) for b in finer if key in numbers[b]]
        base = [(b, numbers[b][key]) for b in older if key in numbers[b]]
        own = _read([(block, number)], block.first, block.last)
        fine = _read([*late, (block, number)], low, high) if late else own
        made = _read(base, low, high) if base else []
        make_buckets(own, fine, made, lost, resolution_ms, columns)
    writer.add(keys, columns)


def _read(places: list[tuple[Block, int]], low_ms: int, high_ms: int) -> list[Columns]:
    """All rows of a series in blocks of one resolution."""
    rows = []
    for row in range(len(ROWS) if places[0][0].resolution else 1):
        column = Columns()
        for block, number in places:
            block.read_row(number, row, column, low_ms, high_ms)
        column.end_series(None, True)
        rows.append(column)
    return rows
