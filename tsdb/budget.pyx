"""A query's budget: samples it may read, memory its results may take, time it may last.

Whoever reads samples or makes a matrix takes from it; what is not there stops the query.
"""

from libc.stdint cimport int64_t

from tsdb.promql.errors import QueryError, QueryTimeout

cdef enum:
    LOOK_SAMPLES = 1_000_000       # some milliseconds of work


cdef class Budget:
    """See the module; a limit of 0 is none."""

    def __init__(self, clock=None, Py_ssize_t samples=0, Py_ssize_t memory=0, double time_s=0):
        self.samples_left = samples or (1 << 62)
        self.bytes_left = memory or (1 << 62)
        self.clock = clock if time_s else None
        if time_s:
            self.deadline_ns = clock.now_ns() + <int64_t>(time_s * 1e9)

    cdef int take(self, Py_ssize_t samples) except -1:
        """Samples were read; QueryError, QueryTimeout."""
        self.samples_left -= samples
        if self.samples_left < 0:
            raise QueryError(
                "query processing would load too many samples into memory in query execution")
        self.until_look -= samples + 1
        if self.until_look < 0:
            self.look()
        return 0

    cpdef int hold(self, Py_ssize_t size) except -1:
        """Memory is about to be taken, bytes; QueryError, QueryTimeout."""
        self.bytes_left -= size
        if self.bytes_left < 0:
            raise QueryError(
                "query processing would take too much memory: ask for fewer series or steps")
        self.look()
        return 0

    def look(self) -> None:
        """Is there time left?"""
        self.until_look = LOOK_SAMPLES
        if self.clock is not None and self.clock.now_ns() > self.deadline_ns:
            raise QueryTimeout("query timed out in expression evaluation")
