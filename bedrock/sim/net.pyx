"""Streams between simulated machines: sessions and links as in bedrock.net, sockets pretended.

    link A ── pieces, each with a time of arrival ──► link B
           ◄──────────────────────────────────────

A stream is TCP's: bytes arrive in order and once, or the connection breaks.  What the network may
do to it: delay, cut a piece in two or join two, hold up everything behind a piece, reset, and let
nothing through between two hosts for a time (a partition, healed by TCP's repetition, unless
someone's patience ends first).  A sender has a window: more than WINDOW bytes on the way wait.

When a machine dies by losing power its links fall silent, and the first piece that reaches it
after it is up again is answered by a reset; when only its process dies, the system resets them.

Everything is drawn from one stream of randomness, in the order of events.
"""

import asyncio
from collections import deque
from contextvars import Context

from libc.stdint cimport int64_t

from bedrock.net.driver cimport Driver
from bedrock.net.session cimport Link, Session
from bedrock.world.rand cimport Rand

from bedrock.net.session import FileSpan
from bedrock.net.tls import secure
from bedrock.sim.faults import Faults
from bedrock.world.net import Limits

cdef enum:
    WINDOW = 64 << 10

RETRY_S = 0.2                      # a piece that found nobody is sent again after this time

cdef object DATA = "data"
cdef object END = "end"            # no more bytes will follow
cdef object RESET = "reset"


cdef class Network:
    """All hosts, listeners and streams of a simulation.

    loop:   the SimLoop
    rand:   where delays and mishaps are drawn from
    faults: Faults; may be replaced at any time
    trace:  called with (what, *details) for each event
    """

    cdef readonly object loop
    cdef readonly Rand rand
    cdef public object faults
    cdef readonly object trace
    cdef readonly object context       # nobody's: the network goes on when a machine does not
    cdef readonly dict listeners       # (host, port) -> SimListener
    cdef readonly set cuts             # frozenset of two host names that do not hear each other
    cdef int64_t next_port
    cdef int64_t next_stream

    def __init__(self, loop, Rand rand not None, faults=None, trace=None):
        self.loop = loop
        self.rand = rand
        self.faults = faults or Faults()
        self.trace = trace or (lambda *_: None)
        self.context = Context()
        self.listeners = {}
        self.cuts = set()
        self.next_port = 20_000

    def delay(self) -> float:
        """Seconds a piece is on the way, without hold-ups."""
        return self.faults.delay_s * (0.5 + self.rand.random())

    def cut(self, str one, str other) -> None:
        """Part two hosts."""
        self.trace("part", one, other)
        self.cuts.add(frozenset((one, other)))

    def heal(self, str one="", str other="") -> None:
        """Join two hosts again; without names, all."""
        self.trace("heal", one, other)
        if one:
            self.cuts.discard(frozenset((one, other)))
        else:
            self.cuts.clear()

    def parted(self, str one, str other) -> bool:
        return frozenset((one, other)) in self.cuts


class SimListener:
    """An open listening address; see bedrock.world.Listener."""

    def __init__(self, net, factory, address, limits, tls):
        self.net = net
        self.factory = factory
        self.address = address
        self.limits = limits
        self.tls = tls
        self.links = set()

    def close(self) -> None:
        """Accept no more; open connections stay."""
        self.net.network.listeners.pop(self.address, None)


