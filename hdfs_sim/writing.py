"""How files come to be: leases, blocks and where they go, and what happens when writers vanish.

    create ─► addBlock ─► (pipeline of DataNodes) ─► addBlock ... ─► complete
    append ─► the last block again, or addBlock
                         a node fails ─► updateBlockForPipeline ─► (new pipeline) ─► updatePipeline
    writer silent ─► lease recovery: the last block's replicas are cut to one length ─► closed

One writer a file: `File.client` names it, `Leases` knows whether it lives.  A block that is being
written has a new generation stamp after each repair of its pipeline, so that a replica that missed
something is known by its old one.

Invariants:
1. A call that writes is obeyed only for the client that holds the file's lease.
2. A file is closed only when each of its blocks has a good replica reported.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any

from bedrock.world import World
from hdfs_sim.blocks import BlockManager
from hdfs_sim.datanodes import Datanode, Datanodes
from hdfs_sim.errors import (
    AlreadyBeingCreated,
    FileAlreadyExists,
    FileNotFound,
    HdfsError,
    LeaseExpired,
    NotReplicatedYet,
    RecoveryInProgress,
)
from hdfs_sim.leases import NAMENODE_HOLDER, Leases
from hdfs_sim.namesystem import Namesystem
from hdfs_sim.placement import Placement
from hdfs_sim.tree import Block, Directory, File

COMPLETE_WAIT_S = 1.0
MIN_REPLICATION = 1
REPLICATION_MAX = 512


class Writing:
    """The write path over a namespace, its leases and its blocks."""

    def __init__(
        self,
        world: World,
        namesystem: Namesystem,
        leases: Leases,
        blocks: BlockManager,
        nodes: Datanodes,
        placement: Placement,
    ):
        self.world = world
        self.namesystem = namesystem
        self.leases = leases
        self.blocks = blocks
        self.nodes = nodes
        self.placement = placement
        self._waiting: dict[Block, list[asyncio.Future]] = {}
        blocks.on_report = self._reported
        for node in namesystem.tree.by_id.values():
            if isinstance(node, File) and node.client is not None:
                leases.add(node)

    # ------------------------------------------------------------------ files

    def create(self, path: str, *, overwrite: bool, client: str, **attributes: Any) -> File:
        """Make a file; see Namesystem.create."""
        old = self.namesystem.tree.find(path)
        if isinstance(old, File):
            if old.client is not None and not overwrite:
                self._take_over(old, path, client)
                raise FileAlreadyExists(f"{path} for client {client} already exists")
            if old.client is not None and overwrite:
                self.leases.remove(old.client, old)
        replication = attributes["replication"]
        if not 1 <= replication <= REPLICATION_MAX:
            raise HdfsError(f"Requested replication factor of {replication} is not between 1 and "
                            f"the required maximum of {REPLICATION_MAX} for {path}")
        file = self.namesystem.create(path, overwrite=overwrite, client=client, **attributes)
        self.leases.add(file)
        return file

    def append(self, path: str, client: str) -> File:
        """Open a closed file to write on."""
        node = self.namesystem.tree.find(path)
        if isinstance(node, Directory):
            raise FileAlreadyExists(f"Cannot append to directory {path}; already exists as a "
                                    "directory.")
        if node is None:
            raise FileNotFound(f"Failed to append to non-existent file {path}")
        assert isinstance(node, File)
        if node.client is not None:
            self._take_over(node, path, client)
        if node.blocks and not node.blocks[-1].locations:
            raise HdfsError(f"append: lastBlock={node.blocks[-1].id} of src={path} has no live "
                            "replica.")
        self.namesystem.reopen(node, client)
        self.leases.add(node)
        if node.blocks and not node.blocks[-1].complete:
            last = node.blocks[-1]
            last.pipeline = [n for n in last.locations if n.alive]
        return node

    def _take_over(self, file: File, path: str, client: str) -> None:
        """Another client wants a file that is being written."""
        holder = file.client
        assert holder is not None
        if holder == client:
            raise AlreadyBeingCreated(
                f"Failed to create file {path} for {client}: it is already its lease holder")
        if holder != NAMENODE_HOLDER and not self.leases.is_soft_expired(holder):
            raise AlreadyBeingCreated(
                f"Failed to CREATE_FILE {path} for {client} because this file lease is currently "
                f"owned by {holder}")
        if not self.recover(file):
            raise RecoveryInProgress(f"Failed to close file {path}. Lease recovery is in "
                                     "progress. Try again later.")

    def writer_of(self, path: str, client: str, file_id: int = 0) -> File:
        """The open file a client says it is writing; LeaseExpired if it is not."""
        node = (self.namesystem.tree.by_id.get(file_id) if file_id
                else self.namesystem.tree.find(path))
        if not isinstance(node, File):
            raise FileNotFound(f"File does not exist: {path} (inode {file_id}) Holder {client} "
                               "does not have any open files.")
        if node.client is None:
            raise LeaseExpired(f"File is not open for writing: {path} (inode {node.id})")
        if node.client != client:
            raise LeaseExpired(f"Client (={client}) is not the lease owner (={node.client}: "
                               f"{path})")
        return node

    # ------------------------------------------------------------------ blocks

    def add_block(
        self, file: File, previous: dict[str, Any] | None, excluded: Collection[str], host: str
    ) -> Block:
        """Commit the block before and allocate the next, with nodes to write it to."""
        last = file.blocks[-1] if file.blocks else None
        if last is not None and not last.complete:
            before = file.blocks[-2] if len(file.blocks) > 1 else None
            wanted = previous["blockId"] if previous else 0
            if last.length == 0 and wanted == (before.id if before else 0):
                # The client did not hear our answer and asks again.
                return last
        committed = self._committed(last, previous)
        if last is not None and not last.locations and not committed:
            raise NotReplicatedYet(f"Not replicated yet: {file.path}")
        excludes = [node for node in self.nodes if node.uuid in excluded]
        targets = self.placement.choose(
            self.nodes.live(), file.replication, size=file.block_size, excluded=excludes,
            writer=None if host == "127.0.0.1" else self.nodes.by_address(host))
        if not targets:
            live = len(self.nodes.live())
            raise HdfsError(
                f"File {file.path} could only be written to 0 of the {MIN_REPLICATION} "
                f"minReplication nodes. There are {live} datanode(s) running and "
                f"{len(excludes)} node(s) are excluded in this operation.")
        block = self.namesystem.add_block(file, *committed)
        block.pipeline = targets
        if last is not None and committed:
            self.blocks.committed(last)
        return block

    @staticmethod
    def _committed(last: Block | None, previous: dict[str, Any] | None) -> tuple[int, int] | tuple:
        if last is None or last.complete:
            return ()
        if previous is None or previous["blockId"] != last.id:
            raise HdfsError(f"the block before is {last.id}, not "
                            f"{previous['blockId'] if previous else 'none'}")
        return check_stamp(last, previous), previous["numBytes"]

    def abandon(self, file: File, id: int) -> None:
        """The client could not write a block; a repeated call changes nothing."""
        if file.blocks and file.blocks[-1].id == id and not file.blocks[-1].complete:
            self.namesystem.abandon_block(file, file.blocks[-1])

    def additional(
        self, file: File, block: Block, existing: Collection[str], excluded: Collection[str],
        count: int,
    ) -> list[Datanode]:
        """The nodes of a pipeline and `count` more."""
        have = [self.nodes.by_uuid[uuid] for uuid in existing if uuid in self.nodes.by_uuid]
        excludes = [self.nodes.by_uuid[uuid] for uuid in excluded if uuid in self.nodes.by_uuid]
        more = self.placement.choose(self.nodes.live(), count, size=file.block_size,
                                     existing=have, excluded=excludes)
        if len(more) < count:
            raise HdfsError(f"Failed to find {count} more datanode(s) for block {block.id}")
        return have + more

    def open_block(self, id: int, client: str) -> Block:
        """The block a client is writing."""
        block = self.namesystem.blocks.get(id)
        if block is None or block.file is None or block.complete:
            raise HdfsError(f"blk_{id} does not exist or is not under construction")
        if block.file.client != client:
            raise LeaseExpired(f"Client (={client}) is not the lease owner (="
                               f"{block.file.client})")
        return block

    def update_pipeline(
        self, block: Block, new: dict[str, Any], uuids: Collection[str]
    ) -> None:
        """The client goes on with these nodes under a new generation stamp."""
        if new["generationStamp"] < block.gs or new["numBytes"] < block.length:
            raise HdfsError(f"Update of block {block.id} to an older or shorter one refused")
        self.namesystem.update_block(block, new["generationStamp"], new["numBytes"])
        block.pipeline = [self.nodes.by_uuid[u] for u in uuids if u in self.nodes.by_uuid]
        for node, (gs, _) in list(block.locations.items()):
            if gs < block.gs:
                self.blocks.mark_corrupt(node, block)

    def fsync(self, file: File, length: int) -> None:
        """The client says that so much of the last block is on the DataNodes."""
        if file.blocks and length > file.blocks[-1].length and not file.blocks[-1].complete:
            last = file.blocks[-1]
            self.namesystem.update_block(last, last.gs, length)

    async def complete(self, file: File, path: str, last: dict[str, Any] | None) -> bool:
        """Close a file; False if its last block is not reported in time, so try again."""
        if last is not None and file.blocks and not file.blocks[-1].complete:
            block = file.blocks[-1]
            if last["blockId"] != block.id:
                raise HdfsError(f"the last block of {path} is {block.id}, not {last['blockId']}")
            self.namesystem.update_block(block, check_stamp(block, last), last["numBytes"])
            if not self._has_replica(block) and not await self._report_of(block):
                return False
            if file.client is None or file.blocks[-1:] != [block]:
                raise LeaseExpired(f"{path} changed while it was being completed")
        elif file.blocks and not file.blocks[-1].complete:
            return False
        self._close(file)
        return True

    @staticmethod
    def _has_replica(block: Block) -> bool:
        return (block.gs, block.length) in block.locations.values()

    async def _report_of(self, block: Block) -> bool:
        deadline = self.world.clock.now_ns() + int(COMPLETE_WAIT_S * 1e9)
        while not self._has_replica(block):
            left_s = (deadline - self.world.clock.now_ns()) / 1e9
            if left_s <= 0:
                return False
            future = asyncio.get_running_loop().create_future()
            self._waiting.setdefault(block, []).append(future)
            await asyncio.wait([future], timeout=left_s)
        return True

    def _reported(self, block: Block) -> None:
        for future in self._waiting.pop(block, ()):
            if not future.done():
                future.set_result(None)

    def _close(self, file: File) -> None:
        holder = file.client
        assert holder is not None
        self.namesystem.close_file(file)
        self.leases.remove(holder, file)
        if file.blocks:
            self.blocks.committed(file.blocks[-1])

    # ------------------------------------------------------------------ lease recovery

    def recover(self, file: File) -> bool:
        """Bring a file to an end whose writer is gone; True if it is closed already."""
        assert file.client is not None
        last = file.blocks[-1] if file.blocks else None
        if (last is not None and not last.complete and last.length == 0
                and not last.pipeline and not last.locations):
            # It was allocated, but nothing is known to be anywhere.
            self.namesystem.abandon_block(file, last)
            last = None
        if last is None or last.complete:
            self._close(file)
            return True
        if file.client != NAMENODE_HOLDER:
            self.leases.remove(file.client, file)
            self.namesystem.reopen(file, NAMENODE_HOLDER)
            self.leases.add(file)
        self.leases.renew(NAMENODE_HOLDER)
        candidates = [n for n in {**dict.fromkeys(last.pipeline), **last.locations} if n.alive]
        if candidates:
            last.pipeline = candidates
            last.recovery_gs = self.namesystem.next_gs()
            primary = max(candidates, key=lambda node: node.heard_ns)
            primary.recoveries[last] = None
        return False

    def synchronized(
        self, id: int, new_gs: int, new_length: int, *, close: bool, delete: bool,
        holders: Collection[str]
    ) -> None:
        """The primary DataNode has brought the replicas of a block to one length."""
        block = self.namesystem.blocks.get(id)
        if block is None or block.file is None or block.complete:
            return
        if block.recovery_gs != new_gs:
            raise HdfsError(f"The recovery id {new_gs} does not match current recovery id "
                            f"{block.recovery_gs} for block {id}")
        block.recovery_gs = 0
        file = block.file
        if delete:
            self.namesystem.abandon_block(file, block)
        else:
            self.namesystem.update_block(block, new_gs, new_length)
            block.locations.clear()
            for uuid in holders:
                node = self.nodes.by_uuid.get(uuid)
                if node is not None:
                    node.blocks.add(block)
                    block.corrupt.discard(node)
                    block.locations[node] = (new_gs, new_length)
        if close:
            self._close(file)

    def expire_leases(self) -> None:
        """Take over what silent writers hold."""
        for file in self.leases.hard_expired():
            holder = file.client
            if holder is not None and self.namesystem.tree.by_id.get(file.id) is not file:
                self.leases.remove(holder, file)  # deleted while it was being written
            elif holder is not None:
                self.recover(file)


def check_stamp(block: Block, reported: dict[str, Any]) -> int:
    """The generation stamp of a client's block; it may be ours, or older ones are refused."""
    gs = reported["generationStamp"]
    if gs < block.gs:
        raise HdfsError(f"block {block.id}: generation stamp {gs} is older than {block.gs}")
    return gs
