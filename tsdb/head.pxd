from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from tsdb.columns cimport Columns
from tsdb.labels cimport Labels


cdef struct Chunk:
    int64_t first, last            # timestamps
    uint32_t size
    uint32_t count
    uint8_t* data
    double least, most, total      # of its values; total is NaN if one of them is


cdef class Series:
    cdef readonly uint32_t ref
    cdef readonly bytes key
    cdef uint32_t epoch            # of the log that knows the series
    cdef Labels known_labels       # decoded when first asked for
    cdef int64_t* t                # the tail: newest samples, uncompressed, sorted
    cdef double* v
    cdef uint32_t n, cap
    cdef Chunk* chunks             # sealed, oldest first, not overlapping
    cdef uint32_t chunk_n, chunk_cap
    cdef int64_t sealed_last       # last timestamp of the last chunk
    cdef int64_t* late_t           # what came after its time was sealed, as it came
    cdef double* late_v
    cdef uint32_t late_n, late_cap
    cdef uint32_t late_mark        # of them, those that the block being written has
    cdef bint held                 # a block is being written of it: what is late stays so
    cdef bint unruly               # something came late once: the tail is kept twice as long

    cdef int append(self, int64_t t, double v) except -1
    cdef int append_late(self, int64_t t, double v) except -1
    cdef int put_late(self, int64_t t, double v) except -1
    cdef int grow(self) except -1
    cdef int seal(self) except -1
    cdef int absorb(self) except -1
    cdef int read(self, Columns into, int64_t low, int64_t high, uint32_t late_max=*) except -1
    cdef int drop_before(self, int64_t cut) except -1
    cdef int settle(self) except -1
    cdef int bounds(self, int64_t* first, int64_t* last) noexcept
    cdef int rewrite(self, Columns samples) except -1
    cdef int delete(self, int64_t low, int64_t high) except -1
    cpdef Py_ssize_t count(self)


cdef class Batch:
    cdef uint32_t* ref
    cdef int64_t* t
    cdef double* v
    cdef readonly Py_ssize_t n
    cdef Py_ssize_t cap

    cdef int grow(self) except -1


cdef inline int batch_add(Batch batch, uint32_t ref, int64_t t, double v) except -1:
    if batch.n == batch.cap:
        batch.grow()
    batch.ref[batch.n] = ref
    batch.t[batch.n] = t
    batch.v[batch.n] = v
    batch.n += 1
    return 0


cdef class Head:
    cdef readonly list series      # by ref; None where one was dropped
    cdef readonly dict by_key
    cdef readonly object postings
    cdef readonly Py_ssize_t samples
    cdef readonly Py_ssize_t live          # series held
    cdef readonly Py_ssize_t series_max
    cdef readonly Py_ssize_t labels_max
    cdef readonly int64_t first, last      # bounds of the timestamps held
    cdef readonly uint64_t generation      # changes when refs were dropped
    cdef int64_t rest_first, rest_last     # of what is not being moved to a block
    cdef list unsettled                    # series that got late samples since they were released
    cdef uint32_t epoch                    # of the log: it is begun anew with each
    cdef readonly int64_t held             # samples before go to `late`: a block is being written

    cpdef int64_t ref_of(self, bytes key) except -1
    cdef int apply(self, Batch batch) except -1
    cdef int drop(self, Series series) except -1
