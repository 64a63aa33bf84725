"""The libraries scripts may use: cjson, cmsgpack, struct and bit, over Python's own codecs.

Values cross as follows: a Lua table whose keys are 1 to n is a list, any other a dict; bytes are
strings; JSON's null is `cjson.null`.  What a codec refuses is an error of the script.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from typing import Any

import msgpack

JSON_DEPTH = 100
MSGPACK_DEPTH = 16  # below it everything is nil, as in the library of this name


class Null:
    """The type of NULL, what JSON's null is to a script."""

    def __repr__(self) -> str:
        return "null"


NULL = Null()


class Libraries:
    """The functions, for one Lua runtime."""

    def __init__(self, lua: Any, is_table: Callable[[Any], bool]):
        self.lua = lua
        self.is_table = is_table
        self.tables: dict[str, dict[str, Callable]] = {
            "cjson": {"encode": self.json_encode, "decode": self.json_decode},
            "cmsgpack": {
                "pack": self.pack, "unpack": self.unpack, "unpack_one": self.unpack_one,
                "unpack_limit": self.unpack_limit,
            },
            "struct": {"pack": struct_pack, "unpack": struct_unpack, "size": struct_size},
            "bit": BIT,
        }

    def from_lua(
        self, value: Any, text: Callable[[bytes], Any], left: int, too_deep: Callable[[], Any]
    ) -> Any:
        """A value of a script as Python has it; strings through `text`, `left` levels of tables."""
        if isinstance(value, bytes):
            return text(value)
        if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
            return int(value)
        if not self.is_table(value):
            return value
        if left == 0:
            return too_deep()
        items = dict(value.items())
        whole = items and all(isinstance(key, int) for key in items)
        if whole and min(items) == 1 and max(items) == len(items):
            return [
                self.from_lua(items[i], text, left - 1, too_deep) for i in range(1, len(items) + 1)
            ]
        return {
            text(key if isinstance(key, bytes) else b"%d" % int(key)): self.from_lua(
                each, text, left - 1, too_deep
            )
            for key, each in items.items()
        }

    def to_lua(self, value: Any) -> Any:
        """A value of Python as a script has it."""
        if value is None:
            return NULL
        if isinstance(value, str):
            return value.encode("utf-8", "surrogateescape")
        if isinstance(value, list):
            return self.lua.table_from([self.to_lua(each) for each in value])
        if isinstance(value, dict):
            return self.lua.table_from(
                {self.to_lua(key): self.to_lua(each) for key, each in value.items()}
            )
        return float(value) if isinstance(value, int) and not isinstance(value, bool) else value

    def json_encode(self, value: Any) -> bytes:
        """cjson.encode: numbers with 14 digits, as there."""
        made = self.from_lua(
            value, lambda raw: raw.decode("utf-8", "surrogateescape"), JSON_DEPTH, _refuse_depth
        )
        return dumps(made).encode("utf-8", "surrogateescape")

    def json_decode(self, text: bytes) -> Any:
        """cjson.decode."""
        return self.to_lua(json.loads(text.decode("utf-8", "surrogateescape")))

    def pack(self, *values: Any) -> bytes:
        """cmsgpack.pack: the arguments one after the other."""
        return b"".join(
            msgpack.packb(self.from_lua(value, bytes, MSGPACK_DEPTH, lambda: None))
            for value in values
        )

    def unpack(self, data: bytes) -> tuple:
        """cmsgpack.unpack: all values there are."""
        return self.unpack_limit(data, len(data), 0)[1:]

    def unpack_one(self, data: bytes, start: Any = 0) -> tuple:
        """cmsgpack.unpack_one: where to go on, -1 at the end, and one value."""
        return self.unpack_limit(data, 1, start)

    def unpack_limit(self, data: bytes, most: Any, start: Any = 0) -> tuple:
        """cmsgpack.unpack_limit: where to go on, -1 at the end, and so many values at most."""
        if not 0 <= int(start) <= len(data):
            raise ValueError("Start offset greater than input length.")
        rest = data[int(start) :]
        unpacker = msgpack.Unpacker(raw=True, strict_map_key=False, max_buffer_size=len(rest) or 1)
        unpacker.feed(rest)
        found: list[Any] = []
        while len(found) < int(most) and unpacker.tell() < len(rest):
            each = unpacker.unpack()
            found.append(None if each is None else self.to_lua(each))
        at = int(start) + unpacker.tell()
        return (-1 if at == len(data) else at, *found)


def _refuse_depth() -> None:
    raise ValueError(f"Cannot serialise, excessive depth ({JSON_DEPTH + 1})")


def dumps(value: Any) -> str:
    """JSON without spaces."""
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            raise ValueError("Cannot serialise number: must not be NaN or Inf")
        return f"{value:.14g}"
    if isinstance(value, list):
        return "[" + ",".join(map(dumps, value)) + "]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(k)}:{dumps(v)}" for k, v in value.items()) + "}"
    if value is NULL:
        return "null"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if not isinstance(value, (bool, int, type(None))):
        raise ValueError("Cannot serialise function: type not supported")
    return json.dumps(value)


