"""Strings: bytes up to 512 MiB, and the numbers written in them.

A value is a `bytes` object; APPEND and SETRANGE turn it into a `bytearray`, which grows in place.
OBJECT ENCODING follows from that: "int" for what reads as a 64-bit number, "embstr" up to 44
bytes, "raw" for the rest and for a bytearray.
"""

from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_FromStringAndSize, \
    PyByteArray_GET_SIZE, PyByteArray_Resize
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, \
    PyBytes_GET_SIZE
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF
from cpython.object cimport PyObject
from libc.stdint cimport INT64_MAX, INT64_MIN
from libc.string cimport memcpy, memset

from bedrock.net.buf cimport Buf
from kvstore.binding cimport define
from kvstore.engine cimport Client
from kvstore.hashtable cimport Slot
from kvstore.keyspace cimport EVENT_GENERIC, EVENT_STRING
from kvstore.keyspace import WrongType
from kvstore.memory cimport gave, took, weight
from kvstore.resp cimport Args, format_int, format_long_double, is_word, parse_double, parse_int, \
    parse_long_double, put_array, put_bulk, put_bytes, put_int, put_nil, put_ok
from kvstore.resp import ReplyError

cdef enum:
    EMBSTR_MAX = 44
    SMALL_DIGITS = 4
    SHARED = 2147483647            # what stands for "more than can be counted"

cdef PyObject* SMALL[10000]        # decimals of 0 to 9999, each made when it is first needed

SYNTAX = "ERR syntax error"
NOT_INT = "ERR value is not an integer or out of range"
NOT_FLOAT = "ERR value is not a valid float"
TOO_LONG = "ERR string exceeds maximum allowed size (proto-max-bulk-len)"


# ---------------------------------------------------------------------- arguments and values

cdef bint text_of(object value, Arg* text) except -1:
    if PyBytes_CheckExact(value):
        text.p = PyBytes_AS_STRING(value)
        text.n = PyBytes_GET_SIZE(value)
        return True
    if value is None:
        text.n = 0
        return False
    if type(value) is bytearray:
        text.p = PyByteArray_AS_STRING(value)
        text.n = PyByteArray_GET_SIZE(value)
        return True
    raise WrongType


cdef int64_t int_of(const Arg* arg) except? -1:
    cdef int64_t value
    if not parse_int(arg.p, arg.n, &value):
        raise ReplyError(NOT_INT)
    return value


cdef int64_t draws_of(const Arg* arg) except? -1:
    cdef int64_t count = int_of(arg)
    if count == INT64_MIN:
        raise ReplyError("ERR value is out of range, value must between "
                         f"{-INT64_MAX} and {INT64_MAX}")
    return count


cdef double double_of(const Arg* arg) except? -1:
    cdef double value
    if not parse_double(arg.p, arg.n, &value):
        raise ReplyError(NOT_FLOAT)
    return value


cdef int64_t deadline_of(const Arg* arg, int64_t unit_ms, int64_t base_ms, str name) except? -1:
    cdef int64_t amount = int_of(arg)
    if amount <= 0 or amount > INT64_MAX // unit_ms or \
            amount * unit_ms > INT64_MAX - base_ms:
        raise ReplyError(f"ERR invalid expire time in '{name}' command")
    return amount * unit_ms + base_ms


cdef bint clamp_range(int64_t* start, int64_t* stop, int64_t n) noexcept:
    if start[0] < 0:
        start[0] = max(start[0] + n, <int64_t>0)
    if stop[0] < 0:
        stop[0] += n
    stop[0] = min(stop[0], n - 1)
    return start[0] <= stop[0]


cdef bint clamp_text(int64_t* start, int64_t* stop, int64_t n) noexcept:
    if stop[0] < 0:
        stop[0] = max(stop[0] + n, <int64_t>0)
    return clamp_range(start, stop, n)


