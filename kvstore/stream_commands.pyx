"""Commands of streams: XADD, XTRIM, XDEL, XRANGE, XREAD and XREADGROUP, XINFO, XSETID.

XADD's record in the log has the id that `*` became, and what a trimming with `~` came to.
"""

from libc.stdint cimport UINT64_MAX, int64_t

from bedrock.net.buf cimport Buf
from kvstore.blocking cimport Waiter
from kvstore.binding cimport define
from kvstore.engine cimport Client
from kvstore.keyspace cimport EVENT_STREAM, STREAM
from kvstore.resp cimport (
    Arg, Args, is_word, parse_int, put_array, put_bulk, put_bytes, put_int, put_map, put_nil,
    put_nil_array, put_object, put_ok,
)
from kvstore.stream cimport (
    EVERYTHING, NOTHING, Stream, find_stream, id_of, next_id, put_id,
)
from kvstore.stream_chunk cimport Chunk, Id, compare, id_text
from kvstore.stream_groups cimport (
    Consumer, Group, Pending, consumer_for, deliver, group_of, high_end, id_from, lag, low_end,
    put_history, record_consumer, record_progress,
)
from kvstore.resp import ReplyError

cdef enum:
    NONE = -2                      # entries: there is nothing to answer with

SYNTAX = "ERR syntax error"
NOT_INT = "ERR value is not an integer or out of range"
TOO_SMALL = "ERR The ID specified in XADD is equal or smaller than the target stream top item"


cdef int64_t count_of(const Arg* arg) except? -1:
    cdef int64_t value
    if not parse_int(arg.p, arg.n, &value):
        raise ReplyError(NOT_INT)
    return value


# ---------------------------------------------------------------------- adding and trimming

cdef class Trimming:
    """MAXLEN or MINID with its options."""

    cdef bint by_length, by_id, exact
    cdef bint has_limit
    cdef int64_t keep, limit
    cdef Id least

    cdef Py_ssize_t read(self, Client c, Args a, Py_ssize_t i) except -1:
        """MAXLEN|MINID [=|~] threshold [LIMIT count] at word i; the words it has, 0 if it is none."""
        cdef Py_ssize_t first = i
        cdef bint by_length = is_word(&a.v[i], "maxlen"), by_id = is_word(&a.v[i], "minid")
        if i + 1 >= a.n:
            return 0
        if is_word(&a.v[i], "limit"):
            self.limit = count_of(&a.v[i + 1])
            if self.limit < 0:
                raise ReplyError("ERR The LIMIT argument must be >= 0.")
            self.has_limit = True
            return 2
        if not by_length and not by_id:
            return 0
        if by_length and self.by_id or by_id and self.by_length:
            raise ReplyError(
                "ERR syntax error, MAXLEN and MINID options at the same time are not compatible")
        self.by_length, self.by_id = by_length, by_id
        self.exact = True
        i += 1
        if a.v[i].n == 1 and a.v[i].p[0] in b"=~" and i + 1 < a.n:
            self.exact = a.v[i].p[0] == c'='
            i += 1
        if by_length:
            self.keep = count_of(&a.v[i])
            if self.keep < 0:
                raise ReplyError("ERR The MAXLEN argument must be >= 0.")
        else:
            self.least = id_of(&a.v[i], 0)
        return i + 1 - first

    cdef int check(self) except -1:
        if self.has_limit and (self.exact or not (self.by_length or self.by_id)):
            raise ReplyError(
                "ERR syntax error, LIMIT cannot be used without the special ~ option")
        return 0

    cdef Py_ssize_t apply(self, Client c, Stream stream) except -1:
        """Entries removed."""
        cdef int64_t limit = self.limit
        if not self.exact and not self.has_limit:
            limit = 100 * c.store.stream_entries
        if self.by_length:
            return stream.trim_to(self.keep, self.exact, limit)
        if self.by_id:
            return stream.trim_below(self.least, self.exact, limit)
        return 0

    cdef list recorded(self, Stream stream):
        """The words that bring a replay to the same."""
        if self.by_length:
            return [b"MAXLEN", b"=", b"%d" % (self.keep if self.exact else stream.n)]
        if self.by_id:
            least = self.least if self.exact else stream.first()
            return [b"MINID", b"=", id_text(least)]
        return []


