"""The fixtures a user's suite gets: a clean server and a ready client for each component."""

import subprocess
import sys

import pytest

from bedrock.app.ports import accepts
from bedrock.testing.pytest_plugin import CLIENTS, COMPONENTS


def test_kvstore_is_a_redis_client_on_an_empty_server(kvstore):
    assert kvstore.dbsize() == 0
    assert kvstore.set("a", 1) and kvstore.get("a") == "1"


def test_kvstore_again_is_empty_again(kvstore):
    assert kvstore.dbsize() == 0
    kvstore.set("a", 1)


def test_client_and_url_are_of_the_same_server(kvstore, kvstore_url):
    import redis

    kvstore.set("a", 1)
    assert redis.Redis.from_url(kvstore_url).get("a") == b"1"


def test_minidb_is_a_psycopg_connection(minidb):
    minidb.execute("create table t (a int)")
    minidb.execute("insert into t values (1), (2)")
    assert minidb.execute("select sum(a) from t").fetchone() == (3,)


def test_kafkalite_is_an_admin_client(kafkalite):
    from confluent_kafka.admin import NewTopic

    kafkalite.create_topics([NewTopic("t", 1)])["t"].result(10)
    assert "t" in kafkalite.list_topics(timeout=10).topics


def test_tsdb_is_an_http_session(tsdb):
    reply = tsdb.get("/api/v1/query", params={"query": "1 + 1"})
    assert reply.json()["data"]["result"][1] == "2"


def test_hdfs_sim_is_a_webhdfs_client(hdfs_sim):
    hdfs_sim.write("/a", b"hello")
    with hdfs_sim.read("/a") as reader:
        assert reader.read() == b"hello"


def test_chat_is_a_line_of_irc(chat):
    chat.write("NICK me\nUSER me 0 * me\n")
    assert any(" 001 me " in chat.readline() for _ in range(10))


@pytest.mark.parametrize("name", COMPONENTS)
def test_a_session_server_and_a_url_for_every_component(name, request):
    server = request.getfixturevalue(f"{name}_server")
    assert accepts(server.host, server.port)
    assert "127.0.0.1:" in request.getfixturevalue(f"{name}_url")
    assert name in CLIENTS


def test_servers_can_be_processes(tmp_path):
    (tmp_path / "test_it.py").write_text(
        "def test_it(kvstore, _kvstore_fresh):\n"
        "    assert kvstore.ping() and _kvstore_fresh.pid\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--bedrock-mode=process",
         str(tmp_path)],
        capture_output=True, text=True, check=False, timeout=60, cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout + done.stderr
