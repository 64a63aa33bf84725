from libc.stdint cimport int64_t, uint64_t

from bedrock.storage.segment cimport SegmentReader
from bedrock.world.disk cimport Disk, File
from bedrock.world.turn cimport Turn


cdef class RecordLog:
    cdef readonly Disk disk
    cdef readonly int64_t segment_bytes
    cdef readonly uint64_t log_id
    cdef readonly list segments        # bases of all segments, ascending
    cdef readonly list findings        # what recovery cleared away
    cdef readonly int64_t end          # position of the next record
    cdef readonly int64_t durable      # all records below survive a crash
    cdef readonly uint64_t records     # appended since opening
    cdef readonly uint64_t bytes       # written since opening, heads included
    cdef readonly uint64_t syncs

    cdef Turn turn
    cdef object hook                   # self.flush, bound once
    cdef bint deferred                 # the hook waits on the turn
    cdef object failed                 # the error after which nothing more is written
    cdef bint must_roll                # the last segment is finished, its successor not yet made
    cdef File file                     # the last segment
    cdef int64_t base                  # its position
    cdef int64_t reserved              # room is taken on the disk up to this position
    cdef int64_t written               # handed to the file up to this position
    cdef char* buf                     # the records from `written` to `end`
    cdef size_t cap

    # Append a record and return its position; DiskFull before anything changed.
    cdef int64_t put(self, const char* p, size_t n) except -1

    cdef int reserve(self, size_t n) except -1
    cdef int grow(self, size_t n) except -1
    cdef int write_out(self) except -1
    cdef int sync(self, file) except -1
    cdef int settle(self, File last, SegmentReader reader) except -1
