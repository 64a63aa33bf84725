"""Parameters: what CONFIG GET and CONFIG SET know, under the names Redis has for them.

A parameter is listed here only if something obeys it, if it states a fact about this server
(clients read `save` and `databases` before they start), or if it tunes a representation that has no
such knob here and clients set it unasked (`list-compress-depth`, `list-max-listpack-size`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from kvstore.resp import ReplyError

UNITS = {
    "": 1, "b": 1, "k": 1000, "kb": 1024, "m": 10**6, "mb": 1 << 20, "g": 10**9, "gb": 1 << 30,
}  # fmt: skip
EVENT_LETTERS = "KEg$lshzxetmdn"
EVENTS_OF_A = "g$lshzxetd"


def parse_bool(text: str) -> bool:
    """yes or no."""
    if text.lower() not in ("yes", "no"):
        raise ValueError("argument must be 'yes' or 'no'")
    return text.lower() == "yes"


def parse_memory(text: str) -> int:
    """Bytes, with an optional unit as in 64mb."""
    number = text.lower().rstrip("bkmg")
    unit = text.lower()[len(number) :]
    if not number.isdigit() or unit not in UNITS:
        raise ValueError("argument must be a memory value")
    return int(number) * UNITS[unit]


def parse_integer(text: str) -> int:
    """A whole number."""
    try:
        return int(text)
    except ValueError:
        raise ValueError("argument couldn't be parsed into an integer") from None


def parse_events(text: str) -> int:
    """Bits of kvstore.keyspace's Event from letters such as KEA."""
    bits = 0
    for letter in text.replace("A", EVENTS_OF_A):
        if letter not in EVENT_LETTERS:
            raise ValueError("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.")
        bits |= 1 << EVENT_LETTERS.index(letter)
    return bits


def show_events(bits: int) -> str:
    """The letters of the bits, all of `A` as A."""
    letters = [c for i, c in enumerate(EVENT_LETTERS) if bits >> i & 1]
    classes = "".join(c for c in letters if c in EVENTS_OF_A)
    others = "".join(c for c in letters if c not in EVENTS_OF_A)
    return ("A" if classes == EVENTS_OF_A else classes) + others


def parse_save(text: str) -> str:
    """When to save an RDB file: never is all there is."""
    if text.strip('"'):
        raise ValueError("this server keeps its data in the append-only file only")
    return ""


def parse_sync(text: str) -> str:
    """When the append-only file is synced."""
    if text.lower() not in ("always", "everysec", "no"):
        raise ValueError("argument(s) must be one of the following: always, everysec, no")
    return text.lower()


class Kind(NamedTuple):
    """How values are read and shown."""

    parse: Callable[[str], Any]
    show: Callable[[Any], str]


BOOL = Kind(parse_bool, lambda value: "yes" if value else "no")
INTEGER = Kind(parse_integer, str)
MEMORY = Kind(parse_memory, str)
TEXT = Kind(str, str)
EVENTS = Kind(parse_events, show_events)
SAVE = Kind(parse_save, str)
SYNC = Kind(parse_sync, str)


class Parameter(NamedTuple):
    """One parameter; `low` and `high` bound a number, `fixed` ones are read only."""

    name: str
    kind: Kind
    default: Any
    low: int = 0
    high: int = 1 << 62
    fixed: bool = False
    alias: str = ""


