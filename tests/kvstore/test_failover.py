"""Roles that change, and what clients may do meanwhile."""

import pytest
import redis

from tests.kvstore.compare import wait_until


def port_of(client):
    """Where a client connects to."""
    return client.connection_pool.connection_kwargs["port"]


@pytest.mark.parametrize("load", ["disabled", "on-empty-db", "swapdb"])
@pytest.mark.parametrize("by_stream", ["yes", "no"])
def test_a_snapshot_arrives_every_way(kvstore_replicas, by_stream, load):
    primary, replica = kvstore_replicas(1)
    replica.replicaof("NO", "ONE")
    primary.config_set("repl-diskless-sync", by_stream)
    replica.config_set("repl-diskless-load", load)
    primary.mset({f"k{i}": "x" * (i % 500) for i in range(3000)})
    primary.rpush("long", *("y" * 1000 for _ in range(3000)))
    primary.function_load(
        "#!lua name=lib\nredis.register_function('f', function() return 1 end)")
    replica.set("old", 1)
    replica.replicaof("127.0.0.1", port_of(primary))
    wait_until(lambda: replica.info()["master_link_status"] == "up")
    assert replica.dbsize() == 3001 and replica.llen("long") == 3000
    assert replica.execute_command("DEBUG", "DIGEST") == primary.execute_command("DEBUG", "DIGEST")
    assert len(replica.function_list()) == 1
    primary.set("after", 1)
    assert primary.wait(1, 5000) == 1 and replica.get("after") == "1"


def test_primary_and_replica_change_places_without_a_snapshot(kvstore_replicas):
    old, new, third = kvstore_replicas(2)
    old.set("a", 1)
    wait_until(lambda: old.wait(2, 100) == 2)
    old.execute_command("FAILOVER", "TO", "127.0.0.1", port_of(new))
    wait_until(lambda: old.info()["master_failover_state"] == "no-failover")
    assert old.role()[0] == "slave" and new.role()[0] == "master"
    third.replicaof("127.0.0.1", port_of(new))
    new.set("b", 2)
    wait_until(lambda: new.wait(2, 100) == 2)
    assert new.info()["sync_full"] == 0 and new.info()["sync_partial_ok"] == 2
    assert old.mget("a", "b") == third.mget("a", "b") == ["1", "2"]
    with pytest.raises(redis.ReadOnlyError):
        old.set("c", 1)


def test_a_failover_that_cannot_be_is_given_up(kvstore_replicas):
    primary, replica = kvstore_replicas(1)
    with pytest.raises(redis.ResponseError, match="is not a replica"):
        primary.execute_command("FAILOVER", "TO", "nowhere", 1)
    with pytest.raises(redis.ResponseError, match="not valid when server is a replica"):
        replica.execute_command("FAILOVER")
    with pytest.raises(redis.ResponseError, match="No failover in progress"):
        primary.execute_command("FAILOVER", "ABORT")
    replica.execute_command("ACL", "SETUSER", "default", "-psync")
    primary.execute_command("FAILOVER")
    wait_until(lambda: primary.info()["master_failover_state"] == "no-failover")
    assert primary.role()[0] == "master" and primary.set("a", 1)


def test_writes_need_enough_replicas(kvstore_replicas):
    primary, replica = kvstore_replicas(1)
    primary.config_set("min-replicas-to-write", 1)
    assert primary.set("a", 1)
    replica.replicaof("NO", "ONE")
    wait_until(lambda: not primary.role()[2])
    for command in (("SET", "a", 2), ("EVAL", "return redis.call('SET', 'a', 2)", 0)):
        with pytest.raises(redis.ResponseError, match="NOREPLICAS"):
            primary.execute_command(*command)
    assert primary.get("a") == "1"


def test_a_replica_that_may_not_be_stale_says_so(kvstore_replicas):
    _, replica = kvstore_replicas(1)
    replica.config_set("replica-serve-stale-data", "no")
    assert replica.get("a") is None
    replica.replicaof("127.0.0.1", 1)
    with pytest.raises(redis.ResponseError, match="Link with MASTER is down"):
        replica.get("a")
    assert replica.info()["role"] == "slave"
    replica.replicaof("NO", "ONE")
    assert replica.set("a", 1)


def test_a_replica_may_be_writable(kvstore_replicas):
    primary, replica = kvstore_replicas(1)
    replica.config_set("replica-read-only", "no")
    assert replica.set("own", 1) and primary.get("own") is None
