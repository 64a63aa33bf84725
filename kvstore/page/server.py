"""The page's listener: who may ask, and the routes.

    /                       databases, operations a second, slow log      also /overview.json
    /keys?db=&pattern=      keys with type, time to live and size         also /keys.json
    /key?db=&name= or &id=  one key (id: its bytes in hex), its value     also /key.json
    /big?db=                the biggest keys                              also /big.json

It only looks.  Where clients need a password the page asks for the same one.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bedrock.app.console.guard import Guard
from bedrock.app.pages import Handler, Pages, first_values
from bedrock.net import Server as Listener
from bedrock.net.http import HttpSession, Request, Response, Router
from kvstore.page.views import Views
from kvstore.resp import ReplyError

if TYPE_CHECKING:
    from bedrock.world import Timer, World

SECOND_NS = 1_000_000_000

Read = Callable[[dict[str, str]], dict[str, Any]]


class Page:
    """Serves the page of a store."""

    def __init__(self, world: World, store: Any, config: Any):
        self._views = views = Views(store)
        self._clock = world.clock
        guard = Guard(None, config.host, config.password())
        folder = os.path.dirname(__file__)
        self._pages = Pages("kvstore", folder, guard, world.clock, {ReplyError: 400})
        self._timer: Timer | None = None
        looks: dict[str, Read] = {
            "overview": lambda _: views.overview(),
            "keys": lambda q: views.keys(
                number(q, "db"), q.get("pattern", ""), number(q, "cursor")),
            "key": lambda q: views.key(number(q, "db"), named(q)),
            "big": lambda q: views.big(number(q, "db")),
        }  # fmt: skip
        router = Router(self._pages.routes({
            ("GET", path): self._shown(f"{name}.html", read)
            for name, read in looks.items()
            for path in paths(name)
        }))  # fmt: skip
        self._listener = Listener(
            world, lambda: HttpSession(router), (config.host, config.page_port), tls=config.tls()
        )

    @property
    def port(self) -> int:
        """Where it really listens."""
        return self._listener.port

    async def start(self) -> None:
        """Listen; OSError when the port cannot be had."""
        await self._listener.start()
        self._tick()

    async def stop(self) -> None:
        """Close; idempotent."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        await self._listener.stop()

    def _tick(self) -> None:
        self._views.sample()
        self._timer = self._clock.call_at(self._clock.now_ns() + SECOND_NS, self._tick)

    def _shown(self, template: str, read: Read) -> Handler:
        def handler(request: Request) -> Response:
            return self._pages.answer(request, template, read(first_values(request.query)))

        return handler


def paths(name: str) -> list[str]:
    """Where a page is."""
    return ["/" if name == "overview" else f"/{name}", f"/{name}.json"]


def number(query: dict[str, str], name: str) -> int:
    """A number of the query, 0 when it is not given."""
    return int(query.get(name, 0))


def named(query: dict[str, str]) -> bytes:
    """The key that a query is about."""
    return bytes.fromhex(query["id"]) if "id" in query else query.get("name", "").encode()
