"""The pages that tell of the server itself: /api/v1/status/*, /-/healthy, /-/ready, the welcome."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bedrock.net.http import Request, Response, Route
from tsdb.form import Form, answering, success_of
from tsdb.monitor.monitor import Monitor
from tsdb.monitor.notify import rfc3339
from tsdb.store import Store

VERSION = "2.42.0"  # of the API spoken
LARGEST = 10


class Status:
    """The handlers; `routes` is the table."""

    def __init__(self, store: Store, flags: Callable[[], dict[str, str]], monitor: Monitor):
        self.store = store
        self.flags = flags
        self.monitor = monitor
        self.started_ms = store.world.clock.wall_ms()

    def routes(self) -> list[Route]:
        """Method, path, handler."""
        status = {
            "buildinfo": self.build_info,
            "runtimeinfo": self.runtime_info,
            "flags": self.status_flags,
            "config": self.status_config,
            "tsdb": self.tsdb_status,
            "walreplay": self.wal_replay,
        }
        return [
            Route("GET", f"/api/v1/status/{name}", answering(handler))
            for name, handler in status.items()
        ]

    def pages(self) -> list[Route]:
        """What tells that the server lives."""
        texts = {
            "/-/healthy": "Prometheus Server is Healthy.\n",
            "/-/ready": "Prometheus Server is Ready.\n",
        }
        found = [Route("GET", path, page(text)) for path, text in texts.items()]
        return [Route("GET", "/", welcome), *found]

    def build_info(self, request: Request) -> Response:
        """What is spoken here; Grafana decides by it which requests to send."""
        info = {"version": VERSION, "revision": "bedrock", "branch": "", "buildUser": ""}
        return success_of(info | {"buildDate": "", "goVersion": ""})

    def runtime_info(self, request: Request) -> Response:
        """Since when it runs, and how much it holds."""
        head, monitor = self.store.head, self.monitor
        return success_of(
            {
                "startTime": rfc3339(self.started_ms),
                "CWD": "/",
                "reloadConfigSuccess": not monitor.load_failed,
                "lastConfigTime": rfc3339(monitor.loaded_ms),
                "corruptionCount": 0,
                "goroutineCount": 0,
                "GOMAXPROCS": 1,
                "GOGC": "",
                "GODEBUG": "",
                "storageRetention": f"{self.store.lifecycle.policy.retention_ms // 1000}s",
                "timeSeriesCount": head.live,
            }
        )

    def status_flags(self, request: Request) -> Response:
        """The options."""
        return success_of(self.flags())

    def tsdb_status(self, request: Request) -> Response:
        """The head in numbers, and the labels that make most series."""
        limit = Form(request).count("limit") or LARGEST
        head = self.store.head
        names = head.postings.by_name
        pairs = {
            f"{name}={value}": len(bitmap)
            for name, values in names.items()
            for value, bitmap in values.items()
        }
        metrics = {v: len(bitmap) for v, bitmap in names.get("__name__", {}).items()}
        memory = {
            name: sum(len(v.encode()) * len(bitmap) for v, bitmap in values.items())
            for name, values in names.items()
        }
        values = {name: len(values) for name, values in names.items()}
        return success_of(
            {
                "headStats": {
                    "numSeries": head.live,
                    "numLabelPairs": len(pairs),
                    "chunkCount": 0,
                    "minTime": head.first,
                    "maxTime": head.last,
                },
                "seriesCountByMetricName": _largest(metrics, limit),
                "labelValueCountByLabelName": _largest(values, limit),
                "memoryInBytesByLabelName": _largest(memory, limit),
                "seriesCountByLabelValuePair": _largest(pairs, limit),
            }
        )

    def status_config(self, request: Request) -> Response:
        """The configuration file."""
        return success_of({"yaml": self.monitor.settings.text})

    def wal_replay(self, request: Request) -> Response:
        """How far the log was replayed: a server that answers has done so."""
        return success_of({"min": 0, "max": 0, "current": 0})


def page(text: str) -> Callable[[Request], Response]:
    """A handler that answers with a fixed text."""

    def answer(request: Request) -> Response:
        return Response(text.encode())

    answer.__doc__ = text.splitlines()[0]
    return answer


def welcome(request: Request) -> Response:
    """What this is; browsers are led to the page that asks."""
    if "text/html" in request.headers.get("accept", ""):
        return Response(b"", 302, headers={"Location": "/graph"})
    here = request.headers.get("host", "localhost")
    return Response(WELCOME.format(here=f"http://{here}").encode())


def _largest(counts: dict[str, int], limit: int) -> list[dict[str, Any]]:
    ordered = sorted(counts.items(), key=lambda pair: -pair[1])[:limit]
    return [{"name": name, "value": count} for name, count in ordered]


WELCOME = """Bedrock tsdb: speaks Prometheus' HTTP API and InfluxDB's line protocol.

    curl -d 'cpu,host=a usage=42' '{here}/write'
    curl '{here}/api/v1/query?query=cpu_usage'

Pages: /graph asks PromQL, /cardinality shows what makes series, /storage the head and blocks.
"""
