from libc.stdint cimport int64_t

from bedrock.world.disk cimport File
from bedrock.world.turn cimport Turn
from kvstore.journal cimport Journal


cdef class Aof(Journal):
    cdef readonly object world, store
    cdef readonly object disk          # of the folder
    cdef readonly object manifest      # kvstore.manifest.Manifest
    cdef Turn turn
    cdef File file                     # the incremental file being written
    cdef object hook
    cdef readonly int64_t size         # bytes of it written
    cdef readonly int64_t synced       # bytes of it known to be durable
    cdef int64_t proven                # bytes of it that the last batch loaded knew to be durable
    cdef readonly int64_t seq
    cdef int64_t room                  # bytes of it allocated
    cdef bint always
    cdef readonly str policy
    cdef object syncing                # the task that syncs once a second
    cdef readonly bint full            # the last request for room was refused
    cdef readonly bint rewriting
    cdef readonly int64_t base_size

    cdef int sync(self) except -1
    cdef int settle(self) except -1
    cdef int begin_file(self, list kept) except -1
