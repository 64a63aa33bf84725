from libc.stdint cimport int64_t

from tsdb.budget cimport Budget
from tsdb.columns cimport Columns


cdef class Rows:
    cdef readonly object labels    # a LabelList
    cdef const int64_t* t          # the samples of the row that was read last
    cdef const double* v
    cdef Py_ssize_t n

    cdef int read(self, Py_ssize_t row) except -1


cdef class Gathered(Rows):
    cdef Columns columns


cdef class Found:
    cdef readonly object labels
    cdef readonly list places      # for each row a head's Series, or [(Block, number) | Series]


cdef class Selection(Rows):
    cdef readonly Found found
    cdef int64_t low, high
    cdef bint stale
    cdef int column                # of a bucket's numbers
    cdef Budget budget
    cdef Columns scratch