cdef class SimNet(Driver):
    """A host's driver, during one boot of it.

    host:    its name; addresses of listeners are (host, port), whatever host was asked for
    context: contextvars.Context in which its sessions run
    """

    cdef readonly Network network
    cdef readonly str host
    cdef readonly object context
    cdef readonly set links
    cdef public bint silent            # power off, or standing still: pieces find nobody
    cdef readonly bint dead            # this boot is over: pieces are answered by a reset

    def __init__(self, Network network not None, str host, clock, turn, context):
        super().__init__(clock, turn)
        self.network = network
        self.host = host
        self.context = context
        self.links = set()

    def listen(self, factory, address, *, limits=Limits(), tls=None):
        """See bedrock.world.Net."""
        port = address[1]
        if not port:
            self.network.next_port += 1
            port = self.network.next_port
        here = (self.host, port)
        if here in self.network.listeners:
            raise OSError(98, "address already in use", f"{self.host}:{port}")
        listener = SimListener(self, factory, here, limits, tls)
        self.network.listeners[here] = listener
        return listener

    async def connect(self, factory, address, *, limits=Limits(), tls=None, timeout_s=10.0):
        """See bedrock.world.Net; the host in `address` is a machine's name."""
        cdef SimLink near, far
        cdef Network network = self.network
        async with asyncio.timeout(timeout_s):
            await asyncio.sleep(network.delay())
            listener = network.listeners.get(address)
            while network.parted(self.host, address[0]) or (listener and listener.net.silent):
                await asyncio.sleep(RETRY_S)
                listener = network.listeners.get(address)
            if listener is None:
                await asyncio.sleep(network.delay())
                raise ConnectionRefusedError(f"nobody listens at {address[0]}:{address[1]}")
            if listener.limits.max_clients and len(listener.links) >= listener.limits.max_clients:
                (<SimNet>listener.net).refused += 1
                raise ConnectionResetError("too many clients")
            network.next_stream += 1
            network.next_port += 1
            near = SimLink(self, limits, network.next_stream, address)
            far = SimLink(listener.net, listener.limits, network.next_stream,
                          (self.host, network.next_port))
            near.other, far.other = far, near
            network.trace("connect", self.host, address[0], address[1], network.next_stream)
            (<SimNet>listener.net).accepted += 1
            listener.links.add(far)
            far.listener_links = listener.links
            session = factory()
            network.loop.call_soon(
                far.start, secure(listener.factory(), listener.tls), context=far.net.context)
            await asyncio.sleep(network.delay())
            if near.closed:
                raise ConnectionResetError("reset before it was up")
            near.start(secure(session, tls, server_side=False))
            return session

    def power_off(self) -> None:
        """The machine is off: its links neither hear nor say anything."""
        self.silent = True
        self.end_boot()

    def process_died(self) -> None:
        """The process is gone, and its system closes what it had open."""
        cdef SimLink link
        for link in sorted(self.links, key=stream_of):
            link.post(RESET, None)
        self.end_boot()

    def end_boot(self) -> None:
        cdef SimLink link
        self.dead = True
        for address in [a for a, known in self.network.listeners.items() if known.net is self]:
            del self.network.listeners[address]
        for link in sorted(self.links, key=stream_of):
            link.closed = link.closing = True
        self.links.clear()

    def close(self) -> None:
        """Nothing to give back."""


cdef stream_of(SimLink link):
    return link.stream


