"""Protocol Buffers from tables: no compiler, no generated code.

    PERSON = Message(
        "Person",
        field(1, "id", "uint64"),
        field(2, "name", "string"),
        field(3, "friends", "Person", repeated=True),   # by name: resolved by its Schema
    )
    Schema(PERSON)
    PERSON.encode({"id": 7, "name": "Ada"})            -> b"\\x08\\x07\\x12\\x03Ada"
    PERSON.decode(b"\\x08\\x07")                         -> {"id": 7, "name": None, "friends": []}

A message is a dict.  Encoding leaves out what is missing or None and refuses a key that is no
field.  Decoding gives every declared field: what was absent is its default (None unless declared,
[] when repeated), so presence can be seen as proto2 needs it.  `Message(..., proto3=True)` gives
scalars the zero of their type instead, does not write zeros, and packs repeated numbers.  An enum
is an int; an unknown number stays what it is.

On the wire a field is a key, `number << 3 | wire type`, and a value:

    0 varint     int32 int64 uint32 uint64 sint32 sint64 bool enum
    1 8 bytes    fixed64 sfixed64 double
    2 length     string bytes, a nested message, packed repeated numbers
    5 4 bytes    fixed32 sfixed32 float

Unknown fields are skipped (also groups, wire types 3 and 4).  A singular message met twice is
merged.  The writer fills its buffer from the end, so that a nested length is known when it is
written and nothing moves.  Left out: groups as values, maps, extensions, text format.

Spec: protobuf.dev, "Encoding".  Limits: nesting of DEPTH_MAX; every length is compared with what
is left before anything is allocated, so a message costs memory only in proportion to its bytes.
"""

from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_DecodeUTF8

from bedrock.codec.errors import Malformed

from bedrock.codec.varint cimport MAX_VARINT, get_uvarint, put_uvarint, unzigzag, zigzag

DEPTH_MAX = 100
cdef int depth_max = DEPTH_MAX

cdef enum Wire:
    VARINT = 0
    FIXED64 = 1
    LENGTH = 2
    GROUP = 3
    GROUP_END = 4
    FIXED32 = 5

cdef enum Kind:
    INT32
    INT64
    UINT32
    UINT64
    SINT32
    SINT64
    BOOL
    ENUM
    FIXED64_KIND
    SFIXED64
    DOUBLE
    FIXED32_KIND
    SFIXED32
    FLOAT
    STRING
    BYTES
    MESSAGE

# name: (kind, wire type, zero)
SCALARS = {
    "int32": (INT32, VARINT, 0),
    "int64": (INT64, VARINT, 0),
    "uint32": (UINT32, VARINT, 0),
    "uint64": (UINT64, VARINT, 0),
    "sint32": (SINT32, VARINT, 0),
    "sint64": (SINT64, VARINT, 0),
    "bool": (BOOL, VARINT, False),
    "enum": (ENUM, VARINT, 0),
    "fixed64": (FIXED64_KIND, FIXED64, 0),
    "sfixed64": (SFIXED64, FIXED64, 0),
    "double": (DOUBLE, FIXED64, 0.0),
    "fixed32": (FIXED32_KIND, FIXED32, 0),
    "sfixed32": (SFIXED32, FIXED32, 0),
    "float": (FLOAT, FIXED32, 0.0),
    "string": (STRING, LENGTH, ""),
    "bytes": (BYTES, LENGTH, b""),
}


def field(number: int, name: str, type, *, repeated=False, default=None, packed=None) -> Field:
    """A field of a Message.

    type:     a scalar's name, a Message, or the name of a Message of the same Schema
    default:  what decode gives when the field is absent
    packed:   write repeated numbers in one piece; both forms are read.  Default: as the syntax
    """
    return Field(number, name, type, repeated, default, packed)


