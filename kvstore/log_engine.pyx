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

    log_start      learning where everything is
    log_directory  the directory in a file
    log_cleaning   freeing the oldest segment
    log_walk       snapshots

A key dies when it is looked at after its deadline, or when its record would have to be appended
again; until then it is counted.

What it leaves out: other types (an error says so), AOF, SWAPDB, DEBUG's checkpoints.

Invariants:
1. Outside a turn no key is in memory, and the directory knows every key.
2. There is room for what a request may come to write before it changes anything, as far as its
   length and the longest record so far can tell.
3. Replicas hear of a change when the log has it.
"""

from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.object cimport PyObject
from libc.stdint cimport uint16_t, uint32_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcmp, memcpy

from bedrock.app.logs import logger
from bedrock.codec.crc32c cimport crc32c_of
from bedrock.storage.errors import Damaged
from bedrock.storage.segment cimport RECORD_HEAD, SEGMENT_HEAD, RecordHead
from bedrock.world.disk cimport File
from bedrock.world.disk import DiskFull
from kvstore.hashtable cimport Slot, hash_of, keyed_hash
from kvstore.journal cimport Journal
from kvstore.keyspace cimport HASH, STRING, as_arg, kind_of
from kvstore.rdb cimport put_kind, put_value
from kvstore.rdb_read cimport Reader
from kvstore.resp import ReplyError

log = logger("kvstore")

cdef enum:
    SEGMENT = 32 << 20
    GUESS = 512                    # read at once: most records are not longer
    SLACK = 1 << 18                # kept free on the disk beyond what a request says
    OWED = 4 << 20                 # bytes of changes after which they are not left for later
    SYNC_NS = 1_000_000_000

FOLDER = "kvlog"


cdef class RecordWalk(SnapshotWalk):
    """Hears of what changes while it reads."""

    cdef int before_change(self, int64_t position, const char* payload, Py_ssize_t n) except -1:
        raise NotImplementedError


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
        self.counts = {}
        self.journal = LogJournal(self, world.turn)
        count = len(store.keyspace.databases)
        self.directories = [Directory() for _ in range(count)]
        self.dirty = [{} for _ in range(count)]

    def __dealloc__(self):
        free(self.scratch)

    # ------------------------------------------------------------------ starting and ending

    def open(self) -> None:
        """Learn where everything is."""
        from kvstore.log_cleaning import Cleaning
        from kvstore.log_directory import Writing
        from kvstore.log_start import Start

        cdef Database db
        self.log = RecordLog(self.disk, None, SEGMENT)
        self.writing = Writing(self)
        self.cleaning = Cleaning(self)
        Start(self).run()
        for db in self.store.keyspace.databases:
            db.behind = self

    def close(self) -> None:
        """Write what is left."""
        self.settle()
        self.writing.finish()
        self.log.close()

    @property
    def is_new(self) -> bool:
        """Nothing was ever written."""
        return self.log.end == SEGMENT_HEAD

    cdef uint64_t hash(self, const char* p, Py_ssize_t n) noexcept:
        return keyed_hash(p, n, self.seed)

    # ------------------------------------------------------------------ hints

    cdef int note_hint(self, int64_t position, const char* payload, Py_ssize_t n) except -1:
        cdef uint32_t length
        memcpy(&length, payload + 11, 4)
        self.in_segment += 1
        self.total += 1
        self.longest = max(self.longest, n)
        self.hint.put(<const char*>&position, 8)
        self.hint.put(payload, 3)
        return self.hint.put(payload + 11, 4 + length)

    cdef int finish_segment(self) except -1:
        """Write the hint of a segment that nothing is appended to any more."""
        cdef uint32_t crc = crc32c_of(self.hint.p, self.hint.n, 0)
        self.hint.put(<const char*>&crc, 4)
        try:
            with self.disk.open(hint_name(self.hint_base), "rw") as file:
                file.truncate(0)
                file.append(bytes(self.hint))
        except DiskFull:
            log.warning("no room for a hint file: the next start will take longer")
        self.counts[self.hint_base] = self.in_segment
        self.in_segment = 0
        self.hint.clear()
        return 0

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
            file = self.files[base[0]] = self.disk.open(segment_name(base[0]))
        return file

    cdef bint seek(self, Directory directory, uint64_t h, const char* p, Py_ssize_t n,
                   int64_t* slot) except -1:
        cdef uint32_t length
        cdef int64_t position = directory.first(h, slot)
        while position >= 0:
            self.read(position)
            memcpy(&length, self.found + 11, 4)
            if <Py_ssize_t>length == n and memcmp(self.found + HEAD, p, n) == 0:
                self.found_at = position
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
        cdef bytes name
        cdef Reader reader
        if directory.used == 0:
            return False
        name = PyBytes_FromStringAndSize(key.p, key.n)
        if dirty and name in dirty:
            return False           # removed in this turn
        if not self.seek(directory, self.hash(key.p, key.n), key.p, key.n, &slot):
            return False
        memcpy(&deadline, self.found + 3, 8)
        value = PyBytes_FromStringAndSize(self.found + at, self.found_n - at)
        if self.found[0] == c"h":
            reader = Reader(self.store, None, value)
            value = reader.value(reader.byte())
        self.wait()
        self.bring(db, name, value, deadline)
        return True

    cdef int bring(self, Database db, bytes name, object value, int64_t deadline) except -1:
        """A key is in memory until the end of the turn."""
        cdef Arg key = as_arg(name)
        cdef uint64_t h = hash_of(key.p, key.n)
        cdef Slot* fresh = db.keys.add(h, name)
        db.keys.put_value(fresh, value)
        db.keyspace.age_anew(fresh)
        if deadline >= 0:
            db.expires.add(h, name).value = <void*>deadline
        return 0

    # ------------------------------------------------------------------ writing

    cdef int wait(self) except -1:
        """Something is to be done at the end of the turn."""
        if not self.waiting:
            self.waiting = True
            self.turn.defer(self.hook)
        return 0

    cdef int reserve(self, size_t n) except -1:
        """Make sure of room for what a request of n bytes may write."""
        cdef size_t most = n + self.longest
        if self.owed + most > OWED:
            self.write_dirty()
        self.owed += most
        return self.log.reserve(self.owed + SLACK)

    cdef int note(self, Database db, const Arg* key) except -1:
        """A key may have changed."""
        (<dict>self.dirty[db.index])[PyBytes_FromStringAndSize(key.p, key.n)] = None
        return self.wait()

    cdef int admit(self, value) except -1:
        if kind_of(value) not in (STRING, HASH):
            raise ReplyError("ERR the log engine holds strings and hashes only")
        return 0

    cdef int write_dirty(self) except -1:
        """Append what changed so far; it stays in memory until the end of the turn."""
        cdef Database db
        cdef dict dirty
        for db in self.store.keyspace.databases:
            dirty = self.dirty[db.index]
            if dirty:
                for key in dirty:
                    self.write_key(db, key)
                dirty.clear()
        self.owed = 0
        return 0

    cdef int write_key(self, Database db, bytes key) except -1:
        cdef Slot* slot = db.keys.find_bytes(key)
        cdef Directory directory = self.directories[db.index]
        cdef Arg arg = as_arg(key)
        cdef uint64_t h = self.hash(arg.p, arg.n)
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
        if known and self.walk is not None:
            self.walk.before_change(self.found_at, self.found, self.found_n)
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
            self.finish_segment()
            self.hint_base = self.log.base
        self.note_hint(position, self.record.p, self.record.n)
        return position

    cdef int commit(self) except -1:
        """What changed so far is in the log, as safe as `appendfsync` says."""
        cdef int64_t now_ns
        self.write_dirty()
        policy = self.store.parameters["appendfsync"]
        now_ns = self.store.clock.now_ns()
        if policy == "always" or (policy == "everysec" and now_ns - self.synced_ns > SYNC_NS):
            self.synced_ns = now_ns
            self.log.flush()
        else:
            self.log.write_out()
        return 0

    def settle(self) -> None:
        """The end of the turn: nothing stays in memory, and what is promised is kept."""
        cdef Database db
        self.waiting = False
        self.journal.flush()
        for db in self.store.keyspace.databases:
            if db.keys.used:
                db.expires.clear()
                db.keys.clear()

    # ------------------------------------------------------------------ all keys

    cdef Py_ssize_t count_keys(self) except -1:
        """Keys of all databases."""
        cdef Directory directory
        cdef size_t n = 0
        for directory in self.directories:
            n += directory.used
        return n

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
        if self.walk is None:
            (<Directory>self.directories[db.index]).clear()
        else:
            self.directories[db.index] = Directory()   # a snapshot goes on with what was there
        (<dict>self.dirty[db.index]).clear()
        self.record.clear()
        self.record.put(b"c", 1)
        self.record.put(<const char*>&index, 2)
        self.record.put(b"\0" * 12, 12)
        self.append()
        return self.wait()

    def begin_walk(self) -> RecordWalk:
        """A walk through all there is now."""
        from kvstore.log_walk import LogWalk

        self.write_dirty()
        self.log.write_out()
        self.walk = LogWalk(self)
        return self.walk

    # ------------------------------------------------------------------ from time to time

    def cycle(self) -> None:
        """Sync, and begin what is due."""
        if self.log.durable != self.log.end and not self.waiting \
                and self.store.parameters["appendfsync"] == "everysec":
            self.settle()
        self.cleaning.cycle()
        self.writing.cycle()


cdef class LogJournal(Feed):
    """Says in time when there is no room; the records are for replicas alone."""

    def __init__(self, LogEngine engine not None, turn):
        super().__init__(turn)
        self.engine = engine

    cdef int reserve(self, size_t n) except -1:
        try:
            return self.engine.reserve(n)
        except DiskFull as error:
            raise ReplyError(f"MISCONF Errors writing to the log: {error.strerror}") from None

    cdef Buf begin(self, int db):
        if self.follower is None:
            self.drop()
            return self.buffer
        return Journal.begin(self, db)

    cdef int drop(self) except -1:
        self.buffer.clear()
        self.one_sided = None
        return 0

    cdef int deferred(self) except -1:
        return self.engine.wait()

    def follow(self, follower) -> None:
        if self.follower is None:
            self.drop()
        self.follower = follower

    def flush(self) -> None:
        """What changed so far is in the log; then replicas hear of it."""
        self.engine.commit()
        self.hand_on()


cdef Py_ssize_t index_of(list bases, int64_t position) except -1:
    cdef Py_ssize_t low = 0, high = len(bases), middle
    while high - low > 1:
        middle = (low + high) // 2
        if <int64_t>bases[middle] <= position:
            low = middle
        else:
            high = middle
    return low


cpdef str segment_name(int64_t base):
    return f"{base:020d}.log"


cpdef str hint_name(int64_t base):
    return f"{base:020d}.hint"
