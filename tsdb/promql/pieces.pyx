"""Functions of ranges that need not see every sample: sum, average, least, most and count.

Chunks know these of their samples.  A chunk that lies within a window is taken as a whole; only
those that a window's end goes through are decoded, once a row.  A chunk with anything but plain
numbers (NaN and stale markers, infinities, or so large that its sum is not to be trusted) is
always decoded, so that results are those of a look at all samples.
"""

from libc.math cimport INFINITY, fabs, isinf, isnan
from libc.stdint cimport int64_t, uint8_t

from tsdb.promql.numeric cimport first_after, kahan
from tsdb.selection cimport Piece, Selection

cdef enum Kind:
    SUM = 0
    AVERAGE = 1
    LEAST = 2
    MOST = 3
    COUNT = 4

SUMMARIES = {
    "sum_over_time": SUM, "avg_over_time": AVERAGE, "min_over_time": LEAST, "max_over_time": MOST,
    "count_over_time": COUNT}
cdef double TRUSTED = 1e15


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


cdef bint over_pieces(int kind, Selection rows, Py_ssize_t row, const int64_t[::1] ends,
                      int64_t range_ms, double* out, uint8_t* there) except -1:
    """The function over the windows of a row; False if it must be done sample by sample."""
    cdef Py_ssize_t n = rows.split(row), at = 0, p, i, end, step
    cdef Piece* piece
    cdef Running r
    cdef int64_t low, high
    cdef double result
    if n < 2 or rows.pieces[0].last - rows.pieces[0].first > range_ms:
        return False
    for step in range(ends.shape[0]):
        high = ends[step]
        low = high - range_ms
        while at < n and rows.pieces[at].last < low:
            at += 1
        r.count = 0
        r.sum = r.c = r.best = 0
        p = at
        while p < n and rows.pieces[p].first <= high:
            piece = &rows.pieces[p]
            p += 1
            if piece.first >= low and piece.last <= high and plain(piece):
                take(kind, &r, piece.least if kind == LEAST else
                     piece.most if kind == MOST else piece.total)
                r.count += piece.count - 1
                continue
            if piece.at < 0:
                rows.decode(row, piece)
            with nogil:
                i = first_after(rows.scratch.t + piece.at, 0, piece.n, low - 1)
                end = first_after(rows.scratch.t + piece.at, i, piece.n, high)
                for i in range(piece.at + i, piece.at + end):
                    take(kind, &r, rows.scratch.v[i])
        if r.count == 0:
            there[step] = 0
            continue
        result = r.sum if isinf(r.sum) else r.sum + r.c
        if kind == AVERAGE and (isinf(result) or isnan(result)):
            return False
        there[step] = 1
        out[step] = (result if kind == SUM else result / r.count if kind == AVERAGE
                     else r.count if kind == COUNT else r.best)
    return True
