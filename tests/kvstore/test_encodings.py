"""Encodings: collections beside plain models, while they change their form on the way."""

import random
import time

import pytest

import kvstore


@pytest.fixture
def kv():
    with kvstore.connect() as store:
        yield store


def text(rand: random.Random, i: int) -> bytes:
    big = b"x" * 9000 if rand.random() < 0.01 else b"q"
    return rand.choice([b"a", b"b", b"c%d" % i, b"y" * rand.randrange(300), big])


@pytest.mark.parametrize("limit", [-2, -1, 16, 3])
def test_lists_are_lists(kv, limit):
    rand, model = random.Random(limit), []
    kv.execute("CONFIG", "SET", "list-max-listpack-size", limit)
    for i in range(4000):
        word = text(rand, i)
        at = rand.randrange(len(model)) if model else 0
        match rand.randrange(9 if model else 2):
            case 0:
                kv.execute("LPUSH", "l", word)
                model.insert(0, word)
            case 1:
                kv.execute("RPUSH", "l", word)
                model.append(word)
            case 2:
                assert kv.execute("LPOP", "l") == model.pop(0)
            case 3:
                assert kv.execute("RPOP", "l") == model.pop()
            case 4:
                kv.execute("LSET", "l", at, word)
                model[at] = word
            case 5:
                kv.execute("LINSERT", "l", "AFTER", model[at], word)
                model.insert(model.index(model[at]) + 1, word)
            case 6:
                count = rand.choice([1, -1])
                kv.execute("LREM", "l", count, model[at])
                place = model.index(model[at])
                if count < 0:
                    place = len(model) - 1 - model[::-1].index(model[at])
                del model[place]
            case 7:
                assert kv.execute("LPOS", "l", model[at]) == model.index(model[at])
            case 8 if len(model) > 200 or i % 500 == 0:
                kv.execute("LTRIM", "l", 3, -4)
                model = model[3:-3]
        assert kv.execute("LLEN", "l") == len(model)
        if i % 7 == 0:
            assert kv.execute("LRANGE", "l", 0, -1) == model
            assert kv.execute("LRANGE", "l", 2, 5) == model[2:6]
    kv.execute("DEL", "copy")
    if model:
        kv.execute("COPY", "l", "copy")
        assert kv.execute("LRANGE", "copy", 0, -1) == model


def test_sets_are_sets_in_each_form(kv):
    rand = random.Random(3)
    for kind in range(3):
        model: set[bytes] = set()
        for i in range(3000):
            number = b"%d" % rand.randrange(-400, 400)
            word = rand.choice([number, number, text(rand, i)]) if kind else number
            if kind == 1:
                word = word[:60] if len(model) < 60 else rand.choice(sorted(model))
            if rand.random() < 0.6:
                assert kv.execute("SADD", f"s{kind}", word) == (word not in model)
                model.add(word)
            else:
                assert kv.execute("SREM", f"s{kind}", word) == (word in model)
                model.discard(word)
            assert kv.execute("SISMEMBER", f"s{kind}", word) == (word in model)
            if i % 50 == 0:
                assert set(kv.execute("SMEMBERS", f"s{kind}")) == model
                assert kv.execute("SCARD", f"s{kind}") == len(model)
                if model:
                    assert kv.execute("SRANDMEMBER", f"s{kind}") in model
    assert kv.execute("OBJECT", "ENCODING", "s0") == b"intset"
    assert kv.execute("OBJECT", "ENCODING", "s1") == b"hashtable"


def test_numbers_of_every_width_are_in_one_set(kv):
    edges = [sign * 2**bits + d for bits in (15, 31, 62) for sign in (1, -1) for d in (-1, 0, 1)]
    for numbers in (edges, sorted(edges), sorted(edges, key=abs)):
        kv.execute("DEL", "s")
        for i, number in enumerate(numbers):
            assert kv.execute("SADD", "s", number) == 1
            assert kv.execute("SADD", "s", number) == 0
            assert sorted(map(int, kv.execute("SMEMBERS", "s"))) == sorted(numbers[: i + 1])
        assert kv.execute("OBJECT", "ENCODING", "s") == b"intset"
        for number in numbers:
            assert kv.execute("SISMEMBER", "s", number) == 1
            assert kv.execute("SREM", "s", number) == 1


SCORES = [0.0, -0.0, 1.5, 7, -7, 32767, 32768, -32769, 2**31 - 1, 2**31, -(2**31), 1e300, -1e-300,
          float("inf"), float("-inf")]  # fmt: skip


