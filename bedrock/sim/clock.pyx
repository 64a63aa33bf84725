"""Clocks of simulated machines: one true time, which each of them gets a little wrong.

    now_ns  = true time * rate                monotonic
    wall_ms = EPOCH_MS + true time * rate + skew

A timer's delay is in the machine's own seconds, so a fast clock fires early in true time.
"""

from bedrock.world.clock import Timer

import asyncio

EPOCH_MS = 1_700_000_000_000       # an arbitrary day; the same in every run


cdef class VirtualTime:
    """The true time of a simulation, moved on by its loop."""


cdef class SimClock(Clock):
    """A machine's clock.

    skew_ms:   how far its wall clock is off
    drift_ppm: how much faster it runs than true time, in millionths
    """

    def __init__(self, VirtualTime virtual not None, int64_t skew_ms=0, double drift_ppm=0):
        self.virtual = virtual
        self.skew_ms = skew_ms
        self.rate = 1 + drift_ppm / 1e6

    cpdef int64_t now_ns(self) noexcept:
        return <int64_t>(self.virtual.now_ns * self.rate)

    cpdef int64_t wall_ms(self) noexcept:
        return EPOCH + <int64_t>(self.virtual.now_ns * self.rate / 1e6) + self.skew_ms

    def call_at(self, int64_t when_ns, fn) -> Timer:
        """Call `fn()` once `now_ns() >= when_ns`."""
        # One microsecond more than asked: rounding must not make it early.
        delay_s = max(0, when_ns - self.now_ns()) / self.rate / 1e9 + 1e-6
        return Timer(asyncio.get_running_loop().call_later(delay_s, fn))

    async def sleep(self, seconds: float) -> None:
        """Wait `seconds` of this clock."""
        await asyncio.sleep(seconds / self.rate)


cdef int64_t EPOCH = EPOCH_MS
