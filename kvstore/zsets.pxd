from bedrock.net.buf cimport Buf
from bedrock.world.rand cimport Rand
from kvstore.engine cimport Client
from kvstore.hashtable cimport HashTable
from kvstore.keyspace cimport Value
from kvstore.resp cimport Arg, Args
from kvstore.skiplist cimport Node, SkipList


cdef class ZSet(Value):
    cdef HashTable table           # member -> score, raw
    cdef SkipList order
    cdef bint small                # few and short members: what Redis keeps in a listpack

    cdef bint score_of(self, const Arg* member, double* score) noexcept
    # Set a score: 1 if the member is new, 0 if not.
    cdef int put(self, const Arg* member, double score, Py_ssize_t max_entries,
                 Py_ssize_t max_value) except -1
    cdef bint remove(self, const Arg* member) except -1

cdef ZSet new_zset(Rand rand)
cdef int put_member(Client c, ZSet value, const Arg* member, double score) except -1
# A member and its score, as the client's protocol pairs them.
cdef int put_pair(Client c, bytes member, double score, bint with_scores, Buf out) except -1
cdef int put_pairs_header(Client c, Py_ssize_t n, bint with_scores, Buf out) except -1
# Keep a result at a key (nothing when it is empty) and answer with its size.
cdef int store_zset(Client c, const Arg* key, ZSet value, str name, Buf out) except -1
cdef int zadd(Client c, Args a, Buf out) except -1
