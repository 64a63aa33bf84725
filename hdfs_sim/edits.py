"""The edit log: every change of the namespace, in order, in a bedrock RecordLog.

    record = msgpack [op, field, field, ...]          op is a number of OPS

An edit names inodes and blocks by id, holds every value that is not derived from the state (times,
new ids), and was validated before it was written: applying it cannot fail.  `Namesystem` applies
edits through the same functions when a client asks and when the log is replayed, so that replay
gives the same tree by construction.

Spec: Hadoop's FSEditLogOp names are kept where the operation is the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgpack

from bedrock.storage.errors import Damaged
from bedrock.storage.recordlog import RecordLog
from bedrock.world import Disk, Turn

# name -> (number on disk, fields)
OPS: dict[str, tuple[int, str]] = {
    "mkdir": (1, "parent id name mode owner group mtime"),
    "create": (2, "parent id name mode owner group mtime replication block_size client "
               "replaced"),
    "add_block": (3, "file block gs committed_gs committed_length"),
    "update_block": (4, "file block gs length"),
    "abandon_block": (5, "file block"),
    "close": (6, "file mtime"),
    "reopen": (7, "file client"),
    "rename": (8, "inode parent name mtime replaced"),
    "delete": (9, "inode mtime"),
    "set": (10, "inode values"),
    "genstamp": (11, "gs"),
    "concat": (12, "target sources mtime"),
}
NAMES = {number: name for name, (number, _) in OPS.items()}
ARITY = {number: len(fields.split()) for number, fields in OPS.values()}


class EditLog:
    """Edits, durable before the replies of the turn in which they were made.

    disk: the directory of the log alone
    """

    def __init__(self, disk: Disk, turn: Turn | None):
        self._log = RecordLog(disk, turn)
        self._pack = msgpack.Packer(use_bin_type=True).pack

    @property
    def end(self) -> int:
        """The position behind the last edit."""
        return self._log.end

    def append(self, op: str, *fields: Any) -> None:
        """Add an edit; DiskFull, with nothing changed, when there is no room."""
        self._log.append(self._pack((OPS[op][0], *fields)))

    def replay(self, start: int) -> Iterator[tuple[str, list[Any]]]:
        """The edits from a position on; Damaged when one cannot be read."""
        for position, payload in self._log.replay(start):
            yield parse(payload, position)

    def flush(self) -> None:
        """Make all edits durable now."""
        self._log.flush()

    def trim(self, position: int) -> None:
        """Forget edits before a position that an image covers."""
        self._log.trim(position)

    def close(self) -> None:
        """Flush and release the files."""
        self._log.close()


def parse(payload: bytes, position: int) -> tuple[str, list[Any]]:
    """The edit in a record."""
    try:
        number, *fields = msgpack.unpackb(payload, strict_map_key=False, use_list=True)
        if ARITY[number] != len(fields):
            raise ValueError(f"{len(fields)} fields")
        return NAMES[number], fields
    except (ValueError, KeyError, TypeError, msgpack.UnpackException) as exc:
        raise Damaged("edits", position, f"not an edit: {exc}") from exc
