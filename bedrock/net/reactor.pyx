"""Linux epoll, level-triggered, one thread: the driver that servers run on.

An epoll descriptor is itself pollable, so the reactor lives inside uvloop or asyncio in the same
thread: the loop calls `poll` when anything is ready, and one call is one turn,

    epoll_wait ─► recv + feed each ready link ─► resumed links ─► before_flush ─► send dirty links

Replies of a feed are sent at once (they overlap with the client's next request) unless a log
deferred its flush in this turn; then they wait for it.

Why not asyncio transports: measured, they cost 9-17 % more CPU for each request and nine times the
memory for each connection, and have no place for the flush.

Invariants:
1. At most one recv of 64 KiB for each link and 256 events a turn: no client and no burst starves
   the others or the loop around.
2. A link closed in a turn stays alive until its end: its event may still be in the list.
"""

import asyncio
import errno
import os
import select
import socket
from functools import partial

from cpython.ref cimport PyObject
from libc.errno cimport EAGAIN, ECONNRESET, EINTR, EMFILE, ENFILE, EPIPE, \
    errno as c_errno
from libc.stdint cimport int64_t, uint32_t
from posix.types cimport off_t

from bedrock.net.branch import Branches
from bedrock.net.buf cimport Buf
from bedrock.net.driver cimport Driver
from bedrock.net.linger cimport Linger
from bedrock.net.linger import worthwhile
from bedrock.net.linux cimport AF_INET, AF_INET6, EPOLL_CLOEXEC, EPOLL_CTL_ADD, EPOLL_CTL_DEL, \
    EPOLL_CTL_MOD, EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, INET6_ADDRSTRLEN, IPPROTO_TCP, \
    MSG_DONTWAIT, MSG_MORE, MSG_NOSIGNAL, SHUT_WR, SO_LINGER, SOCK_CLOEXEC, SOCK_NONBLOCK, \
    SOL_SOCKET, TCP_NODELAY, accept4, c_close, c_recv, c_send, epoll_create1, epoll_ctl, \
    epoll_event, epoll_wait, inet_ntop, linger, ntohs, sendfile, setsockopt, shutdown, sockaddr, \
    sockaddr_in, sockaddr_in6, socklen_t
from bedrock.net.session cimport Link
from bedrock.net.session import FileSpan
from bedrock.net.sockets import listening, plain_address, unlink
from bedrock.net.tls import secure
from bedrock.world.disk cimport File
from bedrock.world.net import Limits

cdef enum:
    SCRATCH = 64 << 10
    EVENTS = 256
    ACCEPTS = 64
    SPAN_STEP = 1 << 20
    PATIENCE_MS = 5000             # for a client that takes nothing, while everyone waits


def poll_for(timeout_ms, *watched) -> set:
    """Which of the descriptors (number, events) are ready; none after the timeout."""
    poller = select.poll()
    for number, events in watched:
        poller.register(number, events)
    return {number for number, _ in poller.poll(timeout_ms)}


cdef class Watched:
    """Something with a descriptor in the epoll set."""

    cdef Reactor reactor
    cdef int fd
    cdef uint32_t events

    cdef int ready(self, uint32_t events) except -1:
        return 0

    cdef int watch(self, uint32_t events) except -1:
        """Add to the set, or change what is waited for."""
        cdef epoll_event event
        cdef int op = EPOLL_CTL_ADD if self.events == 0 else EPOLL_CTL_MOD
        if self.fd < 0 or events == self.events:
            return 0
        event.events = events
        event.data.ptr = <void*>self
        if events == 0:
            op = EPOLL_CTL_DEL
        if epoll_ctl(self.reactor.epfd, op, self.fd, &event) != 0:
            raise OSError(c_errno, os.strerror(c_errno))
        self.events = events
        return 0

    cdef int forget(self) except -1:
        """Close the descriptor, which also takes it out of the set."""
        if self.fd >= 0:
            self.reactor.watched.pop(self.fd, None)
            self.reactor.graveyard.append(self)
            c_close(self.fd)
            self.fd = -1
            self.events = 0
        return 0


