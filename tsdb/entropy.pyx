"""Entropy coding: integers in about as many bits as their distribution is worth.

A number (zigzag) is split into a class, which is entropy coded, and bits that follow as they are:

    u < 16     class u, no bits
    u >= 16    with k = floor(log2 u): class 16 + 4 (k - 4) + the two bits below the highest,
               then the k - 2 bits below those

Small numbers, which deltas mostly are, get a code each; large ones get one for each quarter of a
power of two, over which real distributions hardly change.  Classes are coded by rANS (Duda, 2013)
with frequencies counted in these very numbers: two states take turns, or four where there are many
numbers, so that a processor works at all of them at once.

    u8      b, the states' scale: frequencies sum to 2^b; | 0x80 with four states
    u8      first class, u8 last class
    bits    for each class from first to last: 4 bits k, 0 if it is absent, else its frequency is
            2^(k-1) + the k - 1 bits that follow; padded to a byte
    varint  words n, 2 or 4 x u32 states, n x u16 words
    bits    those of the numbers, in order; padded to a byte

Invariants:
1. A decoder never reads past `end` + 8 bytes and writes n numbers, whatever the input is.
2. Frequencies sum to 2^b exactly and none that occurs is 0; a table that does not is refused.
"""

from libc.math cimport log2
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from tsdb.packing cimport (
    BitWriter, end_bits, get_bits, get_varint, put_bits, put_varint, unzigzag, zigzag)

cdef extern from *:
    """
    static inline int leading_zeros(unsigned long long x) { return __builtin_clzll(x); }
    """
    int leading_zeros(uint64_t x) noexcept nogil

cdef enum:
    EXACT = 16                     # numbers below have a class of their own
    SCALE_MAX = 12
    STATE_MIN = 1 << 16            # a state below takes in a word
    FOUR = 0x80                    # beside the scale: there are four states
    MANY = 256                     # numbers for which the bytes of four states are worth it


cdef inline int class_of(uint64_t u) noexcept nogil:
    cdef int k
    if u < EXACT:
        return <int>u
    k = 63 - leading_zeros(u)
    return EXACT + 4 * (k - 4) + <int>((u >> (k - 2)) & 3)


cdef inline int bits_of(int kind) noexcept nogil:
    """Bits that follow a class."""
    return ((kind - EXACT) >> 2) + 2 if kind >= EXACT else 0


cdef void classify(const int64_t* x, Py_ssize_t n, Classes* classes) noexcept nogil:
    cdef Py_ssize_t i
    cdef int kind
    memset(classes, 0, sizeof(Classes))
    for i in range(n):
        classes.count[class_of(zigzag(x[i]))] += 1
    for kind in range(EXACT, 256):
        classes.extra += classes.count[kind] * bits_of(kind)


cdef double coded_size(const Classes* classes, Py_ssize_t n) noexcept nogil:
    cdef double bits = <double>classes.extra, all_log = log2(<double>n)
    cdef int kind
    for kind in range(256):
        if classes.count[kind]:
            bits += classes.count[kind] * (all_log - log2(<double>classes.count[kind])) + 10
    return bits / 8 + 13


