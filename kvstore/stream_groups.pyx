"""Groups of consumers: each entry goes to one of them, and is theirs until they acknowledge it.

    Group     last id delivered ─ new entries go to whoever asks (XREADGROUP ... >)
      pending   id -> Pending(consumer, when, how often)     until XACK
      consumers name -> Consumer ─ pending of its own, to read again after a crash
                                   XCLAIM, XAUTOCLAIM: to another consumer (stream_claims)

`read` counts the entries delivered since the stream began, so that the lag (entries added and not
yet read) costs nothing; after XDEL or SETID it may be unknown (-1) for a while.

Invariant: an id is pending in the group iff it is pending in exactly one of its consumers, and both
refer to the same Pending.
"""

from bedrock.lazy import sortedcontainers
from kvstore.binding cimport define
from kvstore.keyspace cimport EVENT_STREAM
from kvstore.resp cimport (
    Args, is_word, parse_int, put_array, put_bytes, put_int, put_nil, put_nil_array,
    put_object, put_ok,
)
from kvstore.stream cimport (
    EVERYTHING, NOTHING, Chunk, compare, find_stream, id_of, id_text, next_id, previous_id,
    put_entry, put_id,
)
from kvstore.strings cimport int_of
from kvstore.refusals import wrong_number
from kvstore.resp import ReplyError


cdef enum:
    CLAIM_BYTES = 240              # of the record of a delivery, at most, without its names

NEEDS_KEY = (
    "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use "
    "the MKSTREAM option to create an empty stream automatically.")


cdef class Consumer:
    """One who reads; seen_ms: when it last asked for anything."""

    def __cinit__(self, bytes name not None):
        self.name = name
        self.pending = sortedcontainers.SortedDict()


cdef class Pending:
    """An entry that was delivered and not acknowledged."""


cdef class Group:
    """Consumers that share a stream."""

    def __cinit__(self):
        self.consumers = {}
        self.pending = sortedcontainers.SortedDict()

    cdef Consumer consumer(self, bytes name, int64_t now_ms):
        """The consumer of a name, made if need be."""
        cdef Consumer found = self.consumers.get(name)
        if found is None:
            found = self.consumers[name] = Consumer(name)
        found.seen_ms = now_ms
        return found

    cdef Pending assign(self, tuple id, Consumer consumer, int64_t now_ms):
        """Make an entry pending for a consumer, taking it from another if one has it."""
        cdef Pending one = self.pending.get(id)
        if one is None:
            one = self.pending[id] = Pending()
        elif one.consumer is not consumer:
            del one.consumer.pending[id]
        one.consumer = consumer
        one.delivered_ms = now_ms
        consumer.pending[id] = one
        return one

    cdef bint acknowledge(self, tuple id) except -1:
        cdef Pending one = self.pending.pop(id, None)
        if one is None:
            return False
        del one.consumer.pending[id]
        return True

    def duplicate(self) -> Group:
        """A deep copy."""
        cdef Group copy = Group()
        cdef Pending one, own
        copy.last, copy.read = self.last, self.read
        for name, consumer in self.consumers.items():
            copy.consumer(name, consumer.seen_ms)
        for id, one in self.pending.items():
            own = copy.assign(id, copy.consumers[one.consumer.name], one.delivered_ms)
            own.deliveries = one.deliveries
        return copy


cdef Consumer consumer_for(Client c, bytes key, Group group, bytes name):
    """The consumer of a name; that a new one came is told."""
    if name not in group.consumers:
        c.store.keyspace.notify(EVENT_STREAM, "xgroup-createconsumer", key, c.db)
        c.store.keyspace.dirty += 1
    return group.consumer(name, c.store.keyspace.now_ms)


# ---------------------------------------------------------------------- counting

cdef bint has_gaps(Stream stream, Id start) noexcept:
    """Whether XDEL took something from `start` on."""
    if not stream.n or compare(stream.deleted, NOTHING) == 0:
        return False
    return compare(start, stream.deleted) <= 0


cdef int64_t distance(Stream stream, Id id) noexcept:
    cdef Id first = stream.first()
    cdef int to_last = compare(id, stream.last), to_first
    if not stream.added:
        return 0
    if not stream.n and to_last < 1:
        return stream.added
    if to_last == 0:
        return stream.added
    if to_last > 0:
        return -1
    to_first = compare(id, first)
    if compare(stream.deleted, NOTHING) == 0 or compare(stream.deleted, first) < 0:
        if to_first < 0:
            return stream.added - stream.n
        if to_first == 0:
            return stream.added - stream.n + 1
    return -1


