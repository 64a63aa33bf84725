"""A protocol is a pure object that turns bytes into bytes.

`Session` is all a server's author writes: `feed` gets bytes, consumes whole messages and appends
replies.  It does no I/O, so the same session runs on epoll, on any asyncio loop, inside TLS and in
the simulator, and a test can cut its input anywhere.  `Link` is the connection as the session sees
it, and holds what all drivers share: the unconsumed tail, the order of output, holding,
back-pressure and deadlines.

                    received()                  feed()
    driver ───────────────────────► Link ───────────────► Session
           ◄───────────────────────      ◄───────────────
             push_output(), deliver()    out, write(), send_ref(), send_file()

Invariants of a link:
1. The session is never fed while `held`, `paused` or inside another feed: order within a
   connection keeps itself.
2. Output leaves in the order it was made, whichever way it was made.
3. Output made in a turn in which a log deferred its flush leaves after that flush.
4. `session.closed` is called exactly once, and nothing is fed or sent afterwards.
5. Memory for input grows with what has arrived, never with what a length field promises.
"""

import asyncio
import logging
from collections import deque

cimport cython
from cpython.bytes cimport PyBytes_FromStringAndSize

from bedrock.world.disk import DiskFailed
from bedrock.world.net import Limits

cdef object log = logging.getLogger("bedrock.net")
cdef object NO_LIMITS = Limits()


class FileSpan:
    """`count` bytes of an open bedrock.world File from `offset`, to be sent without a copy."""

    __slots__ = ("count", "file", "offset")

    def __init__(self, file, offset: int, count: int):
        self.file = file
        self.offset = offset
        self.count = count

    def __len__(self) -> int:
        return self.count


cdef class Session:
    """One connection of a protocol.

    Cython sessions override `feed`; Python ones `received`.  `opened`, `closed` and `drained` may
    be overridden by both.
    """

    cdef Py_ssize_t feed(self, const char* p, size_t n, Buf out) except -2:
        return self.received(PyBytes_FromStringAndSize(p, n), out)

    def received(self, data: bytes, out: Buf) -> int:
        """`feed` for Python: bytes consumed, or -1 for a protocol error."""
        raise NotImplementedError

    def opened(self) -> None:
        """The link is up; it may be written to."""

    def closed(self, exc) -> None:
        """The link is gone; exc says why, or is None for an orderly end."""

    def drained(self) -> None:
        """Queued output fell below the low mark after it had been above the high one."""


