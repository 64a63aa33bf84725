"""A snapshot: the data as it was at one moment, written while the service goes on.

It is written as RDB; `kvstore.rewrite` has another form, requests that make the data again.

Nothing is copied and nothing forked.  The tables of the keyspace are ordered by hash, so a walk in
that order knows of each key whether it has been there yet.  Whoever looks up, sets or deletes a key
the walk has not reached has it written first, as it still is:

    written     | ............................... cursor | k      k'     |
                                                           └ touched: written now, skipped later

The price is one comparison a lookup while there is no snapshot, and while there is one the
writing of a key by the command that touches it first; memory for the names of those keys.

A key made after the beginning is skipped too, and a database that is emptied leaves its old tables
to the walk.  The file therefore holds the state at the beginning and no other, which is what an
append-only file or a stream to a replica needs to go on from.

Invariants:
1. A key is written at most once, with the value and deadline it had at the beginning.
2. At most one snapshot is under way.
"""

from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.object cimport PyObject

from kvstore.crc64 cimport crc64_of
from kvstore.keyspace cimport Database
from kvstore.rdb cimport OP_EOF, OP_RESIZE, OP_SELECT, put_aux, put_key, put_length, put_library
from kvstore.resp import ReplyError
from kvstore.version import REDIS_VERSION

cdef enum:
    CURSOR_SHIFT = 24              # a cursor is the upper bits of a hash
    STEP_KEYS = 64                 # keys written between two looks at the clock
    PIECE = 1 << 20                # bytes from which a piece is handed out
    SLICE_NS = 1_000_000           # what a step may take, so that a turn stays short


cdef class SnapshotWalk(Walk):
    """Writes what it meets to `out`."""

    cdef bint step(self, size_t count) except -1:
        raise NotImplementedError

    cdef int leave(self, Store store) except -1:
        raise NotImplementedError


cdef class DatabaseWalk(SnapshotWalk):
    """The walk through one database."""

    def __init__(self, Database db not None, Buf out not None):
        self.index = db.index
        self.keys = db.keys
        self.expires = db.expires
        self.out = out
        self.skip = set()

    cdef int before(self, Slot* slot) except -1:
        cdef bytes key
        if self.done or slot.hash >> CURSOR_SHIFT < self.cursor:
            return 0
        key = <bytes>slot.key
        if key not in self.skip:
            self.skip.add(key)
            self.write(key, <object><PyObject*>slot.value)
        return 0

    cdef int born(self, uint64_t h, bytes key) except -1:
        if not self.done and h >> CURSOR_SHIFT >= self.cursor:
            self.skip.add(key)
        return 0

    cdef int write(self, bytes key, object value) except -1:
        cdef Slot* deadline = self.expires.find_bytes(key) if self.expires.used else NULL
        if not self.headed:
            self.headed = True
            self.put_head()
        self.written += 1
        return self.put(key, value, -1 if deadline is NULL else <int64_t>deadline.value)

    cdef int put_head(self) except -1:
        """What stands before the first key."""
        cdef char op = <char>OP_SELECT
        self.out.put(&op, 1)
        put_length(self.out, self.index)
        op = <char>OP_RESIZE
        self.out.put(&op, 1)
        put_length(self.out, self.keys.used)
        return put_length(self.out, self.expires.used)

    cdef int put(self, bytes key, object value, int64_t deadline) except -1:
        """One key; its deadline is -1 if it has none."""
        return put_key(self.out, key, value, deadline)

    cdef int leave(self, Store store) except -1:
        # SWAPDB may have given its tables to another database.
        cdef Database db
        for db in store.keyspace.databases:
            db.dismiss(self)
        return 0

    cdef bint step(self, size_t count) except -1:
        cdef list found = []
        cdef bytes key
        cdef Slot* slot
        cdef uint64_t cursor = self.keys.scan(self.cursor, count, found)
        for key in found:
            if key in self.skip:
                self.skip.discard(key)
                continue
            slot = self.keys.find_bytes(key)
            self.write(key, <object><PyObject*>slot.value)
        self.cursor = cursor
        self.done = cursor == 0
        return not self.done


