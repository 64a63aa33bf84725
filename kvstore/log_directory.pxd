from libc.stdint cimport int64_t, uint32_t, uint64_t

from bedrock.world.disk cimport File
from kvstore.log_engine cimport LogEngine


cdef class Writing:
    cdef LogEngine engine
    cdef object task
    cdef uint64_t done             # records appended when it was begun last
    cdef uint64_t learned          # at the start, which the file does not know either
    cdef int64_t tried_ns

    cdef uint64_t fresh(self) noexcept


# The file of the directory, read.
cdef class Written:
    cdef LogEngine engine
    cdef int64_t* since            # by database and part: what happened from here on is not in it
    cdef Py_ssize_t n              # of those
    cdef File file
    cdef int64_t at, size
    cdef uint32_t crc

    cdef bytes take(self, Py_ssize_t n)
    cdef int64_t least(self) noexcept
    cdef bint read(self) except -1
    cdef bint read_head(self) except -1