cdef class Field:
    def __init__(self, number, name, type, repeated, default, packed):
        if not 1 <= number < 1 << 29:
            raise ValueError(f"{name}: field number {number}")
        self.number = number
        self.name = name
        self.type = type
        self.repeated = repeated
        self.default = default
        self.kind, self.wire, _ = SCALARS.get(type, (MESSAGE, LENGTH, None))
        if isinstance(type, Message):
            self.message = type
        self.packed = bool(packed) and self.wire != LENGTH

    cdef object resolve(self):
        if self.message is None:
            raise LookupError(f"{self.name}: {self.type!r} is neither a scalar nor in a Schema")

    def use_proto3(self):
        zero = SCALARS.get(self.type, (0, 0, None))[2]
        if self.repeated:
            self.packed = self.wire != LENGTH
        elif zero is not None:
            self.skip_zero = True
            if self.default is None:
                self.default = zero

    cdef object scalar(self, const unsigned char** p, const unsigned char* end):
        """Read one value of a number's kind and move p behind it."""
        cdef uint64_t raw = 0
        cdef uint32_t word
        cdef double real
        cdef float single
        cdef Py_ssize_t used
        if self.wire == VARINT:
            used = get_uvarint(<const char*>p[0], end - p[0], &raw)
            if used <= 0:
                raise Malformed(f"{self.name}: bad varint")
            p[0] += used
            if self.kind == UINT64:
                return raw
            if self.kind == INT64:
                return <int64_t>raw
            if self.kind == INT32 or self.kind == ENUM:
                return <int32_t>raw
            if self.kind == UINT32:
                return <uint32_t>raw
            if self.kind == BOOL:
                return raw != 0
            if self.kind == SINT64:
                return unzigzag(raw)
            return <int32_t>unzigzag(<uint32_t>raw)
        if self.wire == FIXED64:
            if end - p[0] < 8:
                raise Malformed(f"{self.name}: cut off")
            memcpy(&raw, p[0], 8)
            p[0] += 8
            if self.kind == DOUBLE:
                memcpy(&real, &raw, 8)
                return real
            return <int64_t>raw if self.kind == SFIXED64 else raw
        if end - p[0] < 4:
            raise Malformed(f"{self.name}: cut off")
        memcpy(&word, p[0], 4)
        p[0] += 4
        if self.kind == FLOAT:
            memcpy(&single, &word, 4)
            return <double>single
        return <int32_t>word if self.kind == SFIXED32 else word


