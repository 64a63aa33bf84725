from libc.stdint cimport int64_t

from bedrock.net.buf cimport Buf
from bedrock.world.disk cimport File
from kafkalite.batch cimport Header
from kafkalite.index cimport Index
from kafkalite.producers cimport Producers


cdef class Scanner:
    cdef readonly File file
    cdef readonly int64_t position     # of the next batch
    cdef readonly int64_t limit        # bytes of the file that count
    cdef readonly str why              # what ended the scan, None for the limit
    cdef Buf buf
    cdef int64_t buf_at                # position of the first byte in buf

    # The next whole batch, its header in h; NULL at the end or at what is no batch.
    cdef const char* next(self, Header* h) except? NULL
    cdef const char* have(self, Py_ssize_t n) except? NULL


cdef class Segment:
    cdef readonly object disk
    cdef readonly str partition        # "topic-partition", for messages
    cdef readonly str name             # 20 digits, without a suffix
    cdef readonly int64_t base         # first offset it may hold
    cdef readonly int64_t next_offset  # after the last one it holds
    cdef readonly int64_t size         # bytes, those not written yet included
    cdef readonly int64_t max_timestamp
    cdef readonly int64_t created_ms
    cdef readonly File file
    cdef readonly bint synced          # nothing was written since the last sync
    cdef bint gaps                     # offsets need not be dense
    cdef readonly bint sealed          # it will not change any more

    cdef int64_t allocated
    cdef int64_t unindexed             # bytes since the last index entry
    cdef int64_t interval              # index.interval.bytes
    cdef int64_t max_timestamp_offset
    cdef readonly Index offsets, times
    cdef readonly object aborted       # AbortedIndex

    cdef int reserve(self, int64_t n) except -1
    cdef int note(self, const Header* h, int64_t base_offset) except -1
    cdef int learn(self, const char* p, const Header* h, Producers producers) except -1
    cdef int header_at(self, int64_t position, Header* h) except -1
    cdef int check_header(self, const char* p, int64_t n, int64_t position, Header* h) except -1
    cdef int64_t locate(self, int64_t offset) except -1
    cdef int64_t cut(self, int64_t start, int64_t max_bytes, int64_t limit) except -1