def test_sorted_sets_are_ordered_in_each_form(kv):
    rand = random.Random(6)
    for key, most in (("packed", 50), ("both", 400)):
        model: dict[bytes, float] = {}
        for i in range(2500):
            member = b"m%d" % rand.randrange(most)
            score = rand.choice([*SCORES, rand.randrange(100)])
            if rand.random() < 0.7:
                assert kv.execute("ZADD", key, score, member) == (member not in model)
                model[member] = score
            else:
                assert kv.execute("ZREM", key, member) == (member in model)
                model.pop(member, None)
            order = sorted(model, key=lambda m: (model[m], m))
            if member in model:
                assert kv.execute("ZRANK", key, member) == order.index(member)
                assert kv.execute("ZSCORE", key, member) == model[member]
            if i % 40 == 0:
                assert kv.execute("ZRANGE", key, 0, -1) == order
                assert kv.execute("ZRANGE", key, 1, -2, "REV") == order[::-1][1:-1]
                low, high = sorted(rand.choices(SCORES, k=2))
                assert kv.execute("ZRANGEBYSCORE", key, low, high) == [
                    m for m in order if low <= model[m] <= high]
                assert kv.execute("ZREVRANGEBYSCORE", key, high, f"({low}", "LIMIT", 1, 3) == [
                    m for m in order[::-1] if low < model[m] <= high][1:4]
                assert kv.execute("ZCOUNT", key, f"({low}", high) == sum(
                    low < value <= high for value in model.values())
                if not model:
                    continue
                kv.execute("COPY", key, "copy", "REPLACE")
                assert kv.execute("ZRANGE", "copy", 0, -1) == order
                kv.execute("RESTORE", "again", 0, kv.execute("DUMP", key), "REPLACE")
                assert kv.execute("ZRANGE", "again", 0, -1) == order
        assert kv.execute("OBJECT", "ENCODING", key) == (
            b"listpack" if key == "packed" else b"skiplist")
        while model:
            lowest = min(model, key=lambda m: (model[m], m))
            assert kv.execute("ZPOPMIN", key)[0] == lowest
            del model[lowest]
        assert kv.execute("EXISTS", key) == 0


def test_a_string_written_in_place_is_only_its_own(kv):
    kv.execute("SET", "a", "first value")
    kv.execute("COPY", "a", "b")
    kv.execute("SET", "a", "other value")
    assert kv.execute("MGET", "a", "b") == [b"other value", b"first value"]
    assert kv.execute("SET", "a", "third value", "GET") == b"other value"
    kv.execute("SET", "n", 999_999)
    kv.execute("COPY", "n", "m")
    assert [kv.execute("INCR", "n") for _ in range(3)] == [1_000_000, 1_000_001, 1_000_002]
    assert kv.execute("MGET", "n", "m") == [b"1000002", b"999999"]
    assert [kv.execute("DECRBY", "m", 990_000), kv.execute("DECR", "m")] == [9999, 9998]


def test_names_follow_the_parameters(kv):
    kv.execute("CONFIG", "SET", "set-max-intset-entries", 3, "hash-max-listpack-entries", 3,
               "zset-max-listpack-entries", 3)  # fmt: skip
    for i in range(4):
        kv.execute("SADD", "set", i)
        kv.execute("HSET", "hash", i, i)
        kv.execute("ZADD", "zset", i, i)
        found = [kv.execute("OBJECT", "ENCODING", key) for key in ("set", "hash", "zset")]
        small = [b"intset", b"listpack", b"listpack"]
        assert found == (small if i < 3 else [b"hashtable", b"hashtable", b"skiplist"])
    kv.execute("SADD", "leading", "007")
    assert kv.execute("OBJECT", "ENCODING", "leading") == b"hashtable"
    assert kv.execute("SMEMBERS", "leading") == {b"007"} or \
        kv.execute("SMEMBERS", "leading") == [b"007"]
    for key, value, name in (
        ("i", 12, b"int"), ("e", "x" * 44, b"embstr"), ("r", "x" * 45, b"raw"),
    ):  # fmt: skip
        kv.execute("SET", key, value)
        assert kv.execute("OBJECT", "ENCODING", key) == name


def test_small_collections_take_little(kv):
    for i in range(10):
        kv.execute("RPUSH", "list", f"element {i}")
        kv.execute("SADD", "set", f"member {i}")
        kv.execute("SADD", "numbers", i)
        kv.execute("HSET", "hash", f"f{i}", i)
        kv.execute("ZADD", "zset", i, f"member {i}")
    for key in ("list", "set", "numbers", "hash", "zset"):
        assert kv.execute("MEMORY", "USAGE", key) < 400
    kv.execute("HSET", "hash", "long", "v" * 60)
    for i in range(10):
        kv.execute("HDEL", "hash", f"f{i}")
    assert kv.execute("HGETALL", "hash") == {b"long": b"v" * 60}


def test_what_comes_in_the_order_of_another_table_comes_quickly(kv):
    """Keys that are copied from table to table arrive sorted by hash: no crowd may form."""
    members = [f"member:{i}" for i in range(60_000)]
    kv.execute("SADD", "set", *members)
    kv.execute("HSET", "hash", *[word for m in members for word in (m, "v")])
    began = time.perf_counter()
    kv.execute("SUNIONSTORE", "set2", "set")
    kv.execute("COPY", "set", "set3")
    kv.execute("COPY", "hash", "hash2")
    kv.execute("ZUNIONSTORE", "zset", 1, "set")
    kv.execute("RESTORE", "set4", 0, kv.execute("DUMP", "set"))
    kv.execute("RESTORE", "hash3", 0, kv.execute("DUMP", "hash"))
    assert time.perf_counter() - began < 5
    assert kv.execute("SCARD", "set4") == kv.execute("HLEN", "hash3") == 60_000