def encoding_of(value) -> str:
    """What OBJECT ENCODING calls a string value."""
    cdef int64_t number
    if type(value) is bytearray:
        return "raw"
    if parse_int(PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value), &number):
        return "int"
    return "embstr" if len(value) <= EMBSTR_MAX else "raw"


cdef int put_text(Client c, object value, Buf out) except -1:
    """A string value, or nil for None, as the reply."""
    cdef Arg text
    if text_of(value, &text):
        return put_bulk(out, text.p, text.n)
    return put_nil(out, c.resp)


# ---------------------------------------------------------------------- get and set

cdef int get(Client c, Args a, Buf out) except -1:
    return put_text(c, c.db.read(&a.v[1]), out)


cdef enum SetOption:
    NX = 1
    XX = 2
    GET = 4
    KEEPTTL = 8
    PERSIST = 16
    TIMED = 32

cdef struct Options:
    int flags
    const Arg* amount              # of time, what it is counted in, and from when
    int64_t unit_ms, base_ms


cdef int parse_options(Client c, Args a, Py_ssize_t i, str name, Options* options) except -1:
    """What may follow `SET key value` and `GETEX key`."""
    cdef Arg* word
    options.flags = 0
    options.base_ms = 0
    while i < a.n:
        word = &a.v[i]
        if name == "set" and is_word(word, "nx") and not options.flags & XX:
            options.flags |= NX
        elif name == "set" and is_word(word, "xx") and not options.flags & NX:
            options.flags |= XX
        elif name == "set" and is_word(word, "get"):
            options.flags |= GET
        elif name == "set" and is_word(word, "keepttl") and not options.flags & TIMED:
            options.flags |= KEEPTTL
        elif name == "getex" and is_word(word, "persist") and not options.flags & TIMED:
            options.flags |= PERSIST
        elif i + 1 < a.n and not options.flags & (TIMED | KEEPTTL | PERSIST):
            i += 1
            if is_word(word, "ex") or is_word(word, "px"):
                options.base_ms = c.store.keyspace.now_ms
            elif not is_word(word, "exat") and not is_word(word, "pxat"):
                raise ReplyError(SYNTAX)
            options.unit_ms = 1000 if word.p[0] | 0x20 == c'e' else 1
            options.amount = &a.v[i]
            options.flags |= TIMED
        else:
            raise ReplyError(SYNTAX)
        i += 1
    return 0


cdef int shared_number(const char* p, Py_ssize_t n) noexcept:
    """The small number that is written there, -1 for anything else."""
    cdef Py_ssize_t i
    cdef int number = 0
    if n > SMALL_DIGITS or n == 0 or (n > 1 and p[0] == c'0'):
        return -1
    for i in range(n):
        if not c'0' <= p[i] <= c'9':
            return -1
        number = number * 10 + p[i] - c'0'
    return number


cdef bytes text_from(const char* p, Py_ssize_t n):
    """A string value; the decimals of small numbers are shared by all keys that have them."""
    cdef int number = shared_number(p, n)
    if number < 0:
        return PyBytes_FromStringAndSize(p, n)
    if SMALL[number] is NULL:
        value = PyBytes_FromStringAndSize(p, n)
        Py_INCREF(value)
        SMALL[number] = <PyObject*>value
    return <bytes>SMALL[number]


def references(value) -> int:
    """What OBJECT REFCOUNT says of a value: one, or for a shared number the highest there is."""
    if PyBytes_CheckExact(value) and 0 < PyBytes_GET_SIZE(value) <= SMALL_DIGITS \
            and text_from(PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value)) is value:
        return SHARED
    return 1


cdef int64_t at_ms_of(const Options* options, str name) except -1:
    """When the key is to die."""
    return deadline_of(options.amount, options.unit_ms, options.base_ms, name)


