from libc.stdint cimport int64_t

from bedrock.net.buf cimport Buf
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
    cdef readonly bint aside           # no manifest names the file yet: its base is to be written
    cdef bint checksums, timestamps    # whether batches are annotated so
    cdef int64_t stamped_s             # the last timestamp written
    cdef int64_t older                 # bytes of the files before this one
    cdef readonly int64_t total_before # bytes of all files after the last rewrite, or at the start

    cdef public int64_t flush_sleep_us # before each write, for tests (DEBUG AOF-FLUSH-SLEEP)

    cdef int write_batch(self, Buf buf) except -1
    cdef int sync(self) except -1
    cdef int settle(self) except -1
    cdef int clear_away(self) except -1
    cdef int begin_base(self) except -1
    cdef int begin_file(self, list kept) except -1
    cdef int count(self) except -1
    cdef int begin_again(self) except -1
    cdef object adopt(self)
