"""Ranges of sorted sets: by position, by score, by name; forwards, backwards; read, stored, removed.

Whatever bounds a range, it becomes a first rank and a number of elements (two descents of the skip
list), so there is one way to read, count, store and remove a range.

    score   5   (5   -inf   +inf            ( = without the bound itself
    name    [a  (a   -      +               only of use when all scores are equal
"""

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.math cimport NAN, isnan
from libc.stdint cimport int64_t
from libc.stdlib cimport strtod
from libc.string cimport memcpy

from bedrock.net.buf cimport Buf
from kvstore.binding cimport define
from kvstore.engine cimport Client
from kvstore.keyspace cimport EVENT_ZSET, ZSET, as_arg
from kvstore.resp cimport Arg, Args, is_word, put_array, put_int
from kvstore.resp import ReplyError
from kvstore.strings cimport clamp_range, int_of
from kvstore.zset_commands cimport put_member, put_pair, put_pairs_header, store_zset
from kvstore.zsets cimport Mark, ZSet, new_zset


cdef enum By:
    RANK, SCORE, NAME

cdef enum:
    PIECE = 128


cdef struct Range:
    By by
    bint reverse
    bint with_scores
    int64_t offset
    int64_t count                  # -1 = all
    const Arg* low                 # as written, the lower bound first
    const Arg* high


cdef struct Span:
    Py_ssize_t first               # rank of the lowest element
    Py_ssize_t n


cdef struct Bound:
    double score
    Arg name
    bint exclusive
    int beyond                     # -1: "-", 1: "+" of a name bound


cdef int score_bound(const Arg* word, Bound* bound) except -1:
    cdef Py_ssize_t skip = 1 if word.n and word.p[0] == c'(' else 0
    cdef char[64] text
    cdef char* end
    cdef Py_ssize_t n = word.n - skip
    bound.exclusive = skip
    if n < <Py_ssize_t>sizeof(text):
        memcpy(text, word.p + skip, n)
        text[n] = 0
        # As it is written, so also with blanks before it, or nothing at all.
        bound.score = strtod(text, &end)
        if end == text + n and not isnan(bound.score):
            return 0
    raise ReplyError("ERR min or max is not a float")


cdef int name_bound(const Arg* word, Bound* bound) except -1:
    bound.beyond = 0
    if word.n == 1 and word.p[0] in b"-+":
        bound.beyond = -1 if word.p[0] == c'-' else 1
        return 0
    if word.n == 0 or word.p[0] not in b"[(":
        raise ReplyError("ERR min or max not valid string range item")
    bound.exclusive = word.p[0] == c'('
    bound.name.p = word.p + 1
    bound.name.n = word.n - 1
    return 0


cdef Py_ssize_t below_name(ZSet value, const Bound* bound, bint after) noexcept:
    if bound.beyond:
        return 0 if bound.beyond < 0 else value.length()
    return value.count_below(NAN, &bound.name, after)


cdef int check_bounds(const Range* range_, Bound* low, Bound* high) except -1:
    """Bounds are checked before the key is looked at."""
    if range_.by == SCORE:
        score_bound(range_.low, low)
        score_bound(range_.high, high)
    elif range_.by == NAME:
        name_bound(range_.low, low)
        name_bound(range_.high, high)
    else:
        low.score = <double>int_of(range_.low)
        int_of(range_.high)
    return 0


cdef Span resolve(ZSet value, const Range* range_) except *:
    """The ranks a range covers, its LIMIT applied."""
    cdef Bound low, high
    cdef Span span
    cdef int64_t start, stop
    check_bounds(range_, &low, &high)
    span.first = span.n = 0
    if value is None:
        return span
    if range_.by == RANK:
        start, stop = int_of(range_.low), int_of(range_.high)
        if clamp_range(&start, &stop, value.length()):
            span.n = stop - start + 1
            span.first = value.length() - 1 - stop if range_.reverse else start
        return span
    if range_.by == SCORE:
        span.first = value.count_below(low.score, NULL, low.exclusive)
        span.n = value.count_below(high.score, NULL, not high.exclusive) - span.first
    else:
        span.first = below_name(value, &low, low.exclusive)
        span.n = below_name(value, &high, not high.exclusive) - span.first
    if range_.offset < 0 or range_.offset >= span.n:
        span.n = 0
        return span
    if not range_.reverse:
        span.first += range_.offset
    span.n -= range_.offset
    if 0 <= range_.count < span.n:
        if range_.reverse:
            span.first += span.n - range_.count
        span.n = range_.count
    return span


