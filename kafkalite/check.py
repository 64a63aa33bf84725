"""The offline checker: walks every segment of every partition and says what is wrong.

1. Each batch is whole and its checksum right.
2. Offsets are dense within a partition, across its segments; in a compacted topic they
   grow.
3. An entry of an offset index is the last offset of the batch that begins at its position.
4. An entry of a time index is the largest timestamp of the batch that ends at its offset.
5. A log reaches its recovery point.
6. An entry of a transaction index names a control batch of its producer, by its last offset.

What lies behind the recovery point and is no batch is what an interrupted write leaves: a restart
cuts it off, so it is harmless.  So is whatever is wrong with the indexes of a segment that reaches
beyond the recovery point: they are made anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from bedrock.codec.errors import Malformed
from bedrock.storage.errors import Damaged, Finding
from kafkalite import checkpoint
from kafkalite.aborted import ENTRY, AbortedIndex
from kafkalite.index import Index
from kafkalite.segment import LOG, OFFSETS, TIMES, TRANSACTIONS, Scanner
from kafkalite.topics import CATALOG, read_catalog

if TYPE_CHECKING:
    from bedrock.world import Disk

CONTROL = 32  # attribute of a batch


def check(disk: Disk) -> Iterator[Finding]:
    """Everything wrong in a data directory of a stopped broker."""
    try:
        topics = read_catalog(disk)
        recovery = checkpoint.read(disk, checkpoint.RECOVERY_POINT)
        checkpoint.read(disk, checkpoint.LOG_START)
        cleaned = checkpoint.read(disk, checkpoint.CLEANER)
    except Damaged as exc:
        yield exc.finding
        return
    names = disk.list()
    for topic in topics:
        for index in range(topic["partitions"]):
            directory = f"{topic['name']}-{index}"
            point = recovery.get((topic["name"], index), 0)
            policy = topic["configs"].get("cleanup.policy", "")
            gaps = "compact" in policy or (topic["name"], index) in cleaned
            logs = [n for n in names if n.startswith(directory + "/") and n.endswith(LOG)]
            if logs:
                yield from _check_partition(disk, logs, point, gaps)
            elif point:
                yield Finding(directory, 0, f"is missing, {CATALOG} lists it")


def _check_partition(
    disk: Disk, logs: list[str], recovery_point: int, gaps: bool
) -> Iterator[Finding]:
    expected: int | None = None
    for number, name in enumerate(logs):
        base = int(name.rpartition("/")[2][: -len(LOG)])
        if expected is not None and _misplaced(base, expected, gaps):
            yield Finding(name, 0, f"begins at offset {base}, the one before ends at {expected}")
        expected = base
        offsets, times = {}, {}
        markers: dict[int, int] = {}
        with disk.open(name) as file:
            size = file.size()
            scanner = Scanner(file, 0, size)
            for position, header in scanner:
                if _misplaced(header["base_offset"], expected, gaps):
                    why = f"offset {header['base_offset']} where {expected} should be"
                    yield Finding(name, position, why)
                last = header["base_offset"] + header["last_delta"]
                offsets[position] = last
                times[last] = header["max_timestamp"]
                if header["attributes"] & CONTROL:
                    markers[last] = header["producer_id"]
                expected = last + 1
        if scanner.why is not None:
            yield Finding(name, scanner.position, scanner.why, expected >= recovery_point)
            if expected >= recovery_point:
                return
        trusted = number + 1 < len(logs) and expected <= recovery_point
        positions = {last: position for position, last in offsets.items()}
        for suffix, width, truth in ((OFFSETS, 8, positions), (TIMES, 12, times)):
            index = name[: -len(LOG)] + suffix
            for offset, why in _check_index(disk, index, base, width, truth):
                yield Finding(index, offset, why, not trusted)
        index = name[: -len(LOG)] + TRANSACTIONS
        for offset, why in _check_transactions(disk, index, markers):
            yield Finding(index, offset, why, not trusted)
    if expected is not None and expected < recovery_point:
        why = f"ends at offset {expected}, {recovery_point} was durable"
        yield Finding(logs[-1], size, why)


def _misplaced(offset: int, expected: int, gaps: bool) -> bool:
    """True unless `offset` may follow where `expected` was to be."""
    return offset < expected or (offset > expected and not gaps)


def _load(index: Index | AbortedIndex, disk: Disk, name: str) -> str:
    """Why an index cannot be read; "" if it was, or is not there and so stays empty."""
    with suppress(FileNotFoundError):
        try:
            index.load(disk.read(name))
        except Malformed as exc:
            return str(exc)
    return ""


def _check_index(
    disk: Disk, name: str, base: int, width: int, truth: dict[int, int]
) -> Iterator[tuple[int, str]]:
    """Compare an index with the batches: offset -> position, or offset -> timestamp."""
    index = Index(base, width)
    if worn := _load(index, disk, name):
        yield 0, worn
        return
    for number, (key, value) in enumerate(index):
        offset, claim = (key, value) if width == 8 else (value, key)
        if truth.get(offset) != claim:
            yield number * width, f"offset {offset} is at {truth.get(offset)}, not {claim}"


def _check_transactions(
    disk: Disk, name: str, markers: dict[int, int]
) -> Iterator[tuple[int, str]]:
    """Compare a transaction index with the control batches: offset -> producer."""
    index = AbortedIndex()
    if worn := _load(index, disk, name):
        yield 0, worn
        return
    for number, entry in enumerate(index.entries):
        if markers.get(entry.last_offset) != entry.producer_id:
            why = f"no marker of producer {entry.producer_id} at offset {entry.last_offset}"
            yield number * ENTRY.size, why
