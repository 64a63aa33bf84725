"""Slices: a long calculation that lets others have their turn, on the loop and without a thread.

    world.sliced(call, *args)   its result; or, if it takes more than a slice, an awaitable of it
    rest()                      said by whoever computes, between one piece of work and the next

A calculation runs on a stack of its own (a greenlet).  `rest` returns at once while the slice lasts;
after that the stack is left as it is, the loop serves whoever has come, and then the calculation
goes on.  What takes less than a slice, as nearly everything does, costs a microsecond more than a
call.  Outside of a sliced call `rest` does nothing: the same code serves who has no loop.

Invariants:
1. One calculation runs in a turn of the loop; several take turns.
2. Nothing that was seen before a `rest` need be so after it: it is as with `await`.
3. Time is the world's clock: a simulation, where computing takes none, rests never, or, with slices
   of no length, at each chance.
"""

import asyncio
from bisect import bisect_right
from itertools import chain

from cpython.ref cimport PyObject
from libc.stdint cimport int64_t

from bedrock.world.clock cimport Clock

cdef extern from *:
    """
    /* Of each thread: several loops may run in one process. */
    static __thread int slice_begun;
    static __thread long long slice_until_ns;
    static __thread PyObject* slice_clock;
    """
    bint slice_begun
    long long slice_until_ns
    PyObject* slice_clock

SLICE_NS = 5_000_000
cdef enum:
    PACE = 64                      # items between two looks at the clock
    SORTED_AT_ONCE = 4_000         # items: some milliseconds
    SAMPLED = 8                    # keys looked at for each part of what is to be sorted

cdef object greenlet = None        # the module, loaded by the first who needs it


cpdef int rest() except -1:
    """Let others have their turn, if the slice is used up."""
    if not slice_begun or (<Clock>slice_clock).now_ns() < slice_until_ns:
        return 0
    greenlet.getcurrent().parent.switch()
    return 0


def paced(items):
    """The items, with a rest now and then."""
    cdef Py_ssize_t left = PACE
    for item in items:
        left -= 1
        if left == 0:
            left = PACE
            rest()
        yield item


def paced_sort(items, key=None) -> list:
    """The items sorted, with rests: divided by a sample of their keys, then part by part."""
    cdef list found = list(items), part, splitters
    cdef Py_ssize_t parts = len(found) // SORTED_AT_ONCE + 1
    if parts == 1:
        found.sort(key=key)
        return found
    sample = found[::max(1, len(found) // (parts * SAMPLED))]
    splitters = sorted(map(key, sample) if key else sample)[SAMPLED // 2::SAMPLED]
    divided = [[] for _ in range(len(splitters) + 1)]
    for item in paced(found):
        part = divided[bisect_right(splitters, key(item) if key else item)]
        part.append(item)
    for part in divided:
        part.sort(key=key)
        rest()
    return list(chain.from_iterable(divided))


cdef class Slices:
    """The calculations of one world.

    slice_ns: how long one goes on before others have their turn
    """

    cdef readonly int64_t slice_ns
    cdef object turn               # of the one that goes on in this turn of the loop

    def __init__(self, int64_t slice_ns=SLICE_NS):
        self.slice_ns = slice_ns
        self.turn = asyncio.Lock()

    def run(self, Clock clock, call, args):
        """The call's result, or an asyncio.Task that will have it."""
        global greenlet
        if slice_begun:
            return call(*args)     # it is part of a calculation already
        if greenlet is None:
            import greenlet
        work = greenlet.greenlet(call)
        found = self.go_on(clock, work, args)
        return found if work.dead else asyncio.ensure_future(self.finish(clock, work))

    cdef go_on(self, Clock clock, work, tuple args):
        """Compute for a slice; what is returned counts once `work` is dead."""
        global slice_begun, slice_until_ns, slice_clock
        slice_clock = <PyObject*>clock
        slice_until_ns = clock.now_ns() + self.slice_ns
        slice_begun = True
        try:
            return work.switch(*args)
        finally:
            slice_begun = False

    async def finish(self, Clock clock, work):
        """Compute, slice after slice; whoever cancels this ends the calculation."""
        try:
            while True:
                async with self.turn:
                    found = self.go_on(clock, work, ())
                    if work.dead:
                        return found
                    await asyncio.sleep(0)
        finally:
            if not work.dead:
                work.throw()
