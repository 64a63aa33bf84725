"""The page's listener: who may ask, and the routes.

    /                       databases, operations a second, slow log      also /overview.json
    /keys?db=&pattern=      keys with type, time to live and size         also /keys.json
    /key?db=&name= or &id=  one key (id: its bytes in hex), its value     also /key.json
    /big?db=                the biggest keys                              also /big.json

It only looks.  Where clients need a password the page asks for the same one.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bedrock.app.console.guard import HEADERS, Guard
from bedrock.net import Server as Listener
from bedrock.net.http import HttpSession, Request, Response, Route, Router
from kvstore.page.views import Missing, Views
from kvstore.resp import ReplyError

if TYPE_CHECKING:
    from bedrock.world import Timer, World

HERE = Path(__file__).parent
STATIC = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
HTML = "text/html; charset=utf-8"
SECOND_NS = 1_000_000_000

Read = Callable[[dict[str, str]], dict[str, Any]]


class Page:
    """Serves the page of a store."""

    def __init__(self, world: World, store: Any, config: Any):
        self._views = views = Views(store)
        self._clock = world.clock
        self._guard = Guard(None, config.host, config.password())
        self._timer: Timer | None = None
        pages: dict[str, tuple[str, Read]] = {
            "overview": ("overview.html", lambda _: views.overview()),
            "keys": ("keys.html", lambda q: views.keys(
                number(q, "db"), q.get("pattern", ""), number(q, "cursor"))),
            "key": ("key.html", lambda q: views.key(number(q, "db"), named(q))),
            "big": ("big.html", lambda q: views.big(number(q, "db"))),
        }  # fmt: skip
        routes = [Route("GET", "/static/{name}", self._guarded(static))]
        for name, (template, read) in pages.items():
            handler = self._guarded(self._shown(template, read))
            routes += [Route("GET", path, handler) for path in paths(name)]
        router = Router(routes)
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

    def _guarded(self, handler: Any) -> Any:
        """The handler behind the guard, its failures told as they should be."""

        def guarded(request: Request) -> Response:
            headers = {name: value.encode("latin-1") for name, value in request.headers.items()}
            refusal = self._guard.refuse(request.method, headers)
            if refusal:
                status, why = refusal
                response = Response(why.encode() + b"\n", status)
                if status == 401:
                    response.headers = {"WWW-Authenticate": 'Basic realm="kvstore"'}
            else:
                try:
                    response = handler(request)
                except Missing as exc:
                    response = Response(f"There is no {exc}.\n".encode(), 404)
                except (ReplyError, ValueError) as exc:
                    response = Response(f"{exc}\n".encode(), 400)
            added = {name.decode(): value.decode() for name, value in HEADERS}
            response.headers = {**response.headers, **added}
            return response

        return guarded

    def _shown(self, template: str, read: Read) -> Any:
        def handler(request: Request) -> Response:
            data = read({name: values[0] for name, values in request.query.items() if values[0]})
            if request.path.endswith(".json"):
                body = json.dumps(data, ensure_ascii=True).encode()
                return Response(body, content_type="application/json")
            query = request.target.partition("?")[2]
            page = templates().get_template(template).render(
                data, now_s=self._clock.wall_ms() / 1000, path=request.path, query=query
            )
            return Response(page.encode("utf-8", "backslashreplace"), content_type=HTML)

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


def static(request: Request) -> Response:
    """A file of ours, or of the console's."""
    from bedrock.app import console

    name = request.params["name"]
    kind = STATIC.get(name.rpartition(".")[2])
    for folder in (HERE / "static", Path(console.__file__).parent / "static"):
        # Names come from the folder's list, never from the request.
        for file in folder.iterdir():
            if file.name == name and kind:
                return Response(file.read_bytes(), content_type=kind)
    return Response(b"no such file\n", 404)


@cache
def templates() -> Any:
    """Templates on the base of the console's; loaded when somebody looks."""
    from jinja2 import ChoiceLoader, Environment, FileSystemLoader, select_autoescape

    import bedrock
    from bedrock.app import console
    from bedrock.app.console import shown
    from bedrock.app.show import span

    own, base = HERE / "templates", Path(console.__file__).parent / "templates"
    pages = Environment(
        loader=ChoiceLoader([FileSystemLoader(own), FileSystemLoader(base)]),
        autoescape=select_autoescape(),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.globals |= {
        "number": shown.number,
        "size": shown.size,
        "chart": shown.chart,
        "span": span,
        "version": bedrock.__version__,
    }
    return pages
