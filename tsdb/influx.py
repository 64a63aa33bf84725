"""InfluxDB's HTTP API, as far as writers need it: versions 1 (/write) and 2 (/api/v2/write).

A write is taken line by line: good lines are stored, and the answer to a body with bad ones is
400 with the first reason, as InfluxDB's "partial write".  Queries are PromQL's business; InfluxQL
is answered only where clients ask before they write (CREATE DATABASE, SHOW DATABASES).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from bedrock.codec.compress import decompress
from bedrock.codec.errors import Malformed, TooLarge
from bedrock.net.http import Request, Response, Route
from bedrock.world import DiskFull
from tsdb.head import TooManySeries
from tsdb.line_protocol import UNIT_NS
from tsdb.store import Store

VERSION = "1.8.10"
BODY_MAX = 64 << 20  # bytes, unpacked
HEADERS = {"X-Influxdb-Version": VERSION, "X-Influxdb-Build": "bedrock"}
NO_QUERIES = "{} is not spoken here: query with PromQL at /api/v1/query"


class WriteError(Exception):
    """A write that was refused, or in part."""

    def __init__(self, status: int, code: str, why: str):
        super().__init__(why)
        self.status = status
        self.code = code


class Influx:
    """The handlers; `routes` is the table."""

    def __init__(self, store: Store):
        self.store = store
        self.databases = {"_internal"}

    def routes(self) -> list[Route]:
        """Method, path, handler."""
        table: list[tuple[str, str, Callable[[Request], Response]]] = [
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
        """Version 1: ?db= names the database, ?precision= the unit of timestamps."""
        database = _first(request, "db")
        try:
            self._write(request, database, _first(request, "precision") or "ns")
        except WriteError as exc:
            headers = HEADERS | {"X-Influxdb-Error": _header(str(exc))}
            return _json({"error": str(exc)}, exc.status, headers)
        self.databases.add(database)
        return Response(b"", 204, headers=HEADERS)

    def write_v2(self, request: Request) -> Response:
        """Version 2: ?bucket= is the database."""
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
            parser = self.store.write_lines(body, unit_ns, database.encode())
        except TooLarge as exc:
            raise WriteError(413, "request too large", str(exc)) from exc
        except (Malformed, TooManySeries) as exc:
            raise WriteError(400, "invalid", str(exc)) from exc
        except DiskFull as exc:
            raise WriteError(507, "internal error", str(exc)) from exc
        if parser.rejected:
            line, why = parser.errors[0]
            raise WriteError(
                400,
                "invalid",
                f"partial write: unable to parse line {line}: {why} dropped={parser.rejected}",
            )

    # ---- what clients ask besides ------------------------------------------------------------

    def ping(self, request: Request) -> Response:
        """Is anyone there?"""
        return Response(b"", 204, headers=HEADERS)

    def health(self, request: Request) -> Response:
        """Is it well?"""
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

    def query(self, request: Request) -> Response:
        """InfluxQL: only what is asked before writing."""
        text = request.form().get("q", [""])[0].strip()
        if re.match(r"(?i)create\s+database\b", text):
            match = re.search(r'(?i)database\s+"?([^"\s;]+)', text)
            self.databases.add(match[1] if match else "")
            return _json({"results": [{"statement_id": 0}]}, headers=HEADERS)
        if re.match(r"(?i)show\s+databases\b", text):
            values = [[name] for name in sorted(self.databases - {""})]
            series = [{"name": "databases", "columns": ["name"], "values": values}]
            return _json({"results": [{"statement_id": 0, "series": series}]}, headers=HEADERS)
        return _json({"error": NO_QUERIES.format("InfluxQL")}, 400, HEADERS)

    def query_v2(self, request: Request) -> Response:
        """Flux."""
        return _json({"code": "not implemented", "message": NO_QUERIES.format("Flux")}, 501)


def _first(request: Request, name: str) -> str:
    return request.query.get(name, [""])[0]


def _header(text: str) -> str:
    """The text as a header may hold it."""
    return re.sub(r"[^\x20-\x7e]", "?", text)


def _json(data: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    body = json.dumps(data).encode() + b"\n"
    return Response(body, status, content_type="application/json", headers=headers or {})