cdef class Message:
    """The table of one message type; see the module.

    Invariants:
    1. Names and numbers are unique within a message.
    2. decode gives exactly the declared names, in their order.
    """

    def __init__(self, str name, *fields, proto3=False):
        self.name = name
        self.fields = fields
        self.by_number = {}
        self.absent = {}
        self.lists = []
        cdef Field f
        for f in fields:
            if f.number in self.by_number or f.name in self.absent:
                raise ValueError(f"{name}.{f.name}: name or number used twice")
            if proto3:
                f.use_proto3()
            self.by_number[f.number] = f
            self.absent[f.name] = f.default
            if f.repeated:
                self.lists.append(f.name)

    def __repr__(self):
        return f"<Message {self.name}>"

    def resolve(self, messages) -> None:
        """Look up the messages that fields name; `messages` maps names to Messages."""
        cdef Field f
        for f in self.fields:
            if f.kind == MESSAGE and f.message is None:
                if f.type not in messages:
                    raise LookupError(f"{self.name}.{f.name}: no type {f.type!r}")
                f.message = messages[f.type]

    def decode(self, const unsigned char[::1] data not None) -> dict:
        """The message that all of `data` holds; Malformed when it breaks the format."""
        cdef const unsigned char* p = &data[0] if data.shape[0] else NULL
        return self.fill(None, p, p + data.shape[0], 0)

    def decode_delimited(
        self, const unsigned char[::1] data not None, Py_ssize_t offset=0
    ) -> tuple[dict, int]:
        """The message behind the varint length at `offset`, and the offset after it."""
        cdef uint64_t length = 0
        cdef Py_ssize_t n = data.shape[0], used = 0
        if offset < 0 or offset > n:
            raise ValueError("offset outside the data")
        if offset < n:
            used = get_uvarint(<const char*>&data[offset], n - offset, &length)
        if used <= 0:
            raise Malformed(f"{self.name}: bad length")
        offset += used
        if length > <uint64_t>(n - offset):
            raise Malformed(f"{self.name}: {length} bytes declared, {n - offset} left")
        cdef const unsigned char* p = &data[0] + offset
        return self.fill(None, p, p + length, 0), offset + length

    cdef dict fill(self, dict into, const unsigned char* p, const unsigned char* end, int depth):
        cdef uint64_t key = 0, length = 0
        cdef Py_ssize_t used
        cdef Field f
        cdef int wire
        cdef const unsigned char* stop
        cdef list values
        if depth > depth_max:
            raise Malformed(f"{self.name}: nested deeper than {depth_max}")
        if into is None:
            into = self.absent.copy()
            for name in self.lists:
                into[name] = []
        while p < end:
            used = get_uvarint(<const char*>p, end - p, &key)
            if used <= 0 or key >> 3 == 0 or key >> 32:
                raise Malformed(f"{self.name}: bad field key")
            p += used
            wire = key & 7
            f = self.by_number.get(key >> 3)
            if f is None or (wire != f.wire and not (wire == LENGTH and f.repeated)):
                p = skip(self.name, key, p, end, depth)
                continue
            if wire != LENGTH:
                value = f.scalar(&p, end)
                if f.repeated:
                    (<list>into[f.name]).append(value)
                else:
                    into[f.name] = value
                continue
            used = get_uvarint(<const char*>p, end - p, &length)
            if used <= 0 or length > <uint64_t>(end - p - used):
                raise Malformed(f"{self.name}.{f.name}: bad length")
            p += used
            stop = p + length
            if f.kind == MESSAGE:
                f.resolve()
                before = None if f.repeated else into[f.name]
                value = f.message.fill(before, p, stop, depth + 1)
            elif f.kind == STRING:
                try:
                    value = PyUnicode_DecodeUTF8(<const char*>p, length, NULL)
                except UnicodeDecodeError as exc:
                    raise Malformed(f"{self.name}.{f.name}: not UTF-8") from exc
            elif f.kind == BYTES:
                value = PyBytes_FromStringAndSize(<const char*>p, length)
            else:
                values = into[f.name]
                while p < stop:
                    values.append(f.scalar(&p, stop))
                continue
            p = stop
            if f.repeated:
                (<list>into[f.name]).append(value)
            else:
                into[f.name] = value
        return into

    def encode(self, value) -> bytes:
        """The bytes of a message given as a dict."""
        cdef Out out = Out()
        self.put(out, value, 0)
        return PyBytes_FromStringAndSize(<char*>out.base + out.free, out.cap - out.free)

    def encode_delimited(self, value) -> bytes:
        """The bytes of a message behind their length as a varint."""
        cdef Out out = Out()
        self.put(out, value, 0)
        out.uvarint(out.cap - out.free)
        return PyBytes_FromStringAndSize(<char*>out.base + out.free, out.cap - out.free)

    cdef int put(self, Out out, value, int depth) except -1:
        cdef Py_ssize_t i, known = 0
        cdef Field f
        if depth > depth_max:
            raise ValueError(f"{self.name}: nested deeper than {depth_max}")
        for i in range(len(self.fields) - 1, -1, -1):
            f = self.fields[i]
            if f.name not in value:
                continue
            known += 1
            item = value[f.name]
            if item is None or (f.skip_zero and not item and not is_minus_zero(f, item)):
                continue
            if not f.repeated:
                put_value(out, f, item, depth)
                out.uvarint(<uint64_t>f.number << 3 | f.wire)
            elif not f.packed:
                for one in reversed(item):
                    put_value(out, f, one, depth)
                    out.uvarint(<uint64_t>f.number << 3 | f.wire)
            elif item:
                put_packed(out, f, item, depth)
        if known != len(value):
            unknown = sorted(set(value) - set(self.absent))
            raise ValueError(f"{self.name} has no field {', '.join(map(repr, unknown))}")
        return 0


cdef bint is_minus_zero(Field f, item):
    # proto3 leaves out zeros, but -0.0 is another value.
    return (f.kind == DOUBLE or f.kind == FLOAT) and str(item) == "-0.0"


