from libc.stdint cimport int64_t, uint64_t

from kvstore.engine cimport Store
from kvstore.hashes cimport Hash
from kvstore.keyspace cimport Database
from kvstore.lists cimport List
from kvstore.sets cimport Set
from kvstore.stream cimport Stream
from kvstore.stream_chunk cimport Id
from kvstore.zsets cimport ZSet


# A collection without elements, which is never stored.
cdef bint is_empty(object value) noexcept


# What was read last.
cdef enum Section:
    BEGUN, A_FACT, A_KEY, ENDED


cdef class Reader:
    cdef Store store
    cdef object file               # or None: all is in `data`
    cdef str name                  # for errors
    cdef bytes data                # the window
    cdef Py_ssize_t at             # next byte in it
    cdef int64_t base              # where the window begins in the file
    cdef int64_t end               # of the file
    cdef readonly int stream_db    # the database that a stream behind it speaks of
    cdef readonly bytes stream_id  # the name of that stream, None if the file names none
    cdef readonly int64_t stream_offset    # where in it this is, -1 likewise
    cdef public bint resumes       # the stream is to go on from here, for replicas that know it
    cdef readonly list left_out    # (database, key) of the dead, which they are still to be told of
    cdef uint64_t crc              # of what lies before the window
    cdef int version               # of the format; 0: not read yet
    cdef list databases            # to fill
    cdef list libraries            # the same, or None: they become the store's
    cdef Database db               # the keys that follow are its
    cdef int64_t expires           # the deadline of the key that follows, -1 = none
    cdef bint keep_dead
    cdef public bint merges        # what is there already may be in the file too, and gives way
    cdef bint arriving             # the file grows
    cdef readonly int64_t lacks
    cdef readonly uint64_t loaded, dead
    cdef tuple marked              # where the section began: base, at, data, crc

    cdef int mark(self) except -1
    cdef int go_back(self) except -1
    cdef Section section(self) except *
    cdef int head(self) except -1
    cdef int fact(self, bytes name, bytes value) except -1
    cdef int key(self, int kind) except -1
    cdef int verify(self) except -1

    cdef const char* need(self, Py_ssize_t n) except NULL
    cdef int byte(self) except -1
    cdef uint64_t length(self) except? 0xFFFFFFFFFFFFFFFF
    cdef uint64_t big(self, int size) except? 0xFFFFFFFFFFFFFFFF
    cdef int64_t little(self) except? -1
    cdef int64_t little_4(self) except? -1
    cdef int library(self, bytes code) except -1
    cdef uint64_t rest(self, int first) except? 0xFFFFFFFFFFFFFFFF
    cdef uint64_t count(self) except? 0xFFFFFFFFFFFFFFFF
    cdef bytes text(self)
    cdef object value(self, int kind)
    cdef List list_of(self, list elements)
    cdef List quicklist(self, bint plain_too)
    cdef Set set_of(self, list members)
    cdef Hash hash_of(self, list words)
    cdef int put_score(self, ZSet value, bytes member, double score) except -1
    cdef ZSet zset_of_pairs(self, list words)
    cdef ZSet zset(self, bint binary)
    cdef Id id_of_lengths(self) except *
    cdef tuple raw_id(self)
    cdef Stream stream(self, bint counted)
    cdef int node(self, Stream value, Id first, list words) except -1
    cdef int group(self, Stream stream, bint counted) except -1
