"""Streams against a list of entries; groups and what is left of them after a restart."""

import bisect

import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st

import bedrock
import kvstore
from kvstore.memory import data_bytes
from tests.kvstore.compare import real

IDS = st.tuples(st.integers(0, 30), st.integers(0, 3))
ENDS = st.one_of(st.sampled_from(["-", "+"]), IDS.map(lambda id: f"{id[0]}-{id[1]}"))
STEPS = st.one_of(
    st.tuples(st.just("add"), IDS),
    st.tuples(st.just("del"), IDS),
    st.tuples(st.just("maxlen"), st.integers(0, 8)),
    st.tuples(st.just("minid"), IDS),
    st.tuples(st.just("range"), ENDS, ENDS, st.integers(1, 20), st.booleans()),
)


def text(id):
    return f"{id[0]}-{id[1]}"


def end(word):
    return {"-": (-1, 0), "+": (99, 0)}.get(word) or tuple(map(int, word.split("-")))


@settings(max_examples=120)
@given(st.lists(STEPS, max_size=40), st.integers(1, 4))
def test_a_stream_is_a_sorted_list_of_entries(steps, node):
    kv = kvstore.connect()
    kv.execute("CONFIG", "SET", "stream-node-max-entries", node)
    kv.execute("XGROUP", "CREATE", "s", "g", "$", "MKSTREAM")
    model, last = [], (0, 0)
    for verb, *rest in steps:
        if verb == "add":
            (id,) = rest
            if id > last:
                kv.execute("XADD", "s", text(id), "f", text(id))
                model.append(id)
                last = id
            else:
                with pytest.raises(kvstore.ReplyError):
                    kv.execute("XADD", "s", text(id), "f", "v")
        elif verb == "del":
            assert kv.execute("XDEL", "s", text(rest[0])) == (rest[0] in model)
            model = [id for id in model if id != rest[0]]
        elif verb == "maxlen":
            gone = max(0, len(model) - rest[0])
            assert kv.execute("XTRIM", "s", "MAXLEN", rest[0]) == gone
            model = model[gone:]
        elif verb == "minid":
            gone = bisect.bisect_left(model, rest[0])
            assert kv.execute("XTRIM", "s", "MINID", text(rest[0])) == gone
            model = model[gone:]
        else:
            low, high, count, reverse = rest
            asked = ("XREVRANGE", "s", high, low) if reverse else ("XRANGE", "s", low, high)
            got = [entry[0].decode() for entry in kv.execute(*asked, "COUNT", count)]
            # An upper end without a number would mean all of its time; these have one.
            expected = [id for id in model if end(low) <= id <= end(high)]
            expected = expected[::-1][:count] if reverse else expected[:count]
            assert got == [text(id) for id in expected]
        assert kv.execute("XLEN", "s") == len(model)


WORDS = st.sampled_from([b"f", b"temp", b"", b"17", b"-3000", b"w" * 130, b"x" * 5000])
FIELDS = st.one_of(
    st.sampled_from([(b"temp", b"humidity"), (b"humidity", b"temp"), (b"temp",)]),
    st.lists(WORDS, min_size=1, max_size=3).map(tuple),
)
FAR = st.integers(0, 3).flatmap(lambda kind: st.tuples(
    *(st.integers(0, 2 ** (5, 33, 62, 5)[kind]), st.integers(0, 2 ** (2, 3, 5, 63)[kind]))))
ENTRIES = st.lists(
    st.tuples(FAR, FIELDS, WORDS), min_size=1, max_size=60, unique_by=lambda each: each[0])


def entries_of(kv, key):
    return [(id.decode(), words) for id, words in kv.execute("XRANGE", key, "-", "+")]


@settings(max_examples=80, deadline=None)
@given(ENTRIES, st.sampled_from([0, 1, 5, 100]), st.sampled_from([0, 300, 4096]), st.data())
def test_entries_of_any_fields_and_ids_come_back(entries, node, size, data):
    kv = kvstore.connect(**{"enable-debug-command": "yes"})
    kv.execute("CONFIG", "SET", "stream-node-max-entries", node, "stream-node-max-bytes", size)
    model = []
    for id, fields, value in sorted(entries, key=lambda each: each[0]):
        if id > (0, 0):
            words = [word for field in fields for word in (field, value)]
            kv.execute("XADD", "s", text(id), *words)
            model.append((text(id), words))
    for i in sorted(data.draw(st.sets(st.integers(0, 59), max_size=40)), reverse=True):
        if i < len(model):
            assert kv.execute("XDEL", "s", model.pop(i)[0]) == 1
    assert entries_of(kv, "s") == model
    assert entries_of(kv, "s")[::-1] == [
        (id.decode(), words) for id, words in kv.execute("XREVRANGE", "s", "+", "-")]
    if kv.execute("EXISTS", "s"):
        kv.execute("COPY", "s", "copy")
        kv.execute("RESTORE", "again", 0, kv.execute("DUMP", "s"))
        kv.execute("DEL", "s")
        assert entries_of(kv, "copy") == entries_of(kv, "again") == model
        assert len({kv.execute("DEBUG", "DIGEST-VALUE", k)[0] for k in ("copy", "again")}) == 1
        before = data_bytes()
        kv.execute("COPY", "copy", "s")
        kv.execute("DEL", "s")
        assert data_bytes() == before


