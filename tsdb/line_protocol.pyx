"""InfluxDB's line protocol, parsed straight into samples.

    measurement,tag=value,tag=value field=1.5,other=2i,text="x" 1700000000000000000

Each numeric or boolean field is a series: its name is `measurement_field`, its labels are the tags
(and `db`, where the request names a database), both made fit for PromQL by turning what may not
stand in a name into `_`.  Text fields have no place in a series of numbers: they are checked
and dropped.

What precedes the first space is looked up as it stands (`KeyMap`); the fields of a line are
expected in the order they had when last seen.  So a line seen before costs no parsing but of its
numbers, and nothing is allocated.  The grammar is that of influxdata/line-protocol, version 2.

Invariants:
1. A line is taken whole or not at all; a bad line does not disturb the others.
2. A key is cached only after it was checked (escapes, UTF-8, control characters, duplicate tags).
"""

from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memchr, memcmp

from cpython.bytes cimport PyBytes_FromStringAndSize

from tsdb.head cimport Batch, Head, batch_add
from tsdb.keymap cimport KeyMap, hash_bytes
from tsdb.labels cimport key_of_pairs
from tsdb.room cimport resized

from tsdb.head import LabelLimit

cdef extern from "Python.h":
    double PyOS_string_to_double(const char* s, char** end, object overflow) except? -1.0

cdef enum:
    NO_SERIES = 0xffffffff         # a field that was only ever text so far
    NUMBER_MAX = 400               # characters of a number
    ERRORS_KEPT = 8
    CACHE_BYTES_MAX = 256 << 20

UNIT_NS = {
    "n": 1, "ns": 1, "u": 1_000, "us": 1_000, "µ": 1_000, "ms": 1_000_000, "s": 1_000_000_000,
    "m": 60_000_000_000, "h": 3_600_000_000_000}
cdef double[23] POWERS
POWERS[:] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
             1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22]


class LineError(ValueError):
    """A line that is not line protocol."""


cdef struct Field:
    const uint8_t* key
    uint32_t size
    uint32_t ref


cdef struct Line:
    Field* fields
    uint32_t n
    uint32_t cap


cdef inline bint is_digit(uint8_t c) noexcept nogil:
    return c"0" <= c <= c"9"


cdef inline bint is_control(uint8_t c) noexcept nogil:
    return c < 32 or c == 127


