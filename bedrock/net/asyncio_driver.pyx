"""The same sessions on any asyncio loop: macOS, or someone else's program.

A transport reads and writes; everything else is Link's.  A turn begins with the first data of a
loop iteration and ends in a callback behind it, so that group commit works here too.
"""

import asyncio

from bedrock.net.driver cimport Driver
from bedrock.net.session cimport Link
from bedrock.net.session import FileSpan
from bedrock.net.sockets import listening, plain_address, unlink
from bedrock.net.tls import secure
from bedrock.world.net import Limits

cdef enum:
    STEP = 256 << 10               # handed to the transport at once


cdef class AsyncioLink(Link):
    """A transport's link.  Output stays in our queue until the transport wants more."""

    cdef object transport
    cdef bint stuck                # the transport asked to pause writing

    cdef int push_output(self) except -1:
        while self.queued and not self.stuck:
            data = self.next_piece()
            self.driver.sends += 1
            self.transport.write(data)
            self.taken(len(data))
            if self.closed:
                return 0
        if self.queued and self.stall_ns == 0:
            self.stall_ns = self.driver.now_ns
        if self.closing and not self.queued:
            self.transport.close()
        return 0

    cdef object next_piece(self):
        """At most STEP bytes of what is first in line, taken out of it."""
        cdef size_t step
        segment = None
        if self.out is None or self.out.n == 0:
            segment = self.next_segment()
        if segment is None:
            step = min(self.out.n, <size_t>STEP)
            data = self.out.p[:step]
            self.out.drop(step)
            return data
        self.queue.popleft()
        if isinstance(segment, FileSpan):
            data = segment.file.read_at(segment.offset, min(segment.count, STEP))
            segment.offset += len(data)
            segment.count -= len(data)
            rest = segment
        else:
            view = memoryview(segment).cast("B")
            data, rest = view[:STEP], view[STEP:]
        if len(rest):
            self.queue.appendleft(rest)
        return data

    cdef int want_read(self, bint on) except -1:
        if self.transport.is_closing() or self.transport.is_reading() == on:
            return 0
        if on:
            self.transport.resume_reading()
        else:
            self.transport.pause_reading()
        return 0

    cdef int disconnect(self, bint reset) except -1:
        if reset:
            self.transport.abort()
        else:
            self.transport.close()
        return 0

    cdef object peer_address(self):
        return plain_address(self.transport.get_extra_info("peername"))


class _Protocol(asyncio.Protocol):
    """asyncio's side of a link."""

    def __init__(self, driver, make_session, limits, links=None, opened=None):
        self.driver = driver
        self.make_session = make_session
        self.limits = limits
        self.links = links
        self.opened = opened
        self.link = None

    def connection_made(self, transport):
        if self.links is not None and self.limits.max_clients \
                and len(self.links) >= self.limits.max_clients:
            self.driver.refuse()
            transport.abort()
            return
        cdef AsyncioLink link = AsyncioLink(self.driver, self.limits)
        link.transport = transport
        self.link = link
        transport.set_write_buffer_limits(high=self.limits.low)
        if self.links is not None:
            self.links.add(link)
        session = self.make_session()
        link.begin(session)
        if self.opened is not None and not self.opened.done():
            self.opened.set_result(session)

    def data_received(self, data):
        cdef AsyncioLink link = self.link
        if link is not None:
            (<AsyncioDriver>self.driver).fed()
            link.received(data, len(data))

    def eof_received(self):
        if self.link is None:
            return False
        (<AsyncioDriver>self.driver).fed()
        (<AsyncioLink>self.link).ended()
        return True

    def pause_writing(self):
        (<AsyncioLink>self.link).stuck = True

    def resume_writing(self):
        cdef AsyncioLink link = self.link
        link.stuck = False
        link.mark_dirty()

    def connection_lost(self, exc):
        cdef AsyncioLink link = self.link
        if link is not None:
            if self.links is not None:
                self.links.discard(link)
            link.lost(exc)


class Listener:
    """An open listening socket; see bedrock.world.Listener."""

    def __init__(self, sock, links):
        self.links = links
        self._sock = sock
        self._server = None
        self._closed = False
        self.address = plain_address(sock.getsockname())

    async def _serve(self, protocol):
        loop = asyncio.get_running_loop()
        make = loop.create_unix_server if isinstance(self.address, str) else loop.create_server
        self._server = await make(protocol, sock=self._sock)
        if self._closed:
            self._server.close()

    def close(self) -> None:
        """Accept no more; open connections stay."""
        self._closed = True
        if self._server is not None:
            self._server.close()
        else:
            self._sock.close()
        unlink(self.address)


cdef class AsyncioDriver(Driver):
    """The driver over asyncio's transports."""

    cdef set tasks

    def __init__(self, clock, turn):
        super().__init__(clock, turn)
        self.tasks = set()

    cdef int fed(self) except -1:
        """Bytes arrived: a turn has begun, and ends soon."""
        self.recvs += 1
        if not self.awake:
            self.begin_turn()
            self.wake()
        return 0

    def refuse(self):
        self.refused += 1

    def listen(self, factory, address, *, limits=Limits(), tls=None) -> Listener:
        """See bedrock.world.Net."""
        sock = listening(address)
        links = set()
        listener = Listener(sock, links)

        def protocol():
            self.accepted += 1
            return _Protocol(self, lambda: secure(factory(), tls), limits, links)

        task = asyncio.get_running_loop().create_task(listener._serve(protocol))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return listener

    async def connect(self, factory, address, *, limits=Limits(), tls=None, timeout_s=10.0):
        """See bedrock.world.Net."""
        loop = asyncio.get_running_loop()
        opened = loop.create_future()

        def protocol():
            return _Protocol(
                self, lambda: secure(factory(), tls, server_side=False), limits, None, opened)

        async with asyncio.timeout(timeout_s):
            if isinstance(address, str):
                await loop.create_unix_connection(protocol, address)
            else:
                await loop.create_connection(protocol, *address)
            return await opened

    def close(self) -> None:
        """Nothing to give back: the loop owns the transports."""
