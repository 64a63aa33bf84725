"""Lists as runs of entries: beside a plain list, to the byte, and in redis-server's own form."""

import random
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kvstore
from kvstore.crc64 import crc64
from kvstore.memory import data_bytes
from tests.kvstore.compare import data_without_keys, real

# Texts at every border of the entries' forms, and texts that only look like numbers.
EDGES = [
    *(b"%d" % (sign * 2**bits + d)
      for bits in (7, 12, 15, 23, 31, 63) for sign in (1, -1) for d in (-1, 0, 1)),
    b"0", b"-1", b"-0", b"+1", b"01", b" 1", b"1 ", b"1.0", b"-", b"", b"9" * 19, b"9" * 20,
    b"9" * 21, b"\0", b"\xff" * 3,
    *(b"x" * n for n in (1, 62, 63, 64, 65, 124, 125, 126, 127, 4092, 4093, 4094, 4095, 4096, 8178,
                         8190, 16377, 16380, 16390, 70_000)),
]  # fmt: skip


@pytest.fixture(scope="module")
def store():
    with kvstore.connect() as kv:
        yield kv


@pytest.fixture
def kv(store):
    store.execute("FLUSHALL")
    store.execute("CONFIG", "SET", "list-max-listpack-size", -2)
    return store


TEXTS = st.one_of(
    st.sampled_from([b"a", b"b", b"1", b"300", b"y" * 900, b"z" * 3000]),
    st.sampled_from(EDGES[:-2]),
)
AT = st.integers(0, 1 << 16)
STEPS = st.one_of(
    st.tuples(st.just("push"), st.booleans(), st.lists(TEXTS, min_size=1, max_size=20)),
    st.tuples(st.just("pop"), st.booleans(), st.integers(1, 6)),
    st.tuples(st.just("insert"), st.booleans(), AT, TEXTS),
    st.tuples(st.just("set"), AT, TEXTS),
    st.tuples(st.just("remove"), st.integers(-3, 3), AT),
    st.tuples(st.just("trim"), st.integers(0, 3), st.integers(0, 3)),
    st.tuples(st.just("move"), st.booleans(), st.booleans()),
)


def take(kv, model: list[bytes], step: tuple) -> None:
    """One step, there and in the model."""
    match step:
        case "push", left, words:
            kv.execute("LPUSH" if left else "RPUSH", "l", *words)
            model[:] = [*words[::-1], *model] if left else [*model, *words]
        case "pop", left, count:
            gone = model[:count] if left else model[::-1][:count]
            assert kv.execute("LPOP" if left else "RPOP", "l", count) == (gone or None)
            model[:] = model[count:] if left else model[: max(len(model) - count, 0)]
        case _ if not model:
            return
        case "insert", after, at, word:
            pivot = model[at % len(model)]
            model.insert(model.index(pivot) + after, word)
            kv.execute("LINSERT", "l", "AFTER" if after else "BEFORE", pivot, word)
        case "set", at, word:
            kv.execute("LSET", "l", at % len(model), word)
            model[at % len(model)] = word
        case "remove", count, at:
            word = model[at % len(model)]
            found = [i for i, each in enumerate(model) if each == word]
            gone = found[:count] if count > 0 else found[count:] if count else found
            assert kv.execute("LREM", "l", count, word) == len(gone)
            model[:] = [each for i, each in enumerate(model) if i not in gone]
        case "trim", first, last:
            kv.execute("LTRIM", "l", first, -1 - last)
            model[:] = model[first : max(len(model) - last, 0)]
        case "move", left, to_left:
            word = model.pop(0 if left else -1)
            model.insert(0 if to_left else len(model), word)
            assert kv.execute("LMOVE", "l", "l", "LEFT" if left else "RIGHT",
                              "LEFT" if to_left else "RIGHT") == word  # fmt: skip


