"""Entries of a listpack: texts and numbers behind each other in memory, to be read from both ends.

    head  text  length of head and text, seven bits a byte, the low ones last

    0nnnnnnn                     0 .. 127             110nnnnn n         -4096 .. 4095
    10nnnnnn text                n < 64               f1 f2 f3 f4 n      2, 3, 4, 8 bytes, signed
    1110nnnn n text              n < 4096             f5 n:8 text        2^32 and more
    f0 n:4 text                  longer

It is Redis's own form (numbers little-endian but those within a head), so that what is kept in it
goes into RDB files as it is; only f5 is ours, and never written.  A text that is how a number is
written is kept as the number, and each in the shortest form there is: the same text is always the
same bytes, and a search compares those.
"""

from libc.stdint cimport int16_t, int32_t, int64_t

from kvstore.resp cimport format_int, parse_int

cdef enum:
    LONGEST_NUMBER = 20            # as text


cdef int encode_number(int64_t number, Entry* entry) noexcept:
    cdef int size = 2 if -0x8000 <= number < 0x8000 \
        else 3 if -0x800000 <= number < 0x800000 \
        else 4 if -<int64_t>0x80000000 <= number < <int64_t>0x80000000 else 8
    entry.p = NULL
    entry.n = 0
    if 0 <= number < 128:
        entry.head[0] = <unsigned char>number
        entry.head_n = 1
    elif -4096 <= number < 4096:
        entry.head[0] = <unsigned char>(0xC0 | number >> 8 & 0x1F)
        entry.head[1] = <unsigned char>(number & 0xFF)
        entry.head_n = 2
    else:
        entry.head[0] = 0xF4 if size == 8 else 0xEF + size
        memcpy(&entry.head[1], &number, size)
        entry.head_n = 1 + size
    return 0


cdef int encode(const Arg* text, Entry* entry) noexcept:
    cdef int64_t number
    cdef char last
    if 0 < text.n <= LONGEST_NUMBER:
        last = text.p[text.n - 1]
        if c"0" <= last <= c"9" and text.p[0] <= c"9" and parse_int(text.p, text.n, &number):
            encode_number(number, entry)
            entry.size = entry.head_n + 1
            return 0
    entry.p = text.p
    entry.n = text.n
    if text.n < 64:
        entry.head[0] = 0x80 | <unsigned char>text.n
        entry.head_n = 1
    elif text.n < 4096:
        entry.head[0] = <unsigned char>(0xE0 | text.n >> 8)
        entry.head[1] = <unsigned char>(text.n & 0xFF)
        entry.head_n = 2
    elif text.n <= <Py_ssize_t>0xFFFFFFFF:
        entry.head[0] = 0xF0
        memcpy(&entry.head[1], &text.n, 4)
        entry.head_n = 5
    else:
        entry.head[0] = 0xF5
        memcpy(&entry.head[1], &text.n, 8)
        entry.head_n = 9
    entry.size = entry.head_n + text.n
    entry.size += back_length(entry.size)
    return 0


cdef int put_back_length(char* into, Py_ssize_t n) noexcept:
    cdef int size = back_length(n), i
    for i in range(size):
        into[i] = <char>(n >> 7 * (size - 1 - i) & 127 | (128 if i else 0))
    return size


cdef int write(char* into, const Entry* entry) noexcept:
    memcpy(into, entry.head, entry.head_n)
    into += entry.head_n
    if entry.n:
        memcpy(into, entry.p, entry.n)
    put_back_length(into + entry.n, entry.head_n + entry.n)
    return 0


cdef int64_t number_at(const unsigned char* p) noexcept:
    """The number of an entry that is one."""
    cdef int16_t two
    cdef int32_t four
    cdef int64_t eight
    if p[0] < 0x80:
        return p[0]
    if p[0] < 0xE0:
        four = (p[0] & 0x1F) << 8 | p[1]
        return four - 0x2000 if four >= 0x1000 else four
    if p[0] == 0xF1:
        memcpy(&two, p + 1, 2)
        return two
    if p[0] == 0xF2:
        four = <int32_t>(<uint32_t>p[1] << 8 | <uint32_t>p[2] << 16 | <uint32_t>p[3] << 24)
        return four >> 8
    if p[0] == 0xF3:
        memcpy(&four, p + 1, 4)
        return four
    memcpy(&eight, p + 1, 8)
    return eight


cdef Py_ssize_t read_other(const unsigned char* p, Arg* text, char* digits) noexcept:
    """`read` of all but the shortest texts."""
    cdef int head
    cdef Py_ssize_t inner = inner_size(p, &head)
    if p[0] < 0xE0 or 0xF0 < p[0] < 0xF5:
        text.p = digits
        text.n = format_int(digits, number_at(p))
    else:
        text.p = <const char*>p + head
        text.n = inner - head
    return inner + back_length(inner)


cdef Py_ssize_t checked_size(const char* p, Py_ssize_t n) noexcept:
    cdef const unsigned char* u = <const unsigned char*>p
    cdef char[5] behind
    cdef Py_ssize_t inner
    cdef int head, size
    # What a length within the head takes is there at least.
    if n < 2 or u[0] > 0xF4 or (u[0] >= 0xE0 and n < 3) or (u[0] == 0xF0 and n < 6):
        return -1
    inner = inner_size(u, &head)
    size = back_length(inner)
    if inner + size > n:
        return -1
    put_back_length(behind, inner)
    return inner + size if memcmp(behind, p + inner, size) == 0 else -1
