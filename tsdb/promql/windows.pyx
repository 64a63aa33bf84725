"""Functions of ranges: rate, avg_over_time and their kin, over the windows of every series.

A window is what lies in [end - range, end]; as the steps rise both its ends only move on, so that
all windows of a series are found in one pass.  Shapes and arithmetic: see `kernels`.
"""

import numpy as np

from libc.math cimport NAN, isinf, isnan, sqrt
from libc.stdint cimport int64_t, uint8_t
from libc.stdlib cimport free
from libc.string cimport memcpy

from bedrock.world.slices cimport rest

from tsdb.budget cimport Budget
from tsdb.promql.groups cimport quantile_of
from tsdb.promql.numeric cimport first_after, kahan
from tsdb.promql.pieces cimport over_pieces
from tsdb.room cimport resized
from tsdb.selection cimport Rows, Selection

from tsdb.promql.pieces import SUMMARIES


cdef struct Window:
    const int64_t* t
    const double* v
    Py_ssize_t n               # at least 1
    int64_t end_ms             # evaluation time, less the offset
    int64_t range_ms
    int64_t now_ms             # evaluation time
    double param, param2
    double* scratch            # room for n values
    Py_ssize_t first           # of the window, in the row
    const Py_ssize_t* resets   # positions in the row, behind `first`, of values that fall
    Py_ssize_t reset_n

# Computes a value from a window; 0 = there is none.
ctypedef bint (*Reduce)(const Window* w, double* out) noexcept nogil


cdef bint extrapolated(const Window* w, double* out, bint counter, bint per_second) noexcept nogil:
    """rate, increase and delta: the change in the window, extended to its ends."""
    cdef double change, zero, to_start, to_end, sampled, average, whole
    cdef Py_ssize_t i, n = w.n
    if n < 2:
        return False
    change = w.v[n - 1] - w.v[0]
    if counter:
        for i in range(w.reset_n):
            if w.resets[i] >= w.first + n:
                break
            change += w.v[w.resets[i] - w.first - 1]
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
    sum_over(w, &mean)
    if not isinf(mean) and not isnan(mean):
        out[0] = mean / w.n
        return True
    # Too large for a sum, or not all are numbers: the mean, as Prometheus comes to it.
    mean = 0
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
    cdef Py_ssize_t n = 0
    while n < w.reset_n and w.resets[n] < w.first + w.n:
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


def over_range(str name, Rows rows, const int64_t[::1] ends, const int64_t[::1] now,
               int64_t range_ms, const double[::1] param, const double[::1] param2,
               Budget budget=None) -> tuple:
    """(values, present) of a function over the windows [end - range, end] of every series.

    ends: the windows' ends; now: the evaluation times; params: one value a step.
    """
    cdef Py_ssize_t count = len(rows.labels), steps = ends.shape[0], row, step, first, end
    cdef Reduce reduce = REDUCERS[<Py_ssize_t>REDUCER_NAMES.index(name)]
    cdef Window w
    if budget is not None:
        budget.hold(count * steps * 9)
    values = np.zeros((count, steps))
    present = np.zeros((count, steps), np.bool_)
    if count == 0 or steps == 0:
        return values, present
    cdef double[:, ::1] out = values
    cdef uint8_t[:, ::1] there = present.view(np.uint8)
    cdef Scratch scratch = Scratch()
    cdef bint resets_wanted = name in ("rate", "increase", "resets")
    cdef bint sorted_wanted = name == "quantile_over_time"
    cdef int summary = SUMMARIES.get(name, -1)
    cdef Selection selection = rows if isinstance(rows, Selection) else None
    w.range_ms = range_ms
    for row in range(count):
        rest()
        if summary >= 0 and selection is not None and over_pieces(
                summary, selection, row, ends, range_ms, &out[row, 0], &there[row, 0]):
            continue
        rows.read(row)
        w.reset_n = 0
        w.resets = NULL
        w.scratch = NULL
        if resets_wanted:
            w.resets = scratch.resets(rows)
            w.reset_n = scratch.reset_n
        if sorted_wanted:
            w.scratch = scratch.room(rows.n)
        with nogil:
            first = end = 0
            for step in range(steps):
                w.end_ms = ends[step]
                end = first_after(rows.t, end, rows.n, w.end_ms)
                first = first_after(rows.t, first, end, w.end_ms - range_ms - 1)
                if first == end:
                    continue
                while w.reset_n and w.resets[0] <= first:
                    w.resets += 1
                    w.reset_n -= 1
                w.first = first
                w.t = rows.t + first
                w.v = rows.v + first
                w.n = end - first
                w.now_ms = now[step]
                w.param = param[step]
                w.param2 = param2[step]
                there[row, step] = reduce(&w, &out[row, step])
    return values, present


cdef class Scratch:
    """Memory that the rows of a query use one after the other."""

    cdef double* values
    cdef Py_ssize_t* positions
    cdef Py_ssize_t values_cap, positions_cap, reset_n

    def __dealloc__(self):
        free(self.values)
        free(self.positions)

    cdef double* room(self, Py_ssize_t n) except NULL:
        """Room for n values."""
        if n > self.values_cap or self.values == NULL:
            self.values = <double*>resized(self.values, max(n, 1024) * sizeof(double))
            self.values_cap = max(n, 1024)
        return self.values

    cdef Py_ssize_t* resets(self, Rows rows) except NULL:
        """Where a row's values fall."""
        cdef Py_ssize_t i
        if rows.n > self.positions_cap or self.positions == NULL:
            self.positions = <Py_ssize_t*>resized(self.positions, max(rows.n, 1024) * sizeof(Py_ssize_t))
            self.positions_cap = max(rows.n, 1024)
        self.reset_n = 0
        for i in range(1, rows.n):
            self.positions[self.reset_n] = i
            self.reset_n += rows.v[i] < rows.v[i - 1]
        return self.positions
