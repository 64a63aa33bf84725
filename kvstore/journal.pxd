from libc.stdint cimport int64_t

from bedrock.net.buf cimport Buf


# Where in the stream something will be, once the journal has handed it on.
cdef class Place:
    cdef readonly int64_t offset   # -1 until then


cdef class Journal:
    cdef Buf buffer                # records not handed to the file yet
    cdef int db                    # database the last record was for, -1 = none yet
    cdef bint in_transaction       # inside EXEC: the first record opens MULTI
    cdef size_t opened_at              # where its MULTI stands in the buffer
    cdef Py_ssize_t records            # since then
    cdef bint opened               # MULTI was written
    cdef list one_sided            # (start, end, for the file) of what one side alone gets, or None
    cdef bytes streamed            # after `split`: what the follower gets, or None
    cdef Place place, reached      # of what is recorded now; of what was handed on last
    cdef object follower           # gets the records as bytes once they are kept, or None

    # The buffer, ready for a record about a database.
    cdef Buf begin(self, int db)
    # A request of n bytes is about to change the state: raise if its record would find no room.
    cdef int reserve(self, size_t n) except -1
    cdef int start_transaction(self) except -1
    cdef int end_transaction(self) except -1
    # What was written from an offset on is for the file alone, or for the follower alone.
    cdef int set_aside(self, size_t start, bint for_file) except -1
    # Part the two: the file's stays in the buffer, which begins at an offset.
    cdef int one_sided_moves(self) except -1
    cdef int split(self, size_t start) except -1
    # Tell the follower of the buffer's bytes from an offset on.
    cdef int publish(self, size_t start) except -1
    cdef int deferred(self) except -1
