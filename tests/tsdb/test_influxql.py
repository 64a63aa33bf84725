"""InfluxQL is answered as InfluxDB 1.6 answers it, to HTTP and to its shell."""

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

import bedrock
from bedrock.testing import peers
from tests.tsdb.wire import http
from tsdb.influxql.ast import Literal, Name, Operation, Select
from tsdb.influxql.parser import parse

START = 1_600_000_000  # s

LINES = "\n".join(
    [
        f"cpu,host={host},region={region} usage={(7 * i + n * 13) % 50 + 0.5},idle={(3 * i) % 40} "
        f"{START + 10 * i}"
        for n, (host, region) in enumerate((("a", "eu"), ("b", "eu"), ("c", "us")))
        for i in range(60)
        if (i + n) % 11
    ]
    + [f"mem,host=a free={100 - i},used={i} {START + 60 * i}" for i in range(10)]
    + [f"disk\\ io,host=b reads={i * i} {START + 30 * i + i % 3}" for i in range(15)]
    + [f"gap,host=a v={i} {START + 100 * i * i}" for i in range(6)]
)

SCRIPTS = Path(__file__).parent / "scripts"
QUERIES = (SCRIPTS / "influxql.txt").read_text().splitlines()
BAD = (SCRIPTS / "influxql_bad.txt").read_text().splitlines()


@pytest.fixture(scope="module")
def ours():
    with bedrock.run("tsdb") as server:
        assert http(f"{server.url}/write?db=db&precision=s", LINES.encode())[0] == 204
        yield server


@pytest.fixture(scope="module")
def theirs():
    try:
        peer = peers.influxdb()
    except peers.PeerMissing as exc:
        pytest.skip(str(exc))
    with peer:
        assert http(f"{peer.url}/write?db=db&precision=s", LINES.encode())[0] == 204
        yield peer


def ask(url, q, **params):
    status, body = http(f"{url}/query?" + urlencode({"q": q, "db": "db"} | params), b"")
    return status, [json.loads(line) for line in body.splitlines()]


def rounded(answer):
    """The answer with floats that agree to 12 digits made equal."""
    match answer:
        case float():
            return float(f"{answer:.12g}")
        case dict():
            return {name: rounded(value) for name, value in answer.items()}
        case list() | tuple():
            return [rounded(value) for value in answer]
    return answer


@pytest.mark.peer
@pytest.mark.parametrize("query", QUERIES)
def test_queries_are_answered_as_influxdb_does(ours, theirs, query):
    got, want = ask(ours.url, query, epoch="ms"), ask(theirs.url, query, epoch="ms")
    assert rounded(got) == rounded(want)


@pytest.mark.peer
@pytest.mark.parametrize("query", BAD)
def test_what_is_no_statement_is_refused_as_influxdb_does(ours, theirs, query):
    got, want = ask(ours.url, query), ask(theirs.url, query)
    assert got[0] == want[0] == 400
    assert got[1][0]["error"].startswith("error parsing query")


@pytest.mark.peer
@pytest.mark.parametrize("params", [{}, {"epoch": "ns"}, {"epoch": "s"}, {"epoch": "h"},
                                    {"chunked": "true"}, {"chunked": "true", "chunk_size": "4"}])
def test_times_and_chunks_are_given_as_influxdb_does(ours, theirs, params):
    for query in ("SELECT free FROM mem", "SHOW DATABASES; SELECT mean(usage) FROM cpu"):
        assert ask(ours.url, query, **params) == ask(theirs.url, query, **params)


BOUND = [
    ("SELECT usage FROM cpu WHERE host = $h", {"h": "a"}),
    ('SELECT usage FROM cpu WHERE host = $"the host"', {"the host": "it's \\ a"}),
    ("SELECT usage FROM cpu WHERE usage > $x AND usage <-$y", {"x": 40, "y": -41.5}),
    ("SELECT usage FROM cpu WHERE host =~ $h", {"h": {"regex": "^a$|/"}}),
    ("SELECT $f FROM $m LIMIT $n", {"f": {"identifier": "usage"}, "m": {"identifier": "cpu"},
                                    "n": 2}),
    ("SELECT mean(usage) FROM cpu WHERE time >= $t AND time < 1600000600s GROUP BY time($d)",
     {"t": "2020-09-13T12:26:40Z", "d": {"duration": "5m"}}),
    ("SELECT usage FROM cpu WHERE host = $h", {}),
    ("SELECT usage FROM cpu WHERE host = $h", {"h": [1]}),
    ("SELECT usage FROM cpu WHERE host = $h", {"h": {"x": "y"}}),
    ("SELECT usage FROM cpu WHERE host = $", {"h": "a"}),
]  # fmt: skip


