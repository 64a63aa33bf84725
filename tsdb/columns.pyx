# Loops over samples are worth being vectorised, which -O2 alone hardly does.
# distutils: extra_compile_args = -fvect-cost-model=dynamic
"""Columns: the samples of many series, as a selector hands them to the evaluator.

Timestamps and values of all series lie in two arrays, series after series.  A series is gathered
in pieces: what its sources hold, the oldest source first (blocks by age, then the head, and in
the head the late samples last).  `end_series` puts them in order.

Invariants, after `end_series`:
1. A series' timestamps rise strictly; of two samples with one timestamp the piece added last wins.
2. All its samples lie in the range asked for.
"""

from libc.stdint cimport int64_t, uint8_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memmove

from tsdb.chunk cimport chunk_count, chunk_decode
from tsdb.room cimport resized


cdef int64_t TIME_MAX = 0x7fffffffffffffff


cdef Py_ssize_t first_at_least(const int64_t* t, Py_ssize_t n, int64_t x) noexcept nogil:
    """Index of the first element >= x in sorted t, n if none."""
    cdef Py_ssize_t low = 0, high = n, middle
    while low < high:
        middle = (low + high) >> 1
        if t[middle] < x:
            low = middle + 1
        else:
            high = middle
    return low


cdef int sort_pieces(int64_t* t, double* v, Py_ssize_t n) except -1:
    """Stable bottom-up merge sort by t."""
    cdef Py_ssize_t width = 1, left, middle, right, i, j, k
    cdef int64_t* from_t = t
    cdef double* from_v = v
    cdef int64_t* spare_t = <int64_t*>malloc(n * sizeof(int64_t))
    cdef double* spare_v = <double*>malloc(n * sizeof(double))
    cdef int64_t* to_t = spare_t
    cdef double* to_v = spare_v
    if spare_t == NULL or spare_v == NULL:
        free(spare_t)
        free(spare_v)
        raise MemoryError
    with nogil:
        while width < n:
            left = 0
            while left < n:
                middle = min(left + width, n)
                right = min(left + 2 * width, n)
                i = left
                j = middle
                for k in range(left, right):
                    if i < middle and (j >= right or from_t[i] <= from_t[j]):
                        to_t[k] = from_t[i]
                        to_v[k] = from_v[i]
                        i += 1
                    else:
                        to_t[k] = from_t[j]
                        to_v[k] = from_v[j]
                        j += 1
                left += 2 * width
            from_t, to_t = to_t, from_t
            from_v, to_v = to_v, from_v
            width *= 2
        if from_t != t:
            memcpy(t, from_t, n * sizeof(int64_t))
            memcpy(v, from_v, n * sizeof(double))
    free(spare_t)
    free(spare_v)
    return 0


