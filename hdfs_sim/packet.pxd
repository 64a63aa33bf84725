from libc.stdint cimport int32_t, int64_t, uint32_t

cdef enum:
    CHUNK = 512                    # bytes that one checksum covers
    SUM = 4                        # bytes of a checksum
    PREFIX = 6                     # payload length and header length
    HEADER_MAX = 27                # of the headers we write


cdef struct Packet:
    int64_t offset                 # of the data in its block
    int64_t seqno
    bint last                      # the block ends here
    bint sync                      # make it durable before the ack
    int32_t data_n
    int32_t sums_n
    const char* sums
    const char* data


# Read the packet at p.  Returns its size; 0 if more bytes are needed (`need` says how many in all,
# if that is known yet); -1 if it is not a packet.
cdef Py_ssize_t parse_packet(const char* p, size_t n, Packet* k, size_t* need) noexcept nogil

# Write prefix and header of a packet; returns the bytes written.
cdef size_t put_packet_head(
    char* into, int64_t offset, int64_t seqno, bint last, bint sync, uint32_t sums_n,
    uint32_t data_n
) noexcept nogil

# Checksums of n bytes that begin at a chunk's start, big-endian, one for each begun chunk.
cdef void put_sums(const char* data, size_t n, char* into) noexcept nogil

# Index of the first chunk whose checksum differs, -1 if none does.
cdef Py_ssize_t first_bad_chunk(const char* data, size_t n, const char* sums) noexcept nogil

cdef uint32_t get_u32(const char* p) noexcept nogil
cdef void put_u32(char* p, uint32_t v) noexcept nogil


cdef inline size_t chunks_of(size_t n) noexcept nogil:
    return (n + CHUNK - 1) // CHUNK
