from libc.stdint cimport int64_t, uint64_t

cdef enum:
    MAX_VARINT = 10                # bytes that 64 bits can take


cdef inline uint64_t zigzag(int64_t v) noexcept nogil:
    return (<uint64_t>v << 1) ^ <uint64_t>(v >> 63)


cdef inline int64_t unzigzag(uint64_t v) noexcept nogil:
    return <int64_t>(v >> 1) ^ -<int64_t>(v & 1)


# Bytes that put_uvarint writes for v.
cdef inline size_t uvarint_size(uint64_t v) noexcept nogil:
    cdef size_t n = 1
    while v >= 0x80:
        v >>= 7
        n += 1
    return n


# Write v at p, which has MAX_VARINT bytes of room; returns the bytes written.
cdef inline size_t put_uvarint(char* p, uint64_t v) noexcept nogil:
    cdef size_t n = 0
    while v >= 0x80:
        p[n] = <char>((v & 0x7F) | 0x80)
        v >>= 7
        n += 1
    p[n] = <char>v
    return n + 1


# Read a number from the n bytes at p; returns the bytes consumed, 0 if the number goes on past
# the end, -1 if it does not fit 64 bits.
cdef inline Py_ssize_t get_uvarint(const char* p, size_t n, uint64_t* v) noexcept nogil:
    cdef uint64_t value = 0
    cdef size_t i = 0
    cdef unsigned char byte
    while i < n:
        byte = <unsigned char>p[i]
        if i == 9 and byte > 1:
            return -1
        value |= <uint64_t>(byte & 0x7F) << (7 * i)
        i += 1
        if byte < 0x80:
            v[0] = value
            return i
    return 0


cdef inline size_t put_varint(char* p, int64_t v) noexcept nogil:
    return put_uvarint(p, zigzag(v))


cdef inline Py_ssize_t get_varint(const char* p, size_t n, int64_t* v) noexcept nogil:
    cdef uint64_t raw = 0
    cdef Py_ssize_t used = get_uvarint(p, n, &raw)
    v[0] = unzigzag(raw)
    return used
