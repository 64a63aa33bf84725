"""Replication, the replica's side of a connection: the handshake, the snapshot, the stream.

    PING ► REPLCONF listening-port ► REPLCONF capa psync2 ► PSYNC id offset
    ◄ +FULLRESYNC id offset, $length RDB     or     ◄ +CONTINUE [id]
    ◄ requests, for ever                     ► REPLCONF ACK offset, once a second and when asked

While requests of the stream run nothing expires by itself: the primary says when keys died.  They
are recorded in this server's own file as any change is, and go on to its own replicas as the very
bytes that came, so that offsets mean the same everywhere.
"""

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int64_t
from libc.string cimport memchr

from bedrock.app.logs import logger
from bedrock.net.buf cimport Buf
from bedrock.net.session cimport Session
from kvstore.engine cimport Client, Store
from kvstore.rdb_read cimport Reader
from kvstore.resp cimport Args, Bounds, is_word, parse
from kvstore.resp import encode

log = logger("kvstore")

cdef enum Stage:
    HANDSHAKE
    SIZE                           # of the snapshot comes next
    SNAPSHOT
    STREAM

FILE = "temp-primary.rdb"


cdef class Upstream(Session):
    """The connection to the primary.

    follower: kvstore.following.Follower, who opened it
    """

    cdef object follower
    cdef Store store
    cdef Client client                 # on whose behalf the stream runs
    cdef Stage stage
    cdef list requests                 # of the handshake, those to come
    cdef object file                   # the snapshot being received
    cdef int64_t missing               # bytes of it to come
    cdef int64_t offset                # the stream's, where the snapshot was taken
    cdef bytes id
    cdef Args args
    cdef readonly bint up              # the stream flows
    cdef readonly bint ended

    def __init__(self, follower, list requests not None):
        self.follower = follower
        self.store = follower.store
        self.requests = requests
        self.args = Args()
        self.client = Client(self.store)

    def opened(self) -> None:
        self.ask()

    def closed(self, exc) -> None:
        self.up = False
        self.ended = True
        self.drop_file()

    cdef int ask(self) except -1:
        self.link.write(encode(self.requests.pop(0)))
        return 0

    def acknowledge(self) -> None:
        """Tell the primary how far this server is."""
        self.link.write(encode([b"REPLCONF", b"ACK", b"%d" % self.store.primary.offset]))

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
        while at < n:
            if self.stage == STREAM:
                used = self.apply(p + at, n - at)
                return -1 if used < 0 else <Py_ssize_t>at + used
            if self.stage == SNAPSHOT:
                used = min(<int64_t>(n - at), self.missing)
                self.file.append(PyBytes_FromStringAndSize(p + at, used))
                self.missing -= used
                at += used
                if not self.missing:
                    self.load()
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

    cdef bint hear(self, bytes line) except -1:
        """A line of the handshake; False if it cannot go on."""
        if self.stage == SIZE:
            if not line.startswith(b"$") or not line[1:].isdigit():
                return False
            self.file = self.store.saver.disk.open(FILE, "rw")
            self.file.truncate(0)
            self.missing = int(line[1:])
            self.stage = SNAPSHOT
            return self.missing > 0
        if self.requests:
            self.ask()
            return True
        words = line.split()
        if words[0] == b"+FULLRESYNC" and len(words) == 3 and words[2].isdigit():
            self.id, self.offset = words[1], int(words[2])
            self.stage = SIZE
            return True
        if words[0] == b"+CONTINUE":
            self.store.primary.follow_on(words[1] if len(words) > 1 else None)
            self.begin()
            return True
        log.warning("the primary refuses", said=line.decode("latin-1"))
        return False

    cdef int begin(self) except -1:
        self.stage = STREAM
        self.up = True
        return 0

    def load(self) -> None:
        """The snapshot is here: it replaces everything."""
        cdef Reader reader = Reader(self.store, self.file, b"", FILE)
        self.store.tick()
        self.store.empty()
        if self.store.scripts is not None:
            self.store.scripts.flush_libraries()
        self.store.keyspace.loading = True
        try:
            reader.load(True)
        finally:
            self.store.keyspace.loading = False
            self.drop_file()
        self.client.db = self.store.keyspace.databases[reader.stream_db]
        self.store.primary.start_at(self.id, self.offset)
        if self.store.aof is not None:
            # Its file has the old data: the new must get there before the stream does.
            self.store.saver.rewrite_now()
        self.begin()
        log.info("replicating", keys=sum([len(db) for db in self.store.keyspace.databases]))

    cdef Py_ssize_t apply(self, const char* p, size_t n) except -2:
        """Run the whole requests of the stream."""
        cdef Bounds bounds = Bounds(0x7FFFFFFF, 512 << 20)
        cdef size_t at = 0
        cdef Py_ssize_t used
        cdef Buf out = Buf()
        cdef bint asked = False
        self.store.tick()
        self.store.keyspace.loading = True
        try:
            while at < n:
                self.args.reset()
                used = parse(self.args, p + at, n - at, &bounds)
                if used < 0:
                    return -1
                if used == 0:
                    self.need = self.args.need
                    break
                at += used
                if self.args.n and is_word(&self.args.v[0], "replconf"):
                    asked = True
                elif self.args.n:
                    self.store.execute(self.client, self.args, out)
                    out.clear()
        finally:
            self.store.keyspace.loading = False
        self.args.reset()
        if at:
            self.store.primary.db = self.client.db.index
            self.store.primary.publish(PyBytes_FromStringAndSize(p, at))
        if asked:
            self.acknowledge()
        return at
