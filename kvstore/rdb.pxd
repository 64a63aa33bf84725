from libc.stdint cimport int64_t, uint64_t

from bedrock.net.buf cimport Buf


# Kinds of values in a file; the server writes the first of each type.
cdef enum Form:
    RDB_STRING = 0
    RDB_LIST = 1
    RDB_SET = 2
    RDB_ZSET_TEXT = 3              # scores as text, before 4.0
    RDB_HASH = 4
    RDB_ZSET = 5                   # scores as 8 bytes
    RDB_HASH_ZIPMAP = 9
    RDB_LIST_ZIPLIST = 10
    RDB_SET_INTSET = 11
    RDB_ZSET_ZIPLIST = 12
    RDB_HASH_ZIPLIST = 13
    RDB_QUICKLIST = 14             # of ziplists
    RDB_STREAM_OLD = 15            # before 7.0
    RDB_HASH_LISTPACK = 16
    RDB_ZSET_LISTPACK = 17
    RDB_QUICKLIST_2 = 18           # of listpacks and single elements
    RDB_STREAM = 19


# How a node of a list is told.
cdef enum Container:
    PLAIN = 1
    PACKED = 2


# What may stand in the place of a kind.
cdef enum Opcode:
    OP_FUNCTION = 245
    OP_MODULE_AUX = 247
    OP_IDLE = 248
    OP_FREQ = 249
    OP_AUX = 250
    OP_RESIZE = 251
    OP_EXPIRE_MS = 252
    OP_EXPIRE_S = 253
    OP_SELECT = 254
    OP_EOF = 255


cdef enum:
    RDB_VERSION = 10

    DELETED = 1                    # flags of a stream's entry
    SAME_FIELDS = 2


cdef int put_byte(Buf out, int byte) except -1
cdef int put_length(Buf out, uint64_t n) except -1
cdef int put_text(Buf out, const char* p, Py_ssize_t n) except -1
# The kind of a value, and the value.
cdef int put_kind(Buf out, object value) except -1
cdef int put_value(Buf out, object value) except -1
# A whole key as it stands in a file; expires_ms = -1: never.
cdef int put_key(Buf out, bytes key, object value, int64_t expires_ms) except -1
cdef int put_library(Buf out, bytes code) except -1
cdef int put_aux(Buf out, bytes name, bytes value) except -1
