"""The NameNode: the namespace, the blocks, the DataNodes and the writers, put together.

    ClientProtocol, WebHDFS ──► NameNode ──► Namesystem   the tree and its log    namesystem.py
                                        ├──► Writing      files being written     writing.py
                                        ├──► BlockManager replicas                blocks.py
    DatanodeProtocol ───────────────────┴──► Datanodes    who lives               datanodes.py

It has no sockets: a server, or a test, calls the handlers of its two protocols.  `tick` is the
only thing that happens by itself.
"""

from __future__ import annotations

import getpass
import logging

from bedrock.world import DiskFull, World
from hdfs_sim import identity
from hdfs_sim.blocks import BlockManager
from hdfs_sim.config import HdfsConfig
from hdfs_sim.datanodes import Datanodes
from hdfs_sim.errors import InSafeMode
from hdfs_sim.leases import Leases
from hdfs_sim.namesystem import Namesystem
from hdfs_sim.placement import Placement
from hdfs_sim.writing import Writing

log = logging.getLogger("hdfs_sim.namenode")


class NameNode:
    """A NameNode on `world.disk`."""

    def __init__(self, world: World, config: HdfsConfig):
        self.world = world
        self.config = config
        self.identity = identity.namenode(world)
        self.pool = self.identity["blockpoolID"]
        self.superuser = config.superuser or _current_user()
        self.namesystem = Namesystem(world, superuser=self.superuser)
        self.nodes = Datanodes(world.clock, config.dead_after_s)
        placement = Placement(world.rand)
        self.blocks = BlockManager(
            self.namesystem.blocks, self.nodes, placement, world.clock,
            datanodes_expected=config.datanodes if self.namesystem.blocks else 0)
        self.namesystem.on_removed = self.blocks.removed
        self.leases = Leases(world.clock, config.soft_lease_s, config.hard_lease_s)
        self.writing = Writing(
            world, self.namesystem, self.leases, self.blocks, self.nodes, placement)

    def need_writable(self, what: str) -> None:
        """InSafeMode unless the namespace may change now."""
        if self.blocks.safe_mode:
            raise InSafeMode(f"Cannot {what}. Name node is in safe mode.\n"
                             f"{self.blocks.safe_mode_tip()}")

    def tick(self) -> None:
        """What is due by time: dead nodes, expired leases, copies, a checkpoint."""
        for node in self.nodes.expire():
            log.warning("lost DataNode %s:%d with %d blocks",
                        node.ip, node.xfer_port, len(node.blocks))
            self.blocks.node_died(node)
        self.blocks.leave_safe_mode_if_ready()
        self.blocks.schedule()
        if not self.blocks.safe_mode:
            try:
                self.writing.expire_leases()
                if self.namesystem.checkpoint_due:
                    self.namesystem.checkpoint()
            except DiskFull as exc:
                log.error("%s", exc)

    def close(self) -> None:
        """Flush and release the files."""
        self.namesystem.close()


def _current_user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "hdfs"
