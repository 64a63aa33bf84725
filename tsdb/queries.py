"""Queries: whoever reads much of the store, in slices, beside writing and beside each other.

A query that takes longer than a slice of the loop finds out first which series lie where
(`selection.Found`) and reads their samples later.  Until it is done nothing goes away that was
there when it began: a block that was replaced stays open (`after`), and a flush does not yet make
the head forget what is in a block by now (`settled`).  What begins later sees the store as it is
then, so that nobody waits for long.

A series is always read as a whole.  Of samples that one request writes meanwhile such a query
may see some and not others; one that is done within its slice sees all or none.

Invariant 1: no more than `at_once` queries are unfinished; others wait, as long as one may last.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from bedrock.storage.errors import Damaged
from bedrock.world import World
from tsdb.promql.errors import QueryTimeout

T = TypeVar("T")


class Queries:
    """Those of one store.

    at_once:  how many may be unfinished
    wait_s:   how long another waits for its turn; 0 for ever
    set_aside: what to do about a block that is found damaged, before the query is tried again
    """

    def __init__(self, world: World, at_once: int = 20, wait_s: float = 0):
        self.world = world
        self.at_once = at_once
        self.wait_s = wait_s
        self.set_aside: Callable[[Damaged], None] | None = None
        self.unfinished: dict[asyncio.Future[Any], None] = {}  # in order

    def run(self, call: Callable[..., T], *args: Any) -> T | Awaitable[T]:
        """What a call returns; an awaitable of it, if it takes more than a slice."""
        if len(self.unfinished) >= self.at_once:
            return self._in_turn(call, *args)
        found = self.world.sliced(self._surviving, call, *args)
        if isinstance(found, asyncio.Task):
            self.unfinished[found] = None
            found.add_done_callback(self.unfinished.pop)
        return found

    async def ask(self, call: Callable[..., T], *args: Any) -> T:
        """`run`, for who waits in any case."""
        found = self.run(call, *args)
        return await found if isinstance(found, Awaitable) else found

    async def _in_turn(self, call: Callable[..., T], *args: Any) -> T:
        clock = self.world.clock
        deadline_ns = clock.now_ns() + int(self.wait_s * 1e9)
        while len(self.unfinished) >= self.at_once:
            left_s = (deadline_ns - clock.now_ns()) / 1e9 if self.wait_s else None
            if left_s is not None and left_s <= 0:
                raise QueryTimeout("query timed out in query queue")
            await asyncio.wait(
                self.unfinished, timeout=left_s, return_when=asyncio.FIRST_COMPLETED
            )
        return await self.ask(call, *args)

    def _surviving(self, call: Callable[..., T], *args: Any) -> T:
        """The call, made again without a block that it finds damaged."""
        while True:
            try:
                return call(*args)
            except Damaged as exc:
                if self.set_aside is None:
                    raise
                self.set_aside(exc)

    def settled(self) -> Awaitable[Any] | None:
        """Wait for the queries that are unfinished now; None if there are none."""
        return asyncio.wait(list(self.unfinished)) if self.unfinished else None

    def after(self, call: Callable[[], None]) -> None:
        """Call once the queries that are unfinished now are done."""
        last = asyncio.gather(*self.unfinished, return_exceptions=True) if self.unfinished else None
        if last is None:
            call()
        else:
            last.add_done_callback(lambda _: call())

    async def stop(self) -> None:
        """End what is unfinished."""
        for query in list(self.unfinished):
            query.cancel()
        if (rest := self.settled()) is not None:
            await rest
