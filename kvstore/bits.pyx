"""Strings as bit arrays: SETBIT, GETBIT, BITCOUNT, BITPOS, BITOP.  Bit 0 is the highest of byte 0."""

from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_FromStringAndSize
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy

from bedrock.net.buf cimport Buf
from kvstore.binding cimport define
from kvstore.engine cimport Client
from kvstore.keyspace cimport EVENT_GENERIC, EVENT_STRING
from kvstore.resp cimport Arg, Args, is_word, parse_int, put_int
from kvstore.resp import ReplyError
from kvstore.strings cimport clamp_text, grow, int_of, text_of

cdef extern from *:
    int __builtin_popcountll(unsigned long long x) nogil

BAD_BIT = "ERR The bit argument must be 1 or 0."


cdef int64_t offset_of(Client c, const Arg* arg) except -1:
    cdef int64_t offset
    if not parse_int(arg.p, arg.n, &offset) or offset < 0 \
            or offset >> 3 >= c.store.bounds.bulk:
        raise ReplyError("ERR bit offset is not an integer or out of range")
    return offset


cdef int setbit(Client c, Args a, Buf out) except -1:
    cdef int64_t offset = offset_of(c, &a.v[2])
    cdef int64_t bit
    cdef Arg text
    cdef bytearray grown
    cdef unsigned char* byte
    cdef unsigned char mask = 0x80 >> (offset & 7)
    cdef bint old
    cdef Py_ssize_t had
    if not parse_int(a.v[3].p, a.v[3].n, &bit) or bit not in (0, 1):
        raise ReplyError("ERR bit is not an integer or out of range")
    value = c.db.find(&a.v[1])
    text_of(value, &text)
    had = text.n
    grown = grow(c, &a.v[1], value, max(had, <Py_ssize_t>(offset >> 3) + 1))
    byte = <unsigned char*>PyByteArray_AS_STRING(grown) + (offset >> 3)
    old = (byte[0] & mask) != 0
    if old != bit or len(grown) > had:
        byte[0] = byte[0] | mask if bit else byte[0] & ~mask
        c.db.changed(&a.v[1], EVENT_STRING, "setbit")
    return put_int(out, old)


cdef int getbit(Client c, Args a, Buf out) except -1:
    cdef int64_t offset = offset_of(c, &a.v[2])
    cdef Arg text
    value = c.db.read(&a.v[1])
    text_of(value, &text)
    if offset >> 3 >= text.n:
        return put_int(out, 0)
    return put_int(out, (<unsigned char>text.p[offset >> 3] >> (7 - (offset & 7))) & 1)


cdef bint unit_is_bit(Args a, Py_ssize_t i) except -1:
    """The optional BYTE or BIT at a.v[i]."""
    if i >= a.n:
        return False
    if is_word(&a.v[i], "bit"):
        return True
    if not is_word(&a.v[i], "byte"):
        raise ReplyError("ERR syntax error")
    return False


cdef inline bint bit_at(const char* p, int64_t i) noexcept:
    return (<unsigned char>p[i >> 3] >> (7 - (i & 7))) & 1


cdef int64_t ones(const char* p, int64_t first, int64_t last) noexcept:
    """Bits that are one from bit `first` to bit `last`."""
    cdef int64_t n = 0
    cdef uint64_t word
    while first <= last and first & 7:
        n += bit_at(p, first)
        first += 1
    while first + 63 <= last:
        memcpy(&word, p + (first >> 3), 8)
        n += __builtin_popcountll(word)
        first += 64
    while first <= last:
        n += bit_at(p, first)
        first += 1
    return n


