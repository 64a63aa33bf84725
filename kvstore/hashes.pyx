"""Hashes: fields and values under one key.

Small ones are packed in one run of memory and keep the order of insertion ("listpack"); past
`hash-max-listpack-entries` fields or `hash-max-listpack-value` bytes of one, a hash becomes a hash
table and stays one ("hashtable").
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t, uint64_t

from bedrock.net.buf cimport Buf
from bedrock.world.rand cimport Rand
from kvstore.binding cimport define
from kvstore.engine cimport Client
from kvstore.hashtable cimport Slot, read_slot
from kvstore.keyspace cimport EVENT_HASH, HASH, as_arg
from kvstore.resp cimport Args, format_int, format_long_double, is_word, parse_int, \
    parse_long_double, put_array, put_bulk, put_bytes, put_int, put_map, put_nil, put_ok
from kvstore.resp import ReplyError
from kvstore.scan cimport ScanOptions, put_scan, scan_cursor, scan_options, wanted
from kvstore.strings cimport draws_of, int_of
from kvstore.words cimport read_word, word_weight


@cython.no_gc                      # no value leads to itself
cdef class Hash(Value):
    """Invariant 1: exactly one of `small` and `big` is not None."""

    def __cinit__(self):
        self.kind = HASH
        self.small = Packed()

    cdef Py_ssize_t length(self) noexcept:
        return self.small.count // 2 if self.small is not None else self.big.used

    cdef str encoding_name(self):
        return "listpack" if self.small is not None else "hashtable"

    cdef Value duplicate(self):
        cdef Hash copy = Hash()
        cdef Arg field, value
        cdef Py_ssize_t at = 0
        if self.small is None:
            copy.convert()
            copy.big.reserve(self.big.used)
        while self.next(&at, &field, &value):
            copy.set(&field, &value, INT64_MAX, INT64_MAX)
        return copy

    def field(self, name: bytes) -> bytes | None:
        """The value of a field, None without it."""
        cdef Arg arg = as_arg(name)
        cdef Arg value
        return PyBytes_FromStringAndSize(value.p, value.n) if self.get(&arg, &value) else None

    @property
    def memory(self) -> int:
        """Bytes it takes."""
        cdef Arg field, value
        cdef Py_ssize_t at = 0, words = 0
        if self.small is not None:
            return self.small.memory
        while self.next(&at, &field, &value):
            words += word_weight(field.n) + word_weight(value.n)
        return self.big.memory + words

    cdef bint get(self, const Arg* field, Arg* value) noexcept:
        cdef Py_ssize_t at
        cdef Slot* slot
        if self.small is not None:
            at = self.small.find(field, 2)
            if at < 0:
                return False
            self.small.read(self.small.read(at, value), value)
            return True
        slot = self.big.find(field.p, field.n)
        if slot is NULL:
            return False
        read_word(<const char*>slot.value, value)
        return True

    cdef bint set(self, const Arg* field, const Arg* value, Py_ssize_t max_entries,
                  Py_ssize_t max_value) except -1:
        cdef Py_ssize_t at
        cdef Arg name
        if self.small is not None and (field.n > max_value or value.n > max_value):
            self.convert()
        if self.small is None:
            return self.big.put_word(field, value)
        at = self.small.find(field, 2)
        if at >= 0:
            self.small.replace(self.small.read(at, &name), value)
            return False
        self.small.append(field)
        self.small.append(value)
        if self.length() > max_entries:
            self.convert()
        return True

    cdef bint remove(self, const Arg* field) except -1:
        cdef Py_ssize_t at
        if self.small is None:
            return self.big.discard(field.p, field.n)
        at = self.small.find(field, 2)
        if at < 0:
            return False
        self.small.erase(at, 2)
        return True

    cdef bint next(self, Py_ssize_t* at, Arg* field, Arg* value) noexcept:
        cdef Slot* slot
        if self.small is not None:
            if at[0] >= self.small.n:
                return False
            at[0] = self.small.read(self.small.read(at[0], field), value)
            return True
        while at[0] < <Py_ssize_t>self.big.end:
            slot = &self.big.slots[at[0]]
            at[0] += 1
            if slot.key is not NULL:
                read_slot(slot, field, value)
                return True
        return False

    cdef int convert(self) except -1:
        """From packed to table; there is no way back."""
        cdef HashTable table = HashTable(words=True)
        cdef Arg field, value
        cdef Py_ssize_t at = 0
        while self.next(&at, &field, &value):
            table.put_word(&field, &value)
        self.big = table
        self.small = None
        return 0


cdef Hash hash_for_write(Client c, const Arg* key):
    cdef Hash value = <Hash>c.db.find_kind(key, HASH)
    if value is None:
        value = Hash()
        c.db.set(key, value, False)
    return value


cdef bint set_field(Client c, Hash value, const Arg* field, const Arg* text) except -1:
    return value.set(field, text, c.store.hash_entries, c.store.hash_value)


# ---------------------------------------------------------------------- writing

cdef int set_fields(Client c, Args a, str name) except -1:
    """Pairs from a.v[2] on; how many fields were new."""
    cdef Hash value
    cdef Py_ssize_t i
    cdef int new = 0
    if a.n % 2:
        raise ReplyError(f"ERR wrong number of arguments for '{name}' command")
    value = hash_for_write(c, &a.v[1])
    for i in range(2, a.n, 2):
        new += set_field(c, value, &a.v[i], &a.v[i + 1])
    c.db.changed(&a.v[1], EVENT_HASH, "hset")
    return new


cdef int hset(Client c, Args a, Buf out) except -1:
    return put_int(out, set_fields(c, a, "hset"))


cdef int hmset(Client c, Args a, Buf out) except -1:
    set_fields(c, a, "hmset")
    return put_ok(out)


cdef int hsetnx(Client c, Args a, Buf out) except -1:
    cdef Hash value = hash_for_write(c, &a.v[1])
    cdef Arg old
    if value.get(&a.v[2], &old):
        return put_int(out, 0)
    set_field(c, value, &a.v[2], &a.v[3])
    c.db.changed(&a.v[1], EVENT_HASH, "hset")
    return put_int(out, 1)


cdef int hdel(Client c, Args a, Buf out) except -1:
    cdef Hash value = <Hash>c.db.find_kind(&a.v[1], HASH)
    cdef Py_ssize_t i
    cdef int removed = 0
    if value is None:
        return put_int(out, 0)
    for i in range(2, a.n):
        removed += value.remove(&a.v[i])
    if removed:
        c.db.changed(&a.v[1], EVENT_HASH, "hdel")
        c.db.drop_if_empty(&a.v[1], value)
    return put_int(out, removed)


cdef int hincrby(Client c, Args a, Buf out) except -1:
    cdef int64_t amount = int_of(&a.v[3])
    cdef int64_t number = 0
    cdef Hash value = <Hash>c.db.find_kind(&a.v[1], HASH)
    cdef char[24] digits
    cdef Arg text
    if value is not None and value.get(&a.v[2], &text) \
            and not parse_int(text.p, text.n, &number):
        raise ReplyError("ERR hash value is not an integer")
    if number > INT64_MAX - amount if amount > 0 else number < INT64_MIN - amount:
        raise ReplyError("ERR increment or decrement would overflow")
    number += amount
    text.p = digits
    text.n = format_int(digits, number)
    set_field(c, hash_for_write(c, &a.v[1]), &a.v[2], &text)
    c.db.changed(&a.v[1], EVENT_HASH, "hincrby")
    return put_int(out, number)


cdef int hincrbyfloat(Client c, Args a, Buf out) except -1:
    cdef long double amount
    cdef long double number = 0
    cdef Hash value
    cdef bytes result
    cdef Arg text
    if not parse_long_double(a.v[3].p, a.v[3].n, &amount):
        raise ReplyError("ERR value is not a valid float")
    if amount - amount != 0:
        raise ReplyError("ERR value is NaN or Infinity")
    value = <Hash>c.db.find_kind(&a.v[1], HASH)
    if value is not None and value.get(&a.v[2], &text) \
            and not parse_long_double(text.p, text.n, &number):
        raise ReplyError("ERR hash value is not a float")
    result = format_long_double(number + amount)
    text.p = PyBytes_AS_STRING(result)
    text.n = PyBytes_GET_SIZE(result)
    set_field(c, hash_for_write(c, &a.v[1]), &a.v[2], &text)
    c.db.changed(&a.v[1], EVENT_HASH, "hincrbyfloat")
    c.store.record(c, b"HSET", a.text(1), a.text(2), result)
    return put_bytes(out, result)


# ---------------------------------------------------------------------- reading

cdef int put_field(Client c, Hash value, const Arg* field, Buf out) except -1:
    cdef Arg text
    if value is not None and value.get(field, &text):
        return put_bulk(out, text.p, text.n)
    return put_nil(out, c.resp)


cdef int hget(Client c, Args a, Buf out) except -1:
    return put_field(c, <Hash>c.db.read_kind(&a.v[1], HASH), &a.v[2], out)


cdef int hmget(Client c, Args a, Buf out) except -1:
    cdef Hash value = <Hash>c.db.read_kind(&a.v[1], HASH)
    cdef Py_ssize_t i
    put_array(out, a.n - 2)
    for i in range(2, a.n):
        put_field(c, value, &a.v[i], out)
    return 0


cdef int hexists(Client c, Args a, Buf out) except -1:
    cdef Hash value = <Hash>c.db.read_kind(&a.v[1], HASH)
    cdef Arg text
    return put_int(out, value is not None and value.get(&a.v[2], &text))


cdef int hlen(Client c, Args a, Buf out) except -1:
    cdef Value value = c.db.read_kind(&a.v[1], HASH)
    return put_int(out, 0 if value is None else value.length())


cdef int hstrlen(Client c, Args a, Buf out) except -1:
    cdef Hash value = <Hash>c.db.read_kind(&a.v[1], HASH)
    cdef Arg text
    if value is None or not value.get(&a.v[2], &text):
        return put_int(out, 0)
    return put_int(out, text.n)


cdef int hgetall(Client c, Args a, Buf out) except -1:
    cdef Hash value = <Hash>c.db.read_kind(&a.v[1], HASH)
    cdef Arg field, text
    cdef Py_ssize_t at = 0
    if value is None:
        return put_map(out, 0, c.resp)
    put_map(out, value.length(), c.resp)
    while value.next(&at, &field, &text):
        put_bulk(out, field.p, field.n)
        put_bulk(out, text.p, text.n)
    return 0


cdef int put_side(Client c, Args a, bint fields, Buf out) except -1:
    cdef Hash value = <Hash>c.db.read_kind(&a.v[1], HASH)
    cdef Arg field, text
    cdef Py_ssize_t at = 0
    if value is None:
        return put_array(out, 0)
    put_array(out, value.length())
    while value.next(&at, &field, &text):
        if fields:
            put_bulk(out, field.p, field.n)
        else:
            put_bulk(out, text.p, text.n)
    return 0


cdef int hkeys(Client c, Args a, Buf out) except -1:
    return put_side(c, a, True, out)


cdef int hvals(Client c, Args a, Buf out) except -1:
    return put_side(c, a, False, out)


cdef list all_pairs(Hash value):
    cdef Arg field, text
    cdef Py_ssize_t at = 0
    cdef list pairs = []
    while value.next(&at, &field, &text):
        pairs.append((PyBytes_FromStringAndSize(field.p, field.n),
                      PyBytes_FromStringAndSize(text.p, text.n)))
    return pairs


cdef tuple random_pair(Hash value, Rand rand):
    """One field and its value; big hashes need no list of all of them."""
    cdef Arg field, text
    cdef list pairs
    if value.big is not None:
        read_slot(value.big.any(rand), &field, &text)
        return (PyBytes_FromStringAndSize(field.p, field.n),
                PyBytes_FromStringAndSize(text.p, text.n))
    pairs = all_pairs(value)
    return pairs[<Py_ssize_t>rand.below(len(pairs))]


cdef int hrandfield(Client c, Args a, Buf out) except -1:
    cdef Py_ssize_t _i
    cdef Hash value
    cdef Rand rand = c.store.keyspace.rand
    cdef int64_t count
    cdef bint with_values = a.n == 4 and is_word(&a.v[3], "withvalues")
    cdef list chosen
    if a.n == 2:
        value = <Hash>c.db.read_kind(&a.v[1], HASH)
        if value is None:
            return put_nil(out, c.resp)
        return put_bytes(out, random_pair(value, rand)[0])
    count = draws_of(&a.v[2])
    if a.n > 4 or (a.n == 4 and not with_values):
        raise ReplyError("ERR syntax error")
    if not -(INT64_MAX // 2) <= count <= INT64_MAX // 2:
        raise ReplyError("ERR value is out of range")
    value = <Hash>c.db.read_kind(&a.v[1], HASH)
    if value is None or count == 0:
        return put_array(out, 0)
    if count < 0:
        # With repetition: exactly as many as asked for, written as they are drawn.
        put_array(out, -count * (2 if with_values and c.resp == 2 else 1))
        chosen = all_pairs(value) if value.big is None else None
        for _i in range(-count):
            if out.n > c.store.longest_reply:
                break                  # its client is going to be cut off
            pair = chosen[<Py_ssize_t>rand.below(len(chosen))] if chosen is not None \
                else random_pair(value, rand)
            put_pair(c, pair, with_values, out)
        return 0
    chosen = all_pairs(value)
    if count < len(chosen):
        rand.shuffle(chosen)
        del chosen[count:]
    put_array(out, len(chosen) * (2 if with_values and c.resp == 2 else 1))
    for pair in chosen:
        put_pair(c, pair, with_values, out)
    return 0


cdef int put_pair(Client c, tuple pair, bint with_values, Buf out) except -1:
    if with_values and c.resp == 3:
        put_array(out, 2)
    put_bytes(out, pair[0])
    if with_values:
        put_bytes(out, pair[1])
    return 0


cdef int hscan(Client c, Args a, Buf out) except -1:
    cdef ScanOptions options
    cdef Hash value
    cdef list items = [], fields
    cdef uint64_t cursor = 0
    cdef Arg name, text
    cdef bytes field
    scan_cursor(a, 2, &options)
    value = <Hash>c.db.read_kind(&a.v[1], HASH)
    if value is None:
        return put_scan(out, 0, [])
    scan_options(a, 3, &options, False)
    if value is not None and value.big is None:
        for pair in all_pairs(value):
            if wanted(&options, <bytes>pair[0], len(pair[0])):
                items += pair
    elif value is not None:
        fields = []
        cursor = value.big.scan(options.cursor, options.count, fields)
        for field in fields:
            if wanted(&options, field, len(field)):
                name = as_arg(field)
                value.get(&name, &text)
                items += (field, PyBytes_FromStringAndSize(text.p, text.n))
    return put_scan(out, cursor, items)


define("hset", hset)
define("hmset", hmset)
define("hsetnx", hsetnx)
define("hdel", hdel)
define("hincrby", hincrby)
define("hincrbyfloat", hincrbyfloat)
define("hget", hget)
define("hmget", hmget)
define("hexists", hexists)
define("hlen", hlen)
define("hstrlen", hstrlen)
define("hgetall", hgetall)
define("hkeys", hkeys)
define("hvals", hvals)
define("hrandfield", hrandfield)
define("hscan", hscan)
