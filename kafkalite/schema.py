"""From a table of fields to a codec: the notation in which `kafkalite.apis` writes messages.

One line a field, nesting by two spaces of indentation, later versions by what they add:

    topics                []
      name                string   0-12
      topic_id            uuid     13+
      partitions          []
        index             int32
        records           records?
        current_leader    {}       10+  ~0
          leader_epoch    int32    = -1

    type      bool int8 int16 uint16 int32 int64 float64 uuid string bytes records,
              {} (struct) or [] (array of structs), []int32 and so on (array of values);
              `?` after it: may be null, `?7+`: from version 7 on
    versions  `4+`, `0-12` or `3`; nothing: all versions of the message
    ~N        a tagged field: left out while it has its default, found by tag N
    = value   the default, else 0, false, "", nothing

A message is a dict in Python.  Decoding fills in the default of every field the version does not
have, so that a handler is written once; encoding takes the default for every key that is missing,
and refuses a key that no version knows.

Flexible versions (KIP-482) have lengths as varints of n + 1, and a block of tagged fields at the
end of every struct and header.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Any

from kafkalite.codec import Field, Struct

LAST_VERSION = 1 << 15
EMPTY = {
    "bool": False,
    "float64": 0.0,
    "uuid": bytes(16),
    "string": "",
    "bytes": b"",
    "records": b"",
}


@dataclass(frozen=True)
class Api:
    """One API key.

    serves      versions answered, "3-10"
    advertises  lowest version said in ApiVersions, where old clients take a range that begins at 0
                as a sign of a feature; what lies below `serves` is still refused
    flexible    first flexible version, None for none
    """

    key: int
    name: str
    serves: str
    request: str
    response: str
    flexible: int | None = None
    advertises: int | None = None

    @property
    def oldest(self) -> int:
        """Lowest version that is answered."""
        return _versions(self.serves)[0]

    @property
    def newest(self) -> int:
        """Highest version that is answered."""
        return _versions(self.serves)[1]

    def is_flexible(self, version: int) -> bool:
        """True if `version` has compact lengths and tagged fields."""
        return self.flexible is not None and version >= self.flexible

    def decoder(self, version: int) -> Struct:
        """The codec of the request."""
        return _compile(self.request, version, self.is_flexible(version))

    def encoder(self, version: int) -> Struct:
        """The codec of the response."""
        return _compile(self.response, version, self.is_flexible(version))


@dataclass
class Line:
    """One parsed line of a table, with the lines below it."""

    name: str
    type: str
    null_since: int
    first: int = 0
    last: int = LAST_VERSION
    tag: int = -1
    default: Any = None
    has_default: bool = False
    below: list[Line] = field(default_factory=list)

    def nullable(self, version: int) -> bool:
        """True if the field may be null in a version."""
        return version >= self.null_since


def _versions(text: str) -> tuple[int, int]:
    if text.endswith("+"):
        return int(text[:-1]), LAST_VERSION
    first, _, last = text.partition("-")
    return int(first), int(last or first)


def _value(text: str) -> Any:
    known = {"null": None, "true": True, "false": False}
    return known[text] if text in known else int(text)


def _parse_line(text: str) -> Line:
    declared, _, default = text.partition("=")
    name, kind, *rest = declared.split()
    kind, may_be_null, since = kind.partition("?")
    line = Line(name, kind, _versions(since or "0+")[0] if may_be_null else LAST_VERSION + 1)
    for word in rest:
        if word.startswith("~"):
            line.tag = int(word[1:])
        else:
            line.first, line.last = _versions(word)
    if default:
        line.default = _value(default.strip())
        line.has_default = True
    return line


@cache
def parse(table: str) -> list[Line]:
    """The lines of a table as a tree."""
    top: list[Line] = []
    levels = [top]
    for text in table.splitlines():
        if not text.strip():
            continue
        depth = (len(text) - len(text.lstrip())) // 2
        line = _parse_line(text)
        del levels[depth + 1 :]
        levels[depth].append(line)
        levels.append(line.below)
    return top


def _default(line: Line) -> Any:
    if line.has_default:
        return line.default
    if line.type.startswith("["):
        return ()
    if line.type == "{}":
        return None
    return EMPTY.get(line.type, 0)


def _field(line: Line, version: int, flexible: bool) -> Field:
    item = None
    kind = line.type
    if kind.startswith("[]"):
        inner = kind[2:] or "{}"
        struct = _struct(line.below, version, flexible) if inner == "{}" else None
        item = Field(line.name, inner, struct=struct, flexible=flexible)
        return Field(
            line.name, "[]", item=item, nullable=line.nullable(version), default=_default(line),
            tag=line.tag, flexible=flexible,
        )
    struct = _struct(line.below, version, flexible) if kind == "{}" else None
    return Field(
        line.name, kind, struct=struct, nullable=line.nullable(version), default=_default(line),
        tag=line.tag, flexible=flexible,
    )


def _struct(lines: list[Line], version: int, flexible: bool) -> Struct:
    present = [line for line in lines if line.first <= version <= line.last]
    fields = [_field(line, version, flexible) for line in present]
    return Struct(
        [f for f in fields if f.tag < 0],
        sorted((f for f in fields if f.tag >= 0), key=lambda f: f.tag),
        {line.name: _default(line) for line in lines},
        flexible,
    )


@cache
def _compile(table: str, version: int, flexible: bool) -> Struct:
    return _struct(parse(table), version, flexible)


def table(text: str, version: int = 0, flexible: bool = False) -> Struct:
    """The codec of a message that has no API key: a record's key or value, a file."""
    return _compile(text, version, flexible)
