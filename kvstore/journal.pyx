"""The journal: every change as a request that makes it again, in order.

What is written is RESP, as a client would send it: the request itself where it is deterministic,
another where it is not (SPOP becomes SREM, EXPIRE becomes PEXPIREAT).  `SELECT` goes before a record
for another database than the last, and what one EXEC changed stands between MULTI and EXEC.

    store.call ─► journal.begin(db) ─► record in `buffer` ─► (before the replies leave) file

This is the part that knows what a record is; where the bytes go is for a subclass (`aof.Aof`).
"""

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.string cimport memcmp, memmove

cdef enum:
    MULTI_BYTES = 15

cdef const char* MULTI = b"*1\r\n$5\r\nMULTI\r\n"


cdef bytes select(int db):
    return b"*2\r\n$6\r\nSELECT\r\n$%d\r\n%d\r\n" % (len(b"%d" % db), db)


cdef class Journal:
    def __cinit__(self, *_, **__):
        self.buffer = Buf()
        self.db = -1
        self.asides = []

    cdef Buf begin(self, int db):
        if self.buffer.n == 0:
            self.deferred()
        if db != self.db:
            self.buffer.write(select(db))
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
        if self.records == 1 and not self.asides and self.opened_at + MULTI_BYTES < self.buffer.n \
                and memcmp(multi, MULTI, MULTI_BYTES) == 0:
            # One record needs nothing around it to be whole.
            self.buffer.n -= MULTI_BYTES
            memmove(multi, multi + MULTI_BYTES, self.buffer.n - self.opened_at)
        else:
            self.buffer.put(b"*1\r\n$4\r\nEXEC\r\n", 14)
        return 0

    cdef int deferred(self) except -1:
        """The buffer is no longer empty: see that it is written before the replies leave."""
        return 0

    cdef int tell_follower(self, int db, bytes request) except -1:
        if self.follower is None:
            return 0
        if self.buffer.n:
            self.asides.append((self.buffer.n, request))
        else:
            self.follower((b"" if self.db >= 0 else select(db)) + request)
        return 0

    cdef int publish(self, size_t start) except -1:
        cdef list parts = []
        if self.follower is not None and self.buffer.n > start:
            for at, aside in self.asides:
                parts += (PyBytes_FromStringAndSize(self.buffer.p + start, at - start), aside)
                start = at
            parts.append(PyBytes_FromStringAndSize(self.buffer.p + start, self.buffer.n - start))
            self.follower(b"".join(parts))
        self.asides.clear()
        return 0

    def follow(self, follower) -> None:
        """Let someone hear of every record from now on."""
        self.follower = follower

    def forget_database(self) -> None:
        """Let the next record begin with SELECT: someone new reads on from here."""
        self.db = -1
