"""DEBUG DIGEST: forty hex digits that are equal for equal data, whatever its order and encoding.

    mix(digest, x)   digest = SHA1(digest ^ SHA1(x))         order matters: a list, a field's value
    merge(digest, x) digest ^= SHA1(x)                       it does not: members, fields, keys

The digits are those of redis-server for the same data, so the two can be compared over a wire.
"""

from hashlib import sha1

from cpython.bytes cimport PyBytes_FromStringAndSize

from kvstore.hashes cimport Hash
from kvstore.hashtable cimport Slot
from kvstore.keyspace cimport HASH, LIST, SET, STREAM, STRING, ZSET, Database, as_arg, kind_of
from kvstore.resp cimport Arg
from kvstore.stream cimport Stream
from kvstore.stream_chunk cimport Chunk, Id
from kvstore.zsets cimport Mark, ZSet

# The numbers redis-server has for its types.
TYPE_NUMBERS = {STRING: 0, LIST: 1, SET: 2, ZSET: 3, HASH: 4, STREAM: 6}


def number(text: bytes) -> int:
    """The SHA-1 of a text, as a number: they are combined by exclusive or."""
    return int.from_bytes(sha1(text).digest(), "big")


def mix(digest: int, text: bytes) -> int:
    """Mix in a text whose place matters."""
    return number((digest ^ number(text)).to_bytes(20, "big"))


def pair(one: bytes, other: bytes) -> int:
    """The digest of two texts that belong together."""
    return number(mix(mix(0, one), other).to_bytes(20, "big"))


def elements_of(value):
    """Texts that matter in their order, or (True, digests) of those that do not."""
    cdef Mark mark
    cdef double score
    cdef Arg field, text
    cdef Py_ssize_t at = 0
    cdef Chunk chunk
    cdef Id id
    cdef int kind = kind_of(value)
    cdef list found = []
    if kind == STRING:
        return False, [bytes(value)]
    if kind == LIST:
        return False, value.elements()
    if kind == SET:
        return True, [number(member) for member in value.elements()]
    if kind == HASH:
        while (<Hash>value).next(&at, &field, &text):
            found.append(pair(
                PyBytes_FromStringAndSize(field.p, field.n),
                PyBytes_FromStringAndSize(text.p, text.n)))
        return True, found
    if kind == ZSET:
        mark = (<ZSet>value).at(0)
        while (<ZSet>value).next(&mark, &field, &score):
            found.append(pair(PyBytes_FromStringAndSize(field.p, field.n), b"%.17g" % score))
        return True, found
    for chunk in (<Stream>value).chunks:
        for i in range(chunk.n):
            id = chunk.id(i)
            found.append(b"%d.%d" % (id.ms, id.seq))
            found += chunk.words(i)
    return False, found


def mix_value(digest: int, Database db not None, key: bytes, value) -> int:
    """Mix in a value and whether it has a deadline."""
    cdef Arg arg = as_arg(key)
    digest = mix(digest, TYPE_NUMBERS[kind_of(value)].to_bytes(4, "big"))
    unordered, parts = elements_of(value)
    for part in parts:
        digest = digest ^ part if unordered else mix(digest, part)
    if db.expires_at(&arg) >= 0:
        digest ^= number(b"!!expire!!")
    return digest


def value_digest(Database db not None, key: bytes) -> str:
    """The digest of the value at a key, zeros without one (DEBUG DIGEST-VALUE)."""
    value = db.get(key)
    return f"{0 if value is None else mix_value(0, db, key, value):040x}"


def data_digest(databases: list) -> str:
    """The digest of all databases (DEBUG DIGEST)."""
    cdef Database db
    cdef Slot* slot
    cdef size_t i
    total = 0
    for db in databases:
        if not db.keys.used:
            continue
        total = mix(total, db.index.to_bytes(4, "big"))
        for i in range(db.keys.end):
            slot = &db.keys.slots[i]
            if slot.key is not NULL and not (db.expires.used and db.is_dead(slot)):
                key = <bytes>slot.key
                digest = mix_value(mix(0, key), db, key, db.get(key))
                total ^= number(digest.to_bytes(20, "big"))
    return f"{total:040x}"
