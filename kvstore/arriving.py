"""A snapshot that is still on its way, for the Reader to read as if it were a file.

    add() ─► ...............|::::::::::::::| ◄─ read_at()
             read, dropped   data

What was read and will not be read again is dropped; the sender is held back while more is here than
the Reader has asked for.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

ENDLESS = 1 << 62
ENOUGH = 4 << 20  # bytes that may lie here unread


class Arriving:
    """The bytes between what was read and what is still to come.

    missing: bytes still to come, -1 when the sender did not say
    """

    arriving = True

    def __init__(self, missing: int = -1):
        self.data = bytearray()
        self.start = 0  # offset of what is in `data`
        self.missing = missing
        self.wanted = 0  # offset up to which it is wanted now
        self.lost = False  # nothing more will come
        self._grown = asyncio.Event()

    def size(self) -> int:
        """As much as could come."""
        return ENDLESS if self.missing < 0 else self.end + self.missing

    @property
    def end(self) -> int:
        """How far it is here."""
        return self.start + len(self.data)

    @property
    def room(self) -> int:
        """Bytes that may be added now."""
        room = max(ENOUGH - len(self.data), self.wanted - self.end, 0)
        return room if self.missing < 0 else min(room, self.missing)

    def add(self, piece: bytes) -> None:
        """Some more has come."""
        self.data += piece
        if self.missing > 0:
            self.missing -= len(piece)
        self._grown.set()

    def lose(self) -> None:
        """The connection ended."""
        self.lost = True
        self._grown.set()

    def read_at(self, offset: int, n: int) -> bytes:
        """What is here of n bytes at an offset."""
        at = offset - self.start
        return bytes(self.data[at : at + n])

    def drop(self, offset: int) -> None:
        """Nothing before an offset is needed any more."""
        del self.data[: offset - self.start]
        self.start = offset

    def want(self, offset: int) -> None:
        """It is needed up to an offset, or to its end if that comes before."""
        self.wanted = offset if self.missing < 0 else min(offset, self.end + self.missing)

    async def until_wanted(self) -> bool:
        """Wait until it is here as far as it is wanted; False when it never will be."""
        while self.end < self.wanted and not self.lost:
            self._grown.clear()
            await self._grown.wait()
        return self.end >= self.wanted

    async def until_more(self, spent_s: float) -> None:
        """Wait for as much again, though no longer than the last attempt to read it took.

        A key is read from its beginning whenever more of it has come: this way a long one takes no
        more than twice its time.
        """
        self.want(self.start + 2 * (self.wanted - self.start))
        with suppress(TimeoutError):
            await asyncio.wait_for(self.until_wanted(), spent_s)