cdef int put_span(Client c, ZSet value, Span span, const Range* range_, Buf out) except -1:
    cdef Py_ssize_t _i
    cdef Mark mark
    cdef Arg member
    cdef double score
    if span.n <= 0:
        return put_array(out, 0)
    put_pairs_header(c, span.n, range_.with_scores, out)
    if range_.reverse:
        return put_backwards(c, value, span, range_.with_scores, out)
    mark = value.at(span.first)
    for _i in range(span.n):
        value.next(&mark, &member, &score)
        put_pair(c, &member, score, range_.with_scores, out)
    return 0


cdef int put_backwards(Client c, ZSet value, Span span, bint with_scores, Buf out) except -1:
    """The last one first: walked forwards in pieces, each written from its end."""
    cdef Mark[PIECE] marks
    cdef Mark mark
    cdef Arg member
    cdef double score
    cdef Py_ssize_t i, n, left = span.n
    while left > 0:
        n = min(left, <Py_ssize_t>PIECE)
        left -= n
        mark = value.at(span.first + left)
        for i in range(n):
            marks[i] = mark
            value.next(&mark, &member, &score)
        for i in range(n - 1, -1, -1):
            value.next(&marks[i], &member, &score)
            put_pair(c, &member, score, with_scores, out)
    return 0


cdef int parse_options(Args a, Py_ssize_t i, Range* range_, bint any_kind, bint scores) except -1:
    """Options from a.v[i] on.  any_kind: BYSCORE, BYLEX and REV may be given (ZRANGE)."""
    cdef bint limited = False
    while i < a.n:
        if scores and is_word(&a.v[i], "withscores"):
            range_.with_scores = True
        elif i + 2 < a.n and is_word(&a.v[i], "limit"):
            range_.offset = int_of(&a.v[i + 1])
            range_.count = int_of(&a.v[i + 2])
            limited = range_.count != -1
            i += 2
        elif any_kind and is_word(&a.v[i], "byscore") and range_.by != NAME:
            range_.by = SCORE
        elif any_kind and is_word(&a.v[i], "bylex") and range_.by != SCORE:
            range_.by = NAME
        elif any_kind and is_word(&a.v[i], "rev"):
            range_.reverse = True
        else:
            raise ReplyError("ERR syntax error")
        i += 1
    if limited and range_.by == RANK:
        raise ReplyError(
            "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX")
    if range_.with_scores and range_.by == NAME:
        raise ReplyError(
            "ERR syntax error, WITHSCORES not supported in combination with BYLEX")
    return 0


cdef Range plain_range(Args a, Py_ssize_t at, By by, bint reverse) noexcept:
    """Bounds at a.v[at] and behind; reversed ranges by score and name have the upper one first."""
    cdef Range range_
    range_.by = by
    range_.reverse = reverse
    range_.with_scores = False
    range_.offset = 0
    range_.count = -1
    range_.low = &a.v[at]
    range_.high = &a.v[at + 1]
    return range_


cdef int swap_bounds(Range* range_) noexcept:
    cdef const Arg* first = range_.low
    if range_.reverse and range_.by != RANK:
        range_.low = range_.high
        range_.high = first
    return 0


cdef int read_range(Client c, Args a, By by, bint reverse, bint any_kind, Buf out) except -1:
    cdef Range range_ = plain_range(a, 2, by, reverse)
    cdef Bound low, high
    cdef ZSet value
    parse_options(a, 4, &range_, any_kind, any_kind or by != NAME)
    swap_bounds(&range_)
    check_bounds(&range_, &low, &high)
    value = <ZSet>c.db.read_kind(&a.v[1], ZSET)
    return put_span(c, value, resolve(value, &range_), &range_, out)


