"""A DataNode: a store of replicas, and three doors to it.

    DataTransferProtocol   clients and other DataNodes, bytes of blocks      transfer.pyx
    InterDatanodeProtocol  other DataNodes, during a block's recovery        recovery.py
    HTTP                   WebHDFS data: files, through our own client       webhdfs_data.py

It registers with its NameNode, reports all replicas, then sends heartbeats and, at once, what
arrived and what was deleted; it does what the answers tell it.  When the connection is lost it
starts anew with registering, for as long as it takes.

                 connect, versionRequest, registerDatanode, blockReport
    (start) ─────────────────────────────────────────────────────────────► serving ─┐
        ▲                                                                            │
        └─────────────── connection lost, or told to register ◄──────────────────────┘
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import Any

from bedrock.net import Server
from bedrock.net.http import HttpSession
from bedrock.world import World
from hdfs_sim import identity
from hdfs_sim.block_store import BlockStore, Corrupt, ReplicaNotFound
from hdfs_sim.config import DatanodeConfig
from hdfs_sim.errors import HdfsError, RemoteError
from hdfs_sim.messages import CLIENT, DATANODE, INTER_DATANODE
from hdfs_sim.messages import datanode as wire
from hdfs_sim.messages import transfer as ops
from hdfs_sim.pipeline import Pipeline
from hdfs_sim.recovery import InterDatanode, recover_block
from hdfs_sim.rpc_client import RpcClient
from hdfs_sim.rpc_session import RpcSession, Service
from hdfs_sim.transfer import Xceiver
from hdfs_sim.webhdfs_data import data_router

log = logging.getLogger("hdfs_sim.datanode")

RECONNECT_S = 0.2
COPY_PACKET_BYTES = 256 << 10
NO_KEYS = {"isBlockTokenEnabled": False, "keyUpdateInterval": 0, "tokenLifeTime": 0,
           "currentKey": {"keyId": 0, "expiryDate": 0}}


class DataNode:
    """A DataNode on `world.disk`; a server by the interface of bedrock.app.component."""

    def __init__(self, world: World, config: DatanodeConfig):
        self.world = world
        self.config = config
        self.properties = identity.datanode(world)
        self.uuid = self.properties["datanodeUuid"]
        self.store = BlockStore(world.disk)
        host, _, port = config.namenode.rpartition(":")
        self.namenode = (host, int(port))
        self.pool = self.properties.get("blockpoolID", "")
        self.ready = False
        self.ports: dict[str, int] = {}
        self._news: list[dict[str, Any]] = []
        self._rpc: RpcClient | None = None
        self._tasks: list[asyncio.Task] = []
        self._storage_info: dict[str, Any] = {}
        self._disk_error: Exception | None = None
        services = {INTER_DATANODE.name: Service(INTER_DATANODE, InterDatanode(self))}
        router = data_router(self)
        self._servers = {
            "port": Server(world, lambda: Xceiver(self), (config.host, config.port)),
            "http_port": Server(
                world, lambda: HttpSession(router), (config.host, config.http_port)),
            "ipc_port": Server(
                world, lambda: RpcSession(services, world), (config.host, config.ipc_port)),
        }

    # ------------------------------------------------------------------ a server's life

    async def start(self) -> None:
        """Listen, and begin to look for the NameNode."""
        for name, server in self._servers.items():
            await server.start()
            self.ports[name] = server.port
        self._tasks.append(self.world.spawn(self._serve(), "hdfs_sim.datanode"))

    async def drain(self, grace_s: float) -> None:
        """Let transfers end."""
        self.ready = False
        for server in self._servers.values():
            await server.drain(grace_s)

    async def stop(self) -> None:
        """Close everything."""
        self.ready = False
        for task in self._tasks:
            task.cancel()
        self._tasks.clear()
        if self._rpc is not None:
            self._rpc.link.abort("stopping")
        for server in self._servers.values():
            await server.stop()
        self.store.close()

    def metrics(self) -> Iterable[Any]:
        """Replicas and bytes."""
        from prometheus_client.core import GaugeMetricFamily

        yield GaugeMetricFamily("bedrock_hdfs_datanode_replicas", "Replicas stored",
                                value=len(self.store.replicas))
        yield GaugeMetricFamily("bedrock_hdfs_datanode_bytes", "Bytes of data stored",
                                value=self.store.used)

    # ------------------------------------------------------------------ the NameNode

    def info(self) -> dict[str, Any]:
        """DatanodeID."""
        return {"ipAddr": self.config.host, "hostName": self.config.host,
                "datanodeUuid": self.uuid, "xferPort": self.ports["port"],
                "infoPort": self.ports["http_port"], "ipcPort": self.ports["ipc_port"]}

    def _registration(self) -> dict[str, Any]:
        return {"datanodeID": self.info(), "storageInfo": self._storage_info, "keys": NO_KEYS,
                "softwareVersion": f"{identity.SOFTWARE_VERSION} {self.config.rack}"}

    async def _serve(self) -> None:
        while True:
            try:
                self._rpc = await RpcClient.connect(
                    self.world, self.namenode, DATANODE, "datanode")
                await self._register()
                await self._heartbeats()
            except (OSError, TimeoutError) as exc:
                log.info("NameNode %s:%d: %s", *self.namenode, exc)
            except RemoteError as exc:
                log.error("NameNode: %s: %s", exc.java_class, exc)
            self.ready = False
            if self._rpc is not None:
                self._rpc.link.abort("starting anew")
            await self.world.clock.sleep(RECONNECT_S)

    async def _call(self, name: str, **request: Any) -> dict[str, Any]:
        assert self._rpc is not None
        return await self._rpc.call(
            DATANODE, name, registration=self._registration(), **request)

    async def _register(self) -> None:
        assert self._rpc is not None
        info = (await self._rpc.call(DATANODE, "versionRequest"))["info"]
        cluster = self.properties.get("clusterID")
        if cluster is None:
            self.properties.update(clusterID=info["storageInfo"]["clusterID"],
                                   blockpoolID=info["blockPoolID"])
            identity.write(self.world.disk, self.properties)
        self.pool = self.properties["blockpoolID"]
        self._storage_info = {**info["storageInfo"], "clusterID": self.properties["clusterID"]}
        await self._call("registerDatanode")
        await self._heartbeat()
        self._news.clear()
        await self._call("blockReport", blockPoolId=self.pool, reports=[
            {"storage": {"storageUuid": self.properties["storageID"]},
             "blocks": self.store.report()}])
        self.ready = True

    async def _heartbeats(self) -> None:
        while await self._heartbeat():
            await self.world.clock.sleep(self.config.heartbeat_s)

    async def _heartbeat(self) -> bool:
        """One heartbeat and what it brings; False when told to register again."""
        if self._disk_error is not None:
            raise self._disk_error
        free = self.world.disk.free_bytes()
        used = self.store.used
        answer = await self._call(
            "sendHeartbeat",
            reports=[{"storageUuid": self.properties["storageID"], "capacity": used + free,
                      "dfsUsed": used, "remaining": free, "blockPoolUsed": used}],
            xceiverCount=len(self._servers["port"].links))
        for command in answer["cmds"]:
            if command["cmdType"] == wire.REGISTER_COMMAND:
                return False
            self._obey(command)
        return True

    def _obey(self, command: dict[str, Any]) -> None:
        if command["cmdType"] == wire.RECOVERY_COMMAND:
            for recovering in command["recoveryCmd"]["blocks"]:
                self.world.spawn(self._recover(recovering), "hdfs_sim.recovery")
            return
        order = command["blkCmd"] or {"action": 0, "blocks": []}
        if order["action"] == wire.INVALIDATE:
            for block in order["blocks"]:
                self._invalidate(block["blockId"], block["genStamp"])
        elif order["action"] == wire.TRANSFER:
            for block, targets in zip(order["blocks"], order["targets"], strict=True):
                self.world.spawn(
                    self._replicate(block, targets["datanodes"]), "hdfs_sim.replication")

    def _invalidate(self, id: int, gs: int) -> None:
        replica = self.store.replicas.get(id)
        if replica is not None and replica.gs <= gs:
            if replica.writer is not None:
                replica.writer.link.abort("block deleted")
            self.store.remove(replica)
            self._tell(replica, wire.DELETED)

    async def _replicate(self, block: dict[str, Any], targets: list[dict[str, Any]]) -> None:
        try:
            replica = self.store.get(block["blockId"])
            await self.copy(replica, targets, ops.SETUP_CREATE, "")
        except (OSError, TimeoutError, Corrupt, ReplicaNotFound) as exc:
            log.warning("copying block %d: %s", block["blockId"], exc)

    async def _recover(self, recovering: dict[str, Any]) -> None:
        try:
            await recover_block(self, recovering)
        except (OSError, TimeoutError, HdfsError) as exc:
            log.warning("recovering block %d: %s", recovering["block"]["b"]["blockId"], exc)

    async def call_namenode(self, name: str, **request: Any) -> dict[str, Any]:
        """Call a method of DatanodeProtocol that has no registration in it."""
        assert self._rpc is not None
        return await self._rpc.call(DATANODE, name, **request)

    def _tell(self, replica: Any, status: int) -> None:
        """An incremental block report, sent with what else this turn brings."""
        if not self._news:
            clock = self.world.clock
            clock.call_at(clock.now_ns(), self._send_news)
        self._news.append({"status": status, "block": {
            "blockId": replica.id, "genStamp": replica.gs, "numBytes": replica.length}})

    def _send_news(self) -> None:
        if self._news and self._rpc is not None and not self._rpc.link.closed:
            news, self._news = self._news, []
            self.world.spawn(self._report(news), "hdfs_sim.report")

    async def _report(self, news: list[dict[str, Any]]) -> None:
        try:
            await self._call("blockReceivedAndDeleted", blockPoolId=self.pool, blocks=[
                {"storageUuid": self.properties["storageID"], "blocks": news}])
        except (OSError, HdfsError) as exc:
            log.info("report not delivered, the next full one will be: %s", exc)

    # ------------------------------------------------------------------ what Xceiver asks

    def open_for_write(self, request: dict[str, Any]) -> Any:
        """The replica that a WRITE_BLOCK is about, in the state its stage needs."""
        block = request["header"]["baseHeader"]["block"]
        id, gs, stage = block["blockId"], request["latestGenerationStamp"], request["stage"]
        if stage == ops.SETUP_CREATE:
            by_client = bool(request["header"]["clientName"])
            replica = self.store.create(id, gs, wire.RBW if by_client else wire.TEMPORARY)
            if by_client:
                self._tell(replica, wire.RECEIVING)
            return replica
        if stage in (ops.TRANSFER_RBW, ops.TRANSFER_FINALIZED):
            return self.store.create(id, gs, wire.RBW)
        replica = self.store.get(id)
        if replica.gs > gs:
            raise ReplicaNotFound(f"block {id} is here with a newer generation stamp")
        if stage == ops.SETUP_APPEND and replica.length != block["numBytes"]:
            raise ReplicaNotFound(f"block {id} is {replica.length} bytes here, "
                                  f"not {block['numBytes']}")
        if not request["minBytesRcvd"] <= replica.length:
            raise ReplicaNotFound(f"block {id} is only {replica.length} bytes here, "
                                  f"not {request['minBytesRcvd']}")
        if replica.writer is not None:
            replica.writer.replaced()
            replica.writer = None
        self.store.reopen(replica, gs)
        return replica

    def finalized(self, replica: Any) -> None:
        """All bytes of a replica are here."""
        if replica.state != wire.FINALIZED:
            self.store.finalize(replica)
        self._tell(replica, wire.RECEIVED)

    def corrupt(self, replica: Any) -> None:
        """A replica differs from its checksums: have it replaced by a good one."""
        self.world.spawn(self._report_corrupt(replica), "hdfs_sim.corrupt")

    async def _report_corrupt(self, replica: Any) -> None:
        block = {"poolId": self.pool, "blockId": replica.id, "generationStamp": replica.gs,
                 "numBytes": replica.length}
        located = {"b": block, "offset": 0, "locs": [{"id": self.info()}], "corrupt": True,
                   "blockToken": {"identifier": b"", "password": b"", "kind": "", "service": ""}}
        try:
            assert self._rpc is not None
            await self._rpc.call(CLIENT, "reportBadBlocks", blocks=[located])
        except (OSError, HdfsError) as exc:
            log.info("corrupt block %d not reported: %s", replica.id, exc)

    def failed(self, exc: Exception) -> None:
        """The disk failed: nothing more may be acknowledged.  The process ends."""
        log.critical("%s", exc)
        self._disk_error = exc
        turn = self.world.turn
        if turn.failed is not None:
            turn.failed(exc)

    async def copy(
        self, replica: Any, targets: list[dict[str, Any]], stage: int, client: str
    ) -> None:
        """Send a replica to other DataNodes."""
        length = replica.length
        replica.begin_read()
        try:
            block = {"poolId": self.pool, "blockId": replica.id, "generationStamp": replica.gs,
                     "numBytes": length}
            pipeline = await Pipeline.open(
                self.world, block, targets, stage=stage, client=client)
            try:
                at = seqno = 0
                while at < length:
                    n = min(COPY_PACKET_BYTES, length - at)
                    await pipeline.send(replica.packet(at, n, seqno), seqno)
                    at += n
                    seqno += 1
                await pipeline.finish(at, seqno)
            except BaseException:
                pipeline.abort()
                raise
        except Corrupt:
            self.corrupt(replica)
            raise
        finally:
            replica.end_read()