cdef object lag(Stream stream, Group group):
    """Entries the group has not read, None if that cannot be told."""
    cdef int64_t read = group.read
    if not stream.added:
        return 0
    if read < 0 or has_gaps(stream, group.last):
        read = distance(stream, group.last)
    return None if read < 0 else <int64_t>stream.added - read


# ---------------------------------------------------------------------- reading

cdef int advance(Stream stream, Group group, Id id) noexcept:
    """The group has read an entry behind its last id."""
    if group.read >= 0 and not has_gaps(stream, id):
        group.read += 1
    else:
        group.read = distance(stream, id)
    group.last = id
    return 0


cdef Py_ssize_t unread(Stream stream, Id id, int64_t count) noexcept:
    """How many entries there are from an id on, no more than count (-1: any number)."""
    cdef Py_ssize_t number = stream.chunk_of(id), found = 0
    cdef Chunk chunk
    while number < <Py_ssize_t>len(stream.chunks) and (count < 0 or found < count):
        chunk = <Chunk>stream.chunks[number]
        found += chunk.n - chunk.place(id)
        number += 1
    return found if count < 0 else min(found, count)


cdef Py_ssize_t deliver(Client c, bytes key, Stream stream, bytes name, Consumer consumer,
                        int64_t count, bint no_ack, Buf out) except -1:
    """Append the entries behind the last id of a group, make them the consumer's; how many.

    key, name: of the stream and the group, for the record of each entry: it says when the entry was
               delivered, which a replay could not know.
    """
    cdef Group group = stream.groups[name]
    cdef Py_ssize_t number, i, done = 0
    cdef Id id = group.last
    cdef Chunk chunk
    cdef Pending one
    if not next_id(&id):
        return 0
    if not no_ack:
        c.store.reserve_bytes(c, unread(stream, id, count) * (
            CLAIM_BYTES + len(key) + len(name) + len(consumer.name)))
    number = stream.chunk_of(id)
    while number < <Py_ssize_t>len(stream.chunks):
        chunk = <Chunk>stream.chunks[number]
        for i in range(chunk.place(id), chunk.n):
            if done == count:
                return done
            id = chunk.ids[i]
            put_entry(out, id, <bytes>chunk.bodies[i])
            advance(stream, group, id)
            if not no_ack:
                one = group.assign((id.ms, id.seq), consumer, c.store.keyspace.now_ms)
                one.deliveries = 1
                record_claim(c, key, name, (id.ms, id.seq), one, id)
            done += 1
        number += 1
    return done


cdef Py_ssize_t put_history(Client c, Stream stream, Consumer consumer, Id after, int64_t count,
                            Buf out) except -1:
    """Append what is pending for a consumer after an id, with nil for what is gone; how many."""
    cdef Pending one
    cdef Py_ssize_t done = 0
    cdef Id id
    cdef bytes body
    for key in list(consumer.pending.irange((after.ms, after.seq), inclusive=(False, False))):
        if done == count:
            break
        id.ms, id.seq = key
        body = stream.body_of(id)
        if body is None:
            put_array(out, 2)
            put_id(out, id)
            put_nil_array(out, c.resp)
        else:
            put_entry(out, id, body)
        one = consumer.pending[key]
        one.delivered_ms = c.store.keyspace.now_ms
        one.deliveries += 1
        done += 1
    return done


cdef Group group_of(Stream stream, bytes name):
    """A group of a stream that may be None; None if there is none."""
    if stream is None or stream.groups is None:
        return None
    return stream.groups.get(name)


cdef object no_group(Args a):
    return ReplyError(f"NOGROUP No such key '{a.text(1).decode('latin-1')}' or consumer group "
                      f"'{a.text(2).decode('latin-1')}'")


cdef Id id_from(tuple key) noexcept:
    cdef Id id
    id.ms, id.seq = key
    return id


# ---------------------------------------------------------------------- XGROUP

cdef int64_t entries_read(Args a, bint* make) except -2:
    """The options of CREATE and SETID: ENTRIESREAD's number or -1; make: MKSTREAM (if not NULL)."""
    cdef int64_t read = -1
    cdef Py_ssize_t i = 5
    while i < a.n:
        if make is not NULL and is_word(&a.v[i], "mkstream"):
            make[0] = True
            i += 1
            continue
        if i + 1 == a.n or not is_word(&a.v[i], "entriesread"):
            raise wrong_number(a.list())
        read = int_of(&a.v[i + 1])
        if read < -1:
            raise ReplyError("ERR value for ENTRIESREAD must be positive or -1")
        i += 2
    return read


cdef Stream existing(Client c, Args a):
    cdef Stream stream = find_stream(c, &a.v[2], False)
    if stream is None:
        raise ReplyError(NEEDS_KEY)
    return stream


