"""A restart in the middle of replication: a dump says which place of which stream it is of."""

import re

import pytest

import bedrock
from tests.kvstore.compare import FORMS, contents, fill, real, runner, wait_until

pytestmark = pytest.mark.peer

QUIET = "repl-ping-replica-period=3600"  # a PING after the dump would be a step further
THEIRS = ("--save", "3600 1", "--repl-ping-replica-period", "3600",
          "--repl-diskless-sync-delay", "0")  # fmt: skip


def ours(folder, *settings):
    """A server that keeps a dump, in a process of its own."""
    return bedrock.run(
        "kvstore", process=True, data_dir=str(folder), appendonly=False, log_level="error",
        set=[QUIET, "enable-debug-command=yes", "repl-diskless-sync-delay=0", *settings],
    )  # fmt: skip


def place(run):
    """Name and offset of the stream."""
    said = run("INFO", "replication").decode()
    return tuple(re.search(rf"{name}:(\w+)", said)[1] for name in
                 ("master_replid", "master_repl_offset"))  # fmt: skip


def syncs(run):
    """How many resynchronizations were full, and how many partial."""
    said = run("INFO", "stats").decode()
    return tuple(int(re.search(rf"{name}:(\d+)", said)[1]) for name in
                 ("sync_full", "sync_partial_ok"))  # fmt: skip


def in_step(primary, replica):
    """The replica has all, and both have the same."""
    wait_until(lambda: b"master_link_status:up" in replica("INFO", "replication"))
    wait_until(lambda: place(primary) == place(replica))
    assert contents(primary) == contents(replica)
    assert primary("DBSIZE") == replica("DBSIZE")


def test_our_primary_restarts(tmp_path):
    (tmp_path / "theirs").mkdir()
    with ours(tmp_path / "ours") as server, real(tmp_path / "theirs", *THEIRS) as replica:
        primary = runner(server.port)
        for words in FORMS:
            primary(*words)
        replica("REPLICAOF", "127.0.0.1", server.port)
        in_step(primary, replica)
        fill(primary, 1, 200)
        primary("DEBUG", "SET-ACTIVE-EXPIRE", 0)
        primary("SELECT", 3)
        for i in range(20):
            primary("SET", f"mortal{i}", "x", "PX", 1)
        primary("SET", "kept", 3)
        primary("SELECT", 0)
        wait_until(lambda: place(primary) == place(replica))
        before = place(primary)
        primary("SAVE")
        server.restart()
        primary = runner(server.port)
        assert before[0].encode() in primary("INFO", "replication")
        in_step(primary, replica)
        fill(primary, 2, 200)
        in_step(primary, replica)
        assert syncs(primary) == (0, 1)
        replica("SELECT", 3)
        assert replica("KEYS", "*") == [b"kept"]


def test_our_replica_restarts(tmp_path):
    (tmp_path / "theirs").mkdir()
    with real(tmp_path / "theirs", *THEIRS) as primary:
        port = int(primary("CONFIG", "GET", "port")[1])
        with ours(tmp_path / "ours", f"replicaof=127.0.0.1 {port}") as server:
            for words in FORMS:
                primary(*words)
            replica = runner(server.port)
            in_step(primary, replica)
            primary("SELECT", 5)
            primary("SET", "five", 5)
            wait_until(lambda: place(primary) == place(replica))
            replica("SAVE")
            primary("SET", "five", "later")  # with no SELECT before it
            primary("SELECT", 0)
            fill(primary, 3, 200)
            server.restart()
            replica = runner(server.port)
            in_step(primary, replica)
            assert syncs(primary) == (1, 1)
            replica("SELECT", 5)
            assert replica("GET", "five") == b"later"


def test_redis_restarts_as_our_replica(tmp_path):
    (tmp_path / "theirs").mkdir()
    with ours(tmp_path / "ours") as server:
        primary = runner(server.port)
        for words in FORMS:
            primary(*words)
        flags = (*THEIRS, "--replicaof", f"127.0.0.1 {server.port}")
        with real(tmp_path / "theirs", *flags) as replica:
            fill(primary, 4, 200)
            in_step(primary, replica)
        fill(primary, 5, 200)
        with real(tmp_path / "theirs", *flags) as replica:
            in_step(primary, replica)
            assert syncs(primary) == (1, 1)


def test_redis_restarts_as_our_primary(tmp_path):
    (tmp_path / "theirs").mkdir()
    with ours(tmp_path / "ours") as server:
        replica = runner(server.port)
        with real(tmp_path / "theirs", *THEIRS) as primary:
            for words in FORMS:
                primary(*words)
            replica("REPLICAOF", "127.0.0.1", primary("CONFIG", "GET", "port")[1])
            in_step(primary, replica)
            fill(primary, 6, 200)
            in_step(primary, replica)
        with real(tmp_path / "theirs", *THEIRS) as primary:
            replica("REPLICAOF", "127.0.0.1", primary("CONFIG", "GET", "port")[1])
            in_step(primary, replica)
            assert syncs(primary) == (0, 1)
