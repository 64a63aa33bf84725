"""The commands on lists (`lists`): at the ends, by position, between lists, and waiting for one.

LPUSH and RPUSH make a list, taking the last element removes it.  Those that may wait (BLPOP, BLMOVE
and their kin) are a `Waiter` each: what it takes, and what the log is told it did.
"""

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int64_t

from bedrock.net.buf cimport Buf
from kvstore.blocking cimport PopWaiter, Waiter, timeout_of
from kvstore.binding cimport define
from kvstore.engine cimport Client
from kvstore.keyspace cimport EVENT_GENERIC, EVENT_LIST, LIST, Database, Value, as_arg
from kvstore.listpack cimport Entry, encode
from kvstore.lists cimport List, Place
from kvstore.resp cimport Arg, Args, is_word, parse_int, put_array, put_bulk, put_bytes, put_int, \
    put_nil, put_nil_array, put_ok
from kvstore.resp import ReplyError
from kvstore.strings cimport clamp_range, int_of


# ---------------------------------------------------------------------- push and pop

cdef int push_all(Client c, Args a, bint left, bint must_exist, Buf out) except -1:
    cdef List value = <List>c.db.find_kind(&a.v[1], LIST)
    cdef Py_ssize_t i
    if value is None:
        if must_exist:
            return put_int(out, 0)
        value = List()
        c.db.set(&a.v[1], value, False)
    for i in range(2, a.n):
        value.push(&a.v[i], left, c.store.list_limit)
    c.db.changed(&a.v[1], EVENT_LIST, "lpush" if left else "rpush")
    return put_int(out, value.n)


cdef int lpush(Client c, Args a, Buf out) except -1:
    return push_all(c, a, True, False, out)


cdef int rpush(Client c, Args a, Buf out) except -1:
    return push_all(c, a, False, False, out)


cdef int lpushx(Client c, Args a, Buf out) except -1:
    return push_all(c, a, True, True, out)


cdef int rpushx(Client c, Args a, Buf out) except -1:
    return push_all(c, a, False, True, out)


cdef int put_elements(List value, Py_ssize_t i, Py_ssize_t count, bint onwards, Buf out) \
        except -1:
    """As many elements from a position on, or back from it."""
    cdef Py_ssize_t _k
    cdef Place place
    cdef Arg element
    value.seek(i, &place)
    for _k in range(count):
        if onwards:
            value.read(&place, &element)
        else:
            value.read_back(&place, &element)
        put_bulk(out, element.p, element.n)
    return 0


cdef int after_pop(Client c, const Arg* key, List value, bint left) except -1:
    c.db.changed(key, EVENT_LIST, "lpop" if left else "rpop")
    return c.db.drop_if_empty(key, value)


cdef int pop_many(Client c, const Arg* key, List value, int64_t count, bint left,
                  Buf out) except -1:
    """Up to count elements as an array."""
    count = min(count, value.n)
    put_array(out, count)
    put_elements(value, 0 if left else value.n, count, left, out)
    value.drop(count, left)
    return after_pop(c, key, value, left)


cdef int64_t count_of(const Arg* arg) except -1:
    cdef int64_t count
    if not parse_int(arg.p, arg.n, &count) or count < 0:
        raise ReplyError("ERR value is out of range, must be positive")
    return count


cdef int pop_command(Client c, Args a, bint left, Buf out) except -1:
    cdef List value
    cdef int64_t count = 1
    if a.n > 3:
        raise ReplyError(
            f"ERR wrong number of arguments for '{'lpop' if left else 'rpop'}' command")
    if a.n == 3:
        count = count_of(&a.v[2])
    value = <List>c.db.find_kind(&a.v[1], LIST)
    if value is None:
        return put_nil_array(out, c.resp) if a.n == 3 else put_nil(out, c.resp)
    if a.n == 3:
        if count == 0:
            return put_array(out, 0)
        return pop_many(c, &a.v[1], value, count, left, out)
    put_elements(value, 0 if left else value.n, 1, left, out)
    value.drop(1, left)
    return after_pop(c, &a.v[1], value, left)


cdef int lpop(Client c, Args a, Buf out) except -1:
    return pop_command(c, a, True, out)


cdef int rpop(Client c, Args a, Buf out) except -1:
    return pop_command(c, a, False, out)


