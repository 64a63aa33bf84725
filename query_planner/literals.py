"""Text to values and back for the everyday types, in the representation of types.py.

What PostgreSQL's input and output functions do, for the types a catalog without an executor of its
own meets: the CSV directories of the command line, the tests, and constants shown by EXPLAIN.
Dates and times are ISO (other DateStyles and interval styles are the executor's business).
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

from query_planner.errors import SqlError
from query_planner.types import TYPES, Type, title

_DAY_ZERO = dt.date(2000, 1, 1).toordinal()
_SECOND = 1_000_000
_DAY = 86_400 * _SECOND
_RANGES = {"int2": 1 << 15, "int4": 1 << 31, "int8": 1 << 63}
_TRUE = frozenset(("t", "tr", "tru", "true", "y", "ye", "yes", "on", "1"))
_FALSE = frozenset(("f", "fa", "fal", "fals", "false", "n", "no", "of", "off", "0"))
_UNITS = {
    "microsecond": 1, "millisecond": 1000, "second": _SECOND, "sec": _SECOND, "s": _SECOND,
    "minute": 60 * _SECOND, "min": 60 * _SECOND, "m": 60 * _SECOND, "hour": 3600 * _SECOND,
    "hr": 3600 * _SECOND, "h": 3600 * _SECOND,
}  # fmt: skip
_DAYS = {"day": 1, "d": 1, "week": 7, "w": 7}
_MONTHS = {"month": 1, "mon": 1, "year": 12, "yr": 12, "y": 12, "decade": 120, "century": 1200}


def _wrong(text: str, type_: Type) -> SqlError:
    return SqlError("22P02", f'invalid input syntax for type {title(type_)}: "{text}"')


def parse(text: str, type_: Type, typmod: int = -1) -> Any:
    """The value of a literal; NotImplemented for types without a rule here."""
    if type_.category == "A" and type_.element is not None:
        return NotImplemented
    if type_.category == "S" or type_.name in ("json", "jsonb", "char"):
        return text if typmod < 0 or type_.name not in ("varchar", "bpchar") else text[: typmod - 4]
    handler = _PARSERS.get(type_.name)
    if handler is None:
        return NotImplemented
    try:
        return handler(text.strip(), type_)
    except (ValueError, InvalidOperation, OverflowError):
        code = "22007" if type_.category in "DT" else "22P02"
        problem = _wrong(text, type_)
        problem.sqlstate = code
        raise problem from None


def _integer(text: str, type_: Type) -> int:
    if not re.fullmatch(r"[+-]?[0-9]+", text):
        raise ValueError
    value = int(text)
    limit = _RANGES.get(type_.name, 1 << 32)
    if not -limit <= value < limit:
        raise SqlError("22003", f'value "{text}" is out of range for type {title(type_)}')
    return value


def _bool(text: str, type_: Type) -> bool:
    word = text.lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise ValueError


def _date(text: str, type_: Type) -> int:
    return dt.date.fromisoformat(text[:10]).toordinal() - _DAY_ZERO


def _time(text: str, type_: Type) -> int:
    t = dt.time.fromisoformat(text)
    return ((t.hour * 60 + t.minute) * 60 + t.second) * _SECOND + t.microsecond


def _timestamp(text: str, type_: Type) -> int:
    stamp = dt.datetime.fromisoformat(text)
    if stamp.tzinfo is not None:
        if type_.name == "timestamptz":
            stamp = stamp.astimezone(dt.UTC)
        stamp = stamp.replace(tzinfo=None)
    delta = stamp - dt.datetime(2000, 1, 1)
    return (delta.days * 86_400 + delta.seconds) * _SECOND + delta.microseconds


def _interval(text: str, type_: Type) -> tuple[int, int, int]:
    months = days = 0
    micros = 0.0
    rest = text.lower().lstrip("@").strip()
    clock = re.search(r"([+-]?)(\d+):(\d+)(?::(\d+(?:\.\d+)?))?", rest)
    if clock:
        sign = -1 if clock[1] == "-" else 1
        seconds = (int(clock[2]) * 60 + int(clock[3])) * 60 + float(clock[4] or 0)
        micros += sign * seconds * _SECOND
        rest = rest.replace(clock[0], " ")
    backwards = rest.endswith("ago")
    words = re.findall(r"([+-]?\d+(?:\.\d+)?)\s*([a-z]*)", rest.removesuffix("ago"))
    if not words and not clock:
        raise ValueError
    for number, unit in words:
        name = unit if unit in _UNITS or unit in _DAYS or unit in _MONTHS else unit.rstrip("s")
        amount = float(number)
        if name in _MONTHS:
            months += round(amount * _MONTHS[name])
        elif name in _DAYS:
            whole = int(amount * _DAYS[name])
            days += whole
            micros += (amount * _DAYS[name] - whole) * _DAY
        else:
            micros += amount * (_UNITS[name] if name else _SECOND)
    sign = -1 if backwards else 1
    return sign * months, sign * days, sign * round(micros)


def _uuid(text: str, type_: Type) -> bytes:
    digits = text.replace("-", "").strip("{}")
    if len(digits) != 32:
        raise ValueError
    return bytes.fromhex(digits)


_PARSERS: dict[str, Callable[[str, Type], Any]] = {
    "int2": _integer, "int4": _integer, "int8": _integer, "oid": _integer, "bool": _bool,
    "float4": lambda text, _: float(text), "float8": lambda text, _: float(text),
    "numeric": lambda text, _: Decimal(text), "date": _date, "time": _time,
    "timestamp": _timestamp, "timestamptz": _timestamp, "interval": _interval, "uuid": _uuid,
}  # fmt: skip


def text(value: Any, type_: Type) -> str:
    """The text of a value that is not NULL."""
    if type_.category == "A" and isinstance(value, tuple):
        element = type_.element or TYPES["text"]
        inner = ",".join(["NULL" if v is None else text(v, type_ if isinstance(v, tuple)
                                                        else element) for v in value])
        return "{" + inner + "}"
    handler = _SHOWN.get(type_.name)
    return str(value) if handler is None else handler(value)


def _show_stamp(value: int) -> str:
    stamp = dt.datetime(2000, 1, 1) + dt.timedelta(microseconds=value)
    return stamp.isoformat(sep=" ")


def _show_interval(value: tuple[int, int, int]) -> str:
    months, days, micros = value
    parts = []
    for count, unit in ((int(months / 12), "year"), (int(months - 12 * int(months / 12)), "mon"),
                        (days, "day")):
        if count:
            parts.append(f"{count} {unit}{'' if count == 1 else 's'}")
    if micros or not parts:
        seconds, fraction = divmod(abs(micros), _SECOND)
        clock = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
        clock += f".{fraction:06d}".rstrip("0") if fraction else ""
        parts.append(("-" if micros < 0 else "") + clock)
    return " ".join(parts)


_SHOWN: dict[str, Callable[[Any], str]] = {
    "bool": lambda v: "t" if v else "f",
    "float4": lambda v: repr(v).removesuffix(".0"),
    "float8": lambda v: repr(v).removesuffix(".0"),
    "numeric": lambda v: format(v, "f"),
    "date": lambda v: dt.date.fromordinal(v + _DAY_ZERO).isoformat(),
    "time": lambda v: (dt.datetime(2000, 1, 1) + dt.timedelta(microseconds=v)).time().isoformat(),
    "timestamp": _show_stamp,
    "timestamptz": lambda v: _show_stamp(v) + "+00",
    "interval": _show_interval,
    "uuid": lambda v: f"{v.hex()[:8]}-{v.hex()[8:12]}-{v.hex()[12:16]}-{v.hex()[16:20]}-"
                      f"{v.hex()[20:]}",
    "bytea": lambda v: "\\x" + v.hex(),
}