cdef Group named(Client c, Args a, Stream stream):
    """The group of a subcommand of XGROUP, or NOGROUP."""
    cdef Group group = group_of(stream, a.text(3))
    if group is None:
        raise ReplyError(f"NOGROUP No such consumer group '{a.text(3).decode('latin-1')}' "
                         f"for key name '{a.text(2).decode('latin-1')}'")
    return group


cdef Id start_of(Stream stream, const Arg* arg) except *:
    """An id, `-` and `+` the lowest and highest, or `$` for the last one."""
    if arg.n == 1 and arg.p[0] == c'$':
        return NOTHING if stream is None else stream.last
    return extreme(arg) if is_extreme(arg) else id_of(arg, 0)


cdef int xgroup_create(Client c, Args a, Buf out) except -1:
    cdef bint make = False
    cdef int64_t read = entries_read(a, &make)
    cdef Stream stream
    cdef Group group = Group()
    cdef bytes name = a.text(3)
    stream = find_stream(c, &a.v[2], False) if make else existing(c, a)
    group.read = read
    group.last = start_of(stream, &a.v[4]) if is_word(&a.v[4], "$") else id_of(&a.v[4], 0)
    if stream is None:
        stream = Stream()
        c.db.set(&a.v[2], stream, False)
    if stream.groups is None:
        stream.groups = {}
    if name in stream.groups:
        raise ReplyError("BUSYGROUP Consumer Group name already exists")
    stream.groups[name] = group
    c.db.changed(&a.v[2], EVENT_STREAM, "xgroup-create")
    return put_ok(out)


cdef int xgroup_setid(Client c, Args a, Buf out) except -1:
    cdef int64_t read = entries_read(a, NULL)
    cdef Stream stream = existing(c, a)
    cdef Group group = named(c, a, stream)
    group.last, group.read = start_of(stream, &a.v[4]), read
    c.db.changed(&a.v[2], EVENT_STREAM, "xgroup-setid")
    return put_ok(out)


cdef int xgroup_destroy(Client c, Args a, Buf out) except -1:
    cdef Stream stream = existing(c, a)
    if group_of(stream, a.text(3)) is None:
        return put_int(out, 0)
    del stream.groups[a.text(3)]
    c.db.changed(&a.v[2], EVENT_STREAM, "xgroup-destroy")
    return put_int(out, 1)


cdef int xgroup_createconsumer(Client c, Args a, Buf out) except -1:
    cdef Group group = named(c, a, existing(c, a))
    if a.text(4) in group.consumers:
        return put_int(out, 0)
    group.consumer(a.text(4), c.store.keyspace.now_ms)
    c.db.changed(&a.v[2], EVENT_STREAM, "xgroup-createconsumer")
    return put_int(out, 1)


cdef int xgroup_delconsumer(Client c, Args a, Buf out) except -1:
    cdef Group group = named(c, a, existing(c, a))
    cdef Consumer consumer = group.consumers.pop(a.text(4), None)
    if consumer is None:
        return put_int(out, 0)
    for id in consumer.pending:
        del group.pending[id]
    c.db.changed(&a.v[2], EVENT_STREAM, "xgroup-delconsumer")
    return put_int(out, len(consumer.pending))


# ---------------------------------------------------------------------- pending entries

cdef int xack(Client c, Args a, Buf out) except -1:
    cdef Group group = group_of(find_stream(c, &a.v[1], False), a.text(2))
    cdef list ids = []
    cdef Py_ssize_t i
    cdef int done = 0
    cdef Id id
    if group is None:
        return put_int(out, 0)
    for i in range(3, a.n):
        id = id_of(&a.v[i], 0)
        ids.append((id.ms, id.seq))
    for key in ids:
        done += group.acknowledge(key)
    c.store.keyspace.dirty += done
    return put_int(out, done)


