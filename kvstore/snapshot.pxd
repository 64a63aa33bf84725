from libc.stdint cimport int64_t, uint64_t

from bedrock.net.buf cimport Buf
from kvstore.engine cimport Store
from kvstore.hashtable cimport HashTable, Slot
from kvstore.keyspace cimport Database, Walk


# A walk through data that writes what it meets.
cdef class SnapshotWalk(Walk):
    cdef Buf out
    cdef size_t written                # keys

    # Write some more keys; False at the end.
    cdef bint step(self, size_t count) except -1
    # No key has to be told of any more.
    cdef int leave(self, Store store) except -1


cdef class DatabaseWalk(SnapshotWalk):
    cdef int index
    cdef HashTable keys, expires       # as they were called when the walk began
    cdef uint64_t cursor               # all below it is written
    cdef bint done
    cdef set skip                      # above it: written already, or not there at the beginning
    cdef bint headed

    cdef int write(self, bytes key, object value) except -1
    cdef int put_head(self) except -1
    cdef int put(self, bytes key, object value, int64_t deadline) except -1


cdef class Snapshot:
    cdef Store store
    cdef list walks                    # of SnapshotWalk, those to come
    cdef Buf out
    cdef uint64_t crc
    cdef readonly int64_t written      # bytes handed out
    cdef readonly bint ended, abandoned
    cdef readonly size_t keys          # there were at the beginning
    cdef size_t past                   # of them in the databases that are done
    cdef int64_t delay_us              # to wait for each key (rdb-key-save-delay)
    cdef readonly double pause_s       # what to wait after the piece handed out last

    cdef int put_head(self, bint aof_base) except -1
    cdef int put_place(self) except -1
    cdef int begin_walks(self) except -1
    cdef int put_functions(self, bytes code) except -1
    cdef DatabaseWalk walk(self, Database db)
    cdef int put_end(self) except -1
    cdef bytes checksum(self)
