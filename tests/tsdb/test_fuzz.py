"""No request makes the server answer with a fault of its own, or stop answering."""

import http.client

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import bedrock
from tests.tsdb.wire import ask, remote_write_body

PATHS = [
    "/write", "/write?db=a&precision=s", "/api/v2/write?bucket=b", "/api/v1/write", "/query",
    "/api/v1/query", "/api/v1/query_range", "/api/v1/labels", "/api/v1/series",
    "/api/v1/label/x/values", "/api/v1/label/%ff/values", "/ping", "/health", "/nowhere",
    "/api/v1/query?query=up&time=1e400", "/api/v1/query?query=vector(1)&time=-9e15",
    "/api/v1/query_range?query=vector(1)&start=-9e15&end=9e15&step=1e-9",
    "/api/v1/query?query=m%5B9999999999y%5D", "/api/v1/query?query=topk(1e30,m_f)",
    "/api/v1/query?query=m_f%20@%209e15&time=9e12", "/api/v1/query?query=month(vector(1e300))",
]  # fmt: skip
GOOD = remote_write_body({(("__name__", "m"),): [(1, 1.0)]})
BODIES = (
    st.binary(max_size=200)
    | st.sampled_from([b"m f=1", b"m f=", GOOD, b"query=m_f", b"query=sum(", b"match[]=m"])
    | st.binary(max_size=20).map(lambda tail: GOOD[: len(GOOD) // 2] + tail)
)
HEADERS = st.dictionaries(
    st.sampled_from(["Content-Encoding", "Content-Type", "Authorization", "Expect"]),
    st.sampled_from(["gzip", "snappy", "application/x-www-form-urlencoded", "Token a:b", "\xff"]),
)


@pytest.fixture(scope="module")
def server():
    with bedrock.run("tsdb") as running:
        yield running


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["GET", "POST", "PUT", "HEAD"]), st.sampled_from(PATHS), BODIES, HEADERS)
def test_no_request_is_answered_with_a_fault(server, method, path, body, headers):
    connection = http.client.HTTPConnection(server.host, server.port, timeout=20)
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    response.read()
    connection.close()
    assert response.status < 500 or response.status == 501, (method, path, body)
    assert ask(server.url, "query", query="1")["data"]["result"][1] == "1"


def test_a_password_is_asked_for_and_taken_in_every_form(tmp_path):
    import base64

    from tests.tsdb.wire import http as request

    (tmp_path / "word").write_text("secret\n")
    basic = base64.b64encode(b"me:secret").decode()
    with bedrock.run("tsdb", password_file=str(tmp_path / "word")) as server:
        url = f"{server.url}/api/v1/labels"
        assert request(url)[0] == 401
        assert request(url, Authorization="Basic x")[0] == 401
        assert request(url, Authorization="Bearer wrong")[0] == 401
        assert request(f"{server.url}/ping")[0] == 204
        for header in (f"Basic {basic}", "Bearer secret", "Token secret", "Token me:secret"):
            assert request(url, Authorization=header)[0] == 200
        assert request(f"{server.url}/write?u=me&p=secret", b"m f=1")[0] == 204
