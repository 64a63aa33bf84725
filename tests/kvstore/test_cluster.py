"""Cluster mode: one node, several by a static file, and real clients that find their way."""

import socket
import subprocess

import pytest
import redis

import bedrock
from bedrock.testing import peers
from kvstore.cluster import SLOTS, main
from kvstore.slots import key_slot


@pytest.fixture
def three(kvstore_cluster):
    return kvstore_cluster(3).nodes


def refusal(client, *words) -> str:
    """The error a request is answered with, as kind and text."""
    with pytest.raises(redis.ResponseError) as caught:
        client.execute_command(*words)
    return f"{type(caught.value).__name__}: {caught.value}"


def test_slots_are_those_of_the_specification():
    assert key_slot(b"123456789") == 0x31C3 % SLOTS
    assert key_slot(b"foo{bar}baz") == key_slot(b"bar") == 5061
    assert key_slot(b"foo{}{bar}") != key_slot(b"bar")
    assert key_slot(b"foo{{bar}}") == key_slot(b"{bar")
    assert key_slot(b"") == 0


def test_a_node_alone_serves_what_it_is_given(tmp_path):
    with (
        bedrock.run("kvstore", data_dir=str(tmp_path), set=["cluster-enabled=yes"]) as server,
        redis.Redis(port=server.port, decode_responses=True) as client,
    ):
        assert refusal(client, "SET", "a", 1) == "ClusterDownError: Hash slot not served"
        client.execute_command("CLUSTER ADDSLOTSRANGE", 0, 16382)
        assert refusal(client, "SET", "a", 1) == "ClusterDownError: The cluster is down"
        client.execute_command("CLUSTER ADDSLOTS", 16383)
        assert "Slot 5 is already busy" in refusal(client, "CLUSTER ADDSLOTS", 5)
        assert client.set("a", 1)
        assert refusal(client, "MSET", "a", 1, "b", 2).startswith("ClusterCrossSlotError: Keys")
        assert client.mset({"{t}a": 1, "{t}b": 2})
        with pytest.raises(redis.exceptions.ClusterCrossSlotError), client.pipeline() as pipe:
            pipe.set("a", 1).set("b", 2).execute()
        assert "SELECT is not allowed in cluster mode" in refusal(client, "SELECT", 1)
        assert client.execute_command("CLUSTER COUNTKEYSINSLOT", key_slot(b"t")) == 2
        assert set(client.execute_command("CLUSTER GETKEYSINSLOT", key_slot(b"t"), 9)) == {
            "{t}a", "{t}b"}  # fmt: skip
        name = client.execute_command("CLUSTER MYID")
    with (
        bedrock.run("kvstore", data_dir=str(tmp_path), set=["cluster-enabled=yes"]) as server,
        redis.Redis(port=server.port, decode_responses=True) as client,
    ):
        assert client.execute_command("CLUSTER MYID") == name
        assert client.get("a") == "1"


def test_redis_py_finds_every_key(three):
    port = three[1].connection_pool.connection_kwargs["port"]
    with redis.RedisCluster(host="127.0.0.1", port=port) as client:
        for i in range(300):
            client.set(f"key:{i}", i)
        assert [client.get(f"key:{i}") for i in range(300)] == [b"%d" % i for i in range(300)]
        assert client.mget_nonatomic([f"key:{i}" for i in range(50)])[7] == b"7"
        with client.pipeline() as pipe:
            for i in range(100):
                pipe.incr(f"key:{i}")
            assert pipe.execute() == [i + 1 for i in range(100)]
        assert len(client.get_primaries()) == 3
        assert sum(node.dbsize() for node in three) == 300
    assert all(0 < node.dbsize() < 300 for node in three)


@pytest.mark.peer
def test_redis_cli_follows_redirections(three):
    cli = peers.find("redis-cli")
    port = str(three[0].connection_pool.connection_kwargs["port"])
    said = subprocess.run(
        [cli, "-c", "-p", port], input="SET foo 1\nSET bar 2\nGET foo\nGET bar\n",
        capture_output=True, text=True, timeout=20, check=True,
    ).stdout  # fmt: skip
    assert "1" in said and "2" in said and "MOVED" not in said
    checked = subprocess.run(
        [cli, "--cluster", "check", f"127.0.0.1:{port}"],
        capture_output=True, text=True, timeout=20, check=False,
    ).stdout  # fmt: skip
    assert "[OK] All 16384 slots covered." in checked
    assert "[OK] All nodes agree about slots configuration." in checked


def test_a_slot_is_handed_over_step_by_step(three):
    slot = key_slot(b"{t}")
    source = next(n for n in three if probes(n, "{t}a"))
    target = next(n for n in three if n is not source)
    ids = {n: n.execute_command("CLUSTER MYID") for n in three}
    source.set("{t}a", "x")
    source.execute_command("CLUSTER SETSLOT", slot, "MIGRATING", ids[target])
    target.execute_command("CLUSTER SETSLOT", slot, "IMPORTING", ids[source])
    assert source.get("{t}a") == "x"
    assert refusal(source, "GET", "{t}b").startswith(f"AskError: {slot} 127.0.0.1:")
    assert refusal(source, "MGET", "{t}a", "{t}b").startswith("TryAgainError:")
    assert refusal(target, "SET", "{t}b", 1).startswith(f"MovedError: {slot} 127.0.0.1:")
    with target.client() as one:
        one.execute_command("ASKING")
        one.execute_command("SET", "{t}b", 1)
        assert refusal(one, "GET", "{t}b").startswith("MovedError:")
    said = refusal(source, "CLUSTER SETSLOT", slot, "NODE", ids[target])
    assert "while I still hold keys" in said
    source.delete("{t}a")
    for node in three:
        node.execute_command("CLUSTER SETSLOT", slot, "NODE", ids[target])
    assert target.get("{t}b") == "1"
    assert refusal(source, "GET", "{t}b").startswith(f"MovedError: {slot}")


