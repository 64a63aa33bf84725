"""Fixtures for tests that need more of a Redis than Redis has (kvstore.lab).

    kvstore_lab        a server of the test's own, whose time, faults and data are the test's to say
    kvstore_replicas   function (n) -> [primary, replica, ...]: servers in this process, in step
    kvstore_cluster    function (primaries, replicas=0) -> ClusterLab: nodes that share the slots

The plain fixtures (`kvstore`, `kvstore_url`, `kvstore_server`) are those of every component, in
bedrock.testing.pytest_plugin.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

WAIT_MS, TRIES = 50, 200


@pytest.fixture
def kvstore_lab(bedrock_run: Callable[..., Any]) -> Iterator[Any]:
    """A server that takes DEBUG CLOCK, FAULT, CHECKPOINT and ROLLBACK, in memory."""
    redis = pytest.importorskip("redis")
    from kvstore.lab import OPTIONS, Lab

    with (
        bedrock_run("kvstore", **OPTIONS) as server,
        redis.Redis(server.host, server.port, decode_responses=True) as client,
    ):
        yield Lab(server, client)


@pytest.fixture
def kvstore_replicas(bedrock_run: Callable[..., Any]) -> Iterator[Callable[[int], list[Any]]]:
    """Starts a primary with some replicas; returns clients of all, the primary's first."""
    redis = pytest.importorskip("redis")
    from kvstore.lab import OPTIONS

    with ExitStack() as stack:

        def client_of(server: Any) -> Any:
            client = redis.Redis(server.host, server.port, decode_responses=True)
            return stack.enter_context(client)

        def start(count: int) -> list[Any]:
            servers = [stack.enter_context(bedrock_run("kvstore", **OPTIONS))
                       for _ in range(1 + count)]
            clients = [client_of(server) for server in servers]
            for client in clients[1:]:
                client.replicaof(servers[0].host, servers[0].port)
            if not any(clients[0].wait(count, WAIT_MS) == count for _ in range(TRIES)):
                raise TimeoutError(f"not all of {count} replicas follow")
            return clients

        yield start


@pytest.fixture
def kvstore_cluster(bedrock_run: Callable[..., Any]) -> Iterator[Callable[..., Any]]:
    """Starts the nodes of a cluster in this process; see kvstore.cluster_lab."""
    pytest.importorskip("redis")
    from kvstore.cluster_lab import cluster

    with ExitStack() as stack:

        def start(primaries: int, replicas: int = 0) -> Any:
            return stack.enter_context(cluster(bedrock_run, primaries, replicas))

        yield start
