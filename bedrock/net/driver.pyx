"""What every driver of sessions does alike: the end of a turn, and the counters.

A driver moves bytes between sessions and the outside: `Reactor` by epoll, `AsyncioDriver` on any
asyncio loop, `bedrock.sim.SimNet` in simulation.  A turn of each is the same:

    read what is ready, feed the sessions
    feed the links that were resumed
    run what was deferred (a log's write and sync)
    send what is queued
"""

import asyncio

from bedrock.net.session cimport Link


cdef class Driver:
    """Base of the drivers.

    clock, turn: of the world this network belongs to.
    """

    def __init__(self, clock: Clock, turn: Turn):
        self.clock = clock
        self.turn = turn
        self.turn.wake = self.wake
        self.scratch = Buf()
        self.dirty = []
        self.resumed = []
        self.now_ns = clock.now_ns()

    cdef int begin_turn(self) noexcept:
        self.turns += 1
        self.turn.inside = True
        self.now_ns = self.clock.now_ns()
        return 0

    cdef int end_turn(self) except -1:
        """Everything after reading; also run by itself for work done outside a turn."""
        cdef Link link
        cdef list links
        self.turn.inside = True
        try:
            while self.resumed:
                links = self.resumed
                self.resumed = []
                for link in links:
                    link.is_resumed = False
                    link.feed_tail()
            if self.turn.pending:
                self.turn.flush()
                if self.turn.pending:
                    return 0        # the flush failed: nothing may leave any more
            if self.dirty:
                links = self.dirty
                self.dirty = []
                for link in links:
                    link.is_dirty = False
                    if not link.closed:
                        link.push_output()
        finally:
            self.turn.inside = False
        if self.resumed or self.dirty or self.turn.pending:
            self.wake()
        return 0

    cpdef breathe(self):
        """Serve other connections from inside a feed that takes long.

        Their replies leave at once, so nothing that has to be durable may be done for them.
        Drivers that cannot do it let everyone wait.
        """

    cpdef wake(self):
        """End a turn soon: called for output and log records made outside one."""
        if not self.awake:
            self.awake = True
            asyncio.get_running_loop().call_soon(self._woken)

    def _woken(self):
        self.awake = False
        self.now_ns = self.clock.now_ns()
        self.end_turn()

    @property
    def counters(self) -> dict[str, int]:
        """Totals since the start, except links_open."""
        return {
            "turns": self.turns,
            "recvs": self.recvs,
            "sends": self.sends,
            "bytes_in": self.bytes_in,
            "bytes_out": self.bytes_out,
            "accepted": self.accepted,
            "refused": self.refused,
            "overflows": self.overflows,
            "errors": self.errors,
            "links_open": self.links_open,
        }
