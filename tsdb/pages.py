"""The pages for people: /graph asks PromQL and draws the answer, /cardinality tells of series.

They are static: HTML and scripts that ask the API.  The style is the console's.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import bedrock
from bedrock.net.http import HttpError, Request, Response, Route
from tsdb.form import success_of

OWN = Path(__file__).parent / "static"
CONSOLE = Path(bedrock.__file__).parent / "app" / "console" / "static"
FILES = {
    "console.css": (CONSOLE, "text/css"),
    "strata.svg": (CONSOLE, "image/svg+xml"),
    "query.css": (OWN, "text/css"),
    "api.js": (OWN, "text/javascript"),
    "chart.js": (OWN, "text/javascript"),
    "complete.js": (OWN, "text/javascript"),
    "graph.js": (OWN, "text/javascript"),
    "cardinality.js": (OWN, "text/javascript"),
}
PAGES = {"/graph": "graph.html", "/cardinality": "cardinality.html"}


def routes() -> list[Route]:
    """The pages, what they load, and the functions that are completed."""
    pages = [Route("GET", path, _page(OWN / name)) for path, name in PAGES.items()]
    return [
        *pages,
        Route("GET", "/static/{name}", static),
        Route("GET", "/static/functions.json", functions),
    ]


def _page(file: Path) -> Callable[[Request], Response]:
    return lambda request: Response(file.read_bytes(), content_type="text/html; charset=utf-8")


def static(request: Request) -> Response:
    """A file that a page loads."""
    name = request.params["name"]
    if name not in FILES:
        raise HttpError(404)
    directory, kind = FILES[name]
    return Response((directory / name).read_bytes(), content_type=kind)


def functions(request: Request) -> Response:
    """Name and signature of each function and aggregation."""
    from tsdb.promql.functions import AGGREGATIONS, FUNCTIONS
    from tsdb.shell import signature

    names = sorted(FUNCTIONS.keys() | AGGREGATIONS.keys())
    return success_of({name: signature(name) for name in names})
