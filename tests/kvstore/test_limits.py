"""A full disk, listeners that do not listen, strangers that ask for much: the others go on."""

import socket
import ssl
import subprocess
import time

import pytest
import redis

import bedrock
from bedrock.sim.caller import Line
from bedrock.sim.faults import Faults
from bedrock.sim.simulation import run
from bedrock.testing import peers
from kvstore.config import Config
from kvstore.server import Server
from kvstore.simulation import RespCaller, request


def connected(server):
    return socket.create_connection(("127.0.0.1", server.port), timeout=10)


def test_a_full_disk_refuses_writes_and_answers_reads_until_there_is_room(small_disk):
    filler = small_disk / "filler"
    with (
        bedrock.run("kvstore", data_dir=str(small_disk / "data"), process=True) as server,
        redis.Redis(port=server.port) as client,
    ):
        client.set("kept", "x")
        filler.write_bytes(bytes(400_000))
        written = 0
        with pytest.raises(redis.ResponseError, match=r"^MISCONF Errors writing"):
            while True:
                client.set(f"k{written}", bytes(50_000))
                written += 1
        assert client.get(f"k{written}") is None and client.get("kept") == b"x"
        with client.pipeline() as pipe:
            pipe.set("kept", "y").set("big", bytes(60_000))
            with pytest.raises(redis.ResponseError, match="because of: MISCONF"):
                pipe.execute()
        assert client.get("kept") == b"x"
        filler.unlink()
        client.set("again", 1)
    with (
        bedrock.run("kvstore", data_dir=str(small_disk / "data")) as server,
        redis.Redis(port=server.port) as client,
    ):
        assert client.dbsize() == written + 2 and client.get("again") == b"1"


def test_a_subscriber_that_does_not_read_is_cut_off(tmp_path):
    with (
        bedrock.run("kvstore", set=["client-output-buffer-limit=pubsub 1mb 1mb 60"]) as server,
        redis.Redis(port=server.port) as client,
        redis.Redis(port=server.port).pubsub() as good,
        connected(server) as deaf,
    ):
        good.subscribe("news")
        assert good.get_message(timeout=5)["type"] == "subscribe"
        deaf.sendall(b"SUBSCRIBE news\r\n")
        while client.pubsub_numsub("news") != [(b"news", 2)]:
            pass
        deadline = time.monotonic() + 30
        while client.publish("news", bytes(100_000)) == 2:
            assert good.get_message(timeout=5)["data"] == bytes(100_000)
            assert time.monotonic() < deadline
        assert good.get_message(timeout=5)["data"] == bytes(100_000)


@pytest.mark.parametrize(
    ("request_", "what"),
    [
        (b"*11\r\n", b"multibulk"),
        (b"*2\r\n$4\r\nAUTH\r\n$16385\r\n", b"bulk"),
    ],
)
def test_strangers_may_not_ask_for_much_memory(tmp_path, request_, what):
    secret = tmp_path / "password"
    secret.write_text("hunter2\n")
    with bedrock.run("kvstore", password_file=str(secret)) as server, connected(server) as stranger:
        stranger.sendall(request_)
        refusal = b"-ERR Protocol error: unauthenticated " + what + b" length\r\n"
        assert stranger.makefile("rb").read() == refusal
        with redis.Redis(port=server.port, password="hunter2") as client:
            client.rpush("l", *range(20))
            assert client.set("big", bytes(100_000))


@pytest.mark.peer
def test_redis_cli_and_redis_py_over_tls(tmp_path):
    try:
        peers.find("redis-cli")
        peers.find("openssl")
    except peers.PeerMissing as missing:
        pytest.skip(str(missing))
    key, cert = str(tmp_path / "key.pem"), str(tmp_path / "cert.pem")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "1", "-subj", "/CN=localhost", "-addext",
         "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert],
        check=True, capture_output=True,
    )  # fmt: skip
    with bedrock.run("kvstore", tls_cert=cert, tls_key=key) as server:
        options = ["--tls", "--cacert", cert, "-h", "127.0.0.1", "-p", str(server.port)]
        said = subprocess.run(["redis-cli", *options, "SET", "a", "1"], capture_output=True)
        assert said.stdout == b"OK\n"
        with redis.Redis(port=server.port, ssl=True, ssl_ca_certs=cert) as client:
            assert client.get("a") == b"1"
        with redis.Redis(port=server.port) as plain, pytest.raises(redis.ConnectionError):
            plain.get("a")
        with pytest.raises(ssl.SSLError), connected(server) as link:
            ssl.create_default_context().wrap_socket(link, server_hostname="localhost")


def test_a_unix_socket_with_its_permissions(tmp_path):
    path = tmp_path / "kv.sock"
    given = [f"unixsocket={path}", "unixsocketperm=600"]
    with bedrock.run("kvstore", set=given) as server:
        with redis.Redis(unix_socket_path=str(path)) as local, redis.Redis(port=server.port) as far:
            local.set("a", 1)
            assert far.get("a") == b"1"
        assert path.stat().st_mode & 0o777 == 0o600
    assert not path.exists()


def test_who_comes_from_another_machine_is_denied_without_a_password():
    said = {}

    async def scenario(sim):
        for name, options in (("open", ["requirepass=x"]), ("closed", [])):
            async def build(world, options=options):
                server = Server(world, Config(host=world.node, appendonly=False, set=options))
                await server.start()
                return server

            await sim.bring_up(sim.machine(name, build))
            line = Line(sim.host("client"), (name, 6379), RespCaller)
            said[name] = str(await line.insist(request((b"PING",))))

    assert run(scenario, 1, faults=Faults()).why == ""
    assert said["closed"].startswith("DENIED Redis is running in protected mode")
    assert said["open"].startswith("NOAUTH")


def test_who_asks_nothing_for_too_long_is_cut_off_and_who_waits_or_listens_is_not(tmp_path):
    with (
        bedrock.run("kvstore", data_dir=str(tmp_path)) as server,
        redis.Redis(port=server.port) as idle,
        redis.Redis(port=server.port) as asking,
        redis.Redis(port=server.port) as hearing,
        hearing.pubsub() as listener,
    ):
        listener.subscribe("c")
        lost = idle.client_id()
        asking.config_set("timeout", 1)
        deadline = time.monotonic() + 10
        while lost in {int(each["id"]) for each in asking.client_list()}:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        assert len(asking.client_list()) == 2
