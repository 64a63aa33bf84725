"""Union, intersection and difference of sorted sets (and of plain sets, whose scores are all 1).

    ZUNION 2 a b WEIGHTS 1 2 AGGREGATE MAX       score = max(1 * score in a, 2 * score in b)
"""

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.math cimport isnan
from libc.stdint cimport int64_t

from bedrock.net.buf cimport Buf
from kvstore.binding cimport define
from kvstore.engine cimport Client
from kvstore.keyspace cimport SET, ZSET, as_arg, kind_of
from kvstore.keyspace import WrongType
from kvstore.resp cimport Arg, Args, is_word, parse_double, parse_int, put_int
from kvstore.resp import ReplyError
from kvstore.sets cimport Set
from kvstore.zset_commands cimport put_member, put_pair, put_pairs_header, store_zset
from kvstore.zsets cimport Mark, ZSet, new_zset


cdef enum Operation:
    UNION, INTERSECTION, DIFFERENCE

cdef enum Aggregate:
    SUM, MIN, MAX


cdef dict scores_of(object value, double weight):
    """member -> weighted score of an input, which may be a plain set."""
    cdef dict scores = {}
    cdef Mark mark
    cdef Arg member
    cdef double score
    if value is None:
        return scores
    if kind_of(value) == SET:
        return dict.fromkeys((<Set>value).members(), weight)
    if kind_of(value) != ZSET:
        raise WrongType
    mark = (<ZSet>value).at(0)
    while (<ZSet>value).next(&mark, &member, &score):
        scores[PyBytes_FromStringAndSize(member.p, member.n)] = score * weight
    return scores


cdef double number(double score) noexcept:
    return 0 if isnan(score) else score      # inf - inf, 0 * inf


cdef double merge(double a, double b, Aggregate aggregate) noexcept:
    if aggregate == SUM:
        return number(a + b)
    if aggregate == MIN:
        return b if b < a else a             # a, if b is not a number
    return b if b > a else a


cdef dict combine(list inputs, Operation operation, Aggregate aggregate):
    """The result of an operation on several member -> score maps.

    Redis adds the smallest first, and takes what is not a number for 0 in the first set of an
    intersection and in every set of a union only.
    """
    cdef dict result, other
    if operation != DIFFERENCE:
        inputs = sorted(inputs, key=len)
    result = {member: number(score) for member, score in inputs[0].items()}
    for other in inputs[1:]:
        if operation == DIFFERENCE:
            for member in other:
                result.pop(member, None)
        elif operation == INTERSECTION:
            result = {member: merge(score, other[member], aggregate)
                      for member, score in result.items() if member in other}
        else:
            for member, score in other.items():
                score = number(score)
                if member in result:
                    score = merge(result[member], score, aggregate)
                result[member] = score
    return result


cdef dict compute(Client c, Args a, Py_ssize_t at, Operation operation, str name,
                  bint* with_scores):
    """Parse `numkeys key ... [options]` at a.v[at] and compute; with_scores NULL: not allowed."""
    cdef int64_t n
    cdef Py_ssize_t i, k
    cdef Aggregate aggregate = SUM
    cdef double weight
    cdef list values = [], weights
    if not parse_int(a.v[at].p, a.v[at].n, &n):
        raise ReplyError("ERR value is not an integer or out of range")
    if n < 1:
        raise ReplyError(f"ERR at least 1 input key is needed for '{name}' command")
    if n > a.n - at - 1:
        raise ReplyError("ERR syntax error")
    for i in range(at + 1, at + 1 + n):
        value = c.db.read(&a.v[i])
        if value is not None and kind_of(value) not in (SET, ZSET):
            raise WrongType
        values.append(value)
    weights = [1.0] * n
    i = at + 1 + n
    while i < a.n:
        if operation != DIFFERENCE and is_word(&a.v[i], "weights") and a.n - i - 1 >= n:
            for k in range(n):
                i += 1
                if not parse_double(a.v[i].p, a.v[i].n, &weight):
                    raise ReplyError("ERR weight value is not a float")
                weights[k] = weight
        elif operation != DIFFERENCE and is_word(&a.v[i], "aggregate") and i + 1 < a.n:
            i += 1
            if is_word(&a.v[i], "sum"):
                aggregate = SUM
            elif is_word(&a.v[i], "min"):
                aggregate = MIN
            elif is_word(&a.v[i], "max"):
                aggregate = MAX
            else:
                raise ReplyError("ERR syntax error")
        elif with_scores is not NULL and is_word(&a.v[i], "withscores"):
            with_scores[0] = True
        else:
            raise ReplyError("ERR syntax error")
        i += 1
    return combine([scores_of(v, w) for v, w in zip(values, weights, strict=True)],
                   operation, aggregate)


cdef int reply(Client c, Args a, Operation operation, str name, Buf out) except -1:
    cdef bint with_scores = False
    cdef dict result = compute(c, a, 1, operation, name, &with_scores)
    cdef Arg word
    put_pairs_header(c, len(result), with_scores, out)
    for score, member in sorted((score, member) for member, score in result.items()):
        word = as_arg(member)
        put_pair(c, &word, score, with_scores, out)
    return 0


cdef int store(Client c, Args a, Operation operation, str name, Buf out) except -1:
    cdef dict result = compute(c, a, 2, operation, name, NULL)
    cdef ZSet kept = new_zset(c.store.keyspace.rand)
    cdef Arg word
    kept.reserve(len(result), c.store.zset_entries)
    for member, score in result.items():
        word = as_arg(member)
        put_member(c, kept, &word, score)
    return store_zset(c, &a.v[1], kept, name, out)


cdef int zunion(Client c, Args a, Buf out) except -1:
    return reply(c, a, UNION, "zunion", out)


cdef int zinter(Client c, Args a, Buf out) except -1:
    return reply(c, a, INTERSECTION, "zinter", out)


cdef int zdiff(Client c, Args a, Buf out) except -1:
    return reply(c, a, DIFFERENCE, "zdiff", out)


cdef int zunionstore(Client c, Args a, Buf out) except -1:
    return store(c, a, UNION, "zunionstore", out)


cdef int zinterstore(Client c, Args a, Buf out) except -1:
    return store(c, a, INTERSECTION, "zinterstore", out)


cdef int zdiffstore(Client c, Args a, Buf out) except -1:
    return store(c, a, DIFFERENCE, "zdiffstore", out)


cdef int zintercard(Client c, Args a, Buf out) except -1:
    cdef int64_t n, limit = 0
    cdef Py_ssize_t i
    cdef list inputs = []
    if not parse_int(a.v[1].p, a.v[1].n, &n):
        raise ReplyError("ERR value is not an integer or out of range")
    if n <= 0:
        raise ReplyError("ERR at least 1 input key is needed for 'zintercard' command")
    if n > a.n - 2:
        raise ReplyError("ERR syntax error")
    for i in range(2, n + 2):
        inputs.append(scores_of(c.db.read(&a.v[i]), 1))
    if n + 2 < a.n:
        if n + 4 != a.n or not is_word(&a.v[n + 2], "limit"):
            raise ReplyError("ERR syntax error")
        if not parse_int(a.v[n + 3].p, a.v[n + 3].n, &limit) or limit < 0:
            raise ReplyError("ERR LIMIT can't be negative")
    found = len(combine(inputs, INTERSECTION, SUM))
    return put_int(out, min(found, limit) if limit else found)


define("zunion", zunion)
define("zinter", zinter)
define("zdiff", zdiff)
define("zunionstore", zunionstore)
define("zinterstore", zinterstore)
define("zdiffstore", zdiffstore)
define("zintercard", zintercard)
