"""The pages for people: /graph asks PromQL and draws the answer, /cardinality tells what makes
series, /storage shows the head and the blocks.

They are static, with scripts that ask the API; look and guard are those of all components' pages.
"""

from __future__ import annotations

import os

from bedrock.app.console.guard import Guard
from bedrock.app.pages import Handler, Pages
from bedrock.net.http import Request, Response, Route
from bedrock.world import Clock
from tsdb.form import success_of

PAGES = {
    "/graph": ("graph.html", "Asks PromQL and draws the answer."),
    "/cardinality": ("cardinality.html", "What makes series."),
    "/storage": ("storage.html", "Head, blocks and their codings over time; the rate of writing."),
}


def routes(host: str, clock: Clock) -> list[Route]:
    """The pages, what they load, and the functions that are completed; host: where we listen.

    The password, if there is one, was asked for before a route is found.
    """
    folder = os.path.join(os.path.dirname(__file__), "page")
    pages = Pages("tsdb", folder, Guard(None, host), clock)

    def page(path: str) -> Handler:
        template, what = PAGES[path]

        def answer(request: Request) -> Response:
            return pages.answer(request, template, {})

        answer.__doc__ = what
        return answer

    handlers: dict[tuple[str, str], Handler] = {("GET", path): page(path) for path in PAGES}
    return pages.routes(handlers | {("GET", "/functions.json"): functions})


def functions(request: Request) -> Response:
    """Signature and purpose of each function and aggregation, for completion."""
    from tsdb.promql.functions import AGGREGATIONS, DOCS, FUNCTIONS, signature

    names = sorted(FUNCTIONS.keys() | AGGREGATIONS.keys())
    return success_of({name: [signature(name), DOCS[name]] for name in names})
