"""Values on their way out: PostgreSQL's text and binary forms.

Text is what psql shows and most clients read; binary is big-endian machine form (asyncpg asks for
it always).  The forms per type are in PostgreSQL's documentation of data types; the binary ones:

    bool 1 byte            int2 int4 int8 float4 float8   big-endian
    date int32 days        timestamp(tz), time int64 microseconds         (since 2000-01-01)
    interval int64 microseconds, int32 days, int32 months
    numeric  int16 digits, int16 weight, uint16 sign, int16 scale, base-10000 digits
    array    int32 dimensions, int32 has-null, int32 element oid, (int32 size, int32 lower bound)
             for each dimension, then int32 length (-1 = NULL) and bytes for each element
    record   int32 columns, then int32 oid, int32 length, bytes for each

(No negative indexes here: the build turns wraparound off, and they would read stray memory.)
Which form a type has is a small number, `how_of(type)`, found once per column and not per value.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_AsUTF8AndSize
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcpy

from bedrock.net.buf cimport Buf

from math import inf as _inf

DAY_US = 86_400_000_000

cdef enum:
    INT = 0
    TEXT = 1
    BOOL = 2
    FLOAT8 = 3
    FLOAT4 = 4
    NUMERIC = 5
    DATE = 6
    TIMESTAMP = 7
    TIMESTAMPTZ = 8
    TIME = 9
    INTERVAL = 10
    BYTEA = 11
    UUID = 12
    ARRAY = 13
    RECORD = 14
    NAMED = 15
    JSONB = 16
    TIMETZ = 17
    VOID = 18
    VECTOR = 19
    TID = 20

HOWS = {
    "int2": INT, "int4": INT, "int8": INT, "oid": INT, "xid": INT, "cid": INT, "xid8": INT,
    "bool": BOOL, "float8": FLOAT8, "float4": FLOAT4, "numeric": NUMERIC, "date": DATE,
    "timestamp": TIMESTAMP, "timestamptz": TIMESTAMPTZ, "time": TIME, "interval": INTERVAL,
    "bytea": BYTEA, "uuid": UUID, "record": RECORD, "jsonb": JSONB, "timetz": TIMETZ,
    "void": VOID, "int2vector": VECTOR, "oidvector": VECTOR, "tid": TID,
    "regclass": NAMED, "regtype": NAMED, "regproc": NAMED, "regnamespace": NAMED,
    "regrole": NAMED, "regoper": NAMED, "regprocedure": NAMED, "regoperator": NAMED,
    "regcollation": NAMED,
}


cdef int how_of(object type) except -1:
    """The form of a type's values."""
    if type.kind == "d":
        return how_of(type.base)
    if type.kind == "c":
        return RECORD
    how = HOWS.get(type.name)
    if how is not None:
        return how
    return ARRAY if type.element is not None else TEXT


cdef inline void big32(char* p, uint32_t v) noexcept:
    p[0] = <char>(v >> 24)
    p[1] = <char>(v >> 16)
    p[2] = <char>(v >> 8)
    p[3] = <char>v


cdef inline void big64(char* p, uint64_t v) noexcept:
    big32(p, <uint32_t>(v >> 32))
    big32(p + 4, <uint32_t>v)


cdef inline int put32(Buf out, int64_t v) except -1:
    big32(out.room(4), <uint32_t>v)
    out.n += 4
    return 0


cdef inline int put16(Buf out, int v) except -1:
    cdef char* p = out.room(2)
    p[0] = <char>(v >> 8)
    p[1] = <char>v
    out.n += 2
    return 0


cdef inline int sized_int(Buf out, int64_t v) except -1:
    """Length word and decimal digits."""
    cdef char[24] digits
    cdef int i = 24
    cdef uint64_t u = <uint64_t>v
    cdef char* p
    if v < 0:
        u = 0 - u
    while True:
        i -= 1
        digits[i] = <char>(48 + u % 10)
        u //= 10
        if u == 0:
            break
    if v < 0:
        i -= 1
        digits[i] = 45
    p = out.room(28)
    big32(p, 24 - i)
    memcpy(p + 4, digits + i, 24 - i)
    out.n += 28 - i
    return 0


