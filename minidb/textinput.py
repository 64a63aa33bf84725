"""Text to values: PostgreSQL's input functions for the everyday types.

`parse(text, type, typmod)` gives a value in the form types.py lists, or raises SqlError 22P02 (not of
that type), 22003 (out of range), 22007 and 22008 (dates and times), 22001 (too long for varchar(n)).
Dates are read as ISO 8601 and as the other unambiguous forms people write: month names, m/d/y.
A timestamptz without a zone is taken as UTC; zones are offsets or names of the IANA data base.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from minidb.execution.kernels.dates import days_from_civil, month_days
from minidb.numeric import fit
from query_planner.errors import SqlError
from query_planner.types import Type, base_type

DAY_US = 86_400_000_000
EPOCH_DAYS = 10957
_MICROSECOND = timedelta(microseconds=1)
_SPACE = " \t\n\r\f\v"
_INT_BITS = {"int2": 15, "int4": 31, "int8": 63}


def parse(text: str, type: Type, typmod: int = -1) -> Any:
    """The value that `text` stands for in a type."""
    if type.kind == "d":
        return parse(text, base_type(type), typmod)
    if type.kind == "e":
        if text not in type.labels:
            raise SqlError("22P02", f'invalid input value for enum {type.name}: "{text}"')
        return text
    if type.element is not None:
        if type.name in ("int2vector", "oidvector"):
            # Braces too: `oid[] = '{0}'` may resolve to oidvector's operator.
            words = text.strip("{} ").replace(",", " ").split()
            if not all(word.lstrip("-").isdigit() for word in words):
                raise _invalid(text, type)
            return tuple([int(word) for word in words])
        return _array(text, type, typmod)
    if type.kind == "c" or type.name == "record":
        return _record(text, type)
    reader = _READERS.get(type.name)
    if reader is None:
        raise SqlError("0A000", f"input of type {type.title} is not supported")
    return reader(text, type, typmod)


def _invalid(text: str, type: Type) -> SqlError:
    return SqlError("22P02", f'invalid input syntax for type {type.title}: "{text}"')


# -- numbers


def _integer(text: str, type: Type, typmod: int) -> int:
    word = text.strip(_SPACE)
    digits = word[1:] if word[:1] in ("+", "-") else word
    if not (digits.isdigit() and digits.isascii()):
        raise _invalid(text, type)
    value = int(word)
    bits = _INT_BITS[type.name]
    if not -(1 << bits) <= value < 1 << bits:
        raise SqlError("22003", f'value "{text}" is out of range for type {type.title}')
    return value


def _oid(text: str, type: Type, typmod: int) -> int:
    try:
        value = int(text)
    except ValueError:
        raise _invalid(text, type) from None
    if not -(2**31) <= value < 2**32:
        raise SqlError("22003", f'value "{text}" is out of range for type {type.title}')
    return value & 0xFFFFFFFF


_FLOAT = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(inf|infinity)|nan", re.I)


def _float(text: str, type: Type, typmod: int) -> float:
    word = text.strip(_SPACE)
    if not _FLOAT.fullmatch(word):
        raise _invalid(text, type)
    value = float(word)
    limit = 3.4028235677973366e38 if type.name == "float4" else float("inf")
    if abs(value) >= limit and "inf" not in word.lower():
        raise SqlError("22003", f'"{text}" is out of range for type {type.title}')
    if value == 0 and re.search(r"[1-9]", word.lower().split("e")[0]):
        raise SqlError("22003", f'"{text}" is out of range for type {type.title}')
    if type.name == "float4":
        from struct import pack, unpack

        return unpack("f", pack("f", value))[0]
    return value


def _numeric(text: str, type: Type, typmod: int) -> Decimal:
    word = text.strip(_SPACE)
    if not _FLOAT.fullmatch(word):
        raise _invalid(text, type)
    try:
        value = Decimal(word)
    except InvalidOperation:
        raise _invalid(text, type) from None
    if not value.is_finite():
        return value
    if abs(value.adjusted()) > 131072:
        raise SqlError("22003", "value overflows numeric format")
    exponent = value.as_tuple().exponent
    if isinstance(exponent, int) and exponent > 0:
        value = Decimal(int(value))
    return fit(value, typmod)


def _boolean(text: str, type: Type, typmod: int) -> bool:
    word = text.strip(_SPACE).lower()
    if word and ("true".startswith(word) or "yes".startswith(word) or word in ("on", "1")):
        return True
    if word and ("false".startswith(word) or "no".startswith(word) or word in ("off", "of", "0")):
        return False
    raise _invalid(text, type)


# -- strings and bytes


def _string(text: str, type: Type, typmod: int) -> str:
    return text


def _cut(text: str, size: int, title: str) -> str:
    if len(text) > size:
        if text[size:].strip(" "):
            raise SqlError("22001", f"value too long for type {title}({size})")
        return text[:size]
    return text


def _varchar(text: str, type: Type, typmod: int) -> str:
    return text if typmod < 4 else _cut(text, typmod - 4, "character varying")


def _bpchar(text: str, type: Type, typmod: int) -> str:
    return text if typmod < 4 else _cut(text, typmod - 4, "character").ljust(typmod - 4)


def _bytea(text: str, type: Type, typmod: int) -> bytes:
    if text[:2] == "\\x":
        try:
            return bytes.fromhex(text[2:])
        except ValueError:
            raise SqlError("22023", f'invalid hexadecimal data: "{text}"') from None
    out = bytearray()
    i = 0
    while i < len(text):
        c = text[i]
        if c != "\\":
            out += c.encode()
            i += 1
        elif text[i + 1 : i + 2] == "\\":
            out.append(92)
            i += 2
        elif re.fullmatch(r"[0-3][0-7]{2}", text[i + 1 : i + 4]):
            out.append(int(text[i + 1 : i + 4], 8))
            i += 4
        else:
            raise _invalid(text, type)
    return bytes(out)


def _uuid(text: str, type: Type, typmod: int) -> bytes:
    digits = text.strip("{}").replace("-", "")
    if len(digits) != 32 or not re.fullmatch(r"[0-9a-fA-F]{32}", digits):
        raise _invalid(text, type)
    return bytes.fromhex(digits)


def _json(text: str, type: Type, typmod: int) -> str:
    import json

    try:
        value = json.loads(text, parse_float=_Number, parse_int=_Number, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise SqlError("22P02", "invalid input syntax for type json") from None
    return jsonb_text(value) if type.name == "jsonb" else text


class _Number(str):
    """A JSON number, digits kept as written."""


def _no_constant(word: str) -> Any:
    raise ValueError(word)


def jsonb_text(value: Any) -> str:
    """jsonb's output: keys by length and then by bytes, ", " and ": " between."""
    import json

    if isinstance(value, _Number):
        return format(Decimal(value), "f")
    if isinstance(value, dict):
        keys = sorted(value, key=lambda k: (len(k.encode()), k.encode()))
        inner = (f"{json.dumps(k, ensure_ascii=False)}: {jsonb_text(value[k])}" for k in keys)
        return "{" + ", ".join(inner) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(jsonb_text, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def _tid(text: str, type: Type, typmod: int) -> int:
    match = re.fullmatch(r"\((\d+),(\d+)\)", text.strip())
    if not match:
        raise _invalid(text, type)
    return int(match[1]) << 16 | int(match[2]) - 1


# -- dates and times

_MONTHS = {name: i + 1 for i, name in enumerate(
    "jan feb mar apr may jun jul aug sep oct nov dec".split())}
_DAYS = "sun mon tue wed thu fri sat".split()
_TIME = re.compile(r"(\d{1,2}):(\d{1,2})(?::(\d{1,2}(?:\.\d*)?))?")
_ZONE = re.compile(r"([+-])(\d{1,2})(?::?(\d\d))?(?::?(\d\d))?")


class _Moment:
    """What a date and time text says; None where it says nothing."""

    def __init__(self, text: str, type: Type) -> None:
        self.text = text
        self.type = type
        self.days: int | None = None
        self.us: int | None = None
        self.offset: int | None = None       # seconds east of UTC
        self.zone: str | None = None
        self.special: str | None = None
        self._read()

    def bad(self) -> SqlError:
        return SqlError("22007", f'invalid input syntax for type {self.type.title}: "{self.text}"')

    def out_of_range(self) -> SqlError:
        return SqlError("22008", f'date/time field value out of range: "{self.text}"')

    def _read(self) -> None:
        text = self.text.strip(_SPACE)
        if text.lower() in _SPECIAL:
            self.special = text.lower()
            return
        bc = False
        upper = text.upper()
        if upper.endswith((" BC", " AD")):
            bc = upper.endswith("BC")
            text = text[:-3].rstrip()
        match = re.match(r"(\d{4,})-(\d{1,2})-(\d{1,2})(?=$|[T\s+-])", text)
        if match:
            self._date(int(match[1]), int(match[2]), int(match[3]), bc)
            text = text[match.end():].lstrip("Tt" + _SPACE)
        match = _TIME.match(text)
        if match:
            self._time(match)
            text = text[match.end():].lstrip()
        numbers: list[int] = []
        month = None
        for word in re.split(r"[\s,]+", text):
            if not word:
                continue
            low = word.lower()
            clock = _TIME.match(word)
            zone = _ZONE.fullmatch(word)
            if zone and (self.us is not None or self.days is not None):
                seconds = int(zone[2]) * 3600 + int(zone[3] or 0) * 60 + int(zone[4] or 0)
                self.offset = -seconds if zone[1] == "-" else seconds
            elif clock:
                self._time(clock)
                rest = word[clock.end():]
                after = _ZONE.fullmatch(rest)
                if after:
                    seconds = int(after[2]) * 3600 + int(after[3] or 0) * 60
                    self.offset = -seconds if after[1] == "-" else seconds
                elif rest.lower() in ("z", "utc"):
                    self.offset = 0
                elif rest:
                    raise self.bad()
            elif low in ("am", "pm") and self.us is not None:
                hour = self.us // 3_600_000_000
                if not 1 <= hour <= 12:
                    raise self.out_of_range()
                shift = (12 if low == "pm" else 0) - (12 if hour == 12 else 0)
                self.us += shift * 3_600_000_000
            elif low[:3] in _MONTHS and low.isalpha():
                month = _MONTHS[low[:3]]
            elif low[:3] in _DAYS and low.isalpha() and low.endswith(("day", low[:3])):
                continue
            elif low in ("z", "utc", "gmt"):
                self.offset = 0
            elif word.isdigit():
                numbers.append(int(word))
                if len(word) == 8 and self.days is None and month is None:
                    self._date(int(word[:4]), int(word[4:6]), int(word[6:]), bc)
                    numbers.pop()
            elif re.fullmatch(r"\d{1,4}[/.-]\d{1,2}[/.-]\d{1,4}", word):
                a, b, c = (int(part) for part in re.split(r"[/.-]", word))
                if len(re.split(r"[/.-]", word)[0]) > 2:
                    self._date(a, b, c, bc)
                else:
                    self._date(_full_year(c, word), a, b, bc)
            elif re.fullmatch(r"\d{1,2}-[a-z]{3}-\d{2,4}", low):
                day, name, year = low.split("-")
                if name not in _MONTHS:
                    raise self.bad()
                self._date(_full_year(int(year), low), _MONTHS[name], int(day), bc)
            elif re.fullmatch(r"[A-Za-z_]+(/[A-Za-z_+\-0-9]+)*", word) and self.us is not None:
                self.zone = word
            else:
                raise self.bad()
        if month is not None:
            if len(numbers) != 2:
                raise self.bad()
            day, year = numbers if numbers[0] <= 31 else numbers[::-1]
            self._date(year, month, day, bc)
        elif numbers:
            raise self.bad()

    def _date(self, year: int, month: int, day: int, bc: bool) -> None:
        if self.days is not None:
            raise self.bad()
        if bc:
            year = 1 - year
        if not (1 <= month <= 12 and 1 <= day <= month_days(year, month)) or \
                not -4713 <= year <= 5874897 or (year == 0 and not bc):
            raise self.out_of_range()
        self.days = days_from_civil(year, month, day)

    def _time(self, match: re.Match[str]) -> None:
        hour, minute = int(match[1]), int(match[2])
        us = round(Decimal(match[3] or 0) * 1_000_000)
        if hour > 24 or minute > 59 or us > 60_000_000 or (hour == 24 and (minute or us)):
            raise self.out_of_range()
        self.us = hour * 3_600_000_000 + minute * 60_000_000 + us


_SPECIAL = ("infinity", "-infinity", "+infinity", "epoch", "now", "today", "tomorrow", "yesterday")


def _full_year(year: int, text: str) -> int:
    if year < 100 and not re.search(r"\d{3}", text):
        return year + (2000 if year < 70 else 1900)
    return year


def _now_us() -> int:
    from datetime import UTC, datetime

    return (datetime.now(UTC) - datetime(2000, 1, 1, tzinfo=UTC)) // _MICROSECOND


def _special(word: str) -> int:
    """Microseconds of a special word."""
    if word == "epoch":
        return -EPOCH_DAYS * DAY_US
    now = _now_us()
    if word == "now":
        return now
    return now // DAY_US * DAY_US + {"today": 0, "tomorrow": 1, "yesterday": -1}[word] * DAY_US


def _date(text: str, type: Type, typmod: int) -> int:
    moment = _Moment(text, type)
    if moment.special is not None:
        if "infinity" in moment.special:
            return -0x80000000 if moment.special[0] == "-" else 0x7FFFFFFF
        return _special(moment.special) // DAY_US
    if moment.days is None:
        raise moment.bad()
    return moment.days


def _rounded(us: int, typmod: int) -> int:
    if not 0 <= typmod < 6:
        return us
    unit = 10 ** (6 - typmod)
    return (us + unit // 2) // unit * unit


def _timestamp(text: str, type: Type, typmod: int) -> int:
    moment = _Moment(text, type)
    if moment.special is not None:
        if "infinity" in moment.special:
            return -(2**63) if moment.special[0] == "-" else 2**63 - 1
        return _special(moment.special)
    if moment.days is None:
        raise moment.bad()
    us = moment.days * DAY_US + (moment.us or 0)
    if type.name == "timestamptz":
        if moment.offset is not None:
            us -= moment.offset * 1_000_000
        elif moment.zone is not None:
            us = _from_zone(us, moment)
    if not -211_813_488_000_000_000 <= us < 9_223_371_331_200_000_000:
        raise SqlError("22008", f'timestamp out of range: "{text}"')
    return _rounded(us, typmod)


def _from_zone(us: int, moment: _Moment) -> int:
    from datetime import datetime
    from zoneinfo import ZoneInfo

    try:
        zone = ZoneInfo(moment.zone or "")
    except (KeyError, ValueError, OSError):
        raise SqlError("22023", f'time zone "{moment.zone}" not recognized') from None
    try:
        local = datetime(2000, 1, 1) + timedelta(microseconds=us)
    except OverflowError:
        return us
    offset = local.replace(tzinfo=zone).utcoffset() or timedelta()
    return us - offset // _MICROSECOND


def _time(text: str, type: Type, typmod: int) -> int:
    moment = _Moment(text, type)
    if moment.us is None:
        word = text.strip()
        if re.fullmatch(r"\d{6}|\d{4}", word):
            moment.us = (int(word[:2]) * 3600 + int(word[2:4]) * 60 + int(word[4:] or 0)) * 10**6
        else:
            raise moment.bad()
    return _rounded(moment.us, typmod)


def _timetz(text: str, type: Type, typmod: int) -> tuple[int, int]:
    moment = _Moment(text, type)
    if moment.us is None:
        raise moment.bad()
    return _rounded(moment.us, typmod), -(moment.offset or 0)


_UNITS: dict[str, tuple[int, int, int]] = {}
for _names, _size in (
    ("us usec usecs microsecond microseconds", (0, 0, 1)),
    ("ms msec msecs millisecond milliseconds", (0, 0, 1000)),
    ("s sec secs second seconds", (0, 0, 1_000_000)),
    ("m min mins minute minutes", (0, 0, 60_000_000)),
    ("h hr hrs hour hours", (0, 0, 3_600_000_000)),
    ("d day days", (0, 1, 0)), ("w week weeks", (0, 7, 0)), ("mon mons month months", (1, 0, 0)),
    ("y yr yrs year years", (12, 0, 0)), ("decade decades", (120, 0, 0)),
    ("c cent century centuries", (1200, 0, 0)), ("mil millennium millennia", (12000, 0, 0)),
):  # fmt: skip
    for _name in _names.split():
        _UNITS[_name] = _size

_ISO = re.compile(
    r"P(?:(-?[\d.]+)Y)?(?:(-?[\d.]+)M)?(?:(-?[\d.]+)W)?(?:(-?[\d.]+)D)?"
    r"(?:T(?:(-?[\d.]+)H)?(?:(-?[\d.]+)M)?(?:(-?[\d.]+)S)?)?")
_PIECE = re.compile(
    r"\s*(?:([+-]?)(\d+):(\d+)(?::(\d+(?:\.\d*)?))?|([+-]?(?:\d+\.?\d*|\.\d+))\s*([a-z]+)?"
    r"|(ago)|(@))")


def _interval(text: str, type: Type, typmod: int) -> tuple[int, int, int]:
    word = text.strip().lower()
    bad = SqlError("22007", f'invalid input syntax for type interval: "{text}"')
    if not word:
        raise bad
    iso = _ISO.fullmatch(text.strip().upper())
    pieces: list[tuple[Decimal, str]] = []
    if iso and len(word) > 1:
        for amount, unit in zip(iso.groups(), ("y", "mon", "w", "d", "h", "m", "s"), strict=True):
            if amount:
                pieces.append((Decimal(amount), unit))
    else:
        at = 0
        ago = False
        while at < len(word):
            match = _PIECE.match(word, at)
            if not match or match.end() == at:
                raise bad
            at = match.end()
            if match[2]:
                sign = -1 if match[1] == "-" else 1
                pieces.append((sign * Decimal(match[2]), "h"))
                pieces.append((sign * Decimal(match[3]), "m"))
                pieces.append((sign * Decimal(match[4] or 0), "s"))
            elif match[7]:
                ago = True
            elif match[5]:
                unit = match[6] or "s"
                if unit not in _UNITS:
                    raise bad
                pieces.append((Decimal(match[5]), unit))
        if not pieces:
            raise bad
        if ago:
            pieces = [(-amount, unit) for amount, unit in pieces]
    months = days = Decimal(0)
    us = Decimal(0)
    for amount, unit in pieces:
        m, d, u = _UNITS[unit]
        if m:
            whole = int(amount * m)
            months += whole
            # A fraction of a month is days, of 30.
            if m == 1:
                days += (amount - whole) * 30
        elif d:
            days += amount * d
        else:
            us += amount * u
    whole_days = int(days)
    us += (days - whole_days) * DAY_US
    if abs(months) >= 2**31 or abs(whole_days) >= 2**31 or abs(us) >= 2**63:
        raise SqlError("22015", f'interval field value out of range: "{text}"')
    return int(months), whole_days, int(us.to_integral_value())


# -- arrays and records


def _array(text: str, type: Type, typmod: int) -> tuple:
    element = type.element
    assert element is not None
    body = text.strip(_SPACE)
    prefix = re.match(r"(\[\d+:\d+\])+=", body)
    if prefix:
        body = body[prefix.end():]
    if body[:1] != "{":
        raise SqlError("22P02", f'malformed array literal: "{text}"',
                       detail='Array value must start with "{" or dimension information.')
    value, at = _level(body, 0, element, typmod, text, 0)
    if body[at:].strip(_SPACE):
        raise SqlError("22P02", f'malformed array literal: "{text}"',
                       detail="Junk after closing right brace.")
    return value


def _level(body: str, at: int, element: Type, typmod: int, text: str,
           depth: int) -> tuple[tuple, int]:
    bad = SqlError("22P02", f'malformed array literal: "{text}"')
    if depth > 6:
        raise SqlError("54000", "number of array dimensions exceeds the maximum allowed (6)")
    items: list[Any] = []
    at += 1
    while True:
        while at < len(body) and body[at] in _SPACE:
            at += 1
        if at >= len(body):
            raise bad
        c = body[at]
        if c == "}":
            if items and body[at - 1] == ",":
                raise bad
            return tuple(items), at + 1
        if c == "{":
            inner, at = _level(body, at, element, typmod, text, depth + 1)
            items.append(inner)
        else:
            word, quoted = [], False
            if c == '"':
                quoted = True
                at += 1
                while at < len(body) and body[at] != '"':
                    if body[at] == "\\":
                        at += 1
                    word.append(body[at : at + 1])
                    at += 1
                at += 1
            else:
                while at < len(body) and body[at] not in ",}":
                    if body[at] == "\\":
                        quoted = True
                        at += 1
                    elif body[at] in '{"':
                        raise bad
                    word.append(body[at : at + 1])
                    at += 1
            item = "".join(word)
            if not quoted:
                item = item.rstrip(_SPACE)
                if not item:
                    raise bad
            if not quoted and item.upper() == "NULL":
                items.append(None)
            else:
                items.append(parse(item, element, typmod))
        while at < len(body) and body[at] in _SPACE:
            at += 1
        if at < len(body) and body[at] == ",":
            at += 1
            if at >= len(body) or body[at] == "}":
                raise bad
        elif at >= len(body) or body[at] != "}":
            raise bad


def _record(text: str, type: Type) -> tuple:
    body = text.strip(_SPACE)
    if not type.fields:
        raise SqlError("0A000", "input of anonymous composite types is not implemented")
    if not (body.startswith("(") and body.endswith(")")):
        raise SqlError("22P02", f'malformed record literal: "{text}"')
    words: list[str | None] = []
    word: list[str] = []
    quoted = seen = False
    i = 1
    while i < len(body):
        c = body[i]
        if quoted:
            if c == '"' and body[i + 1 : i + 2] == '"':
                word.append('"')
                i += 1
            elif c == '"':
                quoted = False
            elif c == "\\":
                i += 1
                word.append(body[i : i + 1])
            else:
                word.append(c)
        elif c == '"':
            quoted = seen = True
        elif c == "," or i == len(body) - 1:
            words.append("".join(word) if word or seen else None)
            word, seen = [], False
        else:
            word.append(c)
        i += 1
    if len(words) != len(type.fields):
        raise SqlError("22P02", f'malformed record literal: "{text}"')
    return tuple([None if item is None else parse(item, field[1], -1)
                  for item, field in zip(words, type.fields, strict=True)])


_READERS: dict[str, Callable[[str, Type, int], Any]] = {
    "int2": _integer, "int4": _integer, "int8": _integer, "oid": _oid, "xid": _oid, "cid": _oid,
    "xid8": lambda text, type, typmod: int(text), "float4": _float, "float8": _float,
    "numeric": _numeric, "bool": _boolean, "text": _string, "varchar": _varchar,
    "bpchar": _bpchar, "name": lambda text, type, typmod: text[:63],
    "char": lambda text, type, typmod: text[:1], "unknown": _string, "cstring": _string,
    "bytea": _bytea, "uuid": _uuid, "json": _json, "jsonb": _json, "tid": _tid, "date": _date,
    "timestamp": _timestamp, "timestamptz": _timestamp, "time": _time, "timetz": _timetz,
    "interval": _interval, "refcursor": _string, "xml": _string, "pg_node_tree": _string,
    "void": lambda text, type, typmod: None,
}  # fmt: skip
