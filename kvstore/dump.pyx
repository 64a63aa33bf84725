"""DUMP and RESTORE: one value as bytes, in the form of an RDB file; and all libraries as bytes.

    kind | value         | version:2 | crc64:8      (little-endian, the checksum over all before it)
    library | library... | version:2 | crc64:8      FUNCTION DUMP
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport INT64_MAX, int64_t, uint16_t, uint64_t
from libc.string cimport memcpy

from bedrock.net.buf cimport Buf
from bedrock.storage.errors import Damaged
from kvstore.crc64 cimport crc64_of
from kvstore.binding cimport define
from kvstore.engine cimport Client
from kvstore.keyspace cimport EVENT_GENERIC
from kvstore.rdb cimport OP_FUNCTION, RDB_VERSION, put_kind, put_library, put_value
from kvstore.rdb_read cimport Reader, is_empty
from kvstore.resp cimport Args, is_word, put_array, put_bulk, put_bytes, put_nil, put_ok
from kvstore.refusals import OUT_OF_MEMORY
from kvstore.resp import ReplyError
from kvstore.scripts cimport scripts_of
from kvstore.strings cimport int_of

cdef enum:
    FOOTER = 10


cdef int seal(Buf payload) except -1:
    """Append the version and the checksum."""
    cdef uint16_t version = RDB_VERSION
    cdef uint64_t crc
    payload.put(<const char*>&version, 2)
    crc = crc64_of(payload.p, payload.n, 0)
    return payload.put(<const char*>&crc, 8)


cdef Reader unsealed(Client c, bytes payload):
    """What stands before version and checksum, if these are right."""
    cdef Py_ssize_t n = PyBytes_GET_SIZE(payload)
    cdef const char* p = PyBytes_AS_STRING(payload)
    cdef uint16_t version
    cdef uint64_t crc
    if n < FOOTER:
        raise ReplyError("ERR DUMP payload version or checksum are wrong")
    memcpy(&version, p + n - FOOTER, 2)
    memcpy(&crc, p + n - 8, 8)
    if version > RDB_VERSION or crc64_of(p, n - 8, 0) != crc:
        raise ReplyError("ERR DUMP payload version or checksum are wrong")
    return Reader(c.store, None, PyBytes_FromStringAndSize(p, n - FOOTER))


def serialized_length(value) -> int:
    """Bytes a value takes in a file."""
    cdef Buf payload = Buf()
    put_value(payload, value)
    return payload.n


cpdef Buf sealed(value):
    """A value as DUMP gives it."""
    cdef Buf payload = Buf()
    put_kind(payload, value)
    put_value(payload, value)
    seal(payload)
    return payload


cdef int dump(Client c, Args a, Buf out) except -1:
    cdef Buf payload
    value = c.db.read(&a.v[1])
    if value is None:
        return put_nil(out, c.resp)
    payload = sealed(value)
    return put_bulk(out, payload.p, payload.n)


cdef object value_of(Client c, bytes payload):
    """The value of a payload."""
    cdef Reader reader = unsealed(c, payload)
    try:
        value = reader.value(reader.byte())
    except (Damaged, ValueError, IndexError, OverflowError):
        raise ReplyError("ERR Bad data format") from None
    if reader.at != PyBytes_GET_SIZE(payload) - FOOTER or is_empty(value):
        raise ReplyError("ERR Bad data format")
    return value


cdef int restore(Client c, Args a, Buf out) except -1:
    """RESTORE key ttl payload [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency]"""
    cdef bint replace = False, absolute = False
    cdef int64_t ttl, idle_s = -1, frequency = -1
    cdef Py_ssize_t i = 4
    cdef Buf record
    while i < a.n:
        if is_word(&a.v[i], "replace"):
            replace = True
        elif is_word(&a.v[i], "absttl"):
            absolute = True
        elif is_word(&a.v[i], "idletime") and i + 1 < a.n and frequency < 0:
            i += 1
            idle_s = int_of(&a.v[i])
            if idle_s < 0:
                raise ReplyError("ERR Invalid IDLETIME value, must be >= 0")
        elif is_word(&a.v[i], "freq") and i + 1 < a.n and idle_s < 0:
            i += 1
            frequency = int_of(&a.v[i])
            if not 0 <= frequency <= 255:
                raise ReplyError("ERR Invalid FREQ value, must be >= 0 and <= 255")
        else:
            raise ReplyError("ERR syntax error")
        i += 1
    if not replace and c.db.find(&a.v[1]) is not None:
        raise ReplyError("BUSYKEY Target key name already exists.")
    ttl = int_of(&a.v[2])
    if ttl < 0:
        raise ReplyError("ERR Invalid TTL value, must be >= 0")
    value = value_of(c, a.text(3))
    if ttl and not absolute:
        ttl = INT64_MAX if ttl > INT64_MAX - c.store.keyspace.now_ms \
            else ttl + c.store.keyspace.now_ms
    c.db.delete(&a.v[1])
    if not ttl or ttl > c.store.keyspace.now_ms or c.store.keyspace.loading:
        c.db.set(&a.v[1], value, False)
        if ttl:
            c.db.set_expiry(&a.v[1], ttl)
        if idle_s >= 0 or frequency >= 0:
            c.db.note_use(a.text(1), idle_s, frequency)
    c.db.changed(&a.v[1], EVENT_GENERIC, "restore")
    if ttl and not absolute:
        # The log must not need to know when this was.
        record = c.store.instead(c)
        if record is not None:
            put_array(record, 5 + replace)
            put_bytes(record, b"RESTORE")
            put_bulk(record, a.v[1].p, a.v[1].n)
            put_bytes(record, b"%d" % ttl)
            put_bulk(record, a.v[3].p, a.v[3].n)
            put_bytes(record, b"ABSTTL")
            if replace:
                put_bytes(record, b"REPLACE")
    return put_ok(out)


cdef int function_dump(Client c, Args a, Buf out) except -1:
    cdef Buf payload = Buf()
    for library in scripts_of(c).libraries.values():
        put_library(payload, library.code)
    seal(payload)
    return put_bulk(out, payload.p, payload.n)


cdef int function_restore(Client c, Args a, Buf out) except -1:
    """FUNCTION RESTORE payload [FLUSH | APPEND | REPLACE]: all libraries of it, or none."""
    cdef bint flush = a.n == 4 and is_word(&a.v[3], "flush")
    cdef bint replace = a.n == 4 and is_word(&a.v[3], "replace")
    cdef Reader reader
    cdef list codes = []
    if a.n > 4:
        raise ReplyError("ERR unknown subcommand or wrong number of arguments for 'restore'. "
                         "Try FUNCTION HELP.")
    if a.n == 4 and not flush and not replace and not is_word(&a.v[3], "append"):
        raise ReplyError("ERR Wrong restore policy given, value should be either FLUSH, APPEND or "
                         "REPLACE.")
    reader = unsealed(c, a.text(2))
    try:
        while reader.at < PyBytes_GET_SIZE(reader.data):
            if reader.byte() != OP_FUNCTION:
                raise ReplyError("ERR given type is not a function")
            codes.append(reader.text())
    except (Damaged, ValueError, IndexError, OverflowError):
        raise ReplyError("ERR Bad data format") from None
    if c.store.out_of_memory:
        raise ReplyError(OUT_OF_MEMORY)
    scripts_of(c).restore(codes, flush, replace)
    c.store.count_change()
    return put_ok(out)


define("function|dump", function_dump)
define("function|restore", function_restore)
define("dump", dump)
define("restore", restore)
define("restore-asking", restore)
