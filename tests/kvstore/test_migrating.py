"""MIGRATE to another kvstore and to a redis-server; PUBLISH, which replicas hear too."""

import pytest
import redis

import bedrock
from tests.kvstore.compare import real, wait_until


@pytest.fixture
def here(tmp_path):
    with (
        bedrock.run("kvstore", data_dir=str(tmp_path / "here")) as server,
        redis.Redis(port=server.port) as client,
    ):
        yield client


@pytest.fixture(params=["kvstore", pytest.param("redis-server", marks=pytest.mark.peer)])
def there(request, tmp_path):
    """The port keys go to."""
    folder = tmp_path / "there"
    folder.mkdir()
    if request.param == "kvstore":
        with bedrock.run("kvstore", data_dir=str(folder)) as server:
            yield server.port
    else:
        with real(folder) as run:
            yield int(run("CONFIG", "GET", "port")[1])


def test_keys_of_every_kind_move_with_their_time_to_live(here, there):
    here.set("text", "a", ex=1000)
    here.rpush("list", 1, 2)
    here.zadd("board", {"ada": 2})
    assert here.migrate("127.0.0.1", there, ["text", "list", "board", "none"], 3, 5000) == b"OK"
    assert here.dbsize() == 0
    with redis.Redis(port=there, db=3) as other:
        assert other.get("text") == b"a" and 990 < other.ttl("text") <= 1000
        assert other.lrange("list", 0, -1) == [b"1", b"2"] and other.zscore("board", "ada") == 2
    assert here.migrate("127.0.0.1", there, "text", 3, 5000) == b"NOKEY"


def test_a_key_that_is_there_already_stays_here_unless_it_may_be_replaced(here, there):
    with redis.Redis(port=there) as other:
        other.set("k", "theirs")
        here.mset({"k": "ours", "free": 1})
        with pytest.raises(redis.ResponseError, match=r"Target instance replied .*BUSYKEY"):
            here.migrate("127.0.0.1", there, ["k", "free"], 0, 5000)
        assert here.keys() == [b"k"] and other.get("free") == b"1"  # what arrived has moved
        here.migrate("127.0.0.1", there, "k", 0, 5000, copy=True, replace=True)
        assert here.get("k") == other.get("k") == b"ours"


def test_nothing_moves_to_where_nobody_listens(here):
    here.set("k", 1)
    with pytest.raises(redis.ResponseError, match="IOERR error or timeout writing"):
        here.migrate("127.0.0.1", 1, "k", 0, 500)
    assert here.get("k") == b"1"
    with pytest.raises(redis.ResponseError, match="transaction or a script"):
        here.pipeline().execute_command("MIGRATE", "127.0.0.1", 1, "k", 0, 9).execute()


@pytest.mark.peer
def test_who_listens_at_a_replica_hears_what_is_published_at_the_primary(here, tmp_path):
    here.set("before", 1)
    port = here.connection_pool.connection_kwargs["port"]
    with real(tmp_path, "--replicaof", f"127.0.0.1 {port}") as run:
        wait_until(lambda: b"master_link_status:up" in run("INFO", "replication"))
        port = int(run("CONFIG", "GET", "port")[1])
        with redis.Redis(port=port) as replica, replica.pubsub() as listener:
            listener.subscribe("news")
            assert listener.get_message(timeout=5)["type"] == "subscribe"
            with here.pipeline() as pipe:
                pipe.set("a", 1).publish("news", "one").set("b", 2).execute()
            assert listener.get_message(timeout=5)["data"] == b"one"
            assert replica.mget("a", "b") == [b"1", b"2"]
            here.publish("news", "two")
            assert listener.get_message(timeout=5)["data"] == b"two"
