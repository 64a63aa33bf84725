"""The log engine: strings and hashes on disk answer as those in memory do, also after a restart."""

import random
import subprocess
import sys
from contextlib import suppress

import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st

import bedrock
from bedrock.storage.errors import Damaged
from kvstore.directory import Directory
from tests.kvstore.compare import contents, runner, wait_until

LOG = {"engine": "log", "appendfsync": "no"}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 300)), max_size=600), st.integers(1, 70))
def test_the_directory_is_a_multimap_of_hashes(steps, count):
    directory, model = Directory(), {}
    for i, (add, number) in enumerate(steps):
        h = (number * 0x9E3779B97F4A7C15) & 0xFFFFFFFFFF000000
        if add or number not in model:
            directory.note(h, 8 * (i + 1))
            model.setdefault(number, []).append(8 * (i + 1))
        else:
            directory.forget(h, model[number].pop(0))
            if not model[number]:
                del model[number]
        assert sorted(directory.noted(h)) == sorted(model.get(number, []))
    assert len(directory) == sum(map(len, model.values()))


@pytest.fixture
def both(tmp_path):
    """Commands run on both engines; replies must be equal."""
    with (
        bedrock.run("kvstore", data_dir=str(tmp_path / "log"), set=["enable-debug-command=yes"],
                    **LOG) as log,
        bedrock.run("kvstore", appendonly=False) as memory,
    ):
        ours, theirs = runner(log.port), runner(memory.port)

        def run(*words):
            answers = []
            for each in (ours, theirs):
                try:
                    answers.append(each(*words))
                except redis.ResponseError as error:
                    answers.append(str(error))
            assert answers[0] == answers[1], words
            return answers[0]

        yield run, ours, theirs


def invent(rand):
    key, other = f"k{rand.randrange(12)}", f"k{rand.randrange(12)}"
    return rand.choice([
        ("SET", key, rand.random()), ("GET", key), ("APPEND", key, "x" * rand.randrange(2000)),
        ("INCR", key), ("DEL", key, other), ("EXISTS", key, other), ("MGET", key, other, "none"),
        ("MSET", key, 1, other, 2), ("SETNX", key, "n"), ("GETDEL", key), ("STRLEN", key),
        ("EXPIRE", key, 1000), ("PERSIST", key), ("TTL", key), ("RENAME", key, other),
        ("COPY", key, other), ("TYPE", key), ("SET", key, "t", "KEEPTTL"), ("SETBIT", key, 99, 1),
        ("HSET", key, f"f{rand.randrange(9)}", rand.random()), ("HGETALL", key),
        ("HDEL", key, "f1"),
        ("HINCRBY", key, "f2", 3), ("HLEN", key), ("DBSIZE",), ("SETRANGE", key, 50, "abc"),
        ("GETEX", key, "PX", 10**7), ("EXPIRE", key, -1),
        ("HSET", key, *(w for i in range(200) for w in (f"g{i}", i))), ("UNLINK", key),
    ])  # fmt: skip


def test_random_commands_answer_alike_through_restarts(tmp_path, both):
    run, ours, theirs = both
    rand = random.Random(4)
    for _ in range(4000):
        run(*invent(rand))
    assert sorted(ours("KEYS", "*")) == sorted(theirs("KEYS", "*"))
    assert contents(ours) == contents(theirs)


def test_it_is_all_there_after_a_restart_and_after_kill_9(tmp_path):
    options = {**LOG, "data_dir": str(tmp_path), "appendfsync": "always", "log_level": "error"}
    with bedrock.run("kvstore", process=True, **options) as server:
        run = runner(server.port)
        rand = random.Random(5)
        for _ in range(500):
            with suppress(redis.ResponseError):
                run(*invent(rand))
        before = contents(run)
        server.restart()
        assert contents(runner(server.port)) == before
        runner(server.port)("FLUSHALL")
        runner(server.port)("SET", "a", 1)
        server.restart()
        assert list(contents(runner(server.port))) == [b"a"]


def test_dead_records_are_cleaned_up_and_hints_are_read(tmp_path):
    options = {**LOG, "data_dir": str(tmp_path)}
    with bedrock.run("kvstore", **options) as server, redis.Redis(port=server.port) as client:
        for turn in range(8):
            for start in range(0, 60_000, 5_000):
                client.mset({f"k{i}": f"{turn}:{i}" * 10 for i in range(start, start + 5_000)})
        engine = server.server.store.log_engine
        wait_until(lambda: engine.total < 250_000 and engine.cleaning.task is None)
        assert client.get("k123") == b"7:123" * 10
        assert client.dbsize() == 60_000
        found = set()
        for key in client.scan_iter(count=1000):
            assert key not in found
            found.add(key)
        assert len(found) == 60_000
    with bedrock.run("kvstore", **options) as server, redis.Redis(port=server.port) as client:
        assert client.dbsize() == 60_000
        assert client.mget(*(f"k{i}" for i in range(0, 60_000, 1000))) == [
            b"%d:%d" % (7, i) * 10 for i in range(0, 60_000, 1000)]
        assert client.randomkey().startswith(b"k")


@pytest.mark.parametrize("words", [
    ("LPUSH", "l", 1), ("SADD", "s", 1), ("ZADD", "z", 1, "a"), ("XADD", "x", "*", "a", 1),
])  # fmt: skip
def test_other_types_are_refused_clearly(both, words):
    _, ours, _ = both
    with pytest.raises(redis.ResponseError, match="strings and hashes only"):
        ours(*words)
    assert ours("DBSIZE") == 0 and ours("EXISTS", words[1]) == 0


