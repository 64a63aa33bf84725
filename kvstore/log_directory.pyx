"""The log engine's directory in a file, so that a start need not look at each key.

    head     "kvdirect" | version:4 databases:4 | log id:8 | hash key:8+8 | longest record:8
             segments:8 | (base:8 records:8) ...                                   little-endian
    part     since:8 | entries:8 | entry:12 ...        256 of each database, one after the other
    end      crc32c:4 of all before

It is written beside the service, a part a step, when so many records have been appended that
learning of them takes a while, and at the end.  The parts are of different moments: each says from
which position on it does not know what happened, and a start does the rest to it.

An entry whose segment is gone means nothing: cleaning up appended the record again first, at a
position that the part does not know yet.

Invariant: everything that the file speaks of is durable in the log before the file has its name.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

import struct

from bedrock.app.logs import logger
from bedrock.codec.crc32c cimport crc32c_of
from bedrock.net.buf cimport Buf
from bedrock.world.disk import DiskFull
from kvstore.directory cimport ENTRY, PARTS, Directory
from kvstore.saving import run, run_beside

log = logger("kvstore")

NAME, UNFINISHED = "directory", "directory.tmp"
HEAD = struct.Struct("<8sIIQQQqQ")
TWO = struct.Struct("<qQ")
MAGIC, VERSION = b"kvdirect", 1
MANY = 50_000                      # records that are worth it
RETRY_NS = 5_000_000_000           # after there was no room


cdef class Writing:
    """Writes the file from time to time."""

    def __init__(self, LogEngine engine not None):
        self.engine = engine

    cdef uint64_t fresh(self) noexcept:
        """Records that the file does not know of."""
        return self.engine.log.records - self.done + self.learned

    def cycle(self) -> None:
        """Begin if it is due: when half as many records have come as there are keys."""
        cdef LogEngine engine = self.engine
        if self.task is None and self.fresh() > <uint64_t>(MANY + engine.count_keys() // 2) \
                and engine.store.clock.now_ns() >= self.tried_ns:
            self.task = engine.store.world.spawn(self.write_beside(), "directory")

    async def write_beside(self):
        try:
            await run_beside(self.engine.store.world, self.steps())
        finally:
            self.task = None

    def finish(self) -> None:
        """The engine ends."""
        if self.task is not None:
            self.task.cancel()
        if self.fresh() > MANY:
            run(self.steps())

    def steps(self):
        """Write the file anew."""
        cdef LogEngine engine = self.engine
        self.done, self.learned = engine.log.records, 0
        try:
            with engine.disk.open(UNFINISHED, "rw") as file:
                file.truncate(0)
                yield from self.write(file)
                engine.log.flush()
                yield file.sync
            engine.disk.rename(UNFINISHED, NAME)
            engine.disk.sync_dir()
        except DiskFull:
            log.warning("no room to write the directory: the next start will take longer")
            engine.disk.remove(UNFINISHED)
            self.tried_ns = engine.store.clock.now_ns() + RETRY_NS

    def write(self, file):
        """All of it, a part a step."""
        cdef LogEngine engine = self.engine
        cdef Directory directory
        cdef Buf out = Buf()
        cdef uint32_t crc = 0
        cdef int i
        counts = {**engine.counts, engine.hint_base: engine.in_segment}
        out.write(HEAD.pack(MAGIC, VERSION, len(engine.directories), engine.log.log_id,
                            engine.seed[0], engine.seed[1], engine.longest, len(counts)))
        for base, records in counts.items():
            out.write(TWO.pack(base, records))
        for index in range(len(engine.directories)):
            for i in range(PARTS):
                directory = engine.directories[index]      # FLUSHALL may make it another
                out.write(TWO.pack(engine.log.end, directory.parts[i].used))
                directory.put_part(i, out)
                if out.n >= 1 << 18 or i == PARTS - 1:
                    crc = crc32c_of(out.p, out.n, crc)
                    file.append(bytes(out))
                    out.clear()
                    yield None
        file.append(crc.to_bytes(4, "little"))


cdef class Written:
    """The file, read into an engine's directories."""

    def __init__(self, LogEngine engine not None):
        self.engine = engine
        self.n = len(engine.directories) * PARTS
        self.since = <int64_t*>calloc(self.n, sizeof(int64_t))
        if self.since is NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.since)

    cdef int64_t least(self) noexcept:
        """Up to here all parts know what happened."""
        cdef int64_t least = self.since[0]
        cdef Py_ssize_t i
        for i in range(self.n):
            least = min(least, self.since[i])
        return least

    cdef bytes take(self, Py_ssize_t n):
        """The next bytes of the file; fewer where it ends."""
        cdef bytes data = self.file.read_at(self.at, min(n, self.size - self.at))
        self.at += PyBytes_GET_SIZE(data)
        self.crc = crc32c_of(PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data), self.crc)
        return data

    def load(self) -> bool:
        """Fill the directories; False, and nothing is learned, if there is no file or a bad one.

        Without it the hash has a new key.
        """
        cdef LogEngine engine = self.engine
        cdef Directory directory
        whole = False
        if engine.disk.exists(NAME):
            with engine.disk.open(NAME) as file:
                self.file, self.size = file, max(file.size() - 4, 0)
                whole = self.read()
            self.file = None
            if not whole:
                log.warning("the file of the directory is not good: segments are read instead")
        if not whole:
            for directory in engine.directories:
                directory.clear()
            memset(self.since, 0, self.n * sizeof(int64_t))
            engine.counts.clear()
            engine.seed[0] = engine.store.world.rand.u64()
            engine.seed[1] = engine.store.world.rand.u64()
        return whole

    cdef bint read_head(self) except -1:
        cdef LogEngine engine = self.engine
        cdef bytes head = self.take(HEAD.size)
        if len(head) < HEAD.size:
            return False
        magic, version, databases, log_id, seed0, seed1, longest, segments = HEAD.unpack(head)
        if (magic, version, databases, log_id) != (
                MAGIC, VERSION, len(engine.directories), engine.log.log_id):
            return False
        if segments > (self.size - self.at) // TWO.size:
            return False
        engine.seed[0], engine.seed[1] = seed0, seed1
        engine.longest = longest
        engine.counts = {base: records
                         for base, records in TWO.iter_unpack(self.take(segments * TWO.size))
                         if base in engine.log.segments}
        return True

    cdef bint read(self) except -1:
        cdef LogEngine engine = self.engine
        cdef Directory directory
        cdef bytes entries
        cdef int64_t low = engine.log.segments[0], high = engine.log.end
        cdef Py_ssize_t i
        if not self.read_head():
            return False
        for i in range(self.n):
            head = self.take(TWO.size)
            if len(head) < TWO.size:
                return False
            self.since[i], n = TWO.unpack(head)
            if n > (self.size - self.at) // ENTRY or not 0 <= self.since[i] <= high:
                return False
            entries = self.take(n * ENTRY)
            directory = engine.directories[i // PARTS]
            if not directory.take_part(i % PARTS, PyBytes_AS_STRING(entries), n, low, high):
                return False
        return self.at == self.size and self.file.read_at(self.at, 4) == self.crc.to_bytes(
            4, "little")
