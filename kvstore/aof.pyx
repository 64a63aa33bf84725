"""The append-only file: the journal on disk, in Redis's multi-part format.

    appendonlydir/appendonly.aof.manifest        which files, in which order (manifest.py)
    appendonlydir/appendonly.aof.1.base.rdb      after a rewrite: the state then
    appendonlydir/appendonly.aof.1.incr.aof      every change since, as requests

RESP has no checksums, so each batch (what one turn wrote) is preceded by an annotation, a line that
Redis skips because it begins with `#`:

    #bedrock seq=         1 at=        4711 length=       123 synced=        4711 crc=1a2b3c4d CRLF
    *3 CRLF $3 CRLF SET CRLF ...                                (length bytes)

seq and at say where the batch belongs (a misplaced write is seen), crc is CRC32C over the line up to
`crc=` and the batch, synced is how far the file was known to be durable when this was written.

    always     write and sync before the turn's replies leave: one sync for all of them
    everysec   write before the replies leave, sync once a second beside the loop
    no         the system decides when

With `aof-checksums no` the files are as redis-server would write them, and a torn batch is only seen
when a request in it is not whole.  `aof-timestamp-enabled` adds Redis's own annotations, `#TS:`.

On load a batch counts only as a whole.  One that does not verify is a torn tail, cut off and
logged, unless a later batch proves that it was durable once (`synced`): then the file is damaged
and the server refuses to start.  Requests without annotations, as redis-server writes them, are
taken as they are.

Invariants:
1. Under `always`, no reply leaves before the batch it depends on is durable.
2. A request is refused (MISCONF) before it changes anything if there is no room for its record.
3. After a failed sync nothing is written any more; the process stops.
"""


from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport uint32_t
from libc.stdio cimport snprintf

from bedrock.app.logs import logger
from bedrock.codec.crc32c cimport crc32c_of
from bedrock.net.buf cimport Buf
from bedrock.storage.errors import Damaged
from bedrock.world import World
from bedrock.world.disk import DiskFull
from kvstore.engine cimport IN_MULTI, Client, Store
from kvstore.manifest import Manifest
from kvstore.parameters import Parameters
from kvstore.resp cimport Args, Bounds, parse
from kvstore.resp import ReplyError
from kvstore.rewrite import Requests
from kvstore.rdb_read import Reader
from kvstore.saving import run, write_pieces
from kvstore.snapshot import Snapshot
from kvstore.timing import stall

log = logger("kvstore")

cdef enum:
    HEADER = 92                    # bytes of an annotation
    CRC_AT = 82                    # where its checksum begins
    ROOM_STEP = 4 << 20            # room is taken in steps of this
    SLACK = 64 << 10               # kept free for records that are longer than their request
    WINDOW = 1 << 20

ASIDE = "temp-{}.incr"             # a file whose base is not written yet

cdef const char* FORMAT = "#bedrock seq=%10lld at=%12lld length=%10lld synced=%12lld crc="


