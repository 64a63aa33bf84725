"""Claims: entries that were handed to one consumer and go to another, XCLAIM and XAUTOCLAIM.

    pending, idle for long enough ─► is the entry still there? ─► the other's, delivered once more
                                            └─► no: it is pending no more

Times are told to the log and to replicas as they came to be, an XCLAIM for each entry; the same record
says that an entry was delivered (stream_groups).
"""

from libc.stdint cimport int64_t

from bedrock.net.buf cimport Buf
from kvstore.binding cimport define
from kvstore.engine cimport Client
from kvstore.resp cimport Args, is_word, parse_int, put_array, put_object
from kvstore.stream cimport NOTHING, Stream, find_stream, id_of, put_id, read_id
from kvstore.stream_chunk cimport Chunk, Id, compare
from kvstore.stream_groups cimport (
    Consumer, Group, Pending, advance, consumer_for, group_of, id_from, low_end, no_group, record_claim,
)

from kvstore.resp import ReplyError


cdef class Claim:
    """The options of XCLAIM."""

    cdef int64_t at_ms             # when it counts as delivered
    cdef int64_t retries           # how often it counts as delivered, -1 = once more
    cdef bint force, just_ids
    cdef Id last


cdef int record_loss(Client c, Args a, tuple key) except -1:
    cdef Buf record = c.store.instead(c)
    if record is not None:
        put_object(record, [b"XACK", a.text(1), a.text(2), b"%d-%d" % key], 2)
    return 0


cdef Claim claim_options(Client c, Args a, Py_ssize_t i):
    cdef Claim claim = Claim()
    cdef int64_t number
    claim.at_ms = c.store.keyspace.now_ms
    claim.retries = -1
    while i < a.n:
        if is_word(&a.v[i], "force"):
            claim.force = True
        elif is_word(&a.v[i], "justid"):
            claim.just_ids = True
        elif i + 1 == a.n:
            raise ReplyError(
                f"ERR Unrecognized XCLAIM option '{a.text(i).decode('latin-1')}'")
        elif is_word(&a.v[i], "lastid"):
            claim.last = id_of(&a.v[i + 1], 0)
            i += 1
        else:
            if is_word(&a.v[i], "idle"):
                what = "IDLE"
            elif is_word(&a.v[i], "time"):
                what = "TIME"
            elif is_word(&a.v[i], "retrycount"):
                what = "RETRYCOUNT"
            else:
                raise ReplyError(
                    f"ERR Unrecognized XCLAIM option '{a.text(i).decode('latin-1')}'")
            if not parse_int(a.v[i + 1].p, a.v[i + 1].n, &number):
                raise ReplyError(
                    f"ERR Invalid {what} option argument for XCLAIM")
            if what == "RETRYCOUNT":
                claim.retries = number
            else:
                claim.at_ms = c.store.keyspace.now_ms - number if what == "IDLE" else number
            i += 1
        i += 1
    # In the future, or before time began: now.
    if not 0 <= claim.at_ms <= c.store.keyspace.now_ms:
        claim.at_ms = c.store.keyspace.now_ms
    return claim


cdef int take_over(Client c, Args a, Group group, tuple key, Claim claim, Chunk chunk,
                   Py_ssize_t at, Buf out) except -1:
    """Give an entry to the consumer a.v[3] and append it to the answer."""
    cdef Consumer consumer = consumer_for(c, a.text(1), group, a.text(3))
    cdef Pending one = group.assign(key, consumer, claim.at_ms)
    if claim.retries >= 0:
        one.deliveries = claim.retries
    elif not claim.just_ids:
        one.deliveries += 1
    if claim.just_ids:
        put_id(out, id_from(key))
    else:
        chunk.put_entry(out, at)
    c.store.keyspace.dirty += 1
    return record_claim(c, a.text(1), a.text(2), key, one, group.last)


cdef int64_t min_idle(Args a, str name) except -1:
    cdef int64_t idle
    if not parse_int(a.v[4].p, a.v[4].n, &idle):
        raise ReplyError(f"ERR Invalid min-idle-time argument for {name}")
    return max(<int64_t>0, idle)


