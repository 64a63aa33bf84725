"""Tiers: what is left of samples when they are old, one row of six numbers for each bucket.

    last   value of the bucket's last sample, be it a staleness marker
    min, max, sum, count   as PromQL's functions make them of the bucket's samples
    ago    how long before the bucket's end its last sample was, ms

A bucket holds the samples of (end - resolution, end] and stands at its end.  So what PromQL asks for
at multiples of the resolution is answered by buckets exactly as by samples: a selector finds the
last sample before the step; a window [low, high] is the buckets above low up to high, and the one
sample that may lie at low itself, which is the last of the bucket that ends there.

Invariants:
1. A bucket holds all samples of its time that were written up to its block's rank; so of two
   buckets with one end the later block's is whole, and wins like any later sample.
"""

from libc.math cimport NAN, isnan
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy

from tsdb.columns cimport Columns
from tsdb.promql.numeric cimport kahan

from tsdb.block import ROWS

cdef uint64_t STALE = 0x7ff0000000000002
cdef int64_t TIME_MIN = -0x7fffffffffffffff - 1
cdef int64_t TIME_MAX = 0x7fffffffffffffff


cdef struct Bucket:
    int64_t end
    int64_t time                   # of the last sample
    double last, least, most, total, c, count


ctypedef const double* Doubles


cdef struct Cursor:
    # Where the reading of one series is: samples, or the six rows of buckets.
    Py_ssize_t i, n
    const int64_t* t
    Doubles[6] row
    int rows


cdef Cursor cursor_of(list rows):
    cdef Cursor cursor
    cdef Columns column
    cdef int i
    cursor.i = cursor.n = cursor.rows = 0
    for i in range(len(rows)):
        column = rows[i]
        cursor.t = column.t
        cursor.n = column.n
        cursor.row[i] = column.v
        cursor.rows = i + 1
    return cursor


cdef inline int64_t end_of(int64_t t, int64_t resolution_ms) noexcept nogil:
    """The end of the bucket a time is in."""
    cdef int64_t rest = t % resolution_ms
    if rest < 0:
        rest += resolution_ms
    return t + resolution_ms - rest if rest else t


cdef void take(Bucket* b, const Cursor* c, Py_ssize_t i) noexcept nogil:
    """Add a sample, or a finer (or an older) bucket."""
    cdef double last = c.row[0][i], least = last, most = last, total = last, count = 1
    cdef int64_t time = c.t[i]
    cdef uint64_t bits
    if c.rows > 1:
        least, most, total, count = c.row[1][i], c.row[2][i], c.row[3][i], c.row[4][i]
        time -= <int64_t>c.row[5][i]
    else:
        memcpy(&bits, &last, 8)
        count = bits != STALE
    if time >= b.time:
        b.time = time
        b.last = last
    if count == 0:
        return
    if b.count == 0 or least < b.least or isnan(b.least):
        b.least = least
    if b.count == 0 or most > b.most or isnan(b.most):
        b.most = most
    kahan(total, &b.total, &b.c)
    b.count += count


cdef int put(Bucket* b, list rows) except -1:
    """Add a bucket to the series that the rows are gathering."""
    cdef double[6] values
    cdef int i
    values[:] = [b.last, b.least, b.most, b.total + b.c, b.count, <double>(b.end - b.time)]
    for i in range(6):
        (<Columns>rows[i]).add(&b.end, &values[i], 1, b.end, b.end)
    return 0


def downsample(list own, list fine, list made, list lost, int64_t resolution_ms,
               Columns into not None) -> None:
    """Add the rows of one series to `into`: the buckets that `own` has something in.

    own:  [samples], or the six rows of a finer tier
    fine: the same, with all older ones that are still there
    made: the six rows of this tier that were made before, or []
    lost: times [(first, last)] in which `fine` is not all: there `own` is added to what was made
    """
    cdef Cursor mine = cursor_of(own), all_of = cursor_of(fine), old = cursor_of(made)
    cdef Cursor* source
    cdef list rows = [Columns() for _ in ROWS]
    cdef Bucket b
    while mine.i < mine.n:
        b = Bucket(end_of(mine.t[mine.i], resolution_ms), TIME_MIN, 0, NAN, NAN, 0, 0, 0)
        source = &all_of
        for first, last in lost:
            if first <= b.end and last > b.end - resolution_ms:
                source = &mine
        if source == &mine:
            while old.i < old.n and old.t[old.i] < b.end:
                old.i += 1
            if old.i < old.n and old.t[old.i] == b.end:
                take(&b, &old, old.i)
        else:
            while mine.i < mine.n and mine.t[mine.i] <= b.end:
                mine.i += 1
        while source.i < source.n and source.t[source.i] <= b.end:
            if source.t[source.i] > b.end - resolution_ms:
                take(&b, source, source.i)
            source.i += 1
        put(&b, rows)
    for row in rows:
        into.add((<Columns>row).t, (<Columns>row).v, (<Columns>row).n, TIME_MIN, TIME_MAX)
        into.end_series(None, True)
