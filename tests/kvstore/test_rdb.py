"""RDB files: what redis-server reads of ours and we of its, byte by byte where it matters."""

import os
import pathlib
import random
import shutil
import signal
import subprocess
import time

import pytest
import redis

import bedrock
import kvstore
from bedrock.storage.errors import Damaged
from bedrock.testing import peers
from bedrock.world import OsDisk
from kvstore.check import check
from kvstore.crc64 import crc64
from kvstore.snapshot import Snapshot
from tests.kvstore.compare import FORMS, contents, fill, real, wait_until

LIBRARY = b"#!lua name=l\nredis.register_function('seven', function() return 7 end)"


def test_the_checksum_is_jones_crc_64():
    assert crc64(b"123456789") == 0xE9C6D914C4B8D9CA
    assert crc64(b"789", crc64(b"123456")) == crc64(b"123456789")


def test_every_form_survives_save_and_reload(tmp_path):
    with kvstore.connect(str(tmp_path), **{"enable-debug-command": "yes"}) as kv:
        for words in FORMS:
            kv.execute(*words)
        kv.execute("FUNCTION", "LOAD", LIBRARY)
        before = contents(kv.execute)
        kv.execute("DEBUG", "RELOAD")
        assert contents(kv.execute) == before
        kv.execute("BGREWRITEAOF")
        kv.execute("SET", "after", 1)
        before = contents(kv.execute)
    assert (tmp_path / "appendonlydir/appendonly.aof.2.base.rdb").read_bytes()[:9] == b"REDIS0010"
    with kvstore.connect(str(tmp_path)) as kv:
        assert contents(kv.execute) == before
        assert kv.execute("FCALL", "seven", 0) == 7


def test_dump_and_restore_are_inverse():
    with kvstore.connect() as kv:
        for words in FORMS:
            kv.execute(*words)
        before = contents(kv.execute)
        for key in before:
            kv.execute("RESTORE", key, 0, kv.execute("DUMP", key), "REPLACE")
        after = contents(kv.execute)
    assert after == {key: (kind, value, -1) for key, (kind, value, _) in before.items()}


def test_damaged_payloads_are_refused():
    rand = random.Random(5)
    with kvstore.connect() as kv:
        for words in FORMS:
            kv.execute(*words)
        for key in ("long", "list", "numbers", "big", "large", "stream"):
            body = kv.execute("DUMP", key)[:-8]
            for _ in range(150):
                bad = bytearray(body)
                for _ in range(rand.randrange(1, 4)):
                    bad[rand.randrange(len(bad) - 2)] = rand.randrange(256)
                bad = bytes(bad[: rand.choice([len(bad), rand.randrange(2, len(bad))])])
                bad = bad[:-2] + b"\x0a\0"
                try:
                    kv.execute(
                        "RESTORE", "x", 0, bad + crc64(bad).to_bytes(8, "little"), "REPLACE")
                    contents(kv.execute)
                except kvstore.ReplyError as error:
                    assert str(error) == "ERR Bad data format"
        with pytest.raises(kvstore.ReplyError, match="version or checksum"):
            kv.execute("RESTORE", "y", 0, body + bytes(8))


def test_a_damaged_file_is_refused_with_its_offset(tmp_path):
    with kvstore.connect(str(tmp_path)) as kv:
        kv.execute("SET", "a", "value")
        kv.execute("BGREWRITEAOF")
    path = tmp_path / "appendonlydir/appendonly.aof.2.base.rdb"
    data = path.read_bytes()
    path.write_bytes(data.replace(b"value", b"vague"))
    with pytest.raises(Damaged, match="checksum"):
        kvstore.connect(str(tmp_path))
    assert [f.why for f in check(OsDisk(str(tmp_path)))] == ["checksum does not match"]
    path.write_bytes(data[:-12])
    with pytest.raises(Damaged, match="than what is left"):
        kvstore.connect(str(tmp_path))


@pytest.mark.parametrize("seed", range(20))
def test_a_snapshot_is_of_the_moment_it_began(tmp_path, seed):
    rand = random.Random(seed)
    with kvstore.connect(str(tmp_path), **{"enable-debug-command": "yes"}) as kv:
        for i in range(2000):
            kv.execute("SET", f"k{rand.randrange(3000)}", i)
        kv.execute("SELECT", 1)
        kv.execute("MSET", *range(200))
        kv.execute("SELECT", 0)
        before = contents(kv.execute)
        snapshot = Snapshot(kv.store)
        data = b""
        for piece in iter(snapshot.next, b""):
            data += piece
            for _ in range(50):
                key = f"k{rand.randrange(4000)}"
                words = rand.choice(
                    [("APPEND", key, "+"), ("DEL", key), ("SET", key, "new", "PX", 10**6),
                     ("RENAME", key, f"k{rand.randrange(4000)}"), ("EXPIRE", key, 1000)])
                try:
                    kv.execute(*words)
                except kvstore.ReplyError:
                    assert words[0] == "RENAME"
            if rand.random() < 0.02:
                kv.execute(*rand.choice([("FLUSHALL",), ("SWAPDB", 0, 1)]))
        (tmp_path / "dump.rdb").write_bytes(data)
        kv.execute("DEBUG", "RELOAD", "NOSAVE")
        assert contents(kv.execute) == before
        kv.execute("SELECT", 1)
        assert kv.execute("DBSIZE") == 100