cdef class Listener(Watched):
    """An open listening socket; see bedrock.world.Listener."""

    cdef object factory, limits, tls, sock
    cdef readonly object address
    cdef readonly set links
    cdef bint tcp

    def __init__(self, Reactor reactor, sock, factory, limits, tls):
        self.reactor = reactor
        self.sock = sock
        self.factory = factory
        self.limits = limits
        self.tls = tls
        self.links = set()
        self.tcp = sock.family != socket.AF_UNIX
        self.address = plain_address(sock.getsockname())
        self.fd = os.dup(sock.fileno())
        reactor.watched[self.fd] = self
        self.watch(EPOLLIN)

    def close(self) -> None:
        """Accept no more; open connections stay."""
        if self.sock is None:
            return
        self.forget()
        self.sock.close()
        self.sock = None
        unlink(self.address)

    cdef int ready(self, uint32_t events) except -1:
        cdef int fd, one = 1
        cdef sockaddr_in6 name
        cdef socklen_t size
        cdef EpollLink link
        for _ in range(ACCEPTS):
            size = sizeof(name)
            fd = accept4(self.fd, <sockaddr*>&name, &size, SOCK_NONBLOCK | SOCK_CLOEXEC)
            if fd < 0:
                # Out of descriptors: the connection waits in the kernel's queue for one.
                if c_errno in (EMFILE, ENFILE):
                    self.reactor.refused += 1
                break
            if self.limits.max_clients and len(self.links) >= self.limits.max_clients:
                self.reactor.refused += 1
                c_close(fd)
                continue
            if self.tcp:
                setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one))
            self.reactor.accepted += 1
            link = EpollLink(self.reactor, self.limits)
            link.name = name
            self.reactor.adopt(link, fd)
            self.links.add(link)
            link.listener = self
            link.watch(EPOLLIN)
            link.begin(secure(self.factory(), self.tls))
        return 0


