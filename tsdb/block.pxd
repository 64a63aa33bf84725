from libc.stdint cimport int64_t, uint32_t

from bedrock.world.disk cimport File
from tsdb.columns cimport Columns


cdef class Index:
    # A block's series table; immutable.
    cdef bytes table
    cdef Py_ssize_t series, rows_each, chunks
    cdef const int64_t[::1] first
    cdef const int64_t[::1] last
    cdef const double[::1] least
    cdef const double[::1] most
    cdef const double[::1] total
    cdef const uint32_t[::1] count
    cdef const uint32_t[::1] size
    cdef const uint32_t[::1] check
    cdef const int64_t[::1] starts         # row i has chunks starts[i] .. starts[i + 1]
    cdef const int64_t[::1] offsets        # of chunks in the file; one more at the end
    cdef const int64_t[::1] key_at         # key i is table[key_at[i]:key_at[i + 1]]


cdef class Block:
    cdef readonly str name
    cdef readonly int64_t first, last      # timestamps
    cdef readonly int64_t samples
    cdef readonly int64_t rank             # higher was written later
    cdef readonly int64_t resolution       # ms of a bucket, 0 for samples as they came
    cdef readonly dict meta
    cdef readonly int64_t size             # bytes of the file
    cdef readonly Index loaded_index
    cdef File file
    cdef object disk
    cdef object loaded_postings
    cdef list labels                       # decoded Labels, or None, by series number
    cdef readonly list cuts                # [(series numbers, low, high)] that were deleted

    cdef Index index(self)
    cpdef int read(self, Py_ssize_t number, Columns into, int64_t low, int64_t high) except -1
    cpdef int read_row(self, Py_ssize_t number, int column, Columns into, int64_t low,
                       int64_t high) except -1
    cdef int end_buckets(self, Py_ssize_t number, Columns into, Py_ssize_t mark, int64_t low,
                         int64_t high) except -1
