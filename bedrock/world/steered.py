"""A clock that a test can stop and move on.

    now = stopped at, or the true clock's  +  what it was moved on by

Wall time and monotonic time are moved together, so that a deadline written down as a date and one
kept as a timer pass at the same moment.  Timers are kept here, in order of their time, and the loop
is asked to wake us for the first alone; when the clock stands still nothing wakes us but `advance`.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from itertools import count
from typing import Any

from bedrock.world.clock import Clock, Timer


class Call:
    """A call to come; `cancel` as a Timer wants it."""

    def __init__(self, fn: Callable[[], None]):
        self.fn: Callable[[], None] | None = fn

    def cancel(self) -> None:
        """Do not call."""
        self.fn = None


class SteeredClock(Clock):
    """The time of `true`, until told otherwise."""

    def __init__(self, true: Clock):
        self.true = true
        self._moved_ns = self._moved_ms = 0  # the same in both, but for what rounding takes
        self._stopped: tuple[int, int] | None = None  # (now_ns, wall_ms) of the true clock
        self._calls: list[tuple[int, int, Call]] = []
        self._numbers = count()
        self._wake: Any = None

    def now_ns(self) -> int:
        """See Clock."""
        at = self._stopped[0] if self._stopped else self.true.now_ns()
        return at + self._moved_ns

    def wall_ms(self) -> int:
        """See Clock."""
        at = self._stopped[1] if self._stopped else self.true.wall_ms()
        return at + self._moved_ms

    @property
    def frozen(self) -> bool:
        """True while it stands still."""
        return self._stopped is not None

    def freeze(self) -> None:
        """Stand still; idempotent."""
        if self._stopped is None:
            self._stopped = (self.true.now_ns(), self.true.wall_ms())
            self._rearm()

    def thaw(self) -> None:
        """Go on from where it stands; idempotent."""
        if self._stopped is not None:
            self._moved_ns -= self.true.now_ns() - self._stopped[0]
            self._moved_ms -= self.true.wall_ms() - self._stopped[1]
            self._stopped = None
            self._rearm()

    def advance(self, ms: int) -> None:
        """Move on; what falls due on the way is called soon, in order."""
        self._moved_ns += ms * 1_000_000
        self._moved_ms += ms
        self._rearm()

    def call_at(self, when_ns: int, fn: Callable[[], None]) -> Timer:
        """See Clock."""
        call = Call(fn)
        heapq.heappush(self._calls, (when_ns, next(self._numbers), call))
        self._rearm()
        return Timer(call)

    async def sleep(self, seconds: float) -> None:
        """See Clock."""
        over = asyncio.Event()
        timer = self.call_at(self.now_ns() + int(seconds * 1e9), over.set)
        try:
            await over.wait()
        finally:
            timer.cancel()

    def _rearm(self) -> None:
        """Be woken for the first call there is."""
        if self._wake is not None:
            self._wake.cancel()
            self._wake = None
        while self._calls and self._calls[0][2].fn is None:
            heapq.heappop(self._calls)
        if self._calls:
            left_ns = self._calls[0][0] - self.now_ns()
            if left_ns <= 0 or not self.frozen:
                loop = asyncio.get_running_loop()
                self._wake = loop.call_later(max(left_ns, 0) / 1e9, self._play)

    def _play(self) -> None:
        self._wake = None
        now_ns = self.now_ns()
        while self._calls and self._calls[0][0] <= now_ns:
            call = heapq.heappop(self._calls)[2]
            if call.fn is not None:
                fn, call.fn = call.fn, None
                fn()
        self._rearm()