cdef int xpending(Client c, Args a, Buf out) except -1:
    cdef Group group
    cdef Consumer consumer
    cdef Pending one
    cdef Py_ssize_t i = 3
    cdef int64_t idle = 0, count = 0, spent
    cdef Id low, high
    cdef list found = []
    if a.n > 3 and is_word(&a.v[3], "idle"):
        if a.n < 8:
            raise ReplyError("ERR syntax error")
        if not parse_int(a.v[4].p, a.v[4].n, &idle):
            raise ReplyError("ERR value is not an integer or out of range")
        i = 5
    if a.n != 3 and not 6 <= a.n <= 9:
        raise ReplyError("ERR syntax error")
    if a.n > 3:
        if not parse_int(a.v[i + 2].p, a.v[i + 2].n, &count):
            raise ReplyError("ERR value is not an integer or out of range")
        low, high = low_end(&a.v[i]), high_end(&a.v[i + 1])
    group = group_of(find_stream(c, &a.v[1], True), a.text(2))
    if group is None:
        raise no_group(a)
    if a.n == 3:
        return put_summary(c, group, out)
    where = group.pending
    if i + 4 == a.n:
        consumer = group.consumers.get(a.text(i + 3))
        if consumer is None:
            return put_array(out, 0)
        where = consumer.pending
    for key in where.irange((low.ms, low.seq), (high.ms, high.seq)):
        if <int64_t>len(found) >= count:
            break
        one = where[key]
        spent = c.store.keyspace.now_ms - one.delivered_ms
        if spent >= idle:
            found.append((key, one, max(<int64_t>0, spent)))
    put_array(out, len(found))
    for key, one, spent in found:
        put_array(out, 4)
        put_id(out, id_from(key))
        put_bytes(out, one.consumer.name)
        put_int(out, spent)
        put_int(out, one.deliveries)
    return 0


cdef int put_summary(Client c, Group group, Buf out) except -1:
    cdef Consumer consumer
    put_array(out, 4)
    put_int(out, len(group.pending))
    if not group.pending:
        put_nil(out, c.resp)
        put_nil(out, c.resp)
        return put_nil_array(out, c.resp)
    put_id(out, id_from(group.pending.peekitem(0)[0]))
    put_id(out, id_from(group.pending.peekitem(-1)[0]))
    busy = [consumer for consumer in group.consumers.values() if consumer.pending]
    put_array(out, len(busy))
    for consumer in sorted(busy, key=lambda each: each.name):
        put_array(out, 2)
        put_bytes(out, consumer.name)
        put_bytes(out, b"%d" % len(consumer.pending))
    return 0


cdef bint is_extreme(const Arg* arg) noexcept:
    """True for `-` and `+`."""
    return arg.n == 1 and arg.p[0] in b"-+"


cdef Id extreme(const Arg* arg) noexcept:
    """What `-` and `+` stand for."""
    return NOTHING if arg.p[0] == c'-' else EVERYTHING


cdef Id low_end(const Arg* arg) except *:
    """The lower end of a range: `-`, an id, or `(` and an id that is not in it."""
    cdef Arg inner
    cdef Id id
    if is_extreme(arg):
        return extreme(arg)
    if arg.n and arg.p[0] == c'(':
        inner.p, inner.n = arg.p + 1, arg.n - 1
        id = id_of(&inner, 0)
        if not next_id(&id):
            raise ReplyError("ERR invalid start ID for the interval")
        return id
    return id_of(arg, 0)


cdef Id high_end(const Arg* arg) except *:
    """The upper end of a range; an id without a number means its last."""
    cdef Arg inner
    cdef Id id
    if is_extreme(arg):
        return extreme(arg)
    if arg.n and arg.p[0] == c'(':
        inner.p, inner.n = arg.p + 1, arg.n - 1
        id = id_of(&inner, EVERYTHING.seq)
        if not previous_id(&id):
            raise ReplyError("ERR invalid end ID for the interval")
        return id
    return id_of(arg, EVERYTHING.seq)


cdef int record_claim(Client c, bytes key, bytes name, tuple id, Pending one, Id last) except -1:
    """Whose an entry has become and since when, since a replay happens at another time."""
    cdef Buf record = c.store.instead(c)
    if record is not None:
        put_object(record, [
            b"XCLAIM", key, name, one.consumer.name, b"0", b"%d-%d" % id, b"TIME",
            b"%d" % one.delivered_ms, b"RETRYCOUNT", b"%d" % one.deliveries, b"FORCE", b"JUSTID",
            b"LASTID", id_text(last)], 2)
    return 0


cdef int record_consumer(Client c, bytes key, bytes name, Consumer consumer) except -1:
    """A consumer came who was given nothing that would name it."""
    c.store.record(c, b"XGROUP", b"CREATECONSUMER", key, name, consumer.name)


cdef int record_progress(Client c, bytes key, bytes name, Group group) except -1:
    """How far a group has read entries that are nobody's."""
    c.store.record(c, b"XGROUP", b"SETID", key, name, id_text(group.last), b"ENTRIESREAD",
                   b"%d" % group.read)


define("xgroup|create", xgroup_create)
define("xgroup|setid", xgroup_setid)
define("xgroup|destroy", xgroup_destroy)
define("xgroup|createconsumer", xgroup_createconsumer)
define("xgroup|delconsumer", xgroup_delconsumer)
define("xack", xack)
define("xpending", xpending)
