"""The journal: every change as a request that makes it again, in order.

What is written is RESP, as a client would send it: the request itself where it is deterministic,
another where it is not (SPOP becomes SREM, EXPIRE becomes PEXPIREAT).  `SELECT` goes before a record
for another database than the last, and what one EXEC changed stands between MULTI and EXEC.

    store.call ─► journal.begin(db) ─► record in `buffer` ─► (before the replies leave) file

This is the part that knows what a record is; where the bytes go is for a subclass (`aof.Aof`).
"""

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.string cimport memcmp, memmove

from kvstore.resp cimport put_array, put_bulk

cdef enum:
    MULTI_BYTES = 15

cdef const char* MULTI = b"*1\r\n$5\r\nMULTI\r\n"


cdef class Place:
    """The end of what was handed on together."""

    def __cinit__(self):
        self.offset = -1


cdef class Journal:
    def __cinit__(self, *_, **__):
        self.buffer = Buf()
        self.place, self.reached = Place(), Place()
        self.db = -1

    cdef Buf begin(self, int db):
        cdef bytes number
        if self.buffer.n == 0:
            self.deferred()
        if db != self.db:
            number = b"%d" % db
            put_array(self.buffer, 2)
            put_bulk(self.buffer, b"SELECT", 6)
            put_bulk(self.buffer, number, len(number))
            self.db = db
        if self.in_transaction and not self.opened:
            self.opened = True
            self.opened_at, self.records = self.buffer.n, 0
            self.buffer.put(MULTI, MULTI_BYTES)
        self.records += 1
        return self.buffer

    cdef int reserve(self, size_t n) except -1:
        return 0

    cdef int start_transaction(self) except -1:
        self.in_transaction = True
        self.opened = False
        return 0

    cdef int end_transaction(self) except -1:
        cdef char* multi = self.buffer.p + self.opened_at
        self.in_transaction = False
        if not self.opened:
            return 0
        if self.records == 1 and self.opened_at + MULTI_BYTES < self.buffer.n \
                and memcmp(multi, MULTI, MULTI_BYTES) == 0:
            # One record needs nothing around it to be whole.
            self.buffer.n -= MULTI_BYTES
            memmove(multi, multi + MULTI_BYTES, self.buffer.n - self.opened_at)
            self.one_sided_moves()
        else:
            self.buffer.put(b"*1\r\n$4\r\nEXEC\r\n", 14)
        return 0

    cdef int deferred(self) except -1:
        """The buffer is no longer empty: see that it is written before the replies leave."""
        return 0

    cdef int set_aside(self, size_t start, bint for_file) except -1:
        if self.one_sided is None:
            self.one_sided = []
        self.one_sided.append((start, self.buffer.n, for_file))
        return 0

    cdef int one_sided_moves(self) except -1:
        """What was recorded last stands where MULTI stood."""
        if self.one_sided is not None:
            begin, end, for_file = self.one_sided.pop()
            moved = MULTI_BYTES if begin > self.opened_at else 0
            self.one_sided.append((begin - moved, end - moved, for_file))
        return 0

    cdef int split(self, size_t start) except -1:
        cdef list streamed = [], kept = []
        cdef bytes both, one
        cdef size_t at = start, begin, end
        if self.one_sided is None:
            return 0
        for begin, end, for_file in [*self.one_sided, (self.buffer.n, self.buffer.n, True)]:
            both = PyBytes_FromStringAndSize(self.buffer.p + at, begin - at)
            one = PyBytes_FromStringAndSize(self.buffer.p + begin, end - begin)
            kept += [both, one] if for_file else [both]
            streamed += [both] if for_file else [both, one]
            at = end
        self.streamed, self.one_sided = b"".join(streamed), None
        self.buffer.n = start
        self.buffer.write(b"".join(kept))
        return 0

    cdef int publish(self, size_t start) except -1:
        cdef bytes data = self.streamed
        self.streamed = None
        if self.follower is None:
            return 0
        if data is None:
            data = PyBytes_FromStringAndSize(self.buffer.p + start, self.buffer.n - start)
        if data:
            self.follower(data)
        return 0

    @property
    def ahead(self) -> bool:
        """Something recorded, though not in the present transaction, is still to be handed on."""
        return (self.opened_at if self.in_transaction and self.opened else self.buffer.n) > 0

    def came_to(self, int64_t offset) -> None:
        """What was recorded so far ends here in the stream."""
        self.place.offset = offset
        self.place, self.reached = Place(), self.place

    def follow(self, follower) -> None:
        """Let someone hear of every record from now on."""
        self.follower = follower

    @property
    def database(self) -> int:
        """The database that the records speak of now; any one while the next begins with SELECT."""
        return max(self.db, 0)

    def forget_database(self) -> None:
        """Let the next record begin with SELECT: someone new reads on from here."""
        self.db = -1
