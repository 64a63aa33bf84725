from libc.stdint cimport int64_t


cdef class Budget:
    cdef Py_ssize_t samples_left
    cdef Py_ssize_t bytes_left
    cdef int64_t deadline_ns
    cdef object clock
    cdef Py_ssize_t until_look     # samples to take before the clock is looked at again

    cdef int take(self, Py_ssize_t samples) except -1
    cpdef int hold(self, Py_ssize_t size) except -1
