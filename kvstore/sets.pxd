from libc.stdint cimport int64_t

from kvstore.hashtable cimport HashTable
from kvstore.keyspace cimport Value
from kvstore.resp cimport Arg


cdef class Set(Value):
    cdef HashTable table           # member -> nothing
    cdef bint integers             # every member reads as a 64-bit number, and there are few

    cdef bint add(self, const Arg* member, int64_t max_integers) except -1
    cdef bint remove(self, const Arg* member) except -1
    cdef bint contains(self, const Arg* member) noexcept
    cdef list members(self)
