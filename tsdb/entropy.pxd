from libc.stdint cimport int64_t, uint8_t, uint32_t


# How often each class of number occurs.
cdef struct Classes:
    uint32_t[256] count
    Py_ssize_t extra               # bits that stand beside the classes


# Count the classes of n numbers.
cdef void classify(const int64_t* x, Py_ssize_t n, Classes* classes) noexcept nogil

# About how many bytes put_coded would make of n numbers of these classes.
cdef double coded_size(const Classes* classes, Py_ssize_t n) noexcept nogil

# Write n numbers (n >= 1), at most ENTROPY_MAX, of the classes counted; returns the byte after
# them.  Needs 400 + 11 n bytes of room.
cdef uint8_t* put_coded(
    const int64_t* x, Py_ssize_t n, const Classes* classes, uint8_t* p) noexcept nogil

# Read n numbers; returns the byte after them, or NULL.
cdef const uint8_t* get_coded(
    const uint8_t* p, const uint8_t* end, int64_t* x, Py_ssize_t n) noexcept nogil

cdef enum:
    ENTROPY_MAX = 4096
