"""holt_winters(): how a series of values, one a window, is likely to go on.

Damped multiplicative Holt-Winters, as InfluxDB has it.  With a season of m windows:

    level   l[t] = a y[t] / s[t-m]            + (1 - a) (l[t-1] + p b[t-1])
    trend   b[t] = b (l[t] - l[t-1])          + (1 - b) p b[t-1]
    season  s[t] = g y[t] / (l[t-1] + p b[t-1]) + (1 - g) s[t-m]
    value   y[t+1] = (l[t] + P b[t]) s        P = p + p + p^2 + p^3 ...

y[t] is what was forecast, not what was measured: the whole curve follows from its parameters, the
factors a, b, g, p in [0, 1], the first level and trend, and the first season.  They are found by
Nelder and Mead's simplex, begun from 16 guesses of the factors; the least sum of squared errors wins.

Shape of parameters: [a, b, g, p, level, trend, season ...].
"""

import numpy as np

from libc.math cimport INFINITY, NAN, isnan, pow, sqrt

from bedrock.world.slices cimport rest

GUESSES = (0.3, 0.7)               # of each factor
cdef enum:
    FACTORS = 4
    ITERATIONS_MAX = 1000
cdef double CONVERGED = 1e-4       # spread of the errors at the simplex's corners


cdef class Curve:
    """Measured values, one a window, NaN where there is none; season 0 = there is none."""

    cdef double[::1] y
    cdef Py_ssize_t season
    cdef double[::1] seasons       # the last ones, as a ring
    cdef double[::1] made          # the forecast

    def __init__(self, double[::1] y, Py_ssize_t season, Py_ssize_t ahead):
        self.y = y
        self.season = season
        self.seasons = np.empty(season)
        self.made = np.empty(len(y) + ahead)

    cdef void forecast(self, double* x, Py_ssize_t n) noexcept nogil:
        """Fill `made` up to n; x is brought within its bounds."""
        cdef Py_ssize_t t, m = self.season, turn = m - 1
        cdef double y = self.y[0], level = x[4], trend = x[5], phi, damping, before, last
        cdef double was = 1, then = 1
        for t in range(FACTORS):
            x[t] = min(max(x[t], 0), 1)
        phi = damping = x[3]
        for t in range(m):
            self.seasons[t] = x[6 + t]
        self.made[0] = y
        for t in range(1, n):
            if m:
                was = self.seasons[(t - m + turn) % m]
                then = self.seasons[(t - m + t % m + turn) % m]
            last = level
            before = level + phi * trend
            level = x[0] * (y / was) + (1 - x[0]) * before
            if m:
                self.seasons[(t + turn) % m] = x[2] * (y / before) + (1 - x[2]) * was
                turn += 1
            trend = x[1] * (level - last) + (1 - x[1]) * phi * trend
            y = (level + damping * trend) * then
            damping += pow(phi, t)
            self.made[t] = y

    cdef double error(self, double[::1] x) noexcept nogil:
        """The sum of squared errors."""
        cdef Py_ssize_t i
        cdef double total = 0, off
        self.forecast(&x[0], self.y.shape[0])
        for i in range(self.y.shape[0]):
            if isnan(self.y[i]):
                continue
            if isnan(self.made[i]):
                return INFINITY
            off = self.made[i] - self.y[i]
            total += off * off
        return total


cdef double least(Curve curve, double[::1] x):
    """Nelder and Mead's search from x, which becomes the best found; returns its error."""
    cdef Py_ssize_t n = x.shape[0], i, j, worst, best, second
    cdef double near = (sqrt(n + 1.0) - 1) / (n * sqrt(2.0)), far = near + 1 / sqrt(2.0)
    cdef double tried, farther, mean, spread
    cdef double[:, ::1] corner = np.empty((n + 1, n))
    cdef double[::1] error = np.empty(n + 1), middle = np.empty(n)
    cdef double[::1] mirrored = np.empty(n), other = np.empty(n)
    for i in range(n + 1):
        for j in range(n):
            corner[i, j] = x[j] + (0 if i == 0 else far if i - 1 == j else near)
    for i in range(n + 1):
        error[i] = curve.error(corner[i])
    for _ in range(ITERATIONS_MAX):
        rest()
        worst = best = 0
        for i in range(n + 1):
            if error[i] > error[worst]:
                worst = i
            if error[i] < error[best]:
                best = i
        second = best
        for i in range(n + 1):
            if error[second] < error[i] < error[worst]:
                second = i
        for j in range(n):
            middle[j] = 0
            for i in range(n + 1):
                if i != worst:
                    middle[j] += corner[i, j]
            middle[j] /= n
            mirrored[j] = middle[j] + (middle[j] - corner[worst, j])
        tried = curve.error(mirrored)
        if error[best] <= tried < error[second]:
            corner[worst, :] = mirrored
            error[worst] = tried
        if tried < error[best]:
            for j in range(n):
                other[j] = middle[j] + 2 * (mirrored[j] - middle[j])
            farther = curve.error(other)
            corner[worst, :] = other if farther < tried else mirrored
            error[worst] = min(farther, tried)
        if tried >= error[second]:
            for j in range(n):
                other[j] = middle[j] + 0.5 * (
                    (mirrored[j] if tried < error[worst] else corner[worst, j]) - middle[j])
            farther = curve.error(other)
            if farther < error[worst]:
                corner[worst, :] = other
                error[worst] = farther
            else:
                for i in range(n + 1):
                    if i != best:
                        for j in range(n):
                            corner[i, j] = corner[best, j] + (corner[i, j] - corner[best, j]) / 2
                error[worst] = curve.error(corner[worst])
                error[second] = curve.error(corner[second])
        mean = 0
        for i in range(n + 1):
            mean += error[i]
        mean /= n + 1
        spread = 0
        for i in range(n + 1):
            spread += (error[i] - mean) * (error[i] - mean) / n
        if sqrt(spread) < CONVERGED:
            break
    best = 0
    for i in range(n + 1):
        if error[i] < error[best]:
            best = i
    x[:] = corner[best]
    return curve.error(x)


def holt_winters(double[::1] y, Py_ssize_t ahead, Py_ssize_t season) -> np.ndarray:
    """The curve that fits the values best, and as many more as are asked for.

    y: at least 2 values, and a season's; the first is not NaN.  season: in windows; below 2: none.
    """
    cdef Py_ssize_t i, m = season if season >= 2 else 0
    cdef double level = 0, trend = 0, found, lowest = INFINITY
    cdef Curve curve = Curve(y, m, ahead)
    cdef double[::1] guess = np.zeros(FACTORS + 2 + m), best = None
    for i in range(m):
        if not isnan(y[i]):
            level += y[i] / m
        if m + i < y.shape[0] and not isnan(y[i]) and not isnan(y[m + i]):
            trend += (y[m + i] - y[i]) / (m * m)
    if not m:
        level = 0.5 * y[0]
        trend = 0 if isnan(y[1]) else y[1] - y[0]
    guess[4] = level
    guess[5] = trend
    for i in range(m):
        guess[6 + i] = 0 if isnan(y[i]) else y[i] / level if level else NAN
    factors = np.array(np.meshgrid(*[GUESSES] * FACTORS, indexing="ij")).reshape(FACTORS, -1).T
    for factor in factors:
        tried = np.array(guess)
        tried[:FACTORS] = factor
        found = least(curve, tried)
        if best is None or found < lowest:
            lowest = found
            best = tried
    curve.forecast(&best[0], y.shape[0] + ahead)
    return np.array(curve.made)
