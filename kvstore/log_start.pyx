"""The log engine's start: learning where everything is.

    directory file?  ─► each part as of some position ─┐
    each segment     ─► hint, or the records           ┴─► what happened since, in order

Invariants:
1. A hint without its checksum counts for nothing: the segment is read instead.
2. What happened to a part before it was written down is not done to it again.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

from bedrock.codec.crc32c cimport crc32c_of
from bedrock.storage.errors import Damaged
from bedrock.storage.segment cimport SegmentReader
from kvstore.directory cimport PARTS, Directory
from kvstore.log_directory cimport Writing, Written
from kvstore.log_engine cimport HEAD, LogEngine, hint_name, segment_name

cdef enum:
    HINT = 15                      # bytes of a hint before the key
    AHEAD = 16                     # keys of a hint that are looked at in advance


cdef class Start:
    """What is done once, before the first request."""

    cdef LogEngine engine
    cdef Written written           # what the file of the directory said
    cdef int64_t since             # what happened before was written down, for all parts
    cdef uint64_t learned          # records

    def __init__(self, LogEngine engine not None):
        self.engine = engine
        self.written = Written(engine)

    def run(self) -> None:
        """Fill the engine's directories."""
        cdef LogEngine engine = self.engine
        cdef list segments = engine.log.segments
        cdef int64_t base
        if self.written.load():
            self.since = self.written.least()
        for base, end in zip(segments, [*segments[1:], -1]):
            if 0 <= end <= self.since and base in engine.counts:
                engine.total += engine.counts[base]
                continue
            engine.hint_base = base
            if end < 0 or not self.load_hint(base):
                self.load_segment(base)
                if end >= 0:
                    engine.finish_segment()
        (<Writing>engine.writing).learned = self.learned

    def load_segment(self, int64_t base) -> None:
        """Learn of a segment from its records."""
        cdef LogEngine engine = self.engine
        cdef SegmentReader reader
        cdef int64_t end = engine.log.end
        with engine.disk.open(segment_name(base)) as file:
            reader = SegmentReader(file, base)
            if not reader.head():
                raise Damaged(file.name, 0, "bad segment head")
            while base + reader.at < end and reader.step():
                self.replay(base + reader.record, reader.payload, reader.n)
            if reader.at < reader.size and base + reader.at < end:
                raise Damaged(file.name, reader.at, "bad record")

    cdef int replay(self, int64_t position, const char* p, Py_ssize_t n) except -1:
        cdef uint16_t index
        cdef uint32_t length
        if n < HEAD:
            raise Damaged("log", position, "record too short")
        memcpy(&index, p + 1, 2)
        memcpy(&length, p + 11, 4)
        if <Py_ssize_t>length > n - HEAD:
            raise Damaged("log", position, "not a record of the log engine")
        self.engine.note_hint(position, p, n)
        return self.learn(position, p[0], index, p + HEAD, length)

    def load_hint(self, int64_t base) -> bool:
        """Learn of a segment from its hint; False if there is none, or a bad one."""
        cdef LogEngine engine = self.engine
        cdef const char* p
        cdef Py_ssize_t n, at = 0, ahead = 0, i = 0
        cdef uint64_t records = 0
        cdef uint32_t length, crc
        cdef uint16_t index
        cdef int64_t position, last = base
        name = hint_name(base)
        if not engine.disk.exists(name):
            return False
        data = engine.disk.read(name)
        p, n = PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data) - 4
        if n < 0:
            return False
        memcpy(&crc, p + n, 4)
        if crc32c_of(p, n, 0) != crc:
            return False
        while at + HINT <= n:
            # A few keys ahead, so that nobody waits for memory at each.
            while ahead + HINT <= n and i < AHEAD:
                memcpy(&index, p + ahead + 9, 2)
                memcpy(&length, p + ahead + 11, 4)
                ahead += HINT
                if index < len(engine.directories):
                    (<Directory>engine.directories[index]).expect(engine.hash(p + ahead, length))
                ahead += length
                i += 1
            i -= 1
            memcpy(&position, p + at, 8)
            memcpy(&index, p + at + 9, 2)
            memcpy(&length, p + at + 11, 4)
            engine.longest = max(engine.longest, position - last)
            self.learn(position, p[at + 8], index, p + at + HINT, length)
            last = position
            at += HINT + length
            records += 1
        engine.counts[base] = records
        engine.total += records
        return True

    cdef int learn(self, int64_t position, char op, int index, const char* key,
                   Py_ssize_t n) except -1:
        """What a record did is done to the directory."""
        cdef LogEngine engine = self.engine
        cdef Directory directory
        cdef uint64_t h
        cdef int64_t slot = 0
        cdef int part
        cdef bint known
        if index >= len(engine.directories):
            raise Damaged("log", position, f"a record of database {index}, which there is not")
        directory = engine.directories[index]
        if op == c"c":
            for part in range(PARTS):
                if position >= self.written.since[index * PARTS + part]:
                    directory.clear_part(part)
            return 0
        h = engine.hash(key, n)
        if position < self.written.since[index * PARTS + (h >> 56)]:
            return 0
        self.learned += 1
        known = engine.seek(directory, h, key, n, &slot)
        if op == c"d":
            return directory.remove(h, slot) if known else 0
        if known:
            return directory.replace(h, slot, position)
        return directory.add(h, position)
