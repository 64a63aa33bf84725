# Loops over samples are worth being vectorised, which -O2 alone hardly does.
# distutils: extra_compile_args = -fvect-cost-model=dynamic
"""Integers of a series: timestamps, and values that are whole numbers or short decimals.

What is written is how far each is from what was expected of it, which is mostly little:

    BASE    a common base, for numbers without a memory
    DELTA   the one before, for walks
    CHANGE  the one before and the step before, for what moves steadily
    LINE    a straight line through all, for a schedule that is kept in spite of jitter

    u8       form, as above (0..3)  |  0x04 coded, else packed  |  0x08 all are as expected
             |  0x10 all differences have a common divisor
    varint   first number (zigzag)
    varint   the divisor g, with 0x10; from here on (x - first) / g is meant
    varint   the base, the first step (CHANGE) or the line's step (zigzag); not for DELTA
    numbers  n - 1 (CHANGE: n - 2) differences from what was expected, packed or coded;
             none with 0x08

Arithmetic wraps round at 64 bits, so any int64 comes back.  At level FAST numbers are a LINE if
they lie on it, else packed CHANGEs or DELTAs, whichever is smaller; at level SMALL all forms are
weighed by their entropy.

Invariant 1: a decoder never reads past `end` + 8 bytes and writes n numbers, whatever the input.
"""

from libc.math cimport floor
from libc.stdint cimport int64_t, uint8_t, uint64_t

from tsdb.chunk cimport CHUNK_SAMPLES_MAX, SMALL
from tsdb.entropy cimport Classes, classify, coded_size, get_coded, put_coded
from tsdb.packing cimport get_varint, pack, packed_size, put_varint, unpack, unzigzag, zigzag

cdef enum:
    BASE = 0
    DELTA = 1
    CHANGE = 2
    LINE = 3
    FORM = 3
    CODED = 4
    EXACT = 8
    DIVIDED = 16
    ALL_FLAGS = 31

cdef tuple FORM_NAMES = ("base", "delta", "delta of delta", "line")


cdef inline int64_t minus(int64_t a, int64_t b) noexcept nogil:
    return <int64_t>(<uint64_t>a - <uint64_t>b)


cdef inline int64_t plus_times(int64_t a, int64_t b, int64_t c) noexcept nogil:
    return <int64_t>(<uint64_t>a + <uint64_t>b * <uint64_t>c)


cdef uint64_t common_divisor(const int64_t* x, Py_ssize_t n) noexcept nogil:
    """The greatest divisor of all differences; 1 if a number is so large that one may wrap."""
    cdef uint64_t g = 0, d, rest
    cdef Py_ssize_t i
    if not -(<int64_t>1 << 61) < x[0] < <int64_t>1 << 61:
        return 1
    for i in range(1, n):
        if not -(<int64_t>1 << 61) < x[i] < <int64_t>1 << 61:
            return 1
        d = <uint64_t>minus(x[i], x[i - 1]) if x[i] >= x[i - 1] else <uint64_t>minus(x[i - 1], x[i])
        while d:
            rest = g % d
            g = d
            d = rest
        if g == 1:
            return 1
    return max(g, 1)


