from libc.stdint cimport int64_t, uint64_t

from bedrock.net.buf cimport Buf
from kvstore.engine cimport Client
from kvstore.resp cimport Arg, Args
from kvstore.stream cimport Stream
from kvstore.stream_chunk cimport Id


cdef class Consumer:
    cdef readonly bytes name
    cdef public int64_t seen_ms
    cdef readonly object pending   # SortedDict: (ms, seq) -> Pending, also in the group's


cdef class Pending:
    cdef public Consumer consumer
    cdef public int64_t delivered_ms
    cdef public int64_t deliveries


cdef class Group:
    cdef Id last                   # the last id delivered
    cdef int64_t read              # entries read since the stream began, -1 = not known
    cdef readonly dict consumers   # name -> Consumer
    cdef readonly object pending   # SortedDict: (ms, seq) -> Pending

    cdef Consumer consumer(self, bytes name, int64_t now_ms)
    cdef Pending assign(self, tuple id, Consumer consumer, int64_t now_ms)
    cdef bint acknowledge(self, tuple id) except -1


cdef object no_group(Args a)
cdef int advance(Stream stream, Group group, Id id) noexcept
cdef int record_claim(Client c, bytes key, bytes name, tuple id, Pending one, Id last) except -1
cdef Consumer consumer_for(Client c, bytes key, Group group, bytes name)
cdef Group group_of(Stream stream, bytes name)
cdef Id id_from(tuple key) noexcept
cdef Id low_end(const Arg* arg) except *
cdef Id high_end(const Arg* arg) except *
cdef Py_ssize_t put_history(Client c, Stream stream, Consumer consumer, Id after, int64_t count,
                            Buf out) except -1
cdef bint has_gaps(Stream stream, Id start) noexcept
# How many entries were ever added up to an id, -1 = cannot be told.
cdef int64_t distance(Stream stream, Id id) noexcept
cdef object lag(Stream stream, Group group)
cdef Py_ssize_t deliver(Client c, bytes key, Stream stream, bytes name, Consumer consumer,
                        int64_t count, bint no_ack, Buf out) except -1
cdef int record_consumer(Client c, bytes key, bytes name, Consumer consumer) except -1
cdef int record_progress(Client c, bytes key, bytes name, Group group) except -1