cdef class Columns:
    """Labels and samples of the series a selector found."""

    def __cinit__(self):
        self.labels = []
        self.starts_cap = 16
        self.starts = <int64_t*>malloc(16 * sizeof(int64_t))
        if self.starts == NULL:
            raise MemoryError
        self.starts[0] = 0

    def __dealloc__(self):
        free(self.t)
        free(self.v)
        free(self.starts)
        free(self.scratch)

    def __len__(self):
        return len(self.labels)

    cdef int reserve(self, Py_ssize_t more) except -1:
        """Make room for more samples."""
        cdef Py_ssize_t cap = self.cap
        if self.n + more <= cap:
            return 0
        cap = max(self.n + more, cap * 2, 1024)
        self.t = <int64_t*>resized(self.t, cap * sizeof(int64_t))
        self.v = <double*>resized(self.v, cap * sizeof(double))
        self.cap = cap
        return 0

    cdef int add(self, const int64_t* t, const double* v, Py_ssize_t n,
                 int64_t low, int64_t high) except -1:
        """A sorted piece of the series being gathered; only low <= t <= high is taken."""
        cdef Py_ssize_t first = first_at_least(t, n, low)
        cdef Py_ssize_t end = n if high == TIME_MAX else first_at_least(t, n, high + 1)
        if end <= first:
            return 0
        self.reserve(end - first)
        memcpy(self.t + self.n, t + first, (end - first) * sizeof(int64_t))
        memcpy(self.v + self.n, v + first, (end - first) * sizeof(double))
        self.n += end - first
        return 0

    cdef int add_chunk(self, const uint8_t* p, Py_ssize_t size,
                       int64_t low, int64_t high) except -1:
        """The samples of a chunk with low <= t <= high; ValueError if it is damaged."""
        cdef Py_ssize_t first, end, n = chunk_count(p, size)
        cdef int64_t* t
        cdef double* v
        if n < 0:
            raise ValueError("damaged chunk")
        self.reserve(n)
        t = self.t + self.n
        v = self.v + self.n
        if chunk_decode(p, size, t, v) < 0:
            raise ValueError("damaged chunk")
        first = first_at_least(t, n, low)
        end = n if high == TIME_MAX else first_at_least(t, n, high + 1)
        if first and end > first:
            memmove(t, t + first, (end - first) * sizeof(int64_t))
            memmove(v, v + first, (end - first) * sizeof(double))
        self.n += max(end - first, 0)
        return 0

    cdef uint8_t* room(self, Py_ssize_t size) except NULL:
        """Room for bytes that a source reads before it decodes them; valid until the next call."""
        if size > self.scratch_cap:
            free(self.scratch)
            self.scratch_cap = 0
            self.scratch = <uint8_t*>malloc(size * 2)
            if self.scratch == NULL:
                raise MemoryError
            self.scratch_cap = size * 2
        return self.scratch

    cdef void cut(self, Py_ssize_t mark, int64_t low, int64_t high) noexcept:
        """Take out what lies in [low, high] of the samples added since there were `mark`."""
        cdef Py_ssize_t i, kept = mark
        for i in range(mark, self.n):
            if not low <= self.t[i] <= high:
                self.t[kept] = self.t[i]
                self.v[kept] = self.v[i]
                kept += 1
        self.n = kept

    cdef void clear(self) noexcept:
        """Forget all series, keep the room."""
        self.n = 0
        self.labels.clear()

    cpdef int end_series(self, labels, bint keep_empty=False) except -1:
        """Close the series gathered since the last call; without samples it is left out."""
        cdef Py_ssize_t count = len(self.labels)
        cdef Py_ssize_t first = self.starts[count], n = self.n - first, i, kept
        cdef int64_t* t = self.t + first
        cdef double* v = self.v + first
        cdef bint disorder = False
        if n == 0 and not keep_empty:
            return 0
        for i in range(1, n):      # without a branch: several at a time
            disorder |= t[i] <= t[i - 1]
        if disorder:
            sort_pieces(t, v, n)
            kept = 0
            for i in range(1, n):
                if t[i] != t[kept]:
                    kept += 1
                t[kept] = t[i]
                v[kept] = v[i]
            self.n = first + kept + 1
        if count + 2 > self.starts_cap:
            self.starts = <int64_t*>resized(self.starts, self.starts_cap * 2 * sizeof(int64_t))
            self.starts_cap *= 2
        self.labels.append(labels)
        self.starts[count + 1] = self.n
        return 0

    def series(self, labels, const int64_t[::1] t, const double[::1] v) -> None:
        """Add a whole series from arrays (any order)."""
        cdef Py_ssize_t i
        self.reserve(t.shape[0])
        for i in range(t.shape[0]):
            self.t[self.n] = t[i]
            self.v[self.n] = v[i]
            self.n += 1
        self.end_series(labels, True)

    def samples(self, Py_ssize_t index) -> tuple:
        """(timestamps, values) of series `index`, as copies."""
        if not 0 <= index < len(self.labels):
            raise IndexError(index)
        import numpy as np

        cdef Py_ssize_t first = self.starts[index], n = self.starts[index + 1] - first
        t = np.empty(n, np.int64)
        v = np.empty(n, np.float64)
        cdef int64_t[::1] into_t = t
        cdef double[::1] into_v = v
        if n:
            memcpy(&into_t[0], self.t + first, n * sizeof(int64_t))
            memcpy(&into_v[0], self.v + first, n * sizeof(double))
        return t, v