# ---------------------------------------------------------------------- reading

cdef int llen(Client c, Args a, Buf out) except -1:
    cdef Value value = c.db.read_kind(&a.v[1], LIST)
    return put_int(out, 0 if value is None else value.length())


cdef int lindex(Client c, Args a, Buf out) except -1:
    cdef int64_t i
    cdef List value = <List>c.db.read_kind(&a.v[1], LIST)
    if value is None:
        return put_nil(out, c.resp)
    i = int_of(&a.v[2])
    if i < 0:
        i += value.n
    if not 0 <= i < value.n:
        return put_nil(out, c.resp)
    return put_elements(value, i, 1, True, out)


cdef int lrange(Client c, Args a, Buf out) except -1:
    cdef int64_t start = int_of(&a.v[2])
    cdef int64_t stop = int_of(&a.v[3])
    cdef List value = <List>c.db.read_kind(&a.v[1], LIST)
    if value is None or not clamp_range(&start, &stop, value.n):
        return put_array(out, 0)
    put_array(out, stop - start + 1)
    return put_elements(value, start, stop - start + 1, True, out)


cdef list positions(List value, const Arg* word, int64_t rank, int64_t count, int64_t maxlen):
    """Where a word is, from the rank-th time on and `count` times (0 = all), looking at no more
    elements than maxlen; a negative rank counts from the right."""
    cdef Py_ssize_t past, i = 0, end = min(<int64_t>value.n, maxlen)
    cdef list found = []
    cdef Entry wanted
    cdef Place place
    cdef Arg element
    encode(word, &wanted)
    if rank > 0:
        value.seek(0, &place)
        while len(found) != count or count == 0:
            past = value.find(&wanted, &place)
            i += past
            if past < 0 or i >= end:
                break
            rank -= 1
            if rank <= 0:
                found.append(i)
            value.read(&place, &element)
            i += 1
        return found
    value.seek(value.n, &place)
    for i in range(value.n - 1, value.n - 1 - end, -1):
        value.read_back(&place, &element)
        if value.meets(&place, &wanted):
            rank += 1
            if rank >= 0:
                found.append(i)
                if len(found) == count:
                    break
    return found


cdef int lpos(Client c, Args a, Buf out) except -1:
    cdef int64_t rank = 1, count = -1, maxlen = 0
    cdef Py_ssize_t i
    cdef List value
    for i in range(3, a.n, 2):
        if i + 1 == a.n:
            raise ReplyError("ERR syntax error")
        if is_word(&a.v[i], "rank"):
            rank = int_of(&a.v[i + 1])
            if rank == 0:
                raise ReplyError(
                    "ERR RANK can't be zero: use 1 to start from the first match, 2 from the "
                    "second ... or use negative to start from the end of the list")
            if rank < -0x7FFFFFFFFFFFFFFF:
                raise ReplyError("ERR value is out of range")
        elif is_word(&a.v[i], "count"):
            if not parse_int(a.v[i + 1].p, a.v[i + 1].n, &count) or count < 0:
                raise ReplyError("ERR COUNT can't be negative")
        elif is_word(&a.v[i], "maxlen"):
            if not parse_int(a.v[i + 1].p, a.v[i + 1].n, &maxlen) or maxlen < 0:
                raise ReplyError("ERR MAXLEN can't be negative")
        else:
            raise ReplyError("ERR syntax error")
    value = <List>c.db.read_kind(&a.v[1], LIST)
    places = [] if value is None else positions(
        value, &a.v[2], rank, 1 if count < 0 else count, maxlen if maxlen else value.n)
    if count < 0:
        return put_int(out, places[0]) if places else put_nil(out, c.resp)
    put_array(out, len(places))
    for place in places:
        put_int(out, place)
    return 0


# ---------------------------------------------------------------------- changing in place

cdef int lset(Client c, Args a, Buf out) except -1:
    cdef int64_t i
    cdef Place place
    cdef List value = <List>c.db.find_kind(&a.v[1], LIST)
    if value is None:
        raise ReplyError("ERR no such key")
    i = int_of(&a.v[2])
    if i < 0:
        i += value.n
    if not 0 <= i < value.n:
        raise ReplyError("ERR index out of range")
    value.seek(i, &place)
    value.replace(&place, &a.v[3], c.store.list_limit)
    c.db.changed(&a.v[1], EVENT_LIST, "lset")
    return put_ok(out)