@settings(max_examples=120, deadline=None)
@given(st.lists(STEPS, max_size=60), st.sampled_from([-1, -2, 1, 2, 5]), AT, st.integers(1, 4))
def test_a_list_in_runs_is_a_list(store, steps, limit, at, times):
    kv, model = store, []
    kv.execute("FLUSHALL")
    kv.execute("CONFIG", "SET", "list-max-listpack-size", limit)
    for step in steps:
        take(kv, model, step)
        assert kv.execute("LLEN", "l") == len(model)
    assert kv.execute("LRANGE", "l", 0, -1) == model
    if not model:
        return
    first = at % len(model)
    assert kv.execute("LRANGE", "l", first, first + 9) == model[first : first + 10]
    assert kv.execute("LINDEX", "l", first) == kv.execute("LINDEX", "l", first - len(model)) \
        == model[first]
    word = model[first]
    found = [i for i, each in enumerate(model) if each == word]
    for rank in (times, -times):
        for most in (0, at % len(model) + 1):
            near = [i for i in found if not most or (i < most if rank > 0
                                                     else i >= len(model) - most)]
            expected = (near if rank > 0 else near[::-1])[times - 1 :]
            assert kv.execute("LPOS", "l", word, "RANK", rank, "COUNT", 0, "MAXLEN", most) \
                == expected
            assert kv.execute("LPOS", "l", word, "RANK", rank, "COUNT", 2) \
                == (found if rank > 0 else found[::-1])[times - 1 : times + 1]
    for limit_then in (-2, 3):
        kv.execute("CONFIG", "SET", "list-max-listpack-size", limit_then)
        kv.execute("RESTORE", "again", 0, kv.execute("DUMP", "l"), "REPLACE")
        kv.execute("COPY", "again", "copy", "REPLACE")
        kv.execute("RPUSH", "again", "more")
        assert kv.execute("LRANGE", "copy", 0, -1) == model


@pytest.mark.parametrize("limit", [-2, 1])
def test_every_text_comes_back_as_it_was(kv, limit):
    kv.execute("CONFIG", "SET", "list-max-listpack-size", limit)
    kv.execute("RPUSH", "l", *EDGES)
    assert kv.execute("LRANGE", "l", 0, -1) == EDGES
    assert kv.execute("RPOP", "l", len(EDGES) - 1) == EDGES[:0:-1]
    kv.execute("LPUSH", "l", *EDGES)
    assert [kv.execute("LPOS", "l", word) for word in EDGES] == [
        len(EDGES) - 1 - EDGES.index(word) for word in EDGES]
    assert kv.execute("LPOP", "l", len(EDGES)) == EDGES[::-1]


def test_memory_is_counted_to_the_byte_and_given_back(kv):
    before, rand, model = data_without_keys(kv), random.Random(8), []
    for _ in range(3000):
        kind = rand.choice(["push"] * 6 + ["pop", "insert", "set", "remove", "move"])
        word, at, left = rand.choice(EDGES[:-2]), rand.randrange(1 << 16), rand.random() < 0.5
        take(kv, model, {"push": (kind, left, [word] * rand.randrange(1, 9)),
                         "pop": (kind, left, 5), "insert": (kind, left, at, word),
                         "set": (kind, at, word), "remove": (kind, rand.choice([1, -1]), at),
                         "move": (kind, left, not left)}[kind])  # fmt: skip
    assert kv.execute("LRANGE", "l", 0, -1) == model
    assert data_bytes() - before > sum(map(len, model)) / 2
    kv.execute("COPY", "l", "copy")
    kv.execute("DEL", "l")
    kv.execute("LTRIM", "copy", 5, 4)
    assert data_bytes() == before