cdef int scale_table(const Classes* classes, Py_ssize_t n, uint32_t* freq) noexcept nogil:
    """Frequencies that sum to 2^b and are as the counts are; returns b."""
    cdef int kind, used = 0, b = 5, most = 0
    cdef int64_t left
    for kind in range(256):
        used += classes.count[kind] != 0
        if classes.count[kind] > classes.count[most]:
            most = kind
    while b < SCALE_MAX and ((1 << b) < 2 * n or (1 << b) < 4 * used):
        b += 1
    left = 1 << b
    for kind in range(256):
        freq[kind] = 0
        if classes.count[kind]:
            freq[kind] = max(1, <uint32_t>((<uint64_t>classes.count[kind] << b) // n))
            left -= freq[kind]
    # What rounding left over, or took too much of, is borne by those that can.
    while left < 0:
        for kind in range(256):
            if left < 0 and freq[kind] > 3:        # there is one: 2^b >= 4 x those used
                freq[kind] -= 1
                left += 1
    freq[most] += <uint32_t>left
    return b


cdef uint8_t* put_table(const uint32_t* freq, uint8_t* p) noexcept nogil:
    cdef int first = 0, last = 255, kind, k
    cdef BitWriter out
    while not freq[first]:
        first += 1
    while not freq[last]:
        last -= 1
    p[0] = <uint8_t>first
    p[1] = <uint8_t>last
    out = BitWriter(p + 2, 0, 0)
    for kind in range(first, last + 1):
        k = 64 - leading_zeros(freq[kind]) if freq[kind] else 0
        put_bits(&out, <uint64_t>k, 4)
        if k > 1:
            put_bits(&out, freq[kind] - (<uint64_t>1 << (k - 1)), k - 1)
    return end_bits(&out)


cdef uint8_t* put_coded(
    const int64_t* x, Py_ssize_t n, const Classes* classes, uint8_t* p
) noexcept nogil:
    cdef uint32_t[256] freq
    cdef uint32_t[256] below
    cdef uint16_t[ENTROPY_MAX] words       # filled from the end
    cdef uint32_t[4] states
    cdef uint32_t state, f
    cdef Py_ssize_t last_state = 3 if n >= MANY else 1
    cdef uint64_t u
    cdef int b = scale_table(classes, n, freq), kind, width
    cdef Py_ssize_t i, at = ENTROPY_MAX
    cdef BitWriter out
    p[0] = <uint8_t>(b | (FOUR if n >= MANY else 0))
    p = put_table(freq, p + 1)
    below[0] = 0
    for kind in range(255):
        below[kind + 1] = below[kind] + freq[kind]
    states[0] = states[1] = states[2] = states[3] = STATE_MIN
    for i in range(n - 1, -1, -1):
        kind = class_of(zigzag(x[i]))
        state = states[i & last_state]
        f = freq[kind]
        if state >= <uint64_t>f << (32 - b):
            at -= 1
            words[at] = <uint16_t>state
            state >>= 16
        states[i & last_state] = ((state // f) << b) + state % f + below[kind]
    p = put_varint(p, <uint64_t>(ENTROPY_MAX - at))
    memcpy(p, states, 4 * (last_state + 1))
    p += 4 * (last_state + 1)
    memcpy(p, words + at, (ENTROPY_MAX - at) * 2)
    p += (ENTROPY_MAX - at) * 2
    out = BitWriter(p, 0, 0)
    for i in range(n):
        u = zigzag(x[i])
        if u >= EXACT:
            width = bits_of(class_of(u))
            put_bits(&out, u & ((<uint64_t>1 << width) - 1), width)
    return end_bits(&out)


cdef const uint8_t* get_table(
    const uint8_t* p, const uint8_t* end, int b, uint16_t* freq, uint16_t* below, uint8_t* slots
) noexcept nogil:
    """Read the frequencies; the byte after them, or NULL if they are none."""
    cdef int kind, last, k
    cdef uint32_t total = 0, f
    cdef int64_t at = 0, limit
    if end - p < 2:
        return NULL
    kind = p[0]
    last = p[1]
    p += 2
    limit = (end - p) * 8
    while kind <= last:
        if at + 4 > limit:
            return NULL
        k = <int>get_bits(p, at, 4)
        at += 4
        if k:
            if at + k - 1 > limit or k - 1 > b:
                return NULL
            f = (<uint32_t>1 << (k - 1)) + <uint32_t>get_bits(p, at, k - 1)
            at += k - 1
            if f > (<uint32_t>1 << b) - total:
                return NULL
            freq[kind] = <uint16_t>f
            below[kind] = <uint16_t>total
            memset(slots + total, kind, f)
            total += f
        kind += 1
    return p + ((at + 7) >> 3) if total == <uint32_t>1 << b else NULL


cdef inline int next_class(const uint8_t* slots, const uint16_t* freq, const uint16_t* below,
                           int b, uint32_t* state, const uint8_t** word) noexcept nogil:
    """Take a class out of a state, and a word in if it has become small (without a branch)."""
    cdef uint32_t slot = state[0] & ((<uint32_t>1 << b) - 1), taken, small
    cdef int kind = slots[slot]
    cdef uint32_t now = freq[kind] * (state[0] >> b) + slot - below[kind]
    cdef uint16_t next_word
    memcpy(&next_word, word[0], 2)
    taken = now << 16 | next_word
    small = <uint32_t>((<uint64_t>now - STATE_MIN) >> 63)
    state[0] = now ^ ((now ^ taken) & (0 - small))
    word[0] += 2 * small
    return kind


cdef inline int64_t number_of(int kind, const uint8_t* bits, int64_t* at,
                              int64_t limit) noexcept nogil:
    """The number of a class, with the bits that follow."""
    cdef int width
    cdef uint64_t u
    if kind < EXACT:
        return unzigzag(<uint64_t>kind)
    width = ((kind - EXACT) >> 2) + 2
    if at[0] + width > limit:
        at[0] = limit + 1
        return 0
    u = <uint64_t>(4 | (kind - EXACT) & 3) << width | get_bits(bits, at[0], width)
    at[0] += width
    return unzigzag(u)


cdef const uint8_t* get_coded(
    const uint8_t* p, const uint8_t* end, int64_t* x, Py_ssize_t n
) noexcept nogil:
    cdef uint16_t[256] freq
    cdef uint16_t[256] below
    cdef uint8_t[1 << SCALE_MAX] slots
    # What changes with every number is in variables of its own: none is in memory.
    cdef uint32_t s0, s1, s2 = 0, s3 = 0
    cdef int k0, k1, k2, k3, b, states = 2
    cdef const uint8_t* word
    cdef int64_t at = 0, limit
    cdef uint64_t words = 0
    cdef Py_ssize_t i = 0
    if end - p < 4 or p[0] & ~FOUR > SCALE_MAX:
        return NULL
    if p[0] & FOUR:
        states = 4
    b = p[0] & ~FOUR
    p = get_table(p + 1, end, b, freq, below, slots)
    if p != NULL:
        p = get_varint(p, end, &words)
    if p == NULL or end - p < 4 * states or words > <uint64_t>(end - p - 4 * states) // 2:
        return NULL
    memcpy(&s0, p, 4)
    memcpy(&s1, p + 4, 4)
    if states == 4:
        memcpy(&s2, p + 8, 4)
        memcpy(&s3, p + 12, 4)
    word = p + 4 * states
    p = word + words * 2
    limit = (end - p) * 8
    while i + states <= n:
        k0 = next_class(slots, freq, below, b, &s0, &word)
        k1 = next_class(slots, freq, below, b, &s1, &word)
        x[i] = number_of(k0, p, &at, limit)
        x[i + 1] = number_of(k1, p, &at, limit)
        if states == 4:
            k2 = next_class(slots, freq, below, b, &s2, &word)
            k3 = next_class(slots, freq, below, b, &s3, &word)
            x[i + 2] = number_of(k2, p, &at, limit)
            x[i + 3] = number_of(k3, p, &at, limit)
        if word > p:                          # at most 8 bytes past them, within the slack
            return NULL
        i += states
    # One, two or three are left.
    if i < n:
        x[i] = number_of(next_class(slots, freq, below, b, &s0, &word), p, &at, limit)
    if i + 1 < n:
        x[i + 1] = number_of(next_class(slots, freq, below, b, &s1, &word), p, &at, limit)
    if i + 2 < n:
        x[i + 2] = number_of(next_class(slots, freq, below, b, &s2, &word), p, &at, limit)
    if word != p or at > limit:
        return NULL
    return p + ((at + 7) >> 3)
