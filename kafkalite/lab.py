"""A server and what a test may do to it: begin anew, time, and faults.

    def test_a_consumer_that_is_silent_is_replaced(kafkalite_lab):
        consumer = Consumer({"bootstrap.servers": kafkalite_lab.address, ...})
        kafkalite_lab.latency(5000, api="Heartbeat")
        kafkalite_lab.advance(45)

Works with a server in this process (`bedrock.run("kafkalite")`), whose clients are real ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bedrock.world import World
from bedrock.world.steered import SteeredClock
from kafkalite.errors import Code
from kafkalite.faults import DISCONNECT, ERROR, LATENCY, LOSE, Fault, Faults


class Lab:
    """server: of bedrock.run"""

    def __init__(self, server: Any):
        self.server = server
        self.address = f"{server.host}:{server.port}"
        self._broker = server.server.broker
        world = server.world
        self._clock = SteeredClock(world.clock)
        self._world = World(world.disk, world.net, self._clock, world.rand, world.turn)
        self.reset()

    def _do(self, work: Callable[..., Any], *arguments: Any) -> Any:
        """On the server's own loop."""

        async def call() -> Any:
            return work(*arguments)

        return self.server.call(call())

    def reset(self) -> None:
        """No topics, groups, users, ACLs or changed options; clients stay connected."""
        self.heal()
        self._do(self._broker.reset, self._world)

    # ------------------------------------------------------------------ time

    def now_ms(self) -> int:
        """The server's wall time, ms since 1970."""
        return self._do(self._clock.wall_ms)

    def freeze(self) -> None:
        """Let time stand still."""
        self._do(self._clock.freeze)

    def advance(self, seconds: float) -> None:
        """Let time jump: sessions end, records expire, waits are over."""
        self._do(self._clock.advance, round(seconds * 1000))

    def thaw(self) -> None:
        """Let time go on from where it stands."""
        self._do(self._clock.thaw)

    # ------------------------------------------------------------------ faults

    def latency(self, ms: int, **which: Any) -> None:
        """Let answers leave later.  which: api="Produce", chance=0.5, times=3."""
        self._fault(Fault(LATENCY, ms=ms, **which))

    def error(self, code: Code, **which: Any) -> None:
        """Let requests fail."""
        self._fault(Fault(ERROR, code=code, **which))

    def disconnect(self, *, lose: bool = False, **which: Any) -> None:
        """Break the connection instead of answering; with `lose` after the request was handled."""
        self._fault(Fault(LOSE if lose else DISCONNECT, **which))

    def heal(self) -> None:
        """No more faults."""
        self._broker.faults = None

    def _fault(self, fault: Fault) -> None:
        if self._broker.faults is None:
            self._broker.faults = Faults(self._broker)
        self._broker.faults.list.append(fault)