cdef int let_die(Client c, const Arg* key, int64_t at_ms) except -1:
    """Give a key that is there a deadline; it is deleted if that has passed."""
    cdef bytes name = PyBytes_FromStringAndSize(key.p, key.n)
    if at_ms <= c.store.keyspace.now_ms and not c.store.keyspace.loading:
        c.db.delete(key)
        c.db.changed(key, EVENT_GENERIC, "del")
        c.store.record(c, b"DEL", name)
    else:
        c.db.set_expiry(key, at_ms)
        c.db.changed(key, EVENT_GENERIC, "expire")
        c.store.record(c, b"PEXPIREAT", name, at_ms)
    return 0


cdef int store_text(Client c, const Arg* key, const Arg* text, bint keep_ttl) except -1:
    c.db.set(key, text_from(text.p, text.n), keep_ttl)
    return c.db.changed(key, EVENT_STRING, "set")


cdef int store_timed(Client c, const Arg* key, const Arg* text, int64_t at_ms) except -1:
    """Set a string with a deadline; the record holds the absolute time."""
    cdef Buf record
    store_text(c, key, text, False)
    c.db.set_expiry(key, at_ms)
    c.db.keyspace.notify(EVENT_GENERIC, "expire", PyBytes_FromStringAndSize(key.p, key.n), c.db)
    record = c.store.instead(c)
    if record is not None:
        put_array(record, 5)
        put_bulk(record, "SET", 3)
        put_bulk(record, key.p, key.n)
        put_bulk(record, text.p, text.n)
        put_bulk(record, "PXAT", 4)
        put_bytes(record, b"%d" % at_ms)
    return 0


cdef int set_(Client c, Args a, Buf out) except -1:
    cdef Options options
    cdef int64_t at_ms = 0
    cdef object old = None
    if a.n == 3:
        store_text(c, &a.v[1], &a.v[2], False)
        return put_ok(out)
    parse_options(c, a, 3, "set", &options)
    if options.flags & TIMED:
        at_ms = at_ms_of(&options, "set")
    if options.flags & (NX | XX | GET):
        old = c.db.find(&a.v[1])
        if options.flags & GET:
            put_text(c, old, out)
        if (old is None) if options.flags & XX else (options.flags & NX and old is not None):
            return 0 if options.flags & GET else put_nil(out, c.resp)
    if options.flags & TIMED:
        store_timed(c, &a.v[1], &a.v[2], at_ms)
    else:
        store_text(c, &a.v[1], &a.v[2], options.flags & KEEPTTL)
    return 0 if options.flags & GET else put_ok(out)


cdef int setnx(Client c, Args a, Buf out) except -1:
    if c.db.find(&a.v[1]) is not None:
        return put_int(out, 0)
    store_text(c, &a.v[1], &a.v[2], False)
    return put_int(out, 1)


cdef int setex(Client c, Args a, Buf out) except -1:
    store_timed(c, &a.v[1], &a.v[3],
                deadline_of(&a.v[2], 1000, c.store.keyspace.now_ms, "setex"))
    return put_ok(out)


cdef int psetex(Client c, Args a, Buf out) except -1:
    store_timed(c, &a.v[1], &a.v[3],
                deadline_of(&a.v[2], 1, c.store.keyspace.now_ms, "psetex"))
    return put_ok(out)


cdef int getset(Client c, Args a, Buf out) except -1:
    put_text(c, c.db.find(&a.v[1]), out)
    store_text(c, &a.v[1], &a.v[2], False)
    c.store.record(c, b"SET", a.text(1), a.text(2))
    return 0


cdef int getdel(Client c, Args a, Buf out) except -1:
    cdef object value = c.db.read(&a.v[1])
    put_text(c, value, out)
    if value is not None:
        c.db.delete(&a.v[1])
        c.db.changed(&a.v[1], EVENT_GENERIC, "del")
        c.store.record(c, b"DEL", a.text(1))
    return 0