def test_the_service_goes_on_while_the_log_is_rewritten(tmp_path):
    with bedrock.run("kvstore", data_dir=str(tmp_path), process=True) as server:
        client = redis.Redis(port=server.port)
        pipe = client.pipeline(transaction=False)
        for i in range(100_000):
            pipe.set(f"k{i}", i)
        pipe.execute()
        client.bgrewriteaof()
        n = 0
        while client.info("persistence")["aof_rewrite_in_progress"]:
            n += client.incr("counter")
            client.incr(f"k{n % 100_000}")
        assert n > 10
        assert client.bgsave()
        wait_until(lambda: not client.info("persistence")["rdb_bgsave_in_progress"])
        assert client.info("persistence")["rdb_last_bgsave_status"] == "ok"
        total = sum(map(int, client.mget(f"k{i}" for i in range(100_000))))
        os.kill(server.pid, signal.SIGKILL)
    with kvstore.connect(str(tmp_path)) as kv:
        assert sum(map(int, kv.execute("MGET", *(f"k{i}" for i in range(100_000))))) == total
    names = {path.name for path in (tmp_path / "appendonlydir").iterdir()}
    assert names == {"appendonly.aof.manifest", "appendonly.aof.2.base.rdb",
                     "appendonly.aof.2.incr.aof"}


@pytest.mark.peer
def test_redis_server_loads_ours_and_we_load_its(tmp_path):
    ours = tmp_path / "ours"
    with kvstore.connect(str(ours)) as kv:
        for words in FORMS:
            kv.execute(*words)
        kv.execute("SAVE")
        before = contents(kv.execute)
    said = subprocess.run(
        [peers.find("redis-check-rdb"), ours / "dump.rdb"], capture_output=True, text=True)
    assert "RDB looks OK" in said.stdout, said.stdout
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    shutil.copy(ours / "dump.rdb", theirs)
    with real(theirs) as run:
        assert contents(run) == before
        run("SAVE")
        payloads = {key: run("DUMP", key) for key in before}
    shutil.copy(theirs / "dump.rdb", ours)
    with kvstore.connect(str(ours), **{"enable-debug-command": "yes"}) as kv:
        kv.execute("DEBUG", "RELOAD", "NOSAVE")
        assert contents(kv.execute) == before
        for key, payload in payloads.items():
            kv.execute("RESTORE", key, max(0, kv.execute("PEXPIRETIME", key)), payload,
                       "REPLACE", "ABSTTL")
        assert contents(kv.execute) == before


@pytest.mark.peer
def test_each_opens_the_others_append_only_folder(tmp_path):
    with kvstore.connect(str(tmp_path)) as kv:
        for words in FORMS:
            kv.execute(*words)
        kv.execute("BGREWRITEAOF")
        kv.execute("RPUSH", "list", "later")
        before = contents(kv.execute)
    with real(tmp_path, "--appendonly", "yes") as run:
        assert contents(run) == before
        run("BGREWRITEAOF")
        wait_until(lambda: b"aof_rewrite_in_progress:0" in run("INFO", "persistence"))
        run("SET", "last", "one")
        before = contents(run)
    with kvstore.connect(str(tmp_path)) as kv:
        assert contents(kv.execute) == before


@pytest.mark.peer
@pytest.mark.parametrize("sets", [15, pytest.param(1000, marks=pytest.mark.slow)])
@pytest.mark.timeout(400)
def test_generated_data_sets_go_both_ways(tmp_path, sets):
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    ours.mkdir()
    theirs.mkdir()
    debug = {"enable-debug-command": "yes"}
    with (
        real(theirs, "--enable-debug-command", "yes") as run,
        kvstore.connect(str(ours), **debug) as kv,
    ):
        for seed in range(sets):
            rand = random.Random(seed)
            kv.execute("FLUSHALL")
            fill(kv.execute, seed, rand.choice([10, 100, 600]))
            time.sleep(0.003)  # what is to die soon is dead before it is compared
            kv.execute("SAVE")
            before = contents(kv.execute)
            shutil.copy(ours / "dump.rdb", theirs)
            run("DEBUG", "RELOAD", "NOSAVE")
            assert contents(run) == before, seed
            run("SAVE")
            shutil.copy(theirs / "dump.rdb", ours)
            kv.execute("DEBUG", "RELOAD", "NOSAVE")
            assert contents(kv.execute) == before, seed


def assets():
    """Files of old servers, from a checkout of redis given by BEDROCK_REDIS_SOURCE."""
    folder = os.environ.get("BEDROCK_REDIS_SOURCE")
    found = pathlib.Path(folder, "tests/assets").glob("*.rdb") if folder else []
    # redis-server itself dies of this one.
    return sorted(path for path in found if path.stem != "corrupt_ziplist")


@pytest.mark.peer
@pytest.mark.parametrize("path", assets(), ids=lambda path: path.stem)
def test_files_of_old_servers(tmp_path, path):
    shutil.copy(path, tmp_path / "dump.rdb")
    with real(tmp_path) as run:
        before = contents(run)
    with kvstore.connect(str(tmp_path), **{"enable-debug-command": "yes"}) as kv:
        kv.execute("DEBUG", "RELOAD", "NOSAVE")
        assert contents(kv.execute) == before


def test_flushall_ends_a_background_save(tmp_path):
    with (
        bedrock.run("kvstore", appendonly=False, data_dir=str(tmp_path)) as server,
        redis.Redis(port=server.port) as client,
    ):
        client.config_set("rdb-key-save-delay", 1000)
        client.mset({f"k{i}": i for i in range(5000)})
        client.bgsave()
        wait_until(lambda: client.info("persistence")["rdb_bgsave_in_progress"] == 1)
        client.flushall()
        wait_until(lambda: client.info("persistence")["rdb_bgsave_in_progress"] == 0, 2)
        client.config_set("save", "3600 1")
        client.config_set("rdb-key-save-delay", 0)
        assert client.set("a", 1) and client.save()
    assert [path.name for path in tmp_path.glob("*.rdb")] == ["dump.rdb"]