def test_a_long_list_takes_little_more_than_its_elements(kv):
    for i in range(0, 100_000, 100):
        kv.execute("LPUSH", "short", *[b"element:%d" % k for k in range(i, i + 100)])
        kv.execute("RPUSH", "long", *[b"%099d:" % k for k in range(i // 10, i // 10 + 10)])
        kv.execute("RPUSH", "numbers", *range(1 << 30, (1 << 30) + 100))
    for key, entry, n in (("short", 15, 100_000), ("long", 103, 10_000), ("numbers", 6, 100_000)):
        assert kv.execute("MEMORY", "USAGE", key) < entry * n * 1.04


def test_a_queue_takes_no_more_room_the_longer_it_is_used(kv):
    for push, pop in (("LPUSH", "RPOP"), ("RPUSH", "LPOP"), ("LPUSH", "LPOP")):
        waiting = []
        for i in range(20_000):
            kv.execute(push, "q", b"job %d" % i)
            waiting.append(b"job %d" % i)
            if len(waiting) > 50:
                assert kv.execute(pop, "q") == waiting.pop(0 if push != "LPUSH" or pop == "RPOP"
                                                           else -1)
        assert kv.execute("MEMORY", "USAGE", "q") < 3000
        kv.execute("DEL", "q")


def test_a_list_that_was_long_gives_its_room_back(kv):
    kv.execute("RPUSH", "l", *range(100_000))
    for pop in ("LPOP", "RPOP", "LPOP"):
        kv.execute(pop, "l", 33_300)
    assert kv.execute("LRANGE", "l", 0, -1) == [b"%d" % n for n in range(66_600, 66_700)]
    assert kv.execute("MEMORY", "USAGE", "l") < 2000


def blob(*entries: bytes) -> bytes:
    """A payload: a list of one listpack with these entries."""
    held = b"".join(entries)
    pack = struct.pack("<IH", 7 + len(held), len(entries)) + held + b"\xff"
    body = b"\x12\x01\x02" + struct.pack(">BI", 0x80, len(pack)) + pack + b"\x0a\0"
    return body + crc64(body).to_bytes(8, "little")


def test_entries_that_are_not_in_the_shortest_form_are_put_into_it(kv):
    # A text that is a number, a small number in eight bytes, a short text with a long head.
    kv.execute("RESTORE", "l", 0, blob(
        b"\x8217\x03", b"\xf4" + (5).to_bytes(8, "little") + b"\x09", b"\xe0\x01a\x03"))
    assert kv.execute("LRANGE", "l", 0, -1) == [b"17", b"5", b"a"]
    assert [kv.execute("LPOS", "l", word) for word in ("17", "5", "a")] == [0, 1, 2]


@pytest.mark.parametrize("entry", [
    b"", b"\x81", b"\x81a", b"\x81a\x03", b"\x81a\x82", b"\xe0", b"\xef\xffa\x03", b"\xf0\xff\xff",
    b"\xf0\xff\xff\xff\xffa\x06", b"\xf5" + b"\1" + bytes(7) + b"a\x0a", b"\xff", b"\xf4\0\x09",
    b"\xf1\0\0\x04",
])  # fmt: skip
def test_damaged_entries_are_refused(kv, entry):
    with pytest.raises(kvstore.ReplyError, match="Bad data format"):
        kv.execute("RESTORE", "l", 0, blob(entry))


@pytest.mark.peer
def test_small_lists_are_dumped_as_redis_server_dumps_them(kv, tmp_path):
    with real(tmp_path, "--rdbcompression", "no") as run:
        for words in ([b"a", b"b"], EDGES[:60], [b"%d" % n for n in range(-300, 300, 7)]):
            words = [word for word in words if len(word) < 64]
            for execute in (run, kv.execute):
                execute("DEL", "l")
                execute("RPUSH", "l", *words)
            assert run("DUMP", "l") == kv.execute("DUMP", "l")


@pytest.mark.peer
def test_large_lists_go_to_redis_server_and_back(kv, tmp_path):
    rand = random.Random(4)
    words = [rand.choice(EDGES) for _ in range(3000)]
    with real(tmp_path) as run:
        for limit in (-2, -5, 7):
            kv.execute("CONFIG", "SET", "list-max-listpack-size", limit)
            kv.execute("DEL", "l")
            kv.execute("RPUSH", "l", *words)
            run("RESTORE", "l", 0, kv.execute("DUMP", "l"), "REPLACE")
            assert run("LRANGE", "l", 0, -1) == words
            run("CONFIG", "SET", "list-max-listpack-size", limit)
            run("LPUSH", "l", *words[:100])
            kv.execute("RESTORE", "l", 0, run("DUMP", "l"), "REPLACE")
            assert kv.execute("LRANGE", "l", 0, -1) == words[:100][::-1] + words
