from libc.stdint cimport int64_t, uint8_t, uint32_t

from bedrock.world.disk cimport File
from tsdb.columns cimport Columns


cdef struct Entry:
    # One chunk, as the series table has it.
    int64_t first, last
    double least, most, total
    uint32_t count, size, check


cdef class BlockWriter:
    cdef readonly str name
    cdef readonly dict meta
    cdef readonly object block     # the finished block
    cdef object disk
    cdef File file
    cdef Py_ssize_t chunk_samples
    cdef int level                 # of chunk_encode
    cdef Py_ssize_t rows_each      # rows of one series
    cdef list keys
    cdef bytearray row_chunks      # u32 for each row: its chunks
    cdef Entry* entries
    cdef Py_ssize_t entry_n, entry_cap
    cdef uint8_t* out              # chunks that are not in the file yet
    cdef Py_ssize_t out_n, out_cap
    cdef int64_t offset            # where `out` goes in the file
    cdef int64_t first, last
    cdef readonly int64_t samples

    cdef Py_ssize_t encode_row(
        self, const int64_t* t, const double* v, Py_ssize_t n) except -1 nogil
    cdef int put(self, bytes part) except -1