cdef Id new_id(Client c, Stream stream, const Arg* arg) except *:
    """The id of an entry: `*` the clock's, `ms-*` the next of that time, or as it is written."""
    cdef Id id, last = NOTHING if stream is None else stream.last
    cdef Arg ms
    if arg.n == 1 and arg.p[0] == c'*':
        if last.ms == UINT64_MAX and last.seq == UINT64_MAX:
            raise ReplyError("ERR The stream has exhausted the last possible ID, "
                             "unable to add more items")
        id.ms, id.seq = c.store.keyspace.now_ms, 0
        if compare(id, last) <= 0:
            id = last
            next_id(&id)
        return id
    if arg.n > 2 and arg.p[arg.n - 1] == c'*' and arg.p[arg.n - 2] == c'-':
        ms.p, ms.n = arg.p, arg.n - 2
        id = id_of(&ms, 0)
        if id.ms == last.ms and stream is not None:
            if last.seq == UINT64_MAX:
                raise ReplyError(TOO_SMALL)
            id.seq = last.seq + 1
        elif id.ms == 0:
            id.seq = 1
    else:
        id = id_of(arg, 0)
    if compare(id, last) <= 0:
        raise ReplyError("ERR The stream has exhausted the last possible ID, unable to add more items"
                         if last.ms == UINT64_MAX and last.seq == UINT64_MAX else TOO_SMALL)
    return id


cdef int check_id(const Arg* arg) except -1:
    """An id as it may be asked for: `ms-seq` or `ms-*`."""
    cdef Arg ms = arg[0]
    cdef bint open_end = arg.n > 2 and arg.p[arg.n - 1] == c'*' and arg.p[arg.n - 2] == c'-'
    if open_end:
        ms.n -= 2
    if compare(id_of(&ms, 0), NOTHING) == 0 and not open_end:
        raise ReplyError("ERR The ID specified in XADD must be greater than 0-0")
    return 0


cdef int xadd(Client c, Args a, Buf out) except -1:
    cdef Trimming trimming = Trimming()
    cdef Py_ssize_t i = 2, k, taken
    cdef bint make = True
    cdef Stream stream
    cdef Id id
    cdef Buf record
    cdef list words
    while i < a.n:
        if is_word(&a.v[i], "nomkstream"):
            make = False
            taken = 1
        else:
            taken = trimming.read(c, a, i)
        if not taken:
            break
        i += taken
    if i < a.n and not is_word(&a.v[i], "*"):
        check_id(&a.v[i])
    trimming.check()
    if i + 3 > a.n or (a.n - i) % 2 == 0:
        raise ReplyError("ERR wrong number of arguments for 'xadd' command")
    stream = find_stream(c, &a.v[1], False)
    if stream is None and not make:
        return put_nil(out, c.resp)
    id = new_id(c, stream, &a.v[i])
    if stream is None:
        stream = Stream()
        c.db.set(&a.v[1], stream, False)
    stream.append(id, &a.v[i + 1], a.n - i - 1, c.store.stream_entries, c.store.stream_bytes)
    put_id(out, id)
    c.db.changed(&a.v[1], EVENT_STREAM, "xadd")
    if trimming.apply(c, stream):
        c.db.changed(&a.v[1], EVENT_STREAM, "xtrim")
    record = c.store.instead(c)
    if record is not None:
        words = [b"XADD", a.text(1), *trimming.recorded(stream), id_text(id)]
        put_array(record, len(words) + a.n - i - 1)
        for word in words:
            put_bytes(record, word)
        for k in range(i + 1, a.n):
            put_bulk(record, a.v[k].p, a.v[k].n)
    return 0


cdef int xtrim(Client c, Args a, Buf out) except -1:
    cdef Trimming trimming = Trimming()
    cdef Py_ssize_t i = 2, taken, gone
    cdef Stream stream
    cdef Buf record
    while i < a.n:
        taken = trimming.read(c, a, i)
        if not taken:
            raise ReplyError(SYNTAX)
        i += taken
    if not trimming.by_length and not trimming.by_id:
        raise ReplyError("ERR syntax error, XTRIM must be called with a trimming strategy")
    trimming.check()
    stream = find_stream(c, &a.v[1], False)
    if stream is None:
        return put_int(out, 0)
    gone = trimming.apply(c, stream)
    if gone:
        c.db.changed(&a.v[1], EVENT_STREAM, "xtrim")
        record = c.store.instead(c)
        if record is not None:
            put_object(record, [b"XTRIM", a.text(1), *trimming.recorded(stream)], 2)
    return put_int(out, gone)


