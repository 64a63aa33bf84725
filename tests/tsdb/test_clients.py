"""Real clients do their everyday job: promtool, influxdb-client, curl, a real Prometheus."""

import gzip
import json
import math
import os
import shutil
import signal
import subprocess
import time

import numpy as np
import pytest

import bedrock
from bedrock.testing import peers
from tests.hostile import until
from tests.tsdb.wire import ask, http, remote_write_body

MINUTE = 60_000


@pytest.fixture
def server():
    with bedrock.run("tsdb") as running:
        yield running


def need(program):
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


# ---- writers -------------------------------------------------------------------------------


def test_influxdb_client_writes_pings_and_asks_for_health(server):
    influxdb_client = pytest.importorskip("influxdb_client")
    from influxdb_client.client.write_api import SYNCHRONOUS

    url = f"http://{server.host}:{server.ports['influx_port']}"
    with influxdb_client.InfluxDBClient(url=url, token="t", org="o") as client:
        assert client.ping()
        assert client.health().status == "pass"
        point = influxdb_client.Point("cpu").tag("host", "a").field("usage", 42.5)
        with client.write_api(write_options=SYNCHRONOUS) as writer:
            writer.write(bucket="metrics", record=[point, "cpu,host=b usage=7i"])
            with pytest.raises(influxdb_client.rest.ApiException) as caught:
                writer.write(bucket="metrics", record="cpu,host=b usage=")
    assert caught.value.status == 400
    assert json.loads(caught.value.body)["code"] == "invalid"
    found = ask(server.url, "query", query='sum by (db) ({__name__="cpu_usage"})')
    assert found["data"]["result"][0]["metric"] == {"db": "metrics"}
    assert found["data"]["result"][0]["value"][1] == "49.5"


def test_version_1_writes_also_compressed_and_in_part(server):
    write = f"{server.url}/write?db=d&precision=s"
    now = int(time.time())
    assert http(write, f"m f=1 {now}".encode()) == (204, b"")
    body = gzip.compress(f"m,t=z f=2 {now}".encode())
    assert http(write, body, Content_Encoding="gzip")[0] == 204
    status, answer = http(write, f"m,t=y f=3 {now}\nm f=x\n".encode())
    assert status == 400
    assert "partial write" in json.loads(answer)["error"]
    assert ask(server.url, "query", query="count(m_f)")["data"]["result"][0]["value"][1] == "3"
    assert http(f"{server.url}/write?precision=x", b"m f=1")[0] == 400
    assert http(write, b"nonsense", Content_Encoding="gzip")[0] == 400
    assert http(f"{server.url}/query?q=CREATE%20DATABASE%20x", b"")[0] == 200
    assert http(f"{server.url}/query?q=SELECT%201")[0] == 400
    assert http(f"{server.url}/api/v2/query", b"{}")[0] == 501


# ---- promtool ------------------------------------------------------------------------------


@pytest.mark.peer
def test_promtool_queries(server):
    need("promtool")
    now = int(time.time()) - 30
    for host, value in (("a", 1), ("b", 2)):
        http(f"{server.url}/write?precision=s", f"up,host={host} v={value} {now}".encode())
    out = run("promtool", "query", "instant", server.url, "sum(up_v)")
    assert out.startswith("{} => 3 @[")
    out = run(
        "promtool", "query", "range", f"--start={now}", f"--end={now + 20}", "--step=10s",
        server.url, "up_v",
    )  # fmt: skip
    assert out.count("@[") == 6
    assert run("promtool", "query", "labels", server.url, "host") == "a\nb\n"
    out = run("promtool", "query", "series", "--match=up_v", server.url)
    assert out == '{__name__="up_v", host="a"}\n{__name__="up_v", host="b"}\n'
    bad = subprocess.run(
        ["promtool", "query", "instant", server.url, "sum("], capture_output=True, text=True
    )
    assert bad.returncode != 0
    assert "parse error: unclosed left parenthesis" in bad.stderr


# ---- a real Prometheus -----------------------------------------------------------------------


