"""Replication, the replica's side of a connection: the handshake, the snapshot, the stream.

    PING ► AUTH ► REPLCONF listening-port ► REPLCONF capa eof capa psync2 ► PSYNC id offset
    ◄ +FULLRESYNC id offset, then $length RDB, or $EOF:mark RDB mark
    ◄ +CONTINUE [id]
    ◄ requests, for ever                     ► REPLCONF ACK offset, once a second and when asked

    HANDSHAKE ─► SIZE ─► TO_FILE ─► LOADING ─► STREAM       repl-diskless-load disabled
        │             └────► PARSING ───────────► │         on-empty-db, swapdb
        └── +CONTINUE ────────────────────────────►

What is received into a file is loaded a step a turn once it is whole; PARSING reads it as it comes.
Meanwhile other clients are told LOADING, and the primary is sent an empty line now and then, so
that it knows we live.  With `swapdb` the data is read into databases of its own, which take the
place of the old ones at the end: when that fails the old data is still there, and where it is of
the same stream (only older) it is served all the while.

While requests of the stream run nothing expires by itself: the primary says when keys died.  They
are recorded in this server's own file as any change is, and go on to its own replicas as the very
bytes that came, so that offsets mean the same everywhere.

Invariants:
1. The offset is never inside a transaction: one whose EXEC did not come is asked for again.
2. The server's own file has the snapshot's data before anything of the stream is applied.
3. Only the connection of whom this server follows now changes anything.
4. Name and place of the stream change in the same step as the data does.
"""

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int64_t
from libc.string cimport memchr

from bedrock.app.logs import logger
from bedrock.net.buf cimport Buf
from bedrock.net.session cimport Session
from bedrock.storage.errors import Damaged
from bedrock.world.disk import DiskFull
from kvstore.arriving import Arriving
from kvstore.engine cimport IN_MULTI, Client, Store
from kvstore.keyspace import Database
from kvstore.rdb_read import Reader
from kvstore.resp cimport Args, Bounds, is_word, parse
from kvstore.resp import ReplyError, encode
from kvstore.saving import run_beside

log = logger("kvstore")

cdef enum Stage:
    HANDSHAKE
    SIZE                           # of the snapshot comes next
    TO_FILE
    LOADING                        # from that file
    PARSING                        # as it comes
    STREAM

cdef enum:
    MARK = 40                      # bytes of what ends a snapshot of unknown length
    LONGEST_LINE = 4096

