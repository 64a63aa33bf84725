"""Real clients, unmodified: redis-py in RESP3, redis-cli, redis-benchmark."""

import socket
import subprocess
import threading
import time

import pytest
import redis

import bedrock
from bedrock.testing import peers


@pytest.fixture
def server(tmp_path):
    with bedrock.run("kvstore", port=0, data_dir=str(tmp_path)) as running:
        yield running


@pytest.fixture
def client(server):
    with redis.Redis(port=server.port, protocol=3) as client:
        yield client


def test_redis_py_works_with_every_type(client):
    assert client.set("a", 1, ex=100) and client.incr("a") == 2 and 0 < client.ttl("a") <= 100
    assert client.rpush("l", "a", "b") == 2 and client.lrange("l", 0, -1) == [b"a", b"b"]
    assert client.hset("h", mapping={"f": 1}) == 1 and client.hgetall("h") == {b"f": b"1"}
    assert client.sadd("s", 1, 2) == 2 and client.smembers("s") == {b"1", b"2"}
    assert client.zadd("z", {"a": 1.5}) == 1 and client.zscore("z", "a") == 1.5
    assert sorted(client.scan_iter()) == [b"a", b"h", b"l", b"s", b"z"]
    assert client.info()["redis_version"].startswith("7.0")
    assert client.config_get("appendonly") == {"appendonly": "yes"}


def test_a_transaction_fails_when_a_watched_key_changed(client):
    with client.pipeline() as pipe:
        pipe.watch("a")
        client.set("a", 1)
        pipe.multi()
        pipe.set("a", 2)
        with pytest.raises(redis.WatchError):
            pipe.execute()
    assert client.get("a") == b"1"


def test_a_blocked_client_gets_what_another_pushes(server, client):
    got = []

    def wait():
        with redis.Redis(port=server.port) as other:
            got.append(other.blpop("l", timeout=10))

    thread = threading.Thread(target=wait)
    thread.start()
    while client.info("clients")["blocked_clients"] != 1:
        pass
    client.rpush("l", "x")
    thread.join(10)
    assert got == [(b"l", b"x")] and client.llen("l") == 0


def test_a_shutdown_waits_neither_for_blocked_clients_nor_for_who_asked(tmp_path):
    with (
        bedrock.run("kvstore", port=0, data_dir=str(tmp_path / "other"), process=True) as server,
        socket.create_connection((server.host, server.port), timeout=10) as waiting,
        socket.create_connection((server.host, server.port), timeout=10) as asking,
    ):
        waiting.sendall(b"BLPOP l 0\r\n")
        asking.sendall(b"INFO clients\r\n")
        while b"blocked_clients:1" not in asking.recv(4096):
            asking.sendall(b"INFO clients\r\n")
        began = time.monotonic()
        asking.sendall(b"SHUTDOWN NOSAVE\r\n")
        assert waiting.recv(1) == asking.recv(1) == b""
        assert time.monotonic() - began < 2


def test_messages_reach_subscribers(client):
    with client.pubsub() as listener:
        listener.subscribe("c")
        assert listener.get_message(timeout=5)["type"] == "subscribe"
        assert client.publish("c", "hello") == 1
        assert listener.get_message(timeout=5)["data"] == b"hello"


def test_data_is_there_after_a_restart(tmp_path):
    for expected in (b"1", b"2"):
        with (
            bedrock.run("kvstore", port=0, data_dir=str(tmp_path)) as running,
            redis.Redis(port=running.port) as client,
        ):
            client.incr("n")
            assert client.get("n") == expected


def test_a_password_is_asked_for(tmp_path):
    secret = tmp_path / "password"
    secret.write_text("hunter2\n")
    with bedrock.run("kvstore", port=0, password_file=str(secret)) as running:
        with redis.Redis(port=running.port) as client, pytest.raises(redis.AuthenticationError):
            client.get("a")
        with redis.Redis(port=running.port, password="hunter2", protocol=3) as client:
            assert client.set("a", 1)


@pytest.mark.peer
def test_redis_cli_and_redis_benchmark(server):
    for program in ("redis-cli", "redis-benchmark"):
        try:
            peers.find(program)
        except peers.PeerMissing as missing:
            pytest.skip(str(missing))
    port = str(server.port)
    said = subprocess.run(["redis-cli", "-p", port, "SET", "a", "1"], capture_output=True)
    assert said.stdout == b"OK\n"
    said = subprocess.run(
        ["redis-benchmark", "-p", port, "-n", "2000", "-P", "16", "-q", "-t", "set,get,lpush"],
        capture_output=True,
    )
    assert said.stdout.count(b"requests per second") == 3 and not said.stderr
