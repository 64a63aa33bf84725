from kvstore.hashtable cimport HashTable
from kvstore.keyspace cimport Value
from kvstore.packed cimport Packed
from kvstore.resp cimport Arg


cdef class Hash(Value):
    cdef Packed small              # field, value, field, value ...; None once it is big
    cdef HashTable big             # field -> value, words; None while it is small

    cdef bint get(self, const Arg* field, Arg* value) noexcept
    # True if the field is new.
    cdef bint set(self, const Arg* field, const Arg* value, Py_ssize_t max_entries,
                  Py_ssize_t max_value) except -1
    cdef bint remove(self, const Arg* field) except -1
    # Walk: start at 0; False at the end.  Nothing may change meanwhile.
    cdef bint next(self, Py_ssize_t* at, Arg* field, Arg* value) noexcept
    cdef int convert(self) except -1
