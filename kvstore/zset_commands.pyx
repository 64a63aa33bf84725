"""The commands on sorted sets (`zsets`), but for ranges and those that combine sets.

ZADD's options decide member by member; popping takes from the set's ends, and may wait for a member
(BZPOPMIN and its kin).
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.math cimport isnan
from libc.stdint cimport INT64_MAX, int64_t, uint64_t

from bedrock.world.rand cimport Rand
from kvstore.blocking cimport PopWaiter
from kvstore.binding cimport define
from kvstore.hashtable cimport Slot
from kvstore.keyspace cimport EVENT_GENERIC, EVENT_ZSET, ZSET, Value, as_arg
from kvstore.resp cimport format_double, is_word, parse_int, put_array, put_bulk, put_double, \
    put_int, put_nil
from kvstore.resp import ReplyError
from kvstore.scan cimport ScanOptions, put_scan, scan_cursor, scan_options, wanted
from kvstore.strings cimport double_of, draws_of
from kvstore.zsets cimport Mark, new_zset


cdef int put_member(Client c, ZSet value, const Arg* member, double score) except -1:
    if score == 0 and value.small is not None:
        score = 0                      # packed, there is no negative zero
    return value.put(member, score, c.store.zset_entries, c.store.zset_value)


cdef int put_pairs_header(Client c, Py_ssize_t n, bint with_scores, Buf out) except -1:
    return put_array(out, n * 2 if with_scores and c.resp == 2 else n)


cdef int put_pair(Client c, const Arg* member, double score, bint with_scores,
                  Buf out) except -1:
    if with_scores and c.resp == 3:
        put_array(out, 2)
    put_bulk(out, member.p, member.n)
    if not with_scores:
        return 0
    return put_double(out, score, c.resp)


cdef int store_zset(Client c, const Arg* key, ZSet value, str name, Buf out) except -1:
    if value.length() == 0:
        if c.db.find(key) is not None:
            c.db.delete(key)
            c.db.changed(key, EVENT_GENERIC, "del")
        return put_int(out, 0)
    c.db.set(key, value, False)
    c.db.changed(key, EVENT_ZSET, name)
    return put_int(out, value.length())


# ---------------------------------------------------------------------- adding

cdef enum AddOption:
    NX = 1
    XX = 2
    GT = 4
    LT = 8
    CH = 16
    INCR = 32


cdef Py_ssize_t add_options(Args a, int* flags) except -1:
    """Options of ZADD; the index of the first score."""
    cdef Py_ssize_t i = 2
    flags[0] = 0
    while i < a.n:
        if is_word(&a.v[i], "nx"):
            flags[0] |= NX
        elif is_word(&a.v[i], "xx"):
            flags[0] |= XX
        elif is_word(&a.v[i], "gt"):
            flags[0] |= GT
        elif is_word(&a.v[i], "lt"):
            flags[0] |= LT
        elif is_word(&a.v[i], "ch"):
            flags[0] |= CH
        elif is_word(&a.v[i], "incr"):
            flags[0] |= INCR
        else:
            break
        i += 1
    if (a.n - i) % 2 or i == a.n:
        raise ReplyError("ERR syntax error")
    if flags[0] & NX and flags[0] & XX:
        raise ReplyError("ERR XX and NX options at the same time are not compatible")
    if (flags[0] & GT and flags[0] & (NX | LT)) or (flags[0] & LT and flags[0] & NX):
        raise ReplyError("ERR GT, LT, and/or NX options at the same time are not compatible")
    if flags[0] & INCR and a.n - i > 2:
        raise ReplyError("ERR INCR option supports a single increment-element pair")
    return i


cdef int add_one(Client c, ZSet value, const Arg* member, double* score, int flags) except -1:
    """Apply ZADD to one member: 0 nothing done, 1 score changed, 2 added; score: what it is now."""
    cdef double old
    if not value.score_of(member, &old):
        if flags & XX:
            return 0
        put_member(c, value, member, score[0])
        return 2
    if flags & NX:
        return 0
    if flags & INCR:
        score[0] += old
        if isnan(score[0]):
            raise ReplyError("ERR resulting score is not a number (NaN)")
    if (flags & GT and score[0] <= old) or (flags & LT and score[0] >= old):
        return 0
    if score[0] == old:
        return 3
    put_member(c, value, member, score[0])
    return 1


cdef int add_scores(Client c, Args a, Py_ssize_t first, int flags, Buf out) except -1:
    """ZADD and ZINCRBY from their first score on."""
    cdef ZSet value
    cdef Py_ssize_t i
    cdef double score = 0
    cdef int added = 0, changed = 0, done = 0
    for i in range(first, a.n, 2):
        double_of(&a.v[i])
    value = <ZSet>c.db.find_kind(&a.v[1], ZSET)
    if value is None:
        if flags & XX:
            return put_nil(out, c.resp) if flags & INCR else put_int(out, 0)
        value = new_zset(c.store.keyspace.rand)
        c.db.set(&a.v[1], value, False)
    for i in range(first, a.n, 2):
        score = double_of(&a.v[i])
        done = add_one(c, value, &a.v[i + 1], &score, flags)
        added += done == 2
        changed += done == 1
    if added or changed:
        c.db.changed(&a.v[1], EVENT_ZSET, "zincr" if flags & INCR else "zadd")
    c.db.drop_if_empty(&a.v[1], value)
    if flags & INCR:
        return put_double(out, score, c.resp) if done else put_nil(out, c.resp)
    return put_int(out, added + changed if flags & CH else added)


cdef int zadd(Client c, Args a, Buf out) except -1:
    cdef int flags
    cdef Py_ssize_t first = add_options(a, &flags)
    return add_scores(c, a, first, flags, out)


cdef int zincrby(Client c, Args a, Buf out) except -1:
    return add_scores(c, a, 2, INCR, out)


cdef int zrem(Client c, Args a, Buf out) except -1:
    cdef ZSet value = <ZSet>c.db.find_kind(&a.v[1], ZSET)
    cdef Py_ssize_t i
    cdef int removed = 0
    if value is None:
        return put_int(out, 0)
    for i in range(2, a.n):
        removed += value.remove(&a.v[i])
    if removed:
        c.db.changed(&a.v[1], EVENT_ZSET, "zrem")
        c.db.drop_if_empty(&a.v[1], value)
    return put_int(out, removed)


# ---------------------------------------------------------------------- reading

cdef int zcard(Client c, Args a, Buf out) except -1:
    cdef Value value = c.db.read_kind(&a.v[1], ZSET)
    return put_int(out, 0 if value is None else value.length())


cdef int put_score(Client c, ZSet value, const Arg* member, Buf out) except -1:
    cdef double score
    if value is not None and value.score_of(member, &score):
        return put_double(out, score, c.resp)
    return put_nil(out, c.resp)


cdef int zscore(Client c, Args a, Buf out) except -1:
    return put_score(c, <ZSet>c.db.read_kind(&a.v[1], ZSET), &a.v[2], out)


cdef int zmscore(Client c, Args a, Buf out) except -1:
    cdef ZSet value = <ZSet>c.db.read_kind(&a.v[1], ZSET)
    cdef Py_ssize_t i
    put_array(out, a.n - 2)
    for i in range(2, a.n):
        put_score(c, value, &a.v[i], out)
    return 0


cdef int put_rank(Client c, Args a, bint reverse, Buf out) except -1:
    cdef ZSet value = <ZSet>c.db.read_kind(&a.v[1], ZSET)
    cdef double score
    cdef Py_ssize_t rank
    if value is None or not value.score_of(&a.v[2], &score):
        return put_nil(out, c.resp)
    rank = value.count_below(score, &a.v[2], False)
    return put_int(out, value.length() - 1 - rank if reverse else rank)


cdef int zrank(Client c, Args a, Buf out) except -1:
    return put_rank(c, a, False, out)


cdef int zrevrank(Client c, Args a, Buf out) except -1:
    return put_rank(c, a, True, out)


cdef int zscan(Client c, Args a, Buf out) except -1:
    cdef ScanOptions options
    cdef ZSet value
    cdef list found, items = []
    cdef uint64_t cursor = 0
    cdef char[40] text
    cdef double score
    cdef Arg member
    scan_cursor(a, 2, &options)
    value = <ZSet>c.db.read_kind(&a.v[1], ZSET)
    if value is None:
        return put_scan(out, 0, [])
    scan_options(a, 3, &options, False)
    if value.small is not None:
        found = value.elements()
    else:
        found = []
        cursor = value.table.scan(options.cursor, options.count, found)
    for name in found:
        if wanted(&options, PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name)):
            member = as_arg(name)
            value.score_of(&member, &score)
            items += (name, PyBytes_FromStringAndSize(text, format_double(text, score)))
    return put_scan(out, cursor, items)


cdef int put_random(Client c, ZSet value, bint with_scores, Buf out) except -1:
    cdef Rand rand = c.store.keyspace.rand
    cdef Slot* slot
    cdef Mark mark
    cdef Arg member
    cdef double score
    if value.small is not None:
        mark = value.at(rand.next() % <uint64_t>value.length())
        value.next(&mark, &member, &score)
    else:
        slot = value.table.any(rand)
        member = as_arg(<bytes>slot.key)
        score = (<double*>&slot.value)[0]
    return put_pair(c, &member, score, with_scores, out)


cdef int zrandmember(Client c, Args a, Buf out) except -1:
    cdef Py_ssize_t _i
    cdef bint with_scores = a.n == 4 and is_word(&a.v[3], "withscores")
    cdef ZSet value
    cdef int64_t count
    cdef list chosen = []
    cdef Mark mark
    cdef Arg member
    cdef double score
    if a.n == 2:
        value = <ZSet>c.db.read_kind(&a.v[1], ZSET)
        return put_nil(out, c.resp) if value is None else put_random(c, value, False, out)
    count = draws_of(&a.v[2])
    if a.n > 4 or (a.n == 4 and not with_scores):
        raise ReplyError("ERR syntax error")
    if not -(INT64_MAX // 2) <= count <= INT64_MAX // 2:
        raise ReplyError("ERR value is out of range")
    value = <ZSet>c.db.read_kind(&a.v[1], ZSET)
    if value is None or count == 0:
        return put_array(out, 0)
    if count < 0:
        # With repetition, written as they are drawn.
        put_pairs_header(c, -count, with_scores, out)
        for _i in range(-count):
            if out.n > c.store.longest_reply:
                break                  # its client is going to be cut off
            put_random(c, value, with_scores, out)
        return 0
    mark = value.at(0)
    while value.next(&mark, &member, &score):
        chosen.append((PyBytes_FromStringAndSize(member.p, member.n), score))
    if count < len(chosen):
        c.store.keyspace.rand.shuffle(chosen)
        del chosen[count:]
    put_pairs_header(c, len(chosen), with_scores, out)
    for name, score in chosen:
        member = as_arg(name)
        put_pair(c, &member, score, with_scores, out)
    return 0


# ---------------------------------------------------------------------- popping

cdef int take_out(Client c, const Arg* key, ZSet value, int64_t count, bint highest, int form,
                  Buf out) except -1:
    """Pop members.  form: 0 flat, 1 as the protocol pairs them, 2 always in pairs."""
    cdef Py_ssize_t _i
    cdef Mark mark
    cdef Arg member
    cdef bytes name
    cdef double score
    for _i in range(count):
        mark = value.at(value.length() - 1 if highest else 0)
        value.next(&mark, &member, &score)
        if form == 2 or (form == 1 and c.resp == 3):
            put_array(out, 2)
        put_bulk(out, member.p, member.n)
        put_double(out, score, c.resp)
        # What is removed may not be named by a view of itself.
        name = PyBytes_FromStringAndSize(member.p, member.n)
        member = as_arg(name)
        value.remove(&member)
    c.db.changed(key, EVENT_ZSET, "zpopmax" if highest else "zpopmin")
    return c.db.drop_if_empty(key, value)


cdef int pop_command(Client c, Args a, bint highest, Buf out) except -1:
    cdef ZSet value
    cdef int64_t count = 1
    if a.n > 3:
        raise ReplyError("ERR syntax error")
    if a.n == 3:
        if not parse_int(a.v[2].p, a.v[2].n, &count) or count < 0:
            raise ReplyError("ERR value is out of range, must be positive")
    value = <ZSet>c.db.find_kind(&a.v[1], ZSET)
    if value is None or count == 0:
        return put_array(out, 0)
    count = min(count, value.length())
    if a.n == 2:
        put_array(out, 2)
        return take_out(c, &a.v[1], value, 1, highest, 0, out)
    put_pairs_header(c, count, True, out)
    return take_out(c, &a.v[1], value, count, highest, 1, out)


cdef int zpopmin(Client c, Args a, Buf out) except -1:
    return pop_command(c, a, False, out)


cdef int zpopmax(Client c, Args a, Buf out) except -1:
    return pop_command(c, a, True, out)


cdef class ZSetPop(PopWaiter):
    """BZPOPMIN and BZPOPMAX (key, member, score), ZMPOP and BZMPOP (key and pairs)."""

    cdef int read_end(self, const Arg* word) except -1:
        self.first = is_word(word, "min")
        if not self.first and not is_word(word, "max"):
            raise ReplyError("ERR syntax error")
        return 0

    cdef bint take(self, const Arg* key, Buf out) except -1:
        cdef Client c = self.client
        cdef ZSet value = <ZSet>self.db.find_kind(key, ZSET)
        cdef int64_t count
        if value is None:
            return False
        count = min(max(self.count, <int64_t>1), value.length())
        put_array(out, 2 if self.count else 3)
        put_bulk(out, key.p, key.n)
        if self.count:
            put_array(out, count)
        take_out(c, key, value, count, not self.first, 2 if self.count else 0, out)
        c.store.record(c, b"ZPOPMIN" if self.first else b"ZPOPMAX",
                       PyBytes_FromStringAndSize(key.p, key.n), count)
        return True


cdef int bzpopmin(Client c, Args a, Buf out) except -1:
    return ZSetPop(ZSET).wait_for_keys(c, a, True, out)


cdef int bzpopmax(Client c, Args a, Buf out) except -1:
    return ZSetPop(ZSET).wait_for_keys(c, a, False, out)


cdef int zmpop(Client c, Args a, Buf out) except -1:
    return ZSetPop(ZSET).pop_from_any(c, a, out)


cdef int bzmpop(Client c, Args a, Buf out) except -1:
    return ZSetPop(ZSET).wait_for_any(c, a, out)


define("zadd", zadd)
define("zincrby", zincrby)
define("zrem", zrem)
define("zcard", zcard)
define("zscore", zscore)
define("zmscore", zmscore)
define("zrank", zrank)
define("zrevrank", zrevrank)
define("zscan", zscan)
define("zrandmember", zrandmember)
define("zpopmin", zpopmin)
define("zpopmax", zpopmax)
define("bzpopmin", bzpopmin)
define("bzpopmax", bzpopmax)
define("zmpop", zmpop)
define("bzmpop", bzmpop)
