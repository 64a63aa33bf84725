"""Generated queries are answered as a real Prometheus answers them.

BEDROCK_QUERIES (300) and BEDROCK_SEED (1) make it a longer or another one.
"""

import http.client
import json
import math
import os
import re
import time
from contextlib import ExitStack, contextmanager
from urllib.parse import urlencode

import pytest

import bedrock
from bedrock.testing import peers
from tests.hostile import until
from tests.tsdb.promqlgen import Generator, sample_data
from tests.tsdb.promqlspoil import Spoiler
from tests.tsdb.wire import http as request
from tests.tsdb.wire import remote_write_body

QUERIES = int(os.environ.get("BEDROCK_QUERIES", "300"))
SEED = int(os.environ.get("BEDROCK_SEED", "1"))
TOLERANCE = 1e-9
SHOWN = 20
ITEM = re.compile(r'"<Item \d+>" ')
ATTEMPTS = 30
HEADERS = {
    "Content_Encoding": "snappy",
    "Content_Type": "application/x-protobuf",
    "X_Prometheus_Remote_Write_Version": "0.1.0",
}


class Asked:
    """A server that is asked over one connection."""

    def __init__(self, host, port):
        self.http = http.client.HTTPConnection(host, port, timeout=60)

    def answer(self, query):
        return self.ask(query.path, query.params)

    def formatted(self, text):
        return self.ask("format_query", {"query": text})

    def ask(self, path, params):
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        self.http.request("POST", f"/api/v1/{path}", urlencode(params), headers)
        return json.loads(self.http.getresponse().read())


def close(a, b):
    if math.isnan(a) or math.isnan(b):
        return math.isnan(a) and math.isnan(b)
    return a == b or abs(a - b) <= TOLERANCE * max(abs(a), abs(b))


def rows(data):
    """{labels: [(time, value), ...]} of an answer's data."""
    if data["resultType"] in ("scalar", "string"):
        t, value = data["result"]
        return {"": [(t, value if data["resultType"] == "string" else float(value))]}
    return {
        tuple(sorted(row["metric"].items())): [
            (t, float(v)) for t, v in row.get("values", [row.get("value")])
        ]
        for row in data["result"]
    }


def difference(got, want):
    """What is different, or ""."""
    if got["status"] != want["status"]:
        return f"got {json.dumps(got)[:300]}, expected {json.dumps(want)[:300]}"
    if got["status"] == "error":
        return "" if got["errorType"] == want["errorType"] else f"got {got}, expected {want}"
    got, want = got["data"], want["data"]
    if got["resultType"] != want["resultType"]:
        return f"a {got['resultType']}, expected a {want['resultType']}"
    got, want = rows(got), rows(want)
    if got.keys() != want.keys():
        return f"only ours: {got.keys() - want.keys()}, only theirs: {want.keys() - got.keys()}"
    for labels, samples in want.items():
        ours = dict(got[labels])
        if ours.keys() != dict(samples).keys():
            return f"{labels}: times differ: {sorted(ours.keys() ^ dict(samples).keys())[:5]}"
        for t, value in samples:
            same = ours[t] == value if isinstance(value, str) else close(ours[t], value)
            if not same:
                return f"{labels} at {t}: got {ours[t]!r}, expected {value!r}"
    return ""


def disagreement(query, us, them):
    """What is different from Prometheus' answer, or "".

    Where the order of series decides (which of equal values is the largest, how a sum is rounded)
    it may give another answer each time; such a query decides nothing.
    """
    want = them.answer(query)
    why = difference(us.answer(query), want)
    if why and any(difference(them.answer(query), want) for _ in range(ATTEMPTS)):
        return ""
    return why


def told(answer):
    """What an answer says is wrong; () if nothing is.

    Why a regular expression is bad is told by the library that reads it; how Prometheus names `@`
    has a number in it that is its own affair; which of several duplicates it finds is chance; and
    to a range with a fixed time in brackets it has no answer at all.
    """
    if answer["status"] == "success" or answer["error"] == "unexpected number of samples":
        return ()
    text = ITEM.sub("", answer["error"].split("regexp:")[0].split("for the match group")[0])
    return answer["errorType"], text


@contextmanager
def two_servers():
    """(ours, theirs, when the data begins): two servers that hold the same."""
    with ExitStack() as running:
        peer = peers.prometheus("global: {}\n", "--web.enable-remote-write-receiver")
        running.enter_context(peer)
        ours = running.enter_context(bedrock.run("tsdb"))
        until(lambda: request(f"{peer.url}/-/ready")[0] == 200)
        start_s = (int(time.time()) - 4000) // 60 * 60
        body = remote_write_body(sample_data(start_s * 1000))
        for url in (peer.url, ours.url):
            status, answer = request(f"{url}/api/v1/write", body, **HEADERS)
            assert status == 204, answer
        yield Asked(ours.host, ours.port), Asked(peer.host, peer.port), start_s


def differences_of(pair, count, seed):
    """What is answered differently of so many queries."""
    us, them, start_s = pair
    generator = Generator(seed, start_s)
    differences = []
    for _ in range(count):
        query = generator.query()
        if why := disagreement(query, us, them):
            differences.append(f"{query.text}\n    {query}\n    {why}")
    return differences


@pytest.fixture(scope="module")
def pair():
    try:
        with two_servers() as pair:
            yield pair
    except peers.PeerMissing as exc:
        pytest.skip(str(exc))


@pytest.mark.peer
def test_generated_queries_are_answered_as_a_real_prometheus_does(pair):
    differences = differences_of(pair, QUERIES, SEED)
    shown = "\n".join(differences[:SHOWN])
    assert not differences, f"{len(differences)} of {QUERIES} differ:\n{shown}"


@pytest.mark.peer
def test_generated_queries_are_laid_out_as_a_real_prometheus_does(pair):
    us, them, start_s = pair
    generator = Generator(SEED, start_s)
    for _ in range(200):
        text = generator.query().text
        assert us.formatted(text) == them.formatted(text), text


@pytest.mark.peer
def test_spoiled_queries_are_refused_in_the_words_of_a_real_prometheus(pair):
    us, them, start_s = pair
    generator = Generator(SEED, start_s)
    good = [generator.query().text for _ in range(200)]
    spoiler = Spoiler(SEED, good)
    differences, wrong = [], 0
    for _ in range(QUERIES):
        params = {"query": spoiler.query(), "time": start_s + 3000}
        got, want = told(us.ask("query", params)), told(them.ask("query", params))
        wrong += bool(want)
        if got != want:
            differences.append(f"{params['query']}\n    got {got}\n    expected {want}")
    assert wrong > QUERIES // 2
    assert not differences, "\n".join(differences[:SHOWN])
