"""Replication with a real redis-server: the same data, also after the line was cut."""

import random
import socket
import subprocess
import threading

import pytest
import redis

import bedrock
import kvstore
from tests.kvstore.compare import FORMS, contents, fill, pour, real, runner, wait_until

pytestmark = pytest.mark.peer


def port_of(client):
    """Where a client of redis-py connects to."""
    return client.connection_pool.connection_kwargs["port"]


def caught_up(primary, replica):
    """Both have the same data, once the replica has read all."""
    assert primary("WAIT", 1, 10_000) == 1
    assert contents(replica) == contents(primary)


@pytest.mark.parametrize("cuts", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_a_redis_server_follows_and_resumes(tmp_path, cuts):
    with bedrock.run("kvstore", data_dir=str(tmp_path / "ours"), process=True) as server:
        ours = runner(server.port)
        for words in FORMS:
            ours(*words)
        (tmp_path / "theirs").mkdir()
        flags = ("--replicaof", f"127.0.0.1 {server.port}")
        with real(tmp_path / "theirs", *flags) as theirs:
            wait_until(lambda: b"master_link_status:up" in theirs("INFO", "replication"))
            assert b"connected_slaves:1" in ours("INFO", "replication")
            caught_up(ours, theirs)
            fill(ours, 1)
            caught_up(ours, theirs)
            for cut in range(cuts):
                ours("CLIENT", "KILL", "TYPE", "replica")
                fill(ours, cut, 100)
                wait_until(lambda: b"master_link_status:up" in theirs("INFO", "replication"))
                caught_up(ours, theirs)
            said = ours("INFO", "stats")
            assert b"sync_full:1\r\nsync_partial_ok:%d\r\n" % cuts in said
            assert ours("ROLE")[0] == b"master" and len(ours("ROLE")[2]) == 1


@pytest.mark.timeout(900)
@pytest.mark.parametrize("ours_is_primary", [True, False], ids=["we lead", "we follow"])
@pytest.mark.parametrize(
    ("commands", "cuts"), [(10_000, 4), pytest.param(1_000_000, 20, marks=pytest.mark.slow)]
)
def test_all_random_commands_arrive_though_the_line_is_cut(
    tmp_path, ours_is_primary, commands, cuts
):
    backlog = ("--repl-backlog-size", "64mb", "--repl-diskless-sync-delay", "0")
    with (
        bedrock.run("kvstore", process=True, set=["repl-backlog-size=64mb"]) as server,
        real(tmp_path, *backlog) as theirs,
    ):
        ours, their_port = runner(server.port), theirs("CONFIG", "GET", "port")[1]
        if ours_is_primary:
            primary, replica, port = ours, theirs, server.port
        else:
            primary, replica, port = theirs, ours, int(their_port)
        replica("REPLICAOF", "127.0.0.1", port)
        wait_until(lambda: b"master_link_status:up" in replica("INFO", "replication"))
        writer = threading.Thread(target=pour, args=(port, commands, commands))
        writer.start()
        for _ in range(cuts):
            writer.join(commands / 1_000_000)
            primary("CLIENT", "KILL", "TYPE", "replica")
            wait_until(lambda: b"state=online" in primary("INFO", "replication"))
        writer.join()
        wait_until(lambda: primary("WAIT", 1, 1000) == 1, 60)
        assert contents(replica) == contents(primary)
        said = primary("INFO", "stats")
        assert b"sync_full:1\r\nsync_partial_ok:%d\r\n" % cuts in said


def test_a_snapshot_for_a_replica_is_taken_while_writes_go_on(tmp_path):
    with bedrock.run("kvstore", appendonly=False, process=True) as server:
        ours = runner(server.port)
        with redis.Redis(port=server.port) as client, client.pipeline(transaction=False) as pipe:
            for i in range(100_000):
                pipe.set(f"k{i}", i)
            pipe.execute()
        stop = threading.Event()

        def write():
            run = runner(server.port)
            while not stop.is_set():
                run("INCR", f"k{random.randrange(100_000)}")

        writer = threading.Thread(target=write)
        writer.start()
        try:
            with real(tmp_path, "--replicaof", f"127.0.0.1 {server.port}") as theirs:
                wait_until(lambda: b"master_link_status:up" in theirs("INFO", "replication"))
                stop.set()
                writer.join()
                assert ours("WAIT", 1, 10_000) == 1
                keys = [f"k{i}" for i in range(100_000)]
                assert theirs("MGET", *keys) == ours("MGET", *keys)
        finally:
            stop.set()
            writer.join()


def test_we_follow_a_redis_server_and_resume(tmp_path):
    with (
        real(tmp_path) as theirs,
        bedrock.run("kvstore", data_dir=str(tmp_path / "ours"), process=True) as server,
    ):
        ours = runner(server.port)
        ours("SET", "gone", "soon")
        for words in FORMS:
            theirs(*words)
        port = theirs("CONFIG", "GET", "port")[1]
        assert ours("REPLICAOF", "127.0.0.1", port) == b"OK"
        wait_until(lambda: b"master_link_status:up" in ours("INFO", "replication"))
        caught_up(theirs, ours)
        fill(theirs, 3)
        caught_up(theirs, ours)
        with pytest.raises(redis.ReadOnlyError):
            ours("SET", "a", 1)
        for cut in range(3):
            theirs("CLIENT", "KILL", "TYPE", "replica")
            fill(theirs, cut, 200)
            wait_until(lambda: theirs("ROLE")[2])
            caught_up(theirs, ours)
        assert b"sync_partial_ok:3" in theirs("INFO", "stats")
        (tmp_path / "third").mkdir()
        with real(tmp_path / "third", "--replicaof", f"127.0.0.1 {server.port}") as third:
            wait_until(lambda: b"master_link_status:up" in third("INFO", "replication"))
            theirs("SET", "chained", 1)
            kept = contents(theirs)
            wait_until(lambda: contents(third) == kept)
        assert ours("REPLICAOF", "NO", "ONE") == b"OK"
        assert ours("ROLE")[0] == b"master" and ours("SET", "a", 1) == b"OK"
        ours("DEL", "a")
    with kvstore.connect(str(tmp_path / "ours")) as kv:
        assert contents(kv.execute) == kept


def test_replicas_go_on_with_the_one_that_was_made_primary(kvstore_replicas):
    old, new, third = kvstore_replicas(2)
    old.set("a", 1)
    old.select(3)
    assert old.set("b", 2) and old.wait(2, 5000) == 2
    new.replicaof("NO", "ONE")
    name, offset = new.info()["master_replid2"], new.info()["second_repl_offset"]
    assert (name, offset) == (old.info()["master_replid"], old.info()["master_repl_offset"] + 1)
    for client in (third, old):
        client.replicaof("127.0.0.1", port_of(new))
    new.set("c", 3)
    wait_until(lambda: new.wait(2, 200) == 2)
    assert new.info()["sync_partial_ok"] == 2 and new.info()["sync_full"] == 0
    old.select(0)
    assert old.mget("a", "c") == third.mget("a", "c") == ["1", "3"]


def test_a_replica_that_loads_says_so_and_serves_on(kvstore_replicas):
    primary, replica = kvstore_replicas(1)
    replica.replicaof("NO", "ONE")
    for start in range(0, 50_000, 10_000):
        primary.mset({f"k{i}": i for i in range(start, start + 10_000)})
    replica.config_set("key-load-delay", 20)
    replica.replicaof("127.0.0.1", port_of(primary))
    said = []

    def whole():
        with socket.create_connection(("127.0.0.1", port_of(replica))) as connection:
            connection.sendall(b"DBSIZE\r\n")
            said.append(connection.recv(100))
        return said[-1] == b":50000\r\n"

    wait_until(whole)
    assert b"-LOADING Redis is loading the dataset in memory\r\n" in said


def test_who_is_silent_for_too_long_is_cut_off(kvstore_replicas):
    primary, replica = kvstore_replicas(1)
    primary.config_set("repl-timeout", 1)
    primary.config_set("repl-ping-replica-period", 100)
    # A listener that never speaks: the handshake must not wait for ever.
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        replica.config_set("repl-timeout", 1)
        replica.replicaof("127.0.0.1", deaf.getsockname()[1])
        first, _ = deaf.accept()
        second, _ = deaf.accept()
        first.close()
        second.close()


def test_a_stream_that_nobody_wants_is_forgotten(kvstore_replicas):
    primary, replica = kvstore_replicas(1)
    name = primary.info()["master_replid"]
    primary.config_set("repl-backlog-ttl", 1)
    replica.replicaof("NO", "ONE")
    wait_until(lambda: primary.info()["repl_backlog_active"] == 0)
    assert primary.info()["master_replid"] != name


def test_redis_cli_takes_a_snapshot(tmp_path, kvstore_url):
    kv = redis.Redis.from_url(kvstore_url)
    kv.set("a", 1)
    target = tmp_path / "dump.rdb"
    subprocess.run(["redis-cli", "-u", kvstore_url, "--rdb", target], check=True, timeout=20)
    subprocess.run(["redis-check-rdb", target], check=True, timeout=20)


def test_wait_is_about_the_clients_own_writes(tmp_path):
    """A replica that stands still after the first client's write: only the second waits in vain."""
    with bedrock.run("kvstore") as server, socket.create_connection(
        ("127.0.0.1", server.port), timeout=10
    ) as line:
        first, second = (redis.Redis(port=server.port, single_connection_client=True)
                         for _ in range(2))  # fmt: skip
        line.sendall(b"REPLCONF capa eof\r\nPSYNC ? -1\r\n")
        wait_until(lambda: b"slave0" in runner(server.port)("INFO", "replication"))
        assert first.set("a", 1)
        offset = first.info("replication")["master_repl_offset"]
        wait_until(lambda: b"state=online" in runner(server.port)("INFO", "replication"))
        line.sendall(b"REPLCONF ACK %d\r\n" % offset)
        wait_until(lambda: first.execute_command("WAIT", 1, 1) == 1)
        assert second.set("b", 2)
        assert first.execute_command("WAIT", 1, 1) == 1
        assert second.execute_command("WAIT", 1, 30) == 0
        with first.pipeline() as pipe:
            pipe.set("c", 3).execute_command("WAIT", 1, 0)
            assert pipe.execute() == [True, 0]  # MULTI came after what the second wrote
        with pytest.raises(redis.ResponseError, match="not allowed from script"):
            first.eval("return redis.call('wait', 0, 0)", 0)
        line.sendall(b"REPLCONF ACK %d\r\n" % (offset + 10_000))
        wait_until(lambda: second.execute_command("WAIT", 1, 1) == 1)
        with first.pipeline() as pipe:
            pipe.set("c", 3).execute_command("WAIT", 1, 0)
            assert pipe.execute() == [True, 1]
        first.close()
        second.close()
