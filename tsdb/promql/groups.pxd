cdef double quantile_of(double q, double* v, Py_ssize_t n) noexcept nogil
