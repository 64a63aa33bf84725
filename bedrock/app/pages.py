"""Pages that a component shows of itself, in the console's look and behind its guard.

    request ─► guard (Host, Origin, who) ─► handler ─► data ─► a template, or JSON below `….json`
                                               └ a failure it names ─► its status, as plain text

A component has a folder with `templates/` and `static/`; what is not there is taken from the
console's.  Handlers run on the component's loop: they look, briefly, and answer.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from typing import TYPE_CHECKING, Any

from bedrock.app import console
from bedrock.app.console.guard import HEADERS, Guard
from bedrock.net.http import Request, Response, Route

if TYPE_CHECKING:
    from jinja2 import Environment

    from bedrock.world import Clock

KINDS = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
HTML = "text/html; charset=utf-8"
CONSOLE = os.path.dirname(console.__file__)
ADDED = {name.decode(): value.decode() for name, value in HEADERS}

Handler = Callable[[Request], Response]


class Missing(LookupError):
    """There is no such thing to show."""


class Pages:
    """Pages from a component's folder.

    name:      the component's, which a browser asks the password for
    failures:  exception class -> HTTP status; `Missing` is 404 and ValueError 400 already
    """

    def __init__(
        self, name: str, folder: str, guard: Guard, clock: Clock,
        failures: dict[type[Exception], int] | None = None,
    ):  # fmt: skip
        self._name = name
        self._folders = (folder, CONSOLE)
        self._guard = guard
        self._clock = clock
        self._failures = {**(failures or {}), Missing: 404, ValueError: 400}
        self._templates: Environment | None = None

    def routes(self, handlers: dict[tuple[str, str], Handler]) -> list[Route]:
        """Routes of (method, path) behind the guard, and of the files that pages load."""
        every = {**handlers, ("GET", "/static/{name}"): self._static}
        return [Route(method, path, self._asked(h)) for (method, path), h in every.items()]

    def answer(self, request: Request, template: str, data: dict[str, Any]) -> Response:
        """Data as a page, or as JSON where the path says so."""
        if request.path.endswith(".json"):
            return Response(json.dumps(data).encode(), content_type="application/json")
        query = request.target.partition("?")[2]
        page = (
            self._environment()
            .get_template(template)
            .render(data, now_ms=self._clock.wall_ms(), path=request.path, query=query)
        )
        return Response(page.encode("utf-8", "backslashreplace"), content_type=HTML)

    def _asked(self, handler: Handler) -> Handler:
        @wraps(handler)
        def guarded(request: Request) -> Response:
            headers = {name: value.encode("latin-1") for name, value in request.headers.items()}
            refusal = self._guard.refuse(request.method, headers)
            if refusal:
                status, why = refusal
                response = Response(why.encode() + b"\n", status)
                if status == 401:
                    response.headers = {"WWW-Authenticate": f'Basic realm="{self._name}"'}
            else:
                response = self._told(handler, request)
            response.headers = {**response.headers, **ADDED}
            return response

        return guarded

    def _told(self, handler: Handler, request: Request) -> Response:
        """What the handler answers, or what kept it from answering."""
        try:
            return handler(request)
        except Exception as exc:
            status = next((s for kind, s in self._failures.items() if isinstance(exc, kind)), 0)
            if not status:
                raise
            text = f"There is no {exc}." if isinstance(exc, Missing) else str(exc)
            return Response(text.encode() + b"\n", status)

    def _static(self, request: Request) -> Response:
        """A file that pages load."""
        name = request.params["name"]
        kind = KINDS.get(name.rpartition(".")[2])
        for folder in self._folders:
            # Names come from the folder's list, never from the request.
            static = os.path.join(folder, "static")
            if kind and name in os.listdir(static):
                with open(os.path.join(static, name), "rb") as file:
                    return Response(file.read(), content_type=kind)
        return Response(b"no such file\n", 404)

    def _environment(self) -> Environment:
        """The templates, loaded when somebody looks."""
        if self._templates is None:
            from jinja2 import ChoiceLoader, Environment, FileSystemLoader, select_autoescape

            import bedrock
            from bedrock.app.console import shown
            from bedrock.app.show import span

            self._templates = Environment(
                loader=ChoiceLoader(
                    [FileSystemLoader(os.path.join(f, "templates")) for f in self._folders]
                ),
                autoescape=select_autoescape(),
                trim_blocks=True,
                lstrip_blocks=True,
            )
            self._templates.globals |= {
                "number": shown.number,
                "size": shown.size,
                "chart": shown.chart,
                "span": span,
                "moment": moment,
                "version": bedrock.__version__,
            }
        return self._templates


def moment(ms: int) -> str:
    """A time in ms since 1970 as people read it, UTC."""
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M:%S.%f}"[:-3]


def first_values(fields: dict[str, list[str]]) -> dict[str, str]:
    """Of a query or form: the first value of each field that has one."""
    return {name: values[0] for name, values in fields.items() if values and values[0]}
