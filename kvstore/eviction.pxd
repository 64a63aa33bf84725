from libc.stdint cimport int64_t, uint64_t

from kvstore.engine cimport Store
from kvstore.keyspace cimport Database

cdef enum:
    POOL = 16                      # candidates kept from one sampling to the next


# What decides which key goes first.
cdef enum Order:
    NOBODY, BY_USE, BY_FREQUENCY, BY_DEADLINE, AT_RANDOM


cdef class Evictor:
    cdef Store store
    cdef Order order
    cdef bint volatile                 # only keys with a deadline
    cdef int64_t limit, slice_ns
    cdef int samples
    cdef int next_db                   # whose turn it is when keys go at random
    cdef uint64_t[POOL] scores         # ascending; the last goes first
    cdef list pool                     # (Database, key) of each
    cdef object timer
    cdef int64_t told                  # bytes that clients had to be told of evictions ...
    cdef uint64_t told_turn            # ... since this turn
    cdef readonly int64_t peak         # the most that was seen to be used

    cdef int64_t used(self) except -1
    cdef bint make_room(self) except -1
    cdef int64_t unsent(self) except -1
    cdef bint evict_down_to(self, int64_t enough) except -1
    cdef bint evict_one(self) except -1
    cdef bint evict_any(self) except -1
    cdef int sample(self, Database db) except -1
    cdef int propose(self, uint64_t score, Database db, bytes key) except -1
