"""The transaction index of a segment: which transactions were aborted, for consumers to skip.

    NAME.txnindex     { version int16 (0), producer_id int64, first_offset int64,
                        last_offset int64, last_stable_offset int64 }*       34 bytes each

An entry belongs to the segment that holds its marker; last_offset is the marker's own, and
last_stable_offset what readers of committed records could read up to once it was there.  A fetch
needs the entries whose range meets the offsets it returns; one whose last stable offset lies beyond
them says that no later entry does.

A file that is not there stands for no entries.

Invariants:
1. Entries are in the order of their markers.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from bedrock.codec.errors import Malformed

if TYPE_CHECKING:
    from bedrock.world import Disk

ENTRY = struct.Struct(">hqqqq")
VERSION = 0


class Aborted(NamedTuple):
    """One aborted transaction."""

    producer_id: int
    first_offset: int
    last_offset: int
    last_stable_offset: int


class AbortedIndex:
    """The aborted transactions whose markers a segment holds."""

    def __init__(self) -> None:
        self.entries: list[Aborted] = []
        self._saved = 0

    def add(self, entry: Aborted) -> None:
        """Remember one more."""
        self.entries.append(entry)

    def within(self, start: int, end: int) -> tuple[list[Aborted], bool]:
        """Those that touch start ... end, and whether no later index can have another."""
        found = []
        for entry in self.entries:
            if entry.last_offset >= start and entry.first_offset < end:
                found.append(entry)
            if entry.last_stable_offset >= end:
                return found, True
        return found, False

    def save(self, disk: Disk, name: str) -> None:
        """Write the file, if there is anything new."""
        if self._saved == len(self.entries):
            return
        disk.replace(name, b"".join(ENTRY.pack(VERSION, *entry) for entry in self.entries))
        self._saved = len(self.entries)

    def load(self, data: bytes) -> None:
        """Take the entries of a file; Malformed when it is none."""
        if len(data) % ENTRY.size:
            raise Malformed(f"a transaction index of {len(data)} bytes")
        last = -1
        for version, *values in ENTRY.iter_unpack(data):
            entry = Aborted(*values)
            if version != VERSION or not last < entry.last_offset >= entry.first_offset >= 0:
                raise Malformed("no entry of a transaction index")
            last = entry.last_offset
            self.entries.append(entry)
        self._saved = len(self.entries)
