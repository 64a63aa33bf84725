from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memcpy


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


# The byte after the varint, or NULL if it does not end before `end`.
cdef inline const uint8_t* get_varint(
    const uint8_t* p, const uint8_t* end, uint64_t* x
) noexcept nogil:
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


# Bits appended to a little-endian stream; what is not a whole byte yet waits in `word`.
cdef struct BitWriter:
    uint8_t* p
    uint64_t word
    int filled                     # bits in word, 0..7 between calls


# The low `width` (0..64) bits of x, whose higher bits are 0.
cdef inline void put_bits(BitWriter* out, uint64_t x, int width) noexcept nogil:
    store64(out.p, out.word | x << out.filled)
    if out.filled + width >= 64:
        out.word = x >> (64 - out.filled) if out.filled else 0
        out.p += 8
        out.filled += width - 64
    else:
        out.word |= x << out.filled
        out.filled += width
        out.p += out.filled >> 3
        out.word >>= out.filled & ~7
        out.filled &= 7


cdef inline uint8_t* end_bits(BitWriter* out) noexcept nogil:
    out.p[0] = <uint8_t>out.word
    return out.p + (1 if out.filled else 0)


# `width` (0..64) bits that begin at bit `at`; loads up to 9 bytes from there.
cdef inline uint64_t get_bits(const uint8_t* p, int64_t at, int width) noexcept nogil:
    cdef uint64_t word = load64(p + (at >> 3)) >> (at & 7)
    if (at & 7) + width > 64:
        word |= <uint64_t>p[(at >> 3) + 8] << (64 - (at & 7))
    return word & (((<uint64_t>1 << width) - 1) if width < 64 else <uint64_t>-1)


cdef uint8_t* pack(const int64_t* x, Py_ssize_t n, uint8_t* p) noexcept nogil
cdef Py_ssize_t packed_size(const int64_t* x, Py_ssize_t n) noexcept nogil
cdef const uint8_t* unpack(
    const uint8_t* p, const uint8_t* end, int64_t* x, Py_ssize_t n) noexcept nogil
