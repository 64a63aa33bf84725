"""What Redis has not: time that a test steers, faults on purpose, and going back in an instant."""

import threading
import time
from contextlib import suppress

import pytest
import redis

import bedrock
from kvstore.lab import OPTIONS, Lab
from tests.kvstore.compare import contents, runner, wait_until

KEYS = 10_000


# ------------------------------------------------------------------ time


def test_a_key_dies_when_time_is_moved_on(kvstore_lab):
    kv = kvstore_lab.client
    began = kvstore_lab.freeze()
    kv.set("session", "ada", ex=1800)
    assert kv.pttl("session") == 1_800_000
    time.sleep(0.02)
    assert kvstore_lab.now_ms() == began
    assert kvstore_lab.advance(1799.999) == began + 1_799_999
    assert kv.get("session") == "ada" and kv.pttl("session") == 1
    kvstore_lab.advance(0.001)
    assert kv.get("session") is None


def test_frozen_time_goes_on_from_where_it_stood(kvstore_lab):
    began = kvstore_lab.freeze()
    kvstore_lab.advance(86_400)
    time.sleep(0.05)
    thawed = kvstore_lab.thaw()
    assert began + 86_400_000 <= thawed < began + 86_400_000 + 40
    wait_until(lambda: kvstore_lab.now_ms() > thawed)


def test_a_wait_ends_when_its_time_has_come_and_not_before(kvstore_lab):
    kvstore_lab.freeze()
    answers = []

    def pop():
        with redis.Redis(port=kvstore_lab.server.port) as client:
            answers.append(client.blpop("queue", timeout=60))

    waiter = threading.Thread(target=pop)
    waiter.start()
    wait_until(lambda: kvstore_lab.client.info("clients")["blocked_clients"] == 1)
    kvstore_lab.advance(59)
    time.sleep(0.03)
    assert not answers
    kvstore_lab.advance(1)
    waiter.join(5)
    assert answers == [None]


def test_dead_keys_go_by_themselves_while_time_stands(kvstore_lab):
    kvstore_lab.freeze()
    kvstore_lab.client.set("k", 1, px=50)
    kvstore_lab.advance(1)
    wait_until(lambda: kvstore_lab.client.dbsize() == 0)


# ------------------------------------------------------------------ faults


def test_latency_delays_the_one_command_and_keeps_the_order(kvstore_lab):
    kv = kvstore_lab.client
    kvstore_lab.latency(60, on="get", times=1)
    kv.set("a", 1)
    begun = time.monotonic()
    with kv.pipeline(transaction=False) as pipe:
        assert pipe.get("a").incr("a").get("a").execute() == ["1", 2, "2"]
    assert 0.055 < time.monotonic() - begun < 1
    assert kvstore_lab.debug("FAULT", "LIST") == []


def test_a_delayed_command_may_block(kvstore_lab):
    kvstore_lab.latency(20, on="blpop")
    answers = []
    with redis.Redis(port=kvstore_lab.server.port) as client:
        waiter = threading.Thread(target=lambda: answers.append(client.blpop("q", timeout=5)))
        waiter.start()
        wait_until(lambda: kvstore_lab.client.info("clients")["blocked_clients"] == 1)
        kvstore_lab.client.rpush("q", "x")
        waiter.join(5)
    assert answers == [(b"q", b"x")]


def test_errors_come_as_often_as_asked_for(kvstore_lab):
    kv = kvstore_lab.client
    kvstore_lab.error("OOM command not allowed", on="set", times=2)
    for _ in range(2):
        with pytest.raises(redis.OutOfMemoryError):
            kv.set("a", 1)
    assert kv.set("a", 1)
    kvstore_lab.error("ERR sometimes", on="get", chance=0.5)
    failed = 0
    for _ in range(200):
        try:
            kv.get("a")
        except redis.ResponseError:
            failed += 1
    assert 50 < failed < 150
    kvstore_lab.heal()
    assert kv.get("a") == "1"