cdef class EpollLink(Link):
    """A connected socket."""

    cdef Watched socket
    cdef Listener listener
    cdef sockaddr_in6 name         # the other side, as the system says it
    cdef object address            # and in Python, once someone asked
    cdef bint given_away           # another process has it
    cdef int lifeline              # in that process: ends with the server; 0 = in the server

    cdef int watch(self, uint32_t events) except -1:
        return self.socket.watch(events)

    cdef object peer_address(self):
        cdef char[INET6_ADDRSTRLEN] host
        if self.address is None:
            if self.name.sin6_family == AF_INET6:
                inet_ntop(AF_INET6, &self.name.sin6_addr, host, sizeof(host))
            elif self.name.sin6_family == AF_INET:
                inet_ntop(AF_INET, &(<sockaddr_in*>&self.name).sin_addr, host, sizeof(host))
            else:
                return ""           # who comes by a unix socket has no name
            self.address = host.decode(), ntohs(self.name.sin6_port)
        return self.address

    cdef int readable(self) except -1:
        cdef Reactor reactor = <Reactor>self.driver
        cdef Py_ssize_t got
        cdef size_t want
        cdef Buf tail = self.tail
        reactor.recvs += 1
        if tail is not None and self.session.need > tail.n:
            # A long message is coming: receive right behind what is there.
            want = self.session.need - tail.n
            if want < SCRATCH:
                want = SCRATCH
            elif want > 1 << 20:
                want = 1 << 20
            got = c_recv(self.socket.fd, tail.room(want), want, MSG_DONTWAIT)
            if got > 0:
                self.arrived_in_tail(got)
                return 0
        else:
            got = c_recv(self.socket.fd, reactor.into, SCRATCH, MSG_DONTWAIT)
            if got > 0:
                self.received(reactor.into, got)
                return 0
        if got == 0:
            self.ended()
        elif c_errno not in (EAGAIN, EINTR):
            self.broken(c_errno)
        return 0

    @property
    def can_wait(self) -> bool:
        return True

    cpdef bint send_now(self, data) except -1:
        """See Link."""
        left = memoryview(data)
        while len(left):
            try:
                left = left[os.write(self.socket.fd, left):]
            except BlockingIOError:
                if not poll_for(PATIENCE_MS, (self.socket.fd, select.POLLOUT)):
                    return False
            except OSError:
                return False
        return True

    cpdef bytes wait_input(self, meanwhile=None):
        """See Link."""
        watched = [(self.socket.fd, select.POLLIN)]
        if self.lifeline:
            watched.append((self.lifeline, select.POLLIN))
        if meanwhile is not None:
            watched.append(((<Reactor>self.driver).epfd, select.POLLIN))
        while True:
            ready = poll_for(None, *watched)
            if self.socket.fd in ready:
                try:
                    return os.read(self.socket.fd, SCRATCH)
                except BlockingIOError:
                    continue
                except OSError:
                    return b""
            if self.lifeline in ready:
                return b""
            meanwhile()

    cpdef branch(self, run):
        """See Link."""
        (<Reactor>self.driver).branches.grow(self.socket.fd, partial(self.go_on_alone, run))
        self.given_away = True
        self.end(None, False)

    def go_on_alone(self, run, int lifeline) -> None:
        """In the process that was split off."""
        self.lifeline = lifeline
        (<Reactor>self.driver).forget_all_but(self.socket)
        run()

    cdef int broken(self, int number) except -1:
        self.disconnect(False)
        return self.lost(ConnectionError(number, os.strerror(number)))

    cdef int deliver(self, Buf scratch) except -1:
        cdef Py_ssize_t put
        if self.queued == 0 and not self.driver.turn.pending:
            put = c_send(self.socket.fd, scratch.p, scratch.n, MSG_NOSIGNAL | MSG_DONTWAIT)
            self.driver.sends += 1
            if put < 0:
                if c_errno not in (EAGAIN, EINTR):
                    return self.broken(c_errno)
                put = 0
            self.bytes_out += put
            self.driver.bytes_out += put
            if <size_t>put == scratch.n:
                return 0
            scratch.drop(put)
        return Link.deliver(self, scratch)

    cdef int push_output(self) except -1:
        cdef Py_ssize_t put
        while self.queued:
            if self.out is None or self.out.n == 0:
                segment = self.next_segment()
            else:
                segment = None
            if segment is None:
                put = c_send(self.socket.fd, self.out.p, self.out.n,
                             MSG_NOSIGNAL | MSG_DONTWAIT | (MSG_MORE if self.queue else 0))
                if put > 0:
                    self.out.drop(put)
            else:
                put = self.push_segment(segment)
            self.driver.sends += 1
            if put < 0:
                if c_errno in (EAGAIN, EINTR):
                    break
                return self.broken(c_errno)
            self.taken(put)
            if self.closed:
                return 0
        if self.queued:
            if self.stall_ns == 0:
                self.stall_ns = self.driver.now_ns
            return self.watch(self.socket.events | EPOLLOUT)
        if self.closing:
            self.disconnect(False)
            return self.lost(None)
        if self.socket.events & EPOLLOUT:
            return self.watch(self.socket.events & ~<uint32_t>EPOLLOUT)
        return 0

    cdef Py_ssize_t push_segment(self, segment) except? -1:
        """Send some of the first segment of the queue; -1 with errno set when it would block."""
        cdef Py_ssize_t put
        cdef const unsigned char[::1] view
        cdef off_t offset
        cdef File file
        if isinstance(segment, FileSpan):
            file = segment.file
            if file.fileno() < 0:
                self.queue[0] = file.read_at(segment.offset, min(segment.count, SPAN_STEP))
                if segment.count > SPAN_STEP:
                    self.queue.insert(1, FileSpan(
                        file, segment.offset + SPAN_STEP, segment.count - SPAN_STEP))
                return self.push_segment(self.queue[0])
            offset = segment.offset
            put = sendfile(self.socket.fd, file.fileno(), &offset, min(segment.count, SPAN_STEP))
            if put == 0:
                # The file is shorter than promised: the framing is lost, so is the connection.
                self.broken(EPIPE)
                return 0
            if put > 0:
                segment.offset += put
                segment.count -= put
                if segment.count == 0:
                    self.queue.popleft()
            return put
        view = memoryview(segment).cast("B")
        put = c_send(self.socket.fd, &view[0], view.shape[0], MSG_NOSIGNAL | MSG_DONTWAIT)
        if put == view.shape[0]:
            self.queue.popleft()
        elif put > 0:
            self.queue[0] = memoryview(segment).cast("B")[put:]
        return put

    cdef int want_read(self, bint on) except -1:
        if on:
            return self.watch(self.socket.events | EPOLLIN)
        return self.watch(self.socket.events & ~<uint32_t>EPOLLIN)

    cdef int disconnect(self, bint reset) except -1:
        cdef linger hard
        cdef Reactor reactor = <Reactor>self.driver
        if self.socket.fd < 0:
            return 0
        if self.given_away:
            self.socket.watch(0)       # closing does not take it out of the set: it is open elsewhere
        elif reset:
            hard.l_onoff, hard.l_linger = 1, 0
            setsockopt(self.socket.fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard))
        elif not self.eof:
            # Closing with unread input sends a reset, which can overtake our last reply.
            shutdown(self.socket.fd, SHUT_WR)
            for _ in range(16):
                if c_recv(self.socket.fd, reactor.into, SCRATCH, MSG_DONTWAIT) <= 0:
                    break
        if self.listener is not None:
            self.listener.links.discard(self)
        return self.socket.forget()