cdef bint on_line(const int64_t* x, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(2, n):
        if minus(x[i], x[i - 1]) != minus(x[1], x[0]):
            return False
    return True


cdef Py_ssize_t differences(
    const int64_t* x, Py_ssize_t n, int form, int64_t* expected, int64_t* out
) noexcept nogil:
    """What `form` leaves of x; returns how many numbers that is."""
    cdef Py_ssize_t i
    cdef double total = 0
    if form == DELTA:
        expected[0] = 0
        for i in range(1, n):
            out[i - 1] = minus(x[i], x[i - 1])
        return n - 1
    if form == CHANGE:
        expected[0] = minus(x[1], x[0])
        for i in range(2, n):
            out[i - 2] = minus(minus(x[i], x[i - 1]), minus(x[i - 1], x[i - 2]))
        return n - 2
    if form == LINE:
        total = (<double>x[n - 1] - <double>x[0]) / <double>(n - 1)
        expected[0] = <int64_t>floor(total + 0.5) if -9e18 < total < 9e18 else 0
        for i in range(1, n):
            out[i - 1] = minus(x[i], plus_times(x[0], expected[0], i))
        return n - 1
    for i in range(n):
        total += <double>x[i]
    total /= <double>n
    expected[0] = <int64_t>total if -9e18 < total < 9e18 else 0
    for i in range(1, n):
        out[i - 1] = minus(x[i], expected[0])
    return n - 1


cdef int best_form(const int64_t* x, Py_ssize_t n, int64_t* work, double* size) noexcept nogil:
    """The form whose differences have the least entropy, and about what it takes."""
    cdef Classes classes
    cdef int form, best = DELTA
    cdef double least = 1e30, here
    cdef int64_t expected = 0
    cdef Py_ssize_t k
    for form in range(4):
        k = differences(x, n, form, &expected, work)
        classify(work, k, &classes)
        here = coded_size(&classes, k)
        if here < least:
            least = here
            best = form
    size[0] = least
    return best


cdef uint8_t* put_integers(const int64_t* x, Py_ssize_t n, uint8_t* p, int level) noexcept nogil:
    cdef int64_t[CHUNK_SAMPLES_MAX] divided
    cdef int64_t[CHUNK_SAMPLES_MAX] work
    cdef int64_t[CHUNK_SAMPLES_MAX] other
    cdef Classes classes
    cdef uint8_t* flags = p
    cdef int64_t first = x[0], expected = 0
    cdef uint64_t g = 1
    cdef double size = 1e30
    cdef int form = DELTA
    cdef Py_ssize_t i, k
    p = put_varint(p + 1, zigzag(first))
    flags[0] = LINE | EXACT
    if on_line(x, n):
        return put_varint(p, zigzag(minus(x[1], first)) if n > 1 else 0)
    if level == SMALL:
        g = common_divisor(x, n)
        if g > 1:
            for i in range(n):
                divided[i] = (x[i] - first) // <int64_t>g
            x = divided
        form = best_form(x, n, work, &size)
        k = differences(x, n, form, &expected, work)
    else:
        k = differences(x, n, DELTA, &expected, work)
        i = differences(x, n, CHANGE, &expected, other)
        if packed_size(other, i) < packed_size(work, k):
            form = CHANGE
            k = differences(x, n, CHANGE, &expected, work)
    flags[0] = <uint8_t>(form | (DIVIDED if g > 1 else 0))
    if g > 1:
        p = put_varint(p, g)
    if form != DELTA:
        p = put_varint(p, zigzag(expected))
    if size < packed_size(work, k):
        flags[0] |= CODED
        classify(work, k, &classes)
        return put_coded(work, k, &classes, p)
    return pack(work, k, p)


cdef const uint8_t* get_integers(
    const uint8_t* p, const uint8_t* end, int64_t* x, Py_ssize_t n
) noexcept nogil:
    cdef int flags, form
    cdef uint64_t u = 0, g = 1
    cdef int64_t first, expected = 0, now, step
    cdef Py_ssize_t i
    if p >= end or p[0] & ~ALL_FLAGS:
        return NULL
    flags = p[0]
    form = flags & FORM
    p = get_varint(p + 1, end, &u)
    first = unzigzag(u)
    if p != NULL and flags & DIVIDED:
        p = get_varint(p, end, &g)
    if p != NULL and form != DELTA:
        p = get_varint(p, end, &u)
        expected = unzigzag(u)
    if p == NULL:
        return NULL
    if flags & EXACT:
        for i in range(n):
            x[i] = plus_times(first, expected, i)
        return p
    i = 2 if form == CHANGE else 1       # x[i:] is what the numbers tell
    if n > i:
        p = (get_coded(p, end, x + i, n - i) if flags & CODED else unpack(p, end, x + i, n - i))
    if p == NULL:
        return NULL
    now = 0 if flags & DIVIDED else first
    x[0] = now
    if form == DELTA:
        for i in range(1, n):
            now = plus_times(now, 1, x[i])
            x[i] = now
    elif form == CHANGE:
        step = expected
        if n > 1:
            now = plus_times(now, 1, step)
            x[1] = now
        for i in range(2, n):
            step = plus_times(step, 1, x[i])
            now = plus_times(now, 1, step)
            x[i] = now
    elif form == LINE:
        for i in range(1, n):
            now = plus_times(now, 1, expected)
            x[i] = plus_times(x[i], 1, now)
    else:
        for i in range(1, n):
            x[i] = plus_times(x[i], 1, expected)
    if flags & DIVIDED:
        for i in range(n):
            x[i] = plus_times(first, x[i], <int64_t>g)
    return p


cdef str integers_form(const uint8_t* p):
    if p[0] & EXACT:
        return "exact line"
    return (f"{FORM_NAMES[p[0] & FORM]}, {'entropy coded' if p[0] & CODED else 'packed'}"
            + (", divided" if p[0] & DIVIDED else ""))
