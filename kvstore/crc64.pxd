from libc.stdint cimport uint64_t

# The checksum of n bytes; `crc` is that of the bytes before them (0 at the start).
cdef uint64_t crc64_of(const char* p, size_t n, uint64_t crc) noexcept nogil
