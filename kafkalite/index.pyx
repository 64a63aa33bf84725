"""The sparse indexes of a segment: offset -> file position, and timestamp -> offset.

    NAME.index        { relative offset int32, position int32 }*            8 bytes each
    NAME.timeindex    { timestamp int64, relative offset int32 }*          12 bytes each

Offsets are relative to the segment's base offset.  Both are hints: an entry says where a scan of
the segment may begin, and a lost file is rebuilt from the segment.  They live in memory and are
written when the segment is rolled, on a timer and at shutdown.

As in Kafka an entry of the offset index is the *last* offset of a batch and the position where that
batch begins, one for every index.interval.bytes of log; one of the time index is the largest
timestamp so far and the last offset of the batch that holds it.

Invariants:
1. Keys grow strictly; values never fall.
"""

from libc.stdint cimport int32_t
from libc.stdlib cimport free, realloc

from bedrock.net.buf cimport Buf
from kafkalite.batch cimport get32, get64, set32, set64

from bedrock.codec.errors import Malformed

OFFSETS_WIDTH = 8
TIMES_WIDTH = 12


cdef class Index:
    """base: the segment's base offset; width: 8 for the offset index, 12 for the time index."""

    def __init__(self, int64_t base, int width):
        if width not in (OFFSETS_WIDTH, TIMES_WIDTH):
            raise ValueError(width)
        self.base = base
        self.width = width

    def __dealloc__(self):
        free(self.entries)

    cdef int add(self, int64_t key, int64_t value) except -1:
        """Append an entry; one whose key is not beyond the last is not needed and left out."""
        cdef Py_ssize_t room
        cdef Entry* moved
        if self.n and (key <= self.entries[self.n - 1].key or
                       value < self.entries[self.n - 1].value):
            return 0
        if self.n == self.room:
            room = self.room * 2 if self.room else 16
            moved = <Entry*>realloc(self.entries, room * sizeof(Entry))
            if moved is NULL:
                raise MemoryError()
            self.entries = moved
            self.room = room
        self.entries[self.n].key = key
        self.entries[self.n].value = value
        self.n += 1
        return 0

    cdef Py_ssize_t at_or_below(self, int64_t key) noexcept:
        """Number of the last entry whose key is <= key, -1 if none."""
        cdef Py_ssize_t low = 0, high = self.n, mid
        while low < high:
            mid = (low + high) >> 1
            if self.entries[mid].key <= key:
                low = mid + 1
            else:
                high = mid
        return low - 1

    cdef Py_ssize_t value_at_or_below(self, int64_t value) noexcept:
        """Number of the last entry whose value is <= value, -1 if none."""
        cdef Py_ssize_t low = 0, high = self.n, mid
        while low < high:
            mid = (low + high) >> 1
            if self.entries[mid].value <= value:
                low = mid + 1
            else:
                high = mid
        return low - 1

    def __len__(self) -> int:
        return self.n

    def __iter__(self):
        for i in range(self.n):
            yield self.entries[i].key, self.entries[i].value

    def save(self, disk, name: str) -> None:
        """Write the entries that the file does not have yet; a first time, all or nothing."""
        cdef Py_ssize_t i
        cdef char* p
        cdef Buf out = Buf()
        if self.saved == self.n:
            return
        for i in range(self.saved, self.n):
            p = out.room(self.width)
            if self.width == 8:
                set32(p, <int32_t>(self.entries[i].key - self.base))
                set32(p + 4, <int32_t>self.entries[i].value)
            else:
                set64(p, self.entries[i].key)
                set32(p + 8, <int32_t>(self.entries[i].value - self.base))
            out.n += self.width
        if self.saved == 0:
            disk.replace(name, bytes(out))
        else:
            with disk.open(name, "rw") as file:
                file.write_at(self.saved * self.width, bytes(out))
        self.saved = self.n

    def load(self, const unsigned char[::1] data not None) -> None:
        """Take the entries of a file; Malformed when they are not what `save` writes."""
        cdef Py_ssize_t at
        cdef int64_t key, value
        cdef const char* p
        if self.n or data.shape[0] % self.width:
            raise Malformed(f"an index of {data.shape[0]} bytes")
        for at in range(0, data.shape[0], self.width):
            p = <const char*>&data[at]
            if self.width == 8:
                key = self.base + <int32_t>get32(p)
                value = <int32_t>get32(p + 4)
            else:
                key = <int64_t>get64(p)
                value = self.base + <int32_t>get32(p + 8)
            if value < 0 or (self.n and (key <= self.entries[self.n - 1].key or
                                         value < self.entries[self.n - 1].value)):
                raise Malformed(f"entry {self.n} of an index runs backwards")
            self.add(key, value)
        self.saved = self.n