cdef class LineParser:
    """Parses the lines written to one database.

    database: becomes the label `db`, b"" for none
    errors:   [(line number, why)] of the last call, at most 8; `rejected` counts all
    """

    cdef Head head
    cdef readonly bytes database
    cdef readonly list errors
    cdef readonly Py_ssize_t rejected
    cdef readonly Py_ssize_t lines_read
    cdef KeyMap keys
    cdef Line* lines
    cdef Py_ssize_t line_n, line_cap
    cdef list measurements         # by line: (measurement, tags) to make a series of a new field
    cdef readonly set named        # (measurement, field) of the series made lately
    cdef uint64_t generation

    def __init__(self, Head head, bytes database=b""):
        self.head = head
        self.database = database
        self.keys = KeyMap()
        self.measurements = []
        self.named = set()
        self.errors = []

    def __dealloc__(self):
        self.forget()
        free(self.lines)

    cdef forget(self):
        cdef Py_ssize_t i
        for i in range(self.line_n):
            free(self.lines[i].fields)
        self.line_n = 0

    def parse(self, const uint8_t[::1] data not None, Batch batch not None, int64_t unit_ns,
              int64_t now_ms) -> None:
        """Add the samples of all good lines to batch; see `errors` for the others.

        unit_ns: of the timestamps; now_ms: for lines without one, cut to the unit.
        """
        cdef const uint8_t* p
        cdef const uint8_t* end
        cdef const uint8_t* start
        cdef Py_ssize_t number = 1, mark
        now_ms -= now_ms % max(1, unit_ns // 1_000_000)
        self.errors = []
        self.rejected = 0
        if self.generation != self.head.generation or self.keys.bytes_held > CACHE_BYTES_MAX:
            self.forget()
            self.keys.clear()
            self.measurements = []
            self.generation = self.head.generation
        if data.shape[0] == 0:
            return
        p = &data[0]
        end = p + data.shape[0]
        while p < end:
            if p[0] == c"\n":
                number += 1
                p += 1
                continue
            if p[0] == c" ":
                p += 1
                continue
            if p[0] == c"\r" and p + 1 < end and p[1] == c"\n":
                p += 1
                continue
            mark = batch.n
            start = p
            try:
                if p[0] == c"#":
                    p = skip_comment(p, end)
                else:
                    p = self.line(p, end, batch, unit_ns, now_ms)
                    self.lines_read += 1
            except LineError as exc:
                batch.n = mark
                self.rejected += 1
                if len(self.errors) < ERRORS_KEPT:
                    self.errors.append((number, str(exc)))
                p = <const uint8_t*>memchr(start, c"\n", end - start)
                if p == NULL:
                    p = end

    cdef const uint8_t* line(self, const uint8_t* p, const uint8_t* end, Batch batch,
                             int64_t unit_ns, int64_t now_ms) except NULL:
        """Parse the line at p; returns where it ends."""
        cdef const uint8_t* space = p
        cdef Py_ssize_t mark = batch.n, i
        cdef int64_t found, t = now_ms
        cdef uint64_t hash
        cdef uint32_t at = 0, ref
        cdef Line* line
        cdef double value = 0
        cdef bint numeric
        while True:
            space = <const uint8_t*>memchr(space, c" ", end - space)
            if space == NULL:
                space = end
                break
            if (space - 1)[0] != c"\\":
                break
            space += 1
        hash = hash_bytes(p, space - p, 0)
        found = self.keys.find(p, space - p, hash)
        if found < 0:
            found = self.new_line(p, space, hash, end)
        line = self.lines + found
        p = space
        while True:
            while p < end and p[0] == c" ":
                p += 1
            while True:
                if (at < line.n and end - p > line.fields[at].size
                        and p[line.fields[at].size] == c"="
                        and memcmp(p, line.fields[at].key, line.fields[at].size) == 0):
                    i = at
                else:
                    i = self.find_field(found, p, end)
                    line = self.lines + found
                at = <uint32_t>i + 1
                p += line.fields[i].size + 1
                p = parse_value(p, end, &value, &numeric)
                if numeric:
                    ref = line.fields[i].ref
                    if ref == NO_SERIES:
                        ref = self.new_series(found, i)
                    batch_add(batch, ref, 0, value)
                if p < end and p[0] == c",":
                    p += 1
                    continue
                break
            break
        if p < end and p[0] == c" ":
            while p < end and p[0] == c" ":
                p += 1
            if p < end and p[0] != c"\n" and p[0] != c"\r":
                p = parse_time(p, end, unit_ns, &t)
                while p < end and p[0] == c" ":
                    p += 1
        if p < end and p[0] == c"\r" and (p + 1 == end or p[1] == c"\n"):
            p += 1
        elif p < end and p[0] != c"\n":
            raise LineError(f"unexpected {shown(p[0])} after the "
                            + ("timestamp" if is_digit((p - 1)[0]) else "field"))
        for i in range(mark, batch.n):
            batch.t[i] = t
        return p

    # ---- what was not seen before ------------------------------------------------------

    cdef int64_t new_line(self, const uint8_t* p, const uint8_t* space, uint64_t hash,
                          const uint8_t* end) except -1:
        """Check measurement and tags of a line, and give it a number."""
        cdef bytes text = PyBytes_FromStringAndSize(<const char*>p, space - p)
        newline = text.find(b"\n")
        if newline >= 0 or space == end:
            split_series(text[:newline].rstrip(b"\r") if newline >= 0 else text)
            raise LineError("expected a field, found the end of the line")
        measurement, tags = split_series(text)
        if self.line_n == self.line_cap:
            self.line_cap = max(64, self.line_cap * 2)
            self.lines = <Line*>resized(self.lines, self.line_cap * sizeof(Line))
        self.lines[self.line_n] = Line(NULL, 0, 0)
        self.keys.put(p, space - p, hash, <uint32_t>self.line_n)
        self.measurements.append((measurement, tags))
        self.line_n += 1
        return self.line_n - 1

    cdef Py_ssize_t find_field(self, int64_t number, const uint8_t* p,
                               const uint8_t* end) except -1:
        """The place of the field whose key stands at p; made if it is new."""
        cdef Line* line = self.lines + number
        cdef const uint8_t* stop = p
        cdef uint32_t i
        while stop < end and stop[0] != c"=" and stop[0] != c" " and stop[0] != c",":
            if is_control(stop[0]):
                break
            stop += 2 if stop[0] == c"\\" and stop + 1 < end and stop[1] in b"=, " else 1
        if stop == p:
            raise LineError("expected a field key" + (
                f", found {shown(p[0])}" if p < end and p[0] != c"\n" else ""))
        if stop >= end or stop[0] != c"=":
            raise LineError("expected '=' after field key, found " + (
                shown(stop[0]) if stop < end else "the end of input"))
        for i in range(line.n):
            if line.fields[i].size == stop - p and memcmp(line.fields[i].key, p, stop - p) == 0:
                return i
        check_utf8(PyBytes_FromStringAndSize(<const char*>p, stop - p))
        if line.n == line.cap:
            line.cap = max(4, line.cap * 2)
            line.fields = <Field*>resized(line.fields, line.cap * sizeof(Field))
        line.fields[line.n] = Field(self.keys.keep(p, stop - p), <uint32_t>(stop - p), NO_SERIES)
        line.n += 1
        return line.n - 1

    cdef uint32_t new_series(self, int64_t number, Py_ssize_t field) except? 0:
        """The ref of a line's field, now that it has a number for a value."""
        cdef Field* found = self.lines[number].fields + field
        key = unescape(PyBytes_FromStringAndSize(<const char*>found.key, found.size))
        measurement, tags = self.measurements[number]
        self.named.add((measurement, key))
        pairs = [(b"__name__", metric_name(measurement + b"_" + key))]
        pairs += [(label_name(name), value) for name, value in tags]
        if self.database and all([name != b"db" for name, _ in pairs]):
            pairs.append((b"db", self.database))
        try:
            found.ref = <uint32_t>self.head.ref_of(key_of_pairs(pairs))
        except UnicodeDecodeError as exc:
            raise LineError(f"invalid UTF-8: {exc.reason}") from exc
        except LabelLimit as exc:
            raise LineError(str(exc)) from exc
        return found.ref


# ---- keys ----------------------------------------------------------------------------------

cdef str shown(uint8_t c):
    return repr(chr(c))


cdef check_utf8(bytes text):
    try:
        text.decode()
    except UnicodeDecodeError as exc:
        raise LineError(f"invalid UTF-8 sequence in token {text!r}") from exc


cdef bytes unescape(bytes text):
    """Backslashes that stand before a comma, an equals sign or a space taken out."""
    if b"\\" not in text:
        return text
    return text.replace(b"\\,", b",").replace(b"\\=", b"=").replace(b"\\ ", b" ")


cdef Py_ssize_t token_end(bytes text, Py_ssize_t at, bint stop_at_equals) except -1:
    """Where the token that begins at `at` ends: at a `,` (or `=`) that is not escaped."""
    cdef const uint8_t* p = text
    cdef Py_ssize_t n = len(text)
    while at < n:
        if p[at] == c"\\" and at + 1 < n and p[at + 1] in b",= ":
            at += 2
            continue
        if p[at] == c"," or (stop_at_equals and p[at] == c"="):
            break
        if is_control(p[at]):
            raise LineError(f"expected tag key or field but found {shown(p[at])} instead")
        at += 1
    return at


cdef tuple split_series(bytes text):
    """(measurement, [(tag, value)]) of what precedes the first space."""
    cdef Py_ssize_t at = token_end(text, 0, False), stop, n = len(text)
    cdef list tags = []
    check_utf8(text)
    if at == 0:
        raise LineError("invalid character found at start of measurement name")
    measurement = text[:at].replace(b"\\,", b",").replace(b"\\ ", b" ")
    while at < n:
        at += 1
        stop = token_end(text, at, True)
        if stop == at:
            raise LineError("empty tag name")
        if stop >= n or text[stop] != c"=":
            raise LineError(f"expected '=' after tag key {text[at:stop]!r}")
        name = unescape(text[at:stop])
        at = stop + 1
        stop = token_end(text, at, True)
        if stop < n and text[stop] == c"=":
            raise LineError(f"expected ',' or a field after tag {name!r}, but got '=' instead")
        if stop == at:
            raise LineError(f"expected tag value after tag key {name!r}, but none found")
        tags.append((name, unescape(text[at:stop])))
        at = stop
    if len({name for name, _ in tags}) < len(tags):
        raise LineError("duplicate tag key")
    return measurement, tags


cdef bytes with_underscores(bytes name, bint colon):
    cdef bytearray fit = bytearray(name)
    cdef Py_ssize_t i
    cdef uint8_t c
    for i in range(len(fit)):
        c = fit[i]
        if not (c"a" <= c <= c"z" or c"A" <= c <= c"Z" or is_digit(c) or (colon and c == c":")):
            fit[i] = c"_"
    return b"_" + bytes(fit) if is_digit(fit[0]) else bytes(fit)


cpdef bytes metric_name(bytes name):
    """A name PromQL takes for a metric: what may not stand there becomes `_`."""
    return with_underscores(name, True)


cpdef bytes label_name(bytes name):
    """A name PromQL takes for a label."""
    return with_underscores(name, False)


# ---- values and times ----------------------------------------------------------------------

cdef const uint8_t* skip_comment(const uint8_t* p, const uint8_t* end) except NULL:
    while p < end and p[0] != c"\n":
        if is_control(p[0]) and not (p[0] == c"\r" and p + 1 < end and p[1] == c"\n"):
            raise LineError("invalid character found in comment line")
        p += 1
    return p


cdef const uint8_t* parse_value(const uint8_t* p, const uint8_t* end, double* value,
                                bint* numeric) except NULL:
    """Read a field's value; `numeric` is false for text."""
    cdef const uint8_t* start = p
    cdef uint64_t mantissa = 0
    cdef int digits = 0, scale = 0, exponent = 0, kept = 0
    cdef bint negative = False, less = False
    numeric[0] = True
    if p >= end:
        raise LineError("expected field value, found end of input")
    if p[0] == c'"':
        numeric[0] = False
        return skip_text(p, end)
    if p[0] == c"-" or p[0] == c"+":
        negative = p[0] == c"-"
        p += 1
    while p < end and is_digit(p[0]):
        if mantissa < 1_000_000_000_000_000_000:
            mantissa = mantissa * 10 + (p[0] - c"0")
            kept += 1
        digits += 1
        p += 1
    if p < end and digits and (p[0] == c"i" or p[0] == c"u"):
        return parse_whole(start, p, end, value)
    if digits != kept:
        return parse_slow(start, end, value)
    if p < end and p[0] == c".":
        p += 1
        while p < end and is_digit(p[0]):
            if mantissa >= 1_000_000_000_000_000_000:
                return parse_slow(start, end, value)
            mantissa = mantissa * 10 + (p[0] - c"0")
            scale -= 1
            digits += 1
            p += 1
    if digits == 0:
        return parse_word(start, end, value)
    if p < end and (p[0] == c"e" or p[0] == c"E"):
        p += 1
        if p < end and (p[0] == c"-" or p[0] == c"+"):
            less = p[0] == c"-"
            p += 1
        if p >= end or not is_digit(p[0]):
            raise LineError("invalid float value syntax")
        while p < end and is_digit(p[0]):
            exponent = min(exponent * 10 + (p[0] - c"0"), 99999)
            p += 1
        scale += -exponent if less else exponent
    if p < end and p[0] != c"," and p[0] != c" " and p[0] != c"\n" and p[0] != c"\r":
        return parse_slow(start, end, value)
    # A mantissa below 2^53 and a power of ten up to 10^22 are exact, so one rounding is right.
    if mantissa < (<uint64_t>1 << 53) and -22 <= scale <= 22:
        value[0] = <double>mantissa
        if scale < 0:
            value[0] /= POWERS[-scale]
        elif scale > 0:
            value[0] *= POWERS[scale]
        if negative:
            value[0] = -value[0]
        return p
    return parse_slow(start, end, value)


cdef const uint8_t* value_end(const uint8_t* p, const uint8_t* end) noexcept nogil:
    while p < end and p[0] != c"," and p[0] != c" " and p[0] != c"\n" and p[0] != c"\r":
        p += 1
    return p


cdef const uint8_t* parse_whole(const uint8_t* start, const uint8_t* suffix, const uint8_t* end,
                                double* value) except NULL:
    """An integer with its suffix `i` (64 bits) or `u` (unsigned)."""
    cdef uint64_t whole = 0, digit, limit
    cdef const uint8_t* p = start
    cdef bint negative = start[0] == c"-"
    if start[0] == c"+" or (negative and suffix[0] == c"u"):
        raise LineError("invalid integer value syntax")
    if value_end(suffix, end) != suffix + 1:
        raise LineError("invalid integer value syntax")
    limit = <uint64_t>INT64_MAX + negative if suffix[0] == c"i" else <uint64_t>-1
    p += negative
    while p < suffix:
        digit = p[0] - c"0"
        if whole > (limit - digit) // 10:
            raise LineError("line-protocol value out of range")
        whole = whole * 10 + digit
        p += 1
    value[0] = -<double>whole if negative else <double>whole
    return suffix + 1


cdef const uint8_t* parse_slow(const uint8_t* start, const uint8_t* end,
                               double* value) except NULL:
    """A float that the fast way cannot round rightly, or that is none."""
    cdef const uint8_t* stop = value_end(start, end)
    if stop - start > NUMBER_MAX:
        raise LineError("invalid float value syntax")
    cdef bytes text = PyBytes_FromStringAndSize(<const char*>start, stop - start)
    if text.strip(b"0123456789+-.eE"):
        raise LineError(f"invalid float value syntax: {text[:40]!r}")
    try:
        value[0] = PyOS_string_to_double(text, NULL, OverflowError)
    except ValueError as exc:
        raise LineError(f"invalid float value syntax: {text[:40]!r}") from exc
    except OverflowError as exc:
        raise LineError("line-protocol value out of range") from exc
    return stop


cdef frozenset TRUE = frozenset((b"t", b"T", b"true", b"True", b"TRUE"))
cdef frozenset FALSE = frozenset((b"f", b"F", b"false", b"False", b"FALSE"))


cdef const uint8_t* parse_word(const uint8_t* start, const uint8_t* end,
                               double* value) except NULL:
    """A boolean, as 1 or 0."""
    cdef const uint8_t* stop = value_end(start, end)
    cdef bytes text = PyBytes_FromStringAndSize(<const char*>start, min(stop - start, 8))
    if text in TRUE:
        value[0] = 1
    elif text in FALSE:
        value[0] = 0
    elif not text:
        raise LineError("expected field value")
    else:
        raise LineError(f"field value has unrecognized type: {text!r}")
    return stop


cdef const uint8_t* skip_text(const uint8_t* p, const uint8_t* end) except NULL:
    """Past a quoted text, which may hold newlines; it must be UTF-8."""
    cdef const uint8_t* start = p
    cdef bint ascii = True
    p += 1
    while p < end and p[0] != c'"':
        if p[0] == c"\\" and p + 1 < end:
            p += 1
        if p[0] >= 0x80:
            ascii = False
        p += 1
    if p >= end:
        raise LineError("expected closing quote for string field value, found end of input")
    if not ascii:
        check_utf8(PyBytes_FromStringAndSize(<const char*>start, p - start))
    return p + 1


cdef const uint8_t* parse_time(const uint8_t* p, const uint8_t* end, int64_t unit_ns,
                               int64_t* t) except NULL:
    """A timestamp in the given unit, to milliseconds (towards the past)."""
    cdef const uint8_t* start = p
    cdef bint negative = p[0] == c"-"
    cdef uint64_t whole = 0, digit
    cdef int64_t signed_whole
    p += negative
    while p < end and is_digit(p[0]):
        digit = p[0] - c"0"
        if whole > (<uint64_t>INT64_MAX - digit) // 10:
            raise LineError("invalid timestamp: line-protocol value out of range")
        whole = whole * 10 + digit
        p += 1
    if p == start + negative:
        raise LineError(f"invalid timestamp: {shown(p[0]) if p < end else 'nothing there'}")
    signed_whole = -<int64_t>whole if negative else <int64_t>whole
    if unit_ns > 1_000_000:
        if not INT64_MIN // unit_ns < signed_whole < INT64_MAX // unit_ns:
            raise LineError("invalid timestamp: line-protocol value out of range")
        t[0] = signed_whole * (unit_ns // 1_000_000)
    else:
        unit_ns = 1_000_000 // unit_ns
        t[0] = signed_whole // unit_ns
        if signed_whole % unit_ns < 0:
            t[0] -= 1
    return p
