"""TLS as a session around a session: two `ssl.MemoryBIO` and no socket.

    outer link ──ciphertext──► Tls.feed ──► MemoryBIO ──► SSLObject ──plaintext──► inner session
               ◄──────────────          ◄──           ◄──           ◄───────────── TlsLink

The inner session has a link of its own, which encrypts what it is given and hands it to the outer
one; order, durability and back-pressure are the outer link's.
"""

import ssl

from bedrock.net.buf cimport Buf
from bedrock.net.session cimport Link, Session

cdef enum:
    RECORD = 16 << 10              # plaintext bytes in one TLS record


def secure(session, context, server_side=True):
    """The session itself, or wrapped in TLS when there is a context."""
    return session if context is None else Tls(session, context, server_side=server_side)


cdef class Tls(Session):
    """TLS spoken around `inner`.

    context:     ssl.SSLContext
    server_side: which side of the handshake to play
    """

    cdef Session inner
    cdef TlsLink inner_link
    cdef object incoming, outgoing, ssl
    cdef bint shaken, was_open

    def __init__(self, Session inner, context, *, bint server_side=True, server_hostname=None):
        self.inner = inner
        self.half_open = inner.half_open
        self.incoming = ssl.MemoryBIO()
        self.outgoing = ssl.MemoryBIO()
        self.ssl = context.wrap_bio(
            self.incoming, self.outgoing, server_side=server_side,
            server_hostname=server_hostname)

    @property
    def session(self) -> Session:
        """The session inside."""
        return self.inner

    def opened(self):
        self.inner_link = TlsLink(self)
        self.shake(None)

    def attached(self):
        """Upgraded to, on a link the inner session already knows as open."""
        self.was_open = True
        self.opened()

    cdef Py_ssize_t feed(self, const char* p, size_t n, Buf out) except -2:
        self.incoming.write(p[:n])
        try:
            if not self.shaken and not self.shake(out):
                return n
            while not self.inner_link.closed:
                plain = self.ssl.read(RECORD)
                if not plain:
                    self.inner_link.ended()
                    break
                self.inner_link.received(plain, len(plain))
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.inner_link.ended()
        except ssl.SSLError:
            self.flush(out)
            return -1
        self.flush(out)
        return n

    cdef bint shake(self, Buf out) except -1:
        """Go on with the handshake; true once it is done."""
        try:
            self.ssl.do_handshake()
        except ssl.SSLWantReadError:
            self.flush(out)
            return False
        self.flush(out)
        self.shaken = True
        self.inner_link.settle(self.inner, self.was_open)
        return True

    cdef int encrypt(self, const char* p, size_t n) except -1:
        cdef size_t done = 0, step
        while done < n:
            step = min(n - done, <size_t>RECORD)
            self.ssl.write(p[done:done + step])
            done += step
        return 0

    cdef int flush(self, Buf out) except -1:
        """Hand ciphertext on, into `out` while being fed."""
        data = self.outgoing.read()
        if data:
            if out is not None:
                out.write(data)
            else:
                self.link.write(data)
        return 0

    def drained(self):
        self.inner_link.taken_by_outer()

    def closed(self, exc):
        if self.shaken:
            self.inner_link.lost(exc)


cdef class TlsLink(Link):
    """The link of the session inside a `Tls`."""

    cdef Tls tls
    cdef Buf sink

    def __init__(self, Tls tls):
        super().__init__(tls.link.driver, tls.link.limits)
        self.tls = tls
        self.inner = True
        self.sink = Buf()
        self.driver.next_id -= 1
        self.id = tls.link.id

    cdef int settle(self, Session inner, bint was_open) except -1:
        if was_open:
            self.session = inner
            inner.link = self
            self.message_ns = self.driver.now_ns
            attached = getattr(inner, "secured", None)
            if attached is not None:
                attached()
        else:
            self.begin(inner)
        return 0

    cdef Buf driver_sink(self):
        return self.sink

    cdef int deliver(self, Buf scratch) except -1:
        if self.queued:
            return Link.deliver(self, scratch)
        self.tls.encrypt(scratch.p, scratch.n)
        self.tls.flush(None)
        return 0

    cdef int push_output(self) except -1:
        cdef Buf out
        while self.queued:
            segment = None
            if self.out is None or self.out.n == 0:
                segment = self.next_segment()
            if segment is None:
                out = self.out
                self.tls.encrypt(out.p, out.n)
                self.out = None
                self.taken(out.n)
            else:
                self.queue.popleft()
                data = segment
                if not isinstance(segment, (bytes, bytearray, memoryview)):
                    data = segment.file.read_at(segment.offset, segment.count)
                out = Buf(data)
                self.tls.encrypt(out.p, out.n)
                self.taken(len(segment))
            self.tls.flush(None)
            if self.closed:
                return 0
        if self.tls.link.paused and not self.paused:
            self.paused = True
        if self.closing:
            try:
                self.tls.ssl.unwrap()
            except ssl.SSLError:
                pass                # the other side need not answer our close_notify
            self.tls.flush(None)
            self.tls.link.close()
        return 0

    cdef int taken_by_outer(self) except -1:
        if self.paused:
            self.paused = False
            self.session.drained()
            self.feed_soon()
        return 0

    cdef int want_read(self, bint on) except -1:
        if on:
            self.tls.link.resume()
        else:
            self.tls.link.hold()
        return 0

    cdef int disconnect(self, bint reset) except -1:
        if reset:
            self.tls.link.abort()
        else:
            self.tls.link.close()
        return 0

    cdef object peer_address(self):
        return self.tls.link.peer_address()
