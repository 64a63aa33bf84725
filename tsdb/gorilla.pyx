"""A chunk: up to 4096 samples of one series, compressed without loss.

Facebook's Gorilla (Pelkonen et al., VLDB 2015) stores the change of the change of timestamps and
the XOR of neighbouring floats.  Monitoring data is mostly whole numbers or short decimals at a
steady interval, for which packing differences at a fixed width is both smaller and faster, so
a chunk picks its value coding by looking at the values:

    DECIMAL  every value is exactly m / 10^e for one e <= 8: the integers' deltas, packed
    XOR      anything else (long fractions, NaN with its payload, -0, infinities): Gorilla's bits

Bytes (varint = LEB128, zigzag where signed):

    u8      value coding (0 DECIMAL, 1 XOR)  |  0x10 when timestamps are exactly regular
    u8      e, the decimal exponent (0 for XOR)
    varint  samples n
    varint  first timestamp (zigzag)
    varint  second minus first timestamp (zigzag), when n > 1
    packed  n - 2 changes of the timestamp's delta, unless regular
    DECIMAL: varint first integer (zigzag), packed n - 1 deltas
    XOR:     8 bytes first value, then a little-endian bit stream, a code a value:
             0          same as the one before
             1 0 b      XOR has its set bits within the window last used; b = those bits
             1 1 l w b  l = 6 bits trailing zeros, w = 6 bits width - 1; a new window

packed = runs of up to 64 numbers: u8 width w (0..56, or 64), varint minimum (zigzag), then
each number minus the minimum in w bits, little-endian, the run padded to a whole byte.

Invariants:
1. decode(encode(x)) == x, bit for bit, for every int64 timestamp and every double.
2. A decoder never writes more than the announced n samples and never reads past size + SLACK.

Left out: a per-chunk checksum (the block and the log have theirs), general compressors.
"""

from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

cdef extern from *:
    """
    static inline int leading_zeros(unsigned long long x) { return __builtin_clzll(x); }
    static inline int trailing_zeros(unsigned long long x) { return __builtin_ctzll(x); }
    """
    int leading_zeros(uint64_t x) noexcept nogil
    int trailing_zeros(uint64_t x) noexcept nogil

cdef enum:
    DECIMAL = 0
    XOR = 1
    REGULAR = 0x10
    RUN = 64
    EXPONENT_MAX = 8
    HEAD_MAX = 64

cdef double[9] POWERS
POWERS[:] = [1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8]
cdef double INTEGER_MAX = 9007199254740992.0      # 2^53: below it every integer is a double