@pytest.mark.parametrize("words", [
    ("SWAPDB", 0, 1), ("CONFIG", "SET", "appendonly", "yes"), ("BGREWRITEAOF",),
    ("DEBUG", "CHECKPOINT"),
])  # fmt: skip
def test_what_it_cannot_do_is_refused(both, words):
    _, ours, _ = both
    with pytest.raises(redis.ResponseError, match="log engine"):
        ours(*words)


def test_what_was_acknowledged_is_there_after_each_kill_9(tmp_path):
    options = {**LOG, "data_dir": str(tmp_path), "appendfsync": "always", "log_level": "error"}
    rand, model = random.Random(7), {}
    with bedrock.run("kvstore", process=True, **options) as server:
        for turn in range(4):
            with redis.Redis(port=server.port) as client, client.pipeline(False) as pipe:
                for _ in range(30):
                    written = {f"k{rand.randrange(500)}": f"{turn}" * rand.randrange(1, 400)
                               for _ in range(10)}
                    doomed = rand.sample(range(500), 3)
                    for key, value in written.items():
                        pipe.set(key, value)
                    for number in doomed:
                        pipe.delete(f"k{number}")
                    pipe.execute()
                    model |= written
                    for number in doomed:
                        model.pop(f"k{number}", None)
                # Sent, but not waited for: it may be there or not.
                client.connection_pool.get_connection().send_command("SET", "unsure", turn)
            server.restart()
            with redis.Redis(port=server.port, decode_responses=True) as client:
                keys = sorted(set(client.keys()) - {"unsure"})
                assert keys == sorted(model)
                assert client.mget(keys) == [model[key] for key in keys]


def test_keys_whose_time_has_passed_are_not_kept_by_cleaning_up(tmp_path):
    with bedrock.run("kvstore", **LOG) as server, redis.Redis(port=server.port) as client:
        with client.pipeline(False) as pipe:
            for i in range(2000):
                pipe.set(f"mortal{i}", "x" * 8000, px=1)
            pipe.execute()
        for turn in range(8):
            for start in range(0, 40_000, 4000):
                client.mset({f"k{i}": f"{turn}" * 100 for i in range(start, start + 4000)})
        wait_until(lambda: client.dbsize() == 40_000)
        assert not list(client.scan_iter("mortal*"))


def test_a_hint_that_was_damaged_counts_for_nothing(tmp_path):
    options = {**LOG, "data_dir": str(tmp_path)}
    with bedrock.run("kvstore", **options) as server, redis.Redis(port=server.port) as client:
        for i in range(40):
            client.set(f"k{i}", bytes([i]) * (1 << 20))
    hints = list((tmp_path / "kvlog").glob("*.hint"))
    assert hints
    for hint in hints:
        data = bytearray(hint.read_bytes())
        data[len(data) // 2] ^= 1
        hint.write_bytes(data)
    with bedrock.run("kvstore", **options) as server, redis.Redis(port=server.port) as client:
        assert all(client.get(f"k{i}") == bytes([i]) * (1 << 20) for i in range(40))


def test_a_full_disk_refuses_writes_and_answers_reads_until_there_is_room(small_disk):
    filler = small_disk / "filler"
    options = {**LOG, "data_dir": str(small_disk / "data")}
    with (
        bedrock.run("kvstore", process=True, **options) as server,
        redis.Redis(port=server.port) as client,
    ):
        client.hset("big", mapping={f"f{i}": bytes(1000) for i in range(40)})
        client.set("kept", "x")
        filler.write_bytes(bytes(100_000))
        written = 0
        with pytest.raises(redis.ResponseError, match=r"^MISCONF Errors writing"):
            while True:
                client.set(f"k{written}", bytes(30_000))
                written += 1
        # A request of a few bytes, whose record is long: it is refused, or there is room for it.
        with pytest.raises(redis.ResponseError, match=r"^MISCONF Errors writing"):
            for i in range(40):
                client.hset("big", "more", i)
        seen = int(client.hget("big", "more") or -1)
        assert client.get(f"k{written}") is None and client.get("kept") == b"x"
        filler.unlink()
        client.set("again", 1)
        server.restart()
    with (
        bedrock.run("kvstore", **options) as server,
        redis.Redis(port=server.port) as client,
    ):
        assert client.dbsize() == written + 3 and client.get("again") == b"1"
        assert int(client.hget("big", "more") or -1) == seen and client.hlen("big") >= 40


def test_a_record_that_was_damaged_is_not_skipped(tmp_path):
    options = {**LOG, "data_dir": str(tmp_path)}
    with bedrock.run("kvstore", **options) as server, redis.Redis(port=server.port) as client:
        for i in range(40):
            client.set(f"k{i}", bytes([i]) * (1 << 20))
    for hint in (tmp_path / "kvlog").glob("*.hint"):
        hint.unlink()
    first = min((tmp_path / "kvlog").glob("*.log"))
    with first.open("r+b") as file:
        file.seek(5 << 20)
        file.write(b"damage")
    with pytest.raises(Damaged, match="bad record"):
        bedrock.run("kvstore", **options)
    done = subprocess.run([sys.executable, "-m", "kvstore", "check", str(tmp_path)],
                          capture_output=True, text=True, timeout=60)  # fmt: skip
    assert done.returncode and "kvlog/" in done.stdout