cdef int xdel(Client c, Args a, Buf out) except -1:
    cdef Stream stream = find_stream(c, &a.v[1], False)
    cdef Py_ssize_t i
    cdef int gone = 0
    if stream is None:
        return put_int(out, 0)
    for i in range(2, a.n):
        id_of(&a.v[i], 0)
    for i in range(2, a.n):
        gone += stream.remove(id_of(&a.v[i], 0))
    if gone:
        c.db.changed(&a.v[1], EVENT_STREAM, "xdel")
    return put_int(out, gone)


cdef int xlen(Client c, Args a, Buf out) except -1:
    cdef Stream stream = find_stream(c, &a.v[1], True)
    return put_int(out, 0 if stream is None else stream.n)


cdef int xsetid(Client c, Args a, Buf out) except -1:
    cdef Id id = id_of(&a.v[2], 0), deleted = NOTHING
    cdef int64_t added = -1
    cdef Py_ssize_t i = 3
    cdef bint has_deleted = False
    cdef Stream stream
    while i < a.n:
        if i + 1 < a.n and is_word(&a.v[i], "entriesadded"):
            added = count_of(&a.v[i + 1])
            if added < 0:
                raise ReplyError("ERR entries_added must be positive")
        elif i + 1 < a.n and is_word(&a.v[i], "maxdeletedid"):
            deleted = id_of(&a.v[i + 1], 0)
            has_deleted = True
            if compare(id, deleted) < 0:
                raise ReplyError("ERR The ID specified in XSETID is smaller than the provided "
                                 "max_deleted_entry_id")
        else:
            raise ReplyError(SYNTAX)
        i += 2
    stream = find_stream(c, &a.v[1], False)
    if stream is None:
        raise ReplyError("ERR no such key")
    if stream.n:
        if compare(id, last_entry(stream)) < 0:
            raise ReplyError("ERR The ID specified in XSETID is smaller than the target stream "
                             "top item")
        if added >= 0 and added < stream.n:
            raise ReplyError("ERR The entries_added specified in XSETID is smaller than the "
                             "target stream length")
    stream.last = id
    if added >= 0:
        stream.added = added
    if has_deleted and compare(deleted, NOTHING):
        stream.deleted = deleted
    c.db.changed(&a.v[1], EVENT_STREAM, "xsetid")
    return put_ok(out)


cdef Id last_entry(Stream stream) noexcept:
    cdef Chunk chunk = <Chunk>stream.chunks[len(stream.chunks) - 1]
    return chunk.id(chunk.n - 1)


# ---------------------------------------------------------------------- reading

cdef int read_range(Client c, Args a, Buf out, bint reverse) except -1:
    cdef Id low = low_end(&a.v[3 if reverse else 2])
    cdef Id high = high_end(&a.v[2 if reverse else 3])
    cdef int64_t count = -1
    cdef Stream stream
    cdef Buf entries = Buf()
    if a.n > 4:
        if a.n != 6 or not is_word(&a.v[4], "count"):
            raise ReplyError(SYNTAX)
        count = max(<int64_t>0, count_of(&a.v[5]))
    stream = find_stream(c, &a.v[1], True)
    if stream is None:
        return put_array(out, 0)
    if count == 0:
        return put_nil_array(out, c.resp)
    put_array(out, stream.put_range(entries, low, high, count, reverse))
    return out.put(entries.p, entries.n)


cdef int xrange_(Client c, Args a, Buf out) except -1:
    return read_range(c, a, out, False)


cdef int xrevrange(Client c, Args a, Buf out) except -1:
    return read_range(c, a, out, True)


cdef object no_such_group(bytes key, bytes group):
    return ReplyError(
        f"NOGROUP No such key '{key.decode('latin-1')}' or consumer group "
        f"'{group.decode('latin-1')}' in XREADGROUP with GROUP option")


