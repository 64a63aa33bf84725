"""A driver whose other side is the caller: sessions without sockets.

For embedded forms, for tests that cut a stream at every offset, and for fuzzers: `feed` is one
turn, and returns what would have been sent.
"""

from bedrock.net.driver cimport Driver
from bedrock.net.session cimport Link, Session
from bedrock.net.session import FileSpan
from bedrock.world.clock import OsClock
from bedrock.world.net import Limits
from bedrock.world.turn import Turn


cdef class MemoryLink(Link):
    """A link to the caller.

    sent:    bytes that left since they were last taken
    reading: whether the driver would read from the client
    """

    cdef public bytearray sent
    cdef readonly bint reading
    cdef readonly object why       # what ended the link

    def __init__(self, driver, limits=Limits()):
        super().__init__(driver, limits)
        self.sent = bytearray()
        self.reading = True

    def feed(self, const unsigned char[::1] data not None) -> bytes:
        """Deliver bytes, end the turn, and return all that was sent."""
        self.driver.begin_turn()
        if data.shape[0] and not self.closed:
            self.received(<const char*>&data[0], data.shape[0])
        self.driver.end_turn()
        return self.take()

    def take(self) -> bytes:
        """What was sent since the last call."""
        sent, self.sent = self.sent, bytearray()
        return bytes(sent)

    def end(self) -> bytes:
        """The client sends no more."""
        self.driver.begin_turn()
        self.ended()
        self.driver.end_turn()
        return self.take()

    def drop(self) -> None:
        """The client vanishes."""
        self.driver.begin_turn()
        self.lost(ConnectionResetError("dropped"))
        self.driver.end_turn()

    cdef int push_output(self) except -1:
        while self.queued:
            segment = None
            if self.out is None or self.out.n == 0:
                segment = self.next_segment()
            if segment is None:
                data = self.out.take()
            else:
                data = self.queue.popleft()
                if isinstance(data, FileSpan):
                    data = data.file.read_at(data.offset, data.count)
            self.sent += data
            self.taken(len(data))
            if self.closed:
                return 0
        if self.closing:
            self.lost(None)
        return 0

    cdef int want_read(self, bint on) except -1:
        self.reading = on
        return 0

    cdef int disconnect(self, bint reset) except -1:
        return 0

    cdef int lost(self, object why) except -1:
        if not self.closed:
            self.why = why
        return Link.lost(self, why)

    cdef object peer_address(self):
        return ("memory", self.id)


cdef class MemoryDriver(Driver):
    """Links to the caller.  Without a running loop, `feed` alone ends turns."""

    def __init__(self, clock=None, turn=None):
        super().__init__(clock or OsClock(), turn or Turn())

    def open(self, Session session not None, limits=Limits()) -> MemoryLink:
        """Connect a session."""
        cdef MemoryLink link = MemoryLink(self, limits)
        self.begin_turn()
        link.begin(session)
        self.end_turn()
        return link

    cpdef wake(self):
        try:
            Driver.wake(self)
        except RuntimeError:
            pass                    # no loop: the next `feed` ends the turn
