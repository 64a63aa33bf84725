# Loops over samples are worth being vectorised, which -O2 alone hardly does.
# distutils: extra_compile_args = -fvect-cost-model=dynamic
"""A chunk: up to 4096 samples of one series, compressed without loss.

Values are looked at before they are written, and the coding that makes least of them is taken:

    INTEGERS  every value is exactly m / 10^e for one e <= 14 (but for a few exceptions, such as
              staleness markers, which are written beside): the integers m, as `integers` tells
    XOR       Gorilla's bits (see `xor`), for long fractions that move little
    ORDERED   the doubles' bits as integers of the same order, as `integers` tells
    RAW       8 bytes a value, where nothing else is shorter
    ZSTD      the raw bytes as zstd makes them, for what repeats itself: a schedule, a square wave

Monitoring data is mostly whole numbers and sensors' is mostly short decimals, and both move by
small steps: the first coding takes nearly all that is real.  Timestamps are integers as well, a line
when the interval is kept.

    u8      coding, 0..4 as above
    varint  samples n
    ..      timestamps, as `integers` writes them
    INTEGERS: u8 e | 0x80 with exceptions; those: varint count, then for each: varint values since
              the exception before, 8 bytes; then the integers

There are three levels: FAST for the head, whose chunks live for hours, SMALL for blocks, and COLD,
with ZSTD, for blocks that are old (if that is asked for: it is read ten times slower).

Invariants:
1. decode(encode(x)) == x, bit for bit, for every int64 timestamp and every double.
2. A decoder never writes more than the announced n samples and never reads past size + SLACK.

Left out: a per-chunk checksum (the block and the log have theirs).
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from tsdb.integers cimport get_integers, integers_form, put_integers
from tsdb.packing cimport get_varint, put_varint
from tsdb.xor cimport get_xor, put_xor

from bedrock.codec.compress import compress, decompress
from bedrock.codec.errors import Malformed

cdef enum:
    INTEGERS = 0
    XOR = 1
    ORDERED = 2
    RAW = 3
    ZSTD = 4
    ODD = 0x80                     # beside the exponent: there are exceptions
    EXPONENT_MAX = 14
    ODD_SHARE = 16                 # of so many values one may be an exception
    ODD_MAX = 258                  # CHUNK_SAMPLES_MAX / ODD_SHARE, and two

cdef double[15] POWERS
POWERS[:] = [1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14]
cdef double INTEGER_MAX = 9007199254740992.0      # 2^53: below it every integer is a double

CODINGS = ("integers", "xor", "ordered", "raw", "zstd")


cdef Py_ssize_t chunk_bound(Py_ssize_t n) noexcept nogil:
    # Two times the most that entropy-coded integers take, and all values as exceptions.
    return 1216 + n * 22 + CHUNK_SLACK


# ---- decimals ------------------------------------------------------------------------------

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


cdef struct Exceptions:
    Py_ssize_t n
    uint16_t[ODD_MAX] at


cdef int decimals(const double* v, Py_ssize_t n, int64_t* m, Exceptions* odd) noexcept nogil:
    """The e for which all v but exceptions are m / 10^e, with m filled in, or -1."""
    cdef Py_ssize_t i = 0
    cdef int e = 0, higher
    odd.n = 0
    while i < n:
        if as_decimal(v[i], e, m + i):
            i += 1
            continue
        higher = e + 1
        while higher <= EXPONENT_MAX and not as_decimal(v[i], higher, m + i):
            higher += 1
        if higher <= EXPONENT_MAX:
            e = higher
            i = 0              # what came before must fit the larger exponent too
            odd.n = 0
            continue
        if odd.n > n // ODD_SHARE:
            return -1
        odd.at[odd.n] = <uint16_t>i
        odd.n += 1
        m[i] = m[i - 1] if i else 0
        i += 1
    # An exception at the start must not look like a jump.
    if 0 < odd.n < n:
        i = 0
        while i < odd.n and odd.at[i] == i:
            i += 1
        while i:
            i -= 1
            m[i] = m[i + 1]
    return e


cdef inline int64_t ordered(uint64_t bits) noexcept nogil:
    """Bits of a double as an integer that is larger when the double is."""
    return <int64_t>(bits ^ (<uint64_t>-<int64_t>(bits >> 63) >> 1))


cdef uint8_t* put_decimals(
    const double* v, const int64_t* m, Py_ssize_t n, int e, const Exceptions* odd,
    uint8_t* p, int level
) noexcept nogil:
    cdef Py_ssize_t i, before = 0
    p[0] = <uint8_t>(e | (ODD if odd.n else 0))
    p += 1
    if odd.n:
        p = put_varint(p, <uint64_t>odd.n)
        for i in range(odd.n):
            p = put_varint(p, <uint64_t>(odd.at[i] - before))
            before = odd.at[i]
            memcpy(p, v + before, 8)
            p += 8
    return put_integers(m, n, p, level)


cdef const uint8_t* get_decimals(
    const uint8_t* p, const uint8_t* end, double* v, Py_ssize_t n
) noexcept nogil:
    cdef int64_t[CHUNK_SAMPLES_MAX] m
    cdef const uint8_t* odd
    cdef uint64_t count = 0, gap = 0
    cdef Py_ssize_t i, at = 0
    cdef double power
    cdef int e
    if p >= end or p[0] & ~ODD > EXPONENT_MAX:
        return NULL
    e = p[0] & ~ODD
    p += 1
    odd = p
    if (p - 1)[0] & ODD:
        p = odd = get_varint(p, end, &count)
        if p == NULL or count > <uint64_t>n:
            return NULL
        for _ in range(<Py_ssize_t>count):
            p = get_varint(p, end, &gap)
            if p == NULL or gap >= <uint64_t>(n - at) or end - p < 8:
                return NULL
            at += <Py_ssize_t>gap
            p += 8
    p = get_integers(p, end, m, n)
    if p == NULL:
        return NULL
    if e:
        power = POWERS[e]
        for i in range(n):
            v[i] = <double>m[i] / power
    else:
        for i in range(n):
            v[i] = <double>m[i]
    at = 0
    for _ in range(<Py_ssize_t>count):
        odd = get_varint(odd, end, &gap)
        at += <Py_ssize_t>gap
        memcpy(v + at, odd, 8)
        odd += 8
    return p


# ---- what repeats itself ---------------------------------------------------------------------

cdef uint8_t* put_zstd(const double* v, Py_ssize_t n, uint8_t* p, uint8_t* end,
                       int* chosen) noexcept with gil:
    """Write the values as zstd makes them, if that is less than what is at p; the new end."""
    cdef bytes packed = compress("zstd", (<const char*>v)[:n * 8])
    if len(packed) >= end - p:
        return end
    memcpy(p, <const char*>packed, len(packed))
    chosen[0] = ZSTD
    return p + len(packed)


cdef const uint8_t* get_zstd(const uint8_t* p, const uint8_t* end, double* v,
                             Py_ssize_t n) noexcept with gil:
    cdef bytes raw
    try:
        raw = decompress("zstd", (<const char*>p)[:end - p], n * 8)
    except Malformed:
        return NULL
    if len(raw) != n * 8:
        return NULL
    memcpy(v, <const char*>raw, n * 8)
    return end


# ---- chunks --------------------------------------------------------------------------------

cdef struct Values:
    # What is to be written, and what is known of it.
    const double* v
    Py_ssize_t n
    int e                          # -1: not decimals
    Exceptions odd
    int64_t[CHUNK_SAMPLES_MAX] m   # decimals, or ordered bits


cdef uint8_t* put_values_as(int coding, Values* values, uint8_t* p, int level) noexcept nogil:
    cdef Py_ssize_t i, n = values.n
    cdef uint64_t bits
    if coding == INTEGERS:
        return put_decimals(values.v, values.m, n, values.e, &values.odd, p, level)
    if coding == XOR:
        return put_xor(values.v, n, p)
    if coding == ORDERED:
        for i in range(n):
            memcpy(&bits, values.v + i, 8)
            values.m[i] = ordered(bits)
        return put_integers(values.m, n, p, level)
    memcpy(p, values.v, n * sizeof(double))
    return p + n * sizeof(double)


cdef uint8_t* put_values(const double* v, Py_ssize_t n, uint8_t* p, int* chosen,
                         int level) noexcept nogil:
    """Write the values in the coding that makes least of them."""
    cdef Values values
    cdef uint8_t* end = p
    cdef Py_ssize_t least = 8 * n
    cdef int coding, last = -1
    values.v = v
    values.n = n
    values.e = decimals(v, n, values.m, &values.odd)
    chosen[0] = RAW
    for coding in range(INTEGERS, RAW):
        if coding == INTEGERS and values.e < 0 or coding == ORDERED and level != SMALL:
            continue
        end = put_values_as(coding, &values, p, level)
        last = coding
        if end - p < least:
            least = end - p
            chosen[0] = coding
        if chosen[0] == INTEGERS and end - p <= 3 * n:
            return end                        # real decimals; floats by chance are longer
    if chosen[0] == last:
        return end
    if chosen[0] == INTEGERS:                 # their place was taken by the ordered bits
        decimals(v, n, values.m, &values.odd)
    return put_values_as(chosen[0], &values, p, level)


cdef Py_ssize_t chunk_encode(
    const int64_t* t, const double* v, Py_ssize_t n, uint8_t* out, int level
) noexcept nogil:
    cdef uint8_t* p = put_varint(out + 1, <uint64_t>n)
    cdef int coding = 0
    cdef uint8_t* values
    p = values = put_integers(t, n, p, min(level, SMALL))
    p = put_values(v, n, p, &coding, min(level, SMALL))
    if level == COLD:
        p = put_zstd(v, n, values, p, &coding)
    out[0] = <uint8_t>coding
    return p - out


cdef Py_ssize_t chunk_count(const uint8_t* p, Py_ssize_t size) noexcept nogil:
    cdef uint64_t n = 0
    if size < 3 or get_varint(p + 1, p + size, &n) == NULL or not 1 <= n <= CHUNK_SAMPLES_MAX:
        return -1
    return <Py_ssize_t>n


cdef Py_ssize_t chunk_decode(
    const uint8_t* p, Py_ssize_t size, int64_t* t, double* v
) noexcept nogil:
    cdef const uint8_t* end = p + size
    cdef int coding
    cdef uint64_t x = 0, bits
    cdef int64_t m
    cdef Py_ssize_t i, n = chunk_count(p, size)
    if n < 0:
        return -1
    coding = p[0]
    p = get_varint(p + 1, end, &x)
    p = get_integers(p, end, t, n)
    if p == NULL:
        return -1
    if coding == INTEGERS:
        p = get_decimals(p, end, v, n)
    elif coding == XOR:
        p = get_xor(p, end, v, n)
    elif coding == ORDERED:
        p = get_integers(p, end, <int64_t*>v, n)
        for i in range(n if p != NULL else 0):
            memcpy(&m, v + i, 8)
            bits = <uint64_t>ordered(<uint64_t>m)
            memcpy(v + i, &bits, 8)
    elif coding == RAW and end - p >= n * 8:
        memcpy(v, p, n * 8)
    elif coding == ZSTD:
        p = get_zstd(p, end, v, n)
    else:
        return -1
    return n if p != NULL else -1


# ---- for Python ----------------------------------------------------------------------------

def encode(const int64_t[::1] t not None, const double[::1] v not None,
           bint small=False, bint cold=False) -> bytes:
    """One chunk of the samples (t[i] ms, v[i]); ValueError unless 1 <= n <= 4096."""
    cdef Py_ssize_t size, n = t.shape[0]
    if n != v.shape[0] or not 1 <= n <= CHUNK_SAMPLES_MAX:
        raise ValueError("a chunk holds 1 to 4096 samples, as many timestamps as values")
    cdef uint8_t* out = <uint8_t*>malloc(chunk_bound(n))
    if out == NULL:
        raise MemoryError
    try:
        size = chunk_encode(&t[0], &v[0], n, out, COLD if cold else SMALL if small else FAST)
        return out[:size]
    finally:
        free(out)


cdef class Padded:
    """A copy of a chunk with the slack its decoder needs."""

    cdef uint8_t* p
    cdef Py_ssize_t size

    def __cinit__(self, const unsigned char[::1] chunk not None):
        self.size = chunk.shape[0]
        self.p = <uint8_t*>malloc(self.size + CHUNK_SLACK)
        if self.p == NULL:
            raise MemoryError
        if self.size:
            memcpy(self.p, &chunk[0], self.size)
        memset(self.p + self.size, 0, CHUNK_SLACK)

    def __dealloc__(self):
        free(self.p)


def decode(chunk) -> tuple:
    """(timestamps, values) of a chunk; ValueError if it is damaged."""
    import numpy as np  # here, because a server must be ready before numpy is loaded

    cdef Padded copy = Padded(chunk)
    cdef int64_t[::1] t
    cdef double[::1] v
    cdef Py_ssize_t n = chunk_count(copy.p, copy.size)
    if n < 0:
        raise ValueError("damaged chunk")
    times = np.empty(n, np.int64)
    values = np.empty(n, np.float64)
    t = times
    v = values
    if chunk_decode(copy.p, copy.size, &t[0], &v[0]) < 0:
        raise ValueError("damaged chunk")
    return times, values


def describe(chunk) -> dict:
    """How a chunk is written: {"samples", "times", "values", "bytes"}; ValueError if damaged."""
    cdef Padded copy = Padded(chunk)
    cdef const uint8_t* end = copy.p + copy.size
    cdef const uint8_t* p
    cdef uint64_t x = 0
    times, _ = decode(chunk)
    cdef int64_t[::1] t = times
    p = get_varint(copy.p + 1, end, &x)
    form = integers_form(p)
    p = get_integers(p, end, &t[0], t.shape[0])
    coding = CODINGS[copy.p[0]]
    if copy.p[0] == INTEGERS:
        e = p[0] & ~ODD
        coding = f"decimal e{e}" if e else "integer"
        count = 0
        if p[0] & ODD:
            p = get_varint(p + 1, end, &x)
            count = x
            for _ in range(count):
                p = get_varint(p, end, &x) + 8
        else:
            p += 1
        coding += f", {integers_form(p)}" + (f", {count} exceptions" if count else "")
    elif copy.p[0] == ORDERED:
        coding += f", {integers_form(p)}"
    return {"samples": len(times), "times": form, "values": coding, "bytes": copy.size}


def weigh(const double[::1] v not None) -> dict:
    """What each coding would make of the values, in bytes; those that cannot hold them are absent.

    Why a chunk took the coding it has: it is the least of these (zstd in cold blocks only).
    """
    cdef Values values
    cdef Py_ssize_t n = v.shape[0]
    cdef uint8_t* out
    cdef int coding
    if not 1 <= n <= CHUNK_SAMPLES_MAX:
        raise ValueError("a chunk holds 1 to 4096 samples")
    out = <uint8_t*>malloc(chunk_bound(n))
    if out == NULL:
        raise MemoryError
    values.v = &v[0]
    values.n = n
    values.e = decimals(&v[0], n, values.m, &values.odd)
    found = {}
    for coding in range(INTEGERS, RAW + 1):
        if coding != INTEGERS or values.e >= 0:
            found[CODINGS[coding]] = put_values_as(coding, &values, out, SMALL) - out
    free(out)
    found[CODINGS[ZSTD]] = len(compress("zstd", (<const char*>&v[0])[:n * 8]))
    return found