def test_an_error_spoils_a_transaction(kvstore_lab):
    kvstore_lab.error("ERR no", on="incrby")
    with kvstore_lab.client.pipeline() as pipe, pytest.raises(redis.ResponseError, match="no"):
        pipe.set("a", 1).incr("a").execute()
    assert kvstore_lab.client.get("a") is None


@pytest.mark.parametrize(("lose", "after"), [(False, None), (True, "1")])
def test_a_broken_connection_before_and_after_the_command(kvstore_lab, lose, after):
    kvstore_lab.disconnect(lose=lose, on="set", times=1)
    with (
        redis.Redis(port=kvstore_lab.server.port, retry=None) as client,
        pytest.raises(redis.ConnectionError),
    ):
        client.set("a", 1)
    assert kvstore_lab.client.get("a") == after


@pytest.mark.parametrize("words", [
    ["BOREDOM"], ["LATENCY"], ["LATENCY", "x"], ["LATENCY", "-1"], ["ERROR", "e", "ON"],
    ["ERROR", "e", "TIMES", "many"], ["LOSE", "WHEN", "now"], [],
])  # fmt: skip
def test_what_is_no_fault_is_refused(kvstore_lab, words):
    with pytest.raises(redis.ResponseError):
        kvstore_lab.debug("FAULT", *words)
    assert kvstore_lab.debug("FAULT", "LIST") == []


# ------------------------------------------------------------------ going back

CHANGES = [
    ("APPEND", "s", "x"), ("SETRANGE", "s", 3, "y"), ("INCR", "n"), ("DEL", "s"),
    ("EXPIRE", "s", 9), ("PERSIST", "t"), ("RPUSH", "l", 9), ("LPOP", "l"), ("SADD", "u", "z"),
    ("SPOP", "u"),
    ("HSET", "h", "f", 2), ("HDEL", "h", "f"), ("ZADD", "z", 5, "m"), ("ZPOPMIN", "z"),
    ("XADD", "x", "*", "a", 1), ("XGROUP", "CREATE", "x", "g2", 0), ("PFADD", "p", "q"),
    ("RENAME", "s", "l"), ("COPY", "l", "new"), ("MOVE", "h", 3), ("SORT", "l", "STORE", "u"),
    ("SWAPDB", 0, 1), ("FLUSHALL",), ("FLUSHDB",), ("SET", "new", 1), ("GETDEL", "n"),
    ("XREADGROUP", "GROUP", "g", "c", "STREAMS", "x", ">"), ("SETBIT", "s", 70, 1),
]  # fmt: skip
BEGINNING = [
    ("SET", "s", "abcdef"), ("SET", "n", 7), ("SET", "t", 1, "EX", 5000), ("RPUSH", "l", 1, 2, 3),
    ("SADD", "u", 1, 2, 3), ("HSET", "h", "f", 1, "g", 2), ("ZADD", "z", 1, "a", 2, "b"),
    ("XADD", "x", "1-1", "f", "v"), ("XGROUP", "CREATE", "x", "g", 0), ("PFADD", "p", 1, 2),
]  # fmt: skip


@pytest.mark.parametrize("appendonly", [False, True])
def test_all_is_as_it_was_whatever_was_done(tmp_path, appendonly):
    options = OPTIONS | {"appendonly": appendonly, "data_dir": str(tmp_path)}
    with bedrock.run("kvstore", **options) as server:
        run = runner(server.port)
        for words in BEGINNING:
            run(*words)
        before = contents(run)
        run("DEBUG", "CHECKPOINT")
        for words in CHANGES:
            run(*words)
            run("DEBUG", "ROLLBACK")
            assert contents(run) == before, words
        for _ in range(2):
            for words in CHANGES:
                with suppress(redis.ResponseError):  # after FLUSHALL some find no key
                    run(*words)
            run("DEBUG", "ROLLBACK")
            assert contents(run) == before
        run("DEBUG", "CHECKPOINT", "DROP")
        run("SET", "kept", 1)
        with pytest.raises(redis.ResponseError, match="no checkpoint"):
            run("DEBUG", "ROLLBACK")
        after = contents(run)
    if appendonly:
        with bedrock.run("kvstore", **options) as server:
            assert contents(runner(server.port)) == after


