"""A checkpoint: all data as it was at one moment, to go back to in an instant, for tests.

    take                    nothing is copied: each database tells of the keys that may change
    a key is touched        its value and deadline are put aside, once
    FLUSHALL, SWAPDB        the tables themselves are still here
    roll back               tables back in place, then the keys put aside; the next test may begin

So taking one costs nothing, and going back costs what was touched since, whatever the data's size.
The checkpoint stays in force until it is dropped.  Watched keys count as changed.  The log and the
replicas are told: DEL or RESTORE of each key that was put back.

What it leaves out: libraries of functions, parameters and subscriptions stay as they are.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint64_t

from kvstore.engine cimport Store
from kvstore.hashtable cimport HashTable, Slot, order_of
from kvstore.keyspace cimport Database, Keyspace, Value, Walk, as_arg
from kvstore.resp cimport Arg
from kvstore.resp import ReplyError


cdef class DatabaseCheckpoint(Walk):
    """One database as it was."""

    cdef Database db
    cdef HashTable keys, expires       # as they were called
    cdef dict aside                    # key -> (value, deadline); value None = it was not there

    def __init__(self, Database db not None):
        self.db = db
        self.keys = db.keys
        self.expires = db.expires
        self.aside = {}
        db.attend(self)

    cdef int before(self, Slot* slot) except -1:
        cdef bytes key = <bytes>slot.key
        cdef Slot* deadline
        if key in self.aside:
            return 0
        deadline = self.expires.find_hash(
            order_of(slot), PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key))
        self.aside[key] = (
            copy_of(<object><PyObject*>slot.value),
            -1 if deadline is NULL else <int64_t>deadline.value)
        return 0

    cdef int born(self, uint64_t h, bytes key) except -1:
        if key not in self.aside:
            self.aside[key] = (None, -1)
        return 0

    cdef bint put_tables_back(self) except -1:
        """True if they had been replaced."""
        cdef Database db = self.db
        cdef bint replaced = db.keys is not self.keys
        db.walk = None
        db.keys = self.keys
        db.expires = self.expires
        return replaced

    cdef int put_keys_back(self) except -1:
        cdef Database db = self.db
        cdef Arg arg
        cdef int64_t deadline
        for key, (value, deadline) in self.aside.items():
            arg = as_arg(<bytes>key)
            if value is None:
                db.delete(&arg)
                continue
            db.set(&arg, value, False)
            if deadline >= 0:
                db.set_expiry(&arg, deadline)
        return 0


cdef object copy_of(value):
    """A value that stays as it is."""
    if isinstance(value, Value):
        return (<Value>value).duplicate()
    return bytes(value) if isinstance(value, bytearray) else value


cdef class Checkpoint:
    """Take one here and now."""

    cdef Store store
    cdef list parts                    # of DatabaseCheckpoint, by number

    def __init__(self, Store store not None):
        cdef Database db
        if store.log_engine is not None:
            raise ReplyError("ERR checkpoints are not possible with the log engine")
        self.store = store
        self.parts = [DatabaseCheckpoint(db) for db in store.keyspace.databases]

    def drop(self) -> None:
        """Never go back; idempotent."""
        cdef Database db
        cdef DatabaseCheckpoint part
        # SWAPDB may have taken a part to another database.
        for db in self.store.keyspace.databases:
            for part in self.parts:
                db.dismiss(part)

    def roll_back(self) -> int:
        """Go back.  Returns how many keys had been touched."""
        cdef Keyspace keyspace = self.store.keyspace
        cdef DatabaseCheckpoint part
        cdef int events = keyspace.events
        cdef Py_ssize_t count = 0
        cdef list replaced = []
        if self.store.snapshot is not None:
            self.store.snapshot.abort()
        keyspace.events = 0
        try:
            for part in self.parts:
                if part.put_tables_back():
                    replaced.append(part)
            for part in self.parts:
                part.put_keys_back()
        finally:
            keyspace.events = events
        for part in self.parts:
            for key in set(part.db.watched) | set(part.db.blocked):
                part.db.tell(key, 0, "")
            if self.store.journal is not None:
                record(self.store, part, part in replaced)
            count += len(part.aside)
            part.aside = {}
            part.db.attend(part)
        keyspace.dirty += count
        return count


def record(Store store, DatabaseCheckpoint part, bint replaced) -> None:
    """Let the log and the replicas go back too; all of it when the tables had been replaced."""
    client = store.client()
    client.db = part.db
    keys = part.aside
    if replaced:
        store.record(client, b"FLUSHDB")
        keys = []
        part.keys.scan(0, part.keys.used, keys)
    for key in keys:
        payload = store.execute_words(client, b"DUMP", key)
        if payload is None:
            if not replaced:
                store.record(client, b"DEL", key)
        else:
            deadline = max(part.db.ttl_at(key), 0)
            store.record(client, b"RESTORE", key, b"%d" % deadline, payload,
                         b"REPLACE", b"ABSTTL")
