"""Replication, the replica's side of a connection: the handshake, the snapshot, the stream.

    PING ► AUTH ► REPLCONF listening-port ► REPLCONF capa psync2 ► PSYNC id offset
    ◄ +FULLRESYNC id offset, $length RDB     or     ◄ +CONTINUE [id]
    ◄ requests, for ever                     ► REPLCONF ACK offset, once a second and when asked

The snapshot is received into a file and then loaded a step a turn: meanwhile other clients are
told LOADING, and the primary is sent an empty line now and then, so that it knows we live.

While requests of the stream run nothing expires by itself: the primary says when keys died.  They
are recorded in this server's own file as any change is, and go on to its own replicas as the very
bytes that came, so that offsets mean the same everywhere.

Invariants:
1. The offset is never inside a transaction: one whose EXEC did not come is asked for again.
2. The server's own file has the snapshot's data before anything of the stream is applied.
"""

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int64_t
from libc.string cimport memchr

from bedrock.app.logs import logger
from bedrock.net.buf cimport Buf
from bedrock.net.session cimport Session
from bedrock.world.disk import DiskFull
from kvstore.engine cimport IN_MULTI, Client, Store
from kvstore.rdb_read import Reader
from kvstore.resp cimport Args, Bounds, is_word, parse
from kvstore.resp import encode
from kvstore.saving import run_beside

log = logger("kvstore")

cdef enum Stage:
    HANDSHAKE
    SIZE                           # of the snapshot comes next
    SNAPSHOT
    LOADING
    STREAM

STATES = ("handshake", "sync", "sync", "sync", "connected")     # what ROLE calls the stages
FILE = "temp-primary.rdb"


