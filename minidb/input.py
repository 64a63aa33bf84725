"""Values on their way in, binary form: parameters and COPY BINARY.  See output.pyx for the forms.

Every length is checked before it is used; what does not fit is SQLSTATE 22P03.
"""

from __future__ import annotations

from decimal import Decimal
from struct import Struct, error, unpack_from
from typing import Any

from minidb.sqlstate import DatabaseError
from query_planner.types import BY_OID, Type

_WORD = Struct("!i")

_FIXED = {
    "bool": Struct("!?"), "int2": Struct("!h"), "int4": Struct("!i"), "int8": Struct("!q"),
    "float4": Struct("!f"), "float8": Struct("!d"), "oid": Struct("!I"), "date": Struct("!i"),
    "timestamp": Struct("!q"), "timestamptz": Struct("!q"), "time": Struct("!q"),
    "regclass": Struct("!I"), "regtype": Struct("!I"), "regproc": Struct("!I"),
    "regnamespace": Struct("!I"), "xid": Struct("!I"), "cid": Struct("!I"),
}  # fmt: skip


def bad(type_: Type) -> DatabaseError:
    return DatabaseError("22P03", f"incorrect binary data format for type {type_.title}")


def read_binary(data: bytes, type_: Type) -> Any:
    """The value of `data`, sent in binary as `type_`."""
    if type_.kind == "d" and type_.base is not None:
        return read_binary(data, type_.base)
    fixed = _FIXED.get(type_.name)
    try:
        if fixed is not None:
            if len(data) != fixed.size:
                raise bad(type_)
            return fixed.unpack(data)[0]
        if type_.element is not None:
            return _array(data, type_)
        reader = _READERS.get(type_.name)
        if reader is not None:
            return reader(data)
        if type_.kind in "bpe":
            return _text(data)
    except (error, ValueError, IndexError) as exc:
        raise bad(type_) from exc
    raise bad(type_)


def _text(data: bytes) -> str:
    try:
        text = data.decode()
    except UnicodeDecodeError as exc:
        raise DatabaseError("22021", 'invalid byte sequence for encoding "UTF8"') from exc
    if "\0" in text:
        raise DatabaseError("22021", 'invalid byte sequence for encoding "UTF8": 0x00')
    return text


def _numeric(data: bytes) -> Decimal:
    count, weight, sign, scale = unpack_from("!hhHh", data)
    if sign in (0xC000, 0xD000, 0xF000):
        return Decimal({0xC000: "NaN", 0xD000: "Infinity", 0xF000: "-Infinity"}[sign])
    if count < 0 or scale < 0 or sign not in (0, 0x4000) or len(data) != 8 + 2 * count:
        raise ValueError
    groups = unpack_from(f"!{count}H", data, 8)
    if any(group > 9999 for group in groups):
        raise ValueError
    digits = int("".join(f"{group:04d}" for group in groups) or "0")
    power = 4 * (weight + 1 - count)
    value = Decimal((sign >> 14, tuple(map(int, str(digits))), power))
    return value.quantize(Decimal((0, (1,), -scale)), context=_wide())


def _wide() -> Any:
    from minidb.numeric import CONTEXT

    return CONTEXT


def _interval(data: bytes) -> tuple[int, int, int]:
    us, days, months = Struct("!qii").unpack(data)
    return months, days, us


def _jsonb(data: bytes) -> str:
    if data[:1] != b"\x01":
        raise ValueError
    return _text(data[1:])


def _uuid(data: bytes) -> bytes:
    if len(data) != 16:
        raise ValueError
    return data


_READERS: dict[str, Any] = {
    "numeric": _numeric, "interval": _interval, "jsonb": _jsonb, "uuid": _uuid,
    "bytea": bytes, "timetz": lambda data: Struct("!qi").unpack(data),
}  # fmt: skip


def _array(data: bytes, type_: Type) -> tuple:
    dimensions, _, oid = unpack_from("!iiI", data)
    if not 0 <= dimensions <= 6:
        raise ValueError
    element = BY_OID.get(oid) or type_.element
    assert element is not None
    at = 12
    sizes = []
    for _ in range(dimensions):
        size, _ = unpack_from("!ii", data, at)
        at += 8
        # An element takes at least its length word: no size may promise more.
        if size < 0 or size * 4 > len(data):
            raise ValueError
        sizes.append(size)
    total = 1 if sizes else 0
    for size in sizes:
        total *= size
    if total * 4 > len(data):
        raise ValueError
    items: list[Any] = []
    for _ in range(total):
        (length,) = _WORD.unpack_from(data, at)
        at += 4
        if length < 0:
            items.append(None)
            continue
        if at + length > len(data):
            raise ValueError
        items.append(read_binary(data[at : at + length], element))
        at += length
    for size in reversed(sizes[1:]):
        items = [tuple(items[i : i + size]) for i in range(0, len(items), size)]
    return tuple(items)
