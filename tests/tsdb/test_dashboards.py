"""What Grafana and Telegraf send, byte for byte as they document it, beside the real servers.

Neither is installed where these tests run; their requests are.  Grafana's data sources read what
the real servers answer, so equal answers are what they need.
"""

import gzip
import http.client
import json
import time
from urllib.parse import quote, urlencode

import pytest

import bedrock
from bedrock.testing import peers
from tests.hostile import until
from tests.tsdb.promqlgen import sample_data
from tests.tsdb.wire import ask, remote_write_body

FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept-Encoding": "gzip",
        "User-Agent": "Grafana/9.5.3", "X-Datasource-Uid": "P1809F7CD0C75ACF3"}  # fmt: skip
START = 1_600_000_000
LINES = "\n".join(
    f"cpu,cpu=cpu{n},host=web{h} usage_user={(7 * i + n * 13 + h) % 50}.5,"
    f"usage_idle={(3 * i) % 40} {START + 10 * i}000000000"
    for i in range(60) for n in range(2) for h in range(2)
)  # fmt: skip


def send(server, method, target, body=b"", headers=None):
    """(status, headers, body) of a request that is sent as it stands."""
    connection = http.client.HTTPConnection(server.host, server.port, timeout=30)
    connection.request(method, target, body, headers or {})
    response = connection.getresponse()
    content = response.read()
    if response.headers.get("Content-Encoding") == "gzip":
        content = gzip.decompress(content)
    connection.close()
    return response.status, response.headers, content


# ---- Grafana, Prometheus -------------------------------------------------------------------


@pytest.fixture(scope="module")
def prometheus():
    """(ours, theirs, when the data begins)"""
    try:
        peer = peers.prometheus("global: {}\n", "--web.enable-remote-write-receiver")
    except peers.PeerMissing as exc:
        pytest.skip(str(exc))
    with peer, bedrock.run("tsdb") as ours:
        until(lambda: send(peer, "GET", "/-/ready")[0] == 200)
        start = (int(time.time()) - 4000) // 60 * 60
        body = remote_write_body(sample_data(start * 1000))
        headers = {"Content-Encoding": "snappy", "Content-Type": "application/x-protobuf",
                   "X-Prometheus-Remote-Write-Version": "0.1.0"}  # fmt: skip
        for server in (peer, ours):
            assert send(server, "POST", "/api/v1/write", body, headers)[0] == 204
        yield ours, peer, start


PANELS = [
    # path, parameters (of the form; `?` asks by GET); $s and $e are the dashboard's range
    ("query", {"query": "1+1", "time": "$e"}),  # Save & test
    ("query_range", {"query": "rate(requests_total[5m0s])", "start": "$s", "end": "$e",
                     "step": "15"}),
    ("query_range", {"query": 'sum by(code) (rate(requests_total{host=~"h1|h2"}[1m0s]))',
                     "start": "$s.123", "end": "$e.123", "step": "30"}),
    ("query", {"query": "topk(2, gauge)", "time": "$e"}),  # a table
    ("query_range", {"query": "histogram_quantile(0.9, sum by(le) (rate(latency_bucket[5m])))",
                     "start": "$s", "end": "$e", "step": "60"}),
    ("labels", {"start": "$s", "end": "$e"}),
    ("labels", {"match[]": '{__name__="requests_total"}', "start": "$s", "end": "$e"}),
    ("series", {"match[]": "requests_total", "start": "$s", "end": "$e"}),
    ("?label/__name__/values", {"start": "$s", "end": "$e"}),
    ("?label/host/values", {"match[]": "gauge", "start": "$s", "end": "$e"}),  # label_values()
    ("?metadata", {}), ("?metadata", {"limit": "1"}), ("?rules", {}), ("?alerts", {}),
    ("query_exemplars", {"query": "rate(latency_bucket[1m])", "start": "$s", "end": "$e"}),
    ("query_range", {"query": "sum(rate(requests_total[5m])", "start": "$s", "end": "$e",
                     "step": "15"}),  # a half-typed query
    ("query_range", {"query": "up", "start": "$s", "end": "$e", "step": "0.01"}),
]  # fmt: skip


