"""The table of everything: what is put in is there, through growth and shrinking in place."""

import random

import pytest

import kvstore

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
