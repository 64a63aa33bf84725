"""The console's pages: the overview and one for each system; add `.json` for the data alone."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, select_autoescape
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

import bedrock
from bedrock.app.console import shown
from bedrock.app.console.guard import Guard
from bedrock.app.console.watch import Watch, overview
from bedrock.app.show import span

HERE = Path(__file__).parent


def make_app(watch: Watch, host: str, password: str = "") -> Guard:
    """The ASGI application, guarded."""
    pages = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=select_autoescape(),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.globals |= {
        "amount": shown.amount,
        "number": shown.number,
        "size": shown.size,
        "percent": shown.percent,
        "chart": shown.chart,
        "ago": lambda moment: span(max(0, time.time() - moment)),
        "version": bedrock.__version__,
    }

    def answer(request: Request, template: str, data: dict[str, Any]) -> Response:
        if request.url.path.endswith(".json"):
            return JSONResponse(data)
        return HTMLResponse(pages.get_template(template).render(data))

    async def first(request: Request) -> Response:
        return answer(request, "overview.html", overview(watch))

    async def system(request: Request) -> Response:
        name = request.path_params["name"].removesuffix(".json")
        for found in overview(watch)["systems"]:
            if found["name"] == name:
                return answer(request, "system.html", {"system": found})
        raise HTTPException(404)

    async def missing(request: Request, exc: Exception) -> Response:
        return HTMLResponse(pages.get_template("missing.html").render(), 404)

    app = Starlette(
        routes=[
            Route("/", first),
            Route("/overview.json", first),
            Route("/systems/{name}", system),
            Mount("/static", StaticFiles(directory=HERE / "static")),
        ],
        exception_handlers={404: missing},
    )
    return Guard(app, host, password)
