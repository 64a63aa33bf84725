from libc.stdint cimport int64_t, uint64_t


cdef class Linger:
    cdef object loop, call
    cdef bint awake                # the loop is kept from sleeping
    cdef int64_t until_ns          # for how long, unless bytes come before
    cdef int doubt                 # log2 of the turns to let pass after a stay in vain
    cdef int skips                 # how many of them are left
    cdef readonly uint64_t hits, misses

    cdef int came(self) except -1
    cdef int left(self) except -1
