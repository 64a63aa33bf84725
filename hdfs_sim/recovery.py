"""Block recovery: bring the replicas of a block whose writer is gone to one length and stamp.

    NameNode ── command ──► primary DataNode
        1. initReplicaRecovery at every holder: stop writers, what do you have?
        2. the shortest length among those that were being written (what all have was acknowledged
           at most up to there); if one is finalized, its length is the truth
        3. updateReplicaUnderRecovery at every holder: cut to it, new stamp, finalize
        4. commitBlockSynchronization at the NameNode, which closes the file

Invariant 1: a holder takes part in one recovery at a time, the one with the highest stamp.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hdfs_sim.block_store import ReplicaNotFound
from hdfs_sim.errors import HdfsError, RecoveryInProgress
from hdfs_sim.messages import INTER_DATANODE
from hdfs_sim.messages.datanode import FINALIZED, TEMPORARY
from hdfs_sim.rpc_client import RpcClient

if TYPE_CHECKING:
    from hdfs_sim.datanode import DataNode

Request = dict[str, Any]


class InterDatanode:
    """InterDatanodeProtocol, served."""

    def __init__(self, node: DataNode):
        self.node = node

    def init_replica_recovery(self, caller: Any, request: Request) -> Request:
        recovering = request["block"]
        replica = self.node.store.replicas.get(recovering["block"]["b"]["blockId"])
        if replica is None or replica.state == TEMPORARY:
            return {"replicaFound": False}
        new_gs = recovering["newGenStamp"]
        if replica.gs >= new_gs or replica.recovery_gs > new_gs:
            raise RecoveryInProgress(
                f"block {replica.id} has stamp {max(replica.gs, replica.recovery_gs)}, which is "
                f"not older than the recovery's {new_gs}")
        if replica.writer is not None:
            replica.writer.replaced()
            replica.writer = None
        replica.recovery_gs = new_gs
        return {"replicaFound": True, "state": replica.state, "block": {
            "blockId": replica.id, "genStamp": replica.gs, "numBytes": replica.length}}

    def update_replica_under_recovery(self, caller: Any, request: Request) -> Request:
        store = self.node.store
        try:
            replica = store.get(request["block"]["blockId"])
        except ReplicaNotFound as exc:
            raise HdfsError(str(exc)) from exc
        new_gs, length = request["recoveryId"], request["newLength"]
        if replica.recovery_gs != new_gs:
            raise HdfsError(f"block {replica.id} is in recovery {replica.recovery_gs}, "
                            f"not {new_gs}")
        if length > replica.length:
            raise HdfsError(f"block {replica.id} is only {replica.length} bytes, not {length}")
        store.truncate(replica, length)
        store.restamp(replica, new_gs)
        replica.recovery_gs = 0
        self.node.finalized(replica)
        return {"storageUuid": self.node.properties["storageID"]}


async def recover_block(node: DataNode, recovering: Request) -> None:
    """Lead a recovery, as its primary."""
    block = recovering["block"]["b"]
    new_gs = recovering["newGenStamp"]
    found: list[tuple[RpcClient, Request, Request]] = []
    for info in recovering["block"]["locs"]:
        try:
            peer = await RpcClient.connect(
                node.world, (info["id"]["ipAddr"], info["id"]["ipcPort"]), INTER_DATANODE,
                "datanode")
            answer = await peer.call(INTER_DATANODE, "initReplicaRecovery", block=recovering)
        except (OSError, TimeoutError, HdfsError):
            continue  # a holder that cannot take part keeps its old stamp, which marks it stale
        if answer["replicaFound"]:
            found.append((peer, info["id"], answer))
        else:
            peer.link.close()
    complete = [a["block"]["numBytes"] for _, _, a in found if a["state"] == FINALIZED]
    lengths = complete or [a["block"]["numBytes"] for _, _, a in found]
    length = min(lengths, default=0)
    holders = []
    for peer, id, answer in found:
        try:
            if length and answer["block"]["numBytes"] >= length:
                await peer.call(INTER_DATANODE, "updateReplicaUnderRecovery", block=block,
                                recoveryId=new_gs, newLength=length)
                holders.append(id)
        except (OSError, HdfsError):
            continue
        finally:
            peer.link.close()
    if length and not holders:
        raise HdfsError("no replica could be recovered")
    await node.call_namenode(
        "commitBlockSynchronization", block=block, newGenStamp=new_gs, newLength=length,
        closeFile=True, deleteBlock=length == 0, newTaragets=holders,
        newTargetStorages=["DS-" + id["datanodeUuid"] for id in holders])
