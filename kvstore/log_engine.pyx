"""The log engine: strings and hashes on disk, in memory only where they are.

    lookup ─► keys of this turn? ─► directory (12 bytes a key) ─► record in the log ─► keys
    end of the turn ─► keys that changed are appended ─► the others forgotten ─► replies leave

So all commands work on `Database.keys` as ever; it just holds no more than the keys of one turn.
This is Bitcask (Sheehy and Smith, 2010) on the record log, except that the directory keeps no keys:
a record is read anyway, and says whose it is.

    record   op:1 | database:2 | deadline:8 | key length:4 | key | value          little-endian
             op s = a string as it is, h = a hash as in an RDB file, d = deleted, c = all deleted
    hint     position:8 | op:1 | database:2 | key length:4 | key ...  | crc32c:4
             one file beside each finished segment, so that starting reads no values

When more than half of the records are dead, the oldest segment's live ones are appended again and
the segment goes.  A key dies when it is looked at after its deadline, or when its record would have
to be appended again; until then it is counted.

What it leaves out: other types (an error says so), snapshots and so replication, AOF, SWAPDB.

Invariants:
1. Outside a turn no key is in memory, and the directory knows every key.
2. A hint without its checksum counts for nothing: the segment is read instead.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from libc.stdint cimport uint16_t, uint32_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcmp, memcpy

from bedrock.app.logs import logger
from bedrock.codec.crc32c cimport crc32c_of
from bedrock.storage.errors import Damaged
from bedrock.storage.segment cimport RECORD_HEAD, RecordHead, SegmentReader
from bedrock.world.disk cimport File
from bedrock.world.disk import DiskFull
from kvstore.hashtable cimport Slot, hash_of
from kvstore.keyspace cimport HASH, STRING, as_arg, kind_of
from kvstore.rdb cimport put_kind, put_value
from kvstore.rdb_read cimport Reader
from kvstore.resp import ReplyError
from kvstore.saving import run_beside

log = logger("kvstore")

cdef enum:
    SEGMENT = 32 << 20
    HEAD = 15                      # bytes of a record before the key
    HINT = 15                      # bytes of a hint before the key
    GUESS = 512                    # read at once: most records are not longer
    AHEAD = 16                     # keys of a hint that are looked at in advance
    SLACK = 1 << 20                # kept free on the disk beyond what a request says
    STEP = 1000                    # records looked at between two turns
    FEW = 100_000                  # records for which cleaning up is not worth it
    SYNC_NS = 1_000_000_000

FOLDER = "kvlog"


cdef class LogEngine(Behind):
    """The engine of a store; `open` before anything else."""

    def __init__(self, Store store not None, world):
        self.store = store
        self.disk = world.disk.sub(FOLDER)
        self.turn = world.turn
        self.hook = self.settle
        self.record = Buf()
        self.hint = Buf()
        self.files = {}
        count = len(store.keyspace.databases)
        self.directories = [Directory() for _ in range(count)]
        self.dirty = [{} for _ in range(count)]

    def __dealloc__(self):
        free(self.scratch)

    # ------------------------------------------------------------------ starting and ending

    def open(self) -> None:
        """Learn where everything is."""
        cdef Database db
        cdef int64_t base
        self.log = RecordLog(self.disk, None, SEGMENT)
        for base in self.log.segments:
            self.hint_base = base
            self.hint.clear()
            if base == self.log.base or not self.load_hint(base):
                self.load_segment(base)
                if base != self.log.base:
                    self.write_hint()
        for db in self.store.keyspace.databases:
            db.behind = self

    def close(self) -> None:
        """Write what is left."""
        self.settle()
        self.log.close()

    cdef int load_segment(self, int64_t base) except -1:
        cdef SegmentReader reader
        with self.disk.open(f"{base:020d}.log") as file:
            reader = SegmentReader(file, base)
            reader.head()
            while reader.step():
                if base + reader.record >= self.log.end:
                    break
                self.note_hint(base + reader.record, reader.payload, reader.n)
                self.replay(base + reader.record, reader.payload, reader.n)
        return 0

    def load_hint(self, base: int) -> bool:
        """Learn of a segment from its hint; False if there is none, or a bad one."""
        cdef const char* p
        cdef Py_ssize_t n, at = 0, ahead = 0, i = 0
        cdef uint32_t length, crc
        cdef uint16_t index
        cdef int64_t position
        name = hint_name(base)
        if not self.disk.exists(name):
            return False
        data = self.disk.read(name)
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
                if index < len(self.directories):
                    (<Directory>self.directories[index]).expect(hash_of(p + ahead, length))
                ahead += length
                i += 1
            i -= 1
            memcpy(&position, p + at, 8)
            memcpy(&index, p + at + 9, 2)
            memcpy(&length, p + at + 11, 4)
            self.learn(position, p[at + 8], index, p + at + HINT, length)
            at += HINT + length
        return True

    cdef int note_hint(self, int64_t position, const char* payload, Py_ssize_t n) except -1:
        """A record for the hint of the segment being written."""
        cdef uint32_t length
        memcpy(&length, payload + 11, 4)
        self.hint.put(<const char*>&position, 8)
        self.hint.put(payload, 3)
        return self.hint.put(payload + 11, 4 + length)

    def write_hint(self) -> None:
        """The segment is finished."""
        cdef uint32_t crc = crc32c_of(self.hint.p, self.hint.n, 0)
        self.hint.put(<const char*>&crc, 4)
        try:
            with self.disk.open(hint_name(self.hint_base), "rw") as file:
                file.truncate(0)
                file.append(bytes(self.hint))
        except DiskFull:
            log.warning("no room for a hint file: the next start will take longer")
        self.hint.clear()

    cdef int replay(self, int64_t position, const char* p, Py_ssize_t n) except -1:
        """A record of the log is learned of."""
        cdef uint16_t index
        cdef uint32_t length
        if n < HEAD:
            raise Damaged("log", position, "record too short")
        memcpy(&index, p + 1, 2)
        memcpy(&length, p + 11, 4)
        if <Py_ssize_t>length > n - HEAD:
            raise Damaged("log", position, "not a record of the log engine")
        return self.learn(position, p[0], index, p + HEAD, length)

    cdef int learn(self, int64_t position, char op, int index, const char* key,
                   Py_ssize_t n) except -1:
        """What a record did is done to the directory."""
        cdef Directory directory
        cdef uint64_t h
        cdef int64_t slot = 0
        cdef bint known
        if index >= len(self.directories):
            raise Damaged("log", position, f"a record of database {index}, which there is not")
        directory = self.directories[index]
        self.total += 1
        if op == c"c":
            return directory.clear()
        h = hash_of(key, n)
        known = self.seek(directory, h, key, n, &slot)
        if op == c"d":
            return directory.remove(h, slot) if known else 0
        if known:
            return directory.replace(h, slot, position)
        return directory.add(h, position)

    # ------------------------------------------------------------------ reading

    cdef int read(self, int64_t position) except -1:
        """Have the payload of a record in `found`, until the next one is read or appended."""
        cdef RecordHead head
        cdef Py_ssize_t got = 0, wanted = GUESS
        cdef int64_t base
        cdef File file
        if position >= self.log.written:
            self.found = self.log.buf + (position - self.log.written) + RECORD_HEAD
            memcpy(&head, self.found - RECORD_HEAD, RECORD_HEAD)
            self.found_n = head.length
            return 0
        file = self.file_of(position, &base)
        while True:
            if wanted > self.cap:
                self.scratch = <char*>realloc(self.scratch, wanted)
                if self.scratch is NULL:
                    raise MemoryError
                self.cap = wanted
            got = file.read_into(self.scratch, wanted, position - base)
            if got < RECORD_HEAD + HEAD:
                raise Damaged(file.name, position - base, "record missing")
            memcpy(&head, self.scratch, RECORD_HEAD)
            if got >= RECORD_HEAD + <Py_ssize_t>head.length:
                self.found = self.scratch + RECORD_HEAD
                self.found_n = head.length
                return 0
            if got < wanted:
                raise Damaged(file.name, position - base, "record ends early")
            wanted = RECORD_HEAD + head.length

    cdef File file_of(self, int64_t position, int64_t* base):
        """The file that a position is in, and where that begins."""
        cdef File file
        if position >= self.log.base:
            base[0] = self.log.base
            return self.log.file
        base[0] = self.log.segments[index_of(self.log.segments, position)]
        file = self.files.get(base[0])
        if file is None:
            file = self.files[base[0]] = self.disk.open(f"{base[0]:020d}.log")
        return file

    cdef bint seek(self, Directory directory, uint64_t h, const char* p, Py_ssize_t n,
                   int64_t* slot) except -1:
        """Find the record of a key: its slot in the directory, and itself in `found`."""
        cdef uint32_t length
        cdef int64_t position = directory.first(h, slot)
        while position >= 0:
            self.read(position)
            memcpy(&length, self.found + 11, 4)
            if <Py_ssize_t>length == n and memcmp(self.found + HEAD, p, n) == 0:
                return True
            position = directory.next(h, slot)
        return False

    cdef bytes key_at(self, int64_t position, int64_t now_ms):
        """The key of a record, None if its time has passed."""
        cdef uint32_t length
        cdef int64_t deadline
        self.read(position)
        memcpy(&deadline, self.found + 3, 8)
        memcpy(&length, self.found + 11, 4)
        if 0 <= deadline <= now_ms:
            return None
        return PyBytes_FromStringAndSize(self.found + HEAD, length)

    cdef bint fetch(self, Database db, const Arg* key) except -1:
        """Bring a key into memory for this turn; False if there is none."""
        cdef Directory directory = self.directories[db.index]
        cdef dict dirty = self.dirty[db.index]
        cdef Py_ssize_t at = HEAD + key.n
        cdef int64_t slot = 0, deadline
        cdef uint64_t h
        cdef bytes name
        cdef Reader reader
        if directory.used == 0:
            return False
        name = PyBytes_FromStringAndSize(key.p, key.n)
        if dirty and name in dirty:
            return False           # removed in this turn
        h = hash_of(key.p, key.n)
        if not self.seek(directory, h, key.p, key.n, &slot):
            return False
        memcpy(&deadline, self.found + 3, 8)
        value = PyBytes_FromStringAndSize(self.found + at, self.found_n - at)
        if self.found[0] == c"h":
            reader = Reader(self.store, None, value)
            value = reader.value(reader.byte())
        self.wait()
        self.bring(db, h, name, value, deadline)
        return True

    cdef int bring(self, Database db, uint64_t h, bytes name, object value,
                   int64_t deadline) except -1:
        """A key is in memory until the end of the turn."""
        cdef Slot* fresh = db.keys.add(h, name)
        db.keys.put_value(fresh, value)
        db.keyspace.age_anew(fresh)
        if deadline >= 0:
            db.expires.add(h, name).value = <void*>deadline
        return 0

    # ------------------------------------------------------------------ writing

    cdef int wait(self) except -1:
        if not self.waiting:
            self.waiting = True
            self.turn.defer(self.hook)
        return 0

    cdef int note(self, Database db, const Arg* key) except -1:
        """A key may have changed."""
        (<dict>self.dirty[db.index])[PyBytes_FromStringAndSize(key.p, key.n)] = None
        return self.wait()

    cdef int admit(self, value) except -1:
        if kind_of(value) not in (STRING, HASH):
            raise ReplyError("ERR the log engine holds strings and hashes only")
        return 0

    def write_dirty(self) -> None:
        """Append what changed so far; it stays in memory until the end of the turn."""
        cdef Database db
        cdef dict dirty
        for db in self.store.keyspace.databases:
            dirty = self.dirty[db.index]
            if dirty:
                for key in dirty:
                    self.write_key(db, key)
                dirty.clear()

    cdef int write_key(self, Database db, bytes key) except -1:
        cdef Slot* slot = db.keys.find_bytes(key)
        cdef Directory directory = self.directories[db.index]
        cdef Arg arg = as_arg(key)
        cdef uint64_t h = hash_of(arg.p, arg.n)
        cdef int64_t deadline = -1, place = 0, position
        cdef bint known
        cdef uint16_t index = db.index
        cdef uint32_t length = arg.n
        cdef object value = None
        cdef char op = c"d"
        known = self.seek(directory, h, arg.p, arg.n, &place)
        if slot is NULL:
            if not known:
                return 0
        else:
            value = <object><PyObject*>slot.value
            op = c"s" if kind_of(value) == STRING else c"h"
            deadline = db.expires_at(&arg)
        self.record.clear()
        self.record.put(&op, 1)
        self.record.put(<const char*>&index, 2)
        self.record.put(<const char*>&deadline, 8)
        self.record.put(<const char*>&length, 4)
        self.record.put(arg.p, arg.n)
        if op == c"s":
            self.record.write(value)
        elif op == c"h":
            put_kind(self.record, value)
            put_value(self.record, value)
        position = self.append()
        if op == c"d":
            return directory.remove(h, place)
        if known:
            return directory.replace(h, place, position)
        return directory.add(h, position)

    cdef int64_t append(self) except -1:
        """The record goes to the log; its position."""
        cdef int64_t position = self.log.put(self.record.p, self.record.n)
        if self.log.base != self.hint_base:
            self.write_hint()
            self.hint_base = self.log.base
        self.note_hint(position, self.record.p, self.record.n)
        self.total += 1
        return position

    def settle(self) -> None:
        """The end of the turn: nothing stays in memory, and what is promised is kept."""
        cdef Database db
        cdef int64_t now_ns
        self.waiting = False
        self.write_dirty()
        for db in self.store.keyspace.databases:
            if db.keys.used:
                db.expires.clear()
                db.keys.clear()
        policy = self.store.parameters["appendfsync"]
        now_ns = self.store.clock.now_ns()
        if policy == "always" or (policy == "everysec" and now_ns - self.synced_ns > SYNC_NS):
            self.synced_ns = now_ns
            self.log.flush()
        else:
            self.log.write_out()

    # ------------------------------------------------------------------ all keys

    cdef Py_ssize_t count(self, Database db) except -1:
        self.write_dirty()
        return (<Directory>self.directories[db.index]).used

    cdef uint64_t scan(self, Database db, uint64_t cursor, size_t count, list keys) except? 0:
        cdef list positions = []
        self.write_dirty()
        cursor = (<Directory>self.directories[db.index]).scan(cursor, count, positions)
        for position in positions:
            key = self.key_at(position, db.keyspace.now_ms)
            if key is not None:
                keys.append(key)
        return cursor

    cdef int clear(self, Database db) except -1:
        cdef uint16_t index = db.index
        (<Directory>self.directories[db.index]).clear()
        (<dict>self.dirty[db.index]).clear()
        self.record.clear()
        self.record.put(b"c", 1)
        self.record.put(<const char*>&index, 2)
        self.record.put(b"\0" * 12, 12)
        self.append()
        return self.wait()

    # ------------------------------------------------------------------ cleaning up

    def cycle(self) -> None:
        """From time to time: sync, and begin to clean up when it is due."""
        cdef Directory directory
        cdef uint64_t live = 0
        if self.log.durable != self.log.end and not self.waiting \
                and self.store.parameters["appendfsync"] == "everysec":
            self.settle()
        for directory in self.directories:
            live += directory.used
        if self.compacting is None and self.total > 2 * live + FEW \
                and len(self.log.segments) > 1:
            self.compacting = self.store.world.spawn(self.clean_up(), "log cleaning")

    async def clean_up(self) -> None:
        """Free the oldest segment."""
        try:
            await run_beside(self.store.world, self.compact())
        except DiskFull as error:
            log.warning("no room for cleaning up", why=str(error))
        finally:
            self.compacting = None

    def compact(self):
        """Append what lives of the oldest segment again, and remove it; a step at a time."""
        cdef SegmentReader reader
        cdef int64_t base = self.log.segments[0], slot = 0, position
        cdef uint16_t index
        cdef uint32_t length
        cdef uint64_t h, seen = 0
        cdef int64_t deadline
        cdef Directory directory
        with self.disk.open(f"{base:020d}.log") as file:
            reader = SegmentReader(file, base)
            reader.head()
            while reader.step():
                seen += 1
                if seen % STEP == 0:
                    self.log.write_out()
                    yield None
                memcpy(&index, reader.payload + 1, 2)
                memcpy(&length, reader.payload + 11, 4)
                if reader.payload[0] not in (c"s", c"h"):
                    continue       # nothing older is left that it could be about
                directory = self.directories[index]
                h = hash_of(reader.payload + HEAD, length)
                position = directory.first(h, &slot)
                while position >= 0 and position != base + reader.record:
                    position = directory.next(h, &slot)
                if position < 0:
                    continue
                memcpy(&deadline, reader.payload + 3, 8)
                if 0 <= deadline <= self.store.keyspace.now_ms:
                    directory.remove(h, slot)
                    continue
                self.record.clear()
                self.record.put(reader.payload, reader.n)
                directory.replace(h, slot, self.append())
        self.log.flush()
        self.log.trim(self.log.segments[1])
        self.files.pop(base, None)
        if self.disk.exists(hint_name(base)):
            self.disk.remove(hint_name(base))
        self.total -= seen


cdef class Reservation(Journal):
    """Says in time when there is no room; what changed the engine writes down itself."""

    def __init__(self, LogEngine engine not None):
        self.engine = engine

    cdef int reserve(self, size_t n) except -1:
        try:
            return self.engine.log.reserve(n + SLACK)
        except DiskFull as error:
            raise ReplyError(f"MISCONF Errors writing to the log: {error.strerror}") from None

    cdef Buf begin(self, int db):
        self.buffer.clear()
        return self.buffer

    def flush(self) -> None:
        """Nothing is kept here."""


cdef Py_ssize_t index_of(list bases, int64_t position) except -1:
    """Which segment a position is in."""
    cdef Py_ssize_t low = 0, high = len(bases), middle
    while high - low > 1:
        middle = (low + high) // 2
        if <int64_t>bases[middle] <= position:
            low = middle
        else:
            high = middle
    return low


def hint_name(base: int) -> str:
    """The hint of the segment that begins at a position."""
    return f"{base:020d}.hint"
