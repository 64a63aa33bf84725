"""Commands about keys of any type: DEL, EXPIRE, TTL, RENAME, COPY, SCAN, FLUSHALL ..."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN, int64_t, uint64_t

from bedrock.net.buf cimport Buf
from kvstore.binding cimport define
from kvstore.engine cimport Client
from kvstore.binding import command
from kvstore.glob cimport glob
from kvstore.hashtable cimport Slot
from kvstore.keyspace cimport EVENT_GENERIC, Database, Keyspace, Value
from kvstore.keyspace import type_name
from kvstore.resp cimport Arg, Args, is_word, put_array, put_bytes, put_int, put_nil, put_ok
from kvstore.resp import ReplyError
from kvstore.scan cimport ScanOptions, put_scan, scan_cursor, scan_options, wanted
from kvstore.strings cimport int_of, let_die


cdef int delete(Client c, Args a, Buf out) except -1:
    cdef Py_ssize_t i
    cdef int removed = 0
    for i in range(1, a.n):
        if c.db.find(&a.v[i]) is not None:
            c.db.delete(&a.v[i])
            c.db.changed(&a.v[i], EVENT_GENERIC, "del")
            removed += 1
    return put_int(out, removed)


cdef int exists(Client c, Args a, Buf out) except -1:
    cdef Py_ssize_t i
    cdef int found = 0
    for i in range(1, a.n):
        found += c.db.read_quietly(&a.v[i]) is not None
    return put_int(out, found)


cdef int touch(Client c, Args a, Buf out) except -1:
    cdef Py_ssize_t i
    cdef int found = 0
    for i in range(1, a.n):
        found += c.db.find(&a.v[i]) is not None
    return put_int(out, found)


cdef int type_(Client c, Args a, Buf out) except -1:
    name = type_name(c.db.peek(&a.v[1])).encode()
    out.write(b"+" + name + b"\r\n")
    return 0


# ---------------------------------------------------------------------- time to live

cdef enum Condition:
    NX = 1
    XX = 2
    GT = 4
    LT = 8


cdef int parse_conditions(Args a) except -1:
    cdef int flags = 0
    cdef Py_ssize_t i
    for i in range(3, a.n):
        if is_word(&a.v[i], "nx"):
            flags |= NX
        elif is_word(&a.v[i], "xx"):
            flags |= XX
        elif is_word(&a.v[i], "gt"):
            flags |= GT
        elif is_word(&a.v[i], "lt"):
            flags |= LT
        else:
            raise ReplyError(f"ERR Unsupported option {a.text(i).decode('latin-1')}")
    if flags & NX and flags & (XX | GT | LT):
        raise ReplyError("ERR NX and XX, GT or LT options at the same time are not compatible")
    if flags & GT and flags & LT:
        raise ReplyError("ERR GT and LT options at the same time are not compatible")
    return flags


cdef bint allowed(int flags, int64_t at_ms, int64_t old_ms) noexcept:
    """old_ms -1: no deadline, which counts as never."""
    if flags & NX and old_ms >= 0:
        return False
    if flags & XX and old_ms < 0:
        return False
    if flags & GT and (old_ms < 0 or at_ms <= old_ms):
        return False
    return not (flags & LT and old_ms >= 0 and at_ms >= old_ms)


cdef int set_deadline(Client c, Args a, int64_t unit_ms, bint relative, str name,
                      Buf out) except -1:
    cdef int flags = parse_conditions(a)
    cdef int64_t amount = int_of(&a.v[2])
    cdef int64_t base_ms = c.store.keyspace.now_ms if relative else 0
    cdef int64_t at_ms
    if amount > (INT64_MAX - base_ms) // unit_ms or amount < INT64_MIN // unit_ms + (unit_ms > 1):
        raise ReplyError(f"ERR invalid expire time in '{name}' command")
    at_ms = amount * unit_ms + base_ms
    if c.db.find(&a.v[1]) is None or not allowed(flags, at_ms, c.db.expires_at(&a.v[1])):
        return put_int(out, 0)
    let_die(c, &a.v[1], at_ms)
    return put_int(out, 1)


cdef int expire(Client c, Args a, Buf out) except -1:
    return set_deadline(c, a, 1000, True, "expire", out)


cdef int pexpire(Client c, Args a, Buf out) except -1:
    return set_deadline(c, a, 1, True, "pexpire", out)


cdef int expireat(Client c, Args a, Buf out) except -1:
    return set_deadline(c, a, 1000, False, "expireat", out)


cdef int pexpireat(Client c, Args a, Buf out) except -1:
    return set_deadline(c, a, 1, False, "pexpireat", out)


cdef int persist(Client c, Args a, Buf out) except -1:
    if c.db.find(&a.v[1]) is None or not c.db.clear_expiry(&a.v[1]):
        return put_int(out, 0)
    c.db.changed(&a.v[1], EVENT_GENERIC, "persist")
    return put_int(out, 1)


cdef int64_t left_ms(Client c, Args a, bint absolute) except? -3:
    """Time to live, -1 without one, -2 without a key."""
    cdef int64_t at_ms
    if c.db.peek(&a.v[1]) is None:
        return -2
    at_ms = c.db.expires_at(&a.v[1])
    if at_ms < 0 or absolute:
        return at_ms
    return max(at_ms - c.store.keyspace.now_ms, <int64_t>0)


cdef int ttl(Client c, Args a, Buf out) except -1:
    cdef int64_t ms = left_ms(c, a, False)
    return put_int(out, ms if ms < 0 else (ms + 500) // 1000)


cdef int pttl(Client c, Args a, Buf out) except -1:
    return put_int(out, left_ms(c, a, False))


cdef int expiretime(Client c, Args a, Buf out) except -1:
    cdef int64_t ms = left_ms(c, a, True)
    return put_int(out, ms if ms < 0 else (ms + 500) // 1000)


cdef int pexpiretime(Client c, Args a, Buf out) except -1:
    return put_int(out, left_ms(c, a, True))


# ---------------------------------------------------------------------- renaming, copying

cdef int transfer(Database source, const Arg* key, Database target, const Arg* name, bint keep,
                  str gone, str came) except -1:
    """Put the value of a key under another name (or into another database), deadline included."""
    cdef object value = source.find(key)
    cdef int64_t at_ms = source.expires_at(key)
    if keep:
        value = (<Value>value).duplicate() if isinstance(value, Value) else \
            (value[:] if isinstance(value, bytearray) else value)
    else:
        source.delete(key)
        source.changed(key, EVENT_GENERIC, gone)
    target.set(name, value, False)
    if at_ms >= 0:
        target.set_expiry(name, at_ms)
    return target.changed(name, EVENT_GENERIC, came)


cdef bint same(const Arg* x, const Arg* y) noexcept:
    cdef Py_ssize_t i
    if x.n != y.n:
        return False
    for i in range(x.n):
        if x.p[i] != y.p[i]:
            return False
    return True


cdef int rename_to(Client c, Args a, bint only_free) except -1:
    """1 if renamed, 0 if the new name is taken."""
    if c.db.find(&a.v[1]) is None:
        raise ReplyError("ERR no such key")
    if same(&a.v[1], &a.v[2]):
        return 0
    if c.db.find(&a.v[2]) is not None:
        if only_free:
            return 0
        c.db.delete(&a.v[2])
    transfer(c.db, &a.v[1], c.db, &a.v[2], False, "rename_from", "rename_to")
    return 1


cdef int rename(Client c, Args a, Buf out) except -1:
    rename_to(c, a, False)
    return put_ok(out)


cdef int renamenx(Client c, Args a, Buf out) except -1:
    return put_int(out, rename_to(c, a, True))


cdef Database database(Client c, const Arg* arg):
    cdef int64_t index = int_of(arg)
    if not INT32_MIN <= index <= INT32_MAX:
        raise ReplyError("ERR value is out of range, value must between "
                         f"{INT32_MIN} and {INT32_MAX}")
    if not 0 <= index < len(c.store.keyspace.databases):
        raise ReplyError("ERR DB index is out of range")
    return c.store.keyspace.databases[index]


cdef int move(Client c, Args a, Buf out) except -1:
    cdef Database target
    if c.store.router is not None:
        raise ReplyError("ERR MOVE is not allowed in cluster mode")
    target = database(c, &a.v[2])
    if target is c.db:
        raise ReplyError("ERR source and destination objects are the same")
    if c.db.find(&a.v[1]) is None or target.find(&a.v[1]) is not None:
        return put_int(out, 0)
    transfer(c.db, &a.v[1], target, &a.v[1], False, "move_from", "move_to")
    return put_int(out, 1)


cdef int copy(Client c, Args a, Buf out) except -1:
    cdef Database target = c.db
    cdef bint replace = False
    cdef Py_ssize_t i = 3
    while i < a.n:
        if is_word(&a.v[i], "replace"):
            replace = True
        elif is_word(&a.v[i], "db") and i + 1 < a.n:
            i += 1
            target = database(c, &a.v[i])
            if target is not c.db and c.store.router is not None:
                raise ReplyError("ERR Copying to another database is not allowed in cluster mode")
        else:
            raise ReplyError("ERR syntax error")
        i += 1
    if target is c.db and same(&a.v[1], &a.v[2]):
        raise ReplyError("ERR source and destination objects are the same")
    if c.db.find(&a.v[1]) is None:
        return put_int(out, 0)
    if target.find(&a.v[2]) is not None:
        if not replace:
            return put_int(out, 0)
        target.delete(&a.v[2])
    transfer(c.db, &a.v[1], target, &a.v[2], True, "", "copy_to")
    return put_int(out, 1)


# ---------------------------------------------------------------------- walking

cdef int keys(Client c, Args a, Buf out) except -1:
    cdef list found = [], some = []
    cdef bytes key
    cdef size_t i
    cdef Slot* slot
    if c.db.behind is not None:
        c.db.scan(0, c.db.behind.count(c.db), some)
        found = [key for key in some if glob(
            a.v[1].p, a.v[1].n, PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key), False)]
    for i in range(c.db.keys.end if c.db.behind is None else 0):
        slot = &c.db.keys.slots[i]
        if slot.key is not NULL and not (c.db.expires.used and c.db.is_dead(slot)):
            key = <bytes>slot.key
            if glob(a.v[1].p, a.v[1].n, PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key), False):
                found.append(key)
    put_array(out, len(found))
    for key in found:
        put_bytes(out, key)
    return 0


cdef int scan(Client c, Args a, Buf out) except -1:
    cdef ScanOptions options
    cdef list found = [], kept = []
    cdef uint64_t cursor
    cdef str kind = None
    scan_cursor(a, 1, &options)
    scan_options(a, 2, &options, True)
    if options.type_name is not NULL:
        kind = options.type_name.p[:options.type_name.n].decode("latin-1").lower()
    cursor = c.db.scan(options.cursor, options.count, found)
    for key in found:
        if wanted(&options, PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key)):
            value = c.db.get(key)
            if value is not None and (kind is None or type_name(value) == kind):
                kept.append(key)
    return put_scan(out, cursor, kept)


cdef int randomkey(Client c, Args a, Buf out) except -1:
    cdef bytes key
    while len(c.db):
        key = c.db.any_key()
        if c.db.find_bytes(key) is not None:
            return put_bytes(out, key)
    return put_nil(out, c.resp)


cdef int dbsize(Client c, Args a, Buf out) except -1:
    return put_int(out, len(c.db))


# ---------------------------------------------------------------------- whole databases

def check_flush(words: list[bytes]) -> None:
    """FLUSHDB and FLUSHALL take SYNC or ASYNC; both are the same here."""
    if len(words) > 2 or (len(words) == 2 and words[1].upper() not in (b"SYNC", b"ASYNC")):
        raise ReplyError("ERR syntax error")


cdef int note_flush(Client c) except -1:
    """It counts as a change even of nothing."""
    c.store.keyspace.dirty += 1
    if c.store.tracking is not None:
        c.store.tracking.invalidate_all()
    return 0


@command("flushdb")
def flushdb(Client c, words):
    check_flush(words)
    c.db.clear()
    note_flush(c)
    return "OK"


@command("flushall")
def flushall(Client c, words):
    cdef Database db
    check_flush(words)
    c.store.saver.data_goes()
    for db in c.store.keyspace.databases:
        db.clear()
    note_flush(c)
    if c.store.parameters["save"] and c.store.server is not None:
        c.store.saver.save()               # empty as it is, and nothing is left to be saved
    return "OK"


@command("swapdb")
def swapdb(Client c, words):
    cdef Keyspace keyspace = c.store.keyspace
    cdef Database one, two
    if c.store.router is not None:
        raise ReplyError("ERR SWAPDB is not allowed in cluster mode")
    numbers = []
    for word, which in zip(words[1:], ("first", "second"), strict=True):
        if not word.lstrip(b"-").isdigit():
            raise ReplyError(f"ERR invalid {which} DB index")
        if not 0 <= int(word) < len(keyspace.databases):
            raise ReplyError("ERR DB index is out of range")
        numbers.append(int(word))
    one, two = keyspace.databases[numbers[0]], keyspace.databases[numbers[1]]
    one.exchange(two)
    keyspace.dirty += 1
    return "OK"


# ---------------------------------------------------------------------- OBJECT

@command("object|encoding")
def object_encoding(Client c, words):
    from kvstore.strings import encoding_of

    value = c.db.get(words[2])
    if value is None:
        return None
    return (value.encoding if isinstance(value, Value) else encoding_of(value)).encode()


@command("object|refcount")
def object_refcount(Client c, words):
    from kvstore.strings import references

    value = c.db.get(words[2])
    return None if value is None else references(value)


@command("object|idletime")
def object_idletime(Client c, words):
    if c.db.get(words[2]) is None:
        return None
    if c.store.keyspace.counting:
        raise ReplyError(
            "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when "
            "switching between policies at runtime LRU and LFU data will take some time to adjust.")
    return c.db.idle_s(words[2])


@command("object|freq")
def object_freq(Client c, words):
    if c.db.get(words[2]) is None:
        return None
    if not c.store.keyspace.counting:
        raise ReplyError(
            "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note "
            "that when switching between policies at runtime LRU and LFU data will take some time "
            "to adjust.")
    return c.db.frequency(words[2])


define("del", delete)
define("unlink", delete)
define("exists", exists)
define("touch", touch)
define("type", type_)
define("expire", expire)
define("pexpire", pexpire)
define("expireat", expireat)
define("pexpireat", pexpireat)
define("persist", persist)
define("ttl", ttl)
define("pttl", pttl)
define("expiretime", expiretime)
define("pexpiretime", pexpiretime)
define("rename", rename)
define("renamenx", renamenx)
define("move", move)
define("copy", copy)
define("keys", keys)
define("scan", scan)
define("randomkey", randomkey)
define("dbsize", dbsize)
