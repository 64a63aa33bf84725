from libc.stdint cimport uint64_t


cdef int shortest(double v, uint64_t* digits) noexcept nogil