def test_entries_of_a_long_stream_take_little_more_than_their_values(tmp_path):
    kv = kvstore.connect()
    for i in range(20_000):
        kv.execute("XADD", "s", f"{i}-1", "temperature", b"%08d" % i, "humidity", b"%04d" % i)
    assert kv.execute("MEMORY", "USAGE", "s") < (8 + 4 + 2 + 1 + 12) * 20_000 * 1.1
    for i in range(20_000, 30_000):
        kv.execute("XADD", "s", "MAXLEN", 1000, f"{i}-1", "temperature", b"%08d" % i)
    assert kv.execute("MEMORY", "USAGE", "s") < 30_000
    assert kv.execute("XLEN", "s") == 1000


@pytest.mark.peer
def test_streams_go_to_redis_server_and_back(tmp_path):
    kv = kvstore.connect()
    for i in range(1, 700):
        fields = (("a", i, "b", -i * 1000) if i % 7 else ("other", "x" * i))
        kv.execute("XADD", "s", f"{i // 3}-{i}", *fields)
        if i % 5 == 0:
            kv.execute("XDEL", "s", f"{i // 3}-{i}")
    with real(tmp_path) as run:
        run("RESTORE", "s", 0, kv.execute("DUMP", "s"))
        assert run("XRANGE", "s", "-", "+") == kv.execute("XRANGE", "s", "-", "+")
        run("XADD", "s", "MAXLEN", 300, "999-1", "a", 1, "b", 2)
        kv.execute("RESTORE", "s", 0, run("DUMP", "s"), "REPLACE")
        assert run("XRANGE", "s", "-", "+") == kv.execute("XRANGE", "s", "-", "+")


def state(kv):
    full = kv.execute("XINFO", "STREAM", "s", "FULL")
    for group in full[b"groups"]:
        for consumer in group[b"consumers"]:
            del consumer[b"seen-time"]
    return full


def test_groups_survive_a_restart_and_a_rewrite(tmp_path):
    with kvstore.connect(str(tmp_path)) as kv:
        for i in range(1, 31):
            kv.execute("XADD", "s", f"{i}-1", "n", i)
        kv.execute("XGROUP", "CREATE", "s", "g", 0)
        kv.execute("XREADGROUP", "GROUP", "g", "ann", "COUNT", 7, "STREAMS", "s", ">")
        kv.execute("XREADGROUP", "GROUP", "g", "bob", "COUNT", 3, "STREAMS", "s", ">")
        kv.execute("XREADGROUP", "GROUP", "g", "dan", "STREAMS", "s", "0")
        kv.execute("XREADGROUP", "GROUP", "g", "eve", "COUNT", 2, "NOACK", "STREAMS", "s", ">")
        kv.execute("XACK", "s", "g", "2-1", "8-1")
        kv.execute("XCLAIM", "s", "g", "cat", 0, "3-1")
        kv.execute("XDEL", "s", "20-1")
        kv.execute("XTRIM", "s", "MAXLEN", "~", 28)
        before = state(kv)
    assert [c[b"pel-count"] for c in before[b"groups"][0][b"consumers"]] == [5, 2, 1, 0, 0]
    assert before[b"groups"][0][b"entries-read"] == 12
    for _ in range(2):
        with kvstore.connect(str(tmp_path)) as kv:
            assert state(kv) == before
            kv.execute("BGREWRITEAOF")


def test_waiting_readers_are_served_as_entries_come():
    with (
        bedrock.run("kvstore") as server,
        redis.Redis(port=server.port, protocol=2) as one,
        redis.Redis(port=server.port, protocol=2) as two,
        redis.Redis(port=server.port) as writer,
    ):
        writer.xgroup_create("s", "g", mkstream=True)
        waiting = [one.connection_pool.get_connection(), two.connection_pool.get_connection()]
        waiting[0].send_command("XREAD", "BLOCK", 0, "STREAMS", "s", "$")
        waiting[1].send_command("XREADGROUP", "GROUP", "g", "c", "BLOCK", 0, "STREAMS", "s", ">")
        while writer.info("clients")["blocked_clients"] < 2:
            pass
        writer.xadd("s", {"a": 1}, id="5-1")
        for link in waiting:
            assert link.read_response() == [[b"s", [[b"5-1", [b"a", b"1"]]]]]
        assert writer.xpending("s", "g")["pending"] == 1
        waiting[1].send_command("XREADGROUP", "GROUP", "g", "c", "BLOCK", 0, "STREAMS", "s", ">")
        while writer.info("clients")["blocked_clients"] < 1:
            pass
        writer.delete("s")
        with pytest.raises(redis.ResponseError, match="no longer exists"):
            waiting[1].read_response()
