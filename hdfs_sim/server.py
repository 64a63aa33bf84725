"""The server: a NameNode, its two ports, and DataNodes as children.

Each DataNode is a process of its own (children.py) with a directory of its own below ours;
`in_process` runs them in our own event loop instead: the whole cluster in one process, for tests.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from bedrock.net import Server as Listening
from bedrock.net.http import HttpSession
from bedrock.world import World
from hdfs_sim.children import Child
from hdfs_sim.client_protocol import ClientProtocol
from hdfs_sim.config import DatanodeConfig, HdfsConfig
from hdfs_sim.datanode_protocol import DatanodeProtocol
from hdfs_sim.messages import CLIENT, DATANODE
from hdfs_sim.namenode import NameNode
from hdfs_sim.rpc_session import RpcSession, Service
from hdfs_sim.webhdfs import namenode_router

if TYPE_CHECKING:
    from hdfs_sim.datanode import DataNode

log = logging.getLogger("hdfs_sim")

TICK_S = 0.25
READY_TIMEOUT_S = 20.0


class Server:
    """A cluster on `world.disk`; see bedrock.app.component for the interface."""

    def __init__(self, world: World, config: HdfsConfig):
        self.world = world
        self.config = config
        self.namenode = NameNode(world.at("namenode"), config)
        self.client_protocol = ClientProtocol(self.namenode)
        self.datanode_protocol = DatanodeProtocol(self.namenode)
        services = {
            CLIENT.name: Service(CLIENT, self.client_protocol),
            DATANODE.name: Service(DATANODE, self.datanode_protocol),
        }
        router = namenode_router(self.namenode, self.client_protocol)
        self._rpc = Listening(
            world, lambda: RpcSession(services, world), (config.host, config.port))
        self._http = Listening(
            world, lambda: HttpSession(router), (config.host, config.http_port))
        self.ports: dict[str, int] = {}
        self.children: list[Child] = []
        self.datanodes: list[DataNode] = []
        self._ticker: asyncio.Task | None = None

    @property
    def ready(self) -> bool:
        """Out of safe mode, with all its DataNodes."""
        return (not self.namenode.blocks.safe_mode
                and len(self.namenode.nodes.live()) >= self.config.datanodes)

    async def start(self) -> None:
        """Listen, start the DataNodes and wait until they have reported."""
        await self._rpc.start()
        await self._http.start()
        self.ports = {"port": self._rpc.port, "http_port": self._http.port}
        self._ticker = self.world.spawn(self._tick(), "hdfs_sim.tick")
        for number in range(1, self.config.datanodes + 1):
            if self.config.in_process:
                await self._start_within(number)
            else:
                child = Child(self, number)
                self.children.append(child)
                child.start()
        try:
            async with asyncio.timeout(READY_TIMEOUT_S):
                while not self.ready:
                    await self.datanode_protocol.reported.wait()
                    self.datanode_protocol.reported.clear()
        except TimeoutError:
            log.warning("not all DataNodes have come; safe mode: %s",
                        self.namenode.blocks.safe_mode)

    async def _start_within(self, number: int) -> None:
        from hdfs_sim.datanode import DataNode  # a NameNode alone has no need of it

        node = DataNode(
            self.world.at(f"datanode{number}"),
            DatanodeConfig(
                host=self.config.host, port=0, http_port=0, ipc_port=0,
                namenode=f"{self.config.host}:{self._rpc.port}",
                heartbeat_s=self.config.heartbeat_s))
        self.datanodes.append(node)
        await node.start()

    async def _tick(self) -> None:
        while True:
            await self.world.clock.sleep(min(TICK_S, self.config.heartbeat_s))
            self.namenode.tick()

    async def drain(self, grace_s: float) -> None:
        """Let calls and transfers end."""
        await self._http.drain(grace_s)
        for node in self.datanodes:
            await node.drain(grace_s)
        await self._rpc.drain(grace_s)

    async def stop(self) -> None:
        """Close everything; idempotent."""
        if self._ticker is not None:
            self._ticker.cancel()
        await asyncio.gather(*(child.stop() for child in self.children))
        self.children.clear()
        for node in self.datanodes:
            await node.stop()
        self.datanodes.clear()
        await self._http.stop()
        await self._rpc.stop()
        self.namenode.close()

    def metrics(self) -> Iterable[Any]:
        """The cluster's totals."""
        from prometheus_client.core import GaugeMetricFamily

        namesystem = self.namenode.namesystem
        values = {
            "inodes": len(namesystem.tree.by_id), "blocks": len(namesystem.blocks),
            "live_datanodes": len(self.namenode.nodes.live()),
            **self.namenode.blocks.stats()}
        for name, value in values.items():
            yield GaugeMetricFamily(
                f"bedrock_hdfs_{name}", name.replace("_", " "), value=value)
