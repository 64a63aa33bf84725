"""The namespace as a tree of inodes, and the questions one can ask it.  No sockets, no disk.

    Directory  /  ── children by name ──►  Directory, File
    File  ── blocks in order ──►  Block (id, generation stamp, length, its file)

A name is text; its order is that of its UTF-8 bytes, which for text is the order of its code
points.  Where a block's replicas are is not part of the namespace: DataNodes report it, and
hdfs_sim/blocks.py keeps it, in the same Block objects to spare a second map.

Left out: symlinks, snapshots, quotas, storage policies, erasure coding.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator

from hdfs_sim import paths
from hdfs_sim.errors import FileNotFound, ParentNotDirectory

ROOT_ID = 16385


class INode:
    """What a directory and a file share.

    mode is the permission bits (07777), mtime/atime are ms since 1970; acl is a tuple of
    (scope, type, name, permissions), xattrs a dict of (namespace, name) to bytes, both or None.
    """

    __slots__ = ("acl", "atime", "group", "id", "mode", "mtime", "name", "owner", "parent",
                 "xattrs")

    is_directory = False

    def __init__(self, id: int, name: str, mode: int, owner: str, group: str, mtime: int):
        self.id = id
        self.name = name
        self.parent: Directory | None = None
        self.mode = mode
        self.owner = owner
        self.group = group
        self.mtime = mtime
        self.atime = 0
        self.acl: tuple | None = None
        self.xattrs: dict[tuple[int, str], bytes] | None = None

    @property
    def path(self) -> str:
        """From the root to here."""
        names = []
        node: INode = self
        while node.parent is not None:
            names.append(node.name)
            node = node.parent
        return paths.join(names[::-1])

    def is_below(self, other: INode) -> bool:
        """True if `other` is this node or above it."""
        node: INode | None = self
        while node is not None and node is not other:
            node = node.parent
        return node is other


class Directory(INode):
    """Invariant 1: child.parent is this directory exactly if children[child.name] is child."""

    __slots__ = ("_names", "children")

    is_directory = True

    def __init__(self, id: int, name: str, mode: int, owner: str, group: str, mtime: int):
        super().__init__(id, name, mode, owner, group, mtime)
        self.children: dict[str, INode] = {}
        self._names: list[str] | None = None

    def add(self, child: INode) -> None:
        """Take a child whose name is free."""
        assert child.name not in self.children
        self.children[child.name] = child
        child.parent = self
        self._names = None

    def remove(self, child: INode) -> None:
        """Give a child up."""
        del self.children[child.name]
        child.parent = None
        self._names = None

    def names(self) -> list[str]:
        """All names in order; kept until the directory changes."""
        if self._names is None:
            self._names = sorted(self.children)
        return self._names

    def page(self, after: str, limit: int) -> tuple[list[INode], int]:
        """Up to `limit` children whose names follow `after`, and how many more there are."""
        names = self.names()
        start = bisect_right(names, after) if after else 0
        chosen = names[start:start + limit]
        return [self.children[n] for n in chosen], len(names) - start - len(chosen)


class File(INode):
    """A file; `client` names who is writing it, None once it is closed.

    Invariant 2: all blocks but the last are complete and full in length as recorded; the last one
    of a file that is not closed is under construction unless it was committed by `addBlock`.
    """

    __slots__ = ("block_size", "blocks", "client", "replication")

    def __init__(self, id: int, name: str, mode: int, owner: str, group: str, mtime: int,
                 replication: int, block_size: int, client: str | None):
        super().__init__(id, name, mode, owner, group, mtime)
        self.atime = mtime
        self.replication = replication
        self.block_size = block_size
        self.client = client
        self.blocks: list[Block] = []

    @property
    def length(self) -> int:
        """Bytes known to be in the file."""
        return sum(block.length for block in self.blocks)


class Block:
    """A block of a file.

    id, gs, length, file   the namespace's part: kept in the edit log and the image
    locations              DataNode -> replica that is good (volatile, from reports)
    corrupt                DataNodes whose replica must not be used (volatile)
    pipeline               DataNodes it is being written to (volatile)
    complete               no longer written; the length is final
    recovery_gs            generation stamp of a lease recovery under way, 0 if none
    """

    __slots__ = ("complete", "corrupt", "file", "gs", "id", "length", "locations", "pipeline",
                 "recovery_gs")

    def __init__(self, id: int, gs: int, length: int, file: File, complete: bool):
        self.id = id
        self.gs = gs
        self.length = length
        self.file: File | None = file
        self.complete = complete
        self.locations: dict = {}
        self.corrupt: set = set()
        self.pipeline: list = []
        self.recovery_gs = 0


class Tree:
    """All inodes by path and by id."""

    def __init__(self, root: Directory):
        self.root = root
        self.by_id: dict[int, INode] = {root.id: root}

    def find(self, path: str) -> INode | None:
        """The inode at a path; None if there is none."""
        node: INode = self.root
        for name in paths.split(path):
            if not isinstance(node, Directory):
                return None
            child = node.children.get(name)
            if child is None:
                return None
            node = child
        return node

    def need(self, path: str) -> INode:
        """The inode at a path, or FileNotFound."""
        node = self.find(path)
        if node is None:
            raise FileNotFound(f"File does not exist: {path}")
        return node

    def need_file(self, path: str) -> File:
        """The file at a path, or FileNotFound."""
        node = self.find(path)
        if node is None:
            raise FileNotFound(f"File does not exist: {path}")
        if not isinstance(node, File):
            raise FileNotFound(f"Path is not a file: {path}")
        return node

    def deepest(self, names: list[str]) -> tuple[Directory, int]:
        """The deepest directory there is on the way, and how many components lead to it.

        ParentNotDirectory if a file stands in the way before the last component.
        """
        node = self.root
        for depth, name in enumerate(names):
            child = node.children.get(name)
            if child is None:
                return node, depth
            if not isinstance(child, Directory):
                if depth < len(names) - 1:
                    raise ParentNotDirectory(
                        f"{paths.join(names[:depth + 1])} (is not a directory)")
                return node, depth
            node = child
        return node, len(names)

    def walk(self, top: INode) -> Iterator[INode]:
        """`top` and all below it, parents first."""
        stack = [top]
        while stack:
            node = stack.pop()
            yield node
            if isinstance(node, Directory):
                stack.extend(node.children[name] for name in reversed(node.names()))

    def summary(self, top: INode) -> dict[str, int]:
        """Totals of a subtree: length, files, directories, and length times replication."""
        length = files = directories = consumed = 0
        for node in self.walk(top):
            if isinstance(node, File):
                size = node.length
                files += 1
                length += size
                consumed += size * node.replication
            else:
                directories += 1
        return {"length": length, "fileCount": files, "directoryCount": directories,
                "spaceConsumed": consumed}
