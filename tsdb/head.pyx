"""The head: the newest samples, in memory, of every series written lately.

A series in the head is a row of sealed chunks, then a tail of up to 64 uncompressed samples, and,
beside them, what came late:

    chunks (sorted, sealed)  ------>  tail (sorted, open)          late (as it came)

A sample newer than the tail's end is appended; one that falls inside the tail is inserted;
one older than the last sealed chunk goes to `late`, to be merged when read and when flushed.
So out-of-order data is always taken, and costs only who sends it.  A series of which a sample came
late keeps a tail twice as long from then on, and seals its older half: several connections that
write at once get ahead of each other by a few samples, which then find their place in the tail.  What
was late by not more than a few chunks is put in order when the next one is sealed.

Invariants:
1. All timestamps of chunk i are before those of chunk i + 1, and those before the tail's.
2. A timestamp is in the tail at most once; a later write of it wins, wherever the first one is.
3. `late` holds only timestamps <= sealed_last or older than `held`, in the order of arrival.
4. A ref is given once in the life of a head and never to another series.

While a block is being written of what is older than a cut, the head keeps all of it, for who reads;
what still arrives for that time goes to `late`, and stays when the rest is dropped:

    hold(cut) ──► gather, some series at a time ──► (the block is durable) ──► release, likewise

Left out: memory-mapped chunks (the head is small: it is flushed to a block every few hours).
"""

cimport cython
from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memmove

from tsdb.columns cimport Columns
from tsdb.chunk cimport CHUNK_SLACK, FAST, chunk_bound, chunk_encode
from tsdb.labels cimport Labels, labels_of_key
from tsdb.room cimport resized

from tsdb.postings import Postings

cdef enum:
    TAIL_MIN = 4
    TAIL = 64                      # a tail of this many samples becomes a chunk
    ABSORBED = 4                   # chunks that are made anew, at most, for what came late

KEY_MAX = 32 << 10                 # bytes of all labels of a series
cdef int64_t TIME_MIN = -0x7fffffffffffffff - 1
cdef int64_t TIME_MAX = 0x7fffffffffffffff


class TooManySeries(ValueError):
    """The limit on series in the head is reached; nothing was written."""


class LabelLimit(ValueError):
    """A series with too many labels, or with too long ones."""


