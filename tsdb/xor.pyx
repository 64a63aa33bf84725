"""XOR: Facebook's Gorilla coding of floats (Pelkonen et al., VLDB 2015).

Neighbouring values of a series often share sign, exponent and the upper bits of the mantissa, so
the exclusive or of two of them is mostly zeros, and only the window of bits between is written:

    8 bytes  the first value, then a little-endian bit stream, a code for each value more:
        0          same as the one before
        1 0 b      XOR has its set bits within the window last used; b = those bits
        1 1 l w b  l = 6 bits trailing zeros, w = 6 bits width - 1; a new window

It takes any bits, fast; what decimals lose by it is told in `chunk`.

Invariant 1: a decoder never reads past `end` + 9 bytes, whatever the input is.
"""

from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memcpy

from tsdb.packing cimport BitWriter, end_bits, get_bits, load64, put_bits, store64

cdef extern from *:
    """
    static inline int leading_zeros(unsigned long long x) { return __builtin_clzll(x); }
    static inline int trailing_zeros(unsigned long long x) { return __builtin_ctzll(x); }
    """
    int leading_zeros(uint64_t x) noexcept nogil
    int trailing_zeros(uint64_t x) noexcept nogil

cdef enum:
    HEAD_BITS = 14                 # of a new window: two bits of code, its place, its width
    WASTE_MAX = 12                 # bits a window may be too wide before a new one pays


cdef uint8_t* put_xor(const double* v, Py_ssize_t n, uint8_t* p) noexcept nogil:
    cdef uint64_t before, now, x
    cdef int low = 64, width = 0, trail, span
    cdef Py_ssize_t i
    cdef BitWriter out
    memcpy(&before, v, 8)
    store64(p, before)
    out = BitWriter(p + 8, 0, 0)
    for i in range(1, n):
        memcpy(&now, v + i, 8)
        x = now ^ before
        before = now
        if x == 0:
            put_bits(&out, 0, 1)
            continue
        trail = trailing_zeros(x)
        span = 64 - leading_zeros(x) - trail
        if trail >= low and trail + span <= low + width and width - span <= WASTE_MAX:
            put_bits(&out, 1, 2)
        else:
            low = trail
            width = span
            put_bits(&out, <uint64_t>3 | <uint64_t>low << 2 | <uint64_t>(width - 1) << 8, HEAD_BITS)
        put_bits(&out, x >> low, width)
    return end_bits(&out)


cdef const uint8_t* get_xor(
    const uint8_t* p, const uint8_t* end, double* v, Py_ssize_t n
) noexcept nogil:
    cdef uint64_t before, word
    cdef int64_t at = 0, limit
    cdef int low = 0, width = 0
    cdef Py_ssize_t i
    if end - p < 8:
        return NULL
    before = load64(p)
    memcpy(v, &before, 8)
    p += 8
    limit = (end - p) * 8
    for i in range(1, n):
        if at >= limit:
            return NULL
        word = load64(p + (at >> 3)) >> (at & 7)
        if not word & 1:
            at += 1
        else:
            if word & 2:
                low = (word >> 2) & 63
                width = <int>((word >> 8) & 63) + 1
                at += HEAD_BITS
            else:
                at += 2
            if width == 0 or low + width > 64 or at + width > limit:
                return NULL
            before ^= get_bits(p, at, width) << low
            at += width
        memcpy(v + i, &before, 8)
    return p + ((at + 7) >> 3) if at <= limit else NULL
