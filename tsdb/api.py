"""Prometheus' HTTP API, version 1: the routes that clients, promtool and Grafana ask.

Parameters come from the query or a form; answers are `{"status": ..., "data": ...}`, errors
carry Prometheus' errorType.  Left out: rules, alerts and scraping, whose lists are empty;
remote-read; deletion.

The query engine is imported by the first query: a server is ready without it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from datetime import datetime
from typing import Any

from bedrock.codec.errors import Malformed, TooLarge
from bedrock.net.http import Request, Response, Route
from bedrock.world import DiskFull
from tsdb.head import TooManySeries
from tsdb.labels import is_label_name
from tsdb.matchers import Matcher
from tsdb.promql.errors import BadQuery, ParseError, QueryError
from tsdb.promql.json_out import json_labels
from tsdb.promql.lexer import parse_duration
from tsdb.promql.numbers import parse_float
from tsdb.remote_write import BadRequest
from tsdb.store import Store

VERSION = "2.42.0"  # of the API spoken
STEPS_MAX = 11_000
TIME_MAX_MS = 2**62
STATUS = {"bad_data": 400, "execution": 422, "internal": 500, "unavailable": 503}


class ApiError(Exception):
    """Answered with its errorType."""

    def __init__(self, kind: str, why: str):
        super().__init__(why)
        self.kind = kind


def success(data: bytes) -> Response:
    """A good answer, whose data is JSON already."""
    return Response(
        b'{"status":"success","data":' + data + b"}", content_type="application/json"
    )


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


class Api:
    """The handlers; `routes` is the table."""

    def __init__(self, store: Store, flags: Callable[[], dict[str, str]], lookback_ms: int):
        self.store = store
        self.flags = flags
        self.lookback_ms = lookback_ms
        self.started_ms = store.world.clock.wall_ms()
        self.queries = 0

    def routes(self) -> list[Route]:
        """Method, path, handler."""
        both = ("GET", "POST")
        table: list[tuple[tuple[str, ...], str, Callable[[Request], Response]]] = [
            (both, "/api/v1/query", self.query),
            (both, "/api/v1/query_range", self.query_range),
            (both, "/api/v1/query_exemplars", self.nothing(b"[]")),
            (both, "/api/v1/labels", self.labels),
            (("GET",), "/api/v1/label/{name}/values", self.label_values),
            (both, "/api/v1/series", self.series),
            (("GET",), "/api/v1/metadata", self.nothing(b"{}")),
            (("GET",), "/api/v1/rules", self.nothing(b'{"groups":[]}')),
            (("GET",), "/api/v1/alerts", self.nothing(b'{"alerts":[]}')),
            (
                ("GET",),
                "/api/v1/alertmanagers",
                self.nothing(b'{"activeAlertmanagers":[],"droppedAlertmanagers":[]}'),
            ),
            (
                ("GET",),
                "/api/v1/targets",
                self.nothing(b'{"activeTargets":[],"droppedTargets":[]}'),
            ),
            (("GET",), "/api/v1/status/buildinfo", self.build_info),
            (("GET",), "/api/v1/status/runtimeinfo", self.runtime_info),
            (("GET",), "/api/v1/status/flags", self.status_flags),
            (("GET",), "/api/v1/status/config", self.nothing(b'{"yaml":""}')),
            (("GET",), "/api/v1/status/tsdb", self.tsdb_status),
            (("POST",), "/api/v1/write", self.write),
            (("GET",), "/-/healthy", self.text("Prometheus Server is Healthy.\n")),
            (("GET",), "/-/ready", self.text("Prometheus Server is Ready.\n")),
            (("GET",), "/", self.text(WELCOME)),
        ]
        return [
            Route(method, path, answering(handler))
            for methods, path, handler in table
            for method in methods
        ]

    def nothing(self, data: bytes) -> Callable[[Request], Response]:
        """A handler for a list that is always empty here."""
        return lambda request: success(data)

    def text(self, text: str) -> Callable[[Request], Response]:
        """A handler that answers with a fixed text."""
        return lambda request: Response(text.encode())

    def _now_ms(self) -> int:
        return self.store.world.clock.wall_ms()

    def query(self, request: Request) -> Response:
        """An instant query."""
        form = Form(request)
        self.queries += 1
        try:
            time_ms = form.time_ms("time", self._now_ms())
        except ApiError as exc:
            # Prometheus says it twice here, and only here.
            why = str(exc).replace('"time": ', "\"time\": Invalid time value for 'time': ", 1)
            raise ApiError("bad_data", why) from exc
        lookback_ms = form.duration_ms("lookback_delta", self.lookback_ms)
        from tsdb.promql import answer

        return success(answer.instant(self.store.finder, form.get("query"), time_ms, lookback_ms))

    def query_range(self, request: Request) -> Response:
        """A range query."""
        form = Form(request)
        self.queries += 1
        for name in ("start", "end"):
            if not form.get(name):
                raise ApiError(
                    "bad_data",
                    f'invalid parameter "{name}": cannot parse "" to a valid timestamp',
                )
        start, end, step = (
            form.time_ms("start", 0),
            form.time_ms("end", 0),
            form.duration_ms("step"),
        )
        if end < start:
            raise ApiError(
                "bad_data",
                'invalid parameter "end": end timestamp must not be before start time',
            )
        if step <= 0:
            raise ApiError(
                "bad_data",
                'invalid parameter "step": zero or negative query resolution step widths are '
                "not accepted. Try a positive integer",
            )
        if (end - start) // step > STEPS_MAX:
            raise ApiError(
                "bad_data",
                "exceeded maximum resolution of 11,000 points per timeseries. "
                "Try decreasing the query resolution (?step=XX)",
            )
        lookback_ms = form.duration_ms("lookback_delta", self.lookback_ms)
        from tsdb.promql import answer

        return success(
            answer.over(self.store.finder, form.get("query"), start, end, step, lookback_ms)
        )

    # ---- what there is ---------------------------------------------------------------------

    def labels(self, request: Request) -> Response:
        """Label names."""
        form = Form(request)
        return success(_json(self.store.label_names(form.selectors(), *form.span())))

    def label_values(self, request: Request) -> Response:
        """Values of one label."""
        form = Form(request)
        name = request.params["name"]
        if not is_label_name(name):
            raise ApiError("bad_data", f'invalid label name: "{name}"')
        return success(_json(self.store.label_values(name, form.selectors(), *form.span())))

    def series(self, request: Request) -> Response:
        """Label sets of the series that match."""
        form = Form(request)
        found = self.store.series(form.selectors(required=True), *form.span())
        return success(b"[" + b",".join(map(json_labels, found)) + b"]")

    # ---- status ----------------------------------------------------------------------------

    def build_info(self, request: Request) -> Response:
        """What is spoken here; Grafana decides by it which requests to send."""
        info = {"version": VERSION, "revision": "bedrock", "branch": "", "buildUser": ""}
        return success(_json(info | {"buildDate": "", "goVersion": ""}))

    def runtime_info(self, request: Request) -> Response:
        """Since when, and how much."""
        started = datetime.fromtimestamp(self.started_ms / 1000).astimezone().isoformat()
        return success(
            _json(
                {
                    "startTime": started,
                    "reloadConfigSuccess": True,
                    "corruptionCount": 0,
                    "storageRetention": f"{self.store.lifecycle.policy.retention_ms // 1000}s",
                    "timeSeriesCount": self.store.head.live,
                }
            )
        )

    def status_flags(self, request: Request) -> Response:
        """The configuration."""
        return success(_json(self.flags()))

    def tsdb_status(self, request: Request) -> Response:
        """The head in numbers, and the labels that make most series."""
        head = self.store.head
        names = head.postings.by_name
        pairs = [
            (f"{name}={value}", len(bitmap))
            for name, values in names.items()
            for value, bitmap in values.items()
        ]
        metrics = [(value, len(bitmap)) for value, bitmap in names.get("__name__", {}).items()]
        return success(
            _json(
                {
                    "headStats": {
                        "numSeries": head.live,
                        "numLabelPairs": len(pairs),
                        "chunkCount": 0,
                        "minTime": head.first,
                        "maxTime": head.last,
                    },
                    "seriesCountByMetricName": _largest(metrics),
                    "labelValueCountByLabelName": _largest(
                        [(name, len(values)) for name, values in names.items()]
                    ),
                    "memoryInBytesByLabelName": [],
                    "seriesCountByLabelValuePair": _largest(pairs),
                }
            )
        )

    # ---- writing ---------------------------------------------------------------------------

    def write(self, request: Request) -> Response:
        """Remote-write."""
        try:
            self.store.write_remote(request.body)
        except (BadRequest, Malformed, TooLarge, TooManySeries) as exc:
            return Response(f"{exc}\n".encode(), 400)
        except DiskFull as exc:
            return Response(f"{exc}\n".encode(), 507)
        return Response(b"", 204)


def answering(handler: Callable[[Request], Response]) -> Callable[[Request], Response]:
    """The handler with its errors turned into answers."""

    def answer(request: Request) -> Response:
        try:
            return handler(request)
        except ApiError as exc:
            return failure(exc.kind, str(exc))
        except ParseError as exc:
            return failure("bad_data", f'invalid parameter "query": {exc}')
        except BadQuery as exc:
            return failure("bad_data", str(exc))
        except QueryError as exc:
            return failure("execution", str(exc))

    return answer


def _json(data: Any) -> bytes:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()


def _largest(counts: list[tuple[str, int]], n: int = 10) -> list[dict[str, Any]]:
    counts.sort(key=lambda pair: -pair[1])
    return [{"name": name, "value": count} for name, count in counts[:n]]


WELCOME = """Bedrock tsdb: speaks Prometheus' HTTP API and InfluxDB's line protocol.

    curl -d 'cpu,host=a usage=42' '{here}/write'
    curl '{here}/api/v1/query?query=cpu_usage'
"""
