"""The wire: PostgreSQL's frontend/backend protocol 3.0, as a Session.

    startup packet (or SSLRequest -> N, GSSENCRequest -> N, CancelRequest)
      -> AuthenticationOk | SASL exchange -> ParameterStatus..., BackendKeyData, ReadyForQuery
      -> Q  simple: statements of one text, one implicit transaction, ReadyForQuery
      -> P B D E C H S  extended: after an error everything is skipped until Sync
      -> d c f  COPY data, while a COPY FROM STDIN runs

A message is answered by a generator (see events.py).  Most end in their first step, inside `feed`;
one that must wait for another transaction, or has run for SLICE_MS, goes on as a task while the
link holds, so that the loop serves the others.

PostgreSQL 15 documentation, chapter 55.  Left out: FunctionCall, replication, GSSAPI, MD5.

Invariants:
1. Between ReadyForQuery and the next message no generator is alive, save a COPY's.
2. A message's length is checked before it is waited for; one beyond MAX_MESSAGE ends the session.
3. A message from here is in `out` whole or not at all, also when making it fails.
"""

import asyncio

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.string cimport memchr

from bedrock.net.buf cimport Buf
from bedrock.net.session cimport Session
from minidb cimport messages
from minidb.output cimport Output, how_of, put_row
from minidb.point cimport PointSelect

from bedrock.world import DiskFailed, DiskFull
from minidb.auth import MECHANISM, Exchange
from minidb.connection import Connection
from minidb.events import PAUSE, CopyIn
from minidb.sqlstate import DatabaseError
from minidb.statement import read_parameters
from query_planner.errors import SqlError

cdef enum:
    PROTOCOL_3 = 196608
    CANCEL_REQUEST = 80877102
    SSL_REQUEST = 80877103
    GSS_REQUEST = 80877104
    MAX_STARTUP = 10_000
    MAX_MESSAGE = 256 << 20
    SLICE_NS = 5_000_000
    HIGH_WATER = 1 << 20


cdef inline unsigned int word(const char* p) noexcept:
    return ((<unsigned char>p[0] << 24) | (<unsigned char>p[1] << 16)
            | (<unsigned char>p[2] << 8) | <unsigned char>p[3])


cdef inline unsigned int short_word(const char* p) noexcept:
    return (<unsigned char>p[0] << 8) | <unsigned char>p[1]


def protocol_error(str message):
    return DatabaseError("08P01", message, severity="FATAL")


cdef class Reader:
    """The body of a message, taken apart from the left; what is missing is a protocol error."""

    cdef const char* p
    cdef size_t n

    cdef str cstring(self):
        cdef const char* zero = <const char*>memchr(self.p, 0, self.n)
        if zero == NULL:
            raise protocol_error("invalid string in message")
        cdef size_t size = zero - self.p
        data = self.p[:size]
        self.p += size + 1
        self.n -= size + 1
        try:
            return data.decode()
        except UnicodeDecodeError:
            raise DatabaseError("22021", 'invalid byte sequence for encoding "UTF8"') from None

    cdef int need(self, size_t n) except -1:
        if self.n < n:
            raise protocol_error("insufficient data left in message")
        return 0

    cdef int short(self) except? -99999:
        self.need(2)
        cdef int v = short_word(self.p)
        self.p += 2
        self.n -= 2
        return v

    cdef long word(self) except? -99999:
        self.need(4)
        cdef long v = <int>word(self.p)
        self.p += 4
        self.n -= 4
        return v

    cdef bytes take(self, size_t n):
        self.need(n)
        data = PyBytes_FromStringAndSize(self.p, n)
        self.p += n
        self.n -= n
        return data


cdef Reader reader(const char* p, size_t n):
    cdef Reader r = Reader.__new__(Reader)
    r.p = p
    r.n = n
    return r


