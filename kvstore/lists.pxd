from cpython.object cimport PyObject
from libc.stdint cimport int64_t

from kvstore.keyspace cimport Value
from kvstore.packed cimport Packed
from kvstore.resp cimport Arg


cdef class List(Value):
    cdef Packed small              # all elements while they are few; None once it is a ring
    cdef PyObject** ring           # owned bytes objects
    cdef Py_ssize_t cap            # a power of two
    cdef Py_ssize_t head           # place of element 0
    cdef Py_ssize_t n

    # Walk: `seek` gives the place of an element (0 <= i <= n), `read` takes it to the next.
    cdef Py_ssize_t seek(self, Py_ssize_t i) noexcept
    cdef Py_ssize_t read(self, Py_ssize_t place, Arg* element) noexcept
    cdef bytes at(self, Py_ssize_t i)                          # 0 <= i < n
    # `limit` is list-max-listpack-size: elements, or (negative) a class of sizes.
    cdef int push(self, const Arg* element, bint left, int64_t limit) except -1
    cdef bytes pop(self, bint left)
    cdef int drop(self, Py_ssize_t count, bint left) except -1
    cdef int replace(self, Py_ssize_t i, const Arg* element, int64_t limit) except -1
    cdef int insert(self, Py_ssize_t i, const Arg* element, int64_t limit) except -1
    cdef int remove(self, Py_ssize_t i) except -1
    cdef bint equals(self, Py_ssize_t i, const Arg* word) noexcept
    # The first element from i on that equals a word, -1 without one.
    cdef Py_ssize_t index_of(self, const Arg* word, Py_ssize_t i) noexcept
    cdef bint has_room(self, Py_ssize_t more, int64_t limit) noexcept
    cdef int unpack(self) except -1
    cdef int put(self, PyObject* element, bint left) except -1
    cdef int reserve(self) except -1