cdef class Snapshot:
    """Take one from here on; `next()` gives the bytes of the file piece by piece.

    aof_base: whether it is to be the base of an append-only file
    keys, functions: which of them it is to hold
    """

    def __init__(self, Store store not None, bint aof_base=False,
                 bint keys=True, bint functions=True):
        if store.snapshot is not None:
            raise ReplyError("ERR Background save already in progress")
        store.snapshot = self
        self.store = store
        self.delay_us = store.parameters["rdb-key-save-delay"]
        self.out = Buf()
        self.walks = []
        self.put_head(aof_base)
        if functions and store.scripts is not None:
            for library in store.scripts.libraries.values():
                self.put_functions(library.code)
        if keys:
            self.begin_walks()

    cdef int begin_walks(self) except -1:
        cdef Database db
        cdef DatabaseWalk walk
        if self.store.log_engine is not None:
            self.walks.append(self.store.log_engine.begin_walk())
            self.keys = sum([len(db) for db in self.store.keyspace.databases])
            return 0
        for db in self.store.keyspace.databases:
            if db.keys.used:
                # Databases share the output, and what is touched early must not stand under
                # another's SELECT: each has its own until its turn comes.
                walk = self.walk(db)
                db.attend(walk)
                self.walks.append(walk)
                self.keys += db.keys.used
        return 0

    cdef int put_head(self, bint aof_base) except -1:
        """How the file begins."""
        self.out.put(b"REDIS0010", 9)
        put_aux(self.out, b"redis-ver", REDIS_VERSION.encode())
        put_aux(self.out, b"redis-bits", b"64")
        put_aux(self.out, b"ctime", b"%d" % (self.store.keyspace.now_ms // 1000))
        if not aof_base and self.store.primary.begun:
            self.put_place()
        return put_aux(self.out, b"aof-base", b"%d" % aof_base)

    cdef int put_place(self) except -1:
        """Which moment of which stream this is: who loads the file can go on from there."""
        primary = self.store.primary
        primary.come_to_rest()
        put_aux(self.out, b"repl-stream-db", b"%d" % primary.db)
        put_aux(self.out, b"repl-id", primary.id)
        return put_aux(self.out, b"repl-offset", b"%d" % primary.offset)

    cdef int put_functions(self, bytes code) except -1:
        """A library of functions."""
        return put_library(self.out, code)

    cdef DatabaseWalk walk(self, Database db):
        """The walk through a database."""
        return DatabaseWalk(db, Buf())

    cdef int put_end(self) except -1:
        """The end mark."""
        cdef char op = <char>OP_EOF
        return self.out.put(&op, 1)

    cdef bytes checksum(self):
        """What follows when all else has passed."""
        return self.crc.to_bytes(8, "little")

    def next(self) -> bytes:
        """Some more of the file; empty at its end."""
        cdef int64_t until = self.store.clock.now_ns() + SLICE_NS
        cdef SnapshotWalk walk
        cdef bytes piece
        if self.abandoned:
            raise ReplyError("ERR the data was replaced while a snapshot was written")
        cdef size_t keys = STEP_KEYS if self.delay_us <= 0 else 1 + 10_000 // self.delay_us
        self.pause_s = max(self.delay_us, 0) * keys / 1e6
        while self.walks:
            walk = self.walks[0]
            if not walk.step(keys):
                self.take(walk)
                self.past += walk.written
                del self.walks[0]
                walk.leave(self.store)
            elif self.pause_s or self.store.clock.now_ns() >= until or walk.out.n >= PIECE:
                self.take(walk)
                if self.out.n:
                    break
        # While it is slowed down it can be given up to the end.
        if not self.walks and not self.ended and not (self.pause_s and self.out.n):
            self.finish()
        piece = PyBytes_FromStringAndSize(self.out.p, self.out.n) if self.out.n else b""
        self.crc = crc64_of(piece, len(piece), self.crc)
        if self.ended and piece:
            piece += self.checksum()
        self.written += len(piece)
        self.out.clear()
        return piece

    @property
    def keys_done(self) -> int:
        """Keys written so far."""
        cdef SnapshotWalk walk
        cdef size_t done = self.past
        for walk in self.walks:
            done += walk.written
        return done

    def take(self, SnapshotWalk walk not None) -> None:
        """What a walk has written so far goes into the file."""
        if walk.out.n:
            self.out.put(walk.out.p, walk.out.n)
            walk.out.clear()

    def finish(self) -> None:
        """No key is left."""
        self.put_end()
        self.ended = True
        self.store.snapshot = None

    def abort(self) -> None:
        """Give up; also at the end, where it does nothing.  `next` fails from now on."""
        cdef SnapshotWalk walk
        self.abandoned = not self.ended
        for walk in self.walks:
            walk.leave(self.store)
        self.walks.clear()
        if self.store.snapshot is self:
            self.store.snapshot = None
