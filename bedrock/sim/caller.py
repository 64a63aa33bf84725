"""A client in a scenario: asks one thing at a time, and knows when it cannot know.

    line = Line(world, ("server", 6667), MyCaller)
    answer = await line.ask(request)        LOST: it was done, will be, or never was

What became of a request without an answer is the scenario's to reason about; here it only means
that the connection broke or that PATIENCE_S went by, and that the next request begins a new one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from bedrock.net import Session
from bedrock.world import World
from bedrock.world.net import Address

PATIENCE_S = 1.5


class Lost:
    """The type of LOST."""

    def __repr__(self) -> str:
        return "LOST"


LOST = Lost()


class Caller(Session):
    """A connection; a subclass says in `whole` what an answer is."""

    def __init__(self) -> None:
        self.heard = b""
        self.answer: asyncio.Future | None = None

    def whole(self, heard: bytes) -> tuple[Any, int]:
        """The first answer in `heard` and the bytes it takes; 0 when it is not all there."""
        raise NotImplementedError

    async def greet(self) -> None:
        """What has to be said before the first request."""

    def received(self, data: bytes, out: Any) -> int:
        """Collect an answer."""
        self.heard += data
        if self.answer is not None and not self.answer.done():
            value, size = self.whole(self.heard)
            if size:
                self.heard = self.heard[size:]
                self.answer.set_result(value)
        return len(data)

    def closed(self, exc: BaseException | None) -> None:
        """Whoever waits learns that no answer will come."""
        if self.answer is not None and not self.answer.done():
            self.answer.set_exception(ConnectionError("closed"))

    async def ask(self, request: bytes) -> Any:
        """The answer; ConnectionError when the connection breaks first."""
        self.answer = asyncio.get_running_loop().create_future()
        self.link.write(request)
        return await self.answer


class Line:
    """A client's way to a server, through any number of connections.

    sent: whether the last request went out at all; one that did not was surely not done
    """

    def __init__(self, world: World, address: Address, make: Callable[[], Caller]):
        assert world.net is not None
        self.net = world.net
        self.address = address
        self.make = make
        self.sent = False
        self._caller: Caller | None = None

    async def ask(self, request: bytes) -> Any:
        """The answer, or LOST."""
        self.sent = False
        try:
            async with asyncio.timeout(PATIENCE_S):
                if self._caller is None or self._caller.link.closed:
                    self._caller = None
                    self._caller = await self.net.connect(self.make, self.address)
                    await self._caller.greet()
                self.sent = True
                return await self._caller.ask(request)
        except (OSError, TimeoutError):
            if self._caller is not None:
                self._caller.link.abort()
                self._caller = None
            return LOST

    async def insist(self, request: bytes) -> Any:
        """The answer, however often one has to ask; for what may be done more than once."""
        while (answer := await self.ask(request)) is LOST:
            await asyncio.sleep(0.01)
        return answer