cdef inline int sized_str(Buf out, str s) except -1:
    cdef Py_ssize_t n
    cdef const char* p = PyUnicode_AsUTF8AndSize(s, &n)
    big32(out.room(4), <uint32_t>n)
    out.n += 4
    out.put(p, n)
    return 0


def float_text(double x, int digits=17):
    """Shortest text that reads back the same; exponent form as PostgreSQL chooses it."""
    cdef int exponent
    if x != x:
        return "NaN"
    if x == _inf:
        return "Infinity"
    if x == -_inf:
        return "-Infinity"
    if digits == 17:
        text = repr(x)
        limit = 15
    else:
        import numpy

        text = str(numpy.float32(x))
        limit = 6
    mantissa, _, power = text.partition("e")
    sign = "-" if mantissa[0] == "-" else ""
    whole, _, fraction = mantissa.lstrip("-").partition(".")
    if fraction == "0":
        fraction = ""
    all_digits = (whole + fraction).lstrip("0")
    if not all_digits:
        return sign + "0"
    # The decimal point's place relative to the first significant digit.
    exponent = int(power or 0) + len(whole) - 1
    if whole == "0":
        exponent -= len(fraction) - len(fraction.lstrip("0")) + 0
        exponent -= 1
        exponent += 1 if not fraction else 0
    all_digits = all_digits.rstrip("0")
    if exponent < -4 or exponent >= limit:
        text = all_digits[0] + ("." + all_digits[1:] if len(all_digits) > 1 else "")
        return f"{sign}{text}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"
    if exponent < 0:
        return f"{sign}0.{'0' * (-exponent - 1)}{all_digits}"
    if len(all_digits) <= exponent + 1:
        return sign + all_digits.ljust(exponent + 1, "0")
    return f"{sign}{all_digits[:exponent + 1]}.{all_digits[exponent + 1:]}"