cdef class Aof(Journal):
    """The append-only folder of a store.

    open() loads what is there into the store and makes it ready for more.
    """

    def __init__(self, Store store not None, world):
        self.store = store
        self.world = world
        self.turn = world.turn
        self.hook = self.flush
        self.disk = world.disk.sub(store.parameters["appenddirname"])
        self.manifest = Manifest(self.disk, store.parameters["appendfilename"])
        store.parameters.listen(self.configure)

    def configure(self) -> None:
        """Take over changed parameters."""
        policy = self.store.parameters["appendfsync"]
        if policy == "always" and self.file is not None and self.synced < self.size:
            self.sync()
        self.policy = policy
        self.always = policy == "always"
        self.checksums = self.store.parameters["aof-checksums"]
        self.timestamps = self.store.parameters["aof-timestamp-enabled"]
        if self.file is not None:
            self.clear_away()

    # ------------------------------------------------------------------ writing

    cdef int deferred(self) except -1:
        # Room for the annotation, which is filled in when the batch is whole.
        self.buffer.room(HEADER)
        self.buffer.n += HEADER
        return self.turn.defer(self.hook)

    cdef int reserve(self, size_t n) except -1:
        cdef int64_t wanted = self.size + self.buffer.n + HEADER + n + SLACK
        if wanted <= self.room:
            return 0
        try:
            self.file.allocate(self.room, max(wanted - self.room, <int64_t>ROOM_STEP))
        except DiskFull:
            # Perhaps there is room for this one, though not for a whole step.
            try:
                self.file.allocate(self.room, wanted - self.room)
            except DiskFull as error:
                if not self.full:
                    log.error("disk full: writes are refused")
                self.full = True
                raise ReplyError(
                    f"MISCONF Errors writing to the AOF file: {error.strerror}") from None
            self.room = wanted
            return 0
        self.room = max(wanted, self.room + <int64_t>ROOM_STEP)
        self.full = False
        return 0

    def flush(self) -> None:
        """Write the batch; before the turn's replies leave."""
        cdef Buf buf = self.buffer
        if buf.n <= HEADER:
            return
        self.split(HEADER)
        if buf.n > HEADER:             # else it was for replicas alone
            self.write_batch(buf)
        self.publish(HEADER)
        buf.clear()

    cdef int write_batch(self, Buf buf) except -1:
        """Write the buffer after what is in the file."""
        cdef size_t first = 0 if self.checksums else HEADER
        if self.flush_sleep_us:
            stall(self.store, self.flush_sleep_us / 1e6)
        if self.timestamps:
            self.stamp()
        if self.checksums:
            write_annotation(buf.p, self.seq, self.size, buf.n - HEADER, self.synced)
        self.file.write(buf.p + first, buf.n - first, self.size)
        self.size += buf.n - first
        if self.always:
            self.sync()
        return 0

    def stamp(self) -> None:
        """Say what time it is, once in a second."""
        now_s = self.world.clock.wall_ms() // 1000
        if now_s > self.stamped_s:
            line = b"#TS:%d\r\n" % now_s
            self.file.write_at(self.size, line)
            self.size += len(line)
            self.stamped_s = now_s

    @property
    def total(self) -> int:
        """Bytes of all files that make up the data."""
        return self.older + self.size

    cdef int sync(self) except -1:
        self.file.sync()
        self.synced = self.size
        return 0

    async def sync_each_second(self) -> None:
        """The everysec policy; the sync itself runs beside the loop."""
        cdef int64_t size
        cdef object file
        clock = self.world.clock
        while True:
            await clock.sleep(1.0)
            if self.policy != "everysec" or self.synced == self.size:
                continue
            size = self.size
            file = self.file
            await self.world.beside(file.sync)
            if file is self.file and self.synced < size:
                self.synced = size

    def start(self) -> None:
        """Begin the background sync; needs a running loop."""
        self.syncing = self.world.spawn(self.sync_each_second(), "aof sync")

    def close(self) -> None:
        """Write and sync what is left."""
        if self.syncing is not None:
            self.syncing.cancel()
            self.syncing = None
        if self.file is not None:
            self.flush()
            self.sync()
            self.file.truncate(self.size)       # gives back the room not used
            self.file.close()
            self.file = None

    # ------------------------------------------------------------------ loading

    @property
    def buffered(self) -> int:
        """Bytes recorded but not written yet."""
        return self.buffer.n

    def open(self) -> None:
        """Load all files, oldest first, and continue the last one; Damaged when that cannot be."""
        run(self.opening())

    def opening(self):
        """The same, a step at a time."""
        yield from self.loading()
        if self.manifest.increments:
            last = self.manifest.increments[len(self.manifest.increments) - 1]
            self.file = self.disk.open(last.name, "rw")
            self.seq = last.seq
            self.size = self.synced = self.room = self.file.size()
            self.settle()
        else:
            kept = [e for e in self.manifest.entries if e.kind == "b"]
            self.begin_file(kept)
            if not kept:
                self.begin_base()
        self.count()

    cdef int count(self) except -1:
        """How large the files are now, to know later how they have grown."""
        names = [e.name for e in self.manifest.entries if e.kind != "h"]
        self.older = 0
        for name in names[:len(names) - 1]:
            with self.disk.open(name) as file:
                self.older += file.size()
        self.total_before = self.total
        return 0

    cdef int begin_base(self) except -1:
        """The first start: a base of nothing, as tools that read the folder expect one.

        The manifest that lists no base is good too, if this is as far as it gets.
        """
        cdef File file
        entry = self.manifest.next_name("b", self.base_suffix())
        file = self.disk.open(entry.name, "rw")
        file.truncate(0)
        run(write_pieces(self.snapshot(), file))
        file.close()
        self.disk.sync_dir()
        self.manifest.save([entry, *self.manifest.increments])
        return 0

    def snapshot(self) -> Snapshot:
        """The state now, in the form of a base."""
        return Snapshot(self.store, True) if self.base_suffix() == "rdb" else Requests(self.store)

    def base_suffix(self) -> str:
        """What a base is written as."""
        return "rdb" if self.store.parameters["aof-use-rdb-preamble"] else "aof"

    def begin_aside(self) -> None:
        """Begin with a file that no manifest names, until `rewrite` has written what it goes on."""
        self.manifest.load()
        self.aside = True
        self.begin_again()

    cdef int begin_again(self) except -1:
        """The file aside is to hold what happens from now on."""
        self.seq = self.manifest.next_name("i").seq
        self.file = self.disk.open(ASIDE.format(self.manifest.stem), "rw")
        self.file.truncate(0)
        self.size = self.synced = self.room = 0
        self.db = -1
        return 0

    cdef object adopt(self):
        """The file aside becomes one of the data's; its entry."""
        entry = self.manifest.next_name("i")
        self.flush()
        self.sync()
        self.disk.rename(ASIDE.format(self.manifest.stem), entry.name)
        self.aside = False
        return entry

    cdef int settle(self) except -1:
        """Make durable what was loaded, since replies will be made from it.

        After a crash of the process alone it may be in the system's cache only, and after a failed
        sync the cache may hold it as clean, so that no further sync would write it.  So what the
        last batch did not know to be durable is written again.
        """
        cdef int64_t at = self.proven
        while at < self.size:
            data = self.file.read_at(at, WINDOW)
            self.file.write_at(at, data)
            at += len(data)
        self.sync()
        self.disk.sync_dir()
        return 0

    def load(self) -> None:
        """Replay all files, oldest first, into the store."""
        run(self.loading())

    def loading(self):
        """The same, a step at a time, as told in kvstore.saving."""
        cdef Store store = self.store
        self.manifest.load()
        self.manifest.upgrade(self.world.disk, self.store.parameters["appenddirname"])
        files = [e for e in (self.manifest.base, *self.manifest.increments) if e is not None]
        store.keyspace.loading = True
        try:
            for entry in files:
                last = entry is files[len(files) - 1] and entry.kind == "i"
                yield from self.load_file(entry, last)
        finally:
            store.keyspace.loading = False

    cdef int begin_file(self, list kept) except -1:
        """A new incremental file, listed behind the entries kept."""
        entry = self.manifest.next_name("i")
        cdef File file = self.disk.open(entry.name, "rw")
        file.truncate(0)
        file.sync()
        self.disk.sync_dir()
        self.manifest.save([*kept, entry])
        # The old file may be being synced beside the loop; it closes with its last reference.
        self.file = file
        self.seq = entry.seq
        self.size = self.synced = self.room = 0
        self.db = -1
        return 0

    def rewrite(self):
        """Put the present state into a new base file; a generator, as told in kvstore.saving.

        What happens meanwhile goes to a new incremental file.  A crash or a full disk at any point
        leaves a manifest whose files hold everything.
        """
        if self.rewriting:
            raise ReplyError("ERR Background append only file rewriting already in progress")
        # From now on, not from the first step on: two at once would write to the same base file.
        self.rewriting = True
        return self.rewrite_steps()

    def rewrite_steps(self):
        """The steps of `rewrite`."""
        cdef File file
        cdef bint writing = self.file is not None     # else there will be a base alone
        entry = self.manifest.next_name("b", self.base_suffix())
        try:
            if writing:
                self.flush()
                self.sync()
            else:
                self.manifest.load()
                entry = self.manifest.next_name("b", self.base_suffix())
            snapshot = self.snapshot()
            old = list(self.manifest.entries)
            try:
                if self.aside:
                    self.begin_again()
                elif writing:
                    self.begin_file(old)
                file = self.disk.open(entry.name, "rw")
                file.truncate(0)
                yield from write_pieces(snapshot, file)
            finally:
                snapshot.abort()
            new = [self.adopt()] if self.aside else [
                e for e in self.manifest.entries if e not in old]
            self.disk.sync_dir()
            self.manifest.replace(old, entry, new)
            if writing:
                self.count()
            self.clear_away()
        finally:
            self.rewriting = False

    cdef int clear_away(self) except -1:
        """Remove the files that a rewrite made obsolete, unless they are to be kept."""
        if self.store.parameters["aof-disable-auto-gc"]:
            return 0
        stale = [e for e in self.manifest.entries if e.kind == "h"]
        if stale:
            self.manifest.save([e for e in self.manifest.entries if e.kind != "h"])
            for entry in stale:
                self.disk.remove(entry.name)
        return 0

    def load_file(self, entry, bint last):
        """Replay one file; a torn tail of the last one is cut off."""
        if not self.disk.exists(entry.name):
            raise Damaged(entry.name, 0, "No such file or directory, though the manifest lists it")
        replay = Replay(self.store, entry, self.disk.open(entry.name, "rw" if last else "r"))
        try:
            yield from replay.steps()
            end = replay.good
            if end < replay.size:
                if not last or not self.store.parameters["aof-load-truncated"]:
                    raise Truncated(entry.name, end, replay.why)
                log.warning("torn tail cut", file=entry.name, offset=end,
                            bytes=replay.size - end, why=replay.why)
                replay.file.truncate(end)
                replay.file.sync()
        finally:
            replay.file.close()
        self.proven = min(end, replay.size if replay.synced < 0 else replay.synced)


