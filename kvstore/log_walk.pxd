from libc.stdint cimport int64_t

from bedrock.storage.segment cimport SegmentReader
from kvstore.log_engine cimport LogEngine, RecordWalk


cdef class LogWalk(RecordWalk):
    cdef LogEngine engine
    cdef list directories          # as they are named when the walk begins
    cdef list sizes                # keys in each, then
    cdef list segments             # bases of those to come, the one being read first
    cdef int64_t moment            # the log's end when the walk began
    cdef int64_t at                # all records before are done
    cdef int db                    # the output speaks of, -1 at first
    cdef SegmentReader reader
    cdef object file

    cdef int put(self, const char* payload, Py_ssize_t n) except -1
    cdef bint is_alive(self, int64_t position, const char* payload) except -1
    cdef bint open_next(self) except -1
    cdef int close_file(self) except -1
