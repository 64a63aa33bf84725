"""Functions of ranges that need not see every sample: sum, average, least, most, count, present.

Chunks know these of their samples.  A chunk that lies within a window is taken as a whole; only
those that a window's end goes through are decoded, once a row.  A chunk with anything but plain
numbers (NaN and stale markers, infinities, or so large that its sum is not to be trusted) is
always decoded, so that results are those of a look at all samples.

Buckets of a tier know as much (see `tiers`), and their samples may be gone: a window takes those that
end in it, but of one that ends where the window begins the last sample alone.
"""

from libc.math cimport INFINITY, fabs, isinf, isnan
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memcpy

from tsdb.columns cimport Columns
from tsdb.promql.numeric cimport first_after, kahan
from tsdb.selection cimport Piece, Selection

cdef enum Kind:
    SUM = 0
    AVERAGE = 1
    LEAST = 2
    MOST = 3
    COUNT = 4
    PRESENT = 5

SUMMARIES = {
    "sum_over_time": SUM, "avg_over_time": AVERAGE, "min_over_time": LEAST, "max_over_time": MOST,
    "count_over_time": COUNT, "present_over_time": PRESENT}
cdef double TRUSTED = 1e15
cdef uint64_t STALE = 0x7ff0000000000002


cdef struct Running:
    Py_ssize_t count
    double sum, c, best


cdef inline bint plain(const Piece* piece) noexcept nogil:
    return fabs(piece.least) < TRUSTED and fabs(piece.most) < TRUSTED and fabs(
        piece.total) < INFINITY


cdef inline void take(int kind, Running* r, double x) noexcept nogil:
    """One more sample."""
    r.count += 1
    if kind <= AVERAGE:
        kahan(x, &r.sum, &r.c)
    elif kind == LEAST:
        if r.count == 1 or x < r.best or isnan(r.best):
            r.best = x
    elif kind == MOST:
        if r.count == 1 or x > r.best or isnan(r.best):
            r.best = x


cdef inline void take_all(int kind, Running* r, Py_ssize_t count, double least, double most,
                          double total) noexcept nogil:
    """All samples of a piece or bucket."""
    take(kind, r, least if kind == LEAST else most if kind == MOST else total)
    r.count += count - 1


cdef inline double result_of(int kind, const Running* r) noexcept nogil:
    """The value of a window, of which something was taken; else 0."""
    cdef double sum = r.sum if isinf(r.sum) else r.sum + r.c
    if r.count == 0:
        return 0
    return (sum if kind == SUM else sum / r.count if kind == AVERAGE
            else r.count if kind == COUNT else 1 if kind == PRESENT else r.best)


cdef bint over_pieces(int kind, Selection rows, Py_ssize_t row, const int64_t[::1] ends,
                      int64_t range_ms, double* out, uint8_t* there) except -1:
    """The function over the windows of a row; False if it must be done sample by sample."""
    cdef Py_ssize_t n, at = 0, p, i, end, step
    cdef Piece* piece
    cdef Running r
    cdef int64_t low, high
    if rows.found.tiered and over_buckets(kind, rows, row, ends, range_ms, out, there):
        return True
    n = rows.split(row)
    if n < 2 or rows.pieces[0].last - rows.pieces[0].first > range_ms:
        return False
    for step in range(ends.shape[0]):
        high = ends[step]
        low = high - range_ms
        while at < n and rows.pieces[at].last < low:
            at += 1
        r = Running(0, 0, 0, 0)
        p = at
        while p < n and rows.pieces[p].first <= high:
            piece = &rows.pieces[p]
            p += 1
            if piece.first >= low and piece.last <= high and plain(piece):
                take_all(kind, &r, piece.count, piece.least, piece.most, piece.total)
                continue
            if piece.at < 0:
                rows.decode(row, piece)
            with nogil:
                i = first_after(rows.scratch.t + piece.at, 0, piece.n, low - 1)
                end = first_after(rows.scratch.t + piece.at, i, piece.n, high)
                for i in range(piece.at + i, piece.at + end):
                    take(kind, &r, rows.scratch.v[i])
        there[step] = r.count > 0
        out[step] = result_of(kind, &r)
        if kind == AVERAGE and (isinf(out[step]) or isnan(out[step])):
            return False
    return True


cdef bint over_buckets(int kind, Selection rows, Py_ssize_t row, const int64_t[::1] ends,
                       int64_t range_ms, double* out, uint8_t* there) except -1:
    """The function over the windows of a row that has buckets; False if it has none."""
    cdef Columns last, least, most, total, count, ago, samples = rows.scratch
    cdef Py_ssize_t i, j, step, at = 0, sample_at = 0
    cdef int64_t low, high
    cdef uint64_t bits
    cdef Running r
    if not rows.buckets(row):
        return False
    last, least, most, total, count, ago = rows.rows
    for step in range(ends.shape[0]):
        high = ends[step]
        low = high - range_ms
        r = Running(0, 0, 0, 0)
        at = i = first_after(last.t, at, last.n, low - 1)
        if i < last.n and last.t[i] == low:
            memcpy(&bits, &last.v[i], 8)
            if ago.v[i] == 0 and bits != STALE:
                take(kind, &r, last.v[i])
            i += 1
        while i < last.n and last.t[i] <= high:
            if count.v[i] > 0:
                take_all(kind, &r, <Py_ssize_t>count.v[i], least.v[i], most.v[i], total.v[i])
            i += 1
        sample_at = j = first_after(samples.t, sample_at, samples.n, low - 1)
        while j < samples.n and samples.t[j] <= high:
            take(kind, &r, samples.v[j])
            j += 1
        there[step] = r.count > 0
        out[step] = result_of(kind, &r)
    return True
