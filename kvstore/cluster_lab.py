"""A cluster of several nodes in this process, and what a test may do to it.

    def test_follows_the_slot(kvstore_cluster):
        cluster = kvstore_cluster(3)
        cluster.client.set("{user}name", "ada")               # redis.RedisCluster
        cluster.move("{user}", to=2)                          # MOVED to whoever knew it elsewhere
        assert cluster.client.get("{user}name") == "ada"

The nodes are those of any static cluster (kvstore.cluster): they redirect with MOVED and ASK,
refuse what crosses slots, and hand a slot over by CLUSTER SETSLOT, node by node, as
`redis-cli --cluster` would have it.  Keys travel by DUMP and RESTORE, since nodes have no MIGRATE.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import redis

from bedrock.app.ports import free_port
from kvstore.cluster import nodes_file
from kvstore.slots import key_slot

HOST = "127.0.0.1"
HANDED_AT_ONCE = 100


class ClusterLab:
    """Some nodes.

    nodes: a redis.Redis for each, a primary's replicas behind it
    """

    def __init__(self, nodes: list[redis.Redis]):
        self.nodes = nodes
        self.ids = [node.execute_command("CLUSTER MYID") for node in nodes]

    @cached_property
    def client(self) -> redis.RedisCluster:
        """A client that finds its way."""
        port = self.nodes[0].connection_pool.connection_kwargs["port"]
        return redis.RedisCluster(host=HOST, port=port, decode_responses=True)

    def owner(self, key: str) -> int:
        """Which node serves a key."""
        slot = key_slot(key.encode())
        shards = self.nodes[0].execute_command("CLUSTER SLOTS")
        for first, last, primary, *_ in shards:
            if first <= slot <= last:
                return self.ids.index(primary[2])
        raise LookupError(f"nobody serves slot {slot}")

    # ------------------------------------------------------------------ moving a slot

    def begin_move(self, key: str, to: int) -> None:
        """From here on its node sends who asks for what it no longer has to another (ASK)."""
        slot, source = key_slot(key.encode()), self.owner(key)
        self.nodes[to].execute_command("CLUSTER SETSLOT", slot, "IMPORTING", self.ids[source])
        self.nodes[source].execute_command("CLUSTER SETSLOT", slot, "MIGRATING", self.ids[to])

    def hand_over(self, key: str, to: int, most: int = HANDED_AT_ONCE) -> int:
        """Let some keys of the slot travel; how many did."""
        slot, source = key_slot(key.encode()), self.nodes[self.owner(key)]
        names = source.execute_command("CLUSTER GETKEYSINSLOT", slot, most)
        # What is dumped is no text.
        with raw(source) as old, raw(self.nodes[to]) as new:
            for name in names:
                ttl_ms = max(old.pttl(name), 0)
                payload = old.execute_command("DUMP", name)
                new.execute_command("ASKING")
                new.restore(name, ttl_ms, payload, replace=True)
                old.delete(name)
        return len(names)

    def end_move(self, key: str, to: int) -> None:
        """Every node learns who serves the slot now."""
        slot = key_slot(key.encode())
        for node in [self.nodes[to], *self.nodes]:
            node.execute_command("CLUSTER SETSLOT", slot, "NODE", self.ids[to])

    def move(self, key: str, to: int) -> None:
        """Give the slot of a key, with all keys in it, to another node while clients go on."""
        self.begin_move(key, to)
        while self.hand_over(key, to):
            pass
        self.end_move(key, to)


@contextmanager
def raw(node: redis.Redis) -> Iterator[redis.Redis]:
    """One connection to a node, for bytes."""
    where = node.connection_pool.connection_kwargs
    with redis.Redis(where["host"], where["port"], single_connection_client=True) as client:
        yield client


@contextmanager
def cluster(run: Callable[..., Any], primaries: int, replicas: int = 0) -> Iterator[ClusterLab]:
    """Start the nodes.

    run: bedrock.run; replicas: of each primary
    """
    ports: set[int] = set()
    while len(ports) < primaries * (replicas + 1):
        ports.add(free_port())
    text = nodes_file([(HOST, port) for port in ports], replicas)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        nodes = []
        for port in ports:
            (folder / str(port)).mkdir()
            (folder / str(port) / "nodes.conf").write_text(text)
            stack.enter_context(
                run("kvstore", port=port, data_dir=str(folder / str(port)), appendonly=False,
                    set=["cluster-enabled=yes"])
            )  # fmt: skip
            nodes.append(stack.enter_context(
                redis.Redis(HOST, port, protocol=2, decode_responses=True)))
        lab = ClusterLab(nodes)
        yield lab
        if "client" in vars(lab):
            lab.client.close()
