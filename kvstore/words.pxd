from libc.string cimport memcpy

from kvstore.resp cimport Arg


# A word of its own; it is freed by `drop_word`.
cdef char* make_word(const char* p, Py_ssize_t n) except NULL
cdef int drop_word(char* word) noexcept
# What the allocator takes for one of n bytes.
cdef Py_ssize_t word_weight(Py_ssize_t n) noexcept


cdef inline Py_ssize_t length_size(Py_ssize_t n) noexcept:
    cdef Py_ssize_t size = 1
    while n >= 128:
        n >>= 7
        size += 1
    return size


# Write a word; the bytes it took.
cdef inline Py_ssize_t put_word(char* into, const char* p, Py_ssize_t n) noexcept:
    cdef Py_ssize_t left = n, i = 0
    while left >= 128:
        into[i] = <char>(left & 127 | 128)
        left >>= 7
        i += 1
    into[i] = <char>left
    memcpy(into + i + 1, p, n)
    return i + 1 + n


# Read a word; where it ends.
cdef inline const char* read_word(const char* at, Arg* word) noexcept:
    cdef unsigned char byte = <unsigned char>at[0]
    cdef Py_ssize_t n = byte & 127
    cdef int shift = 0
    at += 1
    while byte >= 128:
        byte = <unsigned char>at[0]
        shift += 7
        n |= <Py_ssize_t>(byte & 127) << shift
        at += 1
    word.p = at
    word.n = n
    return at + n
