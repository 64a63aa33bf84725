from libc.stdint cimport int64_t

from minidb.rowgroup cimport Snapshot, Version


cdef enum:
    INSERTED = 0
    UPDATED = 1
    DELETED = 2
    LOADED = 3                     # `tids` of a bulk insert


cdef class Write:
    cdef readonly object table     # TableStore
    cdef readonly int op
    cdef readonly int64_t tid
    cdef readonly Version before   # of an update
    cdef readonly object columns   # positions changed by an update
    cdef readonly object tids      # int64 array of a bulk insert
    cdef readonly bint rekeyed     # an update that added index entries


cdef class Transaction:
    cdef readonly Transactions manager
    cdef readonly int64_t id
    cdef readonly str isolation
    cdef public bint read_only
    cdef readonly list writes
    cdef readonly Snapshot snapshot
    cdef public object catalog     # the transaction's own catalog once it ran DDL, else None
    cdef readonly list waiters     # called when it ends
    cdef public object waits_for   # Transaction
    cdef readonly set locked       # tables whose definition it changes
    cdef readonly bint ended
    cdef readonly int64_t commit_number

    cdef int log(self, Write write) except -1
    cdef end(self, bint committed)


cdef class Transactions:
    cdef readonly int64_t last_commit
    cdef int64_t next_id
    cdef readonly dict running     # id -> Transaction
    cdef dict pinned               # snapshot number -> how many use it
    cdef object history            # deque of (commit number, writes) whose undo may be needed
    cdef public object journal     # called with (transaction) before its commit takes effect

    cpdef Transaction begin(self, str isolation=*, bint read_only=*)
    cdef int64_t horizon(self)
