from libc.stdint cimport int64_t


cdef class Clock:
    cpdef int64_t now_ns(self) noexcept
    cpdef int64_t wall_ms(self) noexcept


cdef class OsClock(Clock):
    pass
