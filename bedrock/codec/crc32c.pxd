from libc.stdint cimport uint32_t

# The checksum of n bytes; `crc` is that of the bytes before them (0 at the start).
cdef uint32_t crc32c_of(const void* p, size_t n, uint32_t crc) noexcept nogil
