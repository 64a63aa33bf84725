"""Queries, pages and templates of any text are answered or refused, never a fault of the server."""

import gzip
import json
import random
from http.client import HTTPConnection
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bedrock
from bedrock.codec.compress import compress
from tests.tsdb.promqlgen import Generator, sample_data
from tests.tsdb.test_influxql import LINES, QUERIES
from tests.tsdb.wire import http, remote_write_body
from tsdb.influxql.ast import SyntaxTrouble
from tsdb.influxql.parser import parse as parse_influxql
from tsdb.monitor.exposition import BadExposition, parse_page
from tsdb.monitor.template import Template
from tsdb.promql.errors import ParseError
from tsdb.promql.parser import parse
from tsdb.remote_read import READ_REQUEST

FORM = {"Content_Type": "application/x-www-form-urlencoded"}


@pytest.fixture(scope="module")
def server():
    with bedrock.run("tsdb", query_timeout_s=5.0) as running:
        assert http(f"{running.url}/api/v1/write", remote_write_body(sample_data(0)))[0] == 204
        assert http(f"{running.url}/write?db=db&precision=s", LINES.encode())[0] == 204
        yield running


def mutated(text, seed):
    """The text with a few characters gone, doubled, swapped or others."""
    rand = random.Random(seed)
    letters = list(text)
    for _ in range(rand.randint(1, 4)):
        at = rand.randrange(len(letters)) if letters else 0
        letters[at : at + rand.randint(0, 3)] = rand.choice(
            ["", "(", ")", "[", "]", "{", '"', "'", "/", "5m", " by ", "NaN", "-", "*", "@", "\\"]
        )
    return "".join(letters)


def test_mutated_promql_is_answered_or_refused(server):
    generator = Generator(99, 0)
    for seed in range(300):
        query = generator.query()
        form = query.params | {"query": mutated(query.text, seed)}
        status, body = http(
            f"{server.url}/api/v1/{query.path}", urlencode(form).encode(), **FORM
        )
        assert status in (200, 400, 422, 503), (form, body)
        text = urlencode({"query": form["query"]}).encode()
        status, body = http(f"{server.url}/api/v1/format_query", text, **FORM)
        assert status in (200, 400), (form, body)


def test_mutated_influxql_is_answered_or_refused(server):
    for seed in range(400):
        query = mutated(QUERIES[seed % len(QUERIES)], seed)
        if query.lstrip()[:4].upper() in ("DROP", "DELE"):
            continue
        form = urlencode({"q": query, "db": "db", "epoch": "ms"}).encode()
        status, body = http(f"{server.url}/query", form, **FORM)
        assert status in (200, 400), (query, body)


def test_what_is_long_or_deep_is_no_fault(server):
    for query in ("+".join(["1"] * 3000), " or ".join(["level"] * 500), "(" * 5000, "-" * 5000):
        for path in ("query", "format_query"):
            body = urlencode({"query": query}).encode()
            assert http(f"{server.url}/api/v1/{path}", body, **FORM)[0] in (200, 400)
    for query in ("SELECT " + "+".join(["usage"] * 3000) + " FROM cpu", "SELECT " + "(" * 3000,
                  "SELECT " + "+" * 3000 + "1", "SELECT usage FROM cpu WHERE "
                  + " OR ".join(["usage = 1"] * 3000)):  # fmt: skip
        body = urlencode({"q": query, "db": "db"}).encode()
        assert http(f"{server.url}/query", body, **FORM)[0] in (200, 400)


@settings(max_examples=60)
@given(st.binary(max_size=60), st.integers(0, 10**6))
def test_remote_read_of_anything_is_answered_or_refused(server, noise, seed):
    rand = random.Random(seed)
    matchers = [{"type": rand.randint(0, 5), "name": "__name__", "value": rand.choice("(.*")}]
    query = {"start": -rand.randint(0, 2**62), "end": rand.randint(0, 2**62), "matchers": matchers}
    message = READ_REQUEST.encode({"queries": [query], "accepted": [rand.randint(0, 3)]})
    at = rand.randrange(len(message))
    for body in (compress("snappy", message[:at] + noise + message[at:]), noise,
                 compress("snappy", message)):  # fmt: skip
        assert http(f"{server.url}/api/v1/read", body or b"x")[0] in (200, 400)


@given(st.text(max_size=80) | st.text(alphabet="SELECTmeanFROMWHR()'\"/*,;=~5<> BY.", max_size=80))
def test_any_text_is_influxql_or_refused(text):
    try:
        parse_influxql(text)
    except SyntaxTrouble:
        pass


