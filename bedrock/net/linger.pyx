"""Staying awake for a moment after a turn, because the next request is often on its way.

A client that waits for each answer before it asks again lets the server sleep between two of its
requests, and waking a core that sleeps costs more than the request: about 50 us on a virtual one,
and CPU time as well.  So after a turn the loop goes round without sleeping, for MOMENT_NS at most:

    a turn ends ─► awake ─┬─ bytes come: a hit, and the same again after their turn
                          └─ nothing came: a miss; sleep, and let 3, 15, 63, 255 turns pass
                             before the next try, the fewer the more hits there were

The loop goes round as a whole (`call_soon`), so its timers, tasks and other descriptors are served
as ever, and each time the core is offered to whoever waits for it (`sched_yield`): the client,
perhaps.  What this gains and costs is measured in docs/decisions/0010-awake-for-a-moment.md.

Invariants:
1. A server that nobody talks to sleeps: a stay is begun by a turn, and has an end.
2. Where it does not pay it costs next to nothing: of turns that nothing follows, one in 256 begins
   a stay.
3. On a crowded machine, where an offered core does not come back for long, it is left alone.
"""

import os
from threading import current_thread, main_thread

from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec

from bedrock.net.linux cimport sched_yield

cdef enum:
    MOMENT_NS = 100_000            # a client on a core that slept is back within 60 to 90 us
    MOST_DOUBT = 8
    CROWDED = 12


cdef int64_t now_ns() noexcept nogil:
    """The machine's time, which goes on when the world's clock is stopped."""
    cdef timespec t
    clock_gettime(CLOCK_MONOTONIC, &t)
    return <int64_t>t.tv_sec * 1_000_000_000 + t.tv_nsec


def worthwhile() -> bool:
    """Whether a client can run while we are awake: on another core, and in another process.

    Who has a server on a thread beside his own needs the interpreter that we would keep.
    """
    return len(os.sched_getaffinity(0)) > 1 and current_thread() is main_thread()


cdef class Linger:
    """Keeps an event loop awake between turns that follow each other closely.

    hits, misses: turns that came while awake, and stays that were in vain
    """

    def __init__(self, loop):
        self.loop = loop
        self.call = self.round

    cdef int came(self) except -1:
        """A turn begins: there are bytes."""
        if self.awake:
            self.hits += 1
            if self.doubt:
                self.doubt -= 1
        return 0

    cdef int left(self) except -1:
        """A turn has ended: stay awake, if that is likely to pay."""
        if self.awake:
            self.until_ns = now_ns() + MOMENT_NS
        elif self.skips:
            self.skips -= 1
        else:
            self.awake = True
            self.until_ns = now_ns() + MOMENT_NS
            self.loop.call_soon(self.call)
        return 0

    def round(self):
        """The loop has been round once; send it round again until the moment is over."""
        cdef int64_t offered_ns = now_ns()
        cdef int64_t back_ns
        with nogil:
            sched_yield()
        back_ns = now_ns()
        if back_ns < self.until_ns:
            self.loop.call_soon(self.call)
            return
        self.awake = False
        self.misses += 1
        if back_ns - offered_ns > MOMENT_NS:
            self.doubt = CROWDED
        else:
            self.doubt = min(self.doubt + 2, MOST_DOUBT)
        self.skips = (1 << self.doubt) - 1
