from libc.stdint cimport int64_t, uint8_t

from bedrock.world.disk cimport File
from tsdb.columns cimport Columns


cdef class BlockWriter:
    cdef readonly str name
    cdef object disk
    cdef File file
    cdef bytearray table           # the series table, as it grows
    cdef list keys
    cdef bytearray chunks          # of the series being written, and what is not in the file yet
    cdef int64_t offset            # where `chunks` goes in the file
    cdef int64_t first, last
    cdef readonly int64_t samples


cdef class Block:
    cdef readonly str name
    cdef readonly int64_t first, last      # timestamps
    cdef readonly int64_t samples
    cdef readonly dict meta
    cdef File file
    cdef object disk
    cdef readonly list keys                # canonical, sorted; None until the index is loaded
    cdef object loaded_postings
    cdef list labels                       # decoded Labels, or None, by series number
    cdef int64_t[::1] offsets              # of a series' chunks; one more at the end
    cdef unsigned int[::1] sums            # CRC-32C of a series' chunks
    cdef int64_t[::1] starts               # series i has chunks starts[i] .. starts[i + 1]
    cdef int64_t[::1] chunk_first
    cdef int64_t[::1] chunk_last
    cdef int64_t[::1] chunk_size
    cdef bytearray scratch

    cpdef load(self)