cdef int getex(Client c, Args a, Buf out) except -1:
    cdef Options options
    cdef int64_t at_ms
    cdef object value
    parse_options(c, a, 2, "getex", &options)
    value = c.db.read(&a.v[1])
    put_text(c, value, out)
    if value is None:
        return 0
    if options.flags & TIMED:
        at_ms = at_ms_of(&options, "getex")
        let_die(c, &a.v[1], at_ms)
    elif options.flags & PERSIST and c.db.clear_expiry(&a.v[1]):
        c.db.changed(&a.v[1], EVENT_GENERIC, "persist")
        c.store.record(c, b"PERSIST", a.text(1))
    return 0


cdef int mget(Client c, Args a, Buf out) except -1:
    cdef Py_ssize_t i
    cdef object value
    put_array(out, a.n - 1)
    for i in range(1, a.n):
        value = c.db.read(&a.v[i])
        if PyBytes_CheckExact(value) or type(value) is bytearray:
            put_text(c, value, out)
        else:
            put_nil(out, c.resp)
    return 0


cdef int check_pairs(Args a, str name) except -1:
    if a.n % 2 == 0:
        raise ReplyError(f"ERR wrong number of arguments for '{name}' command")
    return 0


cdef int store_pairs(Client c, Args a) except -1:
    cdef Py_ssize_t i
    for i in range(1, a.n, 2):
        store_text(c, &a.v[i], &a.v[i + 1], False)
    return 0


cdef int mset(Client c, Args a, Buf out) except -1:
    check_pairs(a, "mset")
    store_pairs(c, a)
    return put_ok(out)


cdef int msetnx(Client c, Args a, Buf out) except -1:
    cdef Py_ssize_t i
    check_pairs(a, "msetnx")
    for i in range(1, a.n, 2):
        if c.db.find(&a.v[i]) is not None:
            return put_int(out, 0)
    store_pairs(c, a)
    return put_int(out, 1)


# ---------------------------------------------------------------------- parts

cdef int strlen_(Client c, Args a, Buf out) except -1:
    cdef Arg text
    cdef object value = c.db.read(&a.v[1])
    text_of(value, &text)
    return put_int(out, text.n)


cdef int getrange(Client c, Args a, Buf out) except -1:
    cdef int64_t start = int_of(&a.v[2])
    cdef int64_t stop = int_of(&a.v[3])
    cdef Arg text
    cdef object value = c.db.read(&a.v[1])
    # Both from the end and crossed: empty, also where cutting to the start would uncross them.
    cdef bint crossed = start < 0 and stop < 0 and start > stop
    if not text_of(value, &text) or crossed:
        return put_bulk(out, "", 0)
    if not clamp_text(&start, &stop, text.n):
        return put_bulk(out, "", 0)
    return put_bulk(out, text.p + start, stop - start + 1)


cdef bytearray grow(Client c, const Arg* key, object value, Py_ssize_t size):
    cdef Arg text
    cdef bytearray grown
    cdef Py_ssize_t had
    if size > c.store.bounds.bulk:
        raise ReplyError(TOO_LONG)
    if type(value) is bytearray:
        grown = value
        had = len(grown)
    else:
        text_of(value, &text)
        had = text.n
        grown = PyByteArray_FromStringAndSize(text.p, text.n)
        c.db.replace(key, grown)
    if size > had:
        gave(weight(grown))
        PyByteArray_Resize(grown, size)
        took(weight(grown))
        memset(PyByteArray_AS_STRING(grown) + had, 0, size - had)
    return grown


cdef int append(Client c, Args a, Buf out) except -1:
    cdef Arg text
    cdef bytearray grown
    cdef object value = c.db.find(&a.v[1])
    cdef Py_ssize_t had
    if not text_of(value, &text):
        c.db.set(&a.v[1], PyBytes_FromStringAndSize(a.v[2].p, a.v[2].n), False)
        had = 0
    else:
        had = text.n
        grown = grow(c, &a.v[1], value, had + a.v[2].n)
        memcpy(PyByteArray_AS_STRING(grown) + had, a.v[2].p, a.v[2].n)
    c.db.changed(&a.v[1], EVENT_STRING, "append")
    return put_int(out, had + a.v[2].n)


