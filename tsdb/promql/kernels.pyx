"""Kernels: the loops of the evaluator, over all series and steps of a query at once.

Shapes: times[steps] (ms, rising); values[rows, steps] with present[rows, steps] telling where
there is a value, since NaN is one.  All are C-contiguous.  Formulas are Prometheus 2.42's, with
its compensated (Kahan-Neumaier) sums; results are equal to the last bits, not only close.
"""

import numpy as np

from libc.math cimport INFINITY, NAN, fabs, floor, isinf, isnan, sqrt
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.stdlib cimport free, malloc, qsort
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


# ---- ranges --------------------------------------------------------------------------------

cdef struct Window:
    const int64_t* t
    const double* v
    Py_ssize_t n               # at least 1
    int64_t end_ms             # evaluation time, less the offset
    int64_t range_ms
    int64_t now_ms             # evaluation time
    double param, param2
    double* scratch            # room for n values

# Computes a value from a window; 0 = there is none.
ctypedef bint (*Reduce)(const Window* w, double* out) noexcept nogil


cdef inline void kahan(double x, double* sum, double* c) noexcept nogil:
    cdef double t = sum[0] + x
    if fabs(sum[0]) >= fabs(x):
        c[0] += (sum[0] - t) + x
    else:
        c[0] += (x - t) + sum[0]
    sum[0] = t


cdef bint extrapolated(const Window* w, double* out, bint counter, bint per_second) noexcept nogil:
    """rate, increase and delta: the change in the window, extended to its ends."""
    cdef double change, zero, to_start, to_end, sampled, average, whole, before = 0
    cdef Py_ssize_t i, n = w.n
    if n < 2:
        return False
    change = w.v[n - 1] - w.v[0]
    if counter:
        for i in range(n):
            if w.v[i] < before:
                change += before
            before = w.v[i]
    to_start = <double>(w.t[0] - (w.end_ms - w.range_ms)) / 1000
    to_end = <double>(w.end_ms - w.t[n - 1]) / 1000
    sampled = <double>(w.t[n - 1] - w.t[0]) / 1000
    average = sampled / <double>(n - 1)
    if counter and change > 0 and w.v[0] >= 0:
        # A counter does not go below zero: extend no further back than where it would be zero.
        zero = sampled * (w.v[0] / change)
        to_start = min(to_start, zero)
    whole = sampled
    whole += to_start if to_start < average * 1.1 else average / 2
    whole += to_end if to_end < average * 1.1 else average / 2
    whole /= sampled
    if per_second:
        whole /= <double>w.range_ms / 1000
    out[0] = change * whole
    return True


cdef bint rate(const Window* w, double* out) noexcept nogil:
    return extrapolated(w, out, True, True)


cdef bint increase(const Window* w, double* out) noexcept nogil:
    return extrapolated(w, out, True, False)


cdef bint delta(const Window* w, double* out) noexcept nogil:
    return extrapolated(w, out, False, False)


cdef bint last_two(const Window* w, double* out, bint per_second) noexcept nogil:
    cdef Py_ssize_t n = w.n
    if n < 2:
        return False
    if per_second and w.v[n - 1] < w.v[n - 2]:
        out[0] = w.v[n - 1]
    else:
        out[0] = w.v[n - 1] - w.v[n - 2]
    if per_second:
        out[0] /= <double>(w.t[n - 1] - w.t[n - 2]) / 1000
    return True


cdef bint irate(const Window* w, double* out) noexcept nogil:
    return last_two(w, out, True)


cdef bint idelta(const Window* w, double* out) noexcept nogil:
    return last_two(w, out, False)


cdef bint sum_over(const Window* w, double* out) noexcept nogil:
    cdef double sum = 0, c = 0
    cdef Py_ssize_t i
    for i in range(w.n):
        kahan(w.v[i], &sum, &c)
    out[0] = sum if isinf(sum) else sum + c
    return True


