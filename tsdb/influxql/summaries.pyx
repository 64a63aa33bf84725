"""Summaries: the windows of groups of series as count, sum, least, most, first and last.

    group g, window w  ->  a Summary of all points of the group's series in [first[w], end[w])

Chunks know their count, sum, least and most: one that lies within a window is taken as a whole, as
long as nobody asks when one of its points was.  All others are decoded, once.

Shapes: group_of[rows]; firsts[windows] and ends[windows] (ms, rising, not overlapping);
what is told of them [groups, windows], NaN where no point is.
"""

import numpy as np

from libc.math cimport INFINITY, NAN, fabs, isnan
from libc.stdint cimport int64_t
from libc.stdlib cimport calloc, free

from bedrock.world.slices cimport rest
from tsdb.promql.numeric cimport kahan
from tsdb.selection cimport Piece, Selection

cdef double TRUSTED = 1e15         # a chunk's sum is taken for its points' up to there


cdef struct Summary:
    Py_ssize_t count
    double sum, c                  # Kahan's: the sum is both together
    double least, most, first, last
    int64_t least_at, most_at, first_at, last_at


cdef inline void take(Summary* s, int64_t t, double v) noexcept nogil:
    """One more point.  Of several at one time the largest is first, and last."""
    if isnan(v):
        return
    kahan(v, &s.sum, &s.c)
    if s.count == 0 or v < s.least or (v == s.least and t < s.least_at):
        s.least = v
        s.least_at = t
    if s.count == 0 or v > s.most or (v == s.most and t < s.most_at):
        s.most = v
        s.most_at = t
    if s.count == 0 or t < s.first_at or (t == s.first_at and v > s.first):
        s.first = v
        s.first_at = t
    if s.count == 0 or t > s.last_at or (t == s.last_at and v > s.last):
        s.last = v
        s.last_at = t
    s.count += 1


cdef inline void take_all(Summary* s, const Piece* piece) noexcept nogil:
    """All points of a chunk, of which neither the first nor the last counts."""
    kahan(piece.total, &s.sum, &s.c)
    s.least = min(s.least, piece.least) if s.count else piece.least
    s.most = max(s.most, piece.most) if s.count else piece.most
    if s.count == 0:
        s.first_at = piece.first
        s.last_at = piece.last
    s.count += piece.count


cdef class Summaries:
    """Those of the windows [first, end) of some groups.

    timed: the times of the least and most are asked for
    ends:  the first and last point are
    """

    cdef Summary* all
    cdef readonly Py_ssize_t groups, windows
    cdef const int64_t[::1] firsts, ends
    cdef bint timed, first_and_last

    def __init__(self, Py_ssize_t groups, const int64_t[::1] firsts, const int64_t[::1] ends,
                 bint timed, bint first_and_last):
        self.groups = groups
        self.windows = firsts.shape[0]
        self.firsts = firsts
        self.ends = ends
        self.timed = timed
        self.first_and_last = first_and_last
        self.all = <Summary*>calloc(max(1, groups * self.windows), sizeof(Summary))
        if self.all == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.all)

    def add(self, Selection rows, const int64_t[::1] group_of) -> None:
        """Take the points of all rows."""
        cdef Py_ssize_t row
        for row in range(group_of.shape[0]):
            rest()
            self.add_row(rows, row, self.all + group_of[row] * self.windows)

    cdef int add_row(self, Selection rows, Py_ssize_t row, Summary* into) except -1:
        cdef Py_ssize_t n = rows.split(row), p, w = 0
        cdef Piece* piece
        if n == 0:
            rows.read(row)
            self.add_points(into, 0, rows.t, rows.v, rows.n)
            return 0
        for p in range(n):
            piece = &rows.pieces[p]
            while w < self.windows and self.ends[w] <= piece.first:
                w += 1
            if w == self.windows:
                break
            if self.whole(into + w, w, piece, p + 1 < n and piece[1].first < self.ends[w]):
                take_all(into + w, piece)
                continue
            if piece.at < 0:
                rows.decode(row, piece)
            self.add_points(into, w, rows.scratch.t + piece.at, rows.scratch.v + piece.at, piece.n)
        return 0

    cdef bint whole(self, const Summary* s, Py_ssize_t w, const Piece* piece,
                    bint followed) noexcept nogil:
        """Whether a chunk may be taken as it is; followed: the next one is of this window too."""
        if self.timed or piece.first < self.firsts[w] or piece.last >= self.ends[w]:
            return False
        if not (fabs(piece.least) < TRUSTED and fabs(piece.most) < TRUSTED
                and fabs(piece.total) < INFINITY):
            return False
        return not self.first_and_last or s.count and s.first_at < piece.first and (
            followed or s.last_at > piece.last)

    cdef void add_points(self, Summary* into, Py_ssize_t w, const int64_t* t, const double* v,
                         Py_ssize_t n) noexcept nogil:
        cdef Py_ssize_t i
        for i in range(n):
            while w < self.windows and self.ends[w] <= t[i]:
                w += 1
            if w == self.windows:
                return
            if t[i] >= self.firsts[w]:
                take(into + w, t[i], v[i])

    def told(self, str name) -> tuple:
        """(times, values) of count, sum, mean, spread, least, most, first or last.

        Times are those of the points that were picked, of sums 0.
        """
        cdef Py_ssize_t i, n = self.groups * self.windows
        cdef int kind = ("count", "sum", "mean", "spread", "min", "max", "first", "last").index(
            name)
        cdef Summary* s
        values = np.full((self.groups, self.windows), NAN)
        times = np.zeros((self.groups, self.windows), np.int64)
        cdef double[::1] out = values.reshape(-1)
        cdef int64_t[::1] at = times.reshape(-1)
        for i in range(n):
            s = self.all + i
            if s.count == 0:
                continue
            if kind == 0:
                out[i] = s.count
            elif kind <= 2:
                out[i] = s.sum + s.c
                if kind == 2:
                    out[i] /= s.count
            elif kind == 3:
                out[i] = s.most - s.least
            elif kind == 4:
                out[i], at[i] = s.least, s.least_at
            elif kind == 5:
                out[i], at[i] = s.most, s.most_at
            elif kind == 6:
                out[i], at[i] = s.first, s.first_at
            else:
                out[i], at[i] = s.last, s.last_at
        return times, values