def test_going_back_is_a_change_for_those_who_watch(kvstore_lab):
    kv = kvstore_lab.client
    kv.set("a", 1)
    kvstore_lab.checkpoint()
    with kv.pipeline() as pipe:
        pipe.watch("a")
        kv.set("b", 2)
        kvstore_lab.roll_back()
        pipe.multi()
        pipe.set("a", 3)
        with pytest.raises(redis.WatchError):
            pipe.execute()


def test_a_checkpoint_and_a_snapshot_may_be_held_at_once(tmp_path):
    with bedrock.run("kvstore", **OPTIONS | {"data_dir": str(tmp_path)}) as server:
        run = runner(server.port)
        run("SET", "a", 1)
        run("DEBUG", "CHECKPOINT")
        run("SET", "a", 2)
        run("SAVE")
        run("SET", "a", 3)
        run("DEBUG", "ROLLBACK")
        assert run("GET", "a") == b"1"
        run("DEBUG", "RELOAD", "NOSAVE")
        assert run("GET", "a") == b"2"


@pytest.fixture(scope="module")
def large():
    """A server with 10,000 keys."""
    with (
        bedrock.run("kvstore", **OPTIONS) as server,
        redis.Redis(port=server.port, decode_responses=True) as client,
    ):
        client.mset({f"k{i}": i for i in range(KEYS)})
        yield Lab(server, client)


def test_ten_thousand_keys_are_remembered_and_put_back_within_a_millisecond(large):
    checkpoint = type(large.server.server.store).execute_words
    store = large.server.server.store
    client = store.client()
    spent = []

    async def round_trip(words):
        begun = time.perf_counter()
        checkpoint(store, client, "DEBUG", "CHECKPOINT")
        between = time.perf_counter()
        for each in words:
            checkpoint(store, client, *each)
        again = time.perf_counter()
        checkpoint(store, client, "DEBUG", "ROLLBACK")
        spent.append(between - begun + time.perf_counter() - again)

    touched = [("MSET", *(w for i in range(0, KEYS, 10) for w in (f"k{i}", "other")))]
    for _ in range(5):
        large.server.call(round_trip(touched))
        assert large.client.get("k10") == "10" and large.client.dbsize() == KEYS
    assert min(spent) <= 0.001
    spent.clear()
    for _ in range(3):
        large.server.call(round_trip([("FLUSHALL",), ("SET", "x", 1)]))
        assert large.client.dbsize() == KEYS
    assert min(spent) <= 0.001


# ------------------------------------------------------------------ fixtures


def test_a_checkpoint_as_a_block(kvstore_lab):
    kv = kvstore_lab.client
    kv.set("a", 1)
    with kvstore_lab.undone():
        kv.flushall()
    assert kv.get("a") == "1"


def test_replicas_are_in_step(kvstore_replicas):
    primary, *replicas = kvstore_replicas(2)
    primary.set("a", 1)
    assert primary.wait(2, 5000) == 2
    assert [replica.get("a") for replica in replicas] == ["1", "1"]


def test_a_rollback_reaches_the_replicas(kvstore_replicas):
    primary, replica = kvstore_replicas(1)
    primary.mset({"a": 1, "b": 2})
    primary.execute_command("DEBUG", "CHECKPOINT")
    primary.flushall()
    primary.set("c", 3)
    primary.execute_command("DEBUG", "ROLLBACK")
    assert primary.wait(1, 5000) == 1
    assert sorted(replica.keys()) == ["a", "b"]


def test_nothing_of_it_is_there_unless_asked_for(kvstore):
    for words in (["CLOCK"], ["FAULT", "LIST"], ["CHECKPOINT"], ["ROLLBACK"]):
        with pytest.raises(redis.ResponseError, match="DEBUG command not allowed"):
            kvstore.execute_command("DEBUG", *words)
