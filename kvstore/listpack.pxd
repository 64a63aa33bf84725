from libc.stdint cimport uint32_t
from libc.string cimport memcmp, memcpy

from kvstore.resp cimport Arg


cdef enum:
    DIGITS = 24                    # room for a number as text


# A text as an entry: what is about to be written or looked for.
cdef struct Entry:
    unsigned char[9] head
    int head_n
    const char* p                  # the text behind the head; of a number nothing
    Py_ssize_t n
    Py_ssize_t size                # of all three parts


cdef int encode(const Arg* text, Entry* entry) noexcept
cdef int write(char* into, const Entry* entry) noexcept
cdef Py_ssize_t read_other(const unsigned char* p, Arg* text, char* digits) noexcept
cdef int put_back_length(char* into, Py_ssize_t n) noexcept
# Bytes from an entry to the next when all of `n` bytes are entries; -1 when this one is none.
cdef Py_ssize_t checked_size(const char* p, Py_ssize_t n) noexcept


# Bytes that the length of an entry takes behind it.
cdef inline int back_length(Py_ssize_t n) noexcept:
    return 1 if n <= 127 else 2 if n < 16383 else 3 if n < 2097151 else 4 if n < 268435455 else 5


# The size of head and text; the head of a number is all of it.
cdef inline Py_ssize_t inner_size(const unsigned char* p, int* head) noexcept:
    cdef uint32_t four
    cdef Py_ssize_t n = 0
    if p[0] < 0x80:
        head[0] = 1
    elif p[0] < 0xC0:
        head[0] = 1
        n = p[0] & 0x3F
    elif p[0] < 0xE0:
        head[0] = 2
    elif p[0] < 0xF0:
        head[0] = 2
        n = (p[0] & 0x0F) << 8 | p[1]
    elif p[0] == 0xF0:
        head[0] = 5
        memcpy(&four, p + 1, 4)
        n = four
    elif p[0] == 0xF5:
        head[0] = 9
        memcpy(&n, p + 1, 8)
    else:
        head[0] = p[0] - 0xEE if p[0] < 0xF4 else 9
    return head[0] + n


# The text of an entry, and the size of the entry.  A number is written into `digits`.
cdef inline Py_ssize_t read(const char* p, Arg* text, char* digits) noexcept:
    cdef unsigned char first = <unsigned char>p[0]
    if first & 0xC0 != 0x80:
        return read_other(<const unsigned char*>p, text, digits)
    text.p = p + 1
    text.n = first & 0x3F
    return text.n + 2


# The size of an entry.
cdef inline Py_ssize_t size_of(const char* p) noexcept:
    cdef int head
    cdef Py_ssize_t inner = inner_size(<const unsigned char*>p, &head)
    return inner + back_length(inner)


# The size of the entry that ends here.
cdef inline Py_ssize_t size_before(const char* end) noexcept:
    cdef Py_ssize_t size = 0
    cdef int shift = 0, taken = 1
    while <unsigned char>end[-taken] & 128:
        size |= <Py_ssize_t>(end[-taken] & 127) << shift
        shift += 7
        taken += 1
    return (size | <Py_ssize_t>(end[-taken] & 127) << shift) + taken


# Whether the entry at p is this one: the same text is always the same bytes.
cdef inline bint same(const char* p, const Entry* entry) noexcept:
    return <unsigned char>p[0] == entry.head[0] and memcmp(p, entry.head, entry.head_n) == 0 \
        and memcmp(p + entry.head_n, entry.p, entry.n) == 0