class Truncated(Damaged):
    """A file ends in the middle of something, where that is not accepted."""


cdef int write_annotation(char* into, int64_t seq, int64_t at, int64_t length,
                          int64_t synced) except -1:
    """Fill the HEADER bytes before a batch of `length` bytes."""
    cdef char[128] text
    cdef uint32_t crc
    cdef int n = snprintf(text, 128, FORMAT, <long long>seq, <long long>at, <long long>length,
                          <long long>synced)
    assert n == CRC_AT
    for i in range(n):
        into[i] = text[i]
    crc = crc32c_of(into, n, 0)
    crc = crc32c_of(into + HEADER, length, crc)
    snprintf(text, 128, "%08x\r\n", crc)
    for i in range(10):
        into[n + i] = text[i]
    return 0


cdef class Annotation:
    """An annotation, read back."""

    cdef readonly int64_t seq, at, length, synced
    cdef readonly bytes line
    cdef readonly uint32_t crc

    @staticmethod
    def parse(line: bytes) -> Annotation | None:
        """From HEADER bytes; None if they are something else."""
        cdef Annotation found = Annotation()
        if len(line) < HEADER or not line.startswith(b"#bedrock seq="):
            return None
        try:
            found.seq, found.at = int(line[13:23]), int(line[27:39])
            found.length, found.synced = int(line[47:57]), int(line[65:77])
            found.crc = int(line[CRC_AT:CRC_AT + 8], 16)
        except (ValueError, OverflowError):
            return None
        found.line = line[:CRC_AT]
        return found if found.length >= 0 else None

    def verifies(self, batch: bytes) -> bool:
        """True if the batch is what was written under this line."""
        cdef uint32_t crc = crc32c_of(PyBytes_AS_STRING(self.line), CRC_AT, 0)
        return crc32c_of(PyBytes_AS_STRING(batch), PyBytes_GET_SIZE(batch), crc) == self.crc