@pytest.mark.peer
@pytest.mark.parametrize(("query", "values"), BOUND)
def test_values_beside_a_query_are_put_in_as_influxdb_does(ours, theirs, query, values):
    params = {"params": json.dumps(values), "epoch": "ms"}
    assert rounded(ask(ours.url, query, **params)) == rounded(ask(theirs.url, query, **params))


@pytest.mark.parametrize("params", ["x", "[1]", '{"h": NaN}', '{"h": {"regex": "a\\\\"}}',
                                    '{"h": {"duration": "5m) or (1=1"}}', "1" * 5000, "[" * 5000])
def test_values_that_are_none_are_refused(ours, params):
    status, answer = ask(ours.url, "SELECT usage FROM cpu WHERE host = $h", params=params)
    assert status == 400 and answer[0]["error"].startswith("error parsing query")


@given(st.text())
def test_a_value_never_ends_before_its_end(text):
    (bound,) = parse("SELECT v FROM m WHERE h = $h", {"h": text})
    (plain,) = parse("SELECT v FROM m WHERE h = 'x'")
    assert isinstance(plain, Select)
    assert bound == replace(plain, where=Operation("=", Name("h"), Literal(text)))
    (bound,) = parse("SELECT $f FROM m", {"f": {"identifier": text}})
    (plain,) = parse("SELECT v FROM m")
    assert isinstance(plain, Select) and bound == replace(plain, columns=[(Name(text), "")])


@pytest.mark.peer
def test_the_influx_shell(ours, theirs):
    if shutil.which("influx") is None:
        pytest.skip("influx is not installed")
    for query in (
        "SHOW DATABASES", "SHOW MEASUREMENTS", "SELECT mean(usage) FROM cpu GROUP BY host",
        f"SELECT mean(usage) FROM cpu WHERE time < {START + 300}s GROUP BY time(1m)",
        "SELECT * FROM mem", "SELECT nothing",
    ):  # fmt: skip
        answers = [
            subprocess.run(
                ["influx", "-host", side.host, "-port", str(port), "-database", "db",
                 "-format", form, "-execute", query],
                capture_output=True, text=True, timeout=30,
            )
            for form in ("column", "json", "csv")
            for side, port in ((ours, ours.ports["port"]), (theirs, theirs.port))
        ]  # fmt: skip
        for got, want in zip(answers[::2], answers[1::2], strict=True):
            assert got.stdout == want.stdout or "ERR" in want.stdout + want.stderr
            assert got.returncode == want.returncode


def column(url, query):
    """The values of the first series of an answer, without their times."""
    (series,) = ask(url, query, epoch="ms")[1][0]["results"][0]["series"]
    return [row[1] for row in series["values"]], [row[0] for row in series["values"]]


@pytest.mark.peer
@pytest.mark.parametrize("season", [0, 1, 2, 4, 7])
@pytest.mark.parametrize("field", ["usage", "idle"])
@pytest.mark.parametrize("host", ["a", "c"])
def test_a_forecast_fits_as_well_as_influxdbs(ours, theirs, season, field, host):
    """Both search for the best curve, and do not end at quite the same."""
    where = (
        f"FROM cpu WHERE host = '{host}' AND time >= {START}s AND time < {START + 600}s "
        "GROUP BY time(20s)"
    )
    measured, _ = column(theirs.url, f"SELECT mean({field}) {where} fill(none)")
    query = f"SELECT holt_winters_with_fit(mean({field}), 5, {season}) {where}"
    errors, times = [], []
    for side in (ours, theirs):
        made, at = column(side.url, query)
        pairs = zip(made, measured, strict=False)
        errors.append(sum((a - b) ** 2 for a, b in pairs))
        times.append(at)
    assert times[0] == times[1]
    assert errors[0] <= errors[1] * 1.05
    made, at = column(ours.url, query)
    assert column(ours.url, query.replace("_with_fit", "")) == (made[-5:], at[-5:])


