"""The pages for people: /graph asks PromQL and draws the answer, /cardinality tells what makes
series, /storage shows the head and the blocks.

They are static, with scripts that ask the API; look and guard are those of all components' pages.
"""

from __future__ import annotations

from pathlib import Path

from bedrock.app.console.guard import Guard
from bedrock.app.pages import Handler, Pages
from bedrock.net.http import Request, Response, Route
from bedrock.world import Clock
from tsdb.form import success_of

PAGES = {"/graph": "graph.html", "/cardinality": "cardinality.html", "/storage": "storage.html"}


def routes(host: str, clock: Clock) -> list[Route]:
    """The pages, what they load, and the functions that are completed; host: where we listen.

    The password, if there is one, was asked for before a route is found.
    """
    pages = Pages("tsdb", Path(__file__).parent / "page", Guard(None, host), clock)

    def page(request: Request) -> Response:
        return pages.answer(request, PAGES[request.path], {})

    handlers: dict[tuple[str, str], Handler] = {("GET", path): page for path in PAGES}
    return pages.routes(handlers | {("GET", "/functions.json"): functions})


def functions(request: Request) -> Response:
    """Name and signature of each function and aggregation."""
    from tsdb.promql.functions import AGGREGATIONS, FUNCTIONS, signature

    return success_of({name: signature(name) for name in sorted(FUNCTIONS | AGGREGATIONS)})
