from libc.stdint cimport int64_t, uint64_t

from bedrock.net.buf cimport Buf


cdef class Session:
    cdef public Link link          # set before opened()
    cdef public size_t need        # bytes the message being waited for needs in all; 0 = unknown

    # Handle every whole message in [p, p + n), append replies to out, return the bytes consumed;
    # -1 = protocol error: what is in out is sent, then the connection closes.
    cdef Py_ssize_t feed(self, const char* p, size_t n, Buf out) except -2


cdef class Link:
    cdef readonly Session session
    cdef readonly object peer      # address of the other side
    cdef readonly object world
    cdef readonly uint64_t id
    cdef readonly bint held        # the session asked not to be fed
    cdef readonly bint paused      # too much output queued: not reading
    cdef readonly bint closing     # no more input; closes once the output is sent
    cdef readonly bint closed
    cdef bint feeding
    cdef object limits
    cdef Buf tail                  # input not consumed yet
    cdef Buf out                   # output not sent yet, before the queue
    cdef object queue              # deque of Buf | bytes-like | FileSpan that follow `out`
    cdef readonly size_t queued    # bytes of output not sent yet
    cdef readonly uint64_t bytes_in, bytes_out, messages
    cdef int64_t since_ns          # last time a message was completed
    cdef int64_t frame_ns          # when the tail began; 0 = no partial message
    cdef int64_t stall_ns          # when output was last taken, while some is queued; 0 = none

    # For sessions
    cdef int send(self, const char* p, size_t n) except -1
    cpdef write(self, data)
    cpdef send_ref(self, data)
    cpdef send_file(self, file, int64_t offset, int64_t count)
    cpdef hold(self)
    cpdef resume(self)
    cpdef close(self)
    cpdef abort(self, object why=*)
    cpdef upgrade(self, Session session)

    # For drivers
    cdef int received(self, const char* p, size_t n) except -1
    cdef int feed_tail(self) except -1
    cdef int want_send(self) except -1
    cdef int want_read(self, bint on) except -1
    cdef int lose(self, object exc) except -1