cdef class Upstream(Session):
    """The connection to the primary.

    follower: kvstore.following.Follower, who opened it
    steps:    of the handshake: (name, request)
    """

    cdef object follower
    cdef Store store
    cdef Client client                 # on whose behalf the stream runs
    cdef Stage stage
    cdef list steps                    # of the handshake, those to come
    cdef str asked                     # the name of the last one
    cdef object file                   # the snapshot being received
    cdef int64_t total, missing        # bytes of it, and how many are to come
    cdef int64_t offset                # the stream's, where the snapshot was taken
    cdef bytes id
    cdef Args args
    cdef Buf taken                     # requests that were run, or queued, but not published yet
    cdef int64_t heard_ns              # when the primary last said something
    cdef readonly bint up              # the stream flows
    cdef bint lost

    def __init__(self, follower, list steps not None):
        self.follower = follower
        self.store = follower.store
        self.steps = steps
        self.args = Args()
        self.taken = Buf()
        self.client = Client(self.store)
        self.heard_ns = self.store.clock.now_ns()

    def opened(self) -> None:
        # It is a client like others to CLIENT LIST and CLIENT KILL.
        self.client.link = self.link
        self.store.clients[self.client.id] = self.client
        self.ask()

    def closed(self, exc) -> None:
        log.info("MASTER <-> REPLICA connection lost", why=str(exc or ""))
        self.up = False
        self.lost = True
        self.store.clients.pop(self.client.id, None)
        self.client.leave_multi()
        if self.stage != LOADING:
            self.drop_file()

    @property
    def ended(self) -> bool:
        """True when another connection may be opened: what was received whole is loaded first."""
        return self.lost and self.stage != LOADING

    @property
    def state(self) -> str:
        """How far it is, as ROLE says it."""
        return "connect" if self.ended else STATES[self.stage]

    def silent_ns(self) -> int:
        """For how long the primary has said nothing that we waited for."""
        return 0 if self.stage == LOADING else self.store.clock.now_ns() - self.heard_ns

    def progress(self) -> dict:
        """For INFO: how much of the snapshot has come."""
        return {
            "master_sync_total_bytes": self.total,
            "master_sync_read_bytes": self.total - self.missing,
            "master_sync_left_bytes": self.missing,
            "master_sync_last_io_seconds_ago": self.silent_ns() // 10**9,
        }

    cdef int ask(self) except -1:
        self.asked, words = self.steps.pop(0)
        self.link.write(encode(words))
        return 0

    def acknowledge(self) -> None:
        """Tell the primary how far this server is, or that it lives."""
        if self.up:
            self.link.write(encode([b"REPLCONF", b"ACK", b"%d" % self.store.primary.offset]))
        elif self.stage == LOADING and not self.lost:
            self.link.write(b"\n")

    cdef int drop_file(self) except -1:
        if self.file is not None:
            self.file.close()
            self.file = None
            self.store.saver.disk.remove(FILE)
        return 0

    cdef Py_ssize_t feed(self, const char* p, size_t n, Buf out) except -2:
        cdef size_t at = 0
        cdef Py_ssize_t used
        cdef const char* end
        self.heard_ns = self.store.clock.now_ns()
        while at < n and self.stage != LOADING:
            if self.stage == STREAM:
                used = self.apply(p + at, n - at)
                return -1 if used < 0 else <Py_ssize_t>at + used
            if self.stage == SNAPSHOT:
                used = min(<int64_t>(n - at), self.missing)
                if not self.keep(PyBytes_FromStringAndSize(p + at, used)):
                    return -1
                at += used
                continue
            end = <const char*>memchr(p + at, c'\n', n - at)
            if end is NULL:
                return at if n - at < 4096 else -1
            used = end - p - at
            line = PyBytes_FromStringAndSize(p + at, used).rstrip(b"\r")
            at += used + 1
            if line and not self.hear(line):
                return -1
        return at

    cdef bint keep(self, bytes piece) except -1:
        """Some more of the snapshot; False if there is no room for it."""
        try:
            self.file.append(piece)
        except DiskFull as error:
            log.error("no room for the primary's snapshot", why=str(error))
            return False
        self.missing -= len(piece)
        if not self.missing:
            self.stage = LOADING
            self.link.run(self.load())
        return True

    cdef bint hear(self, bytes line) except -1:
        """A line of the handshake; False if it cannot go on."""
        if self.stage == SIZE:
            if not line.startswith(b"$") or not line[1:].isdigit():
                return False
            self.file = self.store.saver.disk.open(FILE, "rw")
            self.file.truncate(0)
            self.total = self.missing = int(line[1:])
            self.stage = SNAPSHOT
            log.info(f"MASTER <-> REPLICA sync: receiving {self.total} bytes from master to disk")
            return self.missing > 0
        text = line.decode("latin-1")
        if self.steps:
            if self.asked == "AUTH" and line.startswith(b"-"):
                log.warning(f"Unable to AUTH to MASTER: {text}")
                return False
            if self.asked == "PING" and line.startswith(b"-") and not line.startswith(
                    (b"-NOAUTH", b"-NOPERM", b"-ERR operation not permitted")):
                log.warning(f"Error reply to PING from master: {text}")
                return False
            self.ask()
            return True
        words = line.split()
        if words[0] == b"+FULLRESYNC" and len(words) == 3 and words[2].isdigit():
            self.id, self.offset = words[1], int(words[2])
            self.stage = SIZE
            log.info(f"Full resync from master: {words[1].decode('latin-1')}:{self.offset}")
            return True
        if words[0] == b"+CONTINUE":
            log.info("Successful partial resynchronization with master.")
            self.store.primary.follow_on(words[1] if len(words) > 1 else None)
            self.client.db = self.store.keyspace.databases[self.store.primary.db]
            self.begin()
            return True
        log.warning(f"Unexpected reply to PSYNC from master: {text}")
        return False

    cdef int begin(self) except -1:
        self.stage = STREAM
        self.up = True
        return 0

    async def load(self):
        """The snapshot is here: it replaces everything."""
        store = self.store
        recorded = False
        try:
            await self.load_file()
            recorded = await self.record()
        finally:
            self.drop_file()
            if not recorded:
                store.primary.begun = False         # going on from here would leave a hole
            self.stage = HANDSHAKE
        if not recorded:
            return self.link.abort()
        if self.lost or store.follower is not self.follower:
            return
        self.begin()
        self.heard_ns = store.clock.now_ns()
        self.acknowledge()
        log.info("MASTER <-> REPLICA sync: Finished with success",
                 keys=sum([len(db) for db in store.keyspace.databases]))

    async def record(self) -> bool:
        """Let the server's own file, which has the old data, begin anew with the new."""
        aof = self.store.aof
        try:
            if aof is not None:
                await run_beside(self.store.world, aof.rewrite())
        except DiskFull as error:
            log.error("no room for the data in the append-only file", why=str(error))
            return False
        return True

    async def load_file(self) -> None:
        """Load it, unless this server is told meanwhile to follow no more."""
        store = self.store
        if store.snapshot is not None:
            store.snapshot.abort()
        while store.aof is not None and store.aof.rewriting:
            await store.world.clock.sleep(0.01)     # it gives up, now that its snapshot has
        reader = Reader(store, self.file, b"", FILE)
        log.info("MASTER <-> REPLICA sync: Loading DB in memory")
        store.now()
        store.primary.begun = False                 # what there is now is of no stream
        store.empty()
        if store.scripts is not None:
            store.scripts.flush_libraries()
        store.begin_loading()
        try:
            for pause_s in reader.steps(True):
                await store.world.clock.sleep(pause_s or 0)
                if store.follower is not self.follower:
                    return store.empty()
        finally:
            store.end_loading()
        self.client.db = store.keyspace.databases[reader.stream_db]
        store.primary.db = reader.stream_db
        store.primary.start_at(self.id, self.offset)

    cdef Py_ssize_t apply(self, const char* p, size_t n) except -2:
        """Run the whole requests of the stream."""
        cdef Bounds bounds = Bounds(0x7FFFFFFF, 512 << 20)
        cdef size_t at = 0
        cdef Py_ssize_t used = 0
        cdef size_t whole = 0          # bytes of `taken` up to which no transaction is open
        cdef bint asked = False
        cdef Buf out = Buf()
        self.store.tick()
        self.store.keyspace.loading = True
        try:
            while at < n:
                self.args.reset()
                used = parse(self.args, p + at, n - at, &bounds)
                if used <= 0:
                    self.need = self.args.need
                    break
                if self.args.n and is_word(&self.args.v[0], "replconf"):
                    asked = True
                elif self.args.n and not self.run(out):
                    used = -1
                    break
                self.taken.put(p + at, used)
                at += used
                if not self.client.gate & IN_MULTI:
                    whole = self.taken.n
        finally:
            self.store.keyspace.loading = False
        self.args.reset()
        if whole:
            self.store.primary.db = self.client.db.index
            self.store.primary.publish(PyBytes_FromStringAndSize(self.taken.p, whole))
            self.taken.drop(whole)
        if used < 0:
            return -1
        if asked:
            self.acknowledge()
        return at

    cdef bint run(self, Buf out) except -1:
        """Run one request of the stream; False if it cannot be recorded, so it must come again."""
        out.clear()
        self.store.execute(self.client, self.args, out)
        if not out.n or out.p[0] != c'-':
            return True
        said = PyBytes_FromStringAndSize(out.p, out.n).decode("latin-1").rstrip()
        log.error(f"a request of the stream failed: {said}")
        return "MISCONF" not in said
