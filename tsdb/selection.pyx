# Loops over samples are worth being vectorised, which -O2 alone hardly does.
# distutils: extra_compile_args = -fvect-cost-model=dynamic
"""Selecting: which series meet the matchers, where they lie, and their samples, series by series.

    Finder     matchers ──► Found: labels, and for each series its places (head, blocks)
    Selection  Found + time range ──► the samples of one row after the other

A query works through a row while its samples are in the processor's cache, and the memory for the
next row is the same: nothing is allocated for a sample.  Found are kept for who asks again, until
the head gets or loses a series or the set of blocks changes.

Rows come in the order of their labels, as Prometheus has them.
"""

from collections import OrderedDict

from libc.math cimport NAN
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memcpy

from tsdb.block cimport Block, Index
from tsdb.budget cimport Budget
from tsdb.columns cimport Columns
from tsdb.head cimport Head, Series
from tsdb.room cimport resized

from bedrock.world.slices import paced, paced_sort

from tsdb.block import ROWS

cdef uint64_t STALE = 0x7ff0000000000002
cdef int64_t TIME_MIN = -0x7fffffffffffffff - 1
cdef int64_t TIME_MAX = 0x7fffffffffffffff
cdef enum:
    KEPT_ROWS = 100_000            # rows of all Found that are kept


cdef class Rows:
    """Series whose samples can be read, one after the other."""

    cdef int read(self, Py_ssize_t row) except -1:
        """Point t, v and n at the samples of a row, valid until the next read."""
        raise NotImplementedError

    def __len__(self):
        return len(self.labels)


cdef class Gathered(Rows):
    """Samples that are in memory already."""

    def __init__(self, labels, Columns columns):
        self.labels = labels
        self.columns = columns
        self.gap_until = TIME_MIN

    cdef int read(self, Py_ssize_t row) except -1:
        cdef int64_t first = self.columns.starts[row]
        self.t = self.columns.t + first
        self.v = self.columns.v + first
        self.n = self.columns.starts[row + 1] - first
        return 0


cdef class Found:
    """What matchers found: labels and places of each series."""

    def __init__(self, labels, list places, list blocks, int64_t resolution):
        self.labels = labels
        self.places = places
        self.tiered = any([block.resolution for block in blocks])
        self.gap_until = TIME_MIN
        for block in blocks:
            if block.resolution > resolution:
                self.gap = max(self.gap, block.resolution)
                self.gap_until = max(self.gap_until, block.last)


cdef class Selection(Rows):
    """The series found, with their samples in [low, high].

    stale: with the markers that end a series (a range has none).
    """

    def __init__(self, Found found, int64_t low, int64_t high, Budget budget=None,
                 bint stale=True):
        self.found = found
        self.labels = found.labels
        self.gap = found.gap
        self.gap_until = found.gap_until
        self.low = low
        self.high = high
        self.stale = stale
        self.budget = budget
        self.scratch = Columns()
        self.rows = [Columns() for _ in ROWS] if found.tiered else []

    cdef int read(self, Py_ssize_t row) except -1:
        cdef Columns scratch = self.scratch
        scratch.clear()
        gather(self.found.places[row], scratch, self.low, self.high)
        scratch.end_series(None, True)
        if self.budget is not None:
            self.budget.take(scratch.n)
        self.t = scratch.t
        self.v = scratch.v
        self.n = scratch.n if self.stale else without_stale(scratch.t, scratch.v, scratch.n)
        return 0

    def __dealloc__(self):
        free(self.pieces)

    cdef Py_ssize_t split(self, Py_ssize_t row) except -1:
        """Set `pieces` to the chunks of a row, in the order of time; 0 if they cannot be told apart.

        That is so where samples came late, were deleted or downsampled, or lie in two places.
        """
        cdef Index index
        cdef Series series
        cdef Py_ssize_t i, source = 0
        cdef int64_t before = TIME_MIN
        self.piece_n = 0
        self.scratch.n = 0
        for place in places_of(self.found.places[row]):
            if isinstance(place, Series):
                series = place
                if series.late_n:
                    return 0
                for i in range(series.chunk_n):
                    self.add_piece(
                        series.chunks[i].first, series.chunks[i].last, series.chunks[i].count,
                        series.chunks[i].least, series.chunks[i].most, series.chunks[i].total,
                        source)
                if series.n:
                    self.add_piece(series.t[0], series.t[series.n - 1], series.n, 0, 0, NAN, source)
            else:
                block, number = place
                index = (<Block>block).index()
                if (<Block>block).cuts or index.rows_each > 1:
                    return 0
                for i in range(index.starts[number], index.starts[<Py_ssize_t>number + 1]):
                    self.add_piece(index.first[i], index.last[i], index.count[i], index.least[i],
                                   index.most[i], index.total[i], source)
            source += 1
        for i in range(self.piece_n):
            if self.pieces[i].first <= before:
                return 0
            before = self.pieces[i].last
        return self.piece_n

    cdef int add_piece(self, int64_t first, int64_t last, Py_ssize_t count, double least,
                       double most, double total, Py_ssize_t source) except -1:
        cdef Py_ssize_t cap
        if last < self.low or first > self.high:
            return 0
        if self.piece_n == self.piece_cap:
            cap = max(16, self.piece_cap * 2)
            self.pieces = <Piece*>resized(self.pieces, cap * sizeof(Piece))
            self.piece_cap = cap
        self.pieces[self.piece_n] = Piece(first, last, count, least, most, total, source, -1, 0)
        self.piece_n += 1
        return 0

    cdef int decode(self, Py_ssize_t row, Piece* piece) except -1:
        """Put a piece's samples behind those that are in the scratch."""
        cdef Columns scratch = self.scratch
        place = places_of(self.found.places[row])[piece.source]
        piece.at = scratch.n
        gather(place if isinstance(place, Series) else [place], scratch,
               max(piece.first, self.low), min(piece.last, self.high))
        piece.n = without_stale(scratch.t + piece.at, scratch.v + piece.at, scratch.n - piece.at)
        scratch.n = piece.at + piece.n
        if self.budget is not None:
            self.budget.take(piece.n)
        return 0

    cdef bint buckets(self, Py_ssize_t row) except -1:
        """Read a row's buckets to `rows`, its samples to the scratch; False if it has no buckets."""
        cdef Columns column, scratch = self.scratch
        cdef Block block
        cdef bint found = False
        cdef int i
        scratch.clear()
        for column in self.rows:
            column.clear()
        for place in places_of(self.found.places[row]):
            if not isinstance(place, Series) and (<Block>place[0]).resolution:
                block, number = place
                for i in range(len(self.rows)):
                    block.read_row(number, i, self.rows[i], self.low, self.high)
                found = True
        if not found:
            return False
        for place in places_of(self.found.places[row]):
            if isinstance(place, Series) or not (<Block>place[0]).resolution:
                gather(place if isinstance(place, Series) else [place], scratch, self.low,
                       self.high)
        for column in self.rows:
            column.end_series(None, True)
        scratch.end_series(None, True)
        if self.budget is not None:
            self.budget.take(scratch.n + (<Columns>self.rows[0]).n)
        scratch.n = without_stale(scratch.t, scratch.v, scratch.n)
        return True

    def gather(self) -> Columns:
        """All samples at once; series without any are left out."""
        cdef Columns columns = Columns()
        for place, labels in paced(zip(self.found.places, self.labels, strict=True)):
            gather(place, columns, self.low, self.high)
            columns.end_series(labels)
        return columns


