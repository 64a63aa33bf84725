"""Ids for idempotent producers: each is given once, also across restarts.

Ids are taken in blocks.  The file holds the first id of the next block and is replaced before an id
of the block is given, so a crash skips at most a block.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bedrock.storage.errors import Damaged

if TYPE_CHECKING:
    from bedrock.world import Disk

FILE = "producer-ids"
BLOCK = 1000


class ProducerIds:
    """The ids of a data directory."""

    def __init__(self, disk: Disk):
        self.disk = disk
        self._next = self._end = self._read()

    def _read(self) -> int:
        try:
            return int(self.disk.read(FILE))
        except FileNotFoundError:
            return 0
        except ValueError:
            raise Damaged(FILE, 0, "not a number") from None

    def take(self) -> int:
        """An id nobody had; DiskFull if it cannot be made sure."""
        if self._next == self._end:
            self.disk.replace(FILE, str(self._end + BLOCK).encode())
            self._end += BLOCK
        self._next += 1
        return self._next - 1
