"""The manifest of the append-only folder: which files make up the data, in which order.

    file appendonly.aof.1.base.aof seq 1 type b        the state when it was written, 0 or 1 line
    file appendonly.aof.1.incr.aof seq 1 type i        what happened since, in order

`type h` marks files a rewrite made obsolete.  Format and names are Redis 7's own, so that either
server opens the other's folder.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from bedrock.storage.errors import Damaged

SUFFIX = {"b": "base", "i": "incr"}


class Entry(NamedTuple):
    """One line: kind is b, i or h."""

    name: str
    seq: int
    kind: str


class Manifest:
    """The entries in file order.

    disk: the folder
    stem: the beginning of all names, `appendonly.aof`
    """

    def __init__(self, disk: Any, stem: str):
        self.disk = disk
        self.stem = stem
        self.name = f"{stem}.manifest"
        self.entries: list[Entry] = []

    def load(self) -> None:
        """Read it; Damaged when it makes no sense or is missing beside data."""
        self.entries = []
        if not self.disk.exists(self.name):
            orphans = [n for n in self.disk.list(self.stem) if n.endswith((".aof", ".rdb"))]
            # The first start writes the file before the manifest: an empty one may be left over.
            if any(self.disk.read(name) for name in orphans):
                raise Damaged(self.name, 0, f"missing, though {orphans[0]} is there")
            return
        offset = 0
        self.entries.clear()
        for line in self.disk.read(self.name).decode("utf-8", "replace").splitlines(True):
            if line.strip() and not line.startswith("#"):
                self.entries.append(self.parse(line, offset))
            offset += len(line.encode())
        if [e.kind for e in self.entries].count("b") > 1:
            raise Damaged(self.name, 0, "more than one base file")

    def parse(self, line: str, offset: int) -> Entry:
        """One line: pairs of words, of which three are known."""
        words = line.split()
        fields = dict(zip(words[::2], words[1::2], strict=False))
        try:
            name, seq, kind = fields["file"].strip('"'), int(fields["seq"]), fields["type"]
        except (KeyError, ValueError):
            raise Damaged(self.name, offset, f"not a manifest line: {line.strip()!r}") from None
        if "/" in name or kind not in "bih":
            raise Damaged(self.name, offset, f"not a manifest line: {line.strip()!r}")
        return Entry(name, seq, kind)

    def upgrade(self, parent: Any, directory: str) -> None:
        """Take over the one file that servers before 7.0 kept, beside the folder, as the base."""
        if not self.entries and parent.exists(self.stem):
            self.save([Entry(self.stem, 1, "b")])
        only = [entry.name for entry in self.entries] == [self.stem]
        if only and not self.disk.exists(self.stem) and parent.exists(self.stem):
            parent.rename(self.stem, f"{directory}/{self.stem}")
            self.disk.sync_dir()
            parent.sync_dir()

    @property
    def base(self) -> Entry | None:
        """The base file, if there is one."""
        return next((e for e in self.entries if e.kind == "b"), None)

    @property
    def increments(self) -> list[Entry]:
        """The incremental files, oldest first."""
        return [e for e in self.entries if e.kind == "i"]

    def next_name(self, kind: str, suffix: str = "aof") -> Entry:
        """The entry for a new file."""
        seq = max((e.seq for e in self.entries if e.kind in (kind, "h")), default=0) + 1
        return Entry(f"{self.stem}.{seq}.{SUFFIX[kind]}.{suffix}", seq, kind)

    def save(self, entries: list[Entry]) -> None:
        """Replace it: a crash leaves the old or the new one."""
        text = "".join(f"file {e.name} seq {e.seq} type {e.kind}\n" for e in entries)
        self.disk.replace(self.name, text.encode())
        self.entries = entries
