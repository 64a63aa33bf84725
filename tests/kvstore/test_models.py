"""Every type beside a plain model: bytes, dict, list, set, and a sorted list of (score, member).

The limits of the packed forms are drawn too and low, so that values go from one form to the other
on the way; at the end each value is dumped, restored and copied, and must be the same.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sortedcontainers import SortedList

import kvstore

SHORT = st.sampled_from([b"a", b"b", b"c", b"7", b"-12", b"", b"\0\xff", b"longer than five"])
WORDS = st.one_of(SHORT, st.binary(max_size=12))
NUMBERS = st.integers(-(2**31), 2**31)
PLACES = st.integers(-8, 8)
LIMITS = st.integers(0, 6)


@pytest.fixture(scope="module")
def store():
    with kvstore.connect(**{"enable-debug-command": "yes"}) as kv:
        yield kv


def fresh(kv, limit):
    """An empty store whose packed forms hold `limit` elements of at most five bytes."""
    kv.execute("FLUSHALL")
    kv.execute(
        "CONFIG", "SET", "hash-max-listpack-entries", limit, "hash-max-listpack-value", 5,
        "zset-max-listpack-entries", limit, "zset-max-listpack-value", 5,
        "set-max-intset-entries", limit, "list-max-listpack-size", max(limit, 1),
    )  # fmt: skip
    return kv


def comes_back(kv, key):
    """The value is the same after DUMP and RESTORE, COPY, and the way back to wide limits."""
    digest = kv.execute("DEBUG", "DIGEST-VALUE", key)
    payload = kv.execute("DUMP", key)
    kv.execute("COPY", key, "copy", "REPLACE")
    assert kv.execute("DEBUG", "DIGEST-VALUE", "copy") == digest
    for limit in (0, 512):
        kv.execute("CONFIG", "SET", "hash-max-listpack-entries", limit,
                   "zset-max-listpack-entries", limit, "set-max-intset-entries", limit)
        kv.execute("RESTORE", "again", 0, payload, "REPLACE")
        assert kv.execute("DEBUG", "DIGEST-VALUE", "again") == digest


STRING_STEPS = st.one_of(
    st.tuples(st.just("SET"), WORDS),
    st.tuples(st.just("APPEND"), WORDS),
    st.tuples(st.just("SETRANGE"), st.integers(0, 20), WORDS),
    st.tuples(st.just("GETRANGE"), PLACES, PLACES),
    st.tuples(st.just("SETBIT"), st.integers(0, 99), st.integers(0, 1)),
    st.tuples(st.just("STRLEN")),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(STRING_STEPS, max_size=30))
def test_a_string_is_bytes(store, steps):
    kv, model = fresh(store, 0), bytearray()
    for verb, *rest in steps:
        answer = kv.execute(verb, "k", *rest)
        match verb:
            case "SET":
                model = bytearray(rest[0])
            case "APPEND":
                model += rest[0]
                assert answer == len(model)
            case "SETRANGE" if rest[1]:
                model = model.ljust(rest[0] + len(rest[1]), b"\0")
                model[rest[0] : rest[0] + len(rest[1])] = rest[1]
                assert answer == len(model)
            case "GETRANGE":
                start, stop = (i if i >= 0 else i + len(model) for i in rest)
                crossed = rest[0] < 0 and rest[1] < 0 and rest[0] > rest[1]
                assert answer == (b"" if crossed else model[max(start, 0) : max(stop, 0) + 1])
            case "SETBIT":
                at, bit = divmod(rest[0], 8)
                model = model.ljust(at + 1, b"\0")
                assert answer == model[at] >> (7 - bit) & 1
                model[at] = model[at] & ~(128 >> bit) | (128 >> bit if rest[1] else 0)
        assert kv.execute("GET", "k") == (bytes(model) if kv.execute("EXISTS", "k") else None)
    if kv.execute("EXISTS", "k"):
        comes_back(kv, "k")


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["INCRBY", "DECRBY", "SET"]), NUMBERS), max_size=30))
def test_a_counter_is_a_number(store, steps):
    kv, model = fresh(store, 0), 0
    for verb, number in steps:
        answer = kv.execute(verb, "k", number)
        model = number if verb == "SET" else model + (number if verb == "INCRBY" else -number)
        assert verb == "SET" or answer == model
        assert kv.execute("GET", "k") == b"%d" % model
        assert kv.execute("OBJECT", "ENCODING", "k") == b"int"


HASH_STEPS = st.one_of(
    st.tuples(st.just("HSET"), WORDS, WORDS),
    st.tuples(st.just("HSETNX"), WORDS, WORDS),
    st.tuples(st.just("HDEL"), WORDS),
    st.tuples(st.just("HGET"), WORDS),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(HASH_STEPS, max_size=40), LIMITS)
def test_a_hash_is_a_dict(store, steps, limit):
    kv, model = fresh(store, limit), {}
    for verb, field, *rest in steps:
        answer = kv.execute(verb, "k", field, *rest)
        if verb == "HGET":
            assert answer == model.get(field)
        elif verb == "HDEL":
            assert answer == (model.pop(field, None) is not None)
        else:
            assert answer == (field not in model)
            if verb == "HSET" or field not in model:
                model[field] = rest[0]
        assert kv.execute("HLEN", "k") == len(model)
    assert kv.execute("HGETALL", "k") == model
    if model:
        assert sorted(kv.execute("HKEYS", "k")) == sorted(model)
        assert sorted(kv.execute("HSCAN", "k", 0, "COUNT", 1000)[1][::2]) == sorted(model)
        comes_back(kv, "k")


MEMBERS = st.one_of(WORDS, st.integers(-40, 40).map(lambda n: b"%d" % n))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["SADD", "SREM", "SISMEMBER"]), MEMBERS), max_size=40),
       st.sets(MEMBERS, max_size=6), LIMITS)  # fmt: skip
def test_a_set_is_a_set(store, steps, other, limit):
    kv, model = fresh(store, limit), set()
    for verb, member in steps:
        known = member in model
        assert kv.execute(verb, "k", member) == (known if verb != "SADD" else not known)
        if verb == "SADD":
            model.add(member)
        elif verb == "SREM":
            model.discard(member)
    if other:
        kv.execute("SADD", "other", *other)
    for verb, expected in (
        ("SUNION", model | other), ("SINTER", model & other), ("SDIFF", model - other),
    ):  # fmt: skip
        assert set(kv.execute(verb, "k", "other")) == expected
    assert set(kv.execute("SMEMBERS", "k")) == model
    if model:
        comes_back(kv, "k")


LIST_STEPS = st.one_of(
    st.tuples(st.sampled_from(["LPUSH", "RPUSH"]), WORDS),
    st.tuples(st.sampled_from(["LPOP", "RPOP"])),
    st.tuples(st.just("LINDEX"), PLACES),
    st.tuples(st.just("LRANGE"), PLACES, PLACES),
    st.tuples(st.just("LTRIM"), PLACES, PLACES),
    st.tuples(st.just("LREM"), st.integers(-2, 2), SHORT),
)


def part(model, start, stop):
    """What LRANGE means by two places."""
    start, stop = (i if i >= 0 else i + len(model) for i in (start, stop))
    return model[max(start, 0) : max(stop + 1, 0)]


@settings(max_examples=100, deadline=None)
@given(st.lists(LIST_STEPS, max_size=40), LIMITS)
def test_a_list_is_a_list(store, steps, limit):
    kv, model = fresh(store, limit), []
    for verb, *rest in steps:
        answer = kv.execute(verb, "k", *rest)
        match verb:
            case "LPUSH":
                model.insert(0, rest[0])
            case "RPUSH":
                model.append(rest[0])
            case "LPOP" | "RPOP":
                assert answer == (model.pop(0 if verb == "LPOP" else -1) if model else None)
            case "LINDEX":
                there = -len(model) <= rest[0] < len(model)
                assert answer == (model[rest[0]] if there else None)
            case "LRANGE":
                assert answer == part(model, *rest)
            case "LTRIM":
                model = part(model, *rest)
            case "LREM":
                count, word = rest
                found = [i for i, each in enumerate(model) if each == word]
                gone = found[:count] if count > 0 else found[count:] if count < 0 else found
                assert answer == len(gone)
                model = [each for i, each in enumerate(model) if i not in gone]
        assert kv.execute("LLEN", "k") == len(model)
    assert kv.execute("LRANGE", "k", 0, -1) == model
    if model:
        comes_back(kv, "k")


SCORES = st.one_of(st.integers(-3, 3).map(float), st.floats(-1e6, 1e6).map(lambda x: x + 0.0))
ZSET_STEPS = st.one_of(
    st.tuples(st.just("ZADD"), SCORES, WORDS),
    st.tuples(st.just("ZREM"), WORDS),
    st.tuples(st.just("ZPOPMIN")),
    st.tuples(st.just("ZPOPMAX")),
    st.tuples(st.just("ZREMRANGEBYRANK"), PLACES, PLACES),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(ZSET_STEPS, max_size=60), LIMITS, SCORES, SCORES)
def test_a_sorted_set_is_a_sorted_list_and_knows_every_rank(store, steps, limit, low, high):
    kv, scores, order = fresh(store, limit), {}, SortedList()

    def forget(pairs):
        for score, member in pairs:
            order.remove((score, member))
            del scores[member]

    for verb, *rest in steps:
        answer = kv.execute(verb, "k", *(repr(x) if isinstance(x, float) else x for x in rest))
        match verb:
            case "ZADD":
                score, member = rest
                assert answer == (member not in scores)
                if member in scores:
                    order.remove((scores[member], member))
                scores[member] = score
                order.add((score, member))
            case "ZREM":
                assert answer == (rest[0] in scores)
                if rest[0] in scores:
                    forget([(scores[rest[0]], rest[0])])
            case "ZPOPMIN" | "ZPOPMAX":
                taken = [order[0 if verb == "ZPOPMIN" else -1]] if order else []
                assert answer == [x for score, member in taken for x in (member, score)]
                forget(taken)
            case "ZREMRANGEBYRANK":
                gone = part(list(order), *rest)
                assert answer == len(gone)
                forget(gone)
    assert kv.execute("ZRANGE", "k", 0, -1) == [member for _, member in order]
    for rank, (score, member) in enumerate(order):
        assert kv.execute("ZRANK", "k", member) == rank
        assert kv.execute("ZREVRANK", "k", member) == len(order) - 1 - rank
        assert kv.execute("ZSCORE", "k", member) == score
        assert kv.execute("ZRANGE", "k", rank, rank) == [member]
    between = [member for score, member in order if low <= score <= high]
    assert kv.execute("ZRANGEBYSCORE", "k", repr(low), repr(high)) == between
    assert kv.execute("ZCOUNT", "k", repr(low), repr(high)) == len(between)
    if order:
        comes_back(kv, "k")
