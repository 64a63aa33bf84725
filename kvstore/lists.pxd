from cpython.object cimport PyObject

from kvstore.keyspace cimport Value
from kvstore.resp cimport Arg


cdef class List(Value):
    cdef PyObject** ring           # owned bytes objects
    cdef Py_ssize_t cap            # a power of two
    cdef Py_ssize_t head           # place of element 0
    cdef Py_ssize_t n

    cdef bytes at(self, Py_ssize_t i)                          # 0 <= i < n
    cdef int push(self, bytes element, bint left) except -1
    cdef bytes pop(self, bint left)
    cdef int replace(self, Py_ssize_t i, bytes element) except -1
    cdef int insert(self, Py_ssize_t i, bytes element) except -1
    cdef int remove(self, Py_ssize_t i) except -1
    cdef bint equals(self, Py_ssize_t i, const Arg* word) noexcept
    cdef int reserve(self) except -1
