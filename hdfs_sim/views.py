"""The namespace and the cluster as the protocol's messages (the dicts of hdfs_sim.messages)."""

from __future__ import annotations

from typing import Any

from bedrock.world import Rand
from hdfs_sim.datanodes import Datanode
from hdfs_sim.messages.types import DIRECTORY, DISK, FILE
from hdfs_sim.tree import Block, Directory, File, INode

NO_TOKEN = {"identifier": b"", "password": b"", "kind": "", "service": ""}
HAS_ACL = 1


def file_status(node: INode, name: str) -> dict[str, Any]:
    """HdfsFileStatus; `name` is the local name in a listing, "" for the path asked for."""
    status = {
        "path": name.encode(),
        "permission": {"perm": node.mode},
        "owner": node.owner,
        "group": node.group,
        "modification_time": node.mtime,
        "access_time": node.atime,
        "fileId": node.id,
        "flags": HAS_ACL if node.acl else 0,
    }
    if isinstance(node, File):
        status.update(fileType=FILE, length=node.length, block_replication=node.replication,
                      blocksize=node.block_size, childrenNum=0)
    else:
        assert isinstance(node, Directory)
        status.update(fileType=DIRECTORY, length=0, block_replication=0, blocksize=0,
                      childrenNum=len(node.children))
    return status


def datanode_id(node: Datanode) -> dict[str, Any]:
    """DatanodeID."""
    return {"ipAddr": node.ip, "hostName": node.host, "datanodeUuid": node.uuid,
            "xferPort": node.xfer_port, "infoPort": node.info_port, "ipcPort": node.ipc_port}


def datanode_info(node: Datanode) -> dict[str, Any]:
    """DatanodeInfo."""
    return {"id": datanode_id(node), "capacity": node.capacity, "dfsUsed": node.used,
            "remaining": node.remaining, "blockPoolUsed": node.used, "lastUpdate": node.heard_ms,
            "lastUpdateMonotonic": node.heard_ns // 1_000_000, "xceiverCount": node.xceivers,
            "location": node.rack, "adminState": 0, "numBlocks": len(node.blocks)}


def extended_block(pool: str, block: Block) -> dict[str, Any]:
    """ExtendedBlock."""
    return {"poolId": pool, "blockId": block.id, "generationStamp": block.gs,
            "numBytes": block.length}


def located_block(
    pool: str, block: Block, offset: int, nodes: list[Datanode], corrupt: bool = False
) -> dict[str, Any]:
    """LocatedBlock on the given nodes."""
    return {
        "b": extended_block(pool, block),
        "offset": offset,
        "locs": [datanode_info(node) for node in nodes],
        "corrupt": corrupt,
        "blockToken": NO_TOKEN,
        "isCached": [False] * len(nodes),
        "storageTypes": [DISK] * len(nodes),
        "storageIDs": [node.storage_uuid for node in nodes],
    }


def readable_nodes(block: Block, client: str, rand: Rand) -> list[Datanode]:
    """Where to read a block: the client's own node first, then live ones in any order.

    In any order, so that readers share the load and every replica is read and verified some time.
    """
    nodes = [node for node in block.locations if node.alive]
    if not block.complete:
        nodes += [n for n in block.pipeline if n.alive and n not in nodes]
    rand.shuffle(nodes)
    return sorted(nodes, key=lambda node: (node.suspect, node.ip != client))


def located_blocks(
    pool: str, file: File, offset: int, length: int, client: str, rand: Rand
) -> dict[str, Any]:
    """LocatedBlocks that overlap a range of the file."""
    found = []
    start = 0
    last = None
    for block in file.blocks:
        is_last = block is file.blocks[-1]
        overlaps = start + block.length > offset and start < offset + length
        if (overlaps and block.length) or is_last:
            nodes = readable_nodes(block, client, rand)
            located = located_block(pool, block, start, nodes,
                                    corrupt=not nodes and bool(block.corrupt))
            if overlaps and block.length:
                found.append(located)
            if is_last:
                last = located
        start += block.length
    return {"fileLength": start, "blocks": found, "underConstruction": file.client is not None,
            "lastBlock": last, "isLastBlockComplete": not file.blocks or file.blocks[-1].complete}
