"""What the handlers of Prometheus' API share: parameters, answers, errors as Prometheus words them.

Parameters come from the query or a form; answers are `{"status": ..., "data": ...}`, errors
carry Prometheus' errorType.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import datetime
from functools import wraps
from typing import Any

from bedrock.net.http import Request, Response, Route
from tsdb.matchers import Matcher
from tsdb.promql.errors import BadQuery, ParseError, QueryError, QueryTimeout
from tsdb.promql.lexer import parse_duration
from tsdb.promql.numbers import parse_float
from tsdb.queries import Queries

TIME_MAX_MS = 2**62
FEW_PIECES = 5  # together no more than a large answer's one piece
STATUS = {
    "bad_data": 400,
    "execution": 422,
    "internal": 500,
    "not_found": 404,
    "timeout": 503,
    "unavailable": 500,
}


Handler = Callable[[Request], Response]


class ApiError(Exception):
    """Answered with its errorType."""

    def __init__(self, kind: str, why: str):
        super().__init__(why)
        self.kind = kind


def success(*data: bytes) -> Response:
    """A good answer, whose data is JSON already, in pieces."""
    body = b'{"status":"success","data":', *data, b"}"
    if len(body) <= FEW_PIECES:
        return Response(b"".join(body), content_type="application/json")
    return Response(body, content_type="application/json")


def success_of(data: Any) -> Response:
    """A good answer."""
    return success(json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode())


def failure(kind: str, why: str) -> Response:
    """An error as Prometheus words it."""
    body = json.dumps({"status": "error", "errorType": kind, "error": why}).encode()
    return Response(body, STATUS[kind], content_type="application/json")


# ---- parameters ----------------------------------------------------------------------------


class Form:
    """The parameters of a request."""

    def __init__(self, request: Request):
        self.fields = request.form()

    def get(self, name: str, default: str = "") -> str:
        """The first value of a parameter."""
        return self.fields.get(name, [default])[0] or default

    def count(self, name: str) -> int | None:
        """A whole number, None if it is not given."""
        text = self.get(name)
        try:
            return int(text) if text else None
        except ValueError:
            raise ApiError("bad_data", f"{name} must be a number") from None

    def time_ms(self, name: str, default_ms: int) -> int:
        """A Unix time in seconds or RFC 3339."""
        text = self.get(name)
        if not text:
            return default_ms
        try:
            seconds = parse_float(text)
        except ValueError:
            seconds = _rfc3339(name, text)
        if not math.isfinite(seconds) or abs(seconds) > TIME_MAX_MS / 1000:
            raise ApiError(
                "bad_data",
                f'invalid parameter "{name}": cannot parse "{text}" to a valid timestamp',
            )
        return round(seconds * 1000)

    def duration_ms(self, name: str, default_ms: int | None = None) -> int:
        """A number of seconds or a duration."""
        text = self.get(name)
        if not text and default_ms is not None:
            return default_ms
        try:
            seconds = parse_float(text)
            if math.isfinite(seconds) and abs(seconds) < TIME_MAX_MS / 1000:
                return int(seconds * 1000)
        except ValueError:
            try:
                return parse_duration(text)
            except ValueError:
                pass
        raise ApiError(
            "bad_data", f'invalid parameter "{name}": cannot parse "{text}" to a valid duration'
        )

    def selectors(self, required: bool = False) -> list[list[Matcher]]:
        """The `match[]` parameters."""
        from tsdb.promql.parser import parse_selector

        texts = self.fields.get("match[]", [])
        if required and not texts:
            raise ApiError("bad_data", "no match[] parameter provided")
        try:
            return [parse_selector(text) for text in texts]
        except BadQuery as exc:
            raise ApiError("bad_data", f'invalid parameter "match[]": {exc}') from exc

    def span(self) -> tuple[int, int]:
        """start and end, all of time by default."""
        return self.time_ms("start", -TIME_MAX_MS), self.time_ms("end", TIME_MAX_MS)


def _rfc3339(name: str, text: str) -> float:
    try:
        parsed = datetime.fromisoformat(text)
        if parsed.tzinfo is not None:
            return parsed.timestamp()
    except ValueError:
        pass
    raise ApiError(
        "bad_data", f'invalid parameter "{name}": cannot parse "{text}" to a valid timestamp'
    )


def answering(handler: Handler) -> Handler:
    """The handler with its errors turned into answers."""

    @wraps(handler)
    def answer(request: Request) -> Response:
        try:
            return handler(request)
        except ApiError as exc:
            return failure(exc.kind, str(exc))
        except ParseError as exc:
            return failure("bad_data", f'invalid parameter "query": {exc}')
        except QueryTimeout as exc:
            return failure("timeout", str(exc))
        except BadQuery as exc:
            return failure("bad_data", str(exc))
        except QueryError as exc:
            return failure("execution", str(exc))

    return answer


def in_slices(route: Route, queries: Queries) -> Route:
    """The route, whose handler is a query that others need not wait for."""

    @wraps(route.handler)
    def answer(request: Request) -> Any:
        found = queries.run(route.handler, request)
        return in_turn(found) if isinstance(found, Coroutine) else found

    async def in_turn(later: Coroutine[Any, Any, Any]) -> Any:
        try:
            return await later
        except QueryTimeout as exc:  # of one that never began
            return failure("timeout", str(exc))

    return replace(route, handler=answer)