@cython.no_gc  # no cycle goes through it, and there may be millions
cdef class Series:
    """One series' samples in the head; see the module for its parts."""

    def __cinit__(self, uint32_t ref, bytes key):
        self.ref = ref
        self.key = key
        self.sealed_last = TIME_MIN

    def __dealloc__(self):
        cdef uint32_t i
        for i in range(self.chunk_n):
            free(self.chunks[i].data)
        free(self.chunks)
        free(self.t)
        free(self.v)
        free(self.late_t)
        free(self.late_v)

    @property
    def labels(self) -> Labels:
        if self.known_labels is None:
            self.known_labels = labels_of_key(self.key)
        return self.known_labels

    cpdef Py_ssize_t count(self):
        """Samples held (a timestamp that is also in `late` counts twice)."""
        cdef Py_ssize_t n = self.n + self.late_n
        cdef uint32_t i
        for i in range(self.chunk_n):
            n += self.chunks[i].count
        return n

    cdef int append(self, int64_t t, double v) except -1:
        if self.n and t <= self.t[self.n - 1] or t <= self.sealed_last:
            return self.append_late(t, v)
        if self.n == self.cap:
            self.grow()
        self.t[self.n] = t
        self.v[self.n] = v
        self.n += 1
        return 0

    cdef int append_late(self, int64_t t, double v) except -1:
        """A sample not newer than all others: into the tail, or beside the chunks."""
        cdef uint32_t i
        if t > self.sealed_last:
            i = self.n
            while i and self.t[i - 1] >= t:
                i -= 1
            if self.t[i] == t:
                self.v[i] = v
                return 0
            if self.n == self.cap:
                self.grow()
                return self.append(t, v)
            memmove(self.t + i + 1, self.t + i, (self.n - i) * sizeof(int64_t))
            memmove(self.v + i + 1, self.v + i, (self.n - i) * sizeof(double))
            self.t[i] = t
            self.v[i] = v
            self.n += 1
            return 0
        return self.put_late(t, v)

    cdef int put_late(self, int64_t t, double v) except -1:
        """A sample beside all others."""
        self.unruly = True
        if self.late_n == self.late_cap:
            self.late_cap = max(16, self.late_cap * 2)
            self.late_t = <int64_t*>resized(self.late_t, self.late_cap * sizeof(int64_t))
            self.late_v = <double*>resized(self.late_v, self.late_cap * sizeof(double))
        self.late_t[self.late_n] = t
        self.late_v[self.late_n] = v
        self.late_n += 1
        return 0

    cdef int grow(self) except -1:
        """Make room for one more sample in the tail: a larger tail, or one that begins later."""
        cdef uint32_t cap
        if self.cap >= (2 * TAIL if self.unruly else TAIL):
            if 0 < self.late_n <= ABSORBED * TAIL and not self.held:
                self.absorb()
            return self.seal() if self.n == self.cap else 0
        cap = max(TAIL_MIN, self.cap * 2)
        self.t = <int64_t*>resized(self.t, cap * sizeof(int64_t))
        self.v = <double*>resized(self.v, cap * sizeof(double))
        self.cap = cap
        return 0

    cdef int absorb(self) except -1:
        """Put what is late in order, if that takes but a few chunks."""
        cdef Columns samples
        cdef int64_t oldest = self.late_t[0]
        cdef uint32_t i, first
        cdef Py_ssize_t k
        for i in range(1, self.late_n):
            oldest = min(oldest, self.late_t[i])
        first = self.chunk_n
        while first and self.chunks[first - 1].last >= oldest:
            first -= 1
        if self.chunk_n - first > ABSORBED:
            return 0
        samples = Columns()
        self.read(samples, self.chunks[first].first if first < self.chunk_n else oldest, TIME_MAX)
        samples.end_series(None, True)
        for i in range(first, self.chunk_n):
            free(self.chunks[i].data)
        self.chunk_n = first
        self.sealed_last = self.chunks[first - 1].last if first else TIME_MIN
        self.n = self.late_n = 0
        for k in range(samples.n):
            self.append(samples.t[k], samples.v[k])
        return 0

    cdef int seal(self) except -1:
        """Compress the first samples of the tail into a chunk."""
        cdef uint8_t[4096] scratch
        cdef Chunk chunk
        cdef uint32_t i, n = min(self.n, TAIL)
        assert chunk_bound(n) <= 4096
        chunk.size = <uint32_t>chunk_encode(self.t, self.v, n, scratch, FAST)
        chunk.count = n
        chunk.first = self.t[0]
        chunk.last = self.t[n - 1]
        chunk.least = chunk.most = chunk.total = self.v[0]
        for i in range(1, n):
            chunk.total += self.v[i]
            chunk.least = min(chunk.least, self.v[i])
            chunk.most = max(chunk.most, self.v[i])
        if self.chunk_n == self.chunk_cap:
            self.chunks = <Chunk*>resized(self.chunks, max(4, self.chunk_cap * 2) * sizeof(Chunk))
            self.chunk_cap = max(4, self.chunk_cap * 2)
        chunk.data = <uint8_t*>malloc(chunk.size + CHUNK_SLACK)
        if chunk.data == NULL:
            raise MemoryError
        memcpy(chunk.data, scratch, chunk.size)
        self.chunks[self.chunk_n] = chunk
        self.chunk_n += 1
        self.sealed_last = chunk.last
        self.n -= n
        memmove(self.t, self.t + n, self.n * sizeof(int64_t))
        memmove(self.v, self.v + n, self.n * sizeof(double))
        return 0

    cdef int read(self, Columns into, int64_t low, int64_t high,
                  uint32_t late_max=0xffffffff) except -1:
        """Add the samples in [low, high] to the series `into` is gathering."""
        cdef uint32_t i
        for i in range(self.chunk_n):
            if self.chunks[i].last >= low and self.chunks[i].first <= high:
                into.add_chunk(self.chunks[i].data, self.chunks[i].size, low, high)
        if self.n:
            into.add(self.t, self.v, self.n, low, high)
        for i in range(min(self.late_n, late_max)):
            into.add(self.late_t + i, self.late_v + i, 1, low, high)
        return 0

    cdef int drop_before(self, int64_t cut) except -1:
        """Forget what was gathered and is older than cut."""
        cdef uint32_t i, kept = 0
        cdef Columns rest
        for i in range(self.late_n):
            if self.late_t[i] >= cut or i >= self.late_mark:
                self.late_t[kept] = self.late_t[i]
                self.late_v[kept] = self.late_v[i]
                kept += 1
        self.late_n = kept
        self.late_mark = 0
        kept = 0
        while kept < self.chunk_n and self.chunks[kept].last < cut:
            free(self.chunks[kept].data)
            kept += 1
        if kept:
            self.chunk_n -= kept
            memmove(self.chunks, self.chunks + kept, self.chunk_n * sizeof(Chunk))
        if (self.chunk_n and self.chunks[0].first < cut) or (self.n and self.t[0] < cut):
            # The cut goes through a chunk or the tail: gather the rest and write it anew.
            kept = self.late_n
            self.late_n = 0
            rest = Columns()
            self.read(rest, cut, TIME_MAX)
            self.rewrite(rest)
            self.late_n = kept
        elif not self.chunk_n:
            self.sealed_last = TIME_MIN
        self.settle()
        if self.n == 0 and self.cap:
            free(self.t)
            free(self.v)
            self.t = NULL
            self.v = NULL
            self.cap = 0
        return 0

    cdef int settle(self) except -1:
        """Write what is late again, so that it goes where it belongs by now."""
        cdef int64_t* t = self.late_t
        cdef double* v = self.late_v
        cdef uint32_t i, n = self.late_n
        self.late_t = NULL
        self.late_v = NULL
        self.late_n = self.late_cap = self.late_mark = 0
        for i in range(n):
            self.append(t[i], v[i])
        free(t)
        free(v)
        return 0

    cdef int bounds(self, int64_t* first, int64_t* last) noexcept:
        """Widen first and last by the times held."""
        cdef uint32_t i
        if self.chunk_n:
            first[0] = min(first[0], self.chunks[0].first)
            last[0] = max(last[0], self.sealed_last)
        if self.n:
            first[0] = min(first[0], self.t[0])
            last[0] = max(last[0], self.t[self.n - 1])
        for i in range(self.late_n):
            first[0] = min(first[0], self.late_t[i])
            last[0] = max(last[0], self.late_t[i])
        return 0

    cdef int rewrite(self, Columns samples) except -1:
        """Hold just these samples, a series that is being gathered; `late` is left as it is."""
        cdef uint32_t i
        cdef Py_ssize_t k
        samples.end_series(None, True)
        for i in range(self.chunk_n):
            free(self.chunks[i].data)
        self.chunk_n = self.n = 0
        self.sealed_last = TIME_MIN
        for k in range(samples.n):
            self.append(samples.t[k], samples.v[k])
        return 0

    cdef int delete(self, int64_t low, int64_t high) except -1:
        """Forget the samples in [low, high]."""
        cdef int64_t first = TIME_MAX, last = TIME_MIN
        cdef Columns rest = Columns()
        self.bounds(&first, &last)
        if first > high or last < low:
            return 0
        if first < low or last > high:
            self.read(rest, TIME_MIN, TIME_MAX)
            rest.cut(0, low, high)
        self.late_n = 0
        return self.rewrite(rest)


