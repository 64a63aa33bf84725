"""Messages from the server: one function for each that has a body.

    byte kind | int32 length (itself included, the kind not) | body        PostgreSQL 15, 55.7

`begin` leaves room for the length, `end` fills it in.
"""

from cpython.unicode cimport PyUnicode_AsUTF8AndSize
from libc.stdint cimport uint32_t

from bedrock.net.buf cimport Buf


cdef inline void store(char* p, uint32_t v) noexcept:
    p[0] = <char>(v >> 24)
    p[1] = <char>(v >> 16)
    p[2] = <char>(v >> 8)
    p[3] = <char>v


cdef size_t begin(Buf out, char kind) except? 0:
    cdef char* p = out.room(5)
    p[0] = kind
    out.n += 5
    return out.n - 4


cdef int end(Buf out, size_t start) except -1:
    store(out.p + start, <uint32_t>(out.n - start))
    return 0


cdef int put_cstring(Buf out, str text) except -1:
    cdef Py_ssize_t n
    cdef const char* p = PyUnicode_AsUTF8AndSize(text, &n)
    out.put(p, n)
    out.put(b"\0", 1)
    return 0


cdef int put_short(Buf out, int v) except -1:
    cdef char* p = out.room(2)
    p[0] = <char>(v >> 8)
    p[1] = <char>v
    out.n += 2
    return 0


cdef int put_word(Buf out, long v) except -1:
    store(out.room(4), <uint32_t>v)
    out.n += 4
    return 0


cdef int bare(Buf out, char kind) except -1:
    """A message without a body."""
    return end(out, begin(out, kind))


cdef int ready(Buf out, char status) except -1:
    """ReadyForQuery: I idle, T in a transaction, E in a failed one."""
    cdef size_t start = begin(out, b"Z")
    out.put(&status, 1)
    return end(out, start)


cdef int complete(Buf out, str tag) except -1:
    cdef size_t start = begin(out, b"C")
    put_cstring(out, tag)
    return end(out, start)


cdef int row_description(Buf out, fields, tuple formats) except -1:
    """fields: (name, Type, typmod, relation oid, attribute number) each."""
    cdef size_t start = begin(out, b"T")
    cdef Py_ssize_t i = 0
    put_short(out, len(fields))
    for name, type, typmod, relation, attribute in fields:
        put_cstring(out, name)
        put_word(out, relation)
        put_short(out, attribute)
        put_word(out, type.oid)
        put_short(out, type.length)
        put_word(out, typmod)
        put_short(out, formats[i] if formats is not None else 0)
        i += 1
    return end(out, start)


cdef int error(Buf out, char kind, exc, str severity) except -1:
    """ErrorResponse (kind E) or NoticeResponse (kind N) from an exception with SQLSTATE fields."""
    cdef size_t start = begin(out, kind)
    cdef str letter
    fields = [("S", severity), ("V", severity), ("C", exc.sqlstate), ("M", exc.message)]
    if exc.detail:
        fields.append(("D", exc.detail))
    if exc.hint:
        fields.append(("H", exc.hint))
    if exc.position:
        fields.append(("P", str(exc.position)))
    fields.extend(getattr(exc, "fields", {}).items())
    for letter, value in fields:
        out.write(letter.encode())
        put_cstring(out, value.replace("\0", ""))
    out.put(b"\0", 1)
    return end(out, start)


cdef int parameter_status(Buf out, str name, str value) except -1:
    cdef size_t start = begin(out, b"S")
    put_cstring(out, name)
    put_cstring(out, value)
    return end(out, start)


cdef int copy_response(Buf out, char kind, int binary, int columns) except -1:
    """CopyInResponse (G) or CopyOutResponse (H)."""
    cdef size_t start = begin(out, kind)
    cdef char format = binary
    out.put(&format, 1)
    put_short(out, columns)
    for _ in range(columns):
        put_short(out, binary)
    return end(out, start)
