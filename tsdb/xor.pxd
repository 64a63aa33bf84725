from libc.stdint cimport uint8_t

# Write n values, n >= 1; returns the byte after them.  Needs 8 + 10 n bytes of room.
cdef uint8_t* put_xor(const double* v, Py_ssize_t n, uint8_t* p) noexcept nogil

# Read n values; returns the byte after them, or NULL.
cdef const uint8_t* get_xor(
    const uint8_t* p, const uint8_t* end, double* v, Py_ssize_t n) noexcept nogil
