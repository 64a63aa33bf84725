"""Blocked clients: BLPOP and its kin, in the order they came.

    handler ─► Waiter.run ─► take from the first key that has something ─► reply
                        └─► none: link.hold(), wait at every key ─┐
    another client's write ─► keyspace.ready ─► serve ─► take ────┴─► reply, link.resume()
                                     timeout ─► nil ──────────────┘

Waiting costs nothing: the link is not fed, no task exists.  `serve` runs after each command (after
the whole of an EXEC), so an element goes to whoever waited longest before anyone else can see it.

Invariants:
1. A waiting client is in `db.blocked` under each of its keys, and nowhere once it was answered.
2. Inside MULTI, in the log's replay and without a connection nothing waits: nil comes at once.
"""

from libc.stdint cimport INT64_MAX

from kvstore.binding cimport Command
from kvstore.engine cimport Store
from kvstore.keyspace cimport Keyspace, as_arg, kind_of
from kvstore.resp cimport is_word, parse_int, parse_long_double, put_nil, put_nil_array
from kvstore.resp import ReplyError
from kvstore.timing cimport count_answered


cdef int64_t timeout_of(Client c, const Arg* arg) except -1:
    cdef long double seconds
    if not parse_long_double(arg.p, arg.n, &seconds):
        raise ReplyError("ERR timeout is not a float or out of range")
    if seconds < 0:
        raise ReplyError("ERR timeout is negative")
    if seconds * 1000 > <long double>(INT64_MAX - c.store.keyspace.now_ms):
        raise ReplyError("ERR timeout is out of range")
    # Rounded up: a wait of less than a millisecond is still a wait.
    return <int64_t>(seconds * 1000 + 0.999999)


cdef class Waiter:
    """A command that waits for keys of a kind; subclasses say what they take."""

    def __init__(self, Kind kind):
        self.kind = kind

    cdef bint take(self, const Arg* key, Buf out) except -1:
        raise NotImplementedError

    cdef int run(self, Args a, Py_ssize_t first, Py_ssize_t last, int64_t timeout_ms,
                 Buf out) except -1:
        cdef Py_ssize_t i
        self.db = self.client.db
        for i in range(first, last + 1):
            if self.take(&a.v[i], out):
                return 0
        return self.wait([a.text(i) for i in range(first, last + 1)], timeout_ms, out)

    cdef int wait(self, list keys, int64_t timeout_ms, Buf out) except -1:
        """Block the client until one of the keys has something; where nothing may wait, nil."""
        cdef Client c = self.client
        self.db = c.db
        if c.executing or c.replaying or c.link is None:
            return self.put_nothing(out)
        self.keys = keys
        for key in self.keys:
            self.db.blocked.setdefault(key, {})[self] = None
        c.waiter = self
        c.link.hold()
        if timeout_ms:
            self.timer = c.store.clock.call_at(
                c.store.clock.now_ns() + timeout_ms * 1_000_000, self.time_out)
        return 0

    cdef int put_nothing(self, Buf out) except -1:
        if self.nil_array:
            return put_nil_array(out, self.client.resp)
        return put_nil(out, self.client.resp)

    cdef bint answer(self, bytes key) except -1:
        """A key changed: take from it if it has something now."""
        cdef Buf out
        cdef Arg arg = as_arg(key)
        cdef Store store = self.client.store
        cdef Client writer = store.running
        cdef bint failed = False
        value = self.db.find(&arg)
        if value is None or kind_of(value) != self.kind:
            self.lost()
            return False
        out = Buf()
        store.running = self.client        # what changes now is due to this one
        try:
            if not self.take(&arg, out):
                return False
        except ReplyError as error:
            failed = True
            out.clear()
            store.put_failure(out, error)
        finally:
            store.running = writer
        self.finish(bytes(out), failed)
        if store.tracking is not None:
            store.tracking.after_reply(self.client)
        return True

    cpdef remember(self, Command command, list words):
        """What request it was, for when it is answered."""
        self.command, self.words = command, words

    def lost(self) -> None:
        """A key went, or holds something else now: most wait on."""

    def cancel(self) -> None:
        """Wait no more, without an answer."""
        for key in self.keys:
            waiting = self.db.blocked.get(key)
            if waiting is not None and self in waiting:
                del waiting[self]
                if not waiting:
                    del self.db.blocked[key]
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        self.client.waiter = None

    def finish(self, reply: bytes, failed: bool = False) -> None:
        """Answer, and let the client go on."""
        self.cancel()
        if self.command is not None:
            count_answered(self.client.store, self.client, self.command, self.words, failed)
        self.client.link.write(reply)
        self.client.link.resume()

    def time_out(self) -> None:
        """The wait was in vain."""
        cdef Buf out = Buf()
        self.put_nothing(out)
        self.finish(bytes(out))

    def fail(self, error) -> None:
        """End the wait with an error."""
        cdef Buf out = Buf()
        self.client.store.put_failure(out, error)
        self.finish(bytes(out), True)


cdef class PopWaiter(Waiter):
    """Takes elements at an end of the first key that has some.

        BLPOP key ... timeout                              count 0: one element, said plainly
        LMPOP n key ... end [COUNT count]                  as many as wanted, in an array
        BLMPOP timeout n key ... end [COUNT count]
    """

    cdef int read_end(self, const Arg* word) except -1:
        raise NotImplementedError

    cdef int wait_for_keys(self, Client c, Args a, bint first, Buf out) except -1:
        cdef int64_t timeout_ms = timeout_of(c, &a.v[a.n - 1])
        self.client, self.first, self.nil_array = c, first, True
        return self.run(a, 1, a.n - 2, timeout_ms, out)

    cdef int wait_for_any(self, Client c, Args a, Buf out) except -1:
        cdef Py_ssize_t last = self.read_keys(c, a, 2)
        return self.run(a, 3, last, timeout_of(c, &a.v[1]), out)

    cdef int pop_from_any(self, Client c, Args a, Buf out) except -1:
        cdef Py_ssize_t i, last = self.read_keys(c, a, 1)
        self.db = c.db
        for i in range(2, last + 1):
            if self.take(&a.v[i], out):
                return 0
        return self.put_nothing(out)

    cdef Py_ssize_t read_keys(self, Client c, Args a, Py_ssize_t at) except -1:
        """Read from the number of keys on; where the last key is."""
        cdef int64_t n
        cdef Py_ssize_t end
        if not parse_int(a.v[at].p, a.v[at].n, &n) or n <= 0:
            raise ReplyError("ERR numkeys should be greater than 0")
        end = at + 1 + n
        if n > a.n or end >= a.n:
            raise ReplyError("ERR syntax error")
        self.client, self.nil_array, self.count = c, True, 1
        self.read_end(&a.v[end])
        if end + 1 < a.n:
            if end + 2 >= a.n or not is_word(&a.v[end + 1], "count"):
                raise ReplyError("ERR syntax error")
            if not parse_int(a.v[end + 2].p, a.v[end + 2].n, &self.count) or self.count <= 0:
                raise ReplyError("ERR count should be greater than 0")
            if end + 3 != a.n:
                raise ReplyError("ERR syntax error")
        return end - 1


def serve(Store store not None) -> None:
    """Hand what the last command made available to those who wait for it."""
    cdef Keyspace keyspace = store.keyspace
    cdef Database db
    cdef Waiter waiter
    while keyspace.ready:
        ready = keyspace.ready[:]
        keyspace.ready.clear()
        for db, key in dict.fromkeys(ready):
            for waiter in list(db.blocked.get(key, ())):
                waiter.answer(key)
