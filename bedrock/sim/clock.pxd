from libc.stdint cimport int64_t

from bedrock.world.clock cimport Clock


cdef class VirtualTime:
    cdef public int64_t now_ns


cdef class SimClock(Clock):
    cdef readonly VirtualTime virtual
    cdef public int64_t skew_ms    # of the wall clock; may be changed to make it jump
    cdef readonly double rate      # this machine's seconds per true second