@pytest.mark.peer
def test_a_real_prometheus_writes_remotely_into_it(server):
    config = f"""
global: {{scrape_interval: 1s}}
scrape_configs:
  - job_name: self
    static_configs: [{{targets: ["127.0.0.1:PORT"]}}]
remote_write:
  - url: {server.url}/api/v1/write
"""
    port = peers.free_port()
    try:
        peer = peers.prometheus(config.replace("PORT", str(port)))
    except peers.PeerMissing as exc:
        pytest.skip(str(exc))
    with peer:
        # The port is known only now: let it scrape itself.
        path = peer.directory / "prometheus.yml"
        path.write_text(config.replace("PORT", str(peer.port)))
        os.kill(peer.pid, signal.SIGHUP)

        def arrived():
            data = ask(server.url, "query", query='up{job="self"}')["data"]
            return data["result"] and data["result"][0]["value"][1] == "1"

        until(arrived)
        until(lambda: ask(server.url, "query", query="prometheus_build_info")["data"]["result"])
        ours = ask(server.url, "query", query="count({job='self'}) > 100")["data"]["result"]
        assert ours


QUERIES = [
    "requests_total", "requests_total{host='h1'}", "requests_total{host=~'h[12]',code!='500'}",
    "rate(requests_total[5m])", "increase(requests_total[10m])", "irate(requests_total[5m])",
    "delta(gauge[10m])", "deriv(gauge[10m])", "predict_linear(gauge[10m], 3600)",
    "sum(rate(requests_total[5m]))", "sum by (code) (rate(requests_total[5m]))",
    "avg without (host) (gauge)", "min(gauge) by (host)", "max(gauge)", "count(requests_total)",
    "stddev(gauge)", "stdvar by (host) (gauge)", "topk(2, gauge)", "bottomk(1, gauge) by (code)",
    "quantile(0.9, gauge)", "count_values('v', floor(gauge / 50))", "group by (host) (gauge)",
    "avg_over_time(gauge[5m])", "min_over_time(gauge[5m])", "max_over_time(gauge[5m])",
    "sum_over_time(gauge[5m])", "count_over_time(gauge[5m])", "stddev_over_time(gauge[5m])",
    "quantile_over_time(0.3, gauge[5m])", "last_over_time(gauge[5m])", "changes(gauge[5m])",
    "resets(requests_total[1h])", "present_over_time(gauge[5m])", "absent(nothing{a='b'})",
    "absent_over_time(gauge[5m])", "holt_winters(gauge[10m], 0.5, 0.5)", "idelta(gauge[5m])",
    "gauge offset 5m", "gauge @ end()", "rate(requests_total[5m] offset 10m)",
    "requests_total / on(host, code) gauge", "requests_total > 1000", "gauge > bool 100",
    "sum by (host) (gauge) / ignoring(code) group_right gauge", "gauge and requests_total",
    "gauge or on(host) requests_total", "gauge unless on(code) requests_total{code='500'}",
    "gauge + 1", "2 * gauge % 7", "gauge ^ 2", "-gauge", "1 - gauge", "abs(gauge - 100)",
    "max_over_time(rate(requests_total[5m])[30m:1m])", "sum_over_time(gauge[10m:30s])",
    "histogram_quantile(0.9, latency_bucket)", "round(gauge, 0.5)", "clamp(gauge, 20, 80)",
    "label_replace(gauge, 'x', '$1-x', 'host', 'h(.)')",
    "label_join(gauge, 'y', '/', 'host', 'code')",
    "timestamp(gauge)", "time()", "vector(1)", "scalar(sum(gauge))", "1 + 2 * 3",
    "sort_desc(gauge)",
    "hour(gauge)", "day_of_week()", "sgn(gauge - 100)", "ln(gauge)", "sqrt(gauge)",
    "exp(gauge / 100)",
    "gauge atan2 requests_total", "ceil(gauge)", "month(vector(1.7e9))", "pi()", "'text'",
    "gauge[2m]", "nothing", "rate(sparse[5m])", "sparse",
]  # fmt: skip

