"""What a store says about its files: it refuses to open, or a checker's finding."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One thing a checker found.

    file:     name within the data directory
    offset:   where in the file (bytes)
    why:      what is wrong there
    harmless: True for what an interrupted write leaves and recovery clears away by itself
    """

    file: str
    offset: int
    why: str
    harmless: bool = False

    def __str__(self) -> str:
        return f"{self.file} at {self.offset}: {self.why}"


class Damaged(Exception):
    """What was durable is not there any more; the store refuses to open.

    A torn tail is not damage: it was never promised to anyone.
    """

    def __init__(self, file: str, offset: int, why: str) -> None:
        super().__init__(file, offset, why)
        self.finding = Finding(file, offset, why)

    file = property(lambda self: self.finding.file)
    offset = property(lambda self: self.finding.offset)
    why = property(lambda self: self.finding.why)

    def __str__(self) -> str:
        return str(self.finding)