def civil(int64_t days):
    """(year, month, day) of a day count since 2000-01-01; years before 1 count down from 0."""
    cdef int64_t z = days + 730425      # days since 0000-03-01
    cdef int64_t era = z // 146097 if z >= 0 else (z - 146096) // 146097
    cdef int64_t doe = z - era * 146097
    cdef int64_t yoe = (doe - doe // 1460 + doe // 36524 - doe // 146096) // 365
    cdef int64_t doy = doe - (365 * yoe + yoe // 4 - yoe // 100)
    cdef int64_t mp = (5 * doy + 2) // 153
    cdef int64_t day = doy - (153 * mp + 2) // 5 + 1
    cdef int64_t month = mp + 3 if mp < 10 else mp - 9
    return yoe + era * 400 + (1 if month <= 2 else 0), month, day


def date_text(int64_t days):
    if days == 0x7FFFFFFF:
        return "infinity"
    if days == -0x80000000:
        return "-infinity"
    year, month, day = civil(days)
    if year <= 0:
        return f"{1 - year:04d}-{month:02d}-{day:02d} BC"
    return f"{year:04d}-{month:02d}-{day:02d}"


def time_text(int64_t us):
    cdef int64_t seconds = us // 1_000_000
    cdef int64_t fraction = us % 1_000_000
    text = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    return text + f".{fraction:06d}".rstrip("0") if fraction else text


def floor_days(us):
    """(days, microseconds of the day), the latter never negative."""
    return divmod(us, DAY_US)


def timestamp_text(us, zone=""):
    if us == 0x7FFFFFFFFFFFFFFF:
        return "infinity"
    if us == -0x8000000000000000:
        return "-infinity"
    days, rest = floor_days(us)
    date = date_text(days)
    if date.endswith(" BC"):
        return f"{date.removesuffix(' BC')} {time_text(rest)}{zone} BC"
    return f"{date} {time_text(rest)}{zone}"


def zone_offset_s(us, zone) -> int:
    """Seconds east of UTC at an instant."""
    from datetime import datetime, timedelta

    try:
        at = datetime(2000, 1, 1, tzinfo=zone.utc) + timedelta(microseconds=us)
        return int(at.astimezone(zone.info).utcoffset().total_seconds())
    except OverflowError:
        return 0


def zone_text(int seconds) -> str:
    sign = "-" if seconds < 0 else "+"
    seconds = abs(seconds)
    text = f"{sign}{seconds // 3600:02d}"
    if seconds % 3600:
        text += f":{seconds // 60 % 60:02d}"
        if seconds % 60:
            text += f":{seconds % 60:02d}"
    return text


def interval_text(value):
    """IntervalStyle postgres: "1 year 2 mons 3 days 04:05:06"."""
    months, days, us = value
    parts = []
    negative = False
    years = int(months / 12)
    for number, word in ((years, "year"), (months - years * 12, "mon"), (days, "day")):
        if number:
            # A positive part after a negative one must say so.
            sign = "+" if number > 0 and negative else ""
            negative = number < 0
            parts.append(f"{sign}{number} {word}{'' if number == 1 else 's'}")
    if us or not parts:
        sign = "-" if us < 0 else "+" if negative else ""
        parts.append(sign + time_text(abs(us)))
    return " ".join(parts)


def uuid_text(value: bytes) -> str:
    h = value.hex()
    return f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"


cdef object ARRAY_SPECIAL = frozenset('{}",\\ \t\n\r\v\f')
cdef object RECORD_SPECIAL = frozenset('()",\\ \t\n\r\v\f')


cdef class Output:
    """Renders values under a session's settings."""

    def __init__(self, catalog=None, zone=None):
        self.catalog = catalog
        self.zone = zone

    def render(self, value, type) -> str:
        """The text form of a value that is not NULL."""
        return self.text(value, how_of(type), type)

    cdef str text(self, object value, int how, object type):
        if how == TEXT:
            return value if isinstance(value, str) else str(value)
        if how == INT:
            return str(value)
        if how == BOOL:
            return "t" if value else "f"
        if how == FLOAT8:
            return float_text(value)
        if how == FLOAT4:
            return float_text(value, 9)
        if how == NUMERIC:
            if not value.is_finite():
                return "NaN" if value.is_nan() else "Infinity" if value > 0 else "-Infinity"
            return format(value, "f") if value or value.as_tuple().sign == 0 else \
                format(abs(value), "f")
        if how == DATE:
            return date_text(value)
        if how == TIMESTAMP:
            return timestamp_text(value)
        if how == TIMESTAMPTZ:
            if self.zone is None or value in (0x7FFFFFFFFFFFFFFF, -0x8000000000000000):
                return timestamp_text(value, "+00")
            offset = zone_offset_s(value, self.zone)
            return timestamp_text(value + offset * 1_000_000, zone_text(offset))
        if how == TIME:
            return time_text(value)
        if how == TIMETZ:
            return time_text(value[0]) + zone_text(-value[1])
        if how == INTERVAL:
            return interval_text(value)
        if how == BYTEA:
            return "\\x" + value.hex()
        if how == UUID:
            return uuid_text(value)
        if how == JSONB:
            return value
        if how == ARRAY:
            return self.array_text(value, type.element)
        if how == RECORD:
            return self.record_text(value, type)
        if how == NAMED:
            if self.catalog is None:
                return str(value)
            return self.catalog.object_name(type.name, value)
        if how == VECTOR:
            return " ".join([str(v) for v in value])
        if how == TID:
            return f"({value >> 16},{(value & 0xFFFF) + 1})"
        return ""

    def array_text(self, value, element) -> str:
        parts = []
        cdef int how = how_of(element)
        for item in value:
            if item is None:
                parts.append("NULL")
            elif isinstance(item, tuple) and how not in (RECORD, INTERVAL, TIMETZ):
                parts.append(self.array_text(item, element))
            else:
                text = self.text(item, how, element)
                if not text or text.upper() == "NULL" or not ARRAY_SPECIAL.isdisjoint(text):
                    text = '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
                parts.append(text)
        return "{" + ",".join(parts) + "}"

    def record_text(self, value, type) -> str:
        parts = []
        for i, item in enumerate(value):
            if item is None:
                parts.append("")
                continue
            if i < len(type.fields):
                text = self.text(item, how_of(type.fields[i][1]), type.fields[i][1])
            else:
                text = "t" if item is True else "f" if item is False else str(item)
            if not text or not RECORD_SPECIAL.isdisjoint(text):
                text = '"' + text.replace("\\", "\\\\").replace('"', '""') + '"'
            parts.append(text)
        return "(" + ",".join(parts) + ")"

    cdef int put(self, Buf out, object value, int how, object type, bint binary) except -1:
        """Length word and value, or -1 for NULL: a field of DataRow."""
        if value is None:
            return put32(out, -1)
        if how == TEXT:
            return sized_str(out, value)
        if binary:
            return self.put_binary(out, value, how, type)
        if how == INT:
            return sized_int(out, value)
        return sized_str(out, self.text(value, how, type))

    cdef int put_binary(self, Buf out, object value, int how, object type) except -1:
        cdef int64_t v
        cdef int width
        cdef double d
        cdef float f
        cdef uint64_t bits64
        cdef uint32_t bits32
        cdef size_t start
        cdef char* p
        if how == INT or how == NAMED:
            v = value
            width = type.length if type.length > 0 else 4
            p = out.room(12)
            big32(p, width)
            if width == 8:
                big64(p + 4, <uint64_t>v)
            elif width == 4:
                big32(p + 4, <uint32_t>v)
            else:
                p[4] = <char>(v >> 8)
                p[5] = <char>v
            out.n += 4 + width
        elif how == BOOL:
            p = out.room(5)
            big32(p, 1)
            p[4] = 1 if value else 0
            out.n += 5
        elif how == FLOAT8:
            d = value
            memcpy(&bits64, &d, 8)
            put32(out, 8)
            big64(out.room(8), bits64)
            out.n += 8
        elif how == FLOAT4:
            f = value
            memcpy(&bits32, &f, 4)
            put32(out, 4)
            put32(out, bits32)
        elif how == DATE:
            put32(out, 4)
            put32(out, value)
        elif how == TIMESTAMP or how == TIMESTAMPTZ or how == TIME:
            v = value
            put32(out, 8)
            big64(out.room(8), <uint64_t>v)
            out.n += 8
        elif how == INTERVAL:
            months, days, us = value
            v = us
            put32(out, 16)
            big64(out.room(8), <uint64_t>v)
            out.n += 8
            put32(out, days)
            put32(out, months)
        elif how == TIMETZ:
            v = value[0]
            put32(out, 12)
            big64(out.room(8), <uint64_t>v)
            out.n += 8
            put32(out, value[1])
        elif how == BYTEA or how == UUID:
            put32(out, PyBytes_GET_SIZE(value))
            out.put(PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value))
        elif how == NUMERIC:
            data = numeric_binary(value)
            put32(out, len(data))
            out.write(data)
        elif how == JSONB:
            data = value.encode()
            put32(out, len(data) + 1)
            out.put(b"\x01", 1)
            out.write(data)
        elif how == ARRAY or how == VECTOR:
            start = out.n
            put32(out, 0)
            self.put_array(out, value, type.element)
            big32(out.p + start, <uint32_t>(out.n - start - 4))
        elif how == RECORD:
            start = out.n
            put32(out, 0)
            put32(out, len(value))
            for i, item in enumerate(value):
                field = type.fields[i][1] if i < len(type.fields) else guess_type(item)
                put32(out, field.oid)
                self.put(out, item, how_of(field), field, True)
            big32(out.p + start, <uint32_t>(out.n - start - 4))
        elif how == TID:
            v = value
            put32(out, 6)
            put32(out, v >> 16)
            put16(out, (v & 0xFFFF) + 1)
        elif how == VOID:
            put32(out, 0)
        return 0

    def put_array(self, Buf out, value, element) -> None:
        cdef int how = how_of(element)
        sizes = []
        level = value
        nested = how not in (RECORD, INTERVAL, TIMETZ)
        while isinstance(level, tuple) and level and (nested or not sizes):
            sizes.append(len(level))
            level = level[0]
        items = value
        for _ in sizes[1:]:
            items = [item for part in items for item in part]
        put32(out, len(sizes))
        put32(out, 1 if None in items else 0)
        put32(out, element.oid)
        for size in sizes:
            put32(out, size)
            put32(out, 1)
        for item in items:
            self.put(out, item, how, element, True)


def guess_type(value):
    """The type of a field of an anonymous record."""
    from query_planner.types import BOOL, FLOAT8, INT4, INT8, NUMERIC, TEXT

    if value is True or value is False:
        return BOOL
    if isinstance(value, int):
        return INT4 if -2**31 <= value < 2**31 else INT8
    if isinstance(value, float):
        return FLOAT8
    return TEXT if isinstance(value, str) or value is None else NUMERIC


def numeric_binary(value) -> bytes:
    """The base-10000 form."""
    if not value.is_finite():
        sign = 0xC000 if value.is_nan() else 0xD000 if value > 0 else 0xF000
        return b"\0\0\0\0" + sign.to_bytes(2, "big") + b"\0\0"
    sign, digits, exponent = value.as_tuple()
    scale = max(0, -exponent)
    text = "".join(map(str, digits)) + "0" * max(0, exponent)
    point = max(len(text) - scale, 0)
    whole, fraction = text[:point], text[point:].rjust(scale, "0")
    whole = whole.lstrip("0")
    whole = whole.rjust((len(whole) + 3) // 4 * 4, "0")
    fraction = fraction.ljust((len(fraction) + 3) // 4 * 4, "0")
    groups = [int((whole + fraction)[i:i + 4]) for i in range(0, len(whole + fraction), 4)]
    weight = len(whole) // 4 - 1
    while groups and groups[0] == 0:
        groups.pop(0)
        weight -= 1
    while groups and groups[len(groups) - 1] == 0:
        groups.pop()
    if not groups:
        weight = 0
        sign = 0
    head = [len(groups), weight & 0xFFFF, 0x4000 if sign else 0, scale]
    return b"".join([n.to_bytes(2, "big") for n in head + groups])


cdef int put_row(Output output, Buf out, object row, tuple types, tuple hows,
                 tuple binaries) except -1:
    """A DataRow message, whole or, when a value has no form to show, not at all."""
    cdef size_t start = out.n
    try:
        return put_fields(output, out, row, types, hows, binaries)
    except BaseException:
        out.n = start
        raise


cdef inline int put_fields(Output output, Buf out, object row, tuple types, tuple hows,
                           tuple binaries) except -1:
    cdef size_t start = out.n
    cdef Py_ssize_t i, n = len(types)
    cdef char* p = out.room(7)
    p[0] = 68       # D
    p[5] = <char>(n >> 8)
    p[6] = <char>n
    out.n += 7
    for i in range(n):
        output.put(out, row[i], <int>hows[i], types[i], <bint>binaries[i])
    big32(out.p + start + 1, <uint32_t>(out.n - start - 1))
    return 0


def binary_row(Output output, row, types) -> bytes:
    """A row of COPY BINARY."""
    cdef Buf out = Buf()
    put16(out, len(types))
    for value, type in zip(row, types):
        output.put(out, value, how_of(type), type, True)
    return bytes(out)
