"""A snapshot of the log engine: the records alive at one moment, read in the order they lie.

A position says whether a record belongs to it: nothing before the log's end at that moment changes
any more, and cleaning up waits until the walk is over.  The directory says whether it is alive.

    segments  | ---- walked ---- | at ......... moment | written since: not part of it |
                                     └ about to be replaced: written now, dead when the walk comes

Values go as they lie: a hash is in its record as it is in an RDB file.

Invariant: a record between `at` and `moment` that was alive at the moment still is, or is written.
"""

from libc.stdint cimport uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

from bedrock.net.buf cimport Buf
from kvstore.directory cimport Directory
from kvstore.engine cimport Store
from kvstore.log_engine cimport HEAD, LogEngine, RecordWalk, segment_name
from kvstore.rdb cimport (
    OP_EXPIRE_MS, OP_RESIZE, OP_SELECT, RDB_STRING, put_byte, put_length, put_text,
)
from kvstore.resp import ReplyError


cdef class LogWalk(RecordWalk):
    """The walk through all databases of a log engine."""

    def __init__(self, LogEngine engine not None):
        self.out = Buf()
        self.engine = engine
        self.directories = list(engine.directories)
        self.sizes = [(<Directory>directory).used for directory in self.directories]
        self.segments = list(engine.log.segments)
        self.moment = engine.log.end
        self.db = -1

    cdef int leave(self, Store store) except -1:
        self.close_file()
        if self.engine.walk is self:
            self.engine.walk = None
        return 0

    cdef int close_file(self) except -1:
        if self.file is not None:
            self.file.close()
            self.file = self.reader = None
        return 0

    cdef int before_change(self, int64_t position, const char* payload, Py_ssize_t n) except -1:
        return self.put(payload, n) if self.at <= position < self.moment else 0

    cdef bint step(self, size_t count) except -1:
        """Look at some more records; False at the end."""
        cdef int64_t base
        while count:
            if self.reader is None and not self.open_next():
                return False
            base = self.reader.base
            if base + self.reader.at >= self.moment:
                self.close_file()
                self.segments.clear()
                return False
            if not self.reader.step():
                if self.reader.at < self.reader.size:
                    raise ReplyError(f"ERR {self.file.name} has a bad record at {self.reader.at}")
                self.close_file()
                self.segments.pop(0)
                continue
            if self.is_alive(base + self.reader.record, self.reader.payload):
                self.put(self.reader.payload, self.reader.n)
            self.at = base + self.reader.at
            count -= 1
        return True

    cdef bint open_next(self) except -1:
        if not self.segments:
            return False
        self.file = self.engine.disk.open(segment_name(self.segments[0]))
        self.reader = SegmentReader(self.file, self.segments[0])
        if not self.reader.head():
            raise ReplyError(f"ERR {self.file.name} has a bad head")
        return True

    cdef bint is_alive(self, int64_t position, const char* payload) except -1:
        cdef uint16_t index
        cdef uint32_t length
        cdef int64_t slot = 0
        cdef uint64_t h
        cdef Directory directory
        if payload[0] != c"s" and payload[0] != c"h":
            return False
        memcpy(&index, payload + 1, 2)
        memcpy(&length, payload + 11, 4)
        directory = self.directories[index]
        h = self.engine.hash(payload + HEAD, length)
        return directory.has(h, position, &slot)

    cdef int put(self, const char* payload, Py_ssize_t n) except -1:
        """A record as a key of an RDB file."""
        cdef uint16_t index
        cdef uint32_t length
        cdef int64_t deadline
        cdef const char* value
        memcpy(&index, payload + 1, 2)
        memcpy(&deadline, payload + 3, 8)
        memcpy(&length, payload + 11, 4)
        value = payload + HEAD + length
        n -= HEAD + length
        if index != self.db:
            self.db = index
            put_byte(self.out, OP_SELECT)
            put_length(self.out, index)
            if self.sizes[index]:
                put_byte(self.out, OP_RESIZE)
                put_length(self.out, self.sizes[index])
                put_length(self.out, 0)
                self.sizes[index] = 0
        if deadline >= 0:
            put_byte(self.out, OP_EXPIRE_MS)
            self.out.put(<const char*>&deadline, 8)
        self.written += 1
        if payload[0] == c"s":
            put_byte(self.out, RDB_STRING)
            put_text(self.out, payload + HEAD, length)
            return put_text(self.out, value, n)
        self.out.put(value, 1)
        put_text(self.out, payload + HEAD, length)
        return self.out.put(value + 1, n - 1)