STATES = ("handshake", "sync", "sync", "sync", "sync", "connected")   # what ROLE calls the stages
FILE = "temp-primary.rdb"
TIMEOUTS = (
    "Timeout connecting to the MASTER...",
    *["Timeout receiving bulk data from MASTER..."] * 4,
    "MASTER timeout: no data nor PING received...",
)


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
    cdef object file                   # the snapshot being received, TO_FILE
    cdef object source                 # the same, PARSING
    cdef int64_t total, missing        # bytes of it, and how many are to come; -1: until the mark
    cdef bytes mark, last              # what ends it, and its last bytes so far
    cdef int64_t offset                # the stream's, where the snapshot was taken
    cdef bytes id
    cdef Args args
    cdef Buf taken                     # requests that were run, or queued, but not published yet
    cdef int64_t heard_ns              # when the primary last said something
    cdef bint flowing                  # the stream, as far as was seen
    cdef readonly bint loads_aside     # the old data is served meanwhile
    cdef readonly bint got_on          # a snapshot came, or the stream went on
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
        if self.stage == STREAM:
            log.info("Connection with master lost.", why=str(exc or ""))
        else:
            log.info("MASTER <-> REPLICA connection lost", why=str(exc or ""))
        self.flowing = False
        self.lost = True
        self.store.clients.pop(self.client.id, None)
        self.client.leave_multi()
        if self.source is not None:
            self.source.lose()
        if self.stage != LOADING:
            self.drop_file()
        self.follower.look()

    @property
    def up(self) -> bool:
        """The stream flows; not any more from the moment on at which its end has come."""
        return self.flowing and not self.link.eof

    @property
    def ended(self) -> bool:
        """True when another connection may be opened: what was received whole is loaded first."""
        return self.lost and self.stage != LOADING and self.stage != PARSING

    @property
    def state(self) -> str:
        """How far it is, as ROLE says it."""
        return "connect" if self.ended else STATES[self.stage]

    @property
    def timeout(self) -> str:
        """What it means that the primary is silent now."""
        return TIMEOUTS[self.stage]

    def silent_ns(self) -> int:
        """For how long the primary has said nothing that we waited for."""
        if self.stage == LOADING or self.link.held:
            return 0
        return self.store.clock.now_ns() - self.heard_ns

    def progress(self) -> dict:
        """For INFO: how much of the snapshot has come."""
        return {
            "master_sync_total_bytes": max(self.total, 0),
            "master_sync_read_bytes": max(self.total - self.missing, 0),
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
        elif self.stage in (LOADING, PARSING) and not self.lost:
            self.link.write(b"\n")

    cdef int drop_file(self) except -1:
        if self.file is not None:
            self.file.close()
            self.file = None
            self.store.saver.disk.remove(FILE)
        return 0

    # ------------------------------------------------------------------ what comes in

    cdef Py_ssize_t feed(self, const char* p, size_t n, Buf out) except -2:
        cdef size_t at = 0
        cdef Py_ssize_t used
        cdef const char* end
        self.heard_ns = self.store.clock.now_ns()
        if self.store.follower is not self.follower:
            return -1              # it was still being opened when this server was told otherwise
        while at < n and self.stage != LOADING:
            if self.stage == STREAM:
                used = self.apply(p + at, n - at)
                return -1 if used < 0 else <Py_ssize_t>at + used
            if self.stage == PARSING:
                return at + self.hand_over(p + at, n - at)
            if self.stage == TO_FILE:
                used = n - at if self.missing < 0 else min(<int64_t>(n - at), self.missing)
                if not self.keep(PyBytes_FromStringAndSize(p + at, used)):
                    return -1
                at += used
                continue
            end = <const char*>memchr(p + at, c'\n', n - at)
            if end is NULL:
                return at if n - at < LONGEST_LINE else -1
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
        if self.missing < 0:
            self.last = (self.last + piece)[-MARK:]
            if self.last == self.mark:
                self.file.truncate(self.file.size() - MARK)
                self.missing = 0
        else:
            self.missing -= len(piece)
        if not self.missing:
            self.stage = LOADING
            self.link.run(self.load(self.file))
        return True

    cdef Py_ssize_t hand_over(self, const char* p, size_t n) except -2:
        """Some more of the snapshot for its reader, no more than it can use."""
        cdef size_t used = min(n, <size_t>self.source.room)
        if used:
            self.source.add(PyBytes_FromStringAndSize(p, used))
            self.missing = self.source.missing
        if used < n:
            self.link.hold()
        return used

    cdef bint hear(self, bytes line) except -1:
        """A line of the handshake; False if it cannot go on."""
        if self.stage == SIZE:
            return self.begin_snapshot(line)
        text = line.decode("latin-1")
        if self.steps:
            if self.asked == "AUTH" and line.startswith(b"-"):
                log.warning(f"Unable to AUTH to MASTER: {text}")
                return False
            if self.asked == "PING":
                if line.startswith(b"-") and not line.startswith(
                        (b"-NOAUTH", b"-NOPERM", b"-ERR operation not permitted")):
                    log.warning(f"Error reply to PING from master: {text}")
                    return False
                log.info("Master replied to PING, replication can continue...")
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
        self.follower.refused = line.startswith(b"-")
        return False

    cdef bint begin_snapshot(self, bytes line) except -1:
        """The line before it: how long it is, or how it will end."""
        mode = self.store.parameters["repl-diskless-load"]
        empty = not any([len(db) for db in self.store.keyspace.databases])
        aside = mode == "swapdb" and self.store.log_engine is None   # it has room for one only
        parsing = mode == "swapdb" or mode == "on-empty-db" and empty
        where = "parser" if parsing else "disk"
        if line.startswith(b"$EOF:") and len(line) == 5 + MARK:
            self.mark, self.last = line[5:], b""
            self.total = self.missing = -1
            log.info("MASTER <-> REPLICA sync: receiving streamed RDB from master with EOF to "
                     + where)
        elif line.startswith(b"$") and line[1:].isdigit() and int(line[1:]) > 0:
            self.total = self.missing = int(line[1:])
            log.info(f"MASTER <-> REPLICA sync: receiving {self.total} bytes from master to {where}")
        else:
            return False
        self.got_on = True
        if parsing:
            self.source = Arriving(self.missing)
            self.stage = PARSING
            self.store.world.spawn(self.load(self.source, aside), "snapshot")
        else:
            self.file = self.store.saver.disk.open(FILE, "rw")
            self.file.truncate(0)
            self.stage = TO_FILE
        return True

    cdef int begin(self) except -1:
        self.stage = STREAM
        self.flowing = self.got_on = True
        self.follower.look()
        return 0

    # ------------------------------------------------------------------ the snapshot

    async def load(self, source, aside=False):
        """The snapshot replaces everything; `source` is a file, or one that is arriving."""
        store = self.store
        loaded = recorded = False
        try:
            if aside:
                loaded = await self.load_aside(source)
            else:
                loaded = await self.load_in_place(source)
            self.stage = LOADING
            self.link.hold()
            if loaded:
                recorded = await self.record()
        except (Damaged, DiskFull, ReplyError) as error:
            log.error(f"Failed trying to load the MASTER synchronization DB: {error}")
        finally:
            self.drop_file()
            self.source = None
            if loaded and not recorded:
                store.primary.begun = False         # going on from here would leave a hole
            self.stage = HANDSHAKE
            self.follower.look()
            if not recorded:
                self.link.abort()
        if not recorded:
            return
        if self.lost or store.follower is not self.follower:
            return
        self.begin()
        self.heard_ns = store.clock.now_ns()
        self.acknowledge()
        log.info("MASTER <-> REPLICA sync: Finished with success",
                 keys=sum([len(db) for db in store.keyspace.databases]))
        self.link.resume()

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

    async def stop_writing(self):
        """End what is being written of data that is about to go."""
        store = self.store
        if store.snapshot is not None:
            store.snapshot.abort()
        while store.aof is not None and store.aof.rewriting:
            await store.world.clock.sleep(0.01)     # it gives up, now that its snapshot has

    async def load_in_place(self, source) -> bool:
        """Load it where the old data was."""
        store = self.store
        await self.stop_writing()
        log.info("MASTER <-> REPLICA sync: Flushing old data")
        store.now()
        store.primary.begun = False                 # what there is now is of no stream
        store.empty()
        if store.scripts is not None:
            store.scripts.flush_libraries()
        reader = Reader(store, source, b"", FILE)
        whole = False
        store.begin_loading()
        try:
            whole = await self.read(reader, source)
        finally:
            store.end_loading()
            if not whole:
                store.empty()
        if whole:
            self.take_place(reader)
        return whole

    async def load_aside(self, source) -> bool:
        """Load it beside the old data, and then let it take the place of that."""
        store = self.store
        databases = store.keyspace.databases
        spare = [Database(store.keyspace, db.index) for db in databases]
        libraries = []
        reader = Reader(store, source, b"", FILE, (spare, libraries))
        self.loads_aside = store.primary.begun and self.id == store.primary.id
        if self.loads_aside:
            store.loads_aside(True)
        else:
            store.begin_loading()
        try:
            if not await self.read(reader, source):
                return False
        finally:
            if self.loads_aside:
                self.loads_aside = False
                store.loads_aside(False)
            else:
                store.end_loading()
        await self.stop_writing()
        self.take_libraries(libraries)
        for db, new in zip(databases, spare):
            db.exchange(new)
        self.take_place(reader)
        return True

    cdef int take_libraries(self, list libraries) except -1:
        """Have these libraries of functions, and no others."""
        from kvstore.scripting import scripts_of

        if libraries or self.store.scripts is not None:
            try:
                scripts_of(self.client).restore(libraries, True, True)
            except ReplyError as error:
                raise Damaged(FILE, 0, str(error)) from None
        return 0

    async def read(self, reader, source) -> bool:
        """Read it all; False if it ended early, or if nobody wants it any more."""
        clock = self.store.world.clock
        cdef int64_t began_ns = clock.now_ns()
        log.info("MASTER <-> REPLICA sync: Loading DB in memory")
        for pause_s in reader.steps(True):
            if reader.lacks:
                spent_s = (clock.now_ns() - began_ns) / 1e9
                if not await self.arrived(source, reader.offset, reader.lacks):
                    return self.ended_early(reader.offset)
                await source.until_more(spent_s)
            else:
                await clock.sleep(pause_s or 0)
            if self.store.follower is not self.follower:
                return False
            began_ns = clock.now_ns()
        if self.total >= 0 or source is not self.source:
            return True
        if not await self.arrived(source, reader.offset, reader.offset + MARK):
            return self.ended_early(reader.offset)
        return source.read_at(reader.offset, MARK + 1) == self.mark

    cdef bint ended_early(self, int64_t offset) except -1:
        log.warning(f"Internal error in RDB reading offset {offset}: it ends early")
        return False

    async def arrived(self, source, done, wanted) -> bool:
        """Wait for more of it; what was read is not needed any more."""
        source.drop(done)
        source.want(wanted)
        self.link.resume()
        return await source.until_wanted()

    cdef int take_place(self, reader) except -1:
        """The data is the primary's, as it was at a place of its stream."""
        store = self.store
        self.client.db = store.keyspace.databases[reader.stream_db]
        store.primary.db = reader.stream_db
        store.primary.start_at(self.id, self.offset)
        if store.tracking is not None:
            store.tracking.invalidate_all()
        return 0

    # ------------------------------------------------------------------ the stream

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
