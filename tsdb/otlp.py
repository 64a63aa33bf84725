"""OpenTelemetry's metrics as series, by the rules that Prometheus has for it.

    gauge, sum        one series; a sum that only rises gets `_total`
    histogram         _bucket (with `le`, cumulative), _count, _sum
    summary           one series for each `quantile`, _count, _sum
    resource          service.name is `job` (after service.namespace and a slash),
                      service.instance.id is `instance`; the rest are labels of `target_info`

A name's unit is added in words (By: bytes, s: seconds); what may not stand in a name becomes `_`.
Deltas and exponential histograms have no series: they are counted as rejected, with the reason.

Messages: opentelemetry-proto, metrics/v1.  The same table reads protobuf and JSON, whose names are
those of protobuf's JSON mapping.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from bedrock.codec.protobuf import Message, Schema
from bedrock.codec.protobuf import field as column
from tsdb.labels import Labels, labels_of

CUMULATIVE = 2  # of an aggregation's temporality
TIME_MAX_MS = 2**62
NO_VALUE = 1  # flag of a data point
UNITS = {
    "d": "days", "h": "hours", "min": "minutes", "s": "seconds", "ms": "milliseconds",
    "us": "microseconds", "ns": "nanoseconds", "By": "bytes", "KiBy": "kibibytes",
    "MiBy": "mebibytes", "GiBy": "gibibytes", "m": "meters", "V": "volts", "A": "amperes",
    "J": "joules", "W": "watts", "g": "grams", "Cel": "celsius", "Hz": "hertz", "%": "percent",
}  # fmt: skip

REQUEST = Message("Request", column(1, "resourceMetrics", "ResourceMetrics", repeated=True))
RESPONSE = Message("Response", column(1, "partialSuccess", "PartialSuccess"))
_POINT = (column(3, "timeUnixNano", "fixed64"), column(7, "attributes", "KeyValue", repeated=True))
Schema(
    REQUEST,
    RESPONSE,
    Message(
        "PartialSuccess",
        column(1, "rejectedDataPoints", "int64"),
        column(2, "errorMessage", "string"),
    ),
    Message(
        "ResourceMetrics",
        column(1, "resource", "Resource"),
        column(2, "scopeMetrics", "ScopeMetrics", repeated=True),
    ),
    Message("Resource", column(1, "attributes", "KeyValue", repeated=True)),
    Message("ScopeMetrics", column(2, "metrics", "Metric", repeated=True)),
    Message("KeyValue", column(1, "key", "string"), column(2, "value", "AnyValue")),
    Message(
        "AnyValue",
        column(1, "stringValue", "string"),
        column(2, "boolValue", "bool"),
        column(3, "intValue", "int64"),
        column(4, "doubleValue", "double"),
    ),
    Message(
        "Metric",
        column(1, "name", "string"),
        column(3, "unit", "string"),
        column(5, "gauge", "Gauge"),
        column(7, "sum", "Sum"),
        column(9, "histogram", "Histogram"),
        column(10, "exponentialHistogram", "Points"),
        column(11, "summary", "Summary"),
    ),
    Message("Points", column(1, "dataPoints", "Point", repeated=True)),
    Message("Point", *_POINT),
    Message("Gauge", column(1, "dataPoints", "NumberPoint", repeated=True)),
    Message(
        "Sum",
        column(1, "dataPoints", "NumberPoint", repeated=True),
        column(2, "aggregationTemporality", "enum"),
        column(3, "isMonotonic", "bool"),
    ),
    Message(
        "NumberPoint",
        *_POINT,
        column(4, "asDouble", "double"),
        column(6, "asInt", "sfixed64"),
        column(8, "flags", "uint32"),
    ),
    Message(
        "Histogram",
        column(1, "dataPoints", "HistogramPoint", repeated=True),
        column(2, "aggregationTemporality", "enum"),
    ),
    Message(
        "HistogramPoint",
        column(3, "timeUnixNano", "fixed64"),
        column(4, "count", "fixed64"),
        column(5, "sum", "double"),
        column(6, "bucketCounts", "fixed64", repeated=True),
        column(7, "explicitBounds", "double", repeated=True),
        column(9, "attributes", "KeyValue", repeated=True),
    ),
    Message("Summary", column(1, "dataPoints", "SummaryPoint", repeated=True)),
    Message(
        "SummaryPoint",
        *_POINT,
        column(4, "count", "fixed64"),
        column(5, "sum", "double"),
        column(6, "quantileValues", "Quantile", repeated=True),
    ),
    Message("Quantile", column(1, "quantile", "double"), column(2, "value", "double")),
)

Sample = tuple[Labels, int, float]


@dataclass
class Data:
    """What a request holds: samples, and how many points have no series, and why."""

    samples: list[Sample] = field(default_factory=list)
    rejected: int = 0
    why: str = ""


def read(body: bytes, as_json: bool) -> Data:
    """The samples of a request; ValueError (Malformed) if it cannot be read."""
    try:
        request = json.loads(body) if as_json else REQUEST.decode(body)
    except RecursionError as exc:
        raise ValueError("nested too deeply") from exc
    if not isinstance(request, dict):
        raise ValueError("not a request")
    data = Data()
    try:
        for part in request.get("resourceMetrics") or ():
            _resource(part, data)
    except (AttributeError, TypeError, KeyError, OverflowError) as exc:
        raise ValueError(f"a part of the request has the wrong shape: {exc}") from exc
    return data


def answer(data: Data, as_json: bool) -> bytes:
    """What the client is told."""
    told: dict[str, Any] = {}
    if data.rejected:
        told["partialSuccess"] = {
            "rejectedDataPoints": data.rejected, "errorMessage": data.why
        }  # fmt: skip
    return json.dumps(told).encode() if as_json else RESPONSE.encode(told)


def _resource(part: dict[str, Any], data: Data) -> None:
    given = dict(_attributes((part.get("resource") or {}).get("attributes")))
    name, space = given.pop("service.name", ""), given.pop("service.namespace", "")
    common = {
        "job": f"{space}/{name}" if space and name else name,
        "instance": given.pop("service.instance.id", ""),
    }
    newest = 0
    for scope in part.get("scopeMetrics") or ():
        for metric in scope.get("metrics") or ():
            before = len(data.samples)
            _metric(metric, common, data)
            newest = max([newest, *(t for _, t, _ in data.samples[before:])])
    if given and newest and any(common.values()):
        labels = {_name(key, False): value for key, value in given.items()}
        data.samples.append((labels_of({"__name__": "target_info", **labels, **common}), newest, 1))


def _metric(metric: dict[str, Any], common: dict[str, str], data: Data) -> None:
    for kind, make in _KINDS.items():
        body = metric.get(kind)
        if body is None:
            continue
        points = body.get("dataPoints") or ()
        delta = int(body.get("aggregationTemporality") or CUMULATIVE) != CUMULATIVE
        if make is None or delta:
            data.rejected += len(points)
            what = "deltas" if delta else "exponential histograms"
            data.why = f"{metric.get('name')}: {what} are not kept"
            return
        name = _metric_name(metric, kind, body)
        for point in points:
            time_ms = int(point.get("timeUnixNano") or 0) // 1_000_000
            if not 0 <= time_ms < TIME_MAX_MS:
                raise ValueError(f"{name}: a time that is out of range")
            labels = {
                _name(key, False): value for key, value in _attributes(point.get("attributes"))
            }
            for suffix, more, value in make(point):
                whole = {"__name__": name + suffix, **labels, **common, **more}
                data.samples.append((labels_of(whole), time_ms, value))


Series = Iterator[tuple[str, dict[str, str], float]]  # suffix, labels, value


def _number(point: dict[str, Any]) -> Series:
    if int(point.get("flags") or 0) & NO_VALUE:
        return
    value = point.get("asDouble")
    yield "", {}, float(point.get("asInt") or 0) if value is None else float(value)


def _histogram(point: dict[str, Any]) -> Series:
    total = 0
    bounds = [*map(float, point.get("explicitBounds") or ())]
    for bound, count in zip(bounds, point.get("bucketCounts") or (), strict=False):
        total += int(count)
        yield "_bucket", {"le": _bound(bound)}, total
    yield "_bucket", {"le": "+Inf"}, float(point.get("count") or 0)
    yield from _count_and_sum(point)


def _summary(point: dict[str, Any]) -> Series:
    for item in point.get("quantileValues") or ():
        quantile = {"quantile": _bound(float(item.get("quantile") or 0))}
        yield "", quantile, float(item.get("value") or 0)
    yield from _count_and_sum(point)


def _count_and_sum(point: dict[str, Any]) -> Series:
    yield "_count", {}, float(point.get("count") or 0)
    if point.get("sum") is not None:
        yield "_sum", {}, float(point["sum"])


_KINDS = {
    "gauge": _number,
    "sum": _number,
    "histogram": _histogram,
    "exponentialHistogram": None,
    "summary": _summary,
}


# ---- names ---------------------------------------------------------------------------------


def _attributes(listed: Iterable[dict[str, Any]] | None) -> Iterator[tuple[str, str]]:
    for item in listed or ():
        value = next((v for v in (item.get("value") or {}).values() if v is not None), "")
        text = json.dumps(value) if isinstance(value, bool | dict | list) else str(value)
        yield str(item.get("key") or ""), text


def _bound(value: float) -> str:
    if not math.isfinite(value):
        return str(value).replace("inf", "Inf") if value < 0 else f"+{value}".replace("inf", "Inf")
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


def _name(text: str, metric: bool) -> str:
    fit = re.sub(r"[^a-zA-Z0-9_:]" if metric else r"[^a-zA-Z0-9_]", "_", text)
    return f"_{fit}" if not fit or fit[0].isdigit() else fit


def _metric_name(metric: dict[str, Any], kind: str, body: dict[str, Any]) -> str:
    words = [word for word in re.split(r"[^a-zA-Z0-9:]+", str(metric.get("name") or "")) if word]
    unit, _, per = str(metric.get("unit") or "").partition("/")
    total = kind == "sum" and bool(body.get("isMonotonic"))
    added = [UNITS.get(unit, "" if "{" in unit or unit == "1" else unit)]
    if per:
        added += ["per", {"s": "second", "m": "minute", "h": "hour"}.get(per, per)]
    if unit == "1" and kind == "gauge":
        added = ["ratio"]
    for word in [*added, "total" if total else ""]:
        if word and word == "total" and word in words:
            words.remove(word)
        if word and word not in words:
            words.append(word)
    return _name("_".join(words), True)