cdef int xclaim(Client c, Args a, Buf out) except -1:
    cdef Stream stream = find_stream(c, &a.v[1], False)
    cdef Group group = group_of(stream, a.text(2))
    cdef int64_t idle, now_ms = c.store.keyspace.now_ms
    cdef Py_ssize_t i = 5, done = 0, at
    cdef list keys = []
    cdef Claim claim
    cdef Pending one
    cdef Id id
    cdef Chunk chunk
    cdef Buf entries = Buf()
    if group is None:
        raise no_group(a)
    idle = min_idle(a, "XCLAIM")
    while i < a.n and read_id(&a.v[i], 0, &id):
        keys.append((id.ms, id.seq))
        i += 1
    claim = claim_options(c, a, i)
    if compare(claim.last, group.last) > 0:
        if claim.just_ids and keys == [(claim.last.ms, claim.last.seq)]:
            advance(stream, group, claim.last)     # the record of a delivery
        else:
            group.last = claim.last
        c.store.keyspace.dirty += 1
    for key in keys:
        one = group.pending.get(key)
        chunk = stream.holding(id_from(key), &at)
        if chunk is None:
            if one is not None:
                group.acknowledge(key)
                c.store.keyspace.dirty += 1
                record_loss(c, a, key)
            continue
        if one is None and not claim.force:
            continue
        if one is not None and idle and now_ms - one.delivered_ms < idle:
            continue
        take_over(c, a, group, key, claim, chunk, at, entries)
        done += 1
    put_array(out, done)
    out.put(entries.p, entries.n)
    return 0


cdef int64_t auto_options(Args a, Claim claim) except -1:
    """The options of XAUTOCLAIM; how many entries it may claim."""
    cdef int64_t count = 100
    cdef Py_ssize_t i = 6
    while i < a.n:
        if is_word(&a.v[i], "justid"):
            claim.just_ids = True
        elif is_word(&a.v[i], "count") and i + 1 < a.n:
            i += 1
            if not parse_int(a.v[i].p, a.v[i].n, &count) or not 0 < count < 1 << 58:
                raise ReplyError("ERR COUNT must be > 0")
        else:
            raise ReplyError("ERR syntax error")
        i += 1
    return count


cdef int xautoclaim(Client c, Args a, Buf out) except -1:
    cdef Stream stream
    cdef Group group
    cdef Claim claim = Claim()
    cdef int64_t idle = min_idle(a, "XAUTOCLAIM"), count, left
    cdef int64_t now_ms = c.store.keyspace.now_ms
    cdef Id start, next = NOTHING
    cdef Py_ssize_t done = 0, at
    cdef Pending one
    cdef list lost = []
    cdef Chunk chunk
    cdef Buf entries = Buf()
    claim.at_ms, claim.retries = now_ms, -1
    start = low_end(&a.v[5])
    count = auto_options(a, claim)
    stream = find_stream(c, &a.v[1], False)
    group = group_of(stream, a.text(2))
    if group is None:
        raise no_group(a)
    left = count * 10                  # so many entries are looked at
    for key in list(group.pending.irange((start.ms, start.seq))):
        if not left or not count:
            next = id_from(key)
            break
        left -= 1
        one = group.pending[key]
        chunk = stream.holding(id_from(key), &at)
        if chunk is None:
            group.acknowledge(key)
            c.store.keyspace.dirty += 1
            record_loss(c, a, key)
            lost.append(key)
            count -= 1
        elif not idle or now_ms - one.delivered_ms >= idle:
            take_over(c, a, group, key, claim, chunk, at, entries)
            done += 1
            count -= 1
    put_array(out, 3)
    put_id(out, next)
    put_array(out, done)
    out.put(entries.p, entries.n)
    put_array(out, len(lost))
    for key in lost:
        put_id(out, id_from(key))
    return 0


define("xclaim", xclaim)
define("xautoclaim", xautoclaim)
