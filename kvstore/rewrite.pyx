"""A snapshot as requests that make the data again: the base of an append-only file without RDB.

    SELECT db ─► RPUSH, HSET, SADD, ZADD, XADD ..., SET ─► PEXPIREAT       for each key

Collections go in pieces of `CHUNK` elements, so that no request is out of proportion.
"""

from libc.stdint cimport int64_t

from bedrock.net.buf cimport Buf
from kvstore.hashes cimport Hash
from kvstore.keyspace cimport HASH, LIST, SET, STREAM, Database, Value
from kvstore.lists cimport List, Place
from kvstore.resp cimport Arg, format_double, put_array, put_bulk, put_bytes, put_object
from kvstore.sets cimport START, Set, SetPlace
from kvstore.snapshot cimport DatabaseWalk, Snapshot
from kvstore.stream cimport NOTHING, Stream, put_id
from kvstore.stream_chunk cimport Chunk, Pairs, compare, id_text, next_pair
from kvstore.stream_groups cimport Consumer, Group, Pending
from kvstore.strings cimport text_of
from kvstore.zsets cimport Mark, ZSet

cdef enum:
    CHUNK = 64


cdef int put_head(Buf out, bytes name, bytes key, Py_ssize_t words) except -1:
    put_array(out, words + 2)
    put_bytes(out, name)
    return put_bytes(out, key)


cdef int put_string(Buf out, bytes key, object value) except -1:
    cdef Arg text
    text_of(value, &text)
    put_head(out, b"SET", key, 1)
    return put_bulk(out, text.p, text.n)


cdef int put_list(Buf out, bytes key, List value) except -1:
    cdef Py_ssize_t i
    cdef Place place
    cdef Arg element
    value.seek(0, &place)
    for i in range(value.n):
        if i % CHUNK == 0:
            put_head(out, b"RPUSH", key, min(<Py_ssize_t>CHUNK, value.n - i))
        value.read(&place, &element)
        put_bulk(out, element.p, element.n)
    return 0


cdef int put_hash(Buf out, bytes key, Hash value) except -1:
    cdef Arg field, text
    cdef Py_ssize_t at = 0, i = 0
    while value.next(&at, &field, &text):
        if i % CHUNK == 0:
            put_head(out, b"HSET", key, min(<Py_ssize_t>CHUNK, value.length() - i) * 2)
        put_bulk(out, field.p, field.n)
        put_bulk(out, text.p, text.n)
        i += 1
    return 0


cdef int put_members(Buf out, bytes key, Set value) except -1:
    cdef SetPlace place = START
    cdef Arg member
    cdef Py_ssize_t i = 0
    while value.next(&place, &member):
        if i % CHUNK == 0:
            put_head(out, b"SADD", key, min(<Py_ssize_t>CHUNK, value.length() - i))
        put_bulk(out, member.p, member.n)
        i += 1
    return 0


cdef int put_zset(Buf out, bytes key, ZSet value) except -1:
    cdef Mark mark = value.at(0)
    cdef Arg member
    cdef double score
    cdef char[40] text
    cdef Py_ssize_t i = 0
    while value.next(&mark, &member, &score):
        if i % CHUNK == 0:
            put_head(out, b"ZADD", key, min(<Py_ssize_t>CHUNK, value.length() - i) * 2)
        put_bulk(out, text, format_double(text, score))
        put_bulk(out, member.p, member.n)
        i += 1
    return 0


cdef int put_entries(Buf out, bytes key, Stream value) except -1:
    """XADD for each entry."""
    cdef Chunk chunk
    cdef Py_ssize_t i
    cdef Pairs pairs
    cdef Arg name, text
    for chunk in value.chunks:
        for i in range(chunk.n):
            chunk.open(i, &pairs)
            put_head(out, b"XADD", key, 1 + 2 * pairs.left)
            put_id(out, chunk.id(i))
            while pairs.left:
                next_pair(&pairs, &name, &text)
                put_bulk(out, name.p, name.n)
                put_bulk(out, text.p, text.n)
    return 0


cdef int put_stream(Buf out, bytes key, Stream value) except -1:
    """The entries, how far its ids have come, its groups, their consumers, what is pending."""
    cdef Group group
    cdef Consumer consumer
    cdef Pending one
    cdef list requests = []
    put_entries(out, key, value)
    if not value.n:
        # A stream begins with an entry; MAXLEN 0 takes it away again.
        first = id_text(value.last) if compare(value.last, NOTHING) else b"0-1"
        requests.append([b"XADD", key, b"MAXLEN", b"0", first, b"x", b"y"])
    requests.append([b"XSETID", key, id_text(value.last), b"ENTRIESADDED", b"%d" % value.added,
                     b"MAXDELETEDID", id_text(value.deleted)])
    for name, group in (value.groups or {}).items():
        requests.append([b"XGROUP", b"CREATE", key, name, id_text(group.last), b"ENTRIESREAD",
                         b"%d" % group.read])
        for consumer in group.consumers.values():
            requests.append([b"XGROUP", b"CREATECONSUMER", key, name, consumer.name])
        for id, one in group.pending.items():
            requests.append([b"XCLAIM", key, name, one.consumer.name, b"0", b"%d-%d" % id, b"TIME",
                             b"%d" % one.delivered_ms, b"RETRYCOUNT", b"%d" % one.deliveries,
                             b"FORCE", b"JUSTID"])
    for request in requests:
        put_object(out, request, 2)
    return 0


cdef int put_value(Buf out, bytes key, object value) except -1:
    """Requests that make a value of any type."""
    if not isinstance(value, Value):
        return put_string(out, key, value)
    if (<Value>value).kind == LIST:
        return put_list(out, key, <List>value)
    if (<Value>value).kind == HASH:
        return put_hash(out, key, <Hash>value)
    if (<Value>value).kind == SET:
        return put_members(out, key, <Set>value)
    if (<Value>value).kind == STREAM:
        return put_stream(out, key, <Stream>value)
    return put_zset(out, key, <ZSet>value)


cdef class RequestWalk(DatabaseWalk):
    """A database as requests."""

    cdef int put_head(self) except -1:
        put_array(self.out, 2)
        put_bytes(self.out, b"SELECT")
        return put_bytes(self.out, b"%d" % self.index)

    cdef int put(self, bytes key, object value, int64_t deadline) except -1:
        put_value(self.out, key, value)
        if deadline >= 0:
            put_head(self.out, b"PEXPIREAT", key, 1)
            put_bytes(self.out, b"%d" % deadline)
        return 0


cdef class Requests(Snapshot):
    """A snapshot for those who want no RDB in the folder of their append-only file."""

    cdef int put_head(self, bint aof_base) except -1:
        if self.store.parameters["aof-timestamp-enabled"]:
            self.out.write(b"#TS:%d\r\n" % (self.store.keyspace.now_ms // 1000))
        return 0

    cdef int put_functions(self, bytes code) except -1:
        return put_object(self.out, [b"FUNCTION", b"LOAD", code], 2)

    cdef DatabaseWalk walk(self, Database db):
        return RequestWalk(db, Buf())

    cdef int put_end(self) except -1:
        return 0

    cdef bytes checksum(self):
        return b""
