"""What the tests speak: remote-write bodies, HTTP, and a store in memory."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from bedrock.codec.compress import compress
from bedrock.codec.protobuf import Message, Schema, field
from bedrock.sim.disk import Medium
from bedrock.world import OsRand, World
from tsdb.columns import Columns
from tsdb.matchers import Matcher
from tsdb.store import Store

WRITE_REQUEST = Message("WriteRequest", field(1, "timeseries", "TimeSeries", repeated=True))
Schema(
    WRITE_REQUEST,
    Message(
        "TimeSeries",
        field(1, "labels", "Label", repeated=True),
        field(2, "samples", "Sample", repeated=True),
    ),
    Message("Label", field(1, "name", "string"), field(2, "value", "string")),
    Message("Sample", field(1, "value", "double"), field(2, "timestamp", "int64")),
)


def write_request(series: dict[tuple, list[tuple[int, float]]]) -> bytes:
    """The message, not compressed, of {((name, value), ...): [(ms, value), ...]}."""
    return WRITE_REQUEST.encode(
        {
            "timeseries": [
                {
                    "labels": [{"name": n, "value": v} for n, v in sorted(labels)],
                    "samples": [{"value": v, "timestamp": t} for t, v in samples],
                }
                for labels, samples in series.items()
            ]
        }
    )


def remote_write_body(series: dict[tuple, list[tuple[int, float]]]) -> bytes:
    """A remote-write request's body."""
    return compress("snappy", write_request(series))


def memory_world(medium: Medium | None = None) -> World:
    """A world on a simulated disk."""
    return World((medium or Medium(OsRand())).disk())


def memory_store(**options: Any) -> Store:
    """A store on a simulated disk."""
    return Store(memory_world(), **options)


def contents(store: Store, low: int = -(2**61), high: int = 2**61) -> dict:
    """{labels: {ms: value}} of all that a store holds."""
    return as_dict(store.select([Matcher("__name__", "!=", "")], low, high))


def as_dict(columns: Columns) -> dict:
    """{labels: {ms: value}} of columns."""
    found = {}
    for i, labels in enumerate(columns.labels):
        times, values = columns.samples(i)
        found[labels.pairs] = dict(zip(times.tolist(), values.tolist(), strict=True))
    return found


def http(url: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
    """(status, body) of a request; POST when there is a body."""
    request = urllib.request.Request(
        url, body, {name.replace("_", "-"): value for name, value in headers.items()}
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as exc:
        return exc.code, exc.read()


def ask(base: str, path: str, **params: str) -> dict:
    """A GET of Prometheus' API, as JSON."""
    _, body = http(f"{base}/api/v1/{path}?{urllib.parse.urlencode(params)}")
    return json.loads(body)
