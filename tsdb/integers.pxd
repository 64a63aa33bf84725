from libc.stdint cimport int64_t, uint8_t

# Write n integers (n >= 1) in the form that suits them; returns the byte after them.  FAST tries
# little, SMALL much.  Needs 600 + 11 n bytes of room.
cdef uint8_t* put_integers(const int64_t* x, Py_ssize_t n, uint8_t* p, int level) noexcept nogil

# Read n integers; returns the byte after them, or NULL.
cdef const uint8_t* get_integers(
    const uint8_t* p, const uint8_t* end, int64_t* x, Py_ssize_t n) noexcept nogil

# How the integers at p are written, for people to read.
cdef str integers_form(const uint8_t* p)
