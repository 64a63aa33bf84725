"""Checkpoint files: one offset for each partition, as text, in Kafka's own form.

    0                     version
    2                     number of lines that follow
    orders 0 1500         topic, partition, offset
    orders 1 1498

    recovery-point-offset-checkpoint   below it a partition is durable
    log-start-offset-checkpoint        below it records were deleted
    cleaner-offset-checkpoint          below it the cleaner has been
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from bedrock.storage.errors import Damaged

if TYPE_CHECKING:
    from bedrock.world import Disk

RECOVERY_POINT = "recovery-point-offset-checkpoint"
LOG_START = "log-start-offset-checkpoint"
CLEANER = "cleaner-offset-checkpoint"

Offsets = dict[tuple[str, int], int]


def read(disk: Disk, name: str) -> Offsets:
    """The offsets in a checkpoint; none if the file is not there."""
    try:
        text = disk.read(name).decode()
    except FileNotFoundError:
        return {}
    try:
        version, count, *lines = text.splitlines()
        offsets = {}
        for line in lines:
            topic, partition, offset = line.rsplit(" ", 2)
            offsets[topic, int(partition)] = int(offset)
        if int(version) != 0 or int(count) != len(offsets):
            raise ValueError("count or version")
    except ValueError as exc:
        raise Damaged(name, 0, f"not a checkpoint: {exc}") from None
    return offsets


def write(disk: Disk, name: str, offsets: Mapping[tuple[str, int], int]) -> None:
    """Replace a checkpoint."""
    lines = [f"{topic} {partition} {offset}" for (topic, partition), offset in offsets.items()]
    disk.replace(name, "\n".join(["0", str(len(lines)), *lines, ""]).encode())
