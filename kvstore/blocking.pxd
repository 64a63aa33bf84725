from libc.stdint cimport int64_t

from bedrock.net.buf cimport Buf
from kvstore.binding cimport Command
from kvstore.engine cimport Client
from kvstore.keyspace cimport Database, Kind
from kvstore.resp cimport Arg, Args


cdef class Waiter:
    cdef readonly Client client
    cdef readonly Database db
    cdef readonly Kind kind        # what a key must hold to be of use
    cdef bint nil_array            # which nil a timeout answers with
    cdef list keys
    cdef object timer
    cdef Command command           # the request that is blocked, and its words
    cdef list words

    # Take what is wanted from a key: append the reply and write the record; False if it has none.
    cdef bint take(self, const Arg* key, Buf out) except -1
    # Try the keys from first to last, in order; block the client when none has anything.
    cdef int run(self, Args a, Py_ssize_t first, Py_ssize_t last, int64_t timeout_ms,
                 Buf out) except -1
    cdef int wait(self, list keys, int64_t timeout_ms, Buf out) except -1
    cdef bint answer(self, bytes key) except -1
    cpdef remember(self, Command command, list words)
    cdef int put_nothing(self, Buf out) except -1


cdef class PopWaiter(Waiter):
    cdef bint first                # at which end: the left one, the lowest score
    cdef int64_t count             # how many at most; 0 = one, and not as an array

    # The word that says which end.
    cdef int read_end(self, const Arg* word) except -1
    cdef int wait_for_keys(self, Client c, Args a, bint first, Buf out) except -1
    cdef int wait_for_any(self, Client c, Args a, Buf out) except -1
    cdef int pop_from_any(self, Client c, Args a, Buf out) except -1
    cdef Py_ssize_t read_keys(self, Client c, Args a, Py_ssize_t at) except -1


# Milliseconds of a timeout argument, 0 = for ever.
cdef int64_t timeout_of(Client c, const Arg* arg) except -1