BAD_QUERIES = [
    "sum(", "rate(gauge)", "gauge[5m", "{}", "gauge + on(host) requests_total", "nope(gauge)",
    "1 > 2", "gauge and 1", "sum by (host) (a, b)", "gauge{host=}", "gauge{host=~'('}", "foo bar",
    "label_replace(gauge, '1bad', '', '', '')", "gauge offset", "abs()", "topk(gauge)", "",
    "sum(gauge) by", "gauge @ foo", "5m", "gauge[0s]", "(gauge", "gauge)", "quantile('a', gauge)",
    "-{__name__=~'gauge|requests_total'}", "gauge[5m] + 1", "gauge == bool", "1 + bool 2",
    "sum(gauge) by (", "gauge{,}", "sum by host (gauge)", "rate(gauge[5m]", "+", "topk(1)", "'abc",
    "gauge offset x", "gauge @", "gauge[5m:", '"\\q"', 'gauge{a="b" c="d"}', 'gauge{1="b"}',
    'gauge{a>"b"}', "gauge and bool gauge", "gauge + on(host) group_left(host) gauge", "sum(1)",
    "gauge * ignoring(host) gauge", "1 offset 5m", "gauge offset 5m offset 5m", "gauge @ 1 @ 2",
    "(gauge)[5m]", "gauge[5m][5m]", "gauge offset 5m[5m]", "clamp(gauge,1)", "round(gauge,1,2)",
    "foo{__name__='bar'}", "$", "gauge{a!b}", "gauge!=", "gauge=='a'", "1e", "0x", "1m1h",
]  # fmt: skip


def sample_data(start_ms):
    """Counters with resets, gauges with jitter and gaps, a histogram, a sparse series."""
    rng = np.random.default_rng(7)
    series = {}
    steps = start_ms + np.arange(240) * 15_000
    for host in ("h1", "h2", "h3"):
        for code in ("200", "500"):
            labels = (("host", host), ("code", code))
            counter = rng.integers(0, 20, 240).cumsum().astype(float)
            counter[150:] -= counter[150]
            series[(("__name__", "requests_total"), *labels)] = list(
                zip(steps.tolist(), counter.tolist(), strict=True)
            )
            keep = rng.random(240) > 0.1
            times = (steps + rng.integers(-500, 500, 240))[keep]
            values = rng.normal(100, 40, 240)[keep].round(3)
            series[(("__name__", "gauge"), *labels)] = list(
                zip(times.tolist(), values.tolist(), strict=True)
            )
    for le in ("0.1", "0.5", "1", "+Inf"):
        slope = {"0.1": 1, "0.5": 4, "1": 7, "+Inf": 8}[le]
        series[(("__name__", "latency_bucket"), ("le", le))] = [
            (int(t), float(i * slope)) for i, t in enumerate(steps)
        ]
    series[(("__name__", "sparse"),)] = [(int(t), 1.0) for t in steps[::30]]
    return series


def comparable(answer):
    """An answer with its floats rounded and its rows in order."""
    if answer["status"] != "success":
        return answer["errorType"], ""
    data = answer["data"]

    def sample(pair):
        value = float(pair[1])
        if math.isfinite(value):
            value = float(f"{value:.9e}") or 0.0
        return [pair[0], repr(value)]

    rows = data["result"]
    if data["resultType"] in ("vector", "matrix"):
        rows = [
            (
                sorted(row["metric"].items()),
                [sample(p) for p in row.get("values", [row.get("value")])],
            )
            for row in rows
        ]
        return data["resultType"], sorted(rows)
    return data["resultType"], rows if data["resultType"] == "string" else sample(rows)


