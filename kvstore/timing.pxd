from libc.stdint cimport int64_t

from kvstore.binding cimport Command
from kvstore.engine cimport Client, Store


cdef extern from *:
    int __builtin_clzll(unsigned long long) noexcept nogil


cdef inline int octave(int64_t ns) noexcept nogil:
    """The whole part of the binary logarithm, at most what `took` has room for."""
    cdef int i = 63 - __builtin_clzll(<unsigned long long>ns | 1) if ns > 0 else 0
    return i if i < 40 else 39


# A command took long enough for the slow log or for LATENCY.
cdef int note_time(Store s, Client c, Command command, list words, int64_t spent_ns) except -1
# A request that had been blocked is answered: it counts as run only now.
cdef int count_answered(Store s, Client c, Command command, list words, bint failed) except -1
