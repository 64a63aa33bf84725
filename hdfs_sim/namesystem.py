"""The namespace that changes: each operation is validated, written as an edit, and applied.

    operation ── checks, times, new ids ──► edit ──► log ──► _apply_*  (the only code that changes
                                                     ▲                  the tree)
                                       replay ───────┘

Deterministic: given the same image, edits and clock it makes the same tree.  It knows blocks by
id, generation stamp and length, not where they are (hdfs_sim/blocks.py), nor who may write
(hdfs_sim/leases.py): callers decide that and pass it in.

Invariants:
1. An operation that raises has changed nothing and written nothing.
2. Inode ids, block ids and generation stamps are never used twice, crash or not.
3. The tree after replay of the log from an image is the tree that wrote it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bedrock.world import World
from hdfs_sim import image, paths
from hdfs_sim.edits import EditLog
from hdfs_sim.errors import (
    FileAlreadyExists,
    FileNotFound,
    HdfsError,
    IllegalArgument,
    NotEmpty,
    ParentNotDirectory,
)
from hdfs_sim.tree import ROOT_ID, Block, Directory, File, INode, Tree

BLOCK_ID_BEFORE_FIRST = 1 << 30
GENERATION_STAMP_BEFORE_FIRST = 1000
SUPERGROUP = "supergroup"


class Namesystem:
    """A namespace on `world.disk`, embeddable without any server.

    on_removed   called with the blocks that no file holds any more; set it after opening
    checkpoint_edits   edits after which `checkpoint_due` says so
    """

    def __init__(
        self,
        world: World,
        *,
        superuser: str = "hdfs",
        checkpoint_edits: int = 1_000_000,
    ):
        self.world = world
        self.on_removed: Callable[[list[Block]], None] = lambda blocks: None
        self.checkpoint_edits = checkpoint_edits
        self.tree = Tree(Directory(ROOT_ID, "", 0o755, superuser, SUPERGROUP, 0))
        self.blocks: dict[int, Block] = {}
        self.last_inode_id = ROOT_ID
        self.last_block_id = BLOCK_ID_BEFORE_FIRST
        self.last_gs = GENERATION_STAMP_BEFORE_FIRST
        self.edits_since_image = 0
        self._images = image.ImageStore(world.disk.sub("image"))
        start = self._images.load_newest(self)
        self.edits = EditLog(world.disk.sub("edits"), world.turn)
        for op, fields in self.edits.replay(start):
            _APPLY[op](self, *fields)
            self.edits_since_image += 1

    # ------------------------------------------------------------------ the log

    def _commit(self, op: str, *fields: Any) -> Any:
        self.edits.append(op, *fields)
        self.edits_since_image += 1
        return _APPLY[op](self, *fields)

    @property
    def checkpoint_due(self) -> bool:
        """Replaying the log would take long: time for an image."""
        return self.edits_since_image >= self.checkpoint_edits

    def checkpoint(self) -> None:
        """Write an image of the tree and forget the edits that older images need no more."""
        self.edits.flush()
        self.edits.trim(self._images.save(self, self.edits.end))
        self.edits_since_image = 0

    def close(self) -> None:
        """Flush and release the files."""
        self.edits.close()

    def _now(self) -> int:
        return self.world.clock.wall_ms()

    # ------------------------------------------------------------------ directories

    def mkdirs(
        self, path: str, *, mode: int, owner: str, group: str = SUPERGROUP, parents: bool = True
    ) -> None:
        """Make a directory, with those above it if `parents`; one that exists is kept."""
        names = paths.split(path)
        above, depth = self.tree.deepest(names)
        if depth == len(names):
            return
        if names[depth] in above.children:
            raise FileAlreadyExists(f"Path is not a directory: {paths.join(names[:depth + 1])}")
        if depth < len(names) - 1 and not parents:
            raise FileNotFound(
                f"Parent directory doesn't exist: {paths.join(names[:-1])}")
        now = self._now()
        for name in names[depth:]:
            above = self._commit("mkdir", above.id, self.last_inode_id + 1, name, mode & 0o1777,
                                 owner, group, now)

    def _parent_for(self, path: str, owner: str, parents: bool) -> tuple[Directory, str]:
        """The directory that is to hold `path`'s last component, made if `parents`."""
        names = paths.split(path)
        if not names:
            raise FileAlreadyExists("/ already exists as a directory")
        above, depth = self.tree.deepest(names[:-1])
        if depth < len(names) - 1:
            if names[depth] in above.children:
                raise ParentNotDirectory(
                    f"{paths.join(names[:depth + 1])} (is not a directory)")
            if not parents:
                raise FileNotFound(f"Parent directory doesn't exist: {paths.join(names[:-1])}")
            self.mkdirs(paths.join(names[:-1]), mode=0o755, owner=owner, group=above.group)
            above, _ = self.tree.deepest(names[:-1])
        return above, names[-1]

    # ------------------------------------------------------------------ files

    def create(
        self,
        path: str,
        *,
        mode: int,
        owner: str,
        client: str,
        replication: int,
        block_size: int,
        overwrite: bool = False,
        parents: bool = True,
    ) -> File:
        """Make an empty file that `client` is writing, in place of one there if `overwrite`."""
        old = self.tree.find(path)
        if isinstance(old, Directory):
            raise FileAlreadyExists(f"{path} already exists as a directory")
        if old is not None and not overwrite:
            raise FileAlreadyExists(f"{path} for client {client} already exists")
        above, name = self._parent_for(path, owner, parents)
        return self._commit("create", above.id, self.last_inode_id + 1, name, mode & 0o1777,
                            owner, above.group, self._now(), replication, block_size, client,
                            old.id if old is not None else 0)

    def add_block(self, file: File, committed_gs: int = 0, committed_length: int = 0) -> Block:
        """Append an empty block; the one before it gets its final stamp and length."""
        return self._commit("add_block", file.id, self.last_block_id + 1, self.last_gs + 1,
                            committed_gs, committed_length)

    def update_block(self, block: Block, gs: int, length: int) -> None:
        """Record another generation stamp or length of a file's last block."""
        assert block.file is not None
        if (block.gs, block.length) != (gs, length):
            self._commit("update_block", block.file.id, block.id, gs, length)

    def abandon_block(self, file: File, block: Block) -> None:
        """Take the last block off a file that is being written."""
        self._commit("abandon_block", file.id, block.id)

    def next_gs(self) -> int:
        """A new generation stamp."""
        return self._commit("genstamp", self.last_gs + 1)

    def close_file(self, file: File) -> None:
        """Nobody writes the file any more."""
        self._commit("close", file.id, self._now())

    def reopen(self, file: File, client: str) -> None:
        """`client` goes on writing a file, or takes over one that another was writing."""
        self._commit("reopen", file.id, client)

    def concat(self, target: File, sources: list[File]) -> None:
        """Move the blocks of the sources, which cease to be, to the end of the target."""
        self._commit("concat", target.id, [file.id for file in sources], self._now())

    # ------------------------------------------------------------------ any inode

    def set(self, node: INode, **values: Any) -> None:
        """Change attributes: mode, owner, group, mtime, atime, replication, acl, xattrs."""
        self._commit("set", node.id, values)

    def delete(self, path: str, *, recursive: bool) -> bool:
        """Remove a subtree; False if there is nothing at the path (or it is the root)."""
        node = self.tree.find(path)
        if node is None or node.parent is None:
            return False
        if isinstance(node, Directory) and node.children and not recursive:
            raise NotEmpty(f"`{path} is non empty': Directory is not empty")
        self._commit("delete", node.id, self._now())
        return True

    def rename(self, source: str, target: str) -> bool:
        """The old rename: into a directory that exists; False where it cannot be done."""
        node = self.tree.find(source)
        if node is None or node.parent is None:
            return False
        there = self.tree.find(target)
        if there is node:
            return not node.is_directory
        name = paths.split(target)[-1] if there is not self.tree.root else ""
        if isinstance(there, Directory):
            above: INode | None = there
            name = node.name
            if name in there.children:
                return False
        elif there is not None:
            return False
        else:
            above = self.tree.find(paths.join(paths.split(target)[:-1]))
        if not isinstance(above, Directory) or above.is_below(node):
            return False
        self._commit("rename", node.id, above.id, name, self._now(), 0)
        return True

    def rename2(self, source: str, target: str, *, overwrite: bool = False) -> None:
        """The new rename: exact target, errors for what cannot be done."""
        node = self.tree.find(source)
        if node is None:
            raise FileNotFound(f"rename source {source} is not found.")
        names = paths.split(target)
        if node.parent is None or not names:
            raise HdfsError("rename source or destination cannot be the root")
        there = self.tree.find(target)
        if there is node:
            raise FileAlreadyExists(
                f"The source {source} and destination {target} are the same")
        if there is not None:
            self._check_replaceable(node, there, target, overwrite)
        above = self.tree.find(paths.join(names[:-1]))
        if above is None:
            raise FileNotFound(
                f"rename destination parent {paths.join(names[:-1])} not found.")
        if not isinstance(above, Directory):
            raise ParentNotDirectory(
                f"rename destination parent {above.path} is a file.")
        if above.is_below(node):
            raise HdfsError(
                f"Rename destination {target} is a directory or file under source {source}")
        self._commit("rename", node.id, above.id, names[-1], self._now(),
                     there.id if there is not None else 0)

    @staticmethod
    def _check_replaceable(node: INode, there: INode, target: str, overwrite: bool) -> None:
        if node.is_directory != there.is_directory:
            raise HdfsError(
                f"Source {node.path} and destination {target} must both be directories or files")
        if not overwrite:
            raise FileAlreadyExists(f"rename destination {target} already exists")
        if isinstance(there, Directory) and there.children:
            raise HdfsError(f"rename destination directory is not empty: {target}")

    def check_concat(self, target: File, sources: list[File]) -> None:
        """HDFS's conditions: closed files of one directory, all with blocks, none twice."""
        if not sources or len({file.id for file in sources}) != len(sources):
            raise IllegalArgument("concat: sources must be given, each once")
        for file in (target, *sources):
            if file.client is not None or not file.blocks:
                raise IllegalArgument(f"concat: {file.path} is empty or under construction")
            if file is not target and file.parent is not target.parent:
                raise IllegalArgument(
                    f"concat: {file.path} is not in the directory of {target.path}")
        if target in sources:
            raise IllegalArgument("concat: the target is one of the sources")

    # ------------------------------------------------------------------ applying edits

    def _file(self, id: int) -> File:
        node = self.tree.by_id[id]
        assert isinstance(node, File)
        return node

    def _apply_mkdir(self, parent: int, id: int, name: str, mode: int, owner: str, group: str,
                     mtime: int) -> Directory:
        node = Directory(id, name, mode, owner, group, mtime)
        self._insert(parent, node, mtime)
        return node

    def _apply_create(self, parent: int, id: int, name: str, mode: int, owner: str, group: str,
                      mtime: int, replication: int, block_size: int, client: str,
                      replaced: int) -> File:
        if replaced:
            self._apply_delete(replaced, mtime)
        node = File(id, name, mode, owner, group, mtime, replication, block_size, client)
        self._insert(parent, node, mtime)
        return node

    def _insert(self, parent: int, node: INode, mtime: int) -> None:
        above = self.tree.by_id[parent]
        assert isinstance(above, Directory)
        above.add(node)
        above.mtime = mtime
        self.tree.by_id[node.id] = node
        self.last_inode_id = max(self.last_inode_id, node.id)

    def _apply_add_block(self, file: int, block: int, gs: int, committed_gs: int,
                         committed_length: int) -> Block:
        node = self._file(file)
        if node.blocks and committed_gs:
            last = node.blocks[-1]
            last.gs, last.length, last.complete = committed_gs, committed_length, True
        made = Block(block, gs, 0, node, False)
        node.blocks.append(made)
        self.blocks[block] = made
        self.last_block_id = max(self.last_block_id, block)
        self.last_gs = max(self.last_gs, gs)
        return made

    def _apply_update_block(self, file: int, block: int, gs: int, length: int) -> None:
        found = self.blocks[block]
        found.gs, found.length = gs, length
        self.last_gs = max(self.last_gs, gs)

    def _apply_abandon_block(self, file: int, block: int) -> None:
        node = self._file(file)
        assert node.blocks[-1].id == block
        self._drop_blocks([node.blocks.pop()])

    def _apply_close(self, file: int, mtime: int) -> None:
        node = self._file(file)
        node.client = None
        node.mtime = mtime
        if node.blocks:
            node.blocks[-1].complete = True

    def _apply_reopen(self, file: int, client: str) -> None:
        node = self._file(file)
        was_closed = node.client is None
        node.client = client
        if was_closed and node.blocks and node.blocks[-1].length < node.block_size:
            node.blocks[-1].complete = False

    def _apply_rename(self, inode: int, parent: int, name: str, mtime: int,
                      replaced: int) -> None:
        if replaced:
            self._apply_delete(replaced, mtime)
        node = self.tree.by_id[inode]
        above = self.tree.by_id[parent]
        assert node.parent is not None and isinstance(above, Directory)
        node.parent.mtime = mtime
        node.parent.remove(node)
        node.name = name
        above.add(node)
        above.mtime = mtime

    def _apply_delete(self, inode: int, mtime: int) -> None:
        node = self.tree.by_id[inode]
        assert node.parent is not None
        node.parent.mtime = mtime
        dropped: list[Block] = []
        for below in self.tree.walk(node):
            del self.tree.by_id[below.id]
            if isinstance(below, File):
                dropped += below.blocks
        node.parent.remove(node)
        self._drop_blocks(dropped)

    def _apply_set(self, inode: int, values: dict[str, Any]) -> None:
        node = self.tree.by_id[inode]
        for name, value in values.items():
            if name == "acl" and value is not None:
                value = tuple(tuple(entry) for entry in value)
            elif name == "xattrs" and value is not None:
                value = {(space, key): data for space, key, data in value}
            setattr(node, name, value)

    def _apply_genstamp(self, gs: int) -> int:
        self.last_gs = max(self.last_gs, gs)
        return gs

    def _apply_concat(self, target: int, sources: list[int], mtime: int) -> None:
        file = self._file(target)
        for id in sources:
            source = self._file(id)
            for block in source.blocks:
                block.file = file
            file.blocks += source.blocks
            source.blocks = []
            self._apply_delete(id, mtime)
        file.mtime = mtime

    def _drop_blocks(self, dropped: list[Block]) -> None:
        for block in dropped:
            del self.blocks[block.id]
            block.file = None
        if dropped:
            self.on_removed(dropped)


_APPLY: dict[str, Callable] = {
    name.removeprefix("_apply_"): function
    for name, function in vars(Namesystem).items()
    if name.startswith("_apply_")
}
