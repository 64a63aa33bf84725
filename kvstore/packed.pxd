from kvstore.resp cimport Arg


cdef class Packed:
    cdef char* p
    cdef Py_ssize_t n, cap         # bytes used and allocated
    cdef Py_ssize_t count          # entries

    # Entries are walked by offset: 0 is the first, `n` the end.
    cdef Py_ssize_t read(self, Py_ssize_t at, Arg* entry) noexcept      # the next offset
    cdef int append(self, const Arg* entry) except -1
    cdef int insert(self, Py_ssize_t at, const Arg* entry) except -1
    cdef int replace(self, Py_ssize_t at, const Arg* entry) except -1
    cdef int erase(self, Py_ssize_t at, Py_ssize_t entries) except -1
    # Offset of the first entry equal to `wanted` among every `step`-th; -1 if none.
    cdef Py_ssize_t find(self, const Arg* wanted, Py_ssize_t step) noexcept
    cdef int splice(self, Py_ssize_t at, Py_ssize_t old, Py_ssize_t new) except -1
    cdef int allocate(self, Py_ssize_t size) except -1
