from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

from bedrock.net.buf cimport Buf

cdef extern from * nogil:
    uint16_t bswap16 "__builtin_bswap16"(uint16_t)
    uint32_t bswap32 "__builtin_bswap32"(uint32_t)
    uint64_t bswap64 "__builtin_bswap64"(uint64_t)

cdef enum:
    HEADER = 61                    # bytes before the records
    PREFIX = 12                    # bytes before what `length` counts
    CRC_FROM = 21                  # first byte under the checksum
    SMALLEST = HEADER - PREFIX     # least that `length` may say

    CODEC_BITS = 7                 # of the attributes
    APPEND_TIME_BIT = 8
    TRANSACTIONAL_BIT = 16
    CONTROL_BIT = 32
    HORIZON_BIT = 64               # base_timestamp says when tombstones go

    ABORT = 0                      # types of control batches
    COMMIT = 1


cdef struct Header:
    int64_t base_offset
    int64_t total                  # bytes of the whole batch
    int32_t leader_epoch
    int8_t magic
    uint32_t crc
    int16_t attributes
    int32_t last_delta             # offset of the last record - base_offset
    int64_t base_timestamp
    int64_t max_timestamp
    int64_t producer_id            # -1 = not idempotent
    int16_t producer_epoch
    int32_t base_sequence
    int32_t count


cdef inline uint16_t get16(const char* p) noexcept nogil:
    cdef uint16_t raw
    memcpy(&raw, p, 2)
    return bswap16(raw)


cdef inline uint32_t get32(const char* p) noexcept nogil:
    cdef uint32_t raw
    memcpy(&raw, p, 4)
    return bswap32(raw)


cdef inline uint64_t get64(const char* p) noexcept nogil:
    cdef uint64_t raw
    memcpy(&raw, p, 8)
    return bswap64(raw)


cdef inline void set16(char* p, uint16_t value) noexcept nogil:
    value = bswap16(value)
    memcpy(p, &value, 2)


cdef inline void set32(char* p, uint32_t value) noexcept nogil:
    value = bswap32(value)
    memcpy(p, &value, 4)


cdef inline void set64(char* p, uint64_t value) noexcept nogil:
    value = bswap64(value)
    memcpy(p, &value, 8)


# Fill h from the HEADER bytes at p.
cdef void read_header(const char* p, Header* h) noexcept nogil

# Why the h.total bytes at p are no batch of version 2, NULL if they are one; checks the CRC.
cdef const char* fault(const char* p, const Header* h) noexcept nogil

# ABORT or COMMIT and the coordinator's epoch of a valid transaction marker; -1 for another batch.
cdef int read_marker(const char* p, const Header* h, int32_t* coordinator_epoch) noexcept nogil

# Records packed with a codec, 0 to 4.
cdef bytes packed(int codec, bytes body)

# A whole valid batch packed with another codec; Malformed or TooLarge when it cannot be unpacked.
cdef bytes repacked(data, Header* h, int codec)

# The whole batch: a header of `h` (its total and crc are set here), then the packed records.
cdef bytes assemble(Header* h, bytes packed)

# The records of a valid batch, unpacked if they are packed.
cdef object body_of(data, const Header* h, max_bytes)

# Parts of a record: a varint, a field that may be null; Malformed when they end too soon.
cdef int64_t take(const char** at, const char* end) except? -1
cdef object take_blob(const char** at, const char* end)
cdef int put_number(Buf out, int64_t value) except -1