cdef bint avg_over(const Window* w, double* out) noexcept nogil:
    cdef double mean = 0, c = 0, x
    cdef Py_ssize_t i
    for i in range(w.n):
        x = w.v[i]
        if isinf(mean):
            if isinf(x) and (mean > 0) == (x > 0):
                continue
            if not isinf(x) and not isnan(x):
                continue
        kahan(x / (i + 1) - mean / (i + 1), &mean, &c)
    out[0] = mean if isinf(mean) else mean + c
    return True


cdef bint min_over(const Window* w, double* out) noexcept nogil:
    cdef double best = w.v[0]
    cdef Py_ssize_t i
    for i in range(1, w.n):
        if w.v[i] < best or isnan(best):
            best = w.v[i]
    out[0] = best
    return True


cdef bint max_over(const Window* w, double* out) noexcept nogil:
    cdef double best = w.v[0]
    cdef Py_ssize_t i
    for i in range(1, w.n):
        if w.v[i] > best or isnan(best):
            best = w.v[i]
    out[0] = best
    return True


cdef bint count_over(const Window* w, double* out) noexcept nogil:
    out[0] = w.n
    return True


cdef bint last_over(const Window* w, double* out) noexcept nogil:
    out[0] = w.v[w.n - 1]
    return True


cdef bint present_over(const Window* w, double* out) noexcept nogil:
    out[0] = 1
    return True


cdef bint stdvar_over(const Window* w, double* out) noexcept nogil:
    cdef double mean = 0, mean_c = 0, aux = 0, aux_c = 0, change
    cdef Py_ssize_t i
    for i in range(w.n):
        change = w.v[i] - (mean + mean_c)
        kahan(change / (i + 1), &mean, &mean_c)
        kahan(change * (w.v[i] - (mean + mean_c)), &aux, &aux_c)
    out[0] = (aux + aux_c) / w.n
    return True


cdef bint stddev_over(const Window* w, double* out) noexcept nogil:
    stdvar_over(w, out)
    out[0] = sqrt(out[0])
    return True


cdef bint changes(const Window* w, double* out) noexcept nogil:
    cdef Py_ssize_t i, n = 0
    for i in range(1, w.n):
        if w.v[i] != w.v[i - 1] and not (isnan(w.v[i]) and isnan(w.v[i - 1])):
            n += 1
    out[0] = n
    return True


cdef bint resets(const Window* w, double* out) noexcept nogil:
    cdef Py_ssize_t i, n = 0
    for i in range(1, w.n):
        if w.v[i] < w.v[i - 1]:
            n += 1
    out[0] = n
    return True


cdef bint regression(const Window* w, int64_t origin, double* slope, double* at) noexcept nogil:
    """Least squares through the window; `at` is the line's value at `origin`."""
    cdef double x, y, sx = 0, cx = 0, sy = 0, cy = 0, sxy = 0, cxy = 0, sxx = 0, cxx = 0
    cdef double covariance, variance
    cdef bint constant = True
    cdef Py_ssize_t i
    if w.n < 2:
        return False
    for i in range(w.n):
        y = w.v[i]
        if y != w.v[0]:
            constant = False
        x = <double>(w.t[i] - origin) / 1e3
        kahan(x, &sx, &cx)
        kahan(y, &sy, &cy)
        kahan(x * y, &sxy, &cxy)
        kahan(x * x, &sxx, &cxx)
    if constant:
        slope[0] = NAN if isinf(w.v[0]) else 0
        at[0] = NAN if isinf(w.v[0]) else w.v[0]
        return True
    sx += cx
    sy += cy
    sxy += cxy
    sxx += cxx
    covariance = sxy - sx * sy / w.n
    variance = sxx - sx * sx / w.n
    slope[0] = covariance / variance
    at[0] = sy / w.n - slope[0] * sx / w.n
    return True


cdef bint deriv(const Window* w, double* out) noexcept nogil:
    cdef double at
    return regression(w, w.t[0], out, &at)