cdef int linsert(Client c, Args a, Buf out) except -1:
    cdef bint after = is_word(&a.v[2], "after")
    cdef List value
    cdef Entry pivot
    cdef Place place
    cdef Arg element
    if not after and not is_word(&a.v[2], "before"):
        raise ReplyError("ERR syntax error")
    value = <List>c.db.find_kind(&a.v[1], LIST)
    if value is None:
        return put_int(out, 0)
    encode(&a.v[3], &pivot)
    value.seek(0, &place)
    if value.find(&pivot, &place) < 0:
        return put_int(out, -1)
    if after:
        value.read(&place, &element)
    value.insert(&place, &a.v[4], c.store.list_limit)
    c.db.changed(&a.v[1], EVENT_LIST, "linsert")
    return put_int(out, value.n)


cdef int lrem(Client c, Args a, Buf out) except -1:
    cdef int64_t count = int_of(&a.v[2])
    cdef int64_t removed = 0
    cdef List value = <List>c.db.find_kind(&a.v[1], LIST)
    cdef Py_ssize_t _k
    cdef Entry wanted
    cdef Place place
    cdef Arg element
    if value is None:
        return put_int(out, 0)
    encode(&a.v[3], &wanted)
    if count >= 0:
        value.seek(0, &place)
        while (count == 0 or removed < count) and value.find(&wanted, &place) >= 0:
            value.remove(&place)
            removed += 1
    else:
        value.seek(value.n, &place)
        for _k in range(value.n):
            value.read_back(&place, &element)
            if value.meets(&place, &wanted):
                value.remove(&place)
                removed += 1
                if removed == -count:
                    break
    if removed:
        c.db.changed(&a.v[1], EVENT_LIST, "lrem")
        c.db.drop_if_empty(&a.v[1], value)
    return put_int(out, removed)


cdef int ltrim(Client c, Args a, Buf out) except -1:
    cdef int64_t start = int_of(&a.v[2])
    cdef int64_t stop = int_of(&a.v[3])
    cdef int64_t behind
    cdef List value = <List>c.db.find_kind(&a.v[1], LIST)
    if value is None:
        return put_ok(out)
    if not clamp_range(&start, &stop, value.n):
        start, stop = value.n, value.n - 1
    behind = value.n - 1 - stop
    value.drop(start, True)
    value.drop(behind, False)
    c.db.changed(&a.v[1], EVENT_LIST, "ltrim")
    c.db.drop_if_empty(&a.v[1], value)
    return put_ok(out)


# ---------------------------------------------------------------------- moving

cdef bint is_left(const Arg* word) except -1:
    if is_word(word, "left"):
        return True
    if not is_word(word, "right"):
        raise ReplyError("ERR syntax error")
    return False


cdef bint move_one(Client c, const Arg* source, const Arg* target, bint source_left,
                   bint target_left, Buf out) except -1:
    """Move an element between lists (or ends of one); False when the source is empty."""
    cdef List taken = <List>c.db.find_kind(source, LIST)
    cdef List given
    cdef bytes element
    cdef Arg moved
    if taken is None:
        return False
    given = <List>c.db.find_kind(target, LIST)
    element = taken.pop(source_left)
    if given is None:
        given = List()
        c.db.set(target, given, False)
    moved = as_arg(element)
    given.push(&moved, target_left, c.store.list_limit)
    c.db.changed(target, EVENT_LIST, "lpush" if target_left else "rpush")
    after_pop(c, source, taken, source_left)
    put_bytes(out, element)
    return True


cdef int lmove(Client c, Args a, Buf out) except -1:
    cdef bint source_left = is_left(&a.v[3])
    if not move_one(c, &a.v[1], &a.v[2], source_left, is_left(&a.v[4]), out):
        return put_nil(out, c.resp)
    return 0


cdef int rpoplpush(Client c, Args a, Buf out) except -1:
    if not move_one(c, &a.v[1], &a.v[2], False, True, out):
        return put_nil(out, c.resp)
    return 0


# ---------------------------------------------------------------------- waiting