cdef int bitcount(Client c, Args a, Buf out) except -1:
    cdef int64_t start = 0, stop = -1
    cdef bint bits = False
    cdef Arg text
    value = c.db.read(&a.v[1])
    if not text_of(value, &text):
        return put_int(out, 0)
    if a.n == 3 or a.n > 5:
        raise ReplyError("ERR syntax error")
    if a.n > 3:
        start, stop = int_of(&a.v[2]), int_of(&a.v[3])
        if start < 0 and stop < 0 and start > stop:
            return put_int(out, 0)
        bits = unit_is_bit(a, 4)
    if not clamp_text(&start, &stop, text.n * 8 if bits else text.n):
        return put_int(out, 0)
    if not bits:
        start, stop = start * 8, stop * 8 + 7
    return put_int(out, ones(text.p, start, stop))


cdef int64_t first_bit(const char* p, bint wanted, int64_t first, int64_t last) noexcept:
    """Where the first bit of a kind is, -1 if nowhere."""
    cdef unsigned char dull = 0 if wanted else 255
    while first <= last:
        if first & 7 == 0 and first + 7 <= last and <unsigned char>p[first >> 3] == dull:
            first += 8
        elif bit_at(p, first) == wanted:
            return first
        else:
            first += 1
    return -1


cdef int bitpos(Client c, Args a, Buf out) except -1:
    cdef int64_t bit, start = 0, stop = -1, found
    cdef bint bits = False
    cdef Arg text
    bit = int_of(&a.v[2])
    if bit not in (0, 1):
        raise ReplyError(BAD_BIT)
    value = c.db.read(&a.v[1])
    if not text_of(value, &text):
        return put_int(out, -1 if bit else 0)
    if a.n > 6:
        raise ReplyError("ERR syntax error")
    if a.n > 3:
        start = int_of(&a.v[3])
        bits = unit_is_bit(a, 5)
    if a.n > 4:
        stop = int_of(&a.v[4])
    if not clamp_text(&start, &stop, text.n * 8 if bits else text.n):
        return put_int(out, -1)
    if not bits:
        start, stop = start * 8, stop * 8 + 7
    found = first_bit(text.p, bit, start, stop)
    if found < 0 and not bit and a.n <= 4:
        # Beyond the end all bits are zero, unless an end was asked for.
        found = text.n * 8
    return put_int(out, found)


cdef enum Operation:
    AND, OR, XOR, NOT


cdef Operation operation_of(Args a) except *:
    if is_word(&a.v[1], "and"):
        return AND
    if is_word(&a.v[1], "or"):
        return OR
    if is_word(&a.v[1], "xor"):
        return XOR
    if not is_word(&a.v[1], "not"):
        raise ReplyError("ERR syntax error")
    if a.n != 4:
        raise ReplyError("ERR BITOP NOT must be called with a single source key.")
    return NOT


cdef int bitop(Client c, Args a, Buf out) except -1:
    cdef Operation operation = operation_of(a)
    cdef list sources = []
    cdef Py_ssize_t i, k, n = 0
    cdef Arg text
    cdef bytearray result
    cdef unsigned char* into
    cdef unsigned char byte
    for i in range(3, a.n):
        value = c.db.find(&a.v[i])
        text_of(value, &text)
        n = max(n, text.n)
        sources.append(value)
    if n == 0:
        if c.db.find(&a.v[2]) is not None:
            c.db.delete(&a.v[2])
            c.db.changed(&a.v[2], EVENT_GENERIC, "del")
        return put_int(out, 0)
    result = PyByteArray_FromStringAndSize(NULL, n)
    into = <unsigned char*>PyByteArray_AS_STRING(result)
    for i in range(len(sources)):
        text_of(sources[i], &text)
        for k in range(n):
            byte = <unsigned char>text.p[k] if k < text.n else 0
            if operation == NOT:
                into[k] = ~byte
            elif i == 0:
                into[k] = byte
            elif operation == AND:
                into[k] &= byte
            elif operation == OR:
                into[k] |= byte
            else:
                into[k] ^= byte
    c.db.set(&a.v[2], result, False)
    c.db.changed(&a.v[2], EVENT_STRING, "set")
    return put_int(out, n)


define("setbit", setbit)
define("getbit", getbit)
define("bitcount", bitcount)
define("bitpos", bitpos)
define("bitop", bitop)