cdef int zrange(Client c, Args a, Buf out) except -1:
    return read_range(c, a, RANK, False, True, out)


cdef int zrevrange(Client c, Args a, Buf out) except -1:
    return read_range(c, a, RANK, True, False, out)


cdef int zrangebyscore(Client c, Args a, Buf out) except -1:
    return read_range(c, a, SCORE, False, False, out)


cdef int zrevrangebyscore(Client c, Args a, Buf out) except -1:
    return read_range(c, a, SCORE, True, False, out)


cdef int zrangebylex(Client c, Args a, Buf out) except -1:
    return read_range(c, a, NAME, False, False, out)


cdef int zrevrangebylex(Client c, Args a, Buf out) except -1:
    return read_range(c, a, NAME, True, False, out)


cdef int zrangestore(Client c, Args a, Buf out) except -1:
    cdef Py_ssize_t _i
    cdef Range range_ = plain_range(a, 3, RANK, False)
    cdef Bound low, high
    cdef ZSet value, kept
    cdef Span span
    cdef Mark mark
    cdef Arg member
    cdef double score
    parse_options(a, 5, &range_, True, False)
    swap_bounds(&range_)
    check_bounds(&range_, &low, &high)
    value = <ZSet>c.db.find_kind(&a.v[2], ZSET)
    span = resolve(value, &range_)
    kept = new_zset(c.store.keyspace.rand)
    if span.n > 0:
        mark = value.at(span.first)
        for _i in range(span.n):
            value.next(&mark, &member, &score)
            put_member(c, kept, &member, score)
    return store_zset(c, &a.v[1], kept, "zrangestore", out)


cdef int count_range(Client c, Args a, By by, Buf out) except -1:
    cdef Range range_ = plain_range(a, 2, by, False)
    cdef Bound low, high
    cdef Span span
    check_bounds(&range_, &low, &high)
    span = resolve(<ZSet>c.db.read_kind(&a.v[1], ZSET), &range_)
    return put_int(out, max(span.n, <Py_ssize_t>0))


cdef int zcount(Client c, Args a, Buf out) except -1:
    return count_range(c, a, SCORE, out)


cdef int zlexcount(Client c, Args a, Buf out) except -1:
    cdef Py_ssize_t _i
    return count_range(c, a, NAME, out)


cdef int remove_range(Client c, Args a, By by, str name, Buf out) except -1:
    cdef Range range_ = plain_range(a, 2, by, False)
    cdef Bound low, high
    cdef Span span
    cdef ZSet value
    cdef Mark mark
    cdef Arg member
    cdef double score
    cdef list doomed = []
    check_bounds(&range_, &low, &high)
    value = <ZSet>c.db.find_kind(&a.v[1], ZSET)
    span = resolve(value, &range_)
    if span.n <= 0:
        return put_int(out, 0)
    mark = value.at(span.first)
    for _i in range(span.n):
        value.next(&mark, &member, &score)
        doomed.append(PyBytes_FromStringAndSize(member.p, member.n))
    for one in doomed:
        member = as_arg(one)
        value.remove(&member)
    c.db.changed(&a.v[1], EVENT_ZSET, name)
    c.db.drop_if_empty(&a.v[1], value)
    return put_int(out, span.n)


cdef int zremrangebyrank(Client c, Args a, Buf out) except -1:
    return remove_range(c, a, RANK, "zremrangebyrank", out)


cdef int zremrangebyscore(Client c, Args a, Buf out) except -1:
    return remove_range(c, a, SCORE, "zremrangebyscore", out)


cdef int zremrangebylex(Client c, Args a, Buf out) except -1:
    return remove_range(c, a, NAME, "zremrangebylex", out)


define("zrange", zrange)
define("zrevrange", zrevrange)
define("zrangebyscore", zrangebyscore)
define("zrevrangebyscore", zrevrangebyscore)
define("zrangebylex", zrangebylex)
define("zrevrangebylex", zrevrangebylex)
define("zrangestore", zrangestore)
define("zcount", zcount)
define("zlexcount", zlexcount)
define("zremrangebyrank", zremrangebyrank)
define("zremrangebyscore", zremrangebyscore)
define("zremrangebylex", zremrangebylex)
