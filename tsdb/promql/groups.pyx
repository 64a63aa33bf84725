"""Aggregation: rows made one for each group and step; quantiles; histograms.

Rows are taken in their order, as Prometheus does: sums, and which of two equal values is among
the k largest, depend on it.  Shapes and arithmetic: see `kernels`.
"""

import numpy as np

from libc.math cimport INFINITY, NAN, floor, isinf, isnan
from libc.stdint cimport int64_t, uint8_t
from libc.stdlib cimport qsort

from bedrock.world.slices cimport rest

cdef enum:
    CELLS = 200_000                # looked at between two rests


def reduce_groups(str op, const double[:, ::1] values, const uint8_t[:, ::1] present,
                  const int64_t[::1] group_of, Py_ssize_t groups) -> tuple:
    """(values, present) per group and step of sum, avg, min, max, count, group, stddev, stdvar."""
    cdef Py_ssize_t rows = values.shape[0], steps = values.shape[1], row, step, g
    cdef double x, change
    result = np.zeros((groups, steps))
    counts = np.zeros((groups, steps))
    means = np.zeros_like(result)
    if rows == 0 or steps == 0:
        return result, counts.astype(np.bool_)
    cdef double[:, ::1] out = result
    cdef double[:, ::1] count = counts
    cdef double[:, ::1] mean = means
    cdef int kind = ("sum", "min", "max", "count", "group", "avg", "stddev", "stdvar").index(op)
    cdef Py_ssize_t begin, end, rows_each = CELLS // steps + 1
    for begin in range(0, rows, rows_each):
        rest()
        end = min(rows, begin + rows_each)
        for row in range(begin, end):
            g = group_of[row]
            for step in range(steps):
                if not present[row, step]:
                    continue
                x = values[row, step]
                count[g, step] += 1
                if kind == 0:
                    out[g, step] += x
                elif kind == 1:
                    if count[g, step] == 1 or x < out[g, step] or isnan(out[g, step]):
                        out[g, step] = x
                elif kind == 2:
                    if count[g, step] == 1 or x > out[g, step] or isnan(out[g, step]):
                        out[g, step] = x
                elif kind == 5:
                    if count[g, step] == 1:
                        mean[g, step] = x
                    elif not isinf(mean[g, step]) or not (
                            (isinf(x) and (mean[g, step] > 0) == (x > 0))
                            or not (isinf(x) or isnan(x))):
                        mean[g, step] += x / count[g, step] - mean[g, step] / count[g, step]
                elif kind >= 6 and count[g, step] == 1:
                    mean[g, step] = x
                elif kind >= 6:
                    change = x - mean[g, step]
                    mean[g, step] += change / count[g, step]
                    out[g, step] += change * (x - mean[g, step])
    there = counts > 0
    if op == "count":
        result = counts
    elif op == "group":
        result[there] = 1
    elif op == "avg":
        result = means
    elif op in ("stddev", "stdvar"):
        np.divide(result, counts, out=result, where=there)
        if op == "stddev":
            np.sqrt(result, out=result)
    return result, there


# ---- the k largest -------------------------------------------------------------------------

cdef inline bint before(double a, double b) noexcept nogil:
    """The order of the heap: the one that is given up first, NaN or least, is on top."""
    return isnan(a) or a < b


cdef void rise(const double* key, int64_t* heap, Py_ssize_t at) noexcept nogil:
    """A row put at the end of a heap finds its place."""
    cdef Py_ssize_t parent
    while at:
        parent = (at - 1) // 2
        if not before(key[heap[at]], key[heap[parent]]):
            return
        heap[at], heap[parent] = heap[parent], heap[at]
        at = parent


cdef void sink(const double* key, int64_t* heap, Py_ssize_t n) noexcept nogil:
    """A row put on top of a heap of n finds its place."""
    cdef Py_ssize_t at = 0, child
    while 2 * at + 1 < n:
        child = 2 * at + 1
        if child + 1 < n and before(key[heap[child + 1]], key[heap[child]]):
            child += 1
        if not before(key[heap[child]], key[heap[at]]):
            return
        heap[at], heap[child] = heap[child], heap[at]
        at = child