def probes(node, key: str) -> bool:
    try:
        node.execute_command("EXISTS", key)
    except redis.ResponseError:
        return False
    return True


def test_who_waits_or_listens_is_told_when_the_slot_goes(three):
    slot = key_slot(b"{t}")
    source = next(n for n in three if probes(n, "{t}a"))
    other = next(n for n in three if n is not source)
    id = other.execute_command("CLUSTER MYID")
    waiting = socket.create_connection(
        ("127.0.0.1", source.connection_pool.connection_kwargs["port"]), timeout=10)
    listening = socket.create_connection(
        ("127.0.0.1", source.connection_pool.connection_kwargs["port"]), timeout=10)
    with waiting, listening:
        waiting.sendall(b"BLPOP {t}list 0\r\n")
        listening.sendall(b"SSUBSCRIBE {t}news\r\n")
        assert b"ssubscribe" in listening.recv(1000)
        while source.info("clients")["blocked_clients"] == 0:
            pass
        source.execute_command("CLUSTER SETSLOT", slot, "NODE", id)
        assert waiting.recv(1000).startswith(b"-MOVED %d 127.0.0.1:" % slot)
        assert b"sunsubscribe" in listening.recv(1000)
    assert refusal(source, "SPUBLISH", "{t}news", "x").startswith("MovedError:")


def test_a_replica_of_a_static_cluster_follows_and_answers_readers(kvstore_cluster):
    primary, replica = kvstore_cluster(1, replicas=1).nodes
    primary.set("a", 1)
    primary.execute_command("WAIT", 1, 10_000)
    assert refusal(replica, "GET", "a").startswith("MovedError:")
    with replica.client() as one:
        one.execute_command("READONLY")
        assert one.get("a") == "1"
        assert refusal(one, "SET", "a", 2).startswith("MovedError:")
        one.execute_command("READWRITE")
        assert refusal(one, "GET", "a").startswith("MovedError:")


def test_a_client_goes_on_while_a_slot_moves(kvstore_cluster):
    cluster = kvstore_cluster(3)
    for i in range(40):
        cluster.client.set(f"{{user}}{i}", i)
    cluster.client.expire("{user}7", 1000)
    source = cluster.owner("{user}")
    target = (source + 1) % 3
    cluster.begin_move("{user}", target)
    assert cluster.hand_over("{user}", target, most=15) == 15
    # Some are here, some are there: the client asks its way.
    assert [cluster.client.get(f"{{user}}{i}") for i in range(40)] == [str(i) for i in range(40)]
    assert cluster.client.set("{user}new", "x")
    assert cluster.nodes[source].dbsize() == 25 and cluster.nodes[target].dbsize() == 16
    while cluster.hand_over("{user}", target):
        pass
    cluster.end_move("{user}", target)
    assert cluster.owner("{user}") == target
    assert cluster.nodes[source].dbsize() == 0
    assert cluster.client.mget([f"{{user}}{i}" for i in range(40)]) == [str(i) for i in range(40)]
    assert 900 < cluster.client.ttl("{user}7") <= 1000
    cluster.move("{user}", to=source)
    assert cluster.client.get("{user}new") == "x" and cluster.owner("{user}") == source


def test_a_file_of_nodes_is_printed(capsys):
    main(["127.0.0.1:7001", "127.0.0.1:7002", "127.0.0.1:7003", "--replicas", "0"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines[:3]] == [f"127.0.0.1:{p}@{p + 10_000}"
                                                       for p in (7001, 7002, 7003)]
    assert [line.split()[8] for line in lines[:3]] == ["0-5460", "5461-10921", "10922-16383"]


def test_scripts_keep_to_the_slots_of_this_node(three):
    source = next(n for n in three if probes(n, "{t}a"))
    other = next(f"key{i}" for i in range(99) if not probes(source, f"key{i}"))
    assert source.eval("return redis.call('INCR', KEYS[1])", 1, "{t}n") == 1
    said = refusal(source, "EVAL", f"return redis.call('INCR', '{other}')", 0)
    assert "non local key" in said


def test_a_script_that_states_its_flags_keeps_to_one_slot(three):
    source = three[0]
    a, b = [f"key{i}" for i in range(99) if probes(source, f"key{i}")][:2]
    body = f"redis.call('INCR', '{a}') return redis.call('INCR', '{b}')"
    assert source.eval(body, 0) == 1
    assert "same slot" in refusal(source, "EVAL", "#!lua\n" + body, 0)
    assert "same slot" in refusal(source, "EVAL", f"#!lua\nredis.call('GET', '{a}')", 1, b)
    assert source.eval("#!lua flags=allow-cross-slot-keys\n" + body, 0) == 2
    assert "no-cluster" in refusal(source, "EVAL", "#!lua flags=no-cluster\nreturn 1", 0)