cdef class Replay:
    """Reads one file into a store (or into nothing, to check it).

    run() returns how far the file is good; `why` says what is wrong behind.
    """

    cdef Store store
    cdef Client client
    cdef readonly object entry
    cdef readonly File file
    cdef readonly int64_t size
    cdef readonly int64_t good         # how far it is good, as far as it was read
    cdef readonly str why
    cdef Args args
    cdef Buf out
    cdef readonly int64_t synced       # what the last batch knew to be durable, -1 = no batch
    cdef int64_t transaction_at        # where an open MULTI began, -1 = none is open

    def __init__(self, Store store, entry, File file):
        self.store = store
        self.entry = entry
        self.file = file
        self.size = file.size()
        self.why = ""
        self.synced = -1
        self.args = Args()
        self.out = Buf()
        self.transaction_at = -1
        if store is not None:
            self.client = Client(store)
            self.client.replaying = True

    def run(self) -> int:
        """Replay; the offset up to which the file is good.  Damaged when more than a tail is bad."""
        run(self.steps())
        return self.good

    def steps(self):
        """The same, a step at a time."""
        cdef int64_t at = 0, end
        if self.file.read_at(0, 5) == b"REDIS":
            store = self.store if self.store is not None else Store(World(None), Parameters())
            reader = Reader(store, self.file, b"", self.entry.name)
            yield from reader.steps(True)
            at = reader.offset
        self.good = at
        while at < self.size:
            head = self.file.read_at(at, HEADER)
            if head.startswith(b"#"):
                annotation = Annotation.parse(head)
                end = self.skip_line(at) if annotation is None \
                    else self.replay_batch(at, annotation)
            else:
                end = self.replay_plain(at)
            if end < 0:
                if self.transaction_at >= 0:
                    at = self.transaction_at
                self.good = at
                self.refuse_hole(at)
                return
            self.good = at = end
            yield None
        if self.transaction_at >= 0:
            self.why = "MULTI without its EXEC"
            self.good = self.transaction_at

    def refuse_hole(self, at: int) -> None:
        """Bad bytes at an offset are a torn tail, unless a later batch says they were durable."""
        cdef int64_t scan = at
        cdef int64_t i
        while scan < self.size:
            data = self.file.read_at(scan, WINDOW + HEADER)
            i = data.find(b"#bedrock seq=")
            while i >= 0:
                found = Annotation.parse(data[i:i + HEADER])
                if found is not None and found.at == scan + i and found.synced > at \
                        and found.verifies(self.file.read_at(scan + i + HEADER, found.length)):
                    raise Damaged(self.entry.name, at, self.why)
                i = data.find(b"#bedrock seq=", i + 1)
            scan += WINDOW

    cdef int64_t skip_line(self, int64_t at) except? -2:
        """Behind an annotation that is not ours (or is a torn one of ours)."""
        data = self.file.read_at(at, 1024)
        i = data.find(b"\n")
        # A zero byte: the beginning of one of ours reached the disk, and its end did.
        if data.startswith(b"#bedrock ") or i < 0 or b"\0" in data[:i]:
            self.why = "annotation not readable"
            return -1
        return at + i + 1

    cdef int64_t replay_batch(self, int64_t at, Annotation annotation) except? -2:
        cdef bytes batch
        cdef int64_t done
        if annotation.seq != self.entry.seq or annotation.at != at:
            self.why = "annotation of another place"
            return -1
        if annotation.length > self.size - at - HEADER:
            self.why = "batch not whole"
            return -1
        batch = self.file.read_at(at + HEADER, annotation.length)
        if not annotation.verifies(batch):
            self.why = "checksum does not match"
            return -1
        done = self.execute(at + HEADER, batch)
        if done != len(batch):
            raise Damaged(self.entry.name, at + HEADER + done, "request not whole in a good batch")
        self.synced = annotation.synced
        return at + HEADER + annotation.length

    cdef int64_t replay_plain(self, int64_t at) except? -2:
        """Requests without annotation, up to the next `#` or the end of the window."""
        cdef int64_t window = WINDOW, done
        while True:
            data = self.file.read_at(at, window)
            done = self.execute(at, data)
            if done > 0:
                return at + done
            if len(data) < window:
                self.why = "request not whole"
                return -1
            window *= 2

    cdef int64_t execute(self, int64_t at, bytes data) except -1:
        """Run the requests in data, which lies at an offset of the file; the bytes used."""
        cdef Bounds bounds = Bounds(0x7FFFFFFF, 512 << 20)
        cdef const char* p = PyBytes_AS_STRING(data)
        cdef size_t n = PyBytes_GET_SIZE(data)
        cdef size_t done = 0
        cdef Py_ssize_t used
        while done < n and p[done] != c'#':
            self.args.reset()
            used = parse(self.args, p + done, n - done, &bounds) if p[done] == c'*' else -1
            if used == 0:
                break
            if used < 0:
                if at + done + 1 < <size_t>self.size and p[done] != 0:
                    self.why = "not a request"
                    self.refuse_hole(at + done)
                    raise Damaged(self.entry.name, at + done, "not a request")
                break
            if self.store is not None and self.args.n:
                self.apply(at + done)
            done += used
        return done

    cdef int apply(self, int64_t at) except -1:
        cdef Client c = self.client
        cdef bint queueing = c.gate & IN_MULTI
        self.out.clear()
        self.store.execute(c, self.args, self.out)
        if self.out.n and self.out.p[0] == c'-':
            why = PyBytes_FromStringAndSize(self.out.p + 1, self.out.n - 3).decode("latin-1")
            raise Damaged(self.entry.name, at, why)
        if not queueing and c.gate & IN_MULTI:
            self.transaction_at = at
        elif not c.gate & IN_MULTI:
            self.transaction_at = -1
        return 0
