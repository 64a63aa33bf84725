from bedrock.world.rand cimport Rand
from kvstore.hashtable cimport HashTable
from kvstore.keyspace cimport Value
from kvstore.packed cimport Packed
from kvstore.resp cimport Arg
from kvstore.skiplist cimport Node, SkipList


cdef struct Mark:                  # a place in the order; good until the set changes
    Node* node
    Py_ssize_t at                  # offset in `small`


cdef class ZSet(Value):
    cdef Packed small              # member, score, ... in order while they are few; then None
    cdef HashTable table           # member -> score, raw
    cdef SkipList order
    cdef Rand rand

    cdef bint score_of(self, const Arg* member, double* score) noexcept
    # Set a score: 1 if the member is new, 0 if not.  most, longest: what may stay packed.
    cdef int put(self, const Arg* member, double score, Py_ssize_t most,
                 Py_ssize_t longest) except -1
    cdef bint remove(self, const Arg* member) except -1
    # Walk: `at` gives the mark of a rank, 0 the first; `next` reads there and goes one on, False
    # behind the last.
    cdef Mark at(self, Py_ssize_t rank) noexcept
    cdef bint next(self, Mark* mark, Arg* member, double* score) noexcept
    # How many come before (score, member); see SkipList.
    cdef Py_ssize_t count_below(self, double score, const Arg* member, bint after) noexcept
    # Room for so many members.
    cdef int reserve(self, Py_ssize_t n, Py_ssize_t most) except -1
    cdef int unpack(self) except -1
    cdef Py_ssize_t offset_below(self, double score, const Arg* member, bint after,
                                 Py_ssize_t* rank) noexcept
    cdef int insert_small(self, const Arg* member, double score) except -1

cdef ZSet new_zset(Rand rand)
