"""Other ways in: remote-write 2.0, OTLP in both encodings, pages as targets expose them."""

import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

import bedrock
from bedrock.codec.compress import compress
from bedrock.codec.protobuf import Message, Schema, field
from tests.tsdb.wire import contents, http, memory_store
from tsdb import otlp
from tsdb.remote_write import BadRequest

REQUEST = Message(
    "Request",
    field(4, "symbols", "string", repeated=True),
    field(5, "timeseries", "Series", repeated=True),
)
Schema(
    REQUEST,
    Message(
        "Series",
        field(1, "labels", "uint32", repeated=True, packed=True),
        field(2, "samples", "Sample", repeated=True),
        field(6, "created", "int64"),
    ),
    Message("Sample", field(1, "value", "double"), field(2, "timestamp", "int64")),
)
SYMBOLS = ["", "__name__", "up", "job", "x", "down"]


def message(series, symbols=SYMBOLS):
    return REQUEST.encode(
        {
            "symbols": symbols,
            "timeseries": [
                {
                    "labels": labels,
                    "samples": [{"value": v, "timestamp": t} for t, v in samples],
                    "created": 1,
                }
                for labels, samples in series
            ],
        }
    )


def write(store, *args):
    return store.write_remote(compress("snappy", message(*args)), True)


def test_symbols_may_be_numbered_anew_in_every_request():
    store = memory_store()
    assert write(store, [([1, 2, 3, 4], [(1, 1.0), (2, 2.0)]), ([1, 5], [(1, 3.0)])]) == 3
    other = ["", "x", "job", "up", "__name__"]
    assert write(store, [([4, 3, 2, 1], [(3, 4.0)])], other) == 1
    assert contents(store) == {
        (("__name__", "up"), ("job", "x")): {1: 1.0, 2: 2.0, 3: 4.0},
        (("__name__", "down"),): {1: 3.0},
    }


@pytest.mark.parametrize(
    ("labels", "why"),
    [([1, 99], "symbol 99 of 6"), ([1], "odd number"), ([], "without labels"),
     ([3, 4, 3, 2], "not unique"), ([2, 4, 1, 0], "invalid metric name")],
)  # fmt: skip
def test_references_that_cannot_be_are_refused_with_the_whole_request(labels, why):
    store = memory_store()
    series = [([1, 2], [(1, 1.0)]), (labels, [(1, 1.0)])]
    with pytest.raises(BadRequest, match=why):
        write(store, series)
    assert contents(store) == {}


WHOLE = message([([1, 2, 3, 4], [(1, 1.0), (2, 2.0)]), ([1, 5], [(3, 3.0)])])


@given(st.integers(0, len(WHOLE)), st.lists(
    st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), max_size=4))  # fmt: skip
def test_a_mutilated_message_is_taken_or_refused(cut, changes):
    data = bytearray(WHOLE)
    for at, byte in changes:
        data[at] = byte
    try:
        memory_store().write_remote(compress("snappy", bytes(data[:cut])), True)
    except BadRequest:
        pass


# ---- OTLP ----------------------------------------------------------------------------------


def attributes(**given):
    return [{"key": k.replace("__", "."), "value": {"stringValue": v}} for k, v in given.items()]


