from libc.stdint cimport uint64_t


cdef class Rand:
    cdef uint64_t s0, s1, s2, s3

    cdef uint64_t next(self) noexcept
    cpdef uint64_t below(self, uint64_t n) except? 0
    cpdef double random(self) noexcept


cdef class OsRand(Rand):
    pass
