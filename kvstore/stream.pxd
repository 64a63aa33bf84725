from libc.stdint cimport int64_t, uint64_t

from bedrock.net.buf cimport Buf
from kvstore.engine cimport Client
from kvstore.keyspace cimport Value
from kvstore.resp cimport Arg
from kvstore.stream_chunk cimport Chunk, Id


cdef class Stream(Value):
    cdef list chunks               # of Chunk, none of them empty
    cdef Py_ssize_t n              # entries
    cdef Id last                   # the last id ever given
    cdef Id deleted                # the highest id ever removed by XDEL
    cdef uint64_t added            # entries ever added
    cdef dict groups               # name -> kvstore.stream_groups.Group, or None

    cdef int append(self, Id id, const Arg* words, Py_ssize_t n, int64_t most_entries,
                    int64_t most_bytes) except -1
    cdef bint remove(self, Id id) except -1
    # Remove the oldest: all but `keep`, or those below an id.  Whole chunks only if not exact.
    cdef Py_ssize_t trim_to(self, Py_ssize_t keep, bint exact, int64_t limit) except -1
    cdef Py_ssize_t trim_below(self, Id least, bint exact, int64_t limit) except -1
    cdef Py_ssize_t trim(self, Py_ssize_t surplus, bint exact, int64_t limit) except -1
    cdef Py_ssize_t chunk_of(self, Id id) noexcept
    cdef Chunk holding(self, Id id, Py_ssize_t* at)    # where an entry is, None if nowhere
    cdef Id first(self) noexcept
    # Append up to `count` entries from low to high (or back) as [id, fields]; how many.
    cdef Py_ssize_t put_range(self, Buf out, Id low, Id high, int64_t count, bint reverse) except -1


cdef Id NOTHING, EVERYTHING        # the lowest and the highest id
cdef bint next_id(Id* id) noexcept     # False at the highest
cdef bint previous_id(Id* id) noexcept
cdef int put_id(Buf out, Id id) except -1
# An id as written; a missing number is `seq`.
cdef Id id_of(const Arg* arg, uint64_t seq) except *
cdef bint read_id(const Arg* arg, uint64_t seq, Id* id) noexcept
cdef Stream find_stream(Client c, const Arg* key, bint counted)