TABLE = [
    Parameter("aof-use-rdb-preamble", BOOL, True),
    Parameter("appenddirname", TEXT, "appendonlydir", fixed=True),
    Parameter("appendfilename", TEXT, "appendonly.aof", fixed=True),
    Parameter("appendfsync", SYNC, "everysec"),
    Parameter("appendonly", BOOL, False, fixed=True),
    Parameter("aof-load-truncated", BOOL, True, fixed=True),
    Parameter("bind", TEXT, "127.0.0.1", fixed=True),
    Parameter("client-output-buffer-limit-pubsub", MEMORY, 32 << 20),
    Parameter("databases", INTEGER, 16, low=1, fixed=True),
    Parameter("dbfilename", TEXT, "dump.rdb", fixed=True),
    Parameter("dir", TEXT, "", fixed=True),
    Parameter("enable-debug-command", BOOL, False, fixed=True),
    Parameter(
        "hash-max-listpack-entries", INTEGER, 512, alias="hash-max-ziplist-entries"
    ),
    Parameter("hash-max-listpack-value", INTEGER, 64, alias="hash-max-ziplist-value"),
    Parameter("hll-sparse-max-bytes", MEMORY, 3000),
    Parameter("hz", INTEGER, 10, low=1, high=500),
    Parameter("list-compress-depth", INTEGER, 0),
    Parameter("list-max-listpack-size", INTEGER, -2, low=-5, alias="list-max-ziplist-size"),
    Parameter("masterauth", TEXT, ""),
    Parameter("maxclients", INTEGER, 10_000, low=1, fixed=True),
    Parameter("maxmemory", MEMORY, 0, fixed=True),
    Parameter("notify-keyspace-events", EVENTS, 0),
    Parameter("port", INTEGER, 0, fixed=True),
    Parameter("proto-max-bulk-len", MEMORY, 512 << 20, low=1 << 20),
    Parameter("repl-backlog-size", MEMORY, 1 << 20, low=1),
    Parameter("requirepass", TEXT, ""),
    Parameter("save", SAVE, ""),
    Parameter("set-max-intset-entries", INTEGER, 512),
    Parameter("slowlog-log-slower-than", INTEGER, 10_000, low=-1),
    Parameter("slowlog-max-len", INTEGER, 128),
    Parameter("stream-node-max-entries", INTEGER, 100),
    Parameter("timeout", INTEGER, 0, fixed=True),
    Parameter(
        "zset-max-listpack-entries", INTEGER, 128, alias="zset-max-ziplist-entries"
    ),
    Parameter("zset-max-listpack-value", INTEGER, 64, alias="zset-max-ziplist-value"),
]
BY_NAME = {name: row for row in TABLE for name in (row.name, row.alias) if name}


class Parameters:
    """The values of one store.  Keyword names use `_` for `-`."""

    def __init__(self, **values: Any):
        self._values = {row.name: row.default for row in TABLE}
        self._listeners: list[Callable[[], None]] = []
        for name, value in values.items():
            self._values[BY_NAME[name.replace("_", "-")].name] = value

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def listen(self, changed: Callable[[], None]) -> None:
        """Call `changed()` now and after every change."""
        self._listeners.append(changed)
        changed()

    def matching(self, pattern: str) -> Iterator[tuple[str, str]]:
        """(name, value as text) of the parameters that match a glob pattern."""
        for name, row in BY_NAME.items():
            if fnmatchcase(name, pattern.lower()):
                yield name, row.kind.show(self._values[row.name])

    def set(self, pairs: list[tuple[str, str]], starting: bool = False) -> None:
        """Change several parameters, all or none; fixed ones only before the start."""
        values = {}
        for name, text in pairs:
            row = BY_NAME.get(name.lower())
            if row is None:
                raise ReplyError(
                    f"ERR Unknown option or number of arguments for CONFIG SET - '{name}'"
                )
            if row.name in values:
                raise self.refused(name, "duplicate parameter")
            if row.fixed and not starting:
                raise self.refused(name, "can't set immutable config")
            try:
                values[row.name] = row.kind.parse(text)
            except ValueError as error:
                raise self.refused(name, str(error)) from None
            if isinstance(values[row.name], int) and not row.low <= values[row.name] <= row.high:
                raise self.refused(
                    name, f"argument must be between {row.low} and {row.high} inclusive"
                )
        self._values.update(values)
        for changed in self._listeners:
            changed()

    @staticmethod
    def refused(name: str, why: str) -> ReplyError:
        """The error CONFIG SET answers with."""
        return ReplyError(
            f"ERR CONFIG SET failed (possibly related to argument '{name}') - {why}"
        )
