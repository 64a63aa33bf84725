"""Query results as Prometheus' JSON, written straight to bytes.

    [ {"metric":{...},"values":[[1435781451.781,"1"],...]}, ... ]

Times are seconds with up to three decimals; values are texts, the shortest decimal that reads back
as the double, with an exponent only below 1e-6 and from 1e21 on (as Go's encoder has it).
"""

import json

from libc.math cimport fabs, isinf, isnan
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memcpy, memset

from bedrock.world.slices cimport rest
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE

from tsdb.labels cimport Labels
from tsdb.promql.shortest cimport shortest
from tsdb.room cimport resized
from tsdb.selection cimport Rows

cdef extern from "Python.h":
    const char* PyUnicode_AsUTF8AndSize(str text, Py_ssize_t* size) except NULL

cdef enum:
    SAMPLE_MAX = 80                # bytes of one sample: its value takes 25, its time 24
    PIECE = 1 << 18                # bytes; what is large is never copied as a whole


cdef class Writer:
    """Bytes that grow, and the pieces before them."""

    cdef char* p
    cdef Py_ssize_t n, cap
    cdef list pieces

    def __cinit__(self):
        self.pieces = []

    def __dealloc__(self):
        free(self.p)

    cdef int reserve(self, Py_ssize_t more) except -1 nogil:
        cdef Py_ssize_t cap = max(self.n + more, self.cap * 2, 4096)
        if self.n + more > self.cap:
            self.p = <char*>resized(self.p, cap)
            self.cap = cap
        return 0

    cdef int put(self, const char* p, Py_ssize_t size) except -1 nogil:
        self.reserve(size)
        memcpy(self.p + self.n, p, size)
        self.n += size
        return 0

    cdef int text(self, bytes data) except -1:
        return self.put(PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))

    cdef int quoted(self, str text) except -1:
        """A JSON string."""
        cdef Py_ssize_t size = 0, i
        cdef const char* p = PyUnicode_AsUTF8AndSize(text, &size)
        for i in range(size):
            if <unsigned char>p[i] < 0x20 or p[i] == c'"' or p[i] == c"\\":
                return self.text(json.dumps(text, ensure_ascii=False).encode())
        self.reserve(size + 2)
        self.char(c'"')
        memcpy(self.p + self.n, p, size)
        self.n += size
        self.char(c'"')
        return 0

    cdef int labels(self, Labels labels) except -1:
        """A JSON object."""
        cdef tuple pair
        cdef bint first = True
        self.text(b"{")
        for pair in labels.pairs:
            if not first:
                self.text(b",")
            first = False
            self.quoted(<str>pair[0])
            self.text(b":")
            self.quoted(<str>pair[1])
        return self.text(b"}")

    cdef int char(self, char c) noexcept nogil:
        self.p[self.n] = c
        self.n += 1
        return 0

    cdef int whole(self, int64_t x) noexcept nogil:
        """An integer; room was reserved."""
        cdef char[24] digits
        cdef int at = 24
        cdef bint negative = x < 0
        if x == 0:
            self.char(c"0")
            return 0
        while x:
            at -= 1
            digits[at] = <char>(c"0" + (-(x % 10) if negative else x % 10))
            x //= 10
        if negative:
            self.char(c"-")
        memcpy(self.p + self.n, digits + at, 24 - at)
        self.n += 24 - at
        return 0

    cdef int milliseconds(self, int64_t t) noexcept nogil:
        """t ms as seconds; room was reserved."""
        cdef int64_t seconds = t // 1000
        cdef int part = t % 1000
        if part < 0:
            part = -part
            if seconds == 0:
                self.char(c"-")
        self.whole(seconds)
        if part:
            self.char(c".")
            self.char(<char>(c"0" + part // 100))
            self.char(<char>(c"0" + part // 10 % 10))
            self.char(<char>(c"0" + part % 10))
        return 0

    cdef int value(self, double v) except -1 nogil:
        """A value without its quotes; room was reserved."""
        cdef double size = fabs(v)
        cdef uint64_t digits
        cdef char[24] text
        cdef int power, first, count
        if isnan(v):
            return self.put(b"NaN", 3)
        if isinf(v):
            return self.put(b"+Inf" if v > 0 else b"-Inf", 4)
        if size < 9007199254740992.0 and v == <double><int64_t>v and (v != 0 or 1 / v > 0):
            return self.whole(<int64_t>v)
        if v < 0 or v == 0:
            self.char(c"-")
        if v == 0:
            return self.char(c"0")
        power = shortest(size, &digits)
        first = 24
        while digits:
            first -= 1
            text[first] = <char>(c"0" + digits % 10)
            digits //= 10
        count = 24 - first
        if size < 1e-6 or size >= 1e21:
            self.char(text[first])
            if count > 1:
                self.char(c".")
                self.put(text + first + 1, count - 1)
            self.char(c"e")
            power += count - 1
            if power > 0:
                self.char(c"+")
            return self.whole(power)
        if power >= 0:
            self.put(text + first, count)
            return self.zeros(power)
        if count + power > 0:
            self.put(text + first, count + power)
            self.char(c".")
            return self.put(text + 24 + power, -power)
        self.put(b"0.", 2)
        self.zeros(-power - count)
        return self.put(text + first, count)

    cdef int zeros(self, int count) noexcept nogil:
        """Room was reserved."""
        memset(self.p + self.n, c"0", count)
        self.n += count
        return 0

    cdef int sample(self, int64_t t, double v) except -1 nogil:
        """[time,"value"]"""
        self.reserve(SAMPLE_MAX)
        self.char(c"[")
        self.milliseconds(t)
        self.char(c",")
        self.char(c'"')
        self.value(v)
        self.char(c'"')
        self.char(c"]")
        return 0

    cdef int cut(self) except -1:
        """Begin another piece, if this one is long."""
        if self.n >= PIECE:
            self.pieces.append(self.done())
            self.n = 0
        return 0

    cdef bytes done(self):
        return PyBytes_FromStringAndSize(self.p, self.n)

    cdef tuple all(self):
        return (*self.pieces, self.done())


def json_labels(Labels labels) -> bytes:
    """Labels as a JSON object."""
    cdef Writer out = Writer()
    out.labels(labels)
    return out.done()


def labels_json(list found) -> tuple:
    """A list of label sets; in pieces."""
    cdef Writer out = Writer()
    cdef Labels labels
    out.text(b"[")
    for labels in found:
        rest()
        out.cut()
        if out.n > 1 or out.pieces:
            out.text(b",")
        out.labels(labels)
    out.text(b"]")
    return out.all()


def value_text(double v) -> str:
    """A value as it stands between quotes."""
    cdef Writer out = Writer()
    out.reserve(SAMPLE_MAX)
    out.value(v)
    return out.done().decode()


def sample_json(int64_t t, double v) -> bytes:
    """[time,"value"]: a scalar's result."""
    cdef Writer out = Writer()
    out.sample(t, v)
    return out.done()


def rows_json(list metrics, const int64_t[::1] times, const double[:, ::1] values,
              const uint8_t[:, ::1] present, bint matrix) -> tuple:
    """The rows of a Vector: as a matrix, or as an instant vector (of its only step); in pieces.

    metrics: the labels of each row, as JSON.
    """
    cdef Writer out = Writer()
    cdef Py_ssize_t row, step
    cdef bint first
    out.text(b"[")
    for row in range(len(metrics)):
        rest()
        out.cut()
        out.text(b'{"metric":' if row == 0 else b',{"metric":')
        out.text(<bytes>metrics[row])
        if not matrix:
            out.text(b',"value":')
            out.sample(times[0], values[row, 0])
            out.text(b"}")
            continue
        out.text(b',"values":[')
        with nogil:
            first = True
            for step in range(times.shape[0]):
                if present[row, step]:
                    if not first:
                        out.put(b",", 1)
                    first = False
                    out.sample(times[step], values[row, step])
        out.text(b"]}")
    out.text(b"]")
    return out.all()


def windows_json(Rows rows) -> tuple:
    """A range vector's samples, as they are; in pieces."""
    cdef Writer out = Writer()
    cdef Py_ssize_t row, i
    cdef bint some = False
    out.text(b"[")
    for row in range(len(rows.labels)):
        rest()
        out.cut()
        rows.read(row)
        if rows.n == 0:
            continue
        out.text(b',{"metric":' if some else b'{"metric":')
        some = True
        out.labels(rows.labels[row])
        out.text(b',"values":[')
        for i in range(rows.n):
            if i:
                out.text(b",")
            out.sample(rows.t[i], rows.v[i])
        out.text(b"]}")
    out.text(b"]")
    return out.all()
