"""The packed forms that RDB files of a redis-server hold: listpack, ziplist, zipmap, intset, LZF.

    listpack   bytes:4 count:2 | entry  back-length | ... | ff          since 7.0
    ziplist    bytes:4 tail:4 count:2 | previous-length  entry | ... | ff   up to 6.2
    zipmap     count | length field  length free value unused | ... | ff   up to 2.4
    intset     width:4 count:4 | number | ...

All numbers little-endian, except the lengths of a ziplist's strings; the entries of a listpack are
told in `listpack`.  They are only read here.  Every length is checked against what is left before
anything is taken.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport int64_t, uint32_t
from libc.string cimport memcpy

from kvstore.listpack cimport checked_size, read
from kvstore.resp cimport Arg

cdef enum:
    END = 0xFF
    FAR = 0xFE                     # a length of four bytes follows


cdef class Cursor:
    """Reads a blob from front to back."""

    cdef bytes blob
    cdef const unsigned char* p
    cdef Py_ssize_t at, n

    def __cinit__(self, bytes blob not None):
        self.blob = blob
        self.p = <const unsigned char*>PyBytes_AS_STRING(blob)
        self.n = PyBytes_GET_SIZE(blob)

    cdef const unsigned char* take(self, Py_ssize_t n) except NULL:
        if n < 0 or n > self.n - self.at:
            raise ValueError("packed entries end early")
        self.at += n
        return self.p + self.at - n

    cdef int byte(self) except -1:
        return self.take(1)[0]

    cdef uint32_t word(self) except? 0xFFFFFFFF:
        cdef uint32_t value
        memcpy(&value, self.take(4), 4)
        return value

    cdef bytes text(self, Py_ssize_t n):
        return PyBytes_FromStringAndSize(<const char*>self.take(n), n)

    cdef bytes number(self, int width):
        """A signed number of some bytes, as text."""
        cdef const unsigned char* p = self.take(width)
        cdef int64_t value = 0
        memcpy(<char*>&value + 8 - width, p, width)
        return b"%d" % (value >> (64 - 8 * width))

    cdef bint ended(self) except -1:
        """True at the end mark, which is the last byte."""
        if self.n - self.at < 1:
            raise ValueError("packed entries have no end")
        if self.p[self.at] != END:
            return False
        if self.at != self.n - 1:
            raise ValueError("bytes behind packed entries")
        return True


cdef Py_ssize_t listpack_end(bytes blob) except -1:
    """Where the entries of a listpack end, which begin at LISTPACK_HEAD."""
    cdef Cursor c = Cursor(blob)
    if c.word() != <uint32_t>c.n or c.n <= LISTPACK_HEAD or c.p[c.n - 1] != END:
        raise ValueError("not a listpack")
    return c.n - 1


cdef list listpack_entries(bytes blob):
    cdef Py_ssize_t at = LISTPACK_HEAD, end = listpack_end(blob), size
    cdef const char* p = PyBytes_AS_STRING(blob)
    cdef char[24] digits
    cdef list found = []
    cdef Arg entry
    while at < end:
        size = checked_size(p + at, end - at)
        if size < 0:
            raise ValueError("an entry of a listpack is damaged")
        read(p + at, &entry, digits)
        found.append(PyBytes_FromStringAndSize(entry.p, entry.n))
        at += size
    return found


cdef bytes ziplist_entry(Cursor c):
    cdef int first = c.byte()
    cdef uint32_t n
    if first < 0x40:
        return c.text(first)
    if first < 0x80:
        return c.text((first & 0x3F) << 8 | c.byte())
    if first < 0xC0:
        n = c.word()
        return c.text(<Py_ssize_t>(n >> 24 | n >> 8 & 0xFF00 | n << 8 & 0xFF0000 | n << 24))
    if first == 0xC0:
        return c.number(2)
    if first == 0xD0:
        return c.number(4)
    if first == 0xE0:
        return c.number(8)
    if first == 0xF0:
        return c.number(3)
    if first == 0xFE:
        return c.number(1)
    if 0xF1 <= first <= 0xFD:
        return b"%d" % ((first & 0x0F) - 1)
    raise ValueError("unknown entry in a ziplist")


cdef list ziplist_entries(bytes blob):
    cdef Cursor c = Cursor(blob)
    cdef list found = []
    if c.word() != <uint32_t>c.n:
        raise ValueError("length of a ziplist is wrong")
    c.take(6)
    while not c.ended():
        if c.byte() == FAR:
            c.take(4)
        found.append(ziplist_entry(c))
    return found


cdef Py_ssize_t zipmap_length(Cursor c) except -1:
    cdef int first = c.byte()
    return <Py_ssize_t>c.word() if first == FAR else first


cdef list zipmap_entries(bytes blob):
    cdef Cursor c = Cursor(blob)
    cdef list found = []
    cdef Py_ssize_t n
    cdef int unused
    c.take(1)
    while not c.ended():
        found.append(c.text(zipmap_length(c)))
        n = zipmap_length(c)
        unused = c.byte()
        found.append(c.text(n))
        c.take(unused)
    return found


cdef list intset_entries(bytes blob):
    cdef Cursor c = Cursor(blob)
    cdef uint32_t width = c.word(), count = c.word()
    if width not in (2, 4, 8) or c.n - c.at != <Py_ssize_t>width * count:
        raise ValueError("length of an intset is wrong")
    return [c.number(width) for _ in range(count)]


cdef bytes lzf_expand(bytes packed, size_t n):
    """Literal runs (000nnnnn) and copies from before (lll ddddd dddddddd, longer with 111)."""
    cdef Cursor c = Cursor(packed)
    cdef bytes text
    cdef char* out
    cdef size_t done = 0, length, back, i
    cdef int first
    if n > <size_t>c.n * 264:
        raise ValueError("length of a compressed string is wrong")
    text = PyBytes_FromStringAndSize(NULL, n)
    out = PyBytes_AS_STRING(text)
    while c.at < c.n:
        first = c.byte()
        if first < 32:
            length = first + 1
            if length > n - done:
                raise ValueError("compressed string too long")
            memcpy(out + done, c.take(length), length)
        else:
            length = first >> 5
            if length == 7:
                length += c.byte()
            length += 2
            back = ((first & 31) << 8 | c.byte()) + 1
            if length > n - done or back > done:
                raise ValueError("compressed string points outside")
            for i in range(done, done + length):
                out[i] = out[i - back]
        done += length
    if done != n:
        raise ValueError("compressed string too short")
    return text