cdef places_of(place):
    """The places of a series, the oldest first."""
    return (place,) if isinstance(place, Series) else place


cdef int gather(place, Columns into, int64_t low, int64_t high) except -1:
    """Add the samples of one series, the oldest source first."""
    for source in places_of(place):
        if isinstance(source, Series):
            (<Series>source).read(into, low, high)
        else:
            block, number = source
            (<Block>block).read(number, into, low, high)
    return 0


cdef Py_ssize_t without_stale(int64_t* t, double* v, Py_ssize_t n) noexcept:
    """Take the stale markers out; returns how many samples are left."""
    cdef Py_ssize_t i, kept = 0
    cdef uint64_t bits
    cdef const uint64_t* all_bits = <const uint64_t*>v
    cdef bint any = False
    for i in range(n):             # without a branch: several at a time
        any |= all_bits[i] == STALE
    if not any:
        return n
    for i in range(n):
        memcpy(&bits, &v[i], 8)
        if bits != STALE:
            if kept != i:
                t[kept] = t[i]
                v[kept] = v[i]
            kept += 1
    return kept


class Finder:
    """Finds series in a store's head and blocks."""

    def __init__(self, store):
        self.store = store
        self.kept = OrderedDict()
        self.rows = 0

    def select(self, matchers, int64_t low, int64_t high, Budget budget=None,
               bint stale=True, int64_t resolution=0) -> Selection:
        """The series that meet the matchers, with their samples in [low, high].

        resolution: ms; where there is a tier of buckets no larger, it is read instead of samples
        """
        found = self.find(matchers, low, high, resolution)
        return Selection(found, low, high, budget, stale)

    def resolution(self, int64_t beat_ms) -> int:
        """The tier that a query of this beat may read; see `Store.resolution`."""
        return self.store.resolution(beat_ms)

    def find(self, matchers, int64_t low, int64_t high, int64_t resolution=0) -> Found:
        """Labels and places, in the order of the labels."""
        cdef Head head = self.store.head
        since = head.first if head.samples else TIME_MAX
        blocks = self.store.block_set.sources(low, high, resolution, since)
        state = head.generation, len(head.series)
        key = tuple(matchers), resolution, tuple(blocks)
        known = self.kept.get(key)
        if known is not None and known[0] == state:
            self.kept.move_to_end(key)
            return known[1]
        if known is not None:
            self.rows -= len(known[1].places)
        found = self.search(matchers, blocks, resolution)
        self.kept[key] = state, found
        self.rows += len(found.places)
        while self.rows > KEPT_ROWS and self.kept:
            _, (_, gone) = self.kept.popitem(last=False)
            self.rows -= len(gone.places)
        return found

    def search(self, matchers, list blocks, int64_t resolution) -> Found:
        from tsdb.labellist import LabelList  # with numpy, which a server must not wait for

        cdef Head head = self.store.head
        cdef Series series
        cdef dict places = {}
        # Arrays, as the sets themselves may change while this takes a rest.
        for block in blocks:
            for number in paced(block.postings.select(matchers).to_array()):
                places.setdefault(block.key_of(number), []).append((block, number))
        for ref in paced(head.postings.select(matchers).to_array()):
            if head.series[ref] is None:
                continue
            series = head.series[ref]
            if places and series.key in places:
                places[series.key].append(series)
            else:
                places[series.key] = series
        # With a separator below all other bytes keys are in the order of labels.
        ordered = paced_sort(places, key=lambda key: key.replace(b"\xff", b"\0"))
        return Found(
            LabelList([labels_of_place(places[key]) for key in paced(ordered)]),
            [places[key] for key in paced(ordered)], blocks, resolution)


cdef labels_of_place(place):
    if isinstance(place, list):
        place = place[len(place) - 1]
    if isinstance(place, Series):
        return (<Series>place).labels
    block, number = place
    return block.labels_of(number)