def test_a_sample_is_a_part_of_the_points_in_their_order(ours):
    every = column(ours.url, "SELECT usage FROM cpu WHERE host = 'a'")
    points = list(zip(*every, strict=True))
    taken = set()
    for _ in range(20):
        sample = column(ours.url, "SELECT sample(usage, 5) FROM cpu WHERE host = 'a'")
        chosen = list(zip(*sample, strict=True))
        assert len(chosen) == 5
        assert [point for point in points if point in chosen] == chosen
        taken |= set(chosen)
    assert len(taken) > 20  # 5 of 55, 20 times: each is likely to be there once


def test_the_catalog_outlives_the_server(tmp_path):
    with bedrock.run("tsdb", data_dir=str(tmp_path)) as server:
        assert http(f"{server.url}/write?db=db&precision=s", LINES.encode())[0] == 204
    with bedrock.run("tsdb", data_dir=str(tmp_path)) as server:
        _, (answer,) = ask(server.url, "SHOW FIELD KEYS FROM mem")
        assert answer["results"][0]["series"][0]["values"] == [["free", "float"], ["used", "float"]]


def test_what_prometheus_wrote_is_a_measurement_too():
    with bedrock.run("tsdb") as server:
        http(f"{server.url}/write?precision=s", f"up,job=x v=1 {START}".encode())
        _, (answer,) = ask(server.url, "SELECT value FROM up_v", db="prometheus", epoch="s")
        assert answer["results"][0].get("series") is None
        assert ask(server.url, "SELECT v FROM up", db="nowhere")[1][0]["results"][0]["error"]


@pytest.mark.peer
def test_what_is_dropped_and_deleted_is_gone_as_from_influxdb(ours, theirs):
    lines = "\n".join(
        f"gone{n},host=h{i % 3} v={i} {START + i}" for n in range(4) for i in range(30)
    )
    for url in (ours.url, theirs.url):
        assert ask(url, "CREATE DATABASE other")[0] == 200
        assert http(f"{url}/write?db=other&precision=s", lines.encode())[0] == 204
    steps = [
        f"DELETE FROM gone0 WHERE time < {START + 20}s", "SELECT count(v) FROM gone0",
        "DROP SERIES FROM gone1 WHERE host = 'h1'", "SELECT count(v) FROM gone1 GROUP BY host",
        "DELETE FROM /gone[12]/ WHERE host =~ /0/", "SELECT count(v) FROM gone2 GROUP BY host",
        "DROP MEASUREMENT gone3", "SHOW MEASUREMENTS", "SELECT count(v) FROM gone3",
        "DELETE", "DROP MEASUREMENT nowhere", "DROP DATABASE other", "SHOW DATABASES",
        "SELECT v FROM gone0", "DROP DATABASE nowhere",
    ]  # fmt: skip
    for query in steps:
        got, want = ask(ours.url, query, db="other"), ask(theirs.url, query, db="other")
        assert got[0] == want[0], query
        assert got == want or "error" in str(want), query


@pytest.mark.peer
def test_what_is_selected_into_a_measurement_is_there_as_in_influxdb(ours, theirs):
    lines = "\n".join(
        f"cpu,host=h{i % 3},dc=c\\=d\\ e v={i}.25,w={i} {START + i}" for i in range(30)
    )
    for url in (ours.url, theirs.url):
        for database in ("from", "to"):
            assert ask(url, f'CREATE DATABASE "{database}"')[0] == 200
        assert http(f"{url}/write?db=from&precision=s", lines.encode())[0] == 204
    steps = [
        "SELECT v INTO copied FROM cpu GROUP BY *", "SELECT v FROM copied GROUP BY *",
        "SELECT mean(v) AS avg, max(w) INTO \"to\".autogen.:MEASUREMENT FROM cpu GROUP BY host",
        "SELECT avg, max FROM \"to\"..cpu GROUP BY *",
        "SELECT * FROM \"to\"..cpu WHERE host = 'h1'",
        f"SELECT sum(w) INTO sums FROM cpu WHERE time >= {START}s AND time < {START + 30}s "
        "GROUP BY time(10s), host fill(none)", "SELECT sum FROM sums GROUP BY host",
        "SELECT v INTO nowhere..y FROM cpu", "SELECT nothing INTO y FROM cpu", "SELECT v FROM y",
    ]  # fmt: skip
    for query in steps:
        got, want = ask(ours.url, query, db="from"), ask(theirs.url, query, db="from")
        assert got == want, query