cdef class Batch:
    """Samples parsed from one request, before they are logged and applied."""

    def __dealloc__(self):
        free(self.ref)
        free(self.t)
        free(self.v)

    cdef int grow(self) except -1:
        cdef Py_ssize_t cap = max(1024, self.cap * 2)
        self.ref = <uint32_t*>resized(self.ref, cap * sizeof(uint32_t))
        self.t = <int64_t*>resized(self.t, cap * sizeof(int64_t))
        self.v = <double*>resized(self.v, cap * sizeof(double))
        self.cap = cap
        return 0

    def add(self, uint32_t ref, int64_t t, double v) -> None:
        """Add one sample."""
        batch_add(self, ref, t, v)

    def add_many(self, uint32_t ref, const int64_t[::1] t not None,
                 const double[::1] v not None) -> None:
        """Add samples of one series; ValueError unless there is a value for each time."""
        cdef Py_ssize_t i
        if t.shape[0] != v.shape[0]:
            raise ValueError("as many timestamps as values are wanted")
        for i in range(t.shape[0]):
            batch_add(self, ref, t[i], v[i])

    def clear(self) -> None:
        """Forget the samples, keep the room."""
        self.n = 0

    def __len__(self):
        return self.n


cdef class Head:
    """All series of the head; see the module."""

    def __init__(self, Py_ssize_t series_max=10_000_000, Py_ssize_t labels_max=512):
        self.series = []
        self.by_key = {}
        self.postings = Postings(ordered=True)
        self.epoch = 1
        self.series_max = series_max
        self.labels_max = labels_max
        self.first = TIME_MAX
        self.last = TIME_MIN
        self.held = TIME_MIN
        self.unsettled = []

    cpdef int64_t ref_of(self, bytes key) except -1:
        """The ref of a series, made if it is new; TooManySeries, LabelLimit."""
        cdef Py_ssize_t labels
        found = self.by_key.get(key)
        if found is not None:
            return (<Series>found).ref
        labels = (key.count(b"\xff") + 1) // 2
        if labels > self.labels_max:
            raise LabelLimit(f"{labels} labels: a series may have {self.labels_max}")
        if len(key) > KEY_MAX:
            raise LabelLimit(f"{len(key)} bytes of labels: a series may have {KEY_MAX}")
        if self.live >= self.series_max:
            raise TooManySeries(f"the limit of {self.series_max} series in the head is reached")
        cdef Series series = Series(len(self.series), key)
        self.postings.add(series.ref, key)
        self.series.append(series)
        self.by_key[key] = series
        self.live += 1
        return series.ref

    cdef int apply(self, Batch batch) except -1:
        """Take the samples of a batch, which the log has already."""
        cdef Py_ssize_t i
        cdef int64_t t
        cdef list all_series = self.series
        cdef Series series
        for i in range(batch.n):
            t = batch.t[i]
            series = <Series>all_series[batch.ref[i]]
            if t < self.held:
                series.put_late(t, batch.v[i])
                if not series.held:
                    self.unsettled.append(series)
            else:
                series.append(t, batch.v[i])
            if t < self.first:
                self.first = t
            if t < self.rest_first:
                self.rest_first = t
            if t > self.last:
                self.last = t
            if t > self.rest_last:
                self.rest_last = t
        self.samples += batch.n
        return 0

    def append(self, Batch batch) -> None:
        """`apply` for Python callers."""
        self.apply(batch)

    def restore(self, uint32_t ref, bytes key) -> None:
        """A series as the log has it.  One made again after it was dropped has two refs there."""
        cdef Series series
        while len(self.series) <= ref:
            self.series.append(None)
        found = self.by_key.get(key)
        if found is None:
            found = series = Series(ref, key)
            series.epoch = self.epoch
            self.postings.add(ref, key)
            self.by_key[key] = series
            self.live += 1
        self.series[ref] = found

    def log_begins(self) -> None:
        """The log is begun anew: it knows no series."""
        self.epoch += 1

    def read(self, Series series, Columns into, int64_t low, int64_t high) -> None:
        """Add a series' samples in [low, high] to the one `into` is gathering."""
        series.read(into, low, high)

    # ---- moving to a block, and deleting ---------------------------------------------------

    def hold(self, int64_t cut) -> None:
        """What is older than cut now is about to be gathered."""
        cdef Series series
        self.held = cut
        self.rest_first = TIME_MAX
        self.rest_last = TIME_MIN
        for found in self.by_key.values():
            series = found
            series.late_mark = series.late_n
            series.held = True

    def gather(self, list keys) -> Columns:
        """All samples of these series, in this order, that are held."""
        cdef Columns columns = Columns()
        cdef Series series
        for key in keys:
            series = self.by_key[key]
            series.read(columns, TIME_MIN, self.held - 1, series.late_mark)
            columns.end_series(None, True)
        return columns

    def keep_all(self) -> None:
        """What was gathered is not in a block: all stays."""
        cdef Series series
        self.held = TIME_MIN
        self.unsettled = []
        for found in self.by_key.values():
            series = found
            series.held = False
            series.settle()

    def release(self, list keys) -> None:
        """What was gathered of these series is in a block: forget it.

        After all of them, `released`; what arrives for that time is late until then.
        """
        cdef Series series
        cdef Py_ssize_t count
        for key in keys:
            series = self.by_key[key]
            count = series.count()
            series.held = False
            series.drop_before(self.held)
            self.samples += series.count() - count
            if series.count():
                series.bounds(&self.rest_first, &self.rest_last)
            else:
                self.drop(series)

    def released(self) -> None:
        """All series are released."""
        self.held = TIME_MIN
        for found in self.unsettled:
            (<Series>found).settle()
        self.unsettled = []
        self.first = self.rest_first if self.samples else TIME_MAX
        self.last = self.rest_last if self.samples else TIME_MIN

    cdef int drop(self, Series series) except -1:
        """Forget a series."""
        self.postings.remove(series.ref, series.key)
        self.series[series.ref] = None
        del self.by_key[series.key]
        self.live -= 1
        self.generation += 1
        return 0

    def delete(self, refs, int64_t low, int64_t high) -> None:
        """Forget the samples in [low, high] of these series."""
        for ref in refs:
            (<Series>self.series[ref]).delete(low, high)

    def drop_empty(self, list refs) -> None:
        """Forget those of these series that have no samples."""
        for ref in refs:
            if not (<Series>self.series[ref]).count():
                self.drop(self.series[ref])

    def recount(self) -> None:
        """Samples and bounds anew, after some were deleted; series without samples go."""
        cdef Series series
        cdef Py_ssize_t count
        cdef list empty = []
        self.samples = 0
        self.first = TIME_MAX
        self.last = TIME_MIN
        for found in self.by_key.values():
            series = found
            count = series.count()
            if count:
                self.samples += count
                series.bounds(&self.first, &self.last)
            else:
                empty.append(series)
        for found in empty:
            self.drop(found)
        self.generation += 1
