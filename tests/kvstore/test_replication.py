"""Replication with a real redis-server: the same data, also after the line was cut."""

import random
import threading

import pytest
import redis

import bedrock
import kvstore
from tests.kvstore.compare import FORMS, contents, fill, real, runner, wait_until

pytestmark = pytest.mark.peer


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
