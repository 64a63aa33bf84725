"""Prometheus' XOR chunk, as remote read streams it: Gorilla's bits, up to 120 samples.

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
