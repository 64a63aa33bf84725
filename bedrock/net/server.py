"""A server: one listener, its deadlines, and an orderly end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bedrock.world import Limits, Timer, World
from bedrock.world.net import Address

SWEEP_NS = 1_000_000_000
STEP_NS, STEP_LINKS = 10_000_000, 1000  # a third of a millisecond, and room for requests after it


class Server:
    """Sessions made by `factory` for the connections to `address`.

    world    its `net` listens, its `clock` plays the deadlines
    factory  makes a Session for each connection
    limits   what a connection may cost
    tls      ssl.SSLContext, or None

    Deadlines are checked in a sweep over all links, a second after the last: cheaper than a timer
    for each connection, and little more than a second late.  Of thousands it makes several steps.
    """

    def __init__(
        self,
        world: World,
        factory: Callable[[], Any],
        address: Address,
        *,
        limits: Limits = Limits(),
        tls: Any = None,
    ):
        self.world = world
        self.factory = factory
        self.requested = address
        self.limits = limits
        self.tls = tls
        self.expired = 0
        self._listener: Any = None
        self._former: list[Any] = []  # listeners that were moved away from
        self._unswept: list[Any] = []  # what is left of a sweep
        self._timer: Timer | None = None

    async def start(self) -> Server:
        """Listen; OSError when the address cannot be had."""
        self._listener = self._listen(self.requested)
        self._sweep_later(SWEEP_NS)
        return self

    def _listen(self, address: Address) -> Any:
        assert self.world.net is not None
        return self.world.net.listen(self.factory, address, limits=self.limits, tls=self.tls)

    def move(self, address: Address) -> None:
        """Listen elsewhere from now on; open connections stay.  OSError: all is as it was."""
        listener = self._listen(address)
        self._listener.close()
        self._former = [former for former in [*self._former, self._listener] if former.links]
        self._listener = listener

    @property
    def address(self) -> Address:
        """Where it really listens."""
        return self._listener.address

    @property
    def port(self) -> int:
        """The real port."""
        return self._listener.address[1]

    @property
    def links(self) -> set:
        """The open connections."""
        if self._listener is None:
            return set()
        return self._listener.links.union(*(former.links for former in self._former))

    @property
    def counters(self) -> dict[str, int]:
        """Counters of the driver, shared by all servers of a world, and ours."""
        assert self.world.net is not None
        return {**self.world.net.counters, "clients": len(self.links), "expired": self.expired}

    async def drain(self, grace_s: float = 5.0) -> int:
        """Accept no more, let held and partial requests end, then close.

        Returns how many connections had to be aborted after grace_s seconds.
        """
        self._listener.close()
        clock = self.world.clock
        deadline = clock.now_ns() + int(grace_s * 1e9)
        while True:
            for link in list(self.links):
                if not link.held and not link.frame_ns:
                    link.close()
            if not self.links or clock.now_ns() >= deadline:
                break
            await clock.sleep(0.01)
        late = list(self.links)
        for link in late:
            link.abort("shutting down")
        return len(late)

    async def stop(self) -> None:
        """Close the listener and abort what is still open; idempotent."""
        if self._timer is not None:
            self._timer.cancel()
        if self._listener is not None:
            self._listener.close()
            for link in list(self.links):
                link.abort("shut down")

    def _sweep_later(self, wait_ns: int) -> None:
        clock = self.world.clock
        self._timer = clock.call_at(clock.now_ns() + wait_ns, self._sweep)

    def _sweep(self) -> None:
        now_ns = self.world.clock.now_ns()
        unswept = self._unswept or list(self.links)
        for link in unswept[:STEP_LINKS]:
            why = not link.closed and link.expired(now_ns)
            if why:
                self.expired += 1
                link.abort(why)
        self._unswept = unswept[STEP_LINKS:]
        self._sweep_later(STEP_NS if self._unswept else SWEEP_NS)