cdef int setrange(Client c, Args a, Buf out) except -1:
    cdef int64_t offset = int_of(&a.v[2])
    cdef Arg text
    cdef object value
    cdef bytearray grown
    if offset < 0:
        raise ReplyError("ERR offset is out of range")
    value = c.db.find(&a.v[1])
    text_of(value, &text)
    if a.v[3].n == 0:
        return put_int(out, text.n)
    if offset > c.store.bounds.bulk - a.v[3].n:
        raise ReplyError(TOO_LONG)
    grown = grow(c, &a.v[1], value, offset + a.v[3].n)
    memcpy(PyByteArray_AS_STRING(grown) + offset, a.v[3].p, a.v[3].n)
    c.db.changed(&a.v[1], EVENT_STRING, "setrange")
    return put_int(out, len(grown))


# ---------------------------------------------------------------------- numbers

cdef int add(Client c, const Arg* key, int64_t amount, Buf out) except -1:
    cdef char[24] digits
    cdef Arg text
    cdef int64_t number = 0
    cdef Slot* slot = c.db.slot_of(key)
    # The value is not held: one that has no other owner is written where it is.
    if slot is not NULL and text_of(<object><PyObject*>slot.value, &text) \
            and not parse_int(text.p, text.n, &number):
        raise ReplyError(NOT_INT)
    if number > INT64_MAX - amount if amount > 0 else number < INT64_MIN - amount:
        raise ReplyError("ERR increment or decrement would overflow")
    number += amount
    text.p = digits
    text.n = format_int(digits, number)
    if slot is NULL or shared_number(text.p, text.n) >= 0:
        c.db.set(key, text_from(text.p, text.n), True)
    else:
        c.db.keyspace.use(slot)
        c.db.write_at(slot, &text)
    c.db.changed(key, EVENT_STRING, "incrby")
    return put_int(out, number)


cdef int incr(Client c, Args a, Buf out) except -1:
    return add(c, &a.v[1], 1, out)


cdef int decr(Client c, Args a, Buf out) except -1:
    return add(c, &a.v[1], -1, out)


cdef int incrby(Client c, Args a, Buf out) except -1:
    return add(c, &a.v[1], int_of(&a.v[2]), out)


cdef int decrby(Client c, Args a, Buf out) except -1:
    cdef int64_t amount = int_of(&a.v[2])
    if amount == INT64_MIN:
        raise ReplyError("ERR decrement would overflow")
    return add(c, &a.v[1], -amount, out)


cdef int incrbyfloat(Client c, Args a, Buf out) except -1:
    cdef long double number = 0
    cdef long double amount
    cdef Arg text
    cdef bytes result
    cdef object value = c.db.find(&a.v[1])
    if text_of(value, &text) and not parse_long_double(text.p, text.n, &number):
        raise ReplyError(NOT_FLOAT)
    if not parse_long_double(a.v[2].p, a.v[2].n, &amount):
        raise ReplyError(NOT_FLOAT)
    result = format_long_double(number + amount)
    c.db.replace(&a.v[1], result)
    c.db.changed(&a.v[1], EVENT_STRING, "incrbyfloat")
    # Floating point is not the same everywhere: the record holds the result.
    c.store.record(c, b"SET", a.text(1), result, b"KEEPTTL")
    return put_bytes(out, result)


define("get", get)
define("set", set_)
define("setnx", setnx)
define("setex", setex)
define("psetex", psetex)
define("getset", getset)
define("getdel", getdel)
define("getex", getex)
define("mget", mget)
define("mset", mset)
define("msetnx", msetnx)
define("strlen", strlen_)
define("getrange", getrange)
define("substr", getrange)
define("append", append)
define("setrange", setrange)
define("incr", incr)
define("decr", decr)
define("incrby", incrby)
define("decrby", decrby)
define("incrbyfloat", incrbyfloat)