cdef class PgSession(Session):
    """One client.  server: what accepted it, with `engine`, `verifier`, `sessions`."""

    def __init__(self, server):
        self.server = server

    def opened(self):
        self.pid, self.secret = self.server.admit(self)

    def closed(self, exc):
        self.server.leave(self)
        if self.suspended is not None:
            self.suspended.close()
            self.suspended = None
        if self.wait is not None and not self.wait.done():
            self.wait.cancel()
        if self.connection is not None:
            self.connection.close()

    def cancel(self):
        """Another connection asked to stop what runs here."""
        self.stop(DatabaseError("57014", "canceling statement due to user request"))

    def stop(self, error):
        """Have the running statement fail with `error`."""
        if not self.link.held:
            return
        self.cancel_error = error
        if self.wait is not None and not self.wait.done():
            self.wait.set_result(None)

    # -- messages

    cdef Py_ssize_t feed(self, const char* p, size_t n, Buf out) except -2:
        cdef size_t used = 0
        cdef Py_ssize_t step
        self.out = out
        while used < n and not self.link.held and not self.link.closing:
            if self.begun:
                step = self.feed_message(p + used, n - used)
            else:
                step = self.feed_startup(p + used, n - used)
            if step < 0:
                return -1
            if step == 0:
                break
            used += step
        return used

    cdef Py_ssize_t feed_message(self, const char* p, size_t n) except -2:
        cdef size_t size
        if n < 5:
            return 0
        size = word(p + 1)
        if size < 4 or size > MAX_MESSAGE:
            self.fatal(protocol_error("invalid message length"))
            return -1
        if n < size + 1:
            self.need = size + 1
            return 0
        if self.handle(p[0], p + 5, size - 4) < 0:
            return -1
        return size + 1

    cdef int handle(self, char kind, const char* p, size_t n) except -2:
        try:
            if not self.ready:
                if kind != b"p":
                    raise protocol_error("expected password response")
                return self.password(reader(p, n))
            if self.suspended is not None:
                return self.copy_message(kind, reader(p, n))
            if self.skipping and kind not in b"SX":
                return 0
            if kind == b"Q":
                self.start(self.simple(reader(p, n).cstring()))
            elif kind == b"P":
                self.parse(reader(p, n))
            elif kind == b"B":
                self.bind(reader(p, n))
            elif kind == b"D":
                self.describe(reader(p, n))
            elif kind == b"E":
                self.execute(reader(p, n))
            elif kind == b"S":
                self.skipping = False
                if self.connection.txn is None:
                    messages.ready(self.out, self.connection.status())
                else:
                    self.start(self.sync())
            elif kind == b"C":
                self.close_named(reader(p, n))
            elif kind == b"H" or kind == b"d" or kind == b"c" or kind == b"f":
                pass        # what is in `out` leaves at the end of the turn; stray COPY data
            elif kind == b"X":
                self.link.close()
            elif kind == b"F":
                raise DatabaseError("0A000", "function call messages are not supported")
            else:
                raise protocol_error(f"invalid frontend message type {kind & 0xFF}")
        except DiskFailed:
            raise
        except Exception as exc:
            error = self.known(exc)
            if not self.ready or getattr(error, "severity", "ERROR") == "FATAL":
                self.fatal(error)
                return -1
            self.report(error)
            if kind == b"F" or kind == b"Q":
                messages.ready(self.out, self.connection.status())
            else:
                self.skipping = True
                self.connection.fail()
        return 0

    cdef object known(self, exc):
        """An exception as an error with a SQLSTATE; what is our own fault is logged."""
        if isinstance(exc, SqlError):
            return exc
        if isinstance(exc, DiskFull):
            return DatabaseError("53100", f"could not write: {exc.strerror}")
        if isinstance(exc, RecursionError):
            return DatabaseError("54001", "stack depth limit exceeded")
        if isinstance(exc, MemoryError):
            return DatabaseError("53200", "out of memory")
        self.server.log.exception("statement failed", exc)
        return DatabaseError("XX000", f"internal error ({type(exc).__name__})",
                             hint="The server's log says more.")

    # -- start and authentication

    cdef Py_ssize_t feed_startup(self, const char* p, size_t n) except -2:
        cdef size_t size
        cdef unsigned int code
        if n < 4:
            return 0
        size = word(p)
        if size < 8 or size > MAX_STARTUP:
            self.fatal(protocol_error("invalid length of startup packet"))
            return -1
        if n < size:
            self.need = size
            return 0
        code = word(p + 4)
        try:
            if code == SSL_REQUEST or code == GSS_REQUEST:
                self.out.put(b"N", 1)
            elif code == CANCEL_REQUEST:
                if size == 16:
                    self.server.cancel(<int>word(p + 8), word(p + 12))
                self.link.close()
            elif code >> 16 == 3:
                self.begun = True
                self.start_up(code, reader(p + 8, size - 8))
            else:
                raise DatabaseError(
                    "0A000", f"unsupported frontend protocol {code >> 16}.{code & 0xFFFF}: "
                    "server supports 3.0", severity="FATAL")
        except DiskFailed:
            raise
        except Exception as exc:
            self.fatal(self.known(exc))
            return -1
        return size

    def start_up(self, unsigned int version, Reader r):
        cdef dict options = {}
        cdef size_t start
        while True:
            name = r.cstring()
            if not name:
                break
            options[name] = r.cstring()
        if not options.get("user"):
            raise DatabaseError("28000", "no PostgreSQL user name specified in startup packet",
                                severity="FATAL")
        newer = [name for name in options if name.startswith("_pq_.")]
        if version > PROTOCOL_3 or newer:
            start = messages.begin(self.out, b"v")
            messages.put_word(self.out, 0)
            messages.put_word(self.out, len(newer))
            for name in newer:
                del options[name]
                messages.put_cstring(self.out, name)
            messages.end(self.out, start)
        self.startup = options
        if self.server.verifier is None:
            self.admitted()
            return
        start = messages.begin(self.out, b"R")
        messages.put_word(self.out, 10)
        messages.put_cstring(self.out, MECHANISM)
        self.out.put(b"\0", 1)
        messages.end(self.out, start)

    def password(self, Reader r):
        """SASLInitialResponse, then SASLResponse."""
        cdef size_t start
        if self.exchange is None:
            if r.cstring() != MECHANISM:
                raise protocol_error("client selected an invalid SASL authentication mechanism")
            size = r.word()
            if size < 0:
                raise protocol_error("SASL initial response is missing")
            self.exchange = Exchange(
                self.server.verifier, self.server.token(18), self.startup["user"])
            reply, code = self.exchange.first(self.latin(r.take(size))), 11
        else:
            reply, code = self.exchange.final(self.latin(r.take(r.n))), 12
        start = messages.begin(self.out, b"R")
        messages.put_word(self.out, code)
        self.out.write(reply.encode())
        messages.end(self.out, start)
        if code == 12:
            self.admitted()
        return 0

    def latin(self, bytes data):
        return data.decode("latin-1")

    def admitted(self):
        """Authenticated: open the database and greet."""
        cdef size_t start
        options = self.startup
        user = options.pop("user")
        database = options.pop("database", user)
        self.connection = Connection(
            self.server.engine, database, user, sink=self, options=options, pid=self.pid)
        self.ready = True
        start = messages.begin(self.out, b"R")
        messages.put_word(self.out, 0)
        messages.end(self.out, start)
        for name, value in self.connection.settings.reported():
            messages.parameter_status(self.out, name, value)
        start = messages.begin(self.out, b"K")
        messages.put_word(self.out, self.pid)
        messages.put_word(self.out, self.secret)
        messages.end(self.out, start)
        messages.ready(self.out, b"I")

    # -- simple and extended query

    def simple(self, str sql):
        try:
            self.formats = None
            yield from self.connection.simple(sql)
        except DiskFailed:
            raise
        except Exception as exc:
            self.report(self.known(exc))
        messages.ready(self.out, self.connection.status())

    def parse(self, Reader r):
        name = r.cstring()
        sql = r.cstring()
        count = r.short()
        oids = [r.word() for _ in range(count)]
        self.connection.prepare(name, sql, oids)
        messages.bare(self.out, b"1")
        return 0

    def bind(self, Reader r):
        cdef long size
        cdef str portal = r.cstring()
        cdef str name = r.cstring()
        cdef list formats = [r.short() for _ in range(r.short())]
        cdef list values = []
        for _ in range(r.short()):
            size = r.word()
            values.append(None if size < 0 else r.take(size))
        cdef list results = [r.short() for _ in range(r.short())]
        connection = self.connection
        self.quick = None
        if not portal:
            statement = connection.statements.get(name)
            if statement is not None and statement.point is not None and \
                    len(values) == len(statement.parameters) and len(formats) <= 1 and \
                    len(results) <= 1 and connection.is_current(statement):
                # A point look-up needs no portal: what Execute wants is kept here.
                self.quick_values = read_parameters(
                    connection, statement.parameters, formats, values)
                self.quick_formats = tuple(results) * len(statement.fields) if results \
                    else (0,) * len(statement.fields)
                self.quick = statement
                self.quick_done = False
                messages.bare(self.out, b"2")
                return 0
        connection.bind(portal, name, formats, values, results)
        messages.bare(self.out, b"2")
        return 0

    def describe(self, Reader r):
        cdef size_t start
        what = r.take(1)
        name = r.cstring()
        if what == b"S":
            parameters, fields = self.connection.describe_statement(name)
            start = messages.begin(self.out, b"t")
            messages.put_short(self.out, len(parameters))
            for type in parameters:
                messages.put_word(self.out, type.oid)
            messages.end(self.out, start)
            formats = None
        elif what == b"P":
            if self.quick is not None and not name:
                fields, formats = self.quick.fields, self.quick_formats
            else:
                fields, formats = self.connection.describe_portal(name)
        else:
            raise protocol_error("invalid DESCRIBE message subtype")
        if fields is None:
            messages.bare(self.out, b"n")
        else:
            messages.row_description(self.out, fields, formats)
        return 0

    def execute(self, Reader r):
        name = r.cstring()
        limit = r.word()
        if self.quick is not None and not name:
            self.run_quick()
        else:
            self.start(self.run_portal(name, limit))
        return 0

    cdef int run_quick(self) except -1:
        """Execute of a point look-up."""
        cdef PointSelect point = self.quick.point
        row = None if self.quick_done else point.row(self.connection, self.quick_values)
        self.quick_done = True
        if row is None:
            messages.complete(self.out, "SELECT 0")
            return 0
        self.types, self.hows = point.types, point.hows
        put_row(self.connection.output, self.out, row, point.types, point.hows,
                self.quick_formats)
        messages.complete(self.out, "SELECT 1")
        return 0

    def run_portal(self, str name, limit):
        try:
            yield from self.connection.execute(name, max(0, limit))
        except DiskFailed:
            raise
        except Exception as exc:
            self.report(self.known(exc))
            self.skipping = True
            self.connection.fail()

    def sync(self):
        try:
            yield from self.connection.sync()
        except DiskFailed:
            raise
        except Exception as exc:
            self.report(self.known(exc))
        messages.ready(self.out, self.connection.status())

    def close_named(self, Reader r):
        what = r.take(1)
        self.connection.close_named(what == b"S", r.cstring())
        messages.bare(self.out, b"3")
        return 0

    # -- running a generator

    cdef int start(self, generator) except -1:
        """Run a statement to its end (1), or to a pause after which it goes on as a task (0)."""
        self.started_ns = self.link.clock.now_ns()
        deadline = self.started_ns + SLICE_NS
        try:
            while True:
                event = generator.send(None)
                if event is PAUSE:
                    if self.link.clock.now_ns() < deadline and self.out.n < HIGH_WATER:
                        continue
                elif isinstance(event, CopyIn):
                    self.suspended = generator
                    self.copy = event
                    messages.copy_response(self.out, b"G", event.binary, event.columns)
                    return 0
                self.link.run(self.finish(generator, event))
                return 0
        except StopIteration:
            return 1

    async def finish(self, generator, event):
        """The rest of a statement, as a task; the link is held meanwhile."""
        clock = self.link.clock
        while True:
            # `out` was the driver's until now.
            self.out = Buf()
            error = None
            try:
                await self.pause(event)
                error, self.cancel_error = self.cancel_error, None
                if error is None and self.left_s() == 0.0:
                    error = DatabaseError("57014", "canceling statement due to statement timeout")
                deadline = clock.now_ns() + SLICE_NS
                while True:
                    if error is not None:
                        thrown, error = error, None
                        event = generator.throw(thrown)
                    else:
                        event = generator.send(None)
                    if event is PAUSE and clock.now_ns() < deadline and self.out.n < HIGH_WATER:
                        continue
                    break
            except StopIteration:
                self.link.send(self.out.p, self.out.n)
                return
            if isinstance(event, CopyIn):
                self.suspended = generator
                self.copy = event
                messages.copy_response(self.out, b"G", event.binary, event.columns)
                self.link.send(self.out.p, self.out.n)
                return
            self.link.send(self.out.p, self.out.n)

    async def pause(self, event):
        if event is PAUSE:
            await asyncio.sleep(0)
            while self.link.queued > HIGH_WATER and not self.link.closed:
                await self.link.clock.sleep(0.005)
            return
        self.wait = asyncio.get_running_loop().create_future()
        try:
            event.owner.waiters.append(self.awake)
            if event.owner.ended:
                return
            lock_s, left_s = self.connection.lock_timeout_s(), self.left_s()
            try:
                await asyncio.wait_for(
                    self.wait, min([s for s in (lock_s, left_s) if s is not None], default=None))
            except TimeoutError:
                if left_s is None or left_s > (lock_s or left_s):
                    self.cancel_error = DatabaseError(
                        "55P03", "canceling statement due to lock timeout")
        finally:
            self.wait = None

    def left_s(self):
        """What is left of statement_timeout, None without one."""
        limit_ms = self.connection.timeout_ms("statement_timeout")
        if not limit_ms:
            return None
        return max(0.0, limit_ms / 1000 - (self.link.clock.now_ns() - self.started_ns) / 1e9)

    def awake(self):
        if self.wait is not None and not self.wait.done():
            self.wait.set_result(None)

    # -- COPY FROM STDIN 

    def copy_message(self, char kind, Reader r):
        if kind == b"d":
            if self.copy.error is None:
                try:
                    self.copy.feed(r.take(r.n))
                except Exception as exc:
                    self.copy.error = self.known(exc)
            return 0
        if kind == b"H" or kind == b"S":
            return 0
        if kind == b"f":
            self.copy.failed = r.cstring()
        elif kind != b"c":
            raise protocol_error(f"unexpected message type {kind & 0xFF} during COPY from stdin")
        generator, self.suspended = self.suspended, None
        self.copy = None
        self.start(generator)
        return 0

    # -- what the connection tells the client (the sink) 

    def describe_rows(self, fields, formats, bint announce):
        """Rows of these fields follow; with `announce` RowDescription is sent."""
        self.types = tuple([field[1] for field in fields])
        self.hows = tuple([how_of(type) for type in self.types])
        self.formats = formats if formats is not None else (0,) * len(self.types)
        if announce:
            messages.row_description(self.out, fields, self.formats)

    def rows(self, list rows):
        cdef Output output = self.connection.output
        for row in rows:
            put_row(output, self.out, row, self.types, self.hows, self.formats)

    def complete(self, str tag):
        messages.complete(self.out, tag)

    def suspended_portal(self):
        messages.bare(self.out, b"s")

    def empty(self):
        messages.bare(self.out, b"I")

    def notice(self, exc, str severity="NOTICE"):
        messages.error(self.out, b"N", exc, severity)

    def parameter(self, str name, str value):
        messages.parameter_status(self.out, name, value)

    def copy_out(self, bint binary, int columns):
        messages.copy_response(self.out, b"H", binary, columns)

    def copy_data(self, data):
        cdef size_t start = messages.begin(self.out, b"d")
        self.out.write(data)
        messages.end(self.out, start)

    def copy_done(self):
        messages.bare(self.out, b"c")

    def notification(self, long pid, str channel, str payload):
        """Another session's NOTIFY: it arrives between our own messages."""
        cdef Buf out = Buf()
        cdef size_t start = messages.begin(out, b"A")
        messages.put_word(out, pid)
        messages.put_cstring(out, channel)
        messages.put_cstring(out, payload)
        messages.end(out, start)
        self.link.send(out.p, out.n)

    cdef int report(self, exc) except -1:
        return messages.error(self.out, b"E", exc, getattr(exc, "severity", "ERROR"))

    cdef int fatal(self, exc) except -1:
        return messages.error(self.out, b"E", exc, "FATAL")