cdef class ListPop(PopWaiter):
    """BLPOP and BRPOP (key and element), LMPOP and BLMPOP (key and elements)."""

    cdef int read_end(self, const Arg* word) except -1:
        self.first = is_left(word)
        return 0

    cdef bint take(self, const Arg* key, Buf out) except -1:
        cdef Client c = self.client
        cdef List value = <List>self.db.find_kind(key, LIST)
        cdef int64_t count
        if value is None:
            return False
        count = min(max(self.count, <int64_t>1), value.n)
        put_array(out, 2)
        put_bulk(out, key.p, key.n)
        if self.count:
            pop_many(c, key, value, count, self.first, out)
        else:
            put_bytes(out, value.pop(self.first))
            after_pop(c, key, value, self.first)
        c.store.record(c, b"LPOP" if self.first else b"RPOP",
                       PyBytes_FromStringAndSize(key.p, key.n), count)
        return True


cdef class MoveWaiter(Waiter):
    """BLMOVE and BRPOPLPUSH."""

    cdef bint source_left, target_left
    cdef bint old_form             # it was called BRPOPLPUSH
    cdef bytes target

    cdef bint take(self, const Arg* key, Buf out) except -1:
        cdef Client c = self.client
        cdef Arg target = as_arg(self.target)
        if not move_one(c, key, &target, self.source_left, self.target_left, out):
            return False
        source = PyBytes_FromStringAndSize(key.p, key.n)
        if self.old_form:
            c.store.record(c, b"RPOPLPUSH", source, self.target)
        else:
            c.store.record(c, b"LMOVE", source, self.target,
                           b"LEFT" if self.source_left else b"RIGHT",
                           b"LEFT" if self.target_left else b"RIGHT")
        return True


cdef int blpop(Client c, Args a, Buf out) except -1:
    return ListPop(LIST).wait_for_keys(c, a, True, out)


cdef int brpop(Client c, Args a, Buf out) except -1:
    return ListPop(LIST).wait_for_keys(c, a, False, out)


cdef int block_move(Client c, Args a, bint source_left, bint target_left, const Arg* timeout,
                    Buf out, bint old_form=False) except -1:
    cdef MoveWaiter waiter = MoveWaiter(LIST)
    cdef int64_t timeout_ms = timeout_of(c, timeout)
    waiter.client = c
    waiter.source_left, waiter.target_left, waiter.old_form = source_left, target_left, old_form
    waiter.target = a.text(2)
    return waiter.run(a, 1, 1, timeout_ms, out)


cdef int blmove(Client c, Args a, Buf out) except -1:
    cdef bint source_left = is_left(&a.v[3])
    return block_move(c, a, source_left, is_left(&a.v[4]), &a.v[5], out)


cdef int brpoplpush(Client c, Args a, Buf out) except -1:
    return block_move(c, a, False, True, &a.v[3], out, True)


cdef int lmpop(Client c, Args a, Buf out) except -1:
    return ListPop(LIST).pop_from_any(c, a, out)


cdef int blmpop(Client c, Args a, Buf out) except -1:
    return ListPop(LIST).wait_for_any(c, a, out)


def store_list(Client client not None, bytes key, list elements) -> None:
    """Keep elements as a list at a key; nothing is kept of none (SORT STORE)."""
    cdef Arg arg = as_arg(key)
    cdef Database db = client.db
    if elements:
        db.set(&arg, List.of(elements, client.store.list_limit), False)
        db.changed(&arg, EVENT_LIST, "sortstore")
    elif db.find(&arg) is not None:
        db.delete(&arg)
        db.changed(&arg, EVENT_GENERIC, "del")


define("lpush", lpush)
define("rpush", rpush)
define("lpushx", lpushx)
define("rpushx", rpushx)
define("lpop", lpop)
define("rpop", rpop)
define("llen", llen)
define("lindex", lindex)
define("lrange", lrange)
define("lpos", lpos)
define("lset", lset)
define("linsert", linsert)
define("lrem", lrem)
define("ltrim", ltrim)
define("lmove", lmove)
define("rpoplpush", rpoplpush)
define("blpop", blpop)
define("brpop", brpop)
define("blmove", blmove)
define("brpoplpush", brpoplpush)
define("lmpop", lmpop)
define("blmpop", blmpop)