def word(value: Any) -> int:
    """32 bits with a sign."""
    value = int(value) & 0xFFFFFFFF
    return value - (1 << 32) if value >> 31 else value


def fold(step: Callable[[int, int], int]) -> Callable[..., int]:
    """A bit operation over any number of arguments."""

    def run(first: Any, *others: Any) -> int:
        result = int(first)
        for other in others:
            result = step(result, int(other))
        return word(result)

    return run


def unsigned(value: Any) -> int:
    return int(value) & 0xFFFFFFFF


def rotated(value: Any, by: Any) -> int:
    value, by = unsigned(value), int(by) & 31
    return word(value << by | value >> (32 - by))


def hexadecimal(value: Any, digits: Any = 8) -> bytes:
    text = f"{unsigned(value):08x}"[-min(8, abs(int(digits))) :]
    return (text.upper() if int(digits) < 0 else text).encode()


BIT: dict[str, Callable] = {
    "tobit": word,
    "bnot": lambda value: word(~int(value)),
    "band": fold(lambda a, b: a & b),
    "bor": fold(lambda a, b: a | b),
    "bxor": fold(lambda a, b: a ^ b),
    "lshift": lambda value, by: word(unsigned(value) << (int(by) & 31)),
    "rshift": lambda value, by: word(unsigned(value) >> (int(by) & 31)),
    "arshift": lambda value, by: word(word(value) >> (int(by) & 31)),
    "rol": rotated,
    "ror": lambda value, by: rotated(value, -int(by)),
    "bswap": lambda value: word(int.from_bytes(unsigned(value).to_bytes(4, "little"), "big")),
    "tohex": hexadecimal,
}

CODES = {"b": 1, "B": 1, "h": 2, "H": 2, "i": 4, "I": 4, "l": 8, "L": 8, "T": 8, "f": 4, "d": 8}


def struct_items(layout: bytes) -> list[tuple[str, str, int]]:
    """(byte order, letter, size) of each item of a format; sizes only where they are written."""
    items, order, text, i = [], "<", layout.decode("ascii"), 0
    while i < len(text):
        letter = text[i]
        i += 1
        if letter in "<>":
            order = letter
            continue
        if letter in " =":
            continue
        digits = ""
        while i < len(text) and text[i].isdigit():
            digits += text[i]
            i += 1
        if letter == "!":
            continue
        if letter not in CODES and letter not in "xcs":
            raise ValueError(f"invalid format option '{letter}'")
        size = int(digits) if digits else CODES.get(letter, 0 if letter == "s" else 1)
        if letter in "iI" and not 1 <= size <= 8:
            raise ValueError(f"integral size {size} is larger than limit of 8")
        items.append((order, letter, size))
    return items


def struct_pack(layout: bytes, *values: Any) -> bytes:
    """struct.pack: `s` ends with a zero, `c0` takes the whole string."""
    given, made = iter(values), bytearray()
    for order, letter, size in struct_items(layout):
        if letter == "x":
            made.append(0)
            continue
        value = next(given, None)
        if value is None:
            raise ValueError("bad argument to 'pack' (value expected)")
        if letter == "s":
            made += value + b"\0"
        elif letter == "c":
            if len(value) < size:
                raise ValueError("string too short")
            made += value if size == 0 else value[:size]
        elif letter in "fd":
            made += struct.pack(order + letter, value)
        else:
            bits = int(value) & ((1 << 8 * size) - 1)
            made += bits.to_bytes(size, "little" if order == "<" else "big")
    return bytes(made)


def struct_unpack(layout: bytes, data: bytes, start: Any = 1) -> tuple:
    """struct.unpack: the values, and where the next byte is."""
    at = int(start) - 1
    found: list[Any] = []
    if at < 0:
        raise ValueError("offset must be 1 or greater")
    for order, letter, size in struct_items(layout):
        if letter == "x":
            at += 1
            continue
        if letter == "s":
            end = data.find(b"\0", at)
            if end < 0:
                raise ValueError("unfinished string in data")
            found.append(data[at:end])
            at = end + 1
            continue
        if letter == "c" and size == 0:
            size = int(found.pop())
        if at + size > len(data):
            raise ValueError("data string too short")
        raw, at = data[at : at + size], at + size
        if letter == "c":
            found.append(raw)
        elif letter in "fd":
            found.append(struct.unpack(order + letter, raw)[0])
        else:
            found.append(
                float(int.from_bytes(raw, "little" if order == "<" else "big",
                                     signed=letter in "bhil"))
            )  # fmt: skip
    return (*found, at + 1)


def struct_size(layout: bytes) -> int:
    """struct.size: bytes of a format without strings."""
    return sum(1 if letter == "x" else size for _, letter, size in struct_items(layout))