def largest(const double[:, ::1] keys, const uint8_t[:, ::1] present,
            const int64_t[::1] group_of, Py_ssize_t groups, const int64_t[::1] k) -> np.ndarray:
    """Flags of the rows that are among the k largest of their group at a step; NaN comes last.

    keys and present are [step, row]; k is given for each step.
    """
    cdef Py_ssize_t steps = keys.shape[0], rows = keys.shape[1], step, row, g, n
    chosen = np.zeros((steps, rows), np.bool_)
    if rows == 0 or steps == 0:
        return chosen
    cdef uint8_t[:, ::1] out = chosen.view(np.uint8)
    cdef int64_t[::1] begins = np.searchsorted(
        np.sort(np.asarray(group_of)), np.arange(groups + 1)).astype(np.int64)
    cdef int64_t[::1] heaps = np.empty(rows, np.int64)      # each group's rows, side by side
    cdef int64_t[::1] sizes = np.empty(groups, np.int64)
    cdef const double* key
    cdef int64_t* heap
    for step in range(steps):
        rest()
        with nogil:
            if k[step] < 1:
                continue
            key = &keys[step, 0]
            sizes[:] = 0
            for row in range(rows):
                if not present[step, row]:
                    continue
                g = group_of[row]
                heap = &heaps[begins[g]]
                n = sizes[g]
                if n == k[step]:
                    if not (key[heap[0]] < key[row] or isnan(key[heap[0]])):
                        continue
                    n -= 1
                    heap[0] = heap[n]
                    sink(key, heap, n)
                heap[n] = row
                rise(key, heap, n)
                sizes[g] = n + 1
            for g in range(groups):
                for n in range(sizes[g]):
                    out[step, heaps[begins[g] + n]] = 1
    return chosen


# ---- quantiles -----------------------------------------------------------------------------

cdef int by_value(const void* a, const void* b) noexcept nogil:
    """NaN first, as Prometheus sorts."""
    cdef double x = (<double*>a)[0], y = (<double*>b)[0]
    if isnan(x) or isnan(y):
        return <int>isnan(y) - <int>isnan(x)
    return (x > y) - (x < y)


cdef double quantile_of(double q, double* v, Py_ssize_t n) noexcept nogil:
    """The q-quantile of v, which is sorted in place."""
    cdef double rank, low
    cdef Py_ssize_t i
    if n == 0 or isnan(q):
        return NAN
    if q < 0:
        return -INFINITY
    if q > 1:
        return INFINITY
    qsort(v, n, sizeof(double), by_value)
    rank = q * (n - 1)
    low = floor(rank)
    i = <Py_ssize_t>low
    return v[i] * (1 - (rank - low)) + v[min(i + 1, n - 1)] * (rank - low)


def quantile(double q, const double[::1] values) -> float:
    """The q-quantile of the values, as Prometheus interpolates."""
    cdef double[::1] copy = np.array(values)
    return quantile_of(q, &copy[0], copy.shape[0]) if copy.shape[0] else NAN


def bucket_quantile(const double[::1] q, const double[::1] bounds,
                    const double[:, ::1] counts, const uint8_t[:, ::1] present) -> tuple:
    """(values, present) per step of the q-quantile of one histogram.

    bounds: upper bounds of the buckets, rising (equal ones are added up); counts[bucket, step]:
    cumulative counts.
    """
    cdef Py_ssize_t buckets = bounds.shape[0], steps = q.shape[0], step, i, n, b
    cdef double rank, count, start, highest
    values = np.zeros(steps)
    there = np.zeros(steps, np.bool_)
    cdef double[::1] out = values
    cdef uint8_t[::1] some = there.view(np.uint8)
    cdef double[::1] le = np.empty(buckets)
    cdef double[::1] total = np.empty(buckets)
    for step in range(steps):
        n = 0
        for i in range(buckets):
            if not present[i, step]:
                continue
            if n and le[n - 1] == bounds[i]:
                total[n - 1] += counts[i, step]
            else:
                le[n] = bounds[i]
                total[n] = counts[i, step]
                n += 1
        if n == 0:
            continue
        some[step] = 1
        if isnan(q[step]):
            out[step] = NAN
            continue
        if q[step] < 0 or q[step] > 1:
            out[step] = -INFINITY if q[step] < 0 else INFINITY
            continue
        highest = -INFINITY
        for i in range(n):                      # counts must not fall, whatever was scraped
            highest = max(highest, total[i])
            total[i] = highest
        if n < 2 or not (isinf(le[n - 1]) and le[n - 1] > 0) or total[n - 1] == 0 or isnan(
                total[n - 1]):
            out[step] = NAN
            continue
        rank = q[step] * total[n - 1]
        b = 0
        while b < n - 1 and not total[b] >= rank:
            b += 1
        if b == n - 1:
            out[step] = le[n - 2]
        elif b == 0 and le[0] <= 0:
            out[step] = le[0]
        else:
            start = 0
            count = total[b]
            if b > 0:
                start = le[b - 1]
                count -= total[b - 1]
                rank -= total[b - 1]
            out[step] = start + (le[b] - start) * (rank / count)
    return values, there