TIME = 1_700_000_000_000_000_000
OTLP = {
    "resourceMetrics": [
        {
            "resource": {"attributes": attributes(
                service__name="shop", service__namespace="web", service__instance__id="i1",
                host__name="h")},
            "scopeMetrics": [{"metrics": [
                {"name": "http.requests", "unit": "1", "sum": {
                    "aggregationTemporality": 2, "isMonotonic": True,
                    "dataPoints": [{"timeUnixNano": TIME, "asInt": 7,
                                    "attributes": attributes(method="GET")}]}},
                {"name": "memory.usage", "unit": "By", "gauge": {
                    "dataPoints": [{"timeUnixNano": TIME, "asDouble": 1.5},
                                   {"timeUnixNano": TIME, "flags": 1}]}},
                {"name": "latency", "unit": "s", "histogram": {
                    "aggregationTemporality": 2,
                    "dataPoints": [{"timeUnixNano": TIME, "count": 6, "sum": 2.5,
                                    "bucketCounts": [1, 2, 3], "explicitBounds": [0.1, 1]}]}},
                {"name": "wait", "summary": {
                    "dataPoints": [{"timeUnixNano": TIME, "count": 2, "sum": 3.0,
                                    "quantileValues": [{"quantile": 0.5, "value": 1.0}]}]}},
                {"name": "delta", "sum": {
                    "aggregationTemporality": 1, "dataPoints": [{"timeUnixNano": TIME}]}},
            ]}],
        }
    ]
}  # fmt: skip
COMMON = 'instance="i1", job="web/shop"'
EXPECTED = {
    f'http_requests_total{{{COMMON}, method="GET"}}': 7.0,
    f"memory_usage_bytes{{{COMMON}}}": 1.5,
    f'latency_seconds_bucket{{{COMMON}, le="0.1"}}': 1.0,
    f'latency_seconds_bucket{{{COMMON}, le="1"}}': 3.0,
    f'latency_seconds_bucket{{{COMMON}, le="+Inf"}}': 6.0,
    f"latency_seconds_count{{{COMMON}}}": 6.0,
    f"latency_seconds_sum{{{COMMON}}}": 2.5,
    f'wait{{{COMMON}, quantile="0.5"}}': 1.0,
    f"wait_count{{{COMMON}}}": 2.0,
    f"wait_sum{{{COMMON}}}": 3.0,
    f'target_info{{host_name="h", {COMMON}}}': 1.0,
}


@pytest.mark.parametrize("as_json", [False, True])
def test_otlp_becomes_series_as_in_prometheus(as_json):
    body = json.dumps(OTLP).encode() if as_json else otlp.REQUEST.encode(OTLP)
    data = otlp.read(body, as_json)
    assert {str(labels): v for labels, _, v in data.samples} == EXPECTED
    assert {t for _, t, _ in data.samples} == {TIME // 1_000_000}
    assert (data.rejected, data.why) == (1, "delta: deltas are not kept")


def test_otlp_and_pages_arrive_over_http_and_bad_ones_are_refused():
    with bedrock.run("tsdb") as server:
        store = server.server.store
        packed = gzip.compress(otlp.REQUEST.encode(OTLP))
        status, body = http(f"{server.url}/v1/metrics", packed,
                            Content_Type="application/x-protobuf", Content_Encoding="gzip")
        assert status == 200
        told = otlp.RESPONSE.decode(body)["partialSuccess"]
        assert told["rejectedDataPoints"] == 1
        path = f"{server.url}/api/v1/otlp/v1/metrics"
        answer = http(path, json.dumps(OTLP).encode(), Content_Type="application/json")
        assert json.loads(answer[1])["partialSuccess"]["rejectedDataPoints"] == 1
        for bad in (b"{", b"[]", b'{"resourceMetrics": 7}', b'{"resourceMetrics": [7]}'):
            assert http(path, bad, Content_Type="application/json")[0] == 400
        assert http(path, b"\x0a\xff\xff\xff\xff\x0f")[0] == 400
        assert len(contents(store)) == len(EXPECTED)

        page = b'# TYPE a counter\na{x="1"} 5 1000\nb 2.5\n'
        path = f"{server.url}/api/v1/import/prometheus?extra_label=job=j"
        assert http(path, page)[0] == 204
        assert contents(store)[(("__name__", "a"), ("job", "j"), ("x", "1"))] == {1000: 5.0}
        assert http(path, b"a{x=1} 5")[0] == 400

        path = f"{server.url}/api/v1/write"
        body = compress("snappy", WHOLE)
        form = "application/x-protobuf;proto="
        assert http(path, body, Content_Type=form + "io.prometheus.write.v2.Request")[0] == 204
        assert http(path, body, Content_Type=form + "nobody.knows")[0] == 415
        assert contents(store)[(("__name__", "down"),)] == {3: 3.0}


WORDS = ["resourceMetrics", "scopeMetrics", "metrics", "gauge", "sum", "name", "dataPoints",
         "histogram", "timeUnixNano", "attributes", "key", "value"]  # fmt: skip


def nested(inner):
    return st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=3)


@given(st.recursive(st.none() | st.integers() | st.floats() | st.text(max_size=5), nested))
def test_json_of_any_shape_is_read_or_refused(shape):
    try:
        otlp.read(json.dumps({"resourceMetrics": [shape]}).encode(), True)
    except ValueError:
        pass