@pytest.fixture(scope="module")
def pair():
    """Our server and a real Prometheus, holding the same."""
    try:
        peer = peers.prometheus("global: {}\n", "--web.enable-remote-write-receiver")
    except peers.PeerMissing as exc:
        pytest.skip(str(exc))
    with peer, bedrock.run("tsdb") as ours:
        until(lambda: http(f"{peer.url}/-/ready")[0] == 200)
        start_ms = (int(time.time()) - 3600) * 1000
        body = remote_write_body(sample_data(start_ms))
        headers = {
            "Content_Encoding": "snappy",
            "Content_Type": "application/x-protobuf",
            "X_Prometheus_Remote_Write_Version": "0.1.0",
        }
        for url in (peer.url, ours.url):
            status, answer = http(f"{url}/api/v1/write", body, **headers)
            assert status == 204, answer
        yield ours.url, peer.url, start_ms / 1000


@pytest.mark.peer
@pytest.mark.parametrize("query", QUERIES)
def test_queries_answer_as_a_real_prometheus_does(pair, query):
    ours, theirs, start = pair
    params = {"query": query, "time": str(start + 3000)}
    assert comparable(ask(ours, "query", **params)) == comparable(ask(theirs, "query", **params))
    params = {"query": query, "start": str(start + 600), "end": str(start + 3600.5), "step": "97"}
    assert comparable(ask(ours, "query_range", **params)) == comparable(
        ask(theirs, "query_range", **params)
    )


@pytest.mark.peer
@pytest.mark.parametrize("query", BAD_QUERIES)
def test_errors_have_the_kind_and_the_words_of_a_real_prometheus(pair, query):
    ours, theirs, start = pair
    params = {"query": query, "time": str(start + 3000)}
    got, want = ask(ours, "query", **params), ask(theirs, "query", **params)
    assert got["status"] == want["status"] == "error"
    assert got["errorType"] == want["errorType"]
    # Why a regular expression is bad is told by the library that reads it.
    assert got["error"].split("regexp:")[0] == want["error"].split("regexp:")[0]


@pytest.mark.peer
@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("labels", {}),
        ("labels", {"match[]": "gauge"}),
        ("label/host/values", {}),
        ("label/__name__/values", {"match[]": "{host='h1'}"}),
        ("label/nope/values", {}),
        ("label/bad-name/values", {}),
        ("series", {"match[]": "latency_bucket"}),
        ("series", {"match[]": "{host=~'h.'}"}),
        ("series", {}),
        ("series", {"match[]": "{"}),
        ("query_range", {"query": "up", "start": "1", "end": "0", "step": "1"}),
        ("query_range", {"query": "up", "start": "0", "end": "1", "step": "0"}),
        ("query_range", {"query": "up", "start": "0", "end": "1e6", "step": "1"}),
        ("query_range", {"query": "up", "start": "x", "end": "1", "step": "1"}),
        ("query_range", {"query": "up[5m]", "start": "0", "end": "1", "step": "1"}),
        ("query", {"query": "up", "time": "x"}),
    ],
)
def test_metadata_and_bad_parameters_answer_as_a_real_prometheus_does(pair, path, params):
    ours, theirs, _ = pair
    got, want = ask(ours, path, **params), ask(theirs, path, **params)
    if isinstance(got.get("data"), list) and got["data"] and isinstance(got["data"][0], dict):
        got["data"].sort(key=str)
        want["data"].sort(key=str)
    if path == "series" and got["status"] == "error":
        got.pop("error"), want.pop("error")
    assert got == want


# ---- durability ------------------------------------------------------------------------------


def test_kill_9_loses_nothing_acknowledged(tmp_path):
    """Write from several points in time, kill in between, and read all of it back."""
    with bedrock.run("tsdb", process=True, data_dir=str(tmp_path)) as server:
        written = 0
        for _ in range(3):
            for _ in range(50):
                body = "\n".join(f"m,i={i % 7} f={written + i} {written + i}" for i in range(100))
                assert http(f"{server.url}/write?precision=s", body.encode())[0] == 204
                written += 100
            server.restart()
            found = ask(
                server.url, "query", query=f"sum(count_over_time(m_f[{written + 10}s]))",
                time=str(written),
            )  # fmt: skip
            assert found["data"]["result"][0]["value"][1] == str(written)
