"""A real Prometheus beside ours: reads from it, federates it, and is answered as by its own."""

import json
import struct
import time
from urllib.parse import urlencode

import pytest

import bedrock
from bedrock.codec.compress import compress, decompress
from bedrock.codec.crc32c import crc32c
from bedrock.codec.varint import decode_uvarint
from bedrock.testing import peers
from tests.hostile import until
from tests.tsdb.promqlgen import sample_data
from tests.tsdb.wire import ask, http, remote_write_body
from tsdb.remote_read import CHUNKED_RESPONSE, READ_REQUEST, READ_RESPONSE, STREAMED

HEADERS = {
    "Content_Encoding": "snappy",
    "Content_Type": "application/x-protobuf",
    "X_Prometheus_Remote_Write_Version": "0.1.0",
}


def prometheus(config, *options):
    try:
        return peers.prometheus(config, *options)
    except peers.PeerMissing as exc:
        pytest.skip(str(exc))


@pytest.fixture(scope="module")
def filled():
    """(ours, start of its data in s)."""
    with bedrock.run("tsdb") as server:
        start_s = (int(time.time()) - 3600) // 60 * 60
        body = remote_write_body(sample_data(start_s * 1000))
        assert http(f"{server.url}/api/v1/write", body, **HEADERS)[0] == 204
        yield server, start_s


@pytest.mark.peer
def test_a_real_prometheus_reads_remotely_from_it(filled):
    server, start_s = filled
    config = f"remote_read: [{{url: '{server.url}/api/v1/read', read_recent: true}}]\n"
    with prometheus(config) as peer:
        until(lambda: http(f"{peer.url}/-/ready")[0] == 200)
        for query in (
            "sum by (host) (rate(requests_total[5m]))", "gauge{code=~'4..|500'}", "odd", "ended",
            "histogram_quantile(0.9, sum by (le) (rate(latency_bucket[10m])))", "count(level)",
        ):  # fmt: skip
            params = {"query": query, "start": start_s, "end": start_s + 3600, "step": 37}
            got, want = ask(server.url, "query_range", **params), ask(
                peer.url, "query_range", **params
            )
            assert got["data"]["result"], query
            assert got == want


def read_request(start_ms, end_ms, accepted):
    matchers = [{"type": 2, "name": "__name__", "value": "gauge|ended"}]
    query = {"start": start_ms, "end": end_ms, "matchers": matchers}
    return compress("snappy", READ_REQUEST.encode({"queries": [query], "accepted": accepted}))


def samples_of(data):
    """[(time, value as text), ...] of a XOR chunk, decoded as Prometheus' description has it."""
    bits = "".join(f"{byte:08b}" for byte in data)
    at = 16

    def take(width):
        nonlocal at
        at += width
        return int(bits[at - width : at] or "0", 2)

    def varint():
        value = shift = 0
        while True:
            byte = take(8)
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    found, delta, leading, trailing = [], 0, 0, 0
    for i in range(int(bits[:16], 2)):
        if i == 0:
            raw = varint()
            t, value = raw >> 1 ^ -(raw & 1), take(64)
        else:
            if i == 1:
                delta = varint()
            else:
                width = (14, 17, 20, 64)
                ones = 0
                while ones < 4 and take(1):
                    ones += 1
                change = take(width[ones - 1]) if ones else 0
                if ones and change > 1 << width[ones - 1] - 1:
                    change -= 1 << width[ones - 1]
                delta += change
            t += delta
            if take(1):
                if take(1):
                    leading, width = take(5), take(6) or 64
                    trailing = 64 - leading - width
                value ^= take(64 - leading - trailing) << trailing
        found.append((t, repr(struct.unpack(">d", value.to_bytes(8, "big"))[0])))
    return found


