"""A file of the record log: how its bytes lie, and how they are read back.

A log is one row of bytes; a position counts from its beginning and never changes its meaning.  A
segment is the stretch of it that lies in one file, named by the position of its first byte
(`00000000000000000000.log`).  Numbers are little-endian.

    segment   0  magic     8   "bedrklog"
              8  log id    8   drawn when the log was made
             16  base      8   position of this file's first byte
             24  version   4   1
             28  head sum  4   CRC-32C of the 28 bytes before
             32  records

    record    0  length    4   of the payload
              4  back      4   distance from this record to the start of its batch
              8  body sum  4   CRC-32C of the payload
             12  head sum  4   CRC-32C of (position 8, log id 8, length, back, body sum)
             16  payload       then zeros up to a multiple of 8

The head sum covers where the record lies and whose it is.  So a record that a disk wrote to the
wrong place, or that stands in a recycled block, is never taken for one of ours.

`back` tells how far the log was durable when the record was written: everything before
`position - back`.  That settles what a bad record means.  If a later head in the file proves that
the bad place had been durable, the disk lost it: damage.  If none does, the bad record belongs to
the last batch, which may never have been acknowledged: a torn tail.  (When the last batch was
acknowledged and destroyed afterwards, nothing can tell; a log without an end mark has that price.)

A worked example in hex: docs/formats/recordlog.md.
"""

from libc.stdlib cimport free, malloc
from libc.string cimport memcmp, memcpy, memset

from cpython.bytes cimport PyBytes_FromStringAndSize

from bedrock.codec.crc32c cimport crc32c_of

cdef enum:
    WINDOW = 256 << 10                 # bytes read at a time
    VERSION = 1

cdef char* MAGIC = b"bedrklog"


cdef struct SegmentHead:
    char[8] magic
    uint64_t log_id
    int64_t base
    uint32_t version
    uint32_t head_sum


cdef uint32_t record_sum(const RecordHead* head, int64_t position, uint64_t log_id) noexcept:
    cdef uint64_t[2] place
    place[0] = <uint64_t>position
    place[1] = log_id
    return crc32c_of(head, 12, crc32c_of(place, 16, 0))


cdef void seal(char* record, size_t n, uint32_t back, int64_t position, uint64_t log_id) noexcept:
    cdef RecordHead head
    head.length = <uint32_t>n
    head.back = back
    head.body_sum = crc32c_of(record + RECORD_HEAD, n, 0)
    head.head_sum = record_sum(&head, position, log_id)
    memcpy(record, &head, RECORD_HEAD)
    memset(record + RECORD_HEAD + n, 0, record_size(n) - RECORD_HEAD - n)


cdef bytes segment_head(int64_t base, uint64_t log_id):
    cdef SegmentHead head
    memcpy(head.magic, MAGIC, 8)
    head.log_id = log_id
    head.base = base
    head.version = VERSION
    head.head_sum = crc32c_of(&head, 28, 0)
    return PyBytes_FromStringAndSize(<char*>&head, SEGMENT_HEAD)


cdef class SegmentReader:
    """Reads one segment from its start, a window at a time.

    Invariants:
    1. `at` is a multiple of 8, and every record before it is intact.
    2. A record's bytes are read only after its head sum held and its length fitted the file, so
       damage cannot make the reader take memory.
    """

    def __cinit__(self, File file, int64_t base):
        self.file = file
        self.base = base
        self.size = file.size()
        self.at = self.batch = SEGMENT_HEAD
        self.window = NULL

    def __dealloc__(self):
        free(self.window)

    cdef const char* see(self, int64_t offset, size_t n) except NULL:
        """The n bytes at offset, which lie within the file."""
        if not (self.window_at <= offset and
                offset + <int64_t>n <= self.window_at + <int64_t>self.window_n):
            if self.cap < n or self.window == NULL:
                free(self.window)
                self.cap = max(n, <size_t>WINDOW)
                self.window = <char*>malloc(self.cap)
                if self.window == NULL:
                    self.cap = 0
                    raise MemoryError
            self.window_n = 0
            self.window_n = self.file.read_into(self.window, self.cap, offset)
            self.window_at = offset
            if self.window_n < n:
                raise EOFError(f"{self.file.name} is shorter than its size")
        return self.window + (offset - self.window_at)

    cdef bint head(self) except -1:
        """True if the segment's own head is intact; sets `log_id`."""
        cdef const SegmentHead* head
        if self.size < SEGMENT_HEAD:
            return False
        head = <const SegmentHead*>self.see(0, SEGMENT_HEAD)
        if (memcmp(head.magic, MAGIC, 8) != 0 or head.version != VERSION
                or head.base != self.base or head.head_sum != crc32c_of(head, 28, 0)):
            return False
        self.log_id = head.log_id
        return True

    cdef bint head_at(self, int64_t offset, RecordHead* head) except -1:
        """True if an intact record head lies at offset and its record fits the file."""
        if offset + RECORD_HEAD > self.size:
            return False
        memcpy(head, self.see(offset, RECORD_HEAD), RECORD_HEAD)
        return (
            record_size(head.length) <= <size_t>(self.size - offset)
            and head.back <= offset - SEGMENT_HEAD
            and head.head_sum == record_sum(head, self.base + offset, self.log_id)
        )

    cdef bint step(self) except -1:
        """Go to the next record; False at the first place that holds no intact one."""
        cdef RecordHead head
        cdef const char* record
        if not self.head_at(self.at, &head):
            return False
        record = self.see(self.at, record_size(head.length))
        if crc32c_of(record + RECORD_HEAD, head.length, 0) != head.body_sum:
            return False
        self.record = self.at
        self.batch = self.at - head.back
        self.payload = record + RECORD_HEAD
        self.n = head.length
        self.at += record_size(head.length)
        return True

    cdef int64_t proof(self) except -2:
        """Offset of a later head whose batch began after `at`, so that `at` was durable; or -1."""
        cdef RecordHead head
        cdef int64_t offset = self.at + 8
        while offset + RECORD_HEAD <= self.size:
            if self.head_at(offset, &head) and offset - <int64_t>head.back > self.at:
                return offset
            offset += 8
        return -1