cdef bint predict_linear(const Window* w, double* out) noexcept nogil:
    cdef double slope, at
    if not regression(w, w.now_ms, &slope, &at):
        return False
    out[0] = slope * w.param + at
    return True


cdef bint holt_winters(const Window* w, double* out) noexcept nogil:
    cdef double before = 0, level, trend, smooth = w.param, trend_smooth = w.param2, x, y
    cdef Py_ssize_t i
    if w.n < 2:
        return False
    level = w.v[0]
    trend = w.v[1] - w.v[0]
    for i in range(1, w.n):
        x = smooth * w.v[i]
        if i > 1:
            trend = trend_smooth * (level - before) + (1 - trend_smooth) * trend
        y = (1 - smooth) * (level + trend)
        before = level
        level = x + y
    out[0] = level
    return True


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


cdef bint quantile_over(const Window* w, double* out) noexcept nogil:
    memcpy(w.scratch, w.v, w.n * sizeof(double))
    out[0] = quantile_of(w.param, w.scratch, w.n)
    return True


cdef list REDUCER_NAMES = [
    "rate", "increase", "delta", "irate", "idelta",
    "sum_over_time", "avg_over_time", "min_over_time", "max_over_time", "count_over_time",
    "last_over_time", "present_over_time", "stdvar_over_time", "stddev_over_time", "changes",
    "resets", "deriv", "predict_linear", "holt_winters", "quantile_over_time"]
cdef Reduce[20] REDUCERS
REDUCERS[:] = [
    rate, increase, delta, irate, idelta,
    sum_over, avg_over, min_over, max_over, count_over,
    last_over, present_over, stdvar_over, stddev_over, changes,
    resets, deriv, predict_linear, holt_winters, quantile_over]


def over_range(str name, Columns columns, const int64_t[::1] ends, const int64_t[::1] now,
               int64_t range_ms, const double[::1] param, const double[::1] param2) -> tuple:
    """(values, present) of a function over the windows [end - range, end] of every series.

    ends: the windows' ends; now: the evaluation times; params: one value a step.
    """
    cdef Py_ssize_t rows = len(columns.labels), steps = ends.shape[0], row, step, first, end, stop
    cdef Reduce reduce = REDUCERS[<Py_ssize_t>REDUCER_NAMES.index(name)]
    cdef Window w
    values = np.zeros((rows, steps))
    present = np.zeros((rows, steps), np.bool_)
    if rows == 0 or steps == 0:
        return values, present
    cdef double[:, ::1] out = values
    cdef uint8_t[:, ::1] there = present.view(np.uint8)
    w.range_ms = range_ms
    w.scratch = <double*>malloc(max(1, columns.n) * sizeof(double))
    if w.scratch == NULL:
        raise MemoryError
    with nogil:
        for row in range(rows):
            first = end = columns.starts[row]
            stop = columns.starts[row + 1]
            for step in range(steps):
                w.end_ms = ends[step]
                while end < stop and columns.t[end] <= w.end_ms:
                    end += 1
                while first < end and columns.t[first] < w.end_ms - range_ms:
                    first += 1
                if first == end:
                    continue
                w.t = columns.t + first
                w.v = columns.v + first
                w.n = end - first
                w.now_ms = now[step]
                w.param = param[step]
                w.param2 = param2[step]
                there[row, step] = reduce(&w, &out[row, step])
    free(w.scratch)
    return values, present


# ---- aggregation ---------------------------------------------------------------------------

def aggregate(str op, const double[:, ::1] values, const uint8_t[:, ::1] present,
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
    with nogil:
        for row in range(rows):
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


def single_present(const uint8_t[:, ::1] present, list rows) -> None:
    """QueryError if two of the rows have a value at the same step."""
    cdef Py_ssize_t step, seen
    for step in range(present.shape[1]):
        seen = 0
        for row in rows:
            seen += present[<Py_ssize_t>row, step]
        if seen > 1:
            raise QueryError("vector cannot contain metrics with the same labelset")
