"""DatanodeProtocol, served: registrations, heartbeats and block reports (messages/datanode.py)."""

from __future__ import annotations

import asyncio
from typing import Any

from hdfs_sim import identity
from hdfs_sim.datanodes import DEFAULT_RACK, Datanode
from hdfs_sim.errors import DisallowedDatanode, UnregisteredNode
from hdfs_sim.messages import datanode as wire
from hdfs_sim.namenode import NameNode
from hdfs_sim.views import datanode_info, located_block

Request = dict[str, Any]


class DatanodeProtocol:
    """The handlers; `caller` is the RpcSession of the DataNode.

    reported: set whenever a DataNode has told all its blocks
    """

    def __init__(self, namenode: NameNode):
        self.namenode = namenode
        self.reported = asyncio.Event()
        found = namenode.identity
        self.storage_info = {
            "layoutVersion": identity.LAYOUT_VERSION,
            "namespceID": int(found["namespaceID"]),
            "clusterID": found["clusterID"],
            "cTime": int(found["cTime"]),
        }

    def version_request(self, caller: Any, request: Request) -> Request:
        return {"info": {
            "buildVersion": "bedrock", "unused": 0, "blockPoolID": self.namenode.pool,
            "storageInfo": self.storage_info, "softwareVersion": identity.SOFTWARE_VERSION}}

    def register_datanode(self, caller: Any, request: Request) -> Request:
        registration = request["registration"]
        if registration["storageInfo"]["clusterID"] != self.storage_info["clusterID"]:
            raise DisallowedDatanode(
                f"The DataNode belongs to {registration['storageInfo']['clusterID']}, "
                f"this cluster is {self.storage_info['clusterID']}")
        ip = registration["datanodeID"]["ipAddr"]
        node = self.namenode.nodes.register(
            registration["datanodeID"], caller.host if ip in ("", "0.0.0.0") else ip)  # noqa: S104
        node.session = caller
        node.rack = _rack_of(registration) or DEFAULT_RACK
        return {"registration": registration}

    def _node(self, registration: Request) -> Datanode:
        uuid = registration["datanodeID"]["datanodeUuid"]
        node = self.namenode.nodes.by_uuid.get(uuid)
        if node is None or not node.alive:
            raise UnregisteredNode(f"DataNode {uuid} is not registered")
        return node

    def send_heartbeat(self, caller: Any, request: Request) -> Request:
        status = {"state": 0, "txid": self.namenode.namesystem.edits.end}
        try:
            node = self._node(request["registration"])
        except UnregisteredNode:
            return {"cmds": [{"cmdType": wire.REGISTER_COMMAND, "registerCmd": {}}],
                    "haStatus": status}
        self.namenode.nodes.heard(node)
        node.session = caller
        for report in request["reports"]:
            node.capacity = report["capacity"]
            node.used = report["dfsUsed"]
            node.remaining = report["remaining"]
        node.xceivers = request["xceiverCount"]
        return {"cmds": self._commands(node), "haStatus": status}

    def _commands(self, node: Datanode) -> list[Request]:
        pool = self.namenode.pool
        commands: list[Request] = []
        # A block may have been deleted or lost its target since the copy was ordered.
        transfers = [(block, targets) for block, targets in node.take_transfers()
                     if block.file is not None]
        if transfers:
            commands.append({"cmdType": wire.BLOCK_COMMAND, "blkCmd": {
                "action": wire.TRANSFER, "blockPoolId": pool,
                "blocks": [_block(b.id, b.gs, b.length) for b, _ in transfers],
                "targets": [{"datanodes": [datanode_info(t) for t in targets]}
                            for _, targets in transfers],
                "targetStorageUuids": [{"storageUuids": [t.storage_uuid for t in targets]}
                                       for _, targets in transfers]}})
        gone = [] if self.namenode.blocks.safe_mode else node.take_invalidations()
        if gone:
            commands.append({"cmdType": wire.BLOCK_COMMAND, "blkCmd": {
                "action": wire.INVALIDATE, "blockPoolId": pool,
                "blocks": [_block(*one) for one in gone]}})
        recoveries = [b for b in node.take_recoveries() if b.file is not None and b.recovery_gs]
        if recoveries:
            commands.append({"cmdType": wire.RECOVERY_COMMAND, "recoveryCmd": {"blocks": [
                {"newGenStamp": b.recovery_gs,
                 "block": located_block(pool, b, 0, [n for n in b.pipeline if n.alive])}
                for b in recoveries]}})
        return commands

    def block_report(self, caller: Any, request: Request) -> Request:
        node = self._node(request["registration"])
        for report in request["reports"]:
            numbers = report["blocks"]
            self.namenode.blocks.full_report(
                node, zip(numbers[::4], numbers[1::4], numbers[2::4], numbers[3::4], strict=True))
        self.reported.set()
        return {}

    def block_received_and_deleted(self, caller: Any, request: Request) -> None:
        node = self._node(request["registration"])
        for storage in request["blocks"]:
            for info in storage["blocks"]:
                block = info["block"]
                if info["status"] == wire.DELETED:
                    self.namenode.blocks.deleted(node, block["blockId"])
                else:
                    state = wire.FINALIZED if info["status"] == wire.RECEIVED else wire.RBW
                    self.namenode.blocks.replica(
                        node, block["blockId"], block["numBytes"], block["genStamp"], state)

    def commit_block_synchronization(self, caller: Any, request: Request) -> None:
        self.namenode.need_writable("commit block synchronization")
        self.namenode.writing.synchronized(
            request["block"]["blockId"], request["newGenStamp"], request["newLength"],
            close=request["closeFile"], delete=request["deleteBlock"],
            holders=[target["datanodeUuid"] for target in request["newTaragets"]])


def _block(id: int, gs: int, length: int) -> Request:
    return {"blockId": id, "genStamp": gs, "numBytes": length}


def _rack_of(registration: Request) -> str:
    """A DataNode here names its own rack, behind its software version: "3.4.0 /rack1"."""
    return registration["softwareVersion"].partition(" ")[2]


