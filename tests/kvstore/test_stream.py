"""Streams against a list of entries; groups and what is left of them after a restart."""

import bisect

import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st

import bedrock
import kvstore

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