def test_remote_read_answers_with_samples_or_streams_chunks(filled):
    server, start_s = filled
    span = start_s * 1000, start_s * 1000 + 3_600_000
    url = f"{server.url}/api/v1/read"
    status, body = http(url, read_request(*span, []))
    assert status == 200
    results = READ_RESPONSE.decode(decompress("snappy", body, 1 << 24))["results"]
    read = {
        tuple((label["name"], label["value"]) for label in series["labels"]): [
            (sample["timestamp"], repr(sample["value"])) for sample in series["samples"]
        ]
        for series in results[0]["timeseries"]
    }
    assert len(read) == 10
    status, body = http(url, read_request(*span, [1, 0]))
    assert status == 200
    streamed, at = {}, 0
    while at < len(body):
        size, used = decode_uvarint(body, at)
        at = used + 4
        message = body[at : at + size]
        assert struct.unpack(">I", body[at - 4 : at])[0] == crc32c(message)
        for series in CHUNKED_RESPONSE.decode(message)["series"]:
            key = tuple((label["name"], label["value"]) for label in series["labels"])
            for chunk in series["chunks"]:
                streamed[key] = streamed.get(key, []) + samples_of(chunk["data"])
        at += size
    assert streamed == read
    assert STREAMED.startswith("application/x-streamed-protobuf")
    assert http(url, read_request(*span, [7]))[0] == 400
    assert http(url, b"nonsense")[0] == 400


@pytest.mark.peer
def test_a_real_prometheus_federates_it(filled):
    server, _ = filled
    now = int(time.time())
    for host, value in (("a", 1), ("b", 2.5)):
        http(f"{server.url}/write?precision=s", f"fed,host={host} v={value} {now}".encode())
    config = f"""
global: {{scrape_interval: 1s}}
scrape_configs:
  - job_name: federate
    honor_labels: true
    metrics_path: /federate
    params: {{"match[]": ["fed_v"]}}
    static_configs: [{{targets: ["{server.host}:{server.port}"]}}]
"""
    with prometheus(config) as peer:
        until(lambda: http(f"{peer.url}/-/ready")[0] == 200)
        query = {"query": "fed_v"}
        found = until(lambda: ask(peer.url, "query", **query)["data"]["result"])
    assert {row["metric"]["host"]: row["value"][1] for row in found} == {"a": "1", "b": "2.5"}


@pytest.mark.peer
def test_federation_is_worded_as_theirs():
    now_ms = int(time.time() * 1000)
    body = remote_write_body({
        (("__name__", "b"), ("x", 'quo"te')): [(now_ms - 1000, 1.5)],
        (("__name__", "b"), ("instance", "i"), ("x", "")): [(now_ms - 1000, float("inf"))],
        (("__name__", "a"), ("x", "back\\slash\n")): [(now_ms - 2000, -0.0)],
    })  # fmt: skip
    path = "/federate?" + urlencode({"match[]": '{__name__=~"a|b"}'})
    with bedrock.run("tsdb") as ours, prometheus(
        "global: {}\n", "--web.enable-remote-write-receiver"
    ) as peer:
        until(lambda: http(f"{peer.url}/-/ready")[0] == 200)
        for url in (ours.url, peer.url):
            assert http(f"{url}/api/v1/write", body, **HEADERS)[0] == 204
        got, want = http(ours.url + path), http(peer.url + path)
    assert got == want


def test_a_query_that_is_too_large_or_too_slow_is_refused_in_prometheus_words():
    body = remote_write_body(sample_data(0))
    for limits, kind, status in (
        ({"query_samples_max": 100}, "execution", 422),
        ({"query_memory_max": 1000}, "execution", 422),
        ({"query_timeout_s": 1e-9}, "timeout", 503),
    ):
        with bedrock.run("tsdb", **limits) as server:
            assert http(f"{server.url}/api/v1/write", body, **HEADERS)[0] == 204
            params = {"query": "sum(rate(gauge[5m]))", "start": 0, "end": 3600, "step": 10}
            answer = http(f"{server.url}/api/v1/query_range?{urlencode(params)}")
            assert answer[0] == status
            assert json.loads(answer[1])["errorType"] == kind
