"""The image: the whole namespace in one file, so that the edit log need not go back for ever.

    image_<position>        position (16 hex digits) = where in the edit log replay goes on

    "HDFSIMG1"              8 bytes
    record, record, ...     u32 length, u32 CRC-32C of the payload, msgpack payload (little-endian)

    first record            [position, last inode id, last block id, last generation stamp,
                             number of inodes]
    then one an inode       [id, parent id, name, mode, owner, group, mtime, atime, acl, xattrs]
                            parents before children; for a file also
                            [replication, block_size, client, [[block id, gs, length, complete]]]
    last record             ["end"]

An image is written beside the others, synced and renamed, so a crash leaves the old ones.  The
newest two are kept, and the edits from the older of them on: should the newest be unreadable, the
operator may remove it and lose nothing.  Nothing is repaired silently: an image that fails its
checksums stops the start.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgpack

from bedrock.codec.crc32c import crc32c
from bedrock.storage.errors import Damaged
from bedrock.world import Disk, DiskFull
from hdfs_sim.tree import Block, Directory, File, INode, Tree

if TYPE_CHECKING:
    from hdfs_sim.namesystem import Namesystem

MAGIC = b"HDFSIMG1"
KEPT = 2
CHUNK_BYTES = 1 << 20
RECORD_BYTES_MAX = 256 << 20
_HEAD = struct.Struct("<II")


class ImageStore:
    """The images of one namespace."""

    def __init__(self, disk: Disk):
        self.disk = disk

    def names(self) -> list[str]:
        """All complete images, oldest first."""
        return [n for n in self.disk.list("image_") if not n.endswith(".new")]

    def save(self, namesystem: Namesystem, position: int) -> int:
        """Write an image; returns the position before which edits are needed no more."""
        name = f"image_{position:016x}"
        try:
            self._write(name + ".new", namesystem, position)
        except DiskFull:
            # The edits need the room more than half an image does.
            if self.disk.exists(name + ".new"):
                self.disk.remove(name + ".new")
            raise
        self.disk.rename(name + ".new", name)
        names = self.names()
        for old in names[:-KEPT]:
            self.disk.remove(old)
        self.disk.sync_dir()
        return position_of(names[-KEPT:][0])

    def _write(self, name: str, namesystem: Namesystem, position: int) -> None:
        with self.disk.open(name, "rw") as file:
            file.truncate(0)
            pending = bytearray(MAGIC)
            for record in _records(namesystem, position):
                payload = msgpack.packb(record, use_bin_type=True)
                pending += _HEAD.pack(len(payload), crc32c(payload)) + payload
                if len(pending) >= CHUNK_BYTES:
                    file.append(bytes(pending))
                    pending.clear()
            file.append(bytes(pending))
            file.sync()

    def load_newest(self, namesystem: Namesystem) -> int:
        """Fill an empty namesystem; returns the position to replay edits from."""
        names = self.names()
        if not names:
            return 0
        load(self.disk, names[-1], namesystem)
        return position_of(names[-1])


def position_of(name: str) -> int:
    """The edit log position that an image's name carries."""
    return int(name.removeprefix("image_"), 16)


def _records(namesystem: Namesystem, position: int) -> Iterator[list[Any]]:
    tree = namesystem.tree
    yield [position, namesystem.last_inode_id, namesystem.last_block_id, namesystem.last_gs,
           len(tree.by_id)]
    for node in tree.walk(tree.root):
        parent = node.parent.id if node.parent is not None else 0
        xattrs = node.xattrs and [[*key, value] for key, value in node.xattrs.items()]
        record = [node.id, parent, node.name, node.mode, node.owner, node.group, node.mtime,
                  node.atime, node.acl, xattrs]
        if isinstance(node, File):
            record += [node.replication, node.block_size, node.client,
                       [[b.id, b.gs, b.length, b.complete] for b in node.blocks]]
        yield record
    yield ["end"]


def read_records(disk: Disk, name: str) -> Iterator[tuple[int, Any]]:
    """The offset and content of each record; Damaged where the file is not what was written."""
    with disk.open(name) as file:
        size = file.size()
        if file.read_at(0, len(MAGIC)) != MAGIC:
            raise Damaged(name, 0, "not an image")
        offset = len(MAGIC)
        while offset < size:
            head = file.read_at(offset, _HEAD.size)
            if len(head) < _HEAD.size:
                raise Damaged(name, offset, "cut off")
            length, checksum = _HEAD.unpack(head)
            if length > min(RECORD_BYTES_MAX, size - offset - _HEAD.size):
                raise Damaged(name, offset, f"record of {length} bytes goes past the end")
            payload = file.read_at(offset + _HEAD.size, length)
            if crc32c(payload) != checksum:
                raise Damaged(name, offset, "checksum mismatch")
            yield offset, msgpack.unpackb(payload, strict_map_key=False)
            offset += _HEAD.size + length


def load(disk: Disk, name: str, namesystem: Namesystem) -> None:
    """Put the image's content in place of the namesystem's tree."""
    records = read_records(disk, name)
    _, header = next(records, (0, None))
    if header is None:
        raise Damaged(name, len(MAGIC), "no header")
    _, namesystem.last_inode_id, namesystem.last_block_id, namesystem.last_gs, count = header
    tree: Tree | None = None
    for offset, record in records:
        if record == ["end"]:
            if tree is None or len(tree.by_id) != count:
                raise Damaged(name, offset, f"{count} inodes promised, not that many found")
            namesystem.tree = tree
            return
        try:
            node = _inode(record, namesystem)
            if tree is None:
                assert isinstance(node, Directory) and record[1] == 0
                tree = Tree(node)
            else:
                above = tree.by_id[record[1]]
                assert isinstance(above, Directory)
                above.add(node)
                tree.by_id[node.id] = node
        except (AssertionError, KeyError, TypeError, ValueError, IndexError) as exc:
            raise Damaged(name, offset, f"not an inode: {exc!r}") from exc
    raise Damaged(name, 0, "no end")


def _inode(record: list[Any], namesystem: Namesystem) -> INode:
    id, _, label, mode, owner, group, mtime, atime, acl, xattrs, *rest = record
    node: INode
    if rest:
        replication, block_size, client, blocks = rest
        node = file = File(id, label, mode, owner, group, mtime, replication, block_size, client)
        for block_id, gs, length, complete in blocks:
            block = Block(block_id, gs, length, file, complete)
            file.blocks.append(block)
            namesystem.blocks[block_id] = block
    else:
        node = Directory(id, label, mode, owner, group, mtime)
    node.atime = atime
    node.acl = acl and tuple(tuple(entry) for entry in acl)
    node.xattrs = xattrs and {(space, key): value for space, key, value in xattrs}
    return node
