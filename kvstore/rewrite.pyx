"""The state as requests that make it: what a rewrite of the append-only file writes.

Collections go in pieces of `CHUNK` elements, so that no request is out of proportion.
"""

from cpython.object cimport PyObject

from bedrock.net.buf cimport Buf
from kvstore.hashes cimport Hash
from kvstore.hashtable cimport Slot
from kvstore.keyspace cimport HASH, LIST, SET, STREAM, Database, Value, as_arg
from kvstore.lists cimport List
from kvstore.resp cimport Arg, format_double, put_array, put_bulk, put_bytes, put_object
from kvstore.sets cimport Set
from kvstore.stream cimport NOTHING, Chunk, Stream, compare, id_text, put_id
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
    cdef Py_ssize_t i, place = 0
    cdef Arg element
    for i in range(value.n):
        if i % CHUNK == 0:
            put_head(out, b"RPUSH", key, min(<Py_ssize_t>CHUNK, value.n - i))
        place = value.read(place, &element)
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
    cdef Py_ssize_t i
    cdef list members = value.members()
    for i in range(len(members)):
        if i % CHUNK == 0:
            put_head(out, b"SADD", key, min(<Py_ssize_t>CHUNK, len(members) - i))
        put_bytes(out, members[i])
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
    """XADD for each entry; its body is a RESP array, whose words follow the id."""
    cdef Chunk chunk
    cdef Py_ssize_t i, head
    cdef bytes body
    for chunk in value.chunks:
        for i in range(chunk.n):
            body = <bytes>chunk.bodies[i]
            head = body.index(b"\r\n")
            put_head(out, b"XADD", key, 1 + int(body[1:head]))
            put_id(out, chunk.ids[i])
            out.write(body[head + 2:])
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


def write_libraries(scripts, Buf out not None) -> None:
    """Append requests that load the libraries of functions; scripts may be None."""
    if scripts is not None:
        for library in scripts.libraries.values():
            put_object(out, [b"FUNCTION", b"LOAD", library.code], 2)


def write_database(Database db not None, Buf out not None, full) -> None:
    """Append requests that make a database; `full()` is called whenever out has grown much."""
    cdef size_t i
    cdef Slot* slot
    cdef bytes key
    cdef Arg arg
    cdef bytes number
    if db.keys.used == 0:
        return
    number = b"%d" % db.index
    put_array(out, 2)
    put_bytes(out, b"SELECT")
    put_bytes(out, number)
    for i in range(db.keys.end):
        slot = &db.keys.slots[i]
        if slot.key is NULL:
            continue
        key = <bytes>slot.key
        value = <object><PyObject*>slot.value
        if not isinstance(value, Value):
            put_string(out, key, value)
        elif (<Value>value).kind == LIST:
            put_list(out, key, <List>value)
        elif (<Value>value).kind == HASH:
            put_hash(out, key, <Hash>value)
        elif (<Value>value).kind == SET:
            put_members(out, key, <Set>value)
        elif (<Value>value).kind == STREAM:
            put_stream(out, key, <Stream>value)
        else:
            put_zset(out, key, <ZSet>value)
        arg = as_arg(key)
        if db.expires_at(&arg) >= 0:
            put_head(out, b"PEXPIREAT", key, 1)
            put_bytes(out, b"%d" % db.expires_at(&arg))
        if out.n > 1 << 20:
            full()
