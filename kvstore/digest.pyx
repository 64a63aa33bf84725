"""DEBUG DIGEST: forty hex digits that are equal for equal data, whatever its order and encoding.

    mix(digest, x)   digest = SHA1(digest ^ SHA1(x))         order matters: a list, a field's value
    merge(digest, x) digest ^= SHA1(x)                       it does not: members, fields, keys

The digits are those of redis-server for the same data, so the two can be compared over a wire.
SHA-1 itself (FIPS 180-4) is written out here: a call into a library costs more than its work for
the few bytes of a key.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcpy, memset

from kvstore.hashes cimport Hash
from kvstore.hashtable cimport Slot
from kvstore.keyspace cimport HASH, LIST, SET, STREAM, STRING, ZSET, Database, as_arg, kind_of
from kvstore.resp cimport Arg
from kvstore.resp import decode
from kvstore.skiplist cimport Node
from kvstore.stream cimport Chunk, Stream
from kvstore.strings cimport text_of
from kvstore.zsets cimport ZSet

cdef enum:
    SIZE = 20                      # bytes of a digest
    BLOCK = 64

cdef struct Digest:
    unsigned char[SIZE] bytes

# The numbers redis-server has for its types.
TYPE_NUMBERS = {STRING: 0, LIST: 1, SET: 2, ZSET: 3, HASH: 4, STREAM: 6}


# ---------------------------------------------------------------------- SHA-1

cdef inline uint32_t turn(uint32_t x, int n) noexcept nogil:
    return x << n | x >> (32 - n)


cdef inline void step(uint32_t* v, uint32_t f, uint32_t k) noexcept nogil:
    cdef uint32_t a = turn(v[0], 5) + f + v[4] + k
    v[4] = v[3]
    v[3] = v[2]
    v[2] = turn(v[1], 30)
    v[1] = v[0]
    v[0] = a


cdef void add_block(uint32_t* state, const unsigned char* p) noexcept nogil:
    """Take one block in."""
    cdef uint32_t[80] w
    cdef uint32_t[5] v             # a, b, c, d, e
    cdef int i
    for i in range(16):
        w[i] = <uint32_t>p[4 * i] << 24 | <uint32_t>p[4 * i + 1] << 16 \
            | <uint32_t>p[4 * i + 2] << 8 | p[4 * i + 3]
    for i in range(16, 80):
        w[i] = turn(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1)
    memcpy(v, state, sizeof(v))
    for i in range(20):
        step(v, v[1] & v[2] | ~v[1] & v[3], <uint32_t>0x5A827999 + w[i])
    for i in range(20, 40):
        step(v, v[1] ^ v[2] ^ v[3], <uint32_t>0x6ED9EBA1 + w[i])
    for i in range(40, 60):
        step(v, v[1] & v[2] | v[1] & v[3] | v[2] & v[3], <uint32_t>0x8F1BBCDC + w[i])
    for i in range(60, 80):
        step(v, v[1] ^ v[2] ^ v[3], <uint32_t>0xCA62C1D6 + w[i])
    for i in range(5):
        state[i] += v[i]


cdef Digest sha1(const char* p, size_t n) noexcept nogil:
    """The SHA-1 of n bytes."""
    cdef uint32_t[5] state
    cdef unsigned char[2 * BLOCK] last
    cdef Digest result
    cdef uint64_t bits = <uint64_t>n * 8
    cdef size_t whole = n - n % BLOCK, end, at
    cdef int i
    state[0], state[1], state[2] = 0x67452301, 0xEFCDAB89, 0x98BADCFE
    state[3], state[4] = 0x10325476, 0xC3D2E1F0
    at = 0
    while at < whole:
        add_block(state, <const unsigned char*>p + at)
        at += BLOCK
    # The rest, a one bit, zeros, and the length in bits.
    n -= whole
    end = BLOCK if n < BLOCK - 8 else 2 * BLOCK
    memset(last, 0, end)
    memcpy(last, p + whole, n)
    last[n] = 0x80
    for i in range(8):
        last[end - 1 - i] = <unsigned char>(bits >> (8 * i))
    at = 0
    while at < end:
        add_block(state, last + at)
        at += BLOCK
    for i in range(SIZE):
        result.bytes[i] = <unsigned char>(state[i // 4] >> (24 - 8 * (i % 4)))
    return result


# ---------------------------------------------------------------------- digests

cdef void merge(Digest* digest, const char* p, size_t n) noexcept nogil:
    """Merge in a text, or another digest, whose place does not matter."""
    cdef Digest text = sha1(p, n)
    cdef int i
    for i in range(SIZE):
        digest.bytes[i] ^= text.bytes[i]


cdef void mix(Digest* digest, const char* p, size_t n) noexcept nogil:
    """Mix in a text whose place matters."""
    merge(digest, p, n)
    digest[0] = sha1(<const char*>digest.bytes, SIZE)


cdef int mix_bytes(Digest* digest, bytes text) except -1:
    mix(digest, PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text))
    return 0


cdef int mix_pair(Digest* digest, const Arg* name, const char* p, size_t n) except -1:
    """Merge in a field or member with what belongs to it."""
    cdef Digest pair
    memset(&pair, 0, sizeof(pair))
    mix(&pair, name.p, name.n)
    mix(&pair, p, n)
    merge(digest, <const char*>pair.bytes, SIZE)
    return 0


cdef int mix_value(Digest* digest, Database db, bytes key, object value) except -1:
    """Mix in a value and whether it has a deadline."""
    cdef Node* node
    cdef Arg field, text, arg = as_arg(key)
    cdef Py_ssize_t at = 0
    cdef Chunk chunk
    cdef int kind = kind_of(value), i
    mix_bytes(digest, TYPE_NUMBERS[kind].to_bytes(4, "big"))
    if kind == STRING:
        text_of(value, &text)
        mix(digest, text.p, text.n)
    elif kind == LIST:
        for element in value.elements():
            mix_bytes(digest, element)
    elif kind == SET:
        for member in value.elements():
            merge(digest, PyBytes_AS_STRING(member), PyBytes_GET_SIZE(member))
    elif kind == HASH:
        while (<Hash>value).next(&at, &field, &text):
            mix_pair(digest, &field, text.p, text.n)
    elif kind == ZSET:
        node = (<ZSet>value).order.head.lanes[0].next
        while node is not NULL:
            field = as_arg(<bytes>node.member)
            score = b"%.17g" % node.score
            mix_pair(digest, &field, PyBytes_AS_STRING(score), PyBytes_GET_SIZE(score))
            node = node.lanes[0].next
    else:
        for chunk in (<Stream>value).chunks:
            for i in range(chunk.n):
                mix_bytes(digest, b"%d.%d" % (chunk.ids[i].ms, chunk.ids[i].seq))
                for word in decode(chunk.bodies[i])[0]:
                    mix_bytes(digest, word)
    if db.expires_at(&arg) >= 0:
        merge(digest, b"!!expire!!", 10)
    return 0


cdef str in_hex(const Digest* digest):
    return (<const char*>digest.bytes)[:SIZE].hex()


def value_digest(Database db not None, bytes key not None) -> str:
    """The digest of the value at a key, zeros without one (DEBUG DIGEST-VALUE)."""
    cdef Digest digest
    memset(&digest, 0, sizeof(digest))
    value = db.get(key)
    if value is not None:
        mix_value(&digest, db, key, value)
    return in_hex(&digest)


def data_digest(list databases not None) -> str:
    """The digest of all databases (DEBUG DIGEST)."""
    cdef Database db
    cdef Slot* slot
    cdef size_t i
    cdef Digest total, one
    memset(&total, 0, sizeof(total))
    for db in databases:
        if not db.keys.used:
            continue
        mix_bytes(&total, db.index.to_bytes(4, "big"))
        for i in range(db.keys.end):
            slot = &db.keys.slots[i]
            if slot.key is not NULL and not (db.expires.used and db.is_dead(slot)):
                key = <bytes>slot.key
                memset(&one, 0, sizeof(one))
                mix_bytes(&one, key)
                mix_value(&one, db, key, db.get(key))
                merge(&total, <const char*>one.bytes, SIZE)
    return in_hex(&total)