cdef class Reader(Waiter):
    """XREAD or XREADGROUP: what is wanted of each key."""

    cdef dict after                # key -> Id as (ms, seq); None: what is new to the group
    cdef int64_t count
    cdef bytes group, consumer     # None for XREAD
    cdef bint no_ack

    cdef Py_ssize_t entries(self, const Arg* key, bytes name, Buf out) except -1:
        """Append the entries of a key; how many, or NONE."""
        cdef Client c = self.client
        cdef Stream stream = find_stream(c, key, True)
        cdef Id low
        cdef object after = self.after[name]
        if self.group is not None:
            return self.for_group(stream, name, after, out)
        if stream is None:
            return NONE
        low = id_from(after)
        if not next_id(&low):
            return NONE
        return stream.put_range(out, low, EVERYTHING, self.count, False) or NONE

    cdef Py_ssize_t for_group(self, Stream stream, bytes name, object after,
                              Buf out) except -1:
        cdef Client c = self.client
        cdef Group group = group_of(stream, self.group)
        cdef Consumer consumer
        cdef Py_ssize_t n
        cdef bint is_new
        if group is None:
            raise no_such_group(name, self.group)
        if after is None and compare(stream.last, group.last) <= 0:
            return NONE                # and a consumer who waits is not made yet
        is_new = self.consumer not in group.consumers
        consumer = consumer_for(c, name, group, self.consumer)
        if after is not None:
            # What is pending is told even if it is nothing.
            if is_new:
                record_consumer(c, name, self.group, consumer)
            return put_history(c, stream, consumer, id_from(after), self.count, out)
        n = deliver(c, name, stream, self.group, consumer, self.count, self.no_ack, out)
        if is_new and (n == 0 or self.no_ack):
            record_consumer(c, name, self.group, consumer)
        if n == 0:
            return NONE
        if self.no_ack:
            record_progress(c, name, self.group, group)
        c.store.keyspace.dirty += 1
        return n

    cdef bint take(self, const Arg* key, Buf out) except -1:
        cdef bytes name = key.p[:key.n]
        cdef Buf entries = Buf()
        cdef Py_ssize_t n = self.entries(key, name, entries)
        if n == NONE:
            return False
        put_map(out, 1, 3) if self.client.resp == 3 else put_array(out, 1)
        self.put_key(name, n, entries, out)
        return True

    cdef int put_key(self, bytes name, Py_ssize_t n, Buf entries, Buf out) except -1:
        if self.client.resp == 2:
            put_array(out, 2)
        put_bytes(out, name)
        put_array(out, n)
        return out.put(entries.p, entries.n)

    def lost(self) -> None:
        """A group goes with its stream."""
        if self.group is not None:
            self.fail(ReplyError("UNBLOCKED the stream key no longer exists"))


cdef Py_ssize_t read_options(Reader reader, Args a, bint grouped, int64_t* block_ms) except -1:
    """What comes before the keys; where those begin."""
    cdef Py_ssize_t i = 1
    while i < a.n:
        if is_word(&a.v[i], "block") and i + 1 < a.n:
            if not parse_int(a.v[i + 1].p, a.v[i + 1].n, block_ms):
                raise ReplyError("ERR timeout is not an integer or out of range")
            if block_ms[0] < 0:
                raise ReplyError("ERR timeout is negative")
            i += 2
        elif is_word(&a.v[i], "count") and i + 1 < a.n:
            reader.count = count_of(&a.v[i + 1])
            if reader.count <= 0:
                reader.count = -1
            i += 2
        elif is_word(&a.v[i], "streams") and i + 1 < a.n:
            if (a.n - i - 1) % 2:
                raise ReplyError("ERR Unbalanced XREAD list of streams: for each stream key "
                                 "an ID or '$' must be specified.")
            return i + 1
        elif is_word(&a.v[i], "group") and i + 2 < a.n:
            if not grouped:
                raise ReplyError("ERR The GROUP option is only supported by XREADGROUP. "
                                 "You called XREAD instead.")
            reader.group, reader.consumer = a.text(i + 1), a.text(i + 2)
            i += 3
        elif is_word(&a.v[i], "noack"):
            if not grouped:
                raise ReplyError("ERR The NOACK option is only supported by XREADGROUP. "
                                 "You called XREAD instead.")
            reader.no_ack = True
            i += 1
        else:
            break
    raise ReplyError(SYNTAX)


