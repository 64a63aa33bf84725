"""maxmemory: what the data takes is known to the byte, and the right keys go."""

import gc
import random

import pytest

import kvstore
from kvstore.memory import data_bytes
from kvstore.resp import ReplyError


@pytest.fixture
def kv():
    with kvstore.connect() as store:
        yield store


def limit(kv, room: int, policy: str) -> None:
    used = kv.store.evictor.used_memory()
    kv.execute("CONFIG", "SET", "maxmemory", used + room, "maxmemory-policy", policy)


def test_every_type_gives_back_what_it_took(kv):
    rand = random.Random(7)
    gc.collect()
    kv.execute("SET", "warm", 1)
    kv.execute("FLUSHALL")
    before = data_bytes()
    for n in (3, 300):
        for i in range(n):
            text = bytes(rand.randrange(1, 200))
            kv.execute("SET", f"s{i}", text)
            kv.execute("APPEND", f"s{i}", text)
            kv.execute("HSET", "hash", f"f{i}", text)
            kv.execute("SADD", "set", text + b"%d" % i)
            kv.execute("SADD", "numbers", i)
            kv.execute("ZADD", "zset", i, text + b"%d" % i)
            kv.execute(rand.choice(["LPUSH", "RPUSH"]), "list", text)
            kv.execute("XADD", "stream", "*", "f", text)
            kv.execute("EXPIRE", f"s{i}", 1000)
        grown = data_bytes()
        assert grown > before
        assert sum(kv.execute("MEMORY", "USAGE", key) for key in kv.execute("KEYS", "*")) > 0
        kv.execute("XTRIM", "stream", "MAXLEN", 1)
        kv.execute("LTRIM", "list", 1, 1)
        kv.execute("ZREMRANGEBYRANK", "zset", 1, -1)
        assert data_bytes() < grown
        for key in kv.execute("KEYS", "*"):
            kv.execute("DEL", key)
        kv.execute("FLUSHALL")
        assert data_bytes() == before


@pytest.mark.parametrize("policy", ["allkeys-lru", "allkeys-lfu", "allkeys-random"])
def test_all_keys_may_go_and_the_limit_is_kept(kv, policy):
    limit(kv, 200_000, policy)
    for i in range(5000):
        kv.execute("SET", f"key:{i}", "x" * 100)
    held = kv.store.evictor.used_memory()
    assert held <= kv.store.parameters["maxmemory"] + 1000
    assert 500 < kv.execute("DBSIZE") < 2000


@pytest.mark.parametrize(
    "policy", ["volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl"]
)
def test_only_keys_with_a_deadline_go(kv, policy):
    limit(kv, 300_000, policy)
    for i in range(500):
        kv.execute("SET", f"stays:{i}", "x" * 100)
    for i in range(5000):
        kv.execute("SET", f"goes:{i}", "x" * 100, "EX", 1000 + i)
    assert all(kv.execute("EXISTS", f"stays:{i}") for i in range(500))
    assert kv.store.keyspace.evicted > 3000
    with pytest.raises(ReplyError, match=r"^OOM command not allowed when used memory"):
        for i in range(5000):
            kv.execute("SET", f"more:{i}", "x" * 100)
    assert kv.execute("GET", "stays:1") == b"x" * 100


def test_noeviction_refuses_what_may_take_memory_and_nothing_else(kv):
    kv.execute("SET", "a", 1)
    limit(kv, -1000, "noeviction")
    for words in (["SET", "b", 1], ["LPUSH", "l", 1], ["COPY", "a", "c"]):
        with pytest.raises(ReplyError, match=r"^OOM"):
            kv.execute(*words)
    assert kv.execute("GET", "a") == b"1"
    assert kv.execute("DEL", "a") == 1


def test_what_is_used_stays(kv):
    kv.execute("CONFIG", "SET", "maxmemory-policy", "allkeys-lfu", "maxmemory-samples", 10)
    for i in range(1000):
        kv.execute("SET", f"key:{i}", "x" * 100)
    for _ in range(30):
        for i in range(100):
            kv.execute("GET", f"key:{i}")
    assert kv.execute("OBJECT", "FREQ", "key:1") > kv.execute("OBJECT", "FREQ", "key:999")
    kv.execute("CONFIG", "SET", "maxmemory", kv.store.evictor.used_memory())
    for i in range(1000, 1800):
        kv.execute("SET", f"key:{i}", "x" * 100)
    assert sum(kv.execute("EXISTS", f"key:{i}") for i in range(100)) >= 98


def test_ttl_takes_the_next_to_expire(kv):
    for i in range(300):
        kv.execute("SET", f"key:{i}", "x" * 100, "EX", 1000 + i * 10)
    kv.execute("CONFIG", "SET", "maxmemory-samples", 50)
    limit(kv, 0, "volatile-ttl")
    for i in range(300, 400):
        kv.execute("SET", f"key:{i}", "x" * 100, "EX", 100_000)
    gone = [i for i in range(400) if not kv.execute("EXISTS", f"key:{i}")]
    assert len(gone) > 80 and sum(gone) / len(gone) < 80


def test_an_evicted_key_is_recorded_as_deleted(tmp_path):
    with kvstore.connect(str(tmp_path)) as kv:
        for i in range(200):
            kv.execute("SET", f"key:{i}", "x" * 100)
        limit(kv, -10_000, "allkeys-random")
        kv.execute("PING")
        left = sorted(kv.execute("KEYS", "*"))
        assert 0 < len(left) < 200
    with kvstore.connect(str(tmp_path)) as kv:
        assert sorted(kv.execute("KEYS", "*")) == left


def test_idle_time_and_frequency_each_under_their_policy(kv):
    kv.execute("SET", "a", 1)
    assert kv.execute("OBJECT", "IDLETIME", "a") == 0
    with pytest.raises(ReplyError, match="LFU maxmemory policy is not selected"):
        kv.execute("OBJECT", "FREQ", "a")
    kv.execute("CONFIG", "SET", "maxmemory-policy", "allkeys-lfu")
    kv.execute("SET", "b", 1)
    assert kv.execute("OBJECT", "FREQ", "b") == 5
    with pytest.raises(ReplyError, match="idle time not tracked"):
        kv.execute("OBJECT", "IDLETIME", "b")
    assert kv.execute("OBJECT", "FREQ", "missing") is None
