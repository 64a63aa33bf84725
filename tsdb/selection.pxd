from libc.stdint cimport int64_t

from tsdb.budget cimport Budget
from tsdb.columns cimport Columns


cdef class Rows:
    cdef readonly object labels    # a LabelList
    cdef const int64_t* t          # the samples of the row that was read last
    cdef const double* v
    cdef Py_ssize_t n
    cdef readonly int64_t gap      # up to gap_until samples may be so far apart, ms: see Found
    cdef readonly int64_t gap_until

    cdef int read(self, Py_ssize_t row) except -1


cdef class Gathered(Rows):
    cdef Columns columns


cdef struct Piece:
    int64_t first, last            # of a chunk's timestamps
    Py_ssize_t count
    double least, most, total      # NaN where they are not known, or a value is NaN
    Py_ssize_t source              # in the list of the row's places
    Py_ssize_t at, n               # its samples in the scratch once it is decoded; at -1 before


cdef class Found:
    cdef readonly object labels
    cdef readonly list places      # for each row a head's Series, or [(Block, number) | Series]
    cdef bint tiered               # some places are downsampled,
    cdef int64_t gap               # to more than was asked for, so that one sample is left
    cdef int64_t gap_until         # of what was in `gap` ms


cdef class Selection(Rows):
    cdef readonly Found found
    cdef int64_t low, high
    cdef bint stale
    cdef Budget budget
    cdef Columns scratch
    cdef list rows                 # Columns for each of a bucket's numbers
    cdef Piece* pieces             # of the row that was split last
    cdef Py_ssize_t piece_n, piece_cap

    cdef Py_ssize_t split(self, Py_ssize_t row) except -1
    cdef int add_piece(self, int64_t first, int64_t last, Py_ssize_t count, double least,
                       double most, double total, Py_ssize_t source) except -1
    cdef int decode(self, Py_ssize_t row, Piece* piece) except -1
    cdef bint buckets(self, Py_ssize_t row) except -1
