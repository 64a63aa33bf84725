"""RDB version 10, written: the format of Redis 7.0's snapshots, base files and DUMP payloads.

    REDIS0010 | aux fields | SELECT n, RESIZE keys deadlines | key ... | ... | EOF crc64
    key:  [ EXPIRE_MS deadline ] kind name value

    length   00nnnnnn | 01nnnnnn n | 80 n:4 | 81 n:8     (big-endian), 11nnnnnn = a string told
                                                         otherwise: 8, 16, 32-bit number or LZF

Lists are written run by run as they lie in memory, streams as listpacks, because there is no plain
kind of those; all else in plain kinds: strings as they are, collections as their elements one after
the other.  A redis-server reads them and packs them again as it likes.  Reading, in `rdb_read.pyx`,
knows every kind a 7.0 server writes.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport uint32_t

from kvstore.hashes cimport Hash
from kvstore.keyspace cimport HASH, LIST, SET, STREAM, ZSET, kind_of
from kvstore.listpack cimport Entry, encode, read, write
from kvstore.lists cimport List
from kvstore.resp cimport Arg, format_int
from kvstore.runs cimport Run, size_of_run
from kvstore.sets cimport START, Set, SetPlace
from kvstore.stream cimport Stream
from kvstore.stream_chunk cimport Chunk, Id, Pairs, next_pair
from kvstore.stream_groups cimport Consumer, Group, Pending, id_from
from kvstore.strings cimport text_of
from kvstore.words cimport read_word
from kvstore.zsets cimport Mark, ZSet

cdef enum:
    LONG = 1 << 30                 # bytes from which a run, of one element then, is no listpack

cdef Form[6] FORMS
FORMS[:] = [RDB_STRING, RDB_QUICKLIST_2, RDB_SET, RDB_ZSET, RDB_HASH, RDB_STREAM]


cdef int put_byte(Buf out, int byte) except -1:
    cdef char c = <char>byte
    return out.put(&c, 1)


cdef int put_big(Buf out, uint64_t n, int size) except -1:
    """A number of some bytes, the high ones first."""
    cdef char[8] text
    cdef int i
    for i in range(size):
        text[i] = <char>(n >> 8 * (size - 1 - i))
    return out.put(text, size)


cdef int put_length(Buf out, uint64_t n) except -1:
    if n < 64:
        return put_byte(out, <int>n)
    if n < 16384:
        put_byte(out, 0x40 | <int>(n >> 8))
        return put_byte(out, n & 0xFF)
    if n <= <uint32_t>-1:
        put_byte(out, 0x80)
        return put_big(out, n, 4)
    put_byte(out, 0x81)
    return put_big(out, n, 8)


cdef int put_text(Buf out, const char* p, Py_ssize_t n) except -1:
    put_length(out, n)
    return out.put(p, n)


cdef int put_object_text(Buf out, bytes text) except -1:
    return put_text(out, PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text))


cdef int put_aux(Buf out, bytes name, bytes value) except -1:
    put_byte(out, OP_AUX)
    put_object_text(out, name)
    return put_object_text(out, value)


cdef int put_library(Buf out, bytes code) except -1:
    """A library of functions."""
    put_byte(out, OP_FUNCTION)
    return put_object_text(out, code)


cdef int put_kind(Buf out, object value) except -1:
    return put_byte(out, FORMS[<int>kind_of(value)])


cdef int put_key(Buf out, bytes key, object value, int64_t expires_ms) except -1:
    if expires_ms >= 0:
        put_byte(out, OP_EXPIRE_MS)
        out.put(<const char*>&expires_ms, 8)
    put_kind(out, value)
    put_object_text(out, key)
    return put_value(out, value)


cdef int put_value(Buf out, object value) except -1:
    cdef Arg text
    cdef int kind = kind_of(value)
    if kind == LIST:
        return put_list(out, <List>value)
    if kind == SET:
        return put_set(out, <Set>value)
    if kind == ZSET:
        return put_zset(out, <ZSet>value)
    if kind == HASH:
        return put_hash(out, <Hash>value)
    if kind == STREAM:
        return put_stream(out, <Stream>value)
    text_of(value, &text)
    return put_text(out, text.p, text.n)


cdef int put_listpack(Buf out, const char* p, Py_ssize_t n, Py_ssize_t entries) except -1:
    """Entries with what a listpack has around them: bytes:4 count:2 | entries | ff"""
    cdef uint32_t size = n + 7
    cdef int counted = min(entries, <Py_ssize_t>0xFFFF)
    put_length(out, size)
    out.put(<const char*>&size, 4)
    out.put(<const char*>&counted, 2)
    out.put(p, n)
    return put_byte(out, 0xFF)


cdef int put_list(Buf out, List value) except -1:
    """Its runs; an element longer than a listpack should be stands by itself."""
    cdef Py_ssize_t i
    cdef Run* run
    cdef char[24] digits
    cdef Arg element
    put_length(out, value.held)
    for i in range(value.held):
        run = value.run(i)
        if size_of_run(run) < LONG:
            put_length(out, PACKED)
            put_listpack(out, run.p + run.start, size_of_run(run), run.count)
        else:
            put_length(out, PLAIN)
            read(run.p + run.start, &element, digits)
            put_text(out, element.p, element.n)
    return 0


cdef int put_set(Buf out, Set value) except -1:
    cdef SetPlace place = START
    cdef Arg member
    put_length(out, value.length())
    while value.next(&place, &member):
        put_text(out, member.p, member.n)
    return 0


cdef int put_hash(Buf out, Hash value) except -1:
    cdef Arg field, text
    cdef Py_ssize_t at = 0
    put_length(out, value.length())
    while value.next(&at, &field, &text):
        put_text(out, field.p, field.n)
        put_text(out, text.p, text.n)
    return 0


cdef int put_zset(Buf out, ZSet value) except -1:
    cdef Mark mark = value.at(0)
    cdef Arg member
    cdef double score
    put_length(out, value.length())
    while value.next(&mark, &member, &score):
        put_text(out, member.p, member.n)
        out.put(<const char*>&score, 8)
    return 0


# ---------------------------------------------------------------------- streams

cdef int put_raw_id(Buf out, Id id) except -1:
    put_big(out, id.ms, 8)
    return put_big(out, id.seq, 8)


cdef int put_id_lengths(Buf out, Id id) except -1:
    put_length(out, id.ms)
    return put_length(out, id.seq)


cdef int put_entry(Buf out, const Arg* text) except -1:
    """An entry of a listpack."""
    cdef Entry entry
    encode(text, &entry)
    write(out.room(entry.size), &entry)
    out.n += entry.size
    return 0


cdef int put_packed_int(Buf out, int64_t n) except -1:
    cdef char[24] digits
    cdef Arg text
    text.p = digits
    text.n = format_int(digits, n)
    return put_entry(out, &text)


cdef int put_chunk(Buf out, Chunk chunk) except -1:
    """Entries as a listpack: a master entry, whose id and fields the others are told from, then each.

        count  deleted=0  n  field ...  0
        flags=2  ms  seq  value ...  entries so far        with the fields of the master entry
        flags=0  ms  seq  n  field value ...  entries so far
    """
    cdef Buf pack = Buf()
    cdef Py_ssize_t i, n, entries = 4 + chunk.fields
    cdef const char* names = chunk.text
    cdef Pairs pairs
    cdef Arg name, value
    put_packed_int(pack, chunk.n)
    put_packed_int(pack, 0)
    put_packed_int(pack, chunk.fields)
    for _ in range(chunk.fields):
        names = read_word(names, &name)
        put_entry(pack, &name)
    put_packed_int(pack, 0)
    for i in range(chunk.n):
        chunk.open(i, &pairs)
        same = pairs.value is not NULL
        n = pairs.left + 3 if same else 2 * pairs.left + 4
        put_packed_int(pack, SAME_FIELDS if same else 0)
        put_packed_int(pack, chunk.marks[i].ms)
        put_packed_int(pack, chunk.marks[i].seq)
        if not same:
            put_packed_int(pack, pairs.left)
        while pairs.left:
            next_pair(&pairs, &name, &value)
            if not same:
                put_entry(pack, &name)
            put_entry(pack, &value)
        put_packed_int(pack, n)
        entries += n + 1
    put_length(out, 16)
    put_raw_id(out, chunk.base)
    return put_listpack(out, pack.p, pack.n, entries)


cdef int put_group(Buf out, bytes name, Group group) except -1:
    cdef Pending one
    cdef Consumer consumer
    put_object_text(out, name)
    put_id_lengths(out, group.last)
    put_length(out, <uint64_t>group.read)
    put_length(out, len(group.pending))
    for id, one in group.pending.items():
        put_raw_id(out, id_from(id))
        out.put(<const char*>&one.delivered_ms, 8)
        put_length(out, one.deliveries)
    put_length(out, len(group.consumers))
    for consumer in group.consumers.values():
        put_object_text(out, consumer.name)
        out.put(<const char*>&consumer.seen_ms, 8)
        put_length(out, len(consumer.pending))
        for id in consumer.pending:
            put_raw_id(out, id_from(id))
    return 0


cdef int put_stream(Buf out, Stream value) except -1:
    put_length(out, len(value.chunks))
    for chunk in value.chunks:
        put_chunk(out, <Chunk>chunk)
    put_length(out, value.n)
    put_id_lengths(out, value.last)
    put_id_lengths(out, value.first())
    put_id_lengths(out, value.deleted)
    put_length(out, value.added)
    put_length(out, len(value.groups or ()))
    for name, group in (value.groups or {}).items():
        put_group(out, name, <Group>group)
    return 0
