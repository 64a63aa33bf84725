"""Reading and writing the fields of a message by hand, for the requests that are sent most.

What `kafkalite.codec` does by table is done here by one call a field, without an object for it.
A reader that runs out of bytes, or meets a length that cannot be, goes `bad` and answers zeros from
then on, so that it is asked once, at the end.  Counts and lengths never exceed the bytes left.
"""

from libc.stdint cimport int16_t, int32_t, int64_t, uint16_t, uint32_t, uint64_t

from bedrock.codec.varint cimport MAX_VARINT, get_uvarint, put_uvarint
from bedrock.net.buf cimport Buf
from kafkalite.batch cimport get16, get32, get64, set16, set32, set64


cdef struct Reader:
    const char* p                  # next byte
    const char* end
    bint flexible                  # lengths are varints, structs end with tags
    bint bad                       # something was no message


cdef struct Text:
    const char* p
    Py_ssize_t n                   # -1 for null


cdef inline const char* take(Reader* r, Py_ssize_t n) noexcept nogil:
    """n bytes (n >= 0), NULL if there are fewer."""
    cdef const char* p = r.p
    if n > r.end - p:
        r.bad = True
        r.p = r.end
        return NULL
    r.p += n
    return p


cdef inline int take_int8(Reader* r) noexcept nogil:
    cdef const char* p = take(r, 1)
    return (<const signed char*>p)[0] if p is not NULL else 0


cdef inline int16_t take_int16(Reader* r) noexcept nogil:
    cdef const char* p = take(r, 2)
    return <int16_t>get16(p) if p is not NULL else 0


cdef inline int32_t take_int32(Reader* r) noexcept nogil:
    cdef const char* p = take(r, 4)
    return <int32_t>get32(p) if p is not NULL else 0


cdef inline int64_t take_int64(Reader* r) noexcept nogil:
    cdef const char* p = take(r, 8)
    return <int64_t>get64(p) if p is not NULL else 0


cdef inline Py_ssize_t take_uvarint(Reader* r) noexcept nogil:
    cdef uint64_t value = 0
    cdef Py_ssize_t used = get_uvarint(r.p, r.end - r.p, &value)
    if used <= 0 or value > 0x7FFFFFFF:
        r.bad = True
        r.p = r.end
        return 0
    r.p += used
    return <Py_ssize_t>value


cdef inline Py_ssize_t sized(Reader* r, Py_ssize_t n, bint nullable) noexcept nogil:
    """n, if a length may be so; else the reader is bad and the length 0."""
    if n > r.end - r.p or n < -1 or (n == -1 and not nullable):
        r.bad = True
        r.p = r.end
        return 0
    return n


cdef inline Text take_text(Reader* r, bint nullable=False) noexcept nogil:
    cdef Text text
    text.n = sized(r, take_uvarint(r) - 1 if r.flexible else take_int16(r), nullable)
    text.p = take(r, text.n) if text.n > 0 else r.p
    return text


cdef inline Py_ssize_t take_count(Reader* r, bint nullable=False) noexcept nogil:
    """Elements of an array, each of which takes a byte at least."""
    return sized(r, take_uvarint(r) - 1 if r.flexible else take_int32(r), nullable)


cdef inline Text take_bytes(Reader* r, bint nullable=False) noexcept nogil:
    cdef Text data
    data.n = take_count(r, nullable)
    data.p = take(r, data.n) if data.n > 0 else r.p
    return data


cdef inline void skip_tags(Reader* r) noexcept nogil:
    """The tagged fields at the end of a struct, all of which may be passed over."""
    cdef Py_ssize_t count, tag, last = -1
    if not r.flexible:
        return
    count = take_uvarint(r)
    while count and not r.bad:
        count -= 1
        tag = take_uvarint(r)
        if tag <= last:
            r.bad = True
        last = tag
        take(r, take_uvarint(r))


# ---------------------------------------------------------------------- writing


cdef inline int put_int8(Buf out, int value) except -1:
    out.room(1)[0] = <char>value
    out.n += 1
    return 0


cdef inline int put_int16(Buf out, int16_t value) except -1:
    set16(out.room(2), <uint16_t>value)
    out.n += 2
    return 0


cdef inline int put_int32(Buf out, int32_t value) except -1:
    set32(out.room(4), <uint32_t>value)
    out.n += 4
    return 0


cdef inline int put_int64(Buf out, int64_t value) except -1:
    set64(out.room(8), <uint64_t>value)
    out.n += 8
    return 0


cdef inline int put_count(Buf out, bint flexible, Py_ssize_t n) except -1:
    """Elements of an array, or bytes of a field of bytes; -1 for null."""
    if not flexible:
        return put_int32(out, <int32_t>n)
    out.n += put_uvarint(out.room(MAX_VARINT), n + 1)
    return 0


cdef inline int put_text(Buf out, bint flexible, const char* p, Py_ssize_t n) except -1:
    """A string; n = -1 for null."""
    if flexible:
        out.n += put_uvarint(out.room(MAX_VARINT), n + 1)
    else:
        put_int16(out, <int16_t>n)
    return out.put(p, n) if n > 0 else 0


cdef inline int put_tags(Buf out, bint flexible) except -1:
    """No tagged fields."""
    return put_int8(out, 0) if flexible else 0
