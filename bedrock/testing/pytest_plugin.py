"""Fixtures for any test suite that needs a local Redis, PostgreSQL, Kafka, Prometheus, HDFS, IRC.

For each component NAME (kvstore, minidb, kafkalite, tsdb, hdfs_sim, chat):

    NAME_server   the running server: .host .port .ports .url .data_dir   (one for the session)
    NAME_url      its URL, with a server of the test's own when it must be clean
    NAME          a ready client of the usual library on an empty server

`NAME` and `NAME_url` start a server for each test: that takes about a millisecond, leaves nothing
behind, and every xdist worker has its own.  `--bedrock-mode=process` starts servers as processes
instead (as slow as a Python start, but free of the test's interpreter lock).

For each real peer (one for the session): `peer_redis_server`, `peer_postgresql`, `peer_prometheus`,
`peer_ngircd`, which skip the test where the program is not installed.

Options: `--update-golden` for golden scripts (fixture `update_golden`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest

COMPONENTS = ("kvstore", "minidb", "kafkalite", "tsdb", "hdfs_sim", "chat")
PEERS = ("redis-server", "postgresql", "prometheus", "ngircd")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("bedrock")
    group.addoption(
        "--bedrock-mode",
        choices=["thread", "process"],
        default="thread",
        help="run servers in a thread of the test process (default) or as processes",
    )
    group.addoption(
        "--update-golden",
        action="store_true",
        help="write what golden scripts gave into them instead of comparing",
    )


@pytest.fixture(scope="session")
def bedrock_run(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """`bedrock.run`, in the mode chosen with --bedrock-mode."""
    import bedrock

    as_process = request.config.getoption("--bedrock-mode") == "process"

    def run(name: str, **options: Any) -> Any:
        return bedrock.run(name, **{"process": as_process, **options})

    return run


@pytest.fixture(scope="session")
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Whether golden scripts are to be rewritten."""
    return request.config.getoption("--update-golden")


# ------------------------------------------------------------------ clients of the usual libraries


@contextmanager
def _redis(server: Any) -> Iterator[Any]:
    redis = pytest.importorskip("redis")
    client = redis.Redis(server.host, server.port, decode_responses=True)
    with client:
        yield client


@contextmanager
def _psycopg(server: Any) -> Iterator[Any]:
    psycopg = pytest.importorskip("psycopg")
    with psycopg.connect(server.url, autocommit=True) as connection:
        yield connection


@contextmanager
def _kafka(server: Any) -> Iterator[Any]:
    """A confluent-kafka AdminClient; producers and consumers need `kafkalite_url` alone."""
    admin = pytest.importorskip("confluent_kafka.admin")
    yield admin.AdminClient({"bootstrap.servers": f"{server.host}:{server.port}"})


@contextmanager
def _requests(server: Any) -> Iterator[Any]:
    """A requests.Session whose relative addresses lead to the server: `tsdb.get("/-/ready")`."""
    requests = pytest.importorskip("requests")
    base = server.url

    class Session(requests.Session):  # type: ignore[name-defined,misc]
        def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
            return super().request(method, base + url if url.startswith("/") else url,
                                   *args, **kwargs)

    with Session() as session:
        yield session


@contextmanager
def _webhdfs(server: Any) -> Iterator[Any]:
    hdfs = pytest.importorskip("hdfs")
    yield hdfs.InsecureClient(f"http://{server.host}:{server.ports['http_port']}", user="test")


@contextmanager
def _irc(server: Any) -> Iterator[Any]:
    """A socket as a text file, CRLF on the wire: `chat.write("NICK me\\n")`, `chat.readline()`."""
    import socket

    with (
        socket.create_connection((server.host, server.port), timeout=10) as connection,
        connection.makefile("rw", encoding="utf-8", newline="\r\n", buffering=1) as lines,
    ):
        yield lines


CLIENTS: dict[str, Callable[[Any], AbstractContextManager]] = {
    "kvstore": _redis,
    "minidb": _psycopg,
    "kafkalite": _kafka,
    "tsdb": _requests,
    "hdfs_sim": _webhdfs,
    "chat": _irc,
}


# ---------------------------------------------------------------- fixtures, made from the tables


def _server_fixture(name: str) -> Any:
    @pytest.fixture(scope="session", name=f"{name}_server")
    def server(bedrock_run: Callable[..., Any]) -> Iterator[Any]:
        with bedrock_run(name) as running:
            yield running

    return server


def _fresh_fixture(name: str) -> Any:
    @pytest.fixture(name=f"_{name}_fresh")
    def fresh(bedrock_run: Callable[..., Any]) -> Iterator[Any]:
        with bedrock_run(name) as running:
            yield running

    return fresh


def _url_fixture(name: str) -> Any:
    @pytest.fixture(name=f"{name}_url")
    def url(request: pytest.FixtureRequest) -> str:
        return request.getfixturevalue(f"_{name}_fresh").url

    return url


def _client_fixture(name: str) -> Any:
    @pytest.fixture(name=name)
    def client(request: pytest.FixtureRequest) -> Iterator[Any]:
        with CLIENTS[name](request.getfixturevalue(f"_{name}_fresh")) as made:
            yield made

    return client


def _peer_fixture(name: str) -> Any:
    @pytest.fixture(scope="session", name=f"peer_{name.replace('-', '_')}")
    def peer() -> Iterator[Any]:
        from bedrock.testing import peers

        try:
            running = peers.STARTERS[name]()
        except peers.PeerMissing as exc:
            pytest.skip(str(exc))
        with running:
            yield running

    return peer


for _name in COMPONENTS:
    globals()[f"_fixture_{_name}_server"] = _server_fixture(_name)
    globals()[f"_fixture_{_name}_fresh"] = _fresh_fixture(_name)
    globals()[f"_fixture_{_name}_url"] = _url_fixture(_name)
    globals()[f"_fixture_{_name}"] = _client_fixture(_name)
for _name in PEERS:
    globals()[f"_fixture_peer_{_name}"] = _peer_fixture(_name)
