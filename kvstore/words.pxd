from libc.string cimport memcpy

from kvstore.resp cimport Arg


# A word of its own; it is freed by `drop_word`.
cdef char* make_word(const char* p, Py_ssize_t n) except NULL
cdef int drop_word(char* word) noexcept
# What the allocator takes for one of n bytes.
cdef Py_ssize_t word_weight(Py_ssize_t n) noexcept


cdef inline Py_ssize_t count_size(Py_ssize_t n) noexcept:
    cdef Py_ssize_t size = 1
    while n >= 128:
        n >>= 7
        size += 1
    return size


# Write a number as LEB128; the bytes it took.
cdef inline Py_ssize_t put_count(char* into, Py_ssize_t n) noexcept:
    cdef Py_ssize_t i = 0
    while n >= 128:
        into[i] = <char>(n & 127 | 128)
        n >>= 7
        i += 1
    into[i] = <char>n
    return i + 1


# Read such a number; where it ends.
cdef inline const char* read_count(const char* at, Py_ssize_t* n) noexcept:
    cdef unsigned char byte = <unsigned char>at[0]
    cdef int shift = 0
    n[0] = byte & 127
    at += 1
    while byte >= 128:
        byte = <unsigned char>at[0]
        shift += 7
        n[0] |= <Py_ssize_t>(byte & 127) << shift
        at += 1
    return at


# Write a word; the bytes it took.
cdef inline Py_ssize_t put_word(char* into, const char* p, Py_ssize_t n) noexcept:
    cdef Py_ssize_t head = put_count(into, n)
    memcpy(into + head, p, n)
    return head + n


# Read a word; where it ends.
cdef inline const char* read_word(const char* at, Arg* word) noexcept:
    word.p = read_count(at, &word.n)
    return word.p + word.n
