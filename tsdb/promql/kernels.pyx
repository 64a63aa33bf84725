"""Kernels: the loops of the evaluator, over all series and steps of a query at once.

Here: from samples to values at steps, and back.  Beside it: `windows` (functions of ranges) and
`groups` (aggregations, histograms).

Shapes, in all three: times[steps] (ms, rising); values[rows, steps] with present[rows, steps]
telling where there is a value, since NaN is one.  All are C-contiguous.  Formulas are Prometheus
2.42's, with its compensated (Kahan-Neumaier) sums; results are equal to the last bits, not only
close.
"""

import numpy as np

from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memcpy

from bedrock.world.slices cimport rest

from tsdb.budget cimport Budget
from tsdb.columns cimport Columns
from tsdb.selection cimport Gathered, Rows

from tsdb.promql.errors import QueryError

cdef uint64_t STALE = 0x7ff0000000000002


cdef inline bint is_stale(double v) noexcept nogil:
    cdef uint64_t bits
    memcpy(&bits, &v, 8)
    return bits == STALE


# ---- selecting -----------------------------------------------------------------------------

def instant(Rows rows, const int64_t[::1] times, int64_t lookback_ms,
            Budget budget=None, bint stamped=False) -> tuple:
    """(values, present, stamps): the newest sample within the lookback at each time.

    stamps are those samples' own times, if they are wanted.  Where samples were downsampled and are
    gone the lookback is as long as a bucket.
    """
    cdef Py_ssize_t count = len(rows.labels), steps = times.shape[0], row, step, i
    cdef int64_t back
    if budget is not None:
        budget.hold(count * steps * (17 if stamped else 9))
    values = np.zeros((count, steps))
    present = np.zeros((count, steps), np.bool_)
    stamps = np.zeros((count, steps), np.int64) if stamped else None
    if count == 0 or steps == 0:
        return values, present, stamps
    cdef double[:, ::1] out = values
    cdef uint8_t[:, ::1] there = present.view(np.uint8)
    cdef int64_t[:, ::1] at = stamps
    for row in range(count):
        rest()
        rows.read(row)
        i = 0
        for step in range(steps):
            while i < rows.n and rows.t[i] <= times[step]:
                i += 1
            if i == 0:
                continue
            back = lookback_ms if times[step] > rows.gap_until else max(lookback_ms, rows.gap)
            if rows.t[i - 1] >= times[step] - back and not is_stale(rows.v[i - 1]):
                out[row, step] = rows.v[i - 1]
                there[row, step] = 1
                if stamped:
                    at[row, step] = rows.t[i - 1]
    return values, present, stamps


def gathered(labels, const int64_t[::1] times, const double[:, ::1] values,
             const uint8_t[:, ::1] present) -> Gathered:
    """The rows of a result as series with samples at `times`: what a subquery ranges over."""
    cdef Columns columns = Columns()
    cdef Py_ssize_t row, step
    for row in range(len(labels)):
        rest()
        columns.reserve(times.shape[0])
        for step in range(times.shape[0]):
            if present[row, step]:
                columns.t[columns.n] = times[step]
                columns.v[columns.n] = values[row, step]
                columns.n += 1
        columns.end_series(None, True)
    return Gathered(labels, columns)


def single_present(const uint8_t[:, ::1] present, list rows) -> None:
    """QueryError if two of the rows have a value at the same step."""
    cdef Py_ssize_t step, seen
    for step in range(present.shape[1]):
        seen = 0
        for row in rows:
            seen += present[<Py_ssize_t>row, step]
        if seen > 1:
            raise QueryError("vector cannot contain metrics with the same labelset")
