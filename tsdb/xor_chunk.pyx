"""Prometheus' XOR chunk, as remote read streams it and its blocks hold it: Gorilla's bits, up to 120 samples.

    u16 BE  samples
    first   zigzag varint time, 64 bits value
    second  varint delta of time, XOR of value
    others  change of the delta:  0 | 10 + 14 bits | 110 + 17 | 1110 + 20 | 1111 + 64
            XOR of the value:     0 (same) | 10 + the bits of the window used last
                                  | 11 + 5 bits leading zeros, 6 bits width (64 as 0), the bits

All bits most significant first (Prometheus, tsdb/docs/format/chunks.md).
"""

from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memcpy, memset

from cpython.bytes cimport PyBytes_FromStringAndSize

from tsdb.selection cimport Rows

cdef extern from *:
    """
    static inline int xor_leading(unsigned long long x) { return __builtin_clzll(x); }
    static inline int xor_trailing(unsigned long long x) { return __builtin_ctzll(x); }
    """
    int xor_leading(uint64_t x) noexcept nogil
    int xor_trailing(uint64_t x) noexcept nogil

cdef enum:
    SAMPLES = 120
    ROOM = 32 + SAMPLES * 20       # at most 68 bits of time and 77 of value each


cdef struct Bits:
    uint8_t* p
    Py_ssize_t n                   # bits written


cdef void put(Bits* out, uint64_t value, int width) noexcept nogil:
    """The lowest `width` bits of value."""
    cdef int i
    for i in range(width - 1, -1, -1):
        if value >> i & 1:
            out.p[out.n >> 3] |= 0x80 >> (out.n & 7)
        out.n += 1


cdef void put_varint(Bits* out, uint64_t value) noexcept nogil:
    while value >= 0x80:
        put(out, value & 0x7f | 0x80, 8)
        value >>= 7
    put(out, value, 8)


cdef void put_change(Bits* out, int64_t change) noexcept nogil:
    """The change of the delta of time."""
    if change == 0:
        put(out, 0, 1)
    elif -8191 <= change <= 8192:
        put(out, 0b10, 2)
        put(out, <uint64_t>change, 14)
    elif -65535 <= change <= 65536:
        put(out, 0b110, 3)
        put(out, <uint64_t>change, 17)
    elif -524287 <= change <= 524288:
        put(out, 0b1110, 4)
        put(out, <uint64_t>change, 20)
    else:
        put(out, 0b1111, 4)
        put(out, <uint64_t>change, 64)


cdef Py_ssize_t encode(const int64_t* t, const double* v, Py_ssize_t n, uint8_t* room) noexcept nogil:
    """Write a chunk of n samples; returns its bytes."""
    cdef Bits out
    cdef uint64_t bits, before = 0, delta = 0, earlier, x
    cdef int leading = 0xff, trailing = 0, high, low
    cdef Py_ssize_t i
    memset(room, 0, ROOM)
    out.p = room
    out.n = 0
    put(&out, n, 16)
    for i in range(n):
        memcpy(&bits, &v[i], 8)
        if i == 0:
            put_varint(&out, (<uint64_t>t[0] << 1) ^ <uint64_t>(t[0] >> 63))
            put(&out, bits, 64)
            before = bits
            continue
        earlier = delta
        delta = <uint64_t>t[i] - <uint64_t>t[i - 1]
        if i == 1:
            put_varint(&out, delta)
        else:
            put_change(&out, <int64_t>(delta - earlier))
        x = bits ^ before
        before = bits
        if x == 0:
            put(&out, 0, 1)
            continue
        high = min(xor_leading(x), 31)
        low = xor_trailing(x)
        if leading != 0xff and high >= leading and low >= trailing:
            put(&out, 0b10, 2)
        else:
            leading = high
            trailing = low
            put(&out, 0b11, 2)
            put(&out, leading, 5)
            put(&out, (64 - leading - trailing) & 63, 6)
        put(&out, x >> trailing, 64 - leading - trailing)
    return (out.n + 7) >> 3


def chunks_of(Rows rows, Py_ssize_t row) -> list:
    """[(first time, last time, bytes), ...] of a row's samples."""
    cdef uint8_t[ROOM] room
    cdef Py_ssize_t at = 0, n, size
    cdef list made = []
    rows.read(row)
    while at < rows.n:
        n = min(<Py_ssize_t>SAMPLES, rows.n - at)
        size = encode(rows.t + at, rows.v + at, n, room)
        made.append((rows.t[at], rows.t[at + n - 1],
                     PyBytes_FromStringAndSize(<char*>room, size)))
        at += n
    return made


cdef uint64_t take(Bits* source, Py_ssize_t end, int width) except? 0x5eed:
    """The next `width` bits, of `end`; ValueError."""
    cdef uint64_t value = 0
    if source.n + width > end:
        raise ValueError("damaged XOR chunk: cut off")
    for _ in range(width):
        value = value << 1 | (source.p[source.n >> 3] >> (7 - (source.n & 7)) & 1)
        source.n += 1
    return value


cdef uint64_t take_varint(Bits* source, Py_ssize_t end) except? 0x5eed:
    cdef uint64_t value = 0, byte = 0x80
    cdef int shift = 0
    while byte & 0x80:
        if shift > 63:
            raise ValueError("damaged XOR chunk: bad varint")
        byte = take(source, end, 8)
        value |= (byte & 0x7f) << shift
        shift += 7
    return value


cdef int64_t take_change(Bits* source, Py_ssize_t end) except? 0x5eed:
    """The change of the delta of time."""
    cdef int width
    cdef uint64_t value
    for width in (0, 14, 17, 20):
        if not take(source, end, 1):
            if width == 0:
                return 0
            value = take(source, end, width)
            # As they are written: one more above zero than below.
            if value > <uint64_t>1 << (width - 1):
                value -= <uint64_t>1 << width
            return <int64_t>value
    return <int64_t>take(source, end, 64)


def decode(bytes chunk not None) -> tuple:
    """(times, values) of a chunk; ValueError if it is damaged."""
    import numpy as np

    cdef Bits source
    cdef Py_ssize_t i, n, end = len(chunk) * 8
    cdef uint64_t bits, delta = 0, u
    cdef int64_t[::1] t
    cdef double[::1] v
    cdef int leading = 0, width = 0
    source.p = <uint8_t*>chunk
    source.n = 0
    n = <Py_ssize_t>take(&source, end, 16)
    times = np.empty(n, np.int64)
    values = np.empty(n, np.float64)
    t = times
    v = values
    for i in range(n):
        if i == 0:
            u = take_varint(&source, end)
            t[0] = <int64_t>(u >> 1) ^ -<int64_t>(u & 1)
            bits = take(&source, end, 64)
        else:
            if i == 1:
                delta = take_varint(&source, end)
            else:
                delta += <uint64_t>take_change(&source, end)
            t[i] = t[i - 1] + <int64_t>delta
            if take(&source, end, 1):
                if take(&source, end, 1):
                    leading = <int>take(&source, end, 5)
                    width = <int>take(&source, end, 6) or 64
                if leading + width > 64:
                    raise ValueError("damaged XOR chunk: a window that is too wide")
                bits ^= take(&source, end, width) << (64 - leading - width)
        memcpy(&v[i], &bits, 8)
    return times, values
