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

from tsdb.columns cimport Columns

from tsdb.promql.errors import QueryError

cdef uint64_t STALE = 0x7ff0000000000002


cdef inline bint is_stale(double v) noexcept nogil:
    cdef uint64_t bits
    memcpy(&bits, &v, 8)
    return bits == STALE


# ---- selecting -----------------------------------------------------------------------------

def instant(Columns columns, const int64_t[::1] times, int64_t lookback_ms) -> tuple:
    """(values, present, sample timestamps): the newest sample within the lookback at each time."""
    cdef Py_ssize_t rows = len(columns.labels), steps = times.shape[0], row, step, i, end
    values = np.zeros((rows, steps))
    present = np.zeros((rows, steps), np.bool_)
    stamps = np.zeros((rows, steps), np.int64)
    if rows == 0 or steps == 0:
        return values, present, stamps
    cdef double[:, ::1] out = values
    cdef uint8_t[:, ::1] there = present.view(np.uint8)
    cdef int64_t[:, ::1] at = stamps
    with nogil:
        for row in range(rows):
            i = columns.starts[row]
            end = columns.starts[row + 1]
            for step in range(steps):
                while i < end and columns.t[i] <= times[step]:
                    i += 1
                if i == columns.starts[row]:
                    continue
                if columns.t[i - 1] >= times[step] - lookback_ms and not is_stale(columns.v[i - 1]):
                    out[row, step] = columns.v[i - 1]
                    there[row, step] = 1
                    at[row, step] = columns.t[i - 1]
    return values, present, stamps


def without_stale(Columns columns) -> None:
    """Take the stale markers out: a range has none."""
    cdef Py_ssize_t row, i, kept = 0, first = 0, end
    for row in range(len(columns.labels)):
        end = columns.starts[row + 1]
        for i in range(first, end):
            if not is_stale(columns.v[i]):
                columns.t[kept] = columns.t[i]
                columns.v[kept] = columns.v[i]
                kept += 1
        first = end
        columns.starts[row + 1] = kept
    columns.n = kept


def columns_of_rows(list labels, const int64_t[::1] times, const double[:, ::1] values,
                    const uint8_t[:, ::1] present) -> Columns:
    """The rows of a result as series with samples at `times`: what a subquery ranges over."""
    cdef Columns columns = Columns()
    cdef Py_ssize_t row, step
    for row in range(len(labels)):
        columns.reserve(times.shape[0])
        for step in range(times.shape[0]):
            if present[row, step]:
                columns.t[columns.n] = times[step]
                columns.v[columns.n] = values[row, step]
                columns.n += 1
        columns.end_series(labels[row], True)
    return columns


def single_present(const uint8_t[:, ::1] present, list rows) -> None:
    """QueryError if two of the rows have a value at the same step."""
    cdef Py_ssize_t step, seen
    for step in range(present.shape[1]):
        seen = 0
        for row in rows:
            seen += present[<Py_ssize_t>row, step]
        if seen > 1:
            raise QueryError("vector cannot contain metrics with the same labelset")
