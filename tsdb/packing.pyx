"""Packing: integers of about one size, each in the same number of bits.

    runs of up to 64 numbers:  u8 width w (0..56, or 64), varint minimum (zigzag), then each number
    minus the minimum in w bits, little-endian, the run padded to a whole byte

A run costs its two bytes of head and the spread of its numbers; coding and decoding have no branch
in a number, so they run at gigabytes a second.  Of numbers that are unevenly spread, `entropy`
makes less.

Invariant 1: a decoder never reads past `end` + 8 bytes, whatever the input is.
"""

from libc.stdint cimport int64_t, uint8_t, uint64_t

cdef extern from *:
    """
    static inline int leading_zeros(unsigned long long x) { return __builtin_clzll(x); }
    """
    int leading_zeros(uint64_t x) noexcept nogil

cdef enum:
    RUN = 64


cdef inline int run_width(const int64_t* x, Py_ssize_t k, int64_t* low) noexcept nogil:
    """Bits for each of k numbers after their minimum is taken away."""
    cdef int64_t least = x[0], most = x[0]
    cdef uint64_t spread
    cdef Py_ssize_t i
    cdef int width
    for i in range(1, k):
        least = min(least, x[i])
        most = max(most, x[i])
    low[0] = least
    spread = <uint64_t>most - <uint64_t>least
    width = 64 - leading_zeros(spread) if spread else 0
    return width if width <= 56 else 64


cdef Py_ssize_t packed_size(const int64_t* x, Py_ssize_t n) noexcept nogil:
    """Bytes that `pack` makes, or at most two a run more."""
    cdef Py_ssize_t run, k, size = 0
    cdef int64_t low = 0
    cdef uint64_t head
    for run in range((n + RUN - 1) // RUN):
        k = min(RUN, n - run * RUN)
        size += (k * run_width(x + run * RUN, k, &low) + 7) >> 3
        head = zigzag(low)
        size += 2 if head < 128 else 2 + (64 - leading_zeros(head)) // 7
    return size


cdef uint8_t* pack(const int64_t* x, Py_ssize_t n, uint8_t* p) noexcept nogil:
    """Write n numbers as packed runs; returns the byte after them."""
    cdef Py_ssize_t i, k, run, base
    cdef int64_t low = 0
    cdef uint64_t word
    cdef int width, filled
    for run in range((n + RUN - 1) // RUN):
        base = run * RUN
        k = min(RUN, n - base)
        width = run_width(x + base, k, &low)
        p[0] = <uint8_t>width
        p = put_varint(p + 1, zigzag(low))
        if width == 64:
            for i in range(k):
                store64(p, <uint64_t>x[base + i] - <uint64_t>low)
                p += 8
        elif width:
            word = 0
            filled = 0
            for i in range(k):
                word |= (<uint64_t>x[base + i] - <uint64_t>low) << filled
                filled += width
                if filled >= 64:
                    store64(p, word)
                    p += 8
                    filled -= 64
                    word = ((<uint64_t>x[base + i] - <uint64_t>low) >> (width - filled)
                            if filled else 0)
            store64(p, word)
            p += (filled + 7) >> 3
    return p


cdef const uint8_t* unpack(
    const uint8_t* p, const uint8_t* end, int64_t* x, Py_ssize_t n
) noexcept nogil:
    """Read n numbers of packed runs to x; returns the byte after them, or NULL."""
    cdef Py_ssize_t i, k, run, base
    cdef int width
    cdef uint64_t low, mask
    for run in range((n + RUN - 1) // RUN):
        base = run * RUN
        k = min(RUN, n - base)
        if p >= end:
            return NULL
        width = p[0]
        p = get_varint(p + 1, end, &low)
        if p == NULL or width > 64 or (56 < width < 64) or (k * width + 7) >> 3 > end - p:
            return NULL
        low = <uint64_t>unzigzag(low)
        if width == 0:
            for i in range(k):
                x[base + i] = <int64_t>low
        elif width == 64:
            for i in range(k):
                x[base + i] = <int64_t>(load64(p + 8 * i) + low)
        else:
            mask = (<uint64_t>1 << width) - 1
            for i in range(k):
                x[base + i] = <int64_t>(
                    ((load64(p + ((i * width) >> 3)) >> ((i * width) & 7)) & mask) + low)
        p += (k * width + 7) >> 3
    return p
