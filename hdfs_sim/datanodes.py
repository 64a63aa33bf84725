"""The DataNodes as the NameNode knows them: who they are, when last heard of, what to tell them.

                 register              no heartbeat for dead_after_s
    (unknown) ─────────────► live ───────────────────────────────────► dead ── register ──► live

The NameNode never calls a DataNode.  What one has to do waits here (transfers, invalidations,
recoveries) and goes out in the answer to its next heartbeat.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bedrock.world import Clock
from hdfs_sim.tree import Block

INVALIDATIONS_A_HEARTBEAT = 1000
DEFAULT_RACK = "/default-rack"


class Datanode:
    """One DataNode.

    Invariant 1: block in node.blocks exactly if node is in block.locations or block.corrupt.
    """

    def __init__(self, uuid: str):
        self.uuid = uuid
        self.storage_uuid = "DS-" + uuid
        self.host = ""
        self.ip = ""
        self.xfer_port = self.info_port = self.ipc_port = 0
        self.rack = DEFAULT_RACK
        self.capacity = self.used = self.remaining = 0
        self.xceivers = 0
        self.alive = False
        self.session: Any = None  # of its last heartbeat
        self.heard_ns = 0
        self.heard_ms = 0
        self.has_reported = False
        self.blocks: set[Block] = set()
        self.transfers: list[tuple[Block, list[Datanode]]] = []
        self.invalidations: dict[int, tuple[int, int]] = {}  # id -> (generation stamp, length)
        self.recoveries: dict[Block, None] = {}

    def __repr__(self) -> str:
        return f"<Datanode {self.ip}:{self.xfer_port}>"

    @property
    def suspect(self) -> bool:
        """Its connection is gone, though it is not silent for long: better write elsewhere."""
        return self.session is not None and self.session.link.closed

    def take_transfers(self) -> list[tuple[Block, list[Datanode]]]:
        """What to copy, removed."""
        taken, self.transfers = self.transfers, []
        return taken

    def take_invalidations(self) -> list[tuple[int, int, int]]:
        """Replicas to delete as (id, generation stamp, length), removed."""
        taken = list(self.invalidations.items())[:INVALIDATIONS_A_HEARTBEAT]
        for id, _ in taken:
            del self.invalidations[id]
        return [(id, gs, length) for id, (gs, length) in taken]

    def take_recoveries(self) -> list[Block]:
        """Blocks to recover as their primary, removed."""
        taken, self.recoveries = list(self.recoveries), {}
        return taken


class Datanodes:
    """All DataNodes by uuid.

    dead_after_s: silence after which one is taken for dead (HDFS: 630 s)
    """

    def __init__(self, clock: Clock, dead_after_s: float):
        self.clock = clock
        self.dead_ns = int(dead_after_s * 1e9)
        self.by_uuid: dict[str, Datanode] = {}

    def __iter__(self) -> Iterator[Datanode]:
        return iter(self.by_uuid.values())

    def live(self) -> list[Datanode]:
        """Those that are heard of."""
        return [node for node in self.by_uuid.values() if node.alive]

    def register(self, identity: dict[str, Any], ip: str) -> Datanode:
        """A DataNode presents itself, for the first time or again."""
        uuid = identity["datanodeUuid"]
        node = self.by_uuid.get(uuid)
        if node is None:
            node = self.by_uuid[uuid] = Datanode(uuid)
        node.ip = ip
        node.host = identity["hostName"] or ip
        node.xfer_port = identity["xferPort"]
        node.info_port = identity["infoPort"]
        node.ipc_port = identity["ipcPort"]
        node.has_reported = False
        self.heard(node)
        return node

    def heard(self, node: Datanode) -> None:
        """A sign of life."""
        node.alive = True
        node.heard_ns = self.clock.now_ns()
        node.heard_ms = self.clock.wall_ms()

    def expire(self) -> list[Datanode]:
        """Those that have just become dead."""
        limit = self.clock.now_ns() - self.dead_ns
        silent = [node for node in self.live() if node.heard_ns < limit]
        for node in silent:
            node.alive = False
            node.transfers.clear()
            node.invalidations.clear()
            node.recoveries.clear()
        return silent

    def by_address(self, host: str) -> Datanode | None:
        """A live DataNode on the machine of a client, for the first replica."""
        for node in self.by_uuid.values():
            if node.alive and node.ip == host:
                return node
        return None
