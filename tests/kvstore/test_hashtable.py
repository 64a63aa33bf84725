"""The table of everything: what is put in is there, through growth and shrinking in place."""

import random

import pytest

import kvstore
from kvstore.memory import data_bytes
from tests.kvstore.compare import data_without_keys

SMALL, LARGE = 300, 60_000  # beyond LARGE of hashtable.pyx, where growth changes its step


@pytest.fixture
def store():
    with kvstore.connect() as connected:
        yield connected


def scanned(store, step: int) -> list[bytes]:
    """All members, each as often as the cursor met it."""
    cursor, found = b"0", []
    while True:
        cursor, page = store.execute("SSCAN", "s", cursor, "COUNT", step)
        found += page
        if cursor == b"0":
            return found


@pytest.mark.parametrize("most", [SMALL, LARGE])
def test_members_survive_growth_and_shrinking(store, most):
    rand, model = random.Random(most), set()
    for target in (most, most // 20, most // 2, 1, most // 3):
        while len(model) < target:
            batch = [b"m%d" % rand.randrange(most * 4) for _ in range(target // 4 + 1)]
            assert store.execute("SADD", "s", *batch) == len(set(batch) - model)
            model.update(batch)
        batch = rand.sample(sorted(model), len(model) - target)
        if batch:
            assert store.execute("SREM", "s", *batch) == len(batch)
            model.difference_update(batch)
        assert sorted(scanned(store, most // 7)) == sorted(model)
        probes = [b"m%d" % i for i in range(0, most * 4, 7)]
        assert store.execute("SMISMEMBER", "s", *probes) == [int(p in model) for p in probes]


def test_a_cursor_meets_what_stays_exactly_once(store):
    stays = [b"stay%d" % i for i in range(2000)]
    store.execute("SADD", "s", *stays)
    cursor, found, i = b"0", [], 0
    while True:
        cursor, page = store.execute("SSCAN", "s", cursor, "COUNT", 50)
        found += [member for member in page if member.startswith(b"stay")]
        if cursor == b"0":
            break
        # The table grows and shrinks again and again in between.
        i += 1
        comers = [b"come%d" % k for k in range(5000)]
        store.execute("SADD" if i % 2 else "SREM", "s", *comers)
    assert sorted(found) == sorted(stays)


LENGTHS = [0, 1, 14, 15, 127, 128, 300, 510, 511, 512, 16_383, 16_384, 100_000]


def test_words_of_every_length_are_kept_and_replaced_and_counted_to_the_byte(store):
    rand, model, members = random.Random(2), {}, set()
    before = data_without_keys(store)
    for _ in range(4000):
        field = b"%d:" % rand.randrange(300) + b"f" * rand.choice(LENGTHS[:6])
        value = bytes([rand.randrange(256)]) * rand.choice(LENGTHS)
        if rand.random() < 0.3 and model:
            field = rand.choice(list(model))
            assert store.execute("HDEL", "h", field) == 1
            del model[field]
            assert store.execute("SREM", "s", field) == (field in members)
            members.discard(field)
        else:
            assert store.execute("HSET", "h", field, value) == (field not in model)
            assert store.execute("SADD", "s", field) == (field not in members)
            model[field] = value
            members.add(field)
        assert store.execute("HGET", "h", field) == model.get(field)
    assert store.execute("HGETALL", "h") == model
    assert sorted(scanned(store, 50)) == sorted(members)
    cursor, pairs = store.execute("HSCAN", "h", 0, "COUNT", 10_000)
    assert cursor == b"0" and dict(zip(pairs[::2], pairs[1::2], strict=True)) == model
    assert store.execute("HRANDFIELD", "h") in model
    taken = store.execute("MEMORY", "USAGE", "h") + store.execute("MEMORY", "USAGE", "s")
    assert abs(data_bytes() - before - taken) < 1000
    store.execute("COPY", "h", "h2")
    store.execute("SUNIONSTORE", "s2", "s")
    store.execute("SPOP", "s2", len(members))
    store.execute("DEL", "h", "h2", "s")
    assert data_bytes() == before