cdef Py_ssize_t chunk_bound(Py_ssize_t n) noexcept nogil:
    # Timestamps at 64 bits, values at 78 bits, 11 bytes of head for each of two runs of 64.
    return HEAD_MAX + n * 18 + (n // RUN + 1) * 22 + CHUNK_SLACK


# ---- varints and packed runs ---------------------------------------------------------------

cdef inline uint64_t zigzag(int64_t x) noexcept nogil:
    return (<uint64_t>x << 1) ^ <uint64_t>(x >> 63)


cdef inline int64_t unzigzag(uint64_t x) noexcept nogil:
    return <int64_t>(x >> 1) ^ -<int64_t>(x & 1)


cdef inline uint8_t* put_varint(uint8_t* p, uint64_t x) noexcept nogil:
    while x >= 0x80:
        p[0] = <uint8_t>(x | 0x80)
        p += 1
        x >>= 7
    p[0] = <uint8_t>x
    return p + 1


cdef inline const uint8_t* get_varint(
    const uint8_t* p, const uint8_t* end, uint64_t* x
) noexcept nogil:
    """The byte after the varint, or NULL if it does not end before `end`."""
    cdef uint64_t value = 0
    cdef int shift = 0
    while p < end and shift < 70:
        value |= <uint64_t>(p[0] & 0x7f) << shift
        if p[0] < 0x80:
            x[0] = value
            return p + 1
        p += 1
        shift += 7
    return NULL


cdef inline uint64_t load64(const uint8_t* p) noexcept nogil:
    cdef uint64_t x
    memcpy(&x, p, 8)
    return x


cdef inline void store64(uint8_t* p, uint64_t x) noexcept nogil:
    memcpy(p, &x, 8)


cdef uint8_t* pack(const int64_t* x, Py_ssize_t n, uint8_t* p) noexcept nogil:
    """Write n numbers as packed runs; returns the byte after them."""
    cdef Py_ssize_t i, k, run, base
    cdef int64_t low, high
    cdef uint64_t spread, word
    cdef int width, filled
    for run in range((n + RUN - 1) // RUN):
        base = run * RUN
        k = min(RUN, n - base)
        low = high = x[base]
        for i in range(1, k):
            low = min(low, x[base + i])
            high = max(high, x[base + i])
        spread = <uint64_t>high - <uint64_t>low
        width = 64 - leading_zeros(spread) if spread else 0
        if width > 56:
            width = 64
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


# ---- values --------------------------------------------------------------------------------

cdef inline bint same_bits(double a, double b) noexcept nogil:
    cdef uint64_t x, y
    memcpy(&x, &a, 8)
    memcpy(&y, &b, 8)
    return x == y


cdef inline bint as_decimal(double v, int e, int64_t* m) noexcept nogil:
    """True if v is exactly m / 10^e; m is set."""
    cdef double scaled = v * POWERS[e]
    if not (-INTEGER_MAX < scaled < INTEGER_MAX):
        return False
    m[0] = <int64_t>(scaled + (0.5 if scaled >= 0 else -0.5)) if e else <int64_t>scaled
    return same_bits(<double>m[0] / POWERS[e] if e else <double>m[0], v)


cdef int decimal_exponent(const double* v, Py_ssize_t n, int64_t* m) noexcept nogil:
    """The e for which all v are m / 10^e, with m filled in, or -1 if there is none up to 8."""
    cdef Py_ssize_t i = 0
    cdef int e = 0
    while i < n:
        if as_decimal(v[i], e, m + i):
            i += 1
            continue
        while e <= EXPONENT_MAX and not as_decimal(v[i], e, m + i):
            e += 1
        if e > EXPONENT_MAX:
            return -1
        i = 0                  # what came before must fit the larger exponent too
    return e


cdef uint8_t* put_xor(const double* v, Py_ssize_t n, uint8_t* p) noexcept nogil:
    """Gorilla's code for v[1:], after v[0] in full."""
    cdef uint64_t before, now, x, word = 0
    cdef int filled = 0, low = 64, width = 0, trail, span
    cdef Py_ssize_t i
    memcpy(&before, v, 8)
    store64(p, before)
    p += 8
    for i in range(1, n):
        memcpy(&now, v + i, 8)
        x = now ^ before
        before = now
        if x == 0:
            filled += 1
        else:
            trail = trailing_zeros(x)
            span = 64 - leading_zeros(x) - trail
            # A window is kept while it holds the bits and wastes less than a new one costs.
            if trail >= low and trail + span <= low + width and width - span <= 12:
                word |= <uint64_t>1 << filled
                filled += 2
            else:
                low = trail
                width = span
                word |= (<uint64_t>3 | <uint64_t>low << 2
                         | <uint64_t>(width - 1) << 8) << filled
                filled += 14
            store64(p, word)                  # at most 7 + 14 bits: whole bytes leave at once
            p += filled >> 3
            word >>= filled & ~7
            filled &= 7
            x >>= low
            store64(p, word | x << filled)
            if filled + width >= 64:
                word = x >> (64 - filled) if filled else 0
                p += 8
                filled = filled + width - 64
            else:
                word |= x << filled
                filled += width
        if filled >= 8:
            store64(p, word)
            p += filled >> 3
            word >>= filled & ~7
            filled &= 7
    p[0] = <uint8_t>word
    return p + (1 if filled else 0)


cdef const uint8_t* get_xor(
    const uint8_t* p, const uint8_t* end, double* v, Py_ssize_t n
) noexcept nogil:
    cdef uint64_t before, word
    cdef int64_t at = 0, limit
    cdef int low = 0, width = 0, code
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
                at += 14
            else:
                at += 2
            if width == 0 or low + width > 64 or at + width > limit:
                return NULL
            word = load64(p + (at >> 3)) >> (at & 7)
            code = at & 7
            if code + width > 64:
                word |= <uint64_t>p[(at >> 3) + 8] << (64 - code)
            if width < 64:
                word &= (<uint64_t>1 << width) - 1
            before ^= word << low
            at += width
        memcpy(v + i, &before, 8)
    return p + ((at + 7) >> 3)


# ---- chunks --------------------------------------------------------------------------------

cdef Py_ssize_t chunk_encode(
    const int64_t* t, const double* v, Py_ssize_t n, uint8_t* out
) noexcept nogil:
    cdef int64_t[CHUNK_SAMPLES_MAX] work
    cdef uint8_t* p = out + 2
    cdef Py_ssize_t i
    cdef uint64_t change = 0
    cdef int e
    out[0] = 0
    p = put_varint(p, <uint64_t>n)
    p = put_varint(p, zigzag(t[0]))
    if n > 1:
        p = put_varint(p, zigzag(<int64_t>(<uint64_t>t[1] - <uint64_t>t[0])))
    for i in range(2, n):
        work[i] = <int64_t>(<uint64_t>t[i] - 2 * <uint64_t>t[i - 1] + <uint64_t>t[i - 2])
        change |= <uint64_t>work[i]
    if change:
        p = pack(work + 2, n - 2, p)
    else:
        out[0] |= REGULAR

    e = decimal_exponent(v, n, work)
    out[1] = <uint8_t>max(e, 0)
    if e >= 0:
        p = put_varint(p, zigzag(work[0]))
        for i in range(n - 1):
            work[i] = work[i + 1] - work[i]
        p = pack(work, n - 1, p)
    else:
        out[0] |= XOR
        p = put_xor(v, n, p)
    return p - out


cdef Py_ssize_t chunk_count(const uint8_t* p, Py_ssize_t size) noexcept nogil:
    cdef uint64_t n = 0
    if size < 3 or get_varint(p + 2, p + size, &n) == NULL or not 1 <= n <= CHUNK_SAMPLES_MAX:
        return -1
    return <Py_ssize_t>n


cdef Py_ssize_t chunk_decode(
    const uint8_t* p, Py_ssize_t size, int64_t* t, double* v
) noexcept nogil:
    cdef int64_t[CHUNK_SAMPLES_MAX] work
    cdef const uint8_t* end = p + size
    cdef int coding, e
    cdef uint64_t x = 0, first, delta = 0
    cdef int64_t m
    cdef double power
    cdef Py_ssize_t i, n = chunk_count(p, size)
    if n < 0:
        return -1
    coding = p[0]
    e = p[1]
    if coding & ~(REGULAR | XOR) or e > EXPONENT_MAX:
        return -1
    p = get_varint(p + 2, end, &x)
    p = get_varint(p, end, &x)
    if p == NULL:
        return -1
    first = <uint64_t>unzigzag(x)
    t[0] = <int64_t>first
    if n > 1:
        p = get_varint(p, end, &x)
        if p == NULL:
            return -1
        delta = <uint64_t>unzigzag(x)
        t[1] = <int64_t>(first + delta)
    if coding & REGULAR:
        for i in range(2, n):
            t[i] = <int64_t>(first + <uint64_t>i * delta)
    else:
        p = unpack(p, end, work, n - 2)
        if p == NULL:
            return -1
        first += delta
        for i in range(2, n):
            delta += <uint64_t>work[i - 2]
            first += delta
            t[i] = <int64_t>first

    if coding & XOR:
        return n if get_xor(p, end, v, n) != NULL else -1
    p = get_varint(p, end, &x)
    if p == NULL or unpack(p, end, work, n - 1) == NULL:
        return -1
    m = unzigzag(x)
    v[0] = <double>m
    for i in range(1, n):
        m += work[i - 1]
        v[i] = <double>m
    if e:
        power = POWERS[e]
        for i in range(n):
            v[i] /= power
    return n


# ---- for Python ----------------------------------------------------------------------------

def encode(const int64_t[::1] t not None, const double[::1] v not None) -> bytes:
    """One chunk of the samples (t[i] ms, v[i]); ValueError unless 1 <= n <= 4096."""
    cdef Py_ssize_t size, n = t.shape[0]
    if n != v.shape[0] or not 1 <= n <= CHUNK_SAMPLES_MAX:
        raise ValueError("a chunk holds 1 to 4096 samples, as many timestamps as values")
    cdef uint8_t* out = <uint8_t*>malloc(chunk_bound(n))
    if out == NULL:
        raise MemoryError
    try:
        size = chunk_encode(&t[0], &v[0], n, out)
        return out[:size]
    finally:
        free(out)


def decode(const unsigned char[::1] chunk not None) -> tuple:
    """(timestamps, values) of a chunk; ValueError if it is damaged."""
    import numpy as np  # here, because a server must be ready before numpy is loaded

    cdef Py_ssize_t n = -1, size = chunk.shape[0]
    cdef int64_t[::1] t
    cdef double[::1] v
    cdef uint8_t* copy = <uint8_t*>malloc(size + CHUNK_SLACK)
    if copy == NULL:
        raise MemoryError
    try:
        if size:
            memcpy(copy, &chunk[0], size)
        memset(copy + size, 0, CHUNK_SLACK)
        n = chunk_count(copy, size)
        if n < 0:
            raise ValueError("damaged chunk")
        times = np.empty(n, np.int64)
        values = np.empty(n, np.float64)
        t = times
        v = values
        if chunk_decode(copy, size, &t[0], &v[0]) < 0:
            raise ValueError("damaged chunk")
        return times, values
    finally:
        free(copy)
