from libc.stdint cimport int64_t, uint64_t

from bedrock.net.buf cimport Buf
from kvstore.engine cimport Store
from kvstore.hashtable cimport HashTable, Slot
from kvstore.keyspace cimport Walk


cdef class DatabaseWalk(Walk):
    cdef int index
    cdef HashTable keys, expires       # as they were called when the walk began
    cdef uint64_t cursor               # all below it is written
    cdef bint done
    cdef set skip                      # above it: written already, or not there at the beginning
    cdef Buf out
    cdef bint headed

    cdef int write(self, bytes key, object value) except -1
    cdef bint step(self, size_t count) except -1


cdef class Snapshot:
    cdef Store store
    cdef list walks                    # of DatabaseWalk, those to come
    cdef Buf out
    cdef uint64_t crc
    cdef readonly int64_t written      # bytes handed out
    cdef readonly bint ended, abandoned
    cdef int64_t delay_us              # to wait for each key (rdb-key-save-delay)
    cdef readonly double pause_s       # what to wait after the piece handed out last