@pytest.mark.peer
@pytest.mark.parametrize(("path", "params"), PANELS)
def test_a_grafana_panel_gets_what_prometheus_gives(prometheus, path, params):
    ours, theirs, start = prometheus
    given = {
        name: value.replace("$s", str(start + 300)).replace("$e", str(start + 3300))
        for name, value in params.items()
    }
    answers = []
    for server in (ours, theirs):
        if path.startswith("?"):
            target = f"/api/v1/{path[1:]}?{urlencode(given)}"
            status, headers, body = send(server, "GET", target, headers=FORM)
        else:
            body = urlencode(given).encode()
            status, headers, body = send(server, "POST", f"/api/v1/{path}", body, FORM)
        assert headers["Content-Type"] == "application/json"
        answers.append((status, _comparable(json.loads(body))))
    assert answers[0] == answers[1]


def _comparable(answer):
    """An answer with its rows in order and its floats to nine digits."""
    match answer:
        case {"values": list(values), **rest}:
            shown = [[t, f"{float(v):.9g}"] for t, v in values]
            return {**rest, "values": shown}
        case {"value": [t, str(v)], **rest} if "metric" in rest:
            return {**rest, "value": [t, f"{float(v):.9g}"]}
        case dict():
            return {name: _comparable(value) for name, value in answer.items()}
        case [dict(), *_]:
            return sorted(map(_comparable, answer), key=str)
    return answer


@pytest.mark.peer
def test_grafana_learns_what_it_speaks_to(prometheus):
    ours, theirs, _ = prometheus
    told = [
        json.loads(send(server, "GET", "/api/v1/status/buildinfo", headers=FORM)[2])["data"]
        for server in (ours, theirs)
    ]
    assert told[0].keys() == told[1].keys()
    assert told[0]["version"].split(".")[:2] == told[1]["version"].split("+")[0].split(".")[:2]


# ---- Grafana, InfluxDB -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def influxdb():
    try:
        peer = peers.influxdb()
    except peers.PeerMissing as exc:
        pytest.skip(str(exc))
    with peer, bedrock.run("tsdb") as ours:
        for server in (peer, ours):
            assert send(server, "POST", "/write?db=db", LINES.encode())[0] == 204
        yield ours, peer


RANGE = f"time >= {START}000ms and time <= {START + 600}000ms"
INFLUX_PANELS = [
    'SHOW RETENTION POLICIES on "db"', "SHOW MEASUREMENTS LIMIT 1", "SHOW MEASUREMENTS LIMIT 100",
    "SHOW MEASUREMENTS WITH MEASUREMENT =~ /(?i)cp/ LIMIT 100", 'SHOW TAG KEYS FROM "cpu"',
    'SHOW FIELD KEYS FROM "cpu"', 'SHOW TAG VALUES FROM "cpu" WITH KEY = "host"',
    'SHOW TAG VALUES FROM "cpu" WITH KEY = "cpu" WHERE "host" = \'web0\'',
    'SHOW TAG VALUES WITH KEY = "host"', 'SHOW TAG KEYS FROM "cpu" WHERE "host" = \'web1\'',
    f'SELECT mean("usage_user") FROM "cpu" WHERE {RANGE} GROUP BY time(30s) fill(null)',
    f'SELECT mean("usage_user") FROM "cpu" WHERE ("host" = \'web0\') AND {RANGE} '
    'GROUP BY time(1m), "cpu" fill(none)',
    f'SELECT mean("usage_user") FROM "autogen"."cpu" WHERE ("host" =~ /^(web0|web1)$/) AND {RANGE} '
    'GROUP BY time(1m), "host", "cpu" fill(linear) ORDER BY time DESC LIMIT 3',
    f'SELECT mean("usage_user") AS "user", max("usage_idle") *2 FROM "cpu" WHERE {RANGE} '
    'GROUP BY time(2m) fill(previous)',
    f'SELECT non_negative_derivative(mean("usage_idle"), 1s) FROM "cpu" WHERE {RANGE} '
    'GROUP BY time(1m), "host" fill(null)',
    f'SELECT mean("usage_user") FROM "cpu" WHERE {RANGE} GROUP BY time(1m) fill(null);'
    f'SELECT max("usage_user") FROM "cpu" WHERE {RANGE} GROUP BY time(1m) fill(null)',
    f'SELECT "usage_user" FROM "cpu" WHERE ("host" = \'web0\' AND "cpu" = \'cpu1\') AND {RANGE}',
    f"SELECT sum(x) FROM (SELECT mean(usage_user) AS x FROM cpu WHERE {RANGE} GROUP BY time(1m), "
    f"host) WHERE {RANGE} GROUP BY time(1m) fill(null)",
    f'SELECT mean("usage_user") FROM "cpu" WHERE {RANGE} GROUP BY time(1h) fill(null) '
    "tz('Europe/Berlin')",
    f'SELECT mean("nothing") FROM "cpu" WHERE {RANGE} GROUP BY time(30s) fill(null)',
]  # fmt: skip


