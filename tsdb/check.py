"""The checker: reads the log and every block through, and says what is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import msgpack

from bedrock.storage import recordlog
from bedrock.storage.errors import Damaged, Finding
from bedrock.world import Disk
from tsdb.block import Block
from tsdb.columns import Columns
from tsdb.head import Batch, Head
from tsdb.wal import BadRecord, replay


def check(disk: Disk) -> Iterator[Finding]:
    """Findings about a store's directory; nothing is changed."""
    names = disk.list()
    if any(name.startswith("wal/") for name in names):
        yield from _check_log(disk)
    for name in names:
        if name.startswith("blocks/") and name.endswith(".block"):
            yield from _check_block(disk.sub("blocks"), name.removeprefix("blocks/"))
        elif name.startswith("blocks/") and name.endswith(".new"):
            yield Finding(name, 0, "unfinished block", True)
        elif name.startswith("blocks/") and name.endswith(".damaged"):
            yield Finding(name, 0, "a damaged block that was set aside")


def _check_log(disk: Disk) -> Iterator[Finding]:
    log_disk = disk.sub("wal")
    findings = list(recordlog.check(log_disk))
    yield from findings
    if any(not finding.harmless for finding in findings):
        return
    start = msgpack.unpackb(disk.read("meta"))["wal"] if disk.exists("meta") else 0
    head, batch = Head(), Batch()
    for position, record in recordlog.records(log_disk, start):
        try:
            replay(record, head, batch)
        except BadRecord as exc:
            yield Finding("wal", position, str(exc))


def _check_block(disk: Disk, name: str) -> Iterator[Finding]:
    """All checksums, all chunks; times in order and within the bounds the block states."""
    path = f"blocks/{name}"
    try:
        block = Block(disk, name)
        if len(block.postings.select(())) != len(block):
            yield Finding(path, 0, "postings and series table do not agree")
        samples = 0
        for number in range(len(block)):
            for row in range(block.meta["rows"]):
                columns = Columns()
                block.read_row(number, row, columns, block.first, block.last)
                columns.end_series(None)
                samples += columns.n if row == 0 else 0
        if samples != block.samples:
            yield Finding(path, 0, f"{samples} samples, {block.samples} stated")
        keys = [block.key_of(number) for number in range(len(block))]
        if keys != sorted(keys):
            yield Finding(path, 0, "series are not in order")
    except Damaged as exc:
        yield replace(exc.finding, file=path)
    except ValueError as exc:
        yield Finding(path, 0, str(exc))
