"""Where a group's offset is moved to: the ways, shared by the command line and the console."""

from __future__ import annotations

from dataclasses import dataclass

TIMED = ("to_datetime", "by_duration")
WAYS = ("to_earliest", "to_latest", "to_current", "to_offset", "shift_by", *TIMED)


@dataclass(frozen=True)
class Partition:
    """What is known of a partition: its log's ends, what was committed, the offset for a time."""

    start: int
    end: int
    committed: int | None = None
    timed: int = -1


def target(how: str, value: int, at: Partition) -> int:
    """The new offset, kept within what the log holds; `value` is of to_offset and shift_by."""
    current = at.end if at.committed is None else at.committed
    wanted = {
        "to_earliest": at.start,
        "to_latest": at.end,
        "to_current": current,
        "to_offset": value,
        "shift_by": current + value,
    }.get(how, at.timed if at.timed >= 0 else at.end)
    return min(max(wanted, at.start), at.end)