cdef class Connected(Watched):
    """The socket of a link, and while it is being connected the future that waits for it."""

    cdef EpollLink link
    cdef object waiter

    cdef int ready(self, uint32_t events) except -1:
        cdef EpollLink link = self.link
        if self.waiter is not None:
            waiter, self.waiter = self.waiter, None
            if not waiter.done():
                waiter.set_result(None)
            return 0
        if events & (EPOLLIN | EPOLLHUP | EPOLLERR):
            if self.events & EPOLLIN:
                link.readable()
            elif events & (EPOLLHUP | EPOLLERR):
                link.broken(ECONNRESET)
        if events & EPOLLOUT and not link.closed:
            if self.reactor.turn.pending or self.reactor.withheld:
                link.mark_dirty()      # among it may be what this turn has yet to make durable
            else:
                link.push_output()
        return 0


cdef class Reactor(Driver):
    """An epoll set and its turn.

    Attach it to the running loop with `attach`; `poll` is one turn.
    """

    cdef int epfd
    cdef char[SCRATCH] input
    cdef bint withheld             # within a breath: the turn around has something to flush
    cdef char* into                # where is received: `input`, but for a turn within a feed
    cdef dict watched              # fd -> Watched
    cdef list graveyard            # what was closed in this turn
    cdef object loop
    cdef object branches           # processes split off, once attached
    cdef readonly Linger linger    # None where it cannot pay
    cdef readonly int64_t longest_turn_ns

    def __init__(self, clock, turn):
        super().__init__(clock, turn)
        self.watched = {}
        self.graveyard = []
        self.into = self.input
        self.epfd = epoll_create1(EPOLL_CLOEXEC)
        if self.epfd < 0:
            raise OSError(c_errno, os.strerror(c_errno))

    def __dealloc__(self):
        if self.epfd >= 0:
            c_close(self.epfd)

    def fileno(self) -> int:
        """The epoll descriptor: readable when a turn has something to do."""
        return self.epfd

    def attach(self, loop=None) -> Reactor:
        """Run inside an event loop."""
        self.loop = loop or asyncio.get_running_loop()
        self.branches = Branches(self.loop)
        self.loop.add_reader(self.epfd, self.poll)
        if worthwhile():
            self.linger = Linger(self.loop)
        return self

    def close(self) -> None:
        """Abort all connections and leave the loop."""
        for watched in list(self.watched.values()):
            if isinstance(watched, Listener):
                watched.close()
            else:
                (<Connected>watched).link.abort("shut down")
        self.graveyard.clear()
        if self.loop is not None:
            self.branches.close()
            self.loop.remove_reader(self.epfd)
            self.loop = self.linger = None

    cpdef poll(self):
        """One turn, without waiting."""
        cdef epoll_event[EVENTS] events
        cdef int i, n
        cdef int64_t spent
        n = epoll_wait(self.epfd, events, EVENTS, 0)
        if n <= 0:
            return
        if self.linger is not None:
            self.linger.came()
        self.begin_turn()
        try:
            for i in range(n):
                watched = <Watched><PyObject*>events[i].data.ptr
                if watched.fd >= 0:
                    watched.ready(events[i].events)
        finally:
            self.end_turn()
            if self.graveyard:
                self.graveyard.clear()
        spent = self.clock.now_ns() - self.now_ns
        if spent > self.longest_turn_ns:
            self.longest_turn_ns = spent

    cdef int end_turn(self) except -1:
        """See Driver; what follows a turn is often another."""
        Driver.end_turn(self)
        if self.linger is not None:
            self.linger.left()
        return 0

    cpdef breathe(self):
        """See Driver: a turn without an end, in buffers of its own, inside of another."""
        cdef epoll_event[EVENTS] events
        cdef Buf inner = Buf()
        cdef Buf scratch = self.scratch
        cdef char* into = self.into
        cdef bint pending = self.turn.pending
        cdef int i, n
        n = epoll_wait(self.epfd, events, EVENTS, 0)
        if n <= 0:
            return
        self.scratch, self.into, self.turn.pending = Buf(), inner.room(SCRATCH), False
        self.withheld = pending
        try:
            for i in range(n):
                watched = <Watched><PyObject*>events[i].data.ptr
                if watched.fd >= 0 and not (
                    isinstance(watched, Connected) and (<Connected>watched).link.feeding
                ):
                    watched.ready(events[i].events)
        finally:
            self.scratch, self.into, self.withheld = scratch, into, False
            self.turn.pending = self.turn.pending or pending

    cdef int forget_all_but(self, Watched kept) except -1:
        """Other descriptors are not open in this process."""
        cdef Watched watched
        for watched in self.watched.values():
            if watched is not kept:
                watched.fd = -1
        self.epfd = -1

    cdef int adopt(self, EpollLink link, int fd) except -1:
        cdef Connected connected = Connected()
        connected.reactor = self
        connected.fd = fd
        connected.link = link
        link.socket = connected
        self.watched[fd] = connected
        return 0

    def listen(self, factory, address, *, limits=Limits(), tls=None) -> Listener:
        """See bedrock.world.Net."""
        sock = listening(address)
        return Listener(self, sock, factory, limits, tls)

    async def connect(self, factory, address, *, limits=Limits(), tls=None, timeout_s=10.0):
        """See bedrock.world.Net."""
        loop = asyncio.get_running_loop()
        if isinstance(address, str):
            family = socket.AF_UNIX
        else:
            family, _, _, _, address = (await loop.getaddrinfo(
                *address, type=socket.SOCK_STREAM))[0]
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setblocking(False)
        cdef EpollLink link = EpollLink(self, limits)
        cdef Connected connected
        code = sock.connect_ex(address)
        if family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.adopt(link, os.dup(sock.fileno()))
        link.address = plain_address(address)
        connected = <Connected>link.socket
        try:
            if code == errno.EINPROGRESS:
                connected.waiter = loop.create_future()
                connected.watch(EPOLLOUT)
                async with asyncio.timeout(timeout_s):
                    await connected.waiter
                code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code:
                raise OSError(code, f"connect to {address}: {os.strerror(code)}")
        except BaseException:
            connected.waiter = None
            connected.forget()
            raise
        finally:
            sock.close()
        connected.watch(EPOLLIN)
        session = secure(factory(), tls, server_side=False)
        link.begin(session)
        return session
