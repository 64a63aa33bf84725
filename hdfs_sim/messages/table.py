"""How the message tables of this package are written down.

A message is a name and its fields, one string each, as in the protocol's own tables:

    message("ExtendedBlock", "1! poolId string", "2! blockId uint64", "4 numBytes uint64")

    1! poolId string      field 1 is required
    3* locs DatanodeInfo  field 3 is repeated; its type is another message
    5* ids uint64 packed  repeated numbers in one piece
    7 size uint64 = 0     the value that decoding gives when the field is absent

The codec (bedrock.codec.protobuf) does not know "required"; `missing` finds what a peer left out.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

from bedrock.codec.protobuf import Field, Message, field

_required: dict[str, list[str]] = {}
_nested: dict[str, list[tuple[str, bool, str]]] = {}

_CONSTANTS = {"true": True, "false": False}


def message(name: str, *rows: str) -> Message:
    """The table of one message."""
    fields = [_field(name, row) for row in rows]
    return Message(name, *fields)


def _field(owner: str, row: str) -> Field:
    spec, _, default = row.partition(" = ")
    number, name, kind, *packed = spec.split()
    mark = number[-1] if number[-1] in "!*" else ""
    if mark == "!":
        _required.setdefault(owner, []).append(name)
    if kind[0].isupper():
        _nested.setdefault(owner, []).append((name, mark == "*", kind))
    value: Any = None
    if default:
        value = _CONSTANTS[default] if default in _CONSTANTS else int(default)
    return field(
        int(number.rstrip("!*")),
        name,
        kind,
        repeated=mark == "*",
        default=value,
        packed=bool(packed),
    )


def missing(name: str, value: dict[str, Any]) -> str | None:
    """The dotted name of the first required field that a decoded message lacks."""
    for key in _required.get(name, ()):
        if value[key] is None:
            return f"{name}.{key}"
    for key, repeated, kind in _nested.get(name, ()):
        inner = value[key]
        if inner:
            for one in inner if repeated else (inner,):
                lacking = missing(kind, one)
                if lacking:
                    return lacking
    return None


@cache
def _snake(name: str) -> str:
    return "".join("_" + c.lower() if c.isupper() else c for c in name)


class Method(NamedTuple):
    """One remote method: its name and the tables of its request and its response."""

    name: str
    request: Message
    response: Message

    @property
    def handler(self) -> str:
        """The name of the method that serves it: getFileInfo -> get_file_info."""
        return _snake(self.name)


class Protocol(NamedTuple):
    """A named set of remote methods, as a client declares it in its request header."""

    name: str
    version: int
    methods: dict[str, Method]


def method(name: str, request: str, response: str) -> Method:
    """A method with the fields of its request and response, separated by commas."""
    stem = name[0].upper() + name[1:]
    return Method(name, _message(stem + "Request", request), _message(stem + "Response", response))


def _message(name: str, rows: str) -> Message:
    return message(name, *(row.strip() for row in rows.split(",") if row.strip()))


def protocol(name: str, *methods: Method) -> Protocol:
    """A protocol of version 1, as all of HDFS's are."""
    return Protocol(name, 1, {m.name: m for m in methods})
