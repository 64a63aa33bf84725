"""The manifest of the append-only folder: which files make up the data, in which order.

    file appendonly.aof.1.base.aof seq 1 type b        the state when it was written, 0 or 1 line
    file appendonly.aof.1.incr.aof seq 1 type i        what happened since, in order

`type h` marks files a rewrite made obsolete; a name with spaces stands in quotes.  Format and names
are Redis 7's own, so that either server opens the other's folder.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from bedrock.storage.errors import Damaged
from kvstore.redis_conf import quoted, split_words

SUFFIX = {"b": "base", "i": "incr"}
KINDS = ("b", "i", "h")
LONGEST_LINE = 1024


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
        text = self.disk.read(self.name).decode("utf-8", "surrogateescape")
        if not text:
            raise Damaged(self.name, 0, "Found an empty AOF manifest")
        for line in text.split("\n")[:-1] if text.endswith("\n") else text.split("\n"):
            try:
                if not line.startswith("#"):
                    self.add(self.parse(line))
            except ValueError as error:
                raise Damaged(self.name, offset, f"{error}: {line[:80]!r}") from None
            offset += len(line.encode("utf-8", "surrogateescape")) + 1

    def parse(self, line: str) -> Entry:
        """One line: pairs of words, of which three are known; ValueError in Redis's words."""
        if len(line) >= LONGEST_LINE:
            raise ValueError("The AOF manifest file contains too long line")
        try:
            words = split_words(line)
            fields = dict(zip(words[::2], words[1::2], strict=True))
            entry = Entry(fields["file"], int(fields["seq"]), fields["type"][:1])
        except (KeyError, ValueError):
            raise ValueError("Invalid AOF manifest file format") from None
        if "/" in entry.name:
            raise ValueError("File can't be a path, just a filename")
        if entry.kind not in KINDS:
            raise ValueError("Unknown AOF file type")
        return entry

    def add(self, entry: Entry) -> None:
        """One more, which must fit to those before."""
        if entry.kind == "b" and self.base is not None:
            raise ValueError("Found duplicate base file information")
        if entry.kind == "i" and any(e.seq >= entry.seq for e in self.increments):
            raise ValueError("Found a non-monotonic sequence number")
        self.entries.append(entry)

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
        mark = f".{SUFFIX[kind]}."
        seqs = [e.seq for e in self.entries if e.kind == kind or (e.kind == "h" and mark in e.name)]
        seq = max(seqs, default=0) + 1
        return Entry(f"{self.stem}.{seq}{mark}{suffix}", seq, kind)

    def replace(self, old: list[Entry], base: Entry, new: list[Entry]) -> None:
        """A rewrite put a base in the place of the old files: they are history."""
        past = [entry._replace(kind="h") for entry in reversed(old) if entry.kind != "h"]
        self.save([base, *past, *[e for e in old if e.kind == "h"], *new])

    def save(self, entries: list[Entry]) -> None:
        """Replace it: a crash leaves the old or the new one."""
        text = "".join(f"file {quoted(e.name)} seq {e.seq} type {e.kind}\n" for e in entries)
        self.disk.replace(self.name, text.encode("utf-8", "surrogateescape"))
        self.entries = entries