cdef class Link:
    """A connection.  Drivers subclass it; sessions use the first half of its methods.

    driver: where the bytes go
    limits: bedrock.world.Limits
    """

    def __init__(self, Driver driver not None, limits=NO_LIMITS):
        self.driver = driver
        self.limits = limits
        self.high = limits.high
        self.low = limits.low
        self.hard = limits.hard
        driver.next_id += 1
        self.id = driver.next_id

    # ------------------------------------------------------------------ for sessions

    @property
    def peer(self):
        """Address of the other side: (host, port) or a path; some drivers forget it at the end."""
        return self.peer_address()

    @property
    def input_bytes(self) -> int:
        """Bytes received that no whole message was made of yet."""
        return 0 if self.tail is None else self.tail.n

    @property
    def input_room(self) -> int:
        """Bytes more that can be received without taking memory."""
        return 0 if self.tail is None else self.tail.cap - self.tail.head - self.tail.n

    @property
    def full(self) -> bool:
        """More output waits than the limit: who goes on answering fills memory (see `drained`)."""
        if self.feeding and self.high:
            return self.queued + self.driver_sink().n > self.high
        return self.paused

    @property
    def memory(self) -> int:
        """Bytes its buffers take, and what else waits to be sent."""
        return self.buffered + sum([
            segment.count if isinstance(segment, FileSpan) else len(segment)
            for segment in self.queue or () if not isinstance(segment, Buf)])

    @property
    def buffered(self) -> int:
        """Bytes its own buffers take, filled or not."""
        own = [self.tail, self.out, *[each for each in self.queue or () if isinstance(each, Buf)]]
        return sum([(<Buf>buf).cap for buf in own if buf is not None])

    @property
    def clock(self):
        """The clock of the world this connection is in."""
        return self.driver.clock

    cdef int send(self, const char* p, size_t n) except -1:
        """Queue a copy of n bytes."""
        if self.closed or (self.closing and not self.feeding):
            return 0
        if self.feeding:
            self.driver_sink().put(p, n)
            return 0
        self.last_buf().put(p, n)
        self.queued += n
        return self.mark_dirty()

    cpdef write(self, data):
        """Queue a copy of any bytes-like object."""
        if self.closed or (self.closing and not self.feeding):
            return
        if self.feeding:
            self.driver_sink().write(data)
            return
        cdef Buf buf = self.last_buf()
        cdef size_t before = buf.n
        buf.write(data)
        self.queued += buf.n - before
        self.mark_dirty()

    cpdef send_ref(self, data):
        """Queue a bytes-like object itself; it must not change until it is sent."""
        self.enqueue(data, len(data))

    cpdef send_file(self, file, int64_t offset, int64_t count):
        """Queue a span of an open bedrock.world File, which must stay open until it is sent."""
        self.enqueue(FileSpan(file, offset, count), count)

    cdef int enqueue(self, segment, size_t n) except -1:
        if self.closed or n == 0 or (self.closing and not self.feeding):
            return 0
        cdef Buf sink
        if self.feeding:
            # What the session wrote so far goes first.
            sink = self.driver_sink()
            if sink.n:
                self.last_buf().put(sink.p, sink.n)
                self.queued += sink.n
                sink.clear()
        if self.queue is None:
            self.queue = deque()
        self.queue.append(segment)
        self.queued += n
        return self.mark_dirty()

    cpdef hold(self):
        """Feed no more until `resume`: a reply is not ready yet."""
        self.held = True

    cpdef resume(self):
        """Feed again, before the end of this turn (or soon, outside one)."""
        if not self.held:
            return
        self.held = False
        self.feed_soon()

    cdef int feed_soon(self) except -1:
        if not self.is_resumed and not self.closed:
            self.is_resumed = True
            self.driver.resumed.append(self)
            if not self.driver.turn.inside:
                self.driver.wake()
        return 0

    def run(self, coro) -> asyncio.Task:
        """Hold, run a coroutine, resume at its end; its failure aborts the link."""
        self.hold()
        task = asyncio.get_running_loop().create_task(coro)
        task.add_done_callback(self._ran)
        return task

    def _ran(self, task):
        if task.cancelled():
            self.abort("cancelled")
        elif task.exception() is not None:
            self.failed(task.exception())
        self.resume()

    cpdef close(self):
        """Take no more input; close once the queued output is sent."""
        if self.closed or self.closing:
            return
        self.closing = True
        self.mark_dirty()

    cpdef abort(self, object why=None):
        """Close at once; queued output is dropped, and what is in flight may be lost."""
        self.end(why, True)

    cpdef drop(self, object why=None):
        """Close at once; queued output is dropped, what was sent arrives."""
        self.end(why, False)

    cdef int end(self, object why, bint reset) except -1:
        if not self.closed:
            if self.feeding:
                # The driver still stands in our frame: leave the teardown to it.
                self.closing = True
                self.queue = None
                self.out = None
                self.queued = 0
                self.mark_dirty()
                return 0
            self.disconnect(reset)
            self.lost(why)
        return 0

    @property
    def can_wait(self) -> bool:
        """Whether `wait_input`, `send_now` and `branch` work here."""
        return False

    cpdef bint send_now(self, data) except -1:
        """Send, past what is queued, and wait until it went; False if it did not.

        These three are for a session that has to ask its client something from inside a feed.
        """
        raise NotImplementedError

    cpdef bytes wait_input(self, meanwhile=None):
        """Wait for the next bytes; b"" if none will come.

        meanwhile: called when other connections have something, to serve them (`Driver.breathe`);
                   what it raises ends the waiting.  Without it everyone waits.
        """
        raise NotImplementedError

    cpdef branch(self, run):
        """Give the connection to a process of its own, a copy of this one that ends after `run()`.

        Here it is closed, without a word to the other side.
        """
        raise NotImplementedError

    cpdef upgrade(self, Session session):
        """Speak another protocol from the next byte on (STARTTLS, WebSocket).

        The new session's `attached` is called instead of `opened`, if it has one.
        """
        self.session = session
        session.link = self
        attached = getattr(session, "attached", None)
        if attached is not None:
            attached()

    def expired(self, int64_t now_ns) -> str:
        """Which deadline of the limits has passed, "" if none."""
        limits = self.limits
        if self.stall_ns and limits.stall_s and now_ns - self.stall_ns > limits.stall_s * 1e9:
            return "output not taken"
        if self.held or self.paused:
            return ""
        if not self.heard:
            if limits.first_message_s and \
                    now_ns - self.message_ns > limits.first_message_s * 1e9:
                return "no first message"
        elif self.frame_ns:
            if limits.frame_s and now_ns - self.frame_ns > limits.frame_s * 1e9:
                return "message not completed"
        elif limits.idle_s and now_ns - self.message_ns > limits.idle_s * 1e9:
            return "idle"
        return ""

    # ------------------------------------------------------------------ for drivers

    cdef int begin(self, Session session) except -1:
        """The connection is up."""
        self.session = session
        session.link = self
        self.message_ns = self.driver.now_ns
        if not self.inner:
            self.driver.links_open += 1
        try:
            session.opened()
        except Exception as exc:
            self.failed(exc)
        return 0

    cdef int received(self, const char* p, size_t n) except -1:
        """n bytes arrived, valid during the call."""
        cdef Py_ssize_t used
        self.bytes_in += n
        if not self.inner:
            self.driver.bytes_in += n
        if self.closing or self.closed:
            return 0
        if self.tail is not None:
            self.tail.put(p, n)
            return self.feed_tail()
        if self.held or self.paused:
            used = 0
        else:
            used = self.feed_once(p, n)
        if <size_t>used < n and not self.closing and not self.closed:
            self.tail = Buf()
            self.tail.put(p + used, n - used)
            if self.frame_ns == 0:
                self.frame_ns = self.driver.now_ns
            self.check_input()
        return 0

    cdef int arrived_in_tail(self, size_t n) except -1:
        """n bytes were received right into `tail` (a long message)."""
        self.bytes_in += n
        if not self.inner:
            self.driver.bytes_in += n
        self.tail.n += n
        return self.feed_tail()

    cdef int feed_tail(self) except -1:
        """Feed what was kept."""
        cdef Py_ssize_t used
        if self.closed or self.held or self.paused or self.feeding:
            return self.check_input()
        if self.tail is not None and not self.closing and self.tail.n >= self.session.need:
            used = self.feed_once(self.tail.p, self.tail.n)
            if self.tail is not None:
                if used > 0:
                    self.tail.drop(used)
                if self.tail.n == 0 or self.closing or self.closed:
                    self.tail = None
        self.check_input()
        if self.eof and not self.held and not self.paused and not self.closed:
            self.close()
        return 0

    cdef int check_input(self) except -1:
        """Read only while what is read can be used."""
        if self.closed or self.eof:
            return 0
        cdef bint stop = self.paused or (
            self.tail is not None and self.held and self.tail.n > self.high)
        return self.want_read(not stop)

    cdef Buf driver_sink(self):
        return self.driver.scratch

    cdef Py_ssize_t feed_once(self, const char* p, size_t n) except -2:
        """Feed; hand what the session wrote to the driver.  Returns bytes consumed."""
        cdef Buf sink = self.driver_sink()
        cdef Py_ssize_t used = 0, step = 0
        cdef Session session
        while True:
            session = self.session
            session.need = 0
            self.feeding = True
            try:
                step = session.feed(p + used, n - used, sink)
            except Exception as exc:
                self.feeding = False
                sink.clear()
                self.failed(exc)
                return n
            self.feeding = False
            if step > 0:
                used += step
            if self.session is session or step < 0 or <size_t>used >= n or self.held:
                break
        if step < 0:
            self.driver.errors += 1
            self.closing = True
            self.mark_dirty()
            used = n
        if used:
            self.message_ns = self.driver.now_ns
            self.heard = True
            self.frame_ns = 0 if <size_t>used == n else self.driver.now_ns
        if sink.n:
            self.deliver(sink)
            sink.clear()
        if self.queued > self.high:
            self.overfull()
        return used

    cdef int overfull(self) except -1:
        """The client reads more slowly than it asks."""
        if self.hard and self.queued > self.hard:
            self.driver.overflows += 1
            self.abort("output limit")
        elif not self.paused and self.high:
            self.paused = True
            self.check_input()
        return 0

    cdef int failed(self, exc) except -1:
        """A session raised: our bug, which ends its connection only, or the end of the disk."""
        if isinstance(exc, DiskFailed):
            self.driver.turn.fail(exc)
        self.driver.errors += 1
        log.error("session failed", exc_info=exc)
        self.abort(exc)
        return 0

    cdef int ended(self) except -1:
        """The other side has sent its last byte."""
        self.eof = True
        if self.held and self.session.half_open:
            self.want_read(False)
        else:
            self.close()
        return 0

    @cython.wraparound(True)
    cdef Buf last_buf(self):
        """The buffer to which copied output is appended, so that order is kept."""
        cdef Buf buf
        if self.queue:
            last = self.queue[-1]
            if isinstance(last, Buf):
                return last
            buf = Buf()
            self.queue.append(buf)
            return buf
        if self.out is None:
            self.out = Buf()
        return self.out

    cdef int mark_dirty(self) except -1:
        """Have the driver push the output at the end of the turn."""
        if self.queued > self.high and not self.feeding:
            self.overfull()
        if not self.is_dirty and not self.closed:
            self.is_dirty = True
            self.driver.dirty.append(self)
            if not self.driver.turn.inside:
                self.driver.wake()
        return 0

    cdef object next_segment(self):
        """The next thing to send when `out` is empty: bytes-like or FileSpan, None if nothing.

        A Buf moves into `out`; callers look there first.
        """
        while self.queue:
            segment = self.queue[0]
            if not isinstance(segment, Buf):
                return segment
            self.out = self.queue.popleft()
            if self.out.n:
                return None
        return None

    cdef int taken(self, size_t n) except -1:
        """n bytes of output were sent."""
        self.queued -= n
        self.bytes_out += n
        if not self.inner:
            self.driver.bytes_out += n
        if self.queued == 0:
            self.stall_ns = 0
            self.out = None
            self.queue = None
        else:
            self.stall_ns = self.driver.now_ns
        if self.paused and self.queued <= self.low:
            self.paused = False
            try:
                self.session.drained()
            except Exception as exc:
                return self.failed(exc)
            self.feed_soon()
        return 0

    cdef int lost(self, object why) except -1:
        """The connection is gone: tell the session, once."""
        if self.closed:
            return 0
        self.closed = self.closing = True
        self.tail = self.out = None
        self.queue = None
        self.queued = 0
        if not self.inner:
            self.driver.links_open -= 1
        if isinstance(why, str):
            why = ConnectionError(why)
        try:
            self.session.closed(why)
        except Exception as exc:
            log.error("session failed while closing", exc_info=exc)
        if self.on_closed is not None:
            self.on_closed(self)
            self.on_closed = None
        return 0

    # ------------------------------------------------------------------ drivers implement

    cdef int deliver(self, Buf scratch) except -1:
        """Replies of a feed: send or queue them; the caller clears scratch."""
        self.last_buf().put(scratch.p, scratch.n)
        self.queued += scratch.n
        return self.mark_dirty()

    cdef int push_output(self) except -1:
        """Send as much as goes; when nothing is left and `closing`, disconnect."""
        raise NotImplementedError

    cdef int want_read(self, bint on) except -1:
        """Turn reading on or off; a no-op when it already is."""
        raise NotImplementedError

    cdef int disconnect(self, bint reset) except -1:
        """Give the connection back to the system; with `reset` whatever is in flight is lost."""
        raise NotImplementedError

    cdef object peer_address(self):
        return None
