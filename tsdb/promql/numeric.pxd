"""Sums with compensation, and searching sorted times: inlined where they are used."""

from libc.math cimport fabs
from libc.stdint cimport int64_t


cdef inline void kahan(double x, double* sum, double* c) noexcept nogil:
    """Add x to a sum, and what the sum could not hold to c (Kahan, Neumaier)."""
    cdef double t = sum[0] + x
    if fabs(sum[0]) >= fabs(x):
        c[0] += (sum[0] - t) + x
    else:
        c[0] += (x - t) + sum[0]
    sum[0] = t


cdef inline Py_ssize_t first_after(const int64_t* t, Py_ssize_t at, Py_ssize_t n,
                                   int64_t x) noexcept nogil:
    """The first of t[at:n] that is greater than x: near mostly, so strides grow, then halve."""
    cdef Py_ssize_t stride = 1, low = at, high, middle
    while low + stride <= n and t[low + stride - 1] <= x:
        low += stride
        stride *= 2
    high = min(low + stride - 1, n)
    while low < high:
        middle = (low + high) >> 1
        if t[middle] <= x:
            low = middle + 1
        else:
            high = middle
    return low