cdef int read_streams(Client c, Args a, Buf out, bint grouped) except -1:
    """XREAD [COUNT n] [BLOCK ms] STREAMS key ... id ...; XREADGROUP GROUP group consumer ..."""
    cdef Reader reader = Reader(STREAM)
    cdef Py_ssize_t first, keys, i, n, found = 0
    cdef int64_t block_ms = -1
    cdef str name = "xreadgroup" if grouped else "xread"
    cdef Buf entries, all_entries = Buf()
    cdef bytes key
    reader.client, reader.nil_array = c, True
    reader.count = -1
    reader.after = {}
    first = read_options(reader, a, grouped, &block_ms)
    if block_ms >= 0 and c.scripted:
        raise ReplyError(f"ERR {name} command is not allowed with BLOCK option from scripts")
    if grouped and reader.group is None:
        raise ReplyError("ERR Missing GROUP option for XREADGROUP")
    keys = (a.n - first) // 2
    for i in range(first, first + keys):
        reader.after[a.text(i)] = wanted(c, a, i, i + keys, reader.group)
    names = [a.text(i) for i in range(first, first + keys)]
    for i in range(first, first + keys):
        entries = Buf()
        key = a.text(i)
        reader.after[key] = wanted(c, a, i, i + keys, reader.group)
        n = reader.entries(&a.v[i], key, entries)
        if n != NONE:
            found += 1
            reader.put_key(key, n, entries, all_entries)
    if found:
        put_map(out, found, 3) if c.resp == 3 else put_array(out, found)
        return out.put(all_entries.p, all_entries.n)
    if block_ms < 0:
        return put_nil_array(out, c.resp)
    return reader.wait(names, block_ms, out)


cdef object wanted(Client c, Args a, Py_ssize_t key, Py_ssize_t at, bytes group):
    """The id after which to read, as (ms, seq); None: what no consumer of the group has got."""
    cdef const Arg* arg = &a.v[at]
    cdef Stream stream = find_stream(c, &a.v[key], False)
    cdef Id id
    if group is not None and group_of(stream, group) is None:
        raise no_such_group(a.text(key), group)
    if arg.n == 1 and arg.p[0] == c'$':
        if group is not None:
            raise ReplyError(
                "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the "
                "history of this consumer by specifying a proper ID, or use the > ID to get new "
                "messages. The $ ID would just return an empty result set.")
        id = NOTHING if stream is None else stream.last
    elif arg.n == 1 and arg.p[0] == c'>':
        if group is None:
            raise ReplyError("ERR The > ID can be specified only when calling XREADGROUP using "
                             "the GROUP <group> <consumer> option.")
        return None
    else:
        id = id_of(arg, 0)
    return id.ms, id.seq


cdef int xread(Client c, Args a, Buf out) except -1:
    return read_streams(c, a, out, False)


cdef int xreadgroup(Client c, Args a, Buf out) except -1:
    return read_streams(c, a, out, True)


# ---------------------------------------------------------------------- XINFO

cdef Stream asked(Client c, Args a):
    cdef Stream stream = find_stream(c, &a.v[2], True)
    if stream is None:
        raise ReplyError("ERR no such key")
    return stream


cdef int put_field(Buf out, bytes name, object value, int resp) except -1:
    put_bytes(out, name)
    return put_object(out, value, resp)


cdef int put_totals(Buf out, Stream stream, int resp) except -1:
    """The seven fields that both forms of XINFO STREAM begin with."""
    put_field(out, b"length", stream.n, resp)
    put_field(out, b"radix-tree-keys", stream.nodes, resp)
    put_field(out, b"radix-tree-nodes", stream.nodes + 1, resp)
    put_field(out, b"last-generated-id", id_text(stream.last), resp)
    put_field(out, b"max-deleted-entry-id", id_text(stream.deleted), resp)
    put_field(out, b"entries-added", stream.added, resp)
    return put_field(out, b"recorded-first-entry-id", id_text(stream.first()), resp)


cdef int xinfo_stream(Client c, Args a, Buf out) except -1:
    cdef Stream stream = asked(c, a)
    cdef int64_t count = 10
    if a.n > 3:
        if not is_word(&a.v[3], "full") or a.n not in (4, 6) \
                or (a.n == 6 and not is_word(&a.v[4], "count")):
            raise ReplyError("ERR unknown subcommand or wrong number of arguments for 'STREAM'. "
                             "Try XINFO HELP.")
        if a.n == 6:
            count = max(<int64_t>0, count_of(&a.v[5]))
        return put_full(c, stream, count or -1, out)
    put_map(out, 10, c.resp)
    put_totals(out, stream, c.resp)
    put_field(out, b"groups", len(stream.groups or ()), c.resp)
    for name, reverse in ((b"first-entry", False), (b"last-entry", True)):
        put_bytes(out, name)
        if stream.put_range(out, NOTHING, EVERYTHING, 1, reverse) == 0:
            put_nil(out, c.resp)
    return 0


