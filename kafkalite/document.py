"""A small file of the broker's own: versioned JSON, replaced as a whole.

    {"version": 1, "content": ...}

It is for what an administrator changes now and then.  A crash leaves the old content or the new.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from bedrock.storage.errors import Damaged
from bedrock.world import DiskFull
from kafkalite.errors import Code, KafkaError

if TYPE_CHECKING:
    from bedrock.world import Disk

VERSION = 1


class Document:
    """One file; what its content means is for its owner to know."""

    def __init__(self, disk: Disk, name: str):
        self.disk = disk
        self.name = name

    def read(self) -> Any:
        """The content; None if there never was any."""
        try:
            data = self.disk.read(self.name)
        except FileNotFoundError:
            return None
        try:
            held = json.loads(data)
            if held["version"] != VERSION:
                raise ValueError(f"version {held['version']}")
            return held["content"]
        except (ValueError, KeyError, TypeError) as exc:
            raise Damaged(self.name, 0, f"cannot be read: {exc}") from None

    def write(self, content: Any) -> None:
        """Replace the content, durably; KafkaError on a full disk."""
        held = {"version": VERSION, "content": content}
        try:
            self.disk.replace(self.name, json.dumps(held, indent=1).encode())
        except DiskFull as exc:
            raise KafkaError(Code.KAFKA_STORAGE_ERROR, str(exc)) from exc
