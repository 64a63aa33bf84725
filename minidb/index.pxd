from libc.stdint cimport int64_t


cdef class Index:
    cdef readonly tuple positions  # columns of the key
    cdef readonly bint unique
    cdef public int64_t oid

    cdef object key_of(self, tuple row)
    cdef int add(self, object key, int64_t tid) except -1
    cdef int discard(self, object key, int64_t tid) except -1
    cdef object find(self, object key)


cdef class IntIndex(Index):
    cdef int64_t* keys
    cdef int64_t* tids
    cdef Py_ssize_t slots          # a power of two
    cdef Py_ssize_t used           # entries and tombstones
    cdef Py_ssize_t entries

    cdef int resize(self, Py_ssize_t slots) except -1
    cdef void place(self, int64_t key, int64_t tid) noexcept
    cdef int64_t first(self, int64_t key) noexcept


cdef class ObjectIndex(Index):
    cdef dict map
