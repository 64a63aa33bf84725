"""InfluxDB's HTTP API: writing (/write and /api/v2/write), InfluxQL (/query), /ping and /health.

A write is taken line by line: good lines are stored, and the answer to a body with bad ones is
400 with their numbers and what is wrong, as InfluxDB's "partial write".  Flux is refused, with a
hint.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable

from bedrock.codec.compress import decompress
from bedrock.codec.errors import Malformed, TooLarge
from bedrock.net.http import Request, Response, Route
from bedrock.world import DiskFull
from tsdb.budget import Budget
from tsdb.catalog import Catalog
from tsdb.head import TooManySeries
from tsdb.line_protocol import UNIT_NS
from tsdb.store import Store

VERSION = "1.8.10"
BODY_MAX = 64 << 20  # bytes, unpacked
HEADERS = {"X-Influxdb-Version": VERSION, "X-Influxdb-Build": "bedrock"}
NO_FLUX = (
    "Flux is not spoken here: query with InfluxQL at /query or with PromQL at /api/v1/query"
)


class WriteError(Exception):
    """A write that was refused, or in part."""

    def __init__(self, status: int, code: str, why: str):
        super().__init__(why)
        self.status = status
        self.code = code


class Influx:
    """The handlers; `routes` is the table."""

    def __init__(self, store: Store, budget: Callable[[], Budget] = Budget):
        self.store = store
        self.budget = budget
        self.catalog = Catalog(store)

    def routes(self) -> list[Route]:
        """Method, path, handler."""
        table: list[tuple[str, str, Callable[[Request], Response | Awaitable[Response]]]] = [
            ("POST", "/write", self.write),
            ("POST", "/api/v2/write", self.write_v2),
            ("GET", "/ping", self.ping),
            ("GET", "/health", self.health),
            ("GET", "/query", self.query),
            ("POST", "/query", self.query),
            ("POST", "/api/v2/query", self.query_v2),
        ]
        return [Route(*line) for line in table]

    # ---- writing ---------------------------------------------------------------------------

    def write(self, request: Request) -> Response:
        """Line protocol, version 1: ?db= the database, ?precision= the unit of timestamps."""
        database = _first(request, "db")
        try:
            self._write(request, database, _first(request, "precision") or "ns")
        except WriteError as exc:
            headers = HEADERS | {"X-Influxdb-Error": _header(str(exc))}
            return _json({"error": str(exc)}, exc.status, headers)
        return Response(b"", 204, headers=HEADERS)

    def write_v2(self, request: Request) -> Response:
        """Line protocol, version 2: ?bucket= is the database."""
        try:
            self._write(
                request, _first(request, "bucket"), _first(request, "precision") or "ns"
            )
        except WriteError as exc:
            return _json({"code": exc.code, "message": str(exc)}, exc.status)
        return Response(b"", 204)

    def _write(self, request: Request, database: str, precision: str) -> None:
        unit_ns = UNIT_NS.get(precision)
        if unit_ns is None:
            raise WriteError(400, "invalid", f'invalid precision "{precision}"')
        body = request.body
        try:
            encoding = request.headers.get("content-encoding", "identity").lower()
            if encoding == "gzip":
                body = decompress("gzip", body, BODY_MAX)
            elif encoding != "identity":
                raise WriteError(415, "invalid", f'content encoding "{encoding}" is not known')
            parser = self.catalog.write_lines(database, body, unit_ns)
        except TooLarge as exc:
            raise WriteError(413, "request too large", str(exc)) from exc
        except (Malformed, TooManySeries) as exc:
            raise WriteError(400, "invalid", str(exc)) from exc
        except DiskFull as exc:
            raise WriteError(507, "internal error", str(exc)) from exc
        if parser.rejected:
            told = "; ".join(f"line {n}: {why}" for n, why in parser.errors)
            raise WriteError(
                400,
                "invalid",
                f"partial write: unable to parse {told} dropped={parser.rejected}",
            )

    # ---- what clients ask besides ------------------------------------------------------------

    def ping(self, request: Request) -> Response:
        """Answers 204 and the version."""
        return Response(b"", 204, headers=HEADERS)

    def health(self, request: Request) -> Response:
        """Health, as InfluxDB 2 tells it."""
        return _json(
            {
                "name": "influxdb",
                "message": "ready for queries and writes",
                "status": "pass",
                "checks": [],
                "version": VERSION,
                "commit": "bedrock",
            }
        )

    async def query(self, request: Request) -> Response:
        """InfluxQL: ?q= statements, ?params= values in them, ?db=, ?epoch=, ?chunked=."""
        from tsdb.influxql.answer import CHUNK_ROWS, Session, encode
        from tsdb.influxql.ast import SyntaxTrouble
        from tsdb.influxql.bound import parameters

        form = request.form()

        def get(name: str) -> str:
            return form.get(name, [""])[0]

        if not get("q").strip():
            return _json({"error": 'missing required parameter "q"'}, 400, HEADERS)
        try:
            values = parameters(get("params"))
            session = Session(self.catalog, get("db"), get("epoch"), self.budget(), values)
            if get("chunked") == "true":
                size = int(get("chunk_size") or CHUNK_ROWS) if get("chunk_size").isdigit() else 0
                lines = session.chunks(get("q"), size or CHUNK_ROWS)
                body = b"".join([line async for line in lines])
            else:
                body = encode(await session.answer(get("q")))
        except SyntaxTrouble as exc:
            return _json({"error": str(exc)}, 400, HEADERS)
        return Response(body, content_type="application/json", headers=HEADERS)

    def query_v2(self, request: Request) -> Response:
        """Flux: refused, with a hint."""
        return _json({"code": "not implemented", "message": NO_FLUX}, 501)


def _first(request: Request, name: str) -> str:
    return request.query.get(name, [""])[0]


def _header(text: str) -> str:
    """The text as a header may hold it."""
    return re.sub(r"[^\x20-\x7e]", "?", text)


def _json(data: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    body = json.dumps(data).encode() + b"\n"
    return Response(body, status, content_type="application/json", headers=headers or {})