cdef int put_full(Client c, Stream stream, int64_t count, Buf out) except -1:
    cdef Group group
    cdef Consumer consumer
    cdef Pending one
    cdef Buf entries = Buf()
    cdef int resp = c.resp
    cdef Py_ssize_t n = stream.put_range(entries, NOTHING, EVERYTHING, count, False)
    put_map(out, 9, resp)
    put_totals(out, stream, resp)
    put_bytes(out, b"entries")
    put_array(out, n)
    out.put(entries.p, entries.n)
    put_bytes(out, b"groups")
    put_array(out, len(stream.groups or ()))
    for name, group in sorted((stream.groups or {}).items()):
        put_map(out, 7, resp)
        put_field(out, b"name", name, resp)
        put_progress(out, stream, group, resp)
        put_field(out, b"pel-count", len(group.pending), resp)
        put_bytes(out, b"pending")
        put_object(out, [
            [b"%d-%d" % id, one.consumer.name, one.delivered_ms, one.deliveries]
            for id, one in first_of(group.pending, count)], resp)
        put_bytes(out, b"consumers")
        put_array(out, len(group.consumers))
        for consumer in sorted(group.consumers.values(), key=lambda each: each.name):
            put_map(out, 4, resp)
            put_field(out, b"name", consumer.name, resp)
            put_field(out, b"seen-time", consumer.seen_ms, resp)
            put_field(out, b"pel-count", len(consumer.pending), resp)
            put_bytes(out, b"pending")
            put_object(out, [
                [b"%d-%d" % id, one.delivered_ms, one.deliveries]
                for id, one in first_of(consumer.pending, count)], resp)
    return 0


cdef list first_of(object pending, int64_t count):
    return list(pending.items()[:] if count < 0 else pending.items()[:count])


cdef int put_progress(Buf out, Stream stream, Group group, int resp) except -1:
    """How far a group has read."""
    put_field(out, b"last-delivered-id", id_text(group.last), resp)
    put_field(out, b"entries-read", None if group.read < 0 else group.read, resp)
    return put_field(out, b"lag", lag(stream, group), resp)


cdef int xinfo_groups(Client c, Args a, Buf out) except -1:
    cdef Stream stream = asked(c, a)
    cdef Group group
    put_array(out, len(stream.groups or ()))
    for name, group in sorted((stream.groups or {}).items()):
        put_map(out, 6, c.resp)
        put_field(out, b"name", name, c.resp)
        put_field(out, b"consumers", len(group.consumers), c.resp)
        put_field(out, b"pending", len(group.pending), c.resp)
        put_progress(out, stream, group, c.resp)
    return 0


cdef int xinfo_consumers(Client c, Args a, Buf out) except -1:
    cdef Stream stream = asked(c, a)
    cdef Group group = group_of(stream, a.text(3))
    cdef Consumer consumer
    cdef int64_t now_ms = c.store.keyspace.now_ms
    if group is None:
        raise ReplyError(f"NOGROUP No such consumer group '{a.text(3).decode('latin-1')}' "
                         f"for key name '{a.text(2).decode('latin-1')}'")
    put_array(out, len(group.consumers))
    for consumer in sorted(group.consumers.values(), key=lambda each: each.name):
        put_map(out, 3, c.resp)
        put_field(out, b"name", consumer.name, c.resp)
        put_field(out, b"pending", len(consumer.pending), c.resp)
        put_field(out, b"idle", max(0, now_ms - consumer.seen_ms), c.resp)
    return 0


define("xadd", xadd)
define("xtrim", xtrim)
define("xdel", xdel)
define("xlen", xlen)
define("xsetid", xsetid)
define("xrange", xrange_)
define("xrevrange", xrevrange)
define("xread", xread)
define("xreadgroup", xreadgroup)
define("xinfo|stream", xinfo_stream)
define("xinfo|groups", xinfo_groups)
define("xinfo|consumers", xinfo_consumers)