@given(st.text(max_size=80) | st.text(alphabet='ab_{}=",\\ 1.e+NInf#TYPE\n', max_size=80))
def test_any_text_is_a_page_or_refused(text):
    for openmetrics in (False, True):
        try:
            parse_page(text, openmetrics)
        except BadExposition:
            pass


@given(st.text(max_size=60) | st.text(alphabet='{}$.|()"` -ifelsendwithvalueprintf%d', max_size=60))
def test_any_text_is_a_template(text):
    template = Template({"a": "x"}, 1.0, {}, "", lambda query: [])
    assert isinstance(template.expand(text), str)
    assert isinstance(template.expand("{{ " + text + " }}"), str)


@given(st.text(alphabet="ab{}[]()=~!\"'5m:,+-*@ offsetbysum1.", max_size=60))
def test_what_is_parsed_is_written_and_parsed_again(text):
    from tsdb.promql.format import pretty, text_of

    try:
        expr = parse(text)
    except ParseError:
        return
    assert text_of(parse(text_of(expr))) == text_of(expr)
    assert text_of(parse(pretty(expr))) == text_of(expr)


PARAMETERS = (
    *("query", "time", "start", "end", "step", "match[]", "limit", "timeout", "lookback_delta"),
    *("metric", "match_target", "state", "type", "skip_head", "q", "db", "epoch", "chunked"),
    *("chunk_size", "precision", "bucket", "org", "u", "p", "extra_label"),
)
VALUES = (
    *("", "-1", "0", "1e400", "NaN", "-Inf", "9" * 30, "\udcff\udcfe", "\0", "x" * 5000, "0x10"),
    *("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "{", "{}", "up", "up[5m]", "1y", "-5m"),
    *("SELECT mean(/./) FROM /./ GROUP BY *", "SHOW SERIES", "true", "__name__", "2147483648"),
    *('{__name__=~".+"}', "a=b", "-9223372036854775809", "1_000"),
)
KINDS = (
    "application/x-www-form-urlencoded", "application/json", "application/x-protobuf",
    "application/x-protobuf;proto=io.prometheus.write.v2.Request", "text/plain",
    "application/openmetrics-text; version=1.0.0", "multipart/form-data; boundary=x", "",
)  # fmt: skip


def garbage(rand, route):
    """(target, body, headers) of a request to a route that makes no sense."""
    path = route.pattern.replace("{name}", rand.choice(["a", "__name__", "%00", "..", "x" * 300]))
    pairs = [(rand.choice(PARAMETERS), rand.choice(VALUES)) for _ in range(rand.randrange(5))]
    query = urlencode(pairs, errors="surrogateescape")
    headers = {"Content-Type": rand.choice(KINDS), "Content-Encoding": rand.choice(
        ["", "identity", "gzip", "snappy", "zstd", "br"])}  # fmt: skip
    body = rand.choice([
        b"", rand.randbytes(800), gzip.compress(rand.randbytes(300)), query.encode(),
        compress("snappy", rand.randbytes(300)), b'{"a":[' * rand.randrange(5000),
    ])  # fmt: skip
    return f"{path}?{query}", body, {name: value for name, value in headers.items() if value}


def test_garbage_at_every_route_is_answered_or_refused():
    rand = random.Random(7)
    with bedrock.run("tsdb", query_timeout_s=5.0) as server:
        http(f"{server.url}/api/v1/write", remote_write_body(sample_data(0)))
        routes = server.server.routes
        for number in range(5 * len(routes)):
            route = routes[number % len(routes)]
            target, body, headers = garbage(rand, route)
            connection = HTTPConnection(server.host, server.port, timeout=20)
            connection.request(route.method, target, body, headers)
            status = connection.getresponse().status
            assert status < 500 or status == 501, (route, target, headers, body)
            connection.close()


def test_a_large_answer_is_written_while_others_are_answered():
    with bedrock.run("tsdb") as server:
        lines = "\n".join(f"m,i={i} f={i * j / 3} {j * 10}" for i in range(100) for j in range(500))
        assert http(f"{server.url}/write?precision=s", lines.encode())[0] == 204
        path = "/api/v1/query_range?query=m_f*1.01&start=0&end=4990&step="
        small, large = ((http(server.url + path + step)) for step in ("10", "1"))
        assert small[0] == large[0] == 200
        rows = {str(r["metric"]): dict(r["values"]) for r in json.loads(large[1])["data"]["result"]}
        for row in json.loads(small[1])["data"]["result"]:
            assert dict(row["values"]).items() <= rows[str(row["metric"])].items()
