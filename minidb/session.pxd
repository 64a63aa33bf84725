from bedrock.net.buf cimport Buf
from bedrock.net.session cimport Session


cdef class PgSession(Session):
    cdef readonly object server
    cdef readonly object connection    # minidb.connection.Connection once authenticated
    cdef readonly long pid
    cdef readonly long secret
    cdef Buf out                       # where replies go now
    cdef object exchange               # SCRAM under way
    cdef dict startup
    cdef object suspended              # generator of a COPY FROM STDIN
    cdef object copy                   # events.CopyIn
    cdef object wait                   # future of what the running statement waits for
    cdef object cancel_error           # set by a cancel request
    cdef long started_ns               # when the running statement began
    cdef bint begun                    # the startup packet came
    cdef bint ready                    # authenticated
    cdef bint skipping                 # until Sync, after an error in the extended protocol
    cdef tuple formats                 # of the portal being executed
    cdef tuple types, hows
    cdef object quick                  # Statement of the unnamed portal when it is a point look-up
    cdef tuple quick_values, quick_formats
    cdef bint quick_done

    cdef Py_ssize_t feed_startup(self, const char* p, size_t n) except -2
    cdef Py_ssize_t feed_message(self, const char* p, size_t n) except -2
    cdef int handle(self, char kind, const char* p, size_t n) except -2
    cdef int start(self, generator) except -1
    cdef object known(self, exc)
    cdef int run_quick(self) except -1
    cdef int report(self, exc) except -1
    cdef int fatal(self, exc) except -1
