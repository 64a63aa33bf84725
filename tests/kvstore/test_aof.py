"""The append-only file: what was acknowledged is there, whatever happened since."""

import os
import random
import subprocess
import threading
import time
from contextlib import suppress

import pytest
import redis

import bedrock
import kvstore
from bedrock.storage.errors import Damaged
from bedrock.world import OsDisk
from kvstore.check import check

INCR = "appendonlydir/appendonly.aof.1.incr.aof"


def filled(folder, n=3):
    with kvstore.connect(str(folder), appendfsync="always") as kv:
        for i in range(n):
            kv.execute("SET", f"k{i}", i)
    return folder / INCR


def test_every_type_and_deadline_survives_a_rewrite_and_a_restart(tmp_path):
    with kvstore.connect(str(tmp_path)) as kv:
        kv.execute("SET", "s", "x", "EX", 1000)
        kv.execute("RPUSH", "l", *range(100))
        kv.execute("HSET", "h", "f", "v")
        kv.execute("ZADD", "z", 1.5, "a")
        kv.execute("SADD", "e", "m")
        kv.execute("BGREWRITEAOF")
        kv.execute("LPOP", "l")
    with kvstore.connect(str(tmp_path)) as kv:
        assert 990 < kv.execute("TTL", "s") <= 1000
        assert kv.execute("LLEN", "l") == 99 and kv.execute("HGET", "h", "f") == b"v"
        assert kv.execute("ZSCORE", "z", "a") == 1.5 and kv.execute("SCARD", "e") == 1
    assert list(check(OsDisk(str(tmp_path)))) == []


@pytest.mark.parametrize("cut", [1, 20, 50, 100])
def test_a_torn_tail_is_cut(tmp_path, cut):
    path = filled(tmp_path)
    os.truncate(path, path.stat().st_size - cut)
    assert [finding.harmless for finding in check(OsDisk(str(tmp_path)))] == [True]
    with kvstore.connect(str(tmp_path)) as kv:
        assert kv.execute("DBSIZE") == 2


def test_damage_before_synced_data_is_refused_with_file_and_offset(tmp_path):
    path = filled(tmp_path)
    data = bytearray(path.read_bytes())
    data[data.index(b"k1")] ^= 1
    path.write_bytes(data)
    with pytest.raises(Damaged) as caught:
        kvstore.connect(str(tmp_path))
    assert caught.value.file.endswith("1.incr.aof") and 0 < caught.value.offset < len(data)
    assert not all(finding.harmless for finding in check(OsDisk(str(tmp_path))))


@pytest.mark.peer
def test_a_second_rewrite_in_the_same_turn_is_refused(kvstore_url):
    with redis.Redis.from_url(kvstore_url) as client:
        with client.pipeline(transaction=False) as pipe:
            pipe.incr("n").bgrewriteaof().incr("n").bgrewriteaof().incr("n")
            said = pipe.execute(raise_on_error=False)
        assert said[0] == 1 and said[2] == 2 and said[4] == 3
        assert "already in progress" in str(said[3])


def test_redis_check_aof_accepts_the_folder(tmp_path):
    from bedrock.testing import peers

    try:
        peers.find("redis-check-aof")
    except peers.PeerMissing as missing:
        pytest.skip(str(missing))
    filled(tmp_path)
    manifest = str(tmp_path / "appendonlydir/appendonly.aof.manifest")
    said = subprocess.run(["redis-check-aof", manifest], capture_output=True, text=True)
    assert "All AOF files and manifest are valid" in said.stdout


def count_up(port, key, acknowledged):
    """Increment a key until the connection breaks; now and then have the file rewritten."""
    with suppress(redis.ConnectionError), redis.Redis(port=port, retry=None) as client:
        while True:
            acknowledged[key] = client.incr(key)
            if acknowledged[key] % 97 == 0:
                with suppress(redis.ResponseError):
                    client.bgrewriteaof()


@pytest.mark.timeout(900)
@pytest.mark.parametrize("rounds", [5, pytest.param(200, marks=pytest.mark.slow)])
def test_no_acknowledged_write_is_lost_to_kill_9(tmp_path, rounds):
    acknowledged = dict.fromkeys(("a", "b", "c"), 0)
    rand = random.Random(rounds)
    options = {"data_dir": str(tmp_path), "appendfsync": "always", "log_level": "error"}
    with bedrock.run("kvstore", process=True, **options) as server:
        for _ in range(rounds):
            with redis.Redis(port=server.port) as client:
                for key, count in acknowledged.items():
                    # The last one may have been done without an answer.
                    acknowledged[key] = int(client.get(key) or 0)
                    assert acknowledged[key] in (count, count + 1)
            threads = [
                threading.Thread(target=count_up, args=(server.port, key, acknowledged))
                for key in acknowledged
            ]
            for thread in threads:
                thread.start()
            time.sleep(rand.random() * 0.2)
            server.kill()
            for thread in threads:
                thread.join()
            server.start()
    assert sum(acknowledged.values()) > 10 * rounds
