"""CRC-64 with Jones' polynomial, the checksum of RDB files and DUMP payloads.

Reflected, initial value and final xor 0; eight tables take eight bytes a step.
"""

cdef extern from "string.h" nogil:
    void* memcpy(void* into, const void* source, size_t n)

cdef enum:
    TABLES = 8

cdef uint64_t[TABLES][256] table


cdef int fill() except -1:
    cdef uint64_t crc
    cdef int i, k, _bit
    for i in range(256):
        crc = i
        for _bit in range(8):
            crc = crc >> 1 ^ (0x95AC9329AC4BC9B5 if crc & 1 else 0)
        table[0][i] = crc
    for k in range(1, TABLES):
        for i in range(256):
            table[k][i] = table[k - 1][i] >> 8 ^ table[0][table[k - 1][i] & 255]
    return 0


fill()


cdef uint64_t crc64_of(const char* p, size_t n, uint64_t crc) noexcept nogil:
    cdef uint64_t word
    while n >= 8:
        memcpy(&word, p, 8)
        crc ^= word
        crc = table[7][crc & 255] ^ table[6][crc >> 8 & 255] ^ table[5][crc >> 16 & 255] \
            ^ table[4][crc >> 24 & 255] ^ table[3][crc >> 32 & 255] ^ table[2][crc >> 40 & 255] \
            ^ table[1][crc >> 48 & 255] ^ table[0][crc >> 56]
        p += 8
        n -= 8
    while n:
        crc = crc >> 8 ^ table[0][(crc ^ <unsigned char>p[0]) & 255]
        p += 1
        n -= 1
    return crc


def crc64(const unsigned char[::1] data not None, uint64_t crc=0) -> int:
    """The checksum of `data`, going on from `crc`."""
    return crc64_of(<const char*>&data[0], data.shape[0], crc) if data.shape[0] else crc
