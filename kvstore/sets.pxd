from libc.stdint cimport int64_t, uint64_t

from bedrock.world.rand cimport Rand
from kvstore.hashtable cimport HashTable
from kvstore.keyspace cimport Value
from kvstore.packed cimport Packed
from kvstore.resp cimport Arg


# Where a walk stands.
cdef struct SetPlace:
    Py_ssize_t at
    char[24] digits                # the number read last, as text

cdef SetPlace START                # before the first member


cdef class Set(Value):
    # Exactly one of three, looked at in this order:
    cdef HashTable table           # member -> nothing, words
    cdef Packed small              # a few short members
    cdef char* numbers             # ascending
    cdef Py_ssize_t n, cap         # numbers held and allocated
    cdef int width                 # bytes of each: 2, 4 or 8
    cdef Py_ssize_t expected       # members it will have, if its maker knows

    cdef bint add(self, const Arg* member, int64_t max_integers) except -1
    cdef bint remove(self, const Arg* member) except -1
    cdef bint contains(self, const Arg* member) noexcept
    # The next member, good until the next call; False at the end.  Nothing may change meanwhile.
    cdef bint next(self, SetPlace* place, Arg* member) noexcept
    cdef list members(self)
    cdef bytes any(self, Rand rand)
    cdef Py_ssize_t place(self, int64_t number) noexcept
    cdef int64_t number_at(self, Py_ssize_t i) noexcept
    cdef int write_number(self, Py_ssize_t i, int64_t number) noexcept
    cdef bint has_number(self, Py_ssize_t at, int64_t number) noexcept
    cdef int allocate(self, Py_ssize_t cap, int width) except -1
    cdef int move_numbers(self, Py_ssize_t to, Py_ssize_t at) noexcept
    cdef int insert_number(self, Py_ssize_t at, int64_t number) except -1
    cdef int drop_numbers(self) except -1
    cdef int convert(self, bint packed) except -1