@pytest.mark.peer
@pytest.mark.parametrize("query", INFLUX_PANELS)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_grafana_panel_gets_what_influxdb_gives(influxdb, query, method):
    answers = []
    for server in influxdb:
        if method == "GET":
            target = f"/query?db=db&q={quote(query)}&epoch=ms"
            status, headers, body = send(server, "GET", target, headers={"Accept": "*/*"})
        else:
            form = urlencode({"q": query}).encode()
            status, headers, body = send(server, "POST", "/query?db=db&epoch=ms", form, FORM)
        assert headers["Content-Type"] == "application/json"
        assert headers["X-Influxdb-Version"]
        answers.append((status, json.loads(body, parse_float=lambda text: f"{float(text):.12g}")))
    # Ours keeps numbers only, and does not remember which of them were whole.
    assert answers[0] == answers[1]


# ---- Telegraf --------------------------------------------------------------------------------


def pieces(data):
    """A body as it comes from a pipe: chunked."""
    yield from (data[i : i + 700] for i in range(0, len(data), 700))


def test_telegraf_writes_by_influxdb_1_and_2_and_remote_write():
    agent = {"User-Agent": "Telegraf/1.27.1 Go/1.20.5"}
    text = agent | {"Content-Type": "text/plain; charset=utf-8", "Content-Encoding": "gzip"}
    packed = gzip.compress(LINES.encode())
    with bedrock.run("tsdb") as server:
        create = urlencode({"q": 'CREATE DATABASE "telegraf"'}).encode()
        status, _, body = send(server, "POST", "/query", create, agent | {
            "Content-Type": "application/x-www-form-urlencoded"})  # fmt: skip
        assert (status, json.loads(body)) == (200, {"results": [{"statement_id": 0}]})
        target = "/write?consistency=any&db=telegraf&rp=autogen"
        assert send(server, "POST", target, pieces(packed), text)[0] == 204
        target = "/api/v2/write?bucket=telegraf2&org=my-org"
        token = text | {"Authorization": "Token secret"}
        assert send(server, "POST", target, pieces(packed), token)[0] == 204
        told = agent | {"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy",
                        "X-Prometheus-Remote-Write-Version": "0.1.0"}  # fmt: skip
        written = remote_write_body({(("__name__", "cpu_usage_user"), ("host", "x")):
                                     [(START * 1000, 1.5)]})  # fmt: skip
        assert send(server, "POST", "/api/v1/write", written, told)[0] == 204
        counts = 'count by (db) (count_over_time(cpu_usage_user[1h]))'
        found = ask(server.url, "query", query=counts, time=str(START + 600))["data"]["result"]
        assert {(r["metric"].get("db", ""), r["value"][1]) for r in found} == {
            ("telegraf", "4"), ("telegraf2", "4"), ("", "1"),
        }  # fmt: skip
        # Points that do not parse: it drops them by the words "partial write" and goes on.
        status, _, body = send(server, "POST", "/write?db=telegraf", b"cpu f=1\ncpu f=x\n", agent)
        assert status == 400
        assert "partial write" in json.loads(body)["error"]
