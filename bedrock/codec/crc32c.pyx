"""CRC-32C: the checksum of Kafka's batches, HDFS' chunks and our own logs.

`crc32c_of` is for Cython (a pointer, no Python call), `crc32c` for Python.  Both go on from an
earlier sum: crc32c(a + b) == crc32c(b, crc32c(a)).  How it is computed is told in crc32c.h; what
the CPU offers is asked once, at import.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize

cdef extern from "bedrock/codec/crc32c.h" nogil:
    void crc32c_prepare()
    uint32_t crc32c_sum(const void* p, size_t n, uint32_t crc)
    uint32_t crc32c_portable(uint32_t crc, const unsigned char* p, size_t n)
    int crc32c_hardware

crc32c_prepare()


cdef uint32_t crc32c_of(const void* p, size_t n, uint32_t crc) noexcept nogil:
    return crc32c_sum(p, n, crc)


def crc32c(const unsigned char[::1] data not None, uint32_t crc=0) -> int:
    """The checksum of `data`, going on from `crc`."""
    return crc32c_sum(&data[0], data.shape[0], crc) if data.shape[0] else crc


def crc32c_chunks(const unsigned char[::1] data not None, Py_ssize_t chunk_bytes) -> bytes:
    """The checksum of each chunk (the last may be short), as big-endian 32-bit words."""
    if chunk_bytes < 1:
        raise ValueError("chunk_bytes must be positive")
    cdef Py_ssize_t n = data.shape[0], at = 0, i = 0
    cdef bytes sums = PyBytes_FromStringAndSize(NULL, (n + chunk_bytes - 1) // chunk_bytes * 4)
    cdef unsigned char* out = <unsigned char*>PyBytes_AS_STRING(sums)
    cdef uint32_t crc
    while at < n:
        crc = crc32c_sum(&data[at], min(chunk_bytes, n - at), 0)
        out[i] = crc >> 24
        out[i + 1] = (crc >> 16) & 0xFF
        out[i + 2] = (crc >> 8) & 0xFF
        out[i + 3] = crc & 0xFF
        at += chunk_bytes
        i += 4
    return sums


def crc32c_without_hardware(const unsigned char[::1] data not None, uint32_t crc=0) -> int:
    """What `crc32c` computes on a CPU without the instructions: for the test of that path."""
    return ~crc32c_portable(~crc, &data[0], data.shape[0]) if data.shape[0] else crc
