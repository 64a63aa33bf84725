from libc.stdint cimport int64_t


cdef struct Entry:
    int64_t key
    int64_t value


cdef class Index:
    cdef readonly int64_t base     # base offset of the segment
    cdef readonly int width        # bytes of an entry in the file
    cdef readonly Py_ssize_t n
    cdef Py_ssize_t room
    cdef Py_ssize_t saved          # entries that are in the file
    cdef Entry* entries

    cdef int add(self, int64_t key, int64_t value) except -1
    cdef Py_ssize_t at_or_below(self, int64_t key) noexcept
    cdef Py_ssize_t value_at_or_below(self, int64_t value) noexcept
