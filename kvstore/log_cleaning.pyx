"""The log engine's cleaning up: what lives of the oldest segment is appended again, and it goes.

It begins when more than half of the records are dead, and goes on beside the service, a step a
turn.  While a snapshot is read from the log it waits: that is of positions, which must stay.

Invariant: a segment goes when all that lives of it is durable elsewhere.
"""

from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

from bedrock.app.logs import logger
from bedrock.storage.errors import Damaged
from bedrock.storage.segment cimport SegmentReader
from bedrock.world.disk import DiskFull
from kvstore.directory cimport Directory
from kvstore.log_engine cimport HEAD, LogEngine, hint_name, segment_name
from kvstore.saving import run_beside

log = logger("kvstore")

cdef enum:
    STEP = 1000                    # records looked at between two turns
    FEW = 100_000                  # records for which it is not worth it

RETRY_NS = 5_000_000_000           # after there was no room
WAIT_S = 0.05


cdef class Cleaning:
    """Begins it when it is due."""

    cdef LogEngine engine
    cdef readonly object task
    cdef int64_t from_ns           # not before
    cdef bint damaged              # the oldest segment is: nothing may remove it

    def __init__(self, LogEngine engine not None):
        self.engine = engine

    def cycle(self) -> None:
        """Begin if it is due."""
        cdef LogEngine engine = self.engine
        if self.task is None and engine.total > <uint64_t>(2 * engine.count_keys() + FEW) \
                and len(engine.log.segments) > 1 and not self.damaged \
                and engine.walk is None and engine.store.clock.now_ns() >= self.from_ns:
            self.task = engine.store.world.spawn(self.clean_up(), "log cleaning")

    async def clean_up(self):
        try:
            await run_beside(self.engine.store.world, self.steps())
        except DiskFull as error:
            log.warning("no room for cleaning up", why=str(error))
            self.from_ns = self.engine.store.clock.now_ns() + RETRY_NS
        except Damaged as error:
            log.error(f"the oldest segment is kept, since it is damaged: {error}")
            self.damaged = True
        finally:
            self.task = None

    def steps(self):
        """Free the oldest segment."""
        cdef LogEngine engine = self.engine
        cdef SegmentReader reader
        cdef int64_t base = engine.log.segments[0]
        cdef uint64_t seen = 0
        with engine.disk.open(segment_name(base)) as file:
            reader = SegmentReader(file, base)
            if not reader.head():
                raise Damaged(file.name, 0, "bad segment head")
            while reader.step():
                seen += 1
                if seen % STEP == 0:
                    engine.log.write_out()
                    yield None
                    while engine.walk is not None:
                        yield WAIT_S
                self.keep(base + reader.record, reader.payload, reader.n)
            if reader.at < reader.size:
                raise Damaged(file.name, reader.at, "bad record")
        engine.log.flush()
        engine.log.trim(engine.log.segments[1])
        engine.files.pop(base, None)
        if engine.disk.exists(hint_name(base)):
            engine.disk.remove(hint_name(base))
        engine.counts.pop(base, None)
        engine.total -= seen

    cdef int keep(self, int64_t position, const char* payload, Py_ssize_t n) except -1:
        """Append a record again, if it is alive."""
        cdef LogEngine engine = self.engine
        cdef Directory directory
        cdef uint16_t index
        cdef uint32_t length
        cdef int64_t slot = 0, deadline
        cdef uint64_t h
        if payload[0] != c"s" and payload[0] != c"h":
            return 0               # nothing older is left that it could be about
        memcpy(&index, payload + 1, 2)
        memcpy(&deadline, payload + 3, 8)
        memcpy(&length, payload + 11, 4)
        directory = engine.directories[index]
        h = engine.hash(payload + HEAD, length)
        if not directory.has(h, position, &slot):
            return 0
        if 0 <= deadline <= engine.store.keyspace.now_ms:
            return directory.remove(h, slot)
        engine.record.clear()
        engine.record.put(payload, n)
        return directory.replace(h, slot, engine.append())
