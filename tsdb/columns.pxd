from libc.stdint cimport int64_t, uint8_t


cdef class Columns:
    cdef readonly list labels      # one Labels per series
    cdef int64_t* t                # samples of all series, one after the other
    cdef double* v
    cdef readonly Py_ssize_t n     # samples held
    cdef Py_ssize_t cap
    cdef int64_t* starts           # series i holds samples starts[i] .. starts[i + 1]
    cdef Py_ssize_t starts_cap
    cdef uint8_t* scratch
    cdef Py_ssize_t scratch_cap

    cdef uint8_t* room(self, Py_ssize_t size) except NULL
    cdef void cut(self, Py_ssize_t mark, int64_t low, int64_t high) noexcept
    cdef void clear(self) noexcept
    cdef int reserve(self, Py_ssize_t more) except -1
    cdef int add(self, const int64_t* t, const double* v, Py_ssize_t n,
                 int64_t low, int64_t high) except -1
    cdef int add_chunk(self, const uint8_t* p, Py_ssize_t size,
                       int64_t low, int64_t high) except -1
    cpdef int end_series(self, labels, bint keep_empty=*) except -1
