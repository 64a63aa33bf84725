"""Conversions between types.

`compile_cast` gives a function from vector to vector for one pair of types, or None where the values
stay as they are.  Machine numbers convert by numpy; everything else value by value.  A conversion to
a string is the type's output, one from a string its input.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np

from minidb import numeric
from minidb.execution.kernels.arithmetic import _fit, _live, out_of_range
from minidb.execution.vector import Vec, code_of, vec_of
from minidb.output import zone_offset_s
from minidb.sqlstate import DatabaseError
from query_planner.types import Type

Cast = Callable[[Vec, Any], Vec]
OneCast = Callable[[Any, Any], Any]

DAY_US = 86_400_000_000
_INTS = ("int2", "int4", "int8")
_STRINGS = ("text", "varchar", "bpchar", "name", "char", "unknown", "cstring")
_REGS = ("regclass", "regtype", "regproc", "regnamespace", "regrole", "regprocedure", "regoper",
         "regoperator", "regcollation")


def compile_cast(source: Type, target: Type, typmod: int, explicit: bool) -> Cast | None:
    fast = _fast(source.name, target.name)
    if fast is not None:
        return fast
    one = one_cast(source, target, typmod, explicit)
    if one is None:
        return None
    code = code_of(target)

    def cast(vec: Vec, context: Any) -> Vec:
        return vec_of(
            [None if v is None else one(v, context) for v in vec.values(len(vec.data))], code)

    return cast


def _fast(source: str, target: str) -> Cast | None:
    if source in _INTS and target in _INTS:
        if _INTS.index(source) < _INTS.index(target):
            code = "q" if target == "int8" else "i"
            return lambda vec, context: Vec(vec.data.astype(code), vec.nulls)
        return None if source == target else \
            lambda vec, context: _fit(vec.data.astype(np.int64), vec.nulls, target)
    if source in _INTS and target in ("float4", "float8"):
        code = "d" if target == "float8" else "f"
        return lambda vec, context: Vec(vec.data.astype(code), vec.nulls)
    if source in ("float4", "float8") and target in _INTS:
        return lambda vec, context: _float_to_int(vec, target)
    if source == "float4" and target == "float8":
        return lambda vec, context: Vec(vec.data.astype("d"), vec.nulls)
    if source == "float8" and target == "float4":
        return _float_to_real
    if source == "date" and target == "timestamp":
        return lambda vec, context: Vec(vec.data.astype(np.int64) * DAY_US, vec.nulls)
    return None


def _float_to_int(vec: Vec, target: str) -> Vec:
    with np.errstate(invalid="ignore"):
        whole = np.rint(vec.data.astype("d"))
        bad = ~(np.abs(whole) < 9.3e18) | (whole < -(2.0**63)) | (whole >= 2.0**63)
        if _live(bad, vec.nulls):
            raise out_of_range(target)
        return _fit(np.where(bad, 0, whole).astype(np.int64), vec.nulls, target)


def _float_to_real(vec: Vec, context: Any) -> Vec:
    with np.errstate(over="ignore"):
        data = vec.data.astype("f")
    if _live(np.isinf(data) & np.isfinite(vec.data), vec.nulls):
        raise DatabaseError("22003", "value out of range: overflow")
    return Vec(data, vec.nulls)


def one_cast(source: Type, target: Type, typmod: int, explicit: bool) -> OneCast | None:
    """A function from one value that is not NULL, or None where it stays as it is."""
    a, b = source.name, target.name
    if target.kind == "d" and target.base is not None:
        return one_cast(source, target.base, typmod, explicit)
    if source.kind == "d" and source.base is not None:
        return one_cast(source.base, target, typmod, explicit)
    if source is target:
        return _typmod(target, typmod, explicit)
    if source.element is not None and target.element is not None:
        return _array(source, target, typmod, explicit)
    direct = _DIRECT.get((a, b))
    if direct is not None:
        limit = _typmod(target, typmod, explicit)
        if limit is None:
            return direct
        return lambda v, context: limit(direct(v, context), context)
    if b in _STRINGS:
        return _to_string(source, target, typmod, explicit)
    if a in _STRINGS:
        return _from_string(target, typmod)
    if a in _INTS and b in _INTS:
        return lambda v, context: _checked(v, b)
    if a in _INTS and b in ("float4", "float8"):
        return lambda v, context: float(v)
    if a in ("float4", "float8") and b in ("float4", "float8"):
        return None
    if a in ("float4", "float8") and b in _INTS:
        return lambda v, context: _checked(round(v), b)
    if b in _INTS and a == "numeric":
        return lambda v, context: _checked(_whole(v, b), b)
    if a in _INTS and b == "numeric":
        limit = _typmod(target, typmod, explicit)
        return (lambda v, context: Decimal(v)) if limit is None else \
            lambda v, context: limit(Decimal(v), context)
    if b in ("oid", "regproc", *_REGS, "xid") or a in ("oid", *_REGS):
        return lambda v, context: _oid(v, b)
    if target.kind == "c" or b == "record" or {a, b} <= {"json", "jsonb"}:
        return None
    if b == "bool" and a in _INTS:
        return lambda v, context: v != 0
    if a == "bool" and b in _INTS:
        return lambda v, context: int(v)
    if a == "jsonb":
        return _from_json(target)
    if {a, b} & {"bit", "varbit"} or a == "inet" or b == "inet":
        return None
    if source.element is not None or target.element is not None:
        return None
    raise DatabaseError("42846", f"cannot cast type {source.title} to {target.title}")


def _checked(v: int, name: str) -> int:
    bits = {"int2": 15, "int4": 31, "int8": 63}[name]
    if not -(1 << bits) <= v < 1 << bits:
        raise out_of_range(name)
    return v


def _whole(v: Decimal, name: str) -> int:
    if not v.is_finite():
        what = "NaN" if v.is_nan() else "infinity"
        title = {"int2": "smallint", "int4": "integer", "int8": "bigint"}[name]
        raise DatabaseError("0A000", f"cannot convert {what} to {title}")
    return int(numeric.at_scale(v, 0))


def _oid(v: int, name: str) -> int:
    if name == "int4":
        return _checked(v if v < 1 << 31 else v - (1 << 32), "int4")
    if name in ("oid", *_REGS) and not 0 <= v < 1 << 32:
        if -(1 << 31) <= v < 0:
            return v + (1 << 32)
        raise DatabaseError("22003", "OID out of range")
    return v


def _typmod(target: Type, typmod: int, explicit: bool) -> OneCast | None:
    name = target.name
    if typmod < 0:
        return None
    if name == "numeric":
        return lambda v, context: numeric.fit(v, typmod)
    if name == "varchar":
        return lambda v, context: cut_text(v, typmod - 4, explicit, "character varying")
    if name == "bpchar":
        return lambda v, context: cut_text(
            v, typmod - 4, explicit, "character").ljust(typmod - 4)
    if name in ("timestamp", "timestamptz", "time") and typmod < 6:
        unit = 10 ** (6 - typmod)
        return lambda v, context: (v + unit // 2) // unit * unit
    if target.element is not None:
        inner = _typmod(target.element, typmod, explicit)
        if inner is not None:
            return lambda v, context: _map(v, lambda x: inner(x, context))
    return None


def _map(value: tuple, function: Callable[[Any], Any]) -> tuple:
    return tuple(
        None if x is None else _map(x, function) if isinstance(x, tuple) else function(x)
        for x in value)


def cut_text(v: str, size: int, explicit: bool, title: str) -> str:
    """Apply (n): what is too long is cut when asked for, or if only spaces go; else 22001."""
    if len(v) <= size:
        return v
    if explicit or not v[size:].strip(" "):
        return v[:size]
    raise DatabaseError("22001", f"value too long for type {title}({size})")


def _array(source: Type, target: Type, typmod: int, explicit: bool) -> OneCast | None:
    assert source.element is not None and target.element is not None
    inner = one_cast(source.element, target.element, typmod, explicit)
    if inner is None:
        return None
    return lambda v, context: _map(v, lambda x: inner(x, context))


def _to_string(source: Type, target: Type, typmod: int, explicit: bool) -> OneCast | None:
    limit = _typmod(target, typmod, explicit)
    if source.name == "bool":
        text: OneCast = lambda v, context: "true" if v else "false"  # noqa: E731
    elif source.name == "bpchar":
        text = lambda v, context: v.rstrip(" ")  # noqa: E731
    elif source.name in _STRINGS or source.name in ("json", "jsonb", "xml", "pg_node_tree"):
        if target.name == "name":
            return lambda v, context: v[:63]
        if target.name == "char":
            return lambda v, context: v[:1]
        if limit is None:
            return None
        return limit
    else:
        text = lambda v, context: context.connection.output.render(v, source)  # noqa: E731
    if target.name == "char":
        return lambda v, context: text(v, context)[:1]
    if limit is None:
        return text
    return lambda v, context: limit(text(v, context), context)


def _from_string(target: Type, typmod: int) -> OneCast | None:
    if target.name in ("json", "xml", "pg_node_tree") and target.name != "json":
        return None
    return lambda v, context: context.connection.catalog.literal(v, target, typmod)


def _from_json(target: Type) -> OneCast:
    import json

    def convert(v: str, context: Any) -> Any:
        value = json.loads(v, parse_float=Decimal, parse_int=Decimal)
        if target.name == "bool" and isinstance(value, bool):
            return value
        if isinstance(value, Decimal):
            if target.name == "numeric":
                return value
            if target.name in _INTS:
                return _checked(_whole(value, target.name), target.name)
            if target.name in ("float4", "float8"):
                return float(value)
        raise DatabaseError("22023", f"cannot cast jsonb to type {target.title}")

    return convert


def _local(us: int, context: Any) -> int:
    zone = context.connection.output.zone
    return us if zone is None else us + zone_offset_s(us, zone) * 1_000_000


def _instant(us: int, context: Any) -> int:
    from minidb.execution.kernels.dates import _utc

    return _utc(us, context.connection.output.zone)


def _decimal(v: float, digits: int) -> Decimal:
    text = f"{v:.{digits}g}"
    return Decimal({"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}.get(text, text)) + 0


def _plain(v: Decimal) -> Decimal:
    """1E+2 as 100: numerics have no negative scale."""
    exponent = v.as_tuple().exponent
    return numeric.at_scale(v, 0) if isinstance(exponent, int) and exponent > 0 else v


_DIRECT: dict[tuple[str, str], OneCast] = {
    ("float8", "numeric"): lambda v, context: _plain(_decimal(v, 15)),
    ("float4", "numeric"): lambda v, context: _plain(_decimal(v, 6)),
    ("numeric", "float8"): lambda v, context: float(v),
    ("numeric", "float4"): lambda v, context: float(v),
    ("date", "timestamp"): lambda v, context: v * DAY_US,
    ("date", "timestamptz"): lambda v, context: _instant(v * DAY_US, context),
    ("timestamp", "date"): lambda v, context: v // DAY_US,
    ("timestamp", "time"): lambda v, context: v % DAY_US,
    ("timestamp", "timestamptz"): _instant,
    ("timestamptz", "timestamp"): _local,
    ("timestamptz", "date"): lambda v, context: _local(v, context) // DAY_US,
    ("timestamptz", "time"): lambda v, context: _local(v, context) % DAY_US,
    ("time", "interval"): lambda v, context: (0, 0, v),
    ("interval", "time"): lambda v, context: v[2] % DAY_US,
    ("time", "timetz"): lambda v, context: (v, 0),
    ("timetz", "time"): lambda v, context: v[0],
}
