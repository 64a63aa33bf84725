from libc.stdint cimport int64_t, uint8_t

cdef enum:
    CHUNK_SAMPLES_MAX = 4096   # most samples a chunk holds
    CHUNK_SLACK = 8            # bytes past the end of a chunk that a decoder may load (not use)
    FAST = 0                   # levels of chunk_encode: for the head, which is soon written anew,
    SMALL = 1                  # for blocks, which are written once and kept,
    COLD = 2                   # and for those that are old, with zstd tried as well

# Bytes that are always enough for n samples, slack included.
cdef Py_ssize_t chunk_bound(Py_ssize_t n) noexcept nogil

# Encode n samples (1 <= n <= CHUNK_SAMPLES_MAX) to out; returns the chunk's size in bytes.
cdef Py_ssize_t chunk_encode(
    const int64_t* t, const double* v, Py_ssize_t n, uint8_t* out, int level) noexcept nogil

# Samples in the chunk, or -1 if its head is damaged.
cdef Py_ssize_t chunk_count(const uint8_t* p, Py_ssize_t size) noexcept nogil

# Decode to t and v, which have room for chunk_count samples; returns that count, or -1.
cdef Py_ssize_t chunk_decode(
    const uint8_t* p, Py_ssize_t size, int64_t* t, double* v) noexcept nogil