cdef class SimLink(Link):
    """One end of a stream."""

    cdef SimNet net
    cdef SimLink other
    cdef readonly int64_t stream
    cdef object address                # of the other side
    cdef list early                    # what arrived before this side was up
    cdef object arrivals               # deque of (kind, bytes), on their way to us, in order
    cdef double latest                 # when the last of them arrives
    cdef bint timer                    # a call of `arrive` is scheduled
    cdef bint deaf                     # the session does not read
    cdef size_t on_the_way             # bytes we sent that have not been taken
    cdef public object listener_links

    def __init__(self, SimNet net not None, limits, stream, address):
        super().__init__(net, limits)
        self.net = net
        self.stream = stream
        self.address = address
        self.arrivals = deque()
        self.early = []
        net.links.add(self)

    def start(self, Session session):
        """The connection is up on this side."""
        if self.net.dead:
            return
        self.net.begin_turn()
        self.begin(session)
        self.net.end_turn()
        for kind, data in self.early:
            if not self.closed:
                self.hear(kind, data)
        self.early.clear()

    # -- the way from us to the other side

    def post(self, kind, data) -> None:
        """Put a piece on the way."""
        cdef SimLink other = self.other
        cdef Network network = self.net.network
        cdef double when = network.loop.time() + network.delay()
        if network.rand.chance(network.faults.stall):
            when += network.rand.random() * network.faults.stall_s
        # Nothing overtakes what was sent before.
        other.latest = max(other.latest, when)
        other.arrivals.append((kind, data, other.latest))
        other.expect(other.latest)

    cdef int push_output(self) except -1:
        cdef Network network = self.net.network
        cdef Py_ssize_t at
        cdef size_t n
        while self.queued and self.on_the_way < WINDOW:
            data = self.next_piece(WINDOW - self.on_the_way)
            n = len(data)
            self.on_the_way += n
            self.net.sends += 1
            while data:
                if network.rand.chance(network.faults.reset):
                    network.trace("reset", self.stream)
                    self.post(RESET, None)
                    self.lost(ConnectionResetError("reset by the network"))
                    return 0
                at = len(data)
                if at > 1 and network.rand.chance(network.faults.split):
                    at = 1 + network.rand.below(at - 1)
                self.post(DATA, data[:at])
                data = data[at:]
            self.taken(n)
            if self.closed:
                return 0
        if self.queued and self.stall_ns == 0:
            self.stall_ns = self.net.now_ns
        if self.closing and not self.queued:
            self.post(END, None)
            self.lost(None)
        return 0

    cdef bytes next_piece(self, size_t most):
        """Up to `most` bytes of what is first in line."""
        cdef size_t n
        segment = None
        if self.out is None or self.out.n == 0:
            segment = self.next_segment()
        if segment is None:
            n = min(self.out.n, most)
            data = self.out.p[:n]
            self.out.drop(n)
        else:
            self.queue.popleft()
            if isinstance(segment, FileSpan):
                data = segment.file.read_at(segment.offset, min(<size_t>segment.count, most))
                segment.offset += len(data)
                segment.count -= len(data)
                rest = segment
            else:
                view = memoryview(segment).cast("B")
                data, rest = bytes(view[:most]), view[most:]
            if len(rest):
                self.queue.appendleft(rest)
        return data

    # -- the way from the other side to us

    def expect(self, double when) -> None:
        if not self.timer:
            self.timer = True
            network = self.net.network
            network.loop.call_at(when, self.arrive, context=network.context)

    def arrive(self) -> None:
        """Deliver the pieces that are due."""
        cdef Network network = self.net.network
        cdef SimLink other = self.other
        cdef double now = network.loop.time()
        self.timer = False
        if not self.arrivals:
            return
        if self.net.silent or network.parted(self.net.host, other.net.host):
            return self.expect(now + RETRY_S)
        if self.net.dead or self.closed:
            # Nobody is here any more; whoever speaks to us learns it.
            kind, _, _ = self.arrivals[0]
            self.arrivals.clear()
            if kind is not RESET and not other.closed:
                self.post(RESET, None)
            return
        kind, data, due = self.arrivals[0]
        if due > now + 1e-9:
            return self.expect(due)
        if kind is DATA and self.deaf:
            return                     # `want_read` starts us again
        self.arrivals.popleft()
        while kind is DATA and self.arrivals and self.arrivals[0][0] is DATA \
                and self.arrivals[0][2] <= now and network.rand.chance(0.5):
            data += self.arrivals.popleft()[1]
        self.net.context.run(self.hear, kind, data)
        if self.arrivals and not self.closed:
            self.expect(max(now, self.arrivals[0][2]))

    def hear(self, kind, data) -> None:
        """One turn of this host's driver."""
        if self.session is None and kind is not RESET:
            self.early.append((kind, data))
            return
        self.net.network.trace("hear", self.stream, kind, 0 if data is None else len(data))
        self.net.begin_turn()
        if kind is DATA:
            self.net.recvs += 1
            self.other.acknowledged(len(data))
            self.received(data, len(data))
        elif kind is END:
            self.ended()
        else:
            self.lost(ConnectionResetError("reset by the other side"))
        self.net.end_turn()

    cdef int acknowledged(self, size_t n) except -1:
        self.on_the_way -= n
        if self.queued and not self.closed and not self.net.dead:
            self.net.network.loop.call_soon(self.push_soon, context=self.net.context)
        return 0

    def push_soon(self) -> None:
        if not self.closed:
            self.mark_dirty()

    # -- what a driver implements

    cdef int want_read(self, bint on) except -1:
        self.deaf = not on
        if on and self.arrivals:
            self.expect(self.net.network.loop.time())
        return 0

    cdef int disconnect(self, bint reset) except -1:
        self.post(RESET if reset else END, None)
        return 0

    cdef int lost(self, object why) except -1:
        self.net.links.discard(self)
        if self.listener_links is not None:
            self.listener_links.discard(self)
        if self.session is None:
            # Not up yet: `connect` tells who waits for it.
            self.closed = self.closing = True
            return 0
        return Link.lost(self, why)

    cdef object peer_address(self):
        return self.address
