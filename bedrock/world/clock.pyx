"""Time: monotonic for deadlines, wall time for what is written down.

A clock belongs to an event loop, which plays its timers; the simulator's loop advances virtual
time instead of sleeping, so `call_at` and `sleep` need no second implementation.

Invariants:
1. `now_ns` never goes back; `wall_ms` may (the machine's clock is set, a simulated one drifts).
"""

import asyncio

from posix.time cimport CLOCK_MONOTONIC, CLOCK_REALTIME, clock_gettime, timespec


class Timer:
    """A call to come.  `cancel()` is idempotent and may follow the call."""

    __slots__ = ("_handle",)

    def __init__(self, handle):
        self._handle = handle

    def cancel(self) -> None:
        self._handle.cancel()


cdef class Clock:
    """Interface: now_ns (monotonic), wall_ms (since 1970), call_at, sleep."""

    cpdef int64_t now_ns(self) noexcept:
        return 0

    cpdef int64_t wall_ms(self) noexcept:
        return 0

    def call_at(self, int64_t when_ns, fn) -> Timer:
        """Call `fn()` once `now_ns() >= when_ns`, on the running event loop."""
        delay_s = max(0, when_ns - self.now_ns()) / 1e9
        return Timer(asyncio.get_running_loop().call_later(delay_s, fn))

    async def sleep(self, seconds: float) -> None:
        """Wait `seconds` of this clock."""
        await asyncio.sleep(seconds)


cdef class OsClock(Clock):
    """The machine's clocks, read through the vDSO (about 25 ns)."""

    cpdef int64_t now_ns(self) noexcept:
        cdef timespec t
        clock_gettime(CLOCK_MONOTONIC, &t)
        return <int64_t>t.tv_sec * 1_000_000_000 + t.tv_nsec

    cpdef int64_t wall_ms(self) noexcept:
        cdef timespec t
        clock_gettime(CLOCK_REALTIME, &t)
        return <int64_t>t.tv_sec * 1000 + t.tv_nsec // 1_000_000
