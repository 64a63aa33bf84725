"""Encoding and decoding messages by table: `Field` and `Struct` do what `kafkalite.schema` parsed.

A struct of one version is a list of typed fields, so one walk over it decodes and another encodes.
Numbers are big-endian.  Lengths and counts, old style (-1 = null) and flexible (n + 1 as a varint,
0 = null):

                 old                    flexible
    string       int16                  uvarint
    bytes        int32                  uvarint
    records      int32                  uvarint
    array        int32                  uvarint
    struct end   nothing                uvarint tags, { uvarint tag, uvarint size, bytes }*
    struct?      int8 first: -1 for null, 1 for a struct that follows (KIP-893)

A struct that may be null has an int8 before it: -1, or 1 if it is there.

Record batches are never touched on the way: a request's become a `Span` of the receive buffer, a
response's may be a `Slice` of a segment file, for which the encoder notes where to cut.

Invariants:
1. A length is compared with the bytes left before memory is taken for it; every element of an
   array takes at least a byte, so a count is, too.
2. Anything else than a whole, well-formed message raises `Malformed`.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, \
    PyBytes_GET_SIZE
from cpython.dict cimport PyDict_Copy, PyDict_GetItem, PyDict_SetItem, PyDict_Size
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

from bedrock.codec.varint cimport MAX_VARINT, get_uvarint, put_uvarint

from bedrock.codec.errors import Malformed

cdef extern from * nogil:
    uint16_t bswap16 "__builtin_bswap16"(uint16_t)
    uint32_t bswap32 "__builtin_bswap32"(uint32_t)
    uint64_t bswap64 "__builtin_bswap64"(uint64_t)

cdef extern from "Python.h":
    const char* PyUnicode_AsUTF8AndSize(object text, Py_ssize_t* size) except NULL

cdef enum:
    BOOL, INT8, INT16, UINT16, INT32, INT64, FLOAT64, UUID, STRING, BYTES, RECORDS, STRUCT, ARRAY

cdef dict KINDS = {
    "bool": BOOL, "int8": INT8, "int16": INT16, "uint16": UINT16, "int32": INT32, "int64": INT64,
    "float64": FLOAT64, "uuid": UUID, "string": STRING, "bytes": BYTES, "records": RECORDS,
    "{}": STRUCT, "[]": ARRAY,
}


cdef class Span:
    def __bytes__(self) -> bytes:
        return PyBytes_FromStringAndSize(self.p, self.n)

    def __len__(self) -> int:
        return self.n


cdef class Slice:
    def __init__(self, file, long long offset, Py_ssize_t n):
        self.file = file
        self.offset = offset
        self.n = n

    def __len__(self) -> int:
        return self.n


cdef class Output:
    def __init__(self, Buf buf not None):
        self.buf = buf
        self.cuts = []
        self.n = 0

    cdef int cut(self, Slice slice) except -1:
        """The slice comes next."""
        self.cuts.append((self.buf.n, slice))
        self.n += slice.n
        return 0


cdef class Reply:
    cdef int write(self, Output out, int version, bint flexible) except -1:
        """Write the body of one version."""
        raise NotImplementedError


cdef str text_of(Text text):
    if text.n < 0:
        return None
    try:
        return PyUnicode_DecodeUTF8(text.p, text.n, NULL)
    except UnicodeDecodeError:
        raise Malformed("a string that is not UTF-8") from None


cdef inline int want(Input* source, Py_ssize_t n) except -1:
    if n > source.end - source.p:
        raise Malformed(f"{n} bytes announced, {source.end - source.p} left")
    return 0


cdef inline uint16_t take16(Input* source) except? 0xFFFF:
    cdef uint16_t raw
    want(source, 2)
    memcpy(&raw, source.p, 2)
    source.p += 2
    return bswap16(raw)


cdef inline uint32_t take32(Input* source) except? 0xFFFFFFFF:
    cdef uint32_t raw
    want(source, 4)
    memcpy(&raw, source.p, 4)
    source.p += 4
    return bswap32(raw)


cdef inline uint64_t take64(Input* source) except? 0xFFFFFFFFFFFFFFFF:
    cdef uint64_t raw
    want(source, 8)
    memcpy(&raw, source.p, 8)
    source.p += 8
    return bswap64(raw)


cdef uint64_t take_uvarint(Input* source) except? 0xFFFFFFFFFFFFFFFF:
    cdef uint64_t value = 0
    cdef Py_ssize_t used = get_uvarint(<const char*>source.p, source.end - source.p, &value)
    if used <= 0 or value > 0x7FFFFFFFU:
        raise Malformed("bad varint")
    source.p += used
    return value


cdef inline int put8(Output out, uint8_t value) except -1:
    out.buf.room(1)[0] = <char>value
    out.buf.n += 1
    return 0


cdef inline int put16(Output out, uint16_t value) except -1:
    value = bswap16(value)
    return out.buf.put(<const char*>&value, 2)


cdef inline int put32(Output out, uint32_t value) except -1:
    value = bswap32(value)
    return out.buf.put(<const char*>&value, 4)


cdef inline int put64(Output out, uint64_t value) except -1:
    value = bswap64(value)
    return out.buf.put(<const char*>&value, 8)


cdef inline int put_length(Output out, uint64_t value) except -1:
    out.buf.n += put_uvarint(out.buf.room(MAX_VARINT), value)
    return 0


cdef class Field:
    """One field of one version.

    kind    as in the tables, "[]" with `item` for an array, "{}" with `struct`
    """

    def __init__(self, str name not None, str kind not None, *, Struct struct=None,
                 Field item=None, bint nullable=False, default=None, int tag=-1,
                 bint flexible=False):
        self.name = name
        self.kind = KINDS[kind]
        self.struct = struct
        self.item = item
        self.nullable = nullable
        self.default = default
        self.tag = tag
        self.flexible = flexible

    cdef bint holds_default(self, value) except -1:
        """True for a value that a tagged field need not say."""
        if self.kind == STRUCT and value is not None:
            return {**self.struct.defaults, **value} == self.struct.defaults
        return value == self.default or (self.kind == ARRAY and not value)

    cdef Py_ssize_t read_size(self, Input* source) except -2:
        """Length of a string, bytes or array; -1 for null."""
        cdef Py_ssize_t n
        if self.flexible:
            n = <Py_ssize_t>take_uvarint(source) - 1
        elif self.kind == STRING:
            n = <int16_t>take16(source)
        else:
            n = <int32_t>take32(source)
        if n < 0:
            if n != -1 or not self.nullable:
                raise Malformed(f"{self.name}: length {n}")
        else:
            want(source, n)
        return n

    cdef object read(self, Input* source):
        cdef Py_ssize_t n
        cdef uint64_t bits
        cdef double number
        cdef Span span
        cdef list items
        cdef int kind = self.kind
        if kind == INT32:
            return <int32_t>take32(source)
        if kind == INT64:
            return <int64_t>take64(source)
        if kind == INT16:
            return <int16_t>take16(source)
        if kind == UINT16:
            return take16(source)
        if kind == INT8 or kind == BOOL:
            want(source, 1)
            n = <int8_t>source.p[0]
            source.p += 1
            return n if kind == INT8 else n != 0
        if kind == STRUCT:
            if self.nullable:
                want(source, 1)
                source.p += 1
                if <int8_t>source.p[-1] < 0:
                    return None
            return self.struct.read(source)
        if kind == UUID:
            want(source, 16)
            source.p += 16
            return PyBytes_FromStringAndSize(<const char*>source.p - 16, 16)
        if kind == FLOAT64:
            bits = take64(source)
            memcpy(&number, &bits, 8)
            return number
        n = self.read_size(source)
        if n < 0:
            return None
        if kind == ARRAY:
            items = []
            for _ in range(n):
                items.append(self.item.read(source))
            return items
        source.p += n
        if kind == STRING:
            try:
                return PyUnicode_DecodeUTF8(<const char*>source.p - n, n, NULL)
            except UnicodeDecodeError:
                raise Malformed(f"{self.name} is not UTF-8") from None
        if kind == RECORDS and source.spans:
            span = Span.__new__(Span)
            span.p = <const char*>source.p - n
            span.n = n
            return span
        return PyBytes_FromStringAndSize(<const char*>source.p - n, n)

    cdef int write_size(self, Output out, Py_ssize_t n) except -1:
        if self.flexible:
            return put_length(out, n + 1)
        if self.kind == STRING:
            if n > 0x7FFF:
                raise ValueError(f"{self.name}: string of {n} bytes")
            return put16(out, <uint16_t>n)
        return put32(out, <uint32_t>n)

    cdef int write(self, Output out, object value) except -1:
        cdef Py_ssize_t n
        cdef uint64_t bits
        cdef double number
        cdef const char* text
        cdef int kind = self.kind
        if kind == INT32:
            return put32(out, <uint32_t><int32_t>value)
        if kind == INT64:
            return put64(out, <uint64_t><int64_t>value)
        if kind == INT16:
            return put16(out, <uint16_t><int16_t>value)
        if kind == UINT16:
            return put16(out, <uint16_t>value)
        if kind == INT8:
            return put8(out, <uint8_t><int8_t>value)
        if kind == BOOL:
            return put8(out, 1 if value else 0)
        if kind == STRUCT:
            if self.nullable:
                put8(out, 0xFF if value is None else 1)
                if value is None:
                    return 0
            return self.struct.write(out, value)
        if kind == FLOAT64:
            number = value
            memcpy(&bits, &number, 8)
            return put64(out, bits)
        if kind == UUID:
            if not PyBytes_CheckExact(value) or PyBytes_GET_SIZE(value) != 16:
                raise ValueError(f"{self.name}: a uuid has 16 bytes")
            return out.buf.put(PyBytes_AS_STRING(value), 16)
        if value is None:
            if not self.nullable:
                raise ValueError(f"{self.name} may not be null")
            return self.write_size(out, -1)
        if kind == STRING:
            text = PyUnicode_AsUTF8AndSize(value, &n)
            self.write_size(out, n)
            return out.buf.put(text, n)
        if kind == ARRAY:
            self.write_size(out, len(value))
            for item in value:
                self.item.write(out, item)
            return 0
        if isinstance(value, Slice):
            self.write_size(out, (<Slice>value).n)
            return out.cut(<Slice>value)
        if PyBytes_CheckExact(value):
            self.write_size(out, PyBytes_GET_SIZE(value))
            return out.buf.put(PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value))
        self.write_size(out, len(value))
        out.buf.write(value)
        return 0


cdef class Struct:
    """All fields of one version of a message or of a part of it."""

    def __init__(self, list fields not None, list tagged not None, dict defaults not None,
                 bint flexible):
        self.fields = fields
        self.tagged = tagged
        self.defaults = defaults
        self.flexible = flexible

    cdef dict read(self, Input* source):
        cdef Field field
        cdef dict values = PyDict_Copy(self.defaults)
        for field in self.fields:
            PyDict_SetItem(values, field.name, field.read(source))
        if self.flexible:
            self.read_tagged(source, values)
        return values

    cdef int read_tagged(self, Input* source, dict values) except -1:
        cdef uint64_t count = take_uvarint(source), tag
        cdef Py_ssize_t n
        cdef int64_t last = -1
        cdef const uint8_t* after
        cdef Input inner
        cdef Field field
        while count:
            count -= 1
            tag = take_uvarint(source)
            if <int64_t>tag <= last:
                raise Malformed(f"tag {tag} after tag {last}")
            last = tag
            n = take_uvarint(source)
            want(source, n)
            after = source.p + n
            for field in self.tagged:
                if <uint64_t>field.tag == tag:
                    inner.p, inner.end, inner.spans = source.p, after, source.spans
                    values[field.name] = field.read(&inner)
                    if inner.p != after:
                        raise Malformed(f"{field.name}: {after - inner.p} bytes too many")
            source.p = after
        return 0

    cdef int write(self, Output out, dict values) except -1:
        cdef Field field
        cdef Py_ssize_t met = 0
        cdef void* found
        for field in self.fields:
            found = PyDict_GetItem(values, field.name)
            if found is NULL:
                field.write(out, field.default)
            else:
                met += 1
                field.write(out, <object>found)
        if self.flexible:
            met += self.write_tagged(out, values)
        if met != PyDict_Size(values):
            for name in values:
                if name not in self.defaults:
                    raise KeyError(f"no version has a field {name!r}")
        return 0

    cdef Py_ssize_t write_tagged(self, Output out, dict values) except -2:
        """The block of tagged fields; returns how many of them `values` holds."""
        cdef Field field
        cdef Output inner
        cdef list present = []
        cdef Py_ssize_t met = 0
        for field in self.tagged:
            if field.name in values:
                met += 1
                value = values[field.name]
                if not field.holds_default(value):
                    present.append((field, value))
        put_length(out, len(present))
        for field, value in present:
            inner = Output(Buf())
            field.write(inner, value)
            put_length(out, field.tag)
            put_length(out, inner.buf.n)
            out.buf.put(inner.buf.p, inner.buf.n)
        return met

    def decode(self, const unsigned char[::1] data not None) -> dict:
        """The message in `data`, all of it; Malformed otherwise."""
        cdef Input source
        source.p = &data[0] if data.shape[0] else <const uint8_t*>b""
        source.end = source.p + data.shape[0]
        source.spans = False
        cdef dict values = self.read(&source)
        if source.p != source.end:
            raise Malformed(f"{source.end - source.p} bytes too many")
        return values

    def encode(self, dict values not None) -> bytes:
        """The bytes of a message without slices."""
        cdef Output out = Output(Buf())
        self.write(out, values)
        return bytes(out.buf)
