"""The log engine's snapshots, its replication both ways, and its directory in a file."""

import random
import subprocess
from contextlib import suppress

import pytest
import redis

import bedrock
from tests.kvstore.compare import contents, real, runner, wait_until
from tests.kvstore.test_log_engine import LOG, invent

FLOWS = b"master_link_status:up"


def fill(run, seed, count=600):
    """Strings and hashes, some of them mortal, in two databases."""
    rand = random.Random(seed)
    for i in range(count):
        if i % 50 == 0:
            run("SELECT", i // 50 % 2)
        with suppress(redis.ResponseError):  # a wrong type, perhaps
            run(*invent(rand))
    run("SET", "mortal", "m", "PX", 10**9)
    run("SELECT", 0)


def everything(run):
    """The contents of both databases."""
    found = []
    for db in (1, 0):
        run("SELECT", db)
        found.append(contents(run))
    return found


def start(folder, **options):
    return bedrock.run("kvstore", data_dir=str(folder), **{**LOG, **options})


@pytest.mark.peer
def test_a_saved_log_opens_in_redis_and_in_a_new_log(tmp_path):
    (tmp_path / "copy").mkdir()
    (tmp_path / "theirs").mkdir()
    with start(tmp_path / "log") as server:
        ours = runner(server.port)
        fill(ours, 1)
        before = everything(ours)
        assert ours("SAVE") in (b"OK", "OK", True)
        got = subprocess.run(
            ["redis-cli", "-p", str(server.port), "--rdb", str(tmp_path / "theirs/dump.rdb")],
            capture_output=True, timeout=30, check=True)  # fmt: skip
        assert b"success" in got.stdout + got.stderr
    (tmp_path / "log/dump.rdb").rename(tmp_path / "copy/dump.rdb")
    with real(tmp_path / "theirs") as theirs:
        assert everything(theirs) == before
    with start(tmp_path / "copy") as server:
        assert everything(runner(server.port)) == before
    (tmp_path / "copy/dump.rdb").unlink()
    with start(tmp_path / "copy") as server:
        assert everything(runner(server.port)) == before


@pytest.mark.parametrize("flush", [False, True])
def test_a_snapshot_is_of_the_moment_it_began(tmp_path, flush):
    with start(tmp_path / "log", set=["rdb-key-save-delay=1500"]) as server:
        ours = runner(server.port)
        fill(ours, 2)
        for i in range(1000):
            ours("SET", f"many{i}", i)
        before = everything(ours)
        ours("BGSAVE")
        for i in range(0, 999, 3):
            ours("APPEND", f"many{i}", "later")
            ours("SET", f"new{i}", "later")
            ours("DEL", f"many{i + 1}")
        fill(ours, 3)
        assert server.server.store.snapshot is not None, "it ended before anything was changed"
        if flush:
            ours("FLUSHDB")
            ours("SET", "many7", "after")
        after = everything(ours)
        ours("CONFIG", "SET", "rdb-key-save-delay", 0)
        wait_until(lambda: b"rdb_bgsave_in_progress:0" in ours("INFO", "persistence"))
        assert b"rdb_last_bgsave_status:ok" in ours("INFO", "persistence")
        assert everything(ours) == after
    (tmp_path / "log/dump.rdb").rename(tmp_path / "dump.rdb")
    with bedrock.run("kvstore", data_dir=str(tmp_path), appendonly=False) as memory:
        assert everything(runner(memory.port)) == before
    with start(tmp_path / "log") as server:
        assert everything(runner(server.port)) == after


@pytest.mark.peer
@pytest.mark.parametrize("ours_is_primary", [True, False], ids=["we lead", "we follow"])
def test_it_replicates_with_redis(tmp_path, ours_is_primary):
    (tmp_path / "theirs").mkdir()
    with (
        start(tmp_path / "log") as server,
        real(tmp_path / "theirs", "--repl-diskless-sync-delay", "0") as theirs,
    ):
        ours = runner(server.port)
        their_port = int(theirs("CONFIG", "GET", "port")[1])
        primary, replica = (ours, theirs) if ours_is_primary else (theirs, ours)
        fill(primary, 4)
        replica("REPLICAOF", "127.0.0.1", server.port if ours_is_primary else their_port)
        wait_until(lambda: FLOWS in replica("INFO", "replication"))
        for turn in range(3):
            fill(primary, 5 + turn, 200)
            assert primary("WAIT", 1, 10_000) == 1
            assert everything(replica) == everything(primary)
            primary("CLIENT", "KILL", "TYPE", "replica")
            wait_until(lambda: primary("WAIT", 1, 100) == 1)
        assert b"sync_full:1\r\n" in primary("INFO", "stats")
        replica("REPLICAOF", "NO", "ONE")
        before = everything(ours)
    with start(tmp_path / "log") as server:
        assert everything(runner(server.port)) == before


def test_one_log_follows_another_that_is_written_to(tmp_path):
    with start(tmp_path / "a") as first, start(tmp_path / "b") as second:
        primary, replica = runner(first.port), runner(second.port)
        with redis.Redis(port=first.port) as client:
            client.mset({f"k{i}": f"{i}" * 20 for i in range(4_000)})
        primary("CONFIG", "SET", "rdb-key-save-delay", 20)
        replica("SET", "own", "gone")
        replica("REPLICAOF", "127.0.0.1", first.port)
        fill(primary, 6)
        primary("CONFIG", "SET", "rdb-key-save-delay", 0)
        wait_until(lambda: FLOWS in replica("INFO", "replication"))
        wait_until(lambda: primary("WAIT", 1, 100) == 1)
        assert everything(replica) == everything(primary)
        assert replica("EXISTS", "own") == 0


def test_a_log_cannot_follow_a_primary_with_other_types(tmp_path):
    with start(tmp_path / "a") as ours, bedrock.run("kvstore", appendonly=False) as memory:
        primary, replica = runner(memory.port), runner(ours.port)
        primary("RPUSH", "list", 1)
        replica("REPLICAOF", "127.0.0.1", memory.port)
        wait_until(lambda: b"sync_full:1" in primary("INFO", "stats"))
        wait_until(lambda: b"connected_slaves:0" in primary("INFO", "replication"))
        assert FLOWS not in replica("INFO", "replication")
        primary("DEL", "list")
        wait_until(lambda: FLOWS in replica("INFO", "replication"))


def test_the_directory_is_read_from_its_file(tmp_path):
    count = 70_000
    with start(tmp_path) as server, redis.Redis(port=server.port) as client:
        for first in range(0, count, 10_000):
            client.mset({f"k{i}": i for i in range(first, first + 10_000)})
        client.delete(*(f"k{i}" for i in range(0, count, 7)))
    name = tmp_path / "kvlog/directory"
    good = name.read_bytes()
    left = count - len(range(0, count, 7))
    damaged = bytearray(good)
    damaged[len(good) // 2] ^= 1
    for data in (good, bytes(damaged), good[:-100], good[:20], b""):
        name.write_bytes(data)
        with start(tmp_path) as server, redis.Redis(port=server.port) as client:
            assert client.dbsize() == left
            assert client.mget("k1", "k7", f"k{count - 1}") == [b"1", None, b"%d" % (count - 1)]


def test_what_happened_after_the_directory_was_written_is_not_lost(tmp_path):
    options = {"process": True, "appendfsync": "always", "log_level": "error"}
    with start(tmp_path, **options) as server:
        with redis.Redis(port=server.port) as client:
            for first in range(0, 120_000, 10_000):
                client.mset({f"k{i}": i for i in range(first, first + 10_000)})
            wait_until((tmp_path / "kvlog/directory").exists)
            client.mset({f"k{i}": "again" for i in range(0, 120_000, 1000)})
            client.delete("k1", "k2")
            client.execute_command("SELECT", 1)
            client.set("other", 1)
        server.restart()
        with redis.Redis(port=server.port) as client:
            assert client.dbsize() == 119_998
            assert client.mget("k0", "k1", "k1000", "k1001") == [b"again", None, b"again", b"1001"]
            client.flushall()
            client.set("only", 1)
        server.restart()
        with redis.Redis(port=server.port) as client:
            assert client.keys() == [b"only"]


def test_kill_9_while_segments_are_cleaned_up(tmp_path):
    """Every value names the turn it was written in; what was acknowledged is there."""
    options = {"process": True, "appendfsync": "no", "log_level": "error"}
    rand, count = random.Random(8), 3000
    with start(tmp_path, **options) as server:
        with redis.Redis(port=server.port) as client:
            # Records enough that some of them may be dead.
            for first in range(0, 110_000, 10_000):
                client.mset({f"d{i % 1000}": i for i in range(first, first + 10_000)})
        for turn in range(3):
            with redis.Redis(port=server.port) as client:
                for step in range(rand.randrange(6, 10)):
                    written = f"{turn}:{step}".encode() + b"x" * 3000
                    for first in range(0, count, 500):
                        client.mset({f"k{i}": written for i in range(first, first + 500)})
                client.delete("k5")
            server.restart()
            with redis.Redis(port=server.port) as client:
                assert client.dbsize() == 1000 + count - 1
                values = client.mget([f"k{i}" for i in range(count)])
                assert values.pop(5) is None
                assert set(values) == {written}
