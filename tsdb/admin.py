"""The administration of Prometheus' API: deletion, freeing what was deleted, snapshots.

    POST or PUT /api/v1/admin/tsdb/delete_series      match[], start, end
    POST or PUT /api/v1/admin/tsdb/clean_tombstones
    POST or PUT /api/v1/admin/tsdb/snapshot           skip_head

A snapshot is a data directory of its own below `snapshots/`, which a server can be started on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps

from bedrock.net.http import Request, Response, Route
from bedrock.world import DiskFull
from tsdb.form import ApiError, Form, failure, success_of
from tsdb.promql.errors import BadQuery
from tsdb.store import Store

Handler = Callable[[Request], Awaitable[Response]]


class Admin:
    """The handlers; `routes` is the table."""

    def __init__(self, store: Store):
        self.store = store

    def routes(self) -> list[Route]:
        """Method, path, handler."""
        table: list[tuple[str, Handler]] = [
            ("delete_series", self.delete),
            ("clean_tombstones", self.clean),
            ("snapshot", self.snapshot),
        ]
        return [
            Route(method, f"/api/v1/admin/tsdb/{path}", _answering(handler))
            for path, handler in table
            for method in ("POST", "PUT")
        ]

    async def delete(self, request: Request) -> Response:
        """Delete the samples of the series that any selector finds."""
        form = Form(request)
        low, high = form.span()
        if high < low:
            raise ApiError("bad_data", "end time must not be before start time")
        for matchers in form.selectors(required=True):
            await self.store.delete_beside(matchers, low, high)
        return Response(b"", 204)

    async def clean(self, request: Request) -> Response:
        """Free the disk of what was deleted, now."""
        await self.store.maintain_beside()
        return Response(b"", 204)

    async def snapshot(self, request: Request) -> Response:
        """Copy all there is to a directory below snapshots/."""
        skip_head = Form(request).get("skip_head") in ("1", "t", "T", "true", "True", "TRUE")
        return success_of({"name": await self.store.snapshot_beside(skip_head)})


def _answering(handler: Handler) -> Handler:
    @wraps(handler)
    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except ApiError as exc:
            return failure(exc.kind, str(exc))
        except BadQuery as exc:
            return failure("bad_data", str(exc))
        except DiskFull as exc:
            return failure("unavailable", str(exc))

    return answer
