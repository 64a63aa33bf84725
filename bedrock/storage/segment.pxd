from libc.stdint cimport int64_t, uint32_t, uint64_t

from bedrock.world.disk cimport File

cdef enum:
    SEGMENT_HEAD = 32
    RECORD_HEAD = 16


cdef struct RecordHead:
    uint32_t length
    uint32_t back
    uint32_t body_sum
    uint32_t head_sum


# Bytes that a record of n payload bytes takes: head, payload, padding to a multiple of 8.
cdef inline size_t record_size(size_t n) noexcept nogil:
    return (RECORD_HEAD + n + 7) & ~<size_t>7


# Fill the head of a record and the padding behind its payload, which is in place already.
cdef void seal(char* record, size_t n, uint32_t back, int64_t position, uint64_t log_id) noexcept

cdef bytes segment_head(int64_t base, uint64_t log_id)


cdef class SegmentReader:
    cdef readonly File file
    cdef readonly int64_t base     # position of the file's first byte
    cdef readonly int64_t size     # of the file
    cdef readonly uint64_t log_id
    cdef readonly int64_t at       # offset of the record that `step` looks at next
    cdef int64_t record            # offset of the record that `step` found
    cdef int64_t batch             # offset of the first record of its batch
    cdef const char* payload       # of that record; valid until the next call
    cdef size_t n
    cdef char* window
    cdef size_t cap
    cdef int64_t window_at         # offset of the window's first byte
    cdef size_t window_n

    cdef const char* see(self, int64_t offset, size_t n) except NULL
    cdef bint head(self) except -1
    cdef bint head_at(self, int64_t offset, RecordHead* head) except -1
    cdef bint step(self) except -1
    cdef int64_t proof(self) except -2