cdef const unsigned char* skip(
    str name, uint64_t key, const unsigned char* p, const unsigned char* end, int depth
) except NULL:
    """Behind the value of an unknown field."""
    cdef uint64_t n = 0, inner = 0
    cdef Py_ssize_t used
    cdef int wire = key & 7
    if wire == VARINT or wire == LENGTH:
        used = get_uvarint(<const char*>p, end - p, &n)
        if used <= 0:
            raise Malformed(f"{name}: bad varint")
        p += used
        if wire == VARINT:
            return p
    elif wire == FIXED64:
        n = 8
    elif wire == FIXED32:
        n = 4
    elif wire == GROUP:
        if depth >= depth_max:
            raise Malformed(f"{name}: nested deeper than {depth_max}")
        while True:
            used = get_uvarint(<const char*>p, end - p, &inner)
            if used <= 0:
                raise Malformed(f"{name}: group is cut off")
            p += used
            if inner & 7 == GROUP_END:
                if inner >> 3 != key >> 3:
                    raise Malformed(f"{name}: group ends as another")
                return p
            p = skip(name, inner, p, end, depth + 1)
    else:
        raise Malformed(f"{name}: bad wire type {wire}")
    if n > <uint64_t>(end - p):
        raise Malformed(f"{name}: field is cut off")
    return p + n


cdef class Out:
    def __cinit__(self):
        self.cap = self.free = 256
        self.base = <unsigned char*>malloc(self.cap)
        if self.base == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.base)

    cdef unsigned char* room(self, size_t n) except NULL:
        """Room for n bytes before those written so far."""
        cdef size_t cap = self.cap
        cdef unsigned char* base
        if self.free < n:
            while cap - self.cap + self.free < n:
                cap *= 2
            base = <unsigned char*>malloc(cap)
            if base == NULL:
                raise MemoryError
            memcpy(base + (cap - self.cap + self.free), self.base + self.free,
                   self.cap - self.free)
            free(self.base)
            self.base = base
            self.free += cap - self.cap
            self.cap = cap
        self.free -= n
        return self.base + self.free

    cdef int uvarint(self, uint64_t v) except -1:
        cdef char[MAX_VARINT] digits
        cdef size_t n = put_uvarint(digits, v)
        memcpy(self.room(n), digits, n)
        return 0


cdef int put_value(Out out, Field f, item, int depth) except -1:
    cdef size_t after = out.cap - out.free
    cdef bytes raw
    if f.kind == MESSAGE:
        f.resolve()
        f.message.put(out, item, depth + 1)
        return out.uvarint(out.cap - out.free - after)
    if f.kind == STRING or f.kind == BYTES:
        raw = (<str?>item).encode() if f.kind == STRING else bytes(memoryview(item))
        memcpy(out.room(PyBytes_GET_SIZE(raw)), PyBytes_AS_STRING(raw), PyBytes_GET_SIZE(raw))
        return out.uvarint(PyBytes_GET_SIZE(raw))
    return put_number(out, f, item)


cdef int put_number(Out out, Field f, item) except -1:
    cdef uint64_t raw
    cdef uint32_t word
    cdef double real
    cdef float single
    if f.wire == VARINT:
        if f.kind == UINT64:
            raw = item
        elif f.kind == UINT32:
            raw = <uint32_t>item
        elif f.kind == SINT64:
            raw = zigzag(item)
        elif f.kind == SINT32:
            raw = <uint32_t>zigzag(<int32_t>item)
        elif f.kind == BOOL:
            raw = 1 if item else 0
        elif f.kind == INT64:
            raw = <uint64_t><int64_t>item
        else:
            raw = <uint64_t><int64_t><int32_t>item
        return out.uvarint(raw)
    if f.wire == FIXED64:
        if f.kind == DOUBLE:
            real = item
            memcpy(&raw, &real, 8)
        elif f.kind == SFIXED64:
            raw = <uint64_t><int64_t>item
        else:
            raw = item
        memcpy(out.room(8), &raw, 8)
        return 0
    if f.kind == FLOAT:
        single = item
        memcpy(&word, &single, 4)
    elif f.kind == SFIXED32:
        word = <uint32_t><int32_t>item
    else:
        word = item
    memcpy(out.room(4), &word, 4)
    return 0


cdef int put_packed(Out out, Field f, items, int depth) except -1:
    cdef size_t after = out.cap - out.free
    for item in reversed(items):
        put_number(out, f, item)
    out.uvarint(out.cap - out.free - after)
    return out.uvarint(<uint64_t>f.number << 3 | LENGTH)


class Schema(dict):
    """Messages that may name each other: a dict of them by name, resolved once."""

    def __init__(self, *messages):
        super().__init__((message.name, message) for message in messages)
        for message in messages:
            message.resolve(self)
