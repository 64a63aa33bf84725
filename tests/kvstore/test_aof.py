"""The append-only file: what was acknowledged is there, whatever happened since."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import redis

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


@pytest.mark.parametrize("rounds", [5, pytest.param(50, marks=pytest.mark.slow)])
def test_no_acknowledged_write_is_lost_to_kill_9(tmp_path, rounds):
    acknowledged = 0
    for _ in range(rounds):
        ready = tmp_path / "ready"
        ready.unlink(missing_ok=True)
        process = subprocess.Popen(
            [sys.executable, "-m", "kvstore", "serve", "--port", "0", "--data-dir",
             str(tmp_path / "data"), "--appendfsync", "always", "--ready-file", str(ready)],
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            while not ready.exists():
                assert process.poll() is None
                time.sleep(0.01)
            client = redis.Redis(port=json.loads(ready.read_text())["ports"]["port"])
            assert int(client.get("n") or 0) in (acknowledged, acknowledged + 1)
            until = time.monotonic() + 0.2
            while time.monotonic() < until:
                acknowledged = client.incr("n")
        finally:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
    assert acknowledged > 100
