from libc.stdint cimport int64_t, uint64_t

from bedrock.net.buf cimport Buf
from bedrock.net.driver cimport Driver


cdef class Session:
    cdef public Link link          # set before opened()
    cdef public size_t need        # bytes the message being waited for takes in all; 0 = unknown
    cdef public bint half_open     # finish a held request even when the client has sent its last

    # Handle every whole message in [p, p + n), append replies to out, return the bytes consumed;
    # -1 = protocol error: what is in out is sent, then the connection closes.
    cdef Py_ssize_t feed(self, const char* p, size_t n, Buf out) except -2


cdef class Link:
    cdef readonly Session session
    cdef readonly Driver driver
    cdef readonly object limits
    cdef readonly uint64_t id
    cdef public object on_closed   # called once with this link, after session.closed()

    cdef readonly bint held        # the session asked not to be fed
    cdef readonly bint paused      # too much output queued: not reading
    cdef readonly bint closing     # no more input; closes once the output is sent
    cdef readonly bint closed
    cdef bint inner                # carried by another link (TLS), which is the one counted
    cdef bint eof                  # the other side has sent its last byte
    cdef bint feeding              # inside session.feed
    cdef bint is_dirty             # on the driver's list of links with output
    cdef bint is_resumed           # on the driver's list of links to feed again
    cdef size_t high, low, hard    # see bedrock.world.Limits

    cdef Buf tail                  # input not consumed yet; None when there is none
    cdef Buf out                   # output not sent yet; None when there is none
    cdef object queue              # deque of Buf | bytes-like | FileSpan after `out`, or None
    cdef readonly size_t queued    # bytes of output not sent yet
    cdef readonly uint64_t bytes_in, bytes_out
    cdef readonly int64_t message_ns   # when a message was last completed, or the link opened
    cdef readonly int64_t frame_ns     # when the message being waited for began; 0 = none has
    cdef readonly int64_t stall_ns     # when output was last taken while more waits; 0 = none
    cdef readonly bint heard           # a first message was completed

    # For sessions
    cdef int send(self, const char* p, size_t n) except -1
    cpdef write(self, data)
    cpdef send_ref(self, data)
    cpdef send_file(self, file, int64_t offset, int64_t count)
    cpdef hold(self)
    cpdef resume(self)
    cpdef close(self)
    cpdef abort(self, object why=*)
    cpdef drop(self, object why=*)
    cpdef bint send_now(self, data) except -1
    cpdef bytes wait_input(self, meanwhile=*)
    cpdef branch(self, run)
    cpdef upgrade(self, Session session)

    # For drivers
    cdef int begin(self, Session session) except -1
    cdef int received(self, const char* p, size_t n) except -1
    cdef int ended(self) except -1
    cdef int feed_tail(self) except -1
    cdef Py_ssize_t feed_once(self, const char* p, size_t n) except -2
    cdef Buf last_buf(self)
    cdef int mark_dirty(self) except -1
    cdef int taken(self, size_t n) except -1
    cdef object next_segment(self)
    cdef int end(self, object why, bint reset) except -1
    cdef int lost(self, object why) except -1
    cdef int arrived_in_tail(self, size_t n) except -1
    cdef int check_input(self) except -1
    cdef int enqueue(self, segment, size_t n) except -1
    cdef int feed_soon(self) except -1
    cdef int overfull(self) except -1
    cdef int failed(self, exc) except -1
    cdef Buf driver_sink(self)

    # What a driver implements
    cdef int deliver(self, Buf scratch) except -1
    cdef int push_output(self) except -1
    cdef int want_read(self, bint on) except -1
    cdef int disconnect(self, bint reset) except -1
    cdef object peer_address(self)
