from libc.stdint cimport int64_t, uint64_t

from bedrock.net.buf cimport Buf
from bedrock.world.clock cimport Clock
from bedrock.world.turn cimport Turn


cdef class Driver:
    cdef readonly Clock clock
    cdef readonly Turn turn
    cdef Buf scratch               # replies of the session being fed, shared by all links
    cdef list dirty                # links with output to push at the end of the turn
    cdef list resumed              # links to feed again before it
    cdef bint awake                # an end of turn is scheduled
    cdef int64_t now_ns            # start of the turn

    cdef readonly uint64_t turns, recvs, sends, bytes_in, bytes_out
    cdef readonly uint64_t accepted, refused, overflows, errors
    cdef readonly uint64_t links_open
    cdef uint64_t next_id

    cdef int begin_turn(self) noexcept
    cdef int end_turn(self) except -1
    cpdef breathe(self)
    cpdef wake(self)
