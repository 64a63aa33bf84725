"""The namespace against a dict, and across restarts, checkpoints and torn logs."""

from __future__ import annotations

import shutil
import tempfile

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from bedrock.storage.errors import Damaged
from bedrock.world import OsDisk, World
from hdfs_sim.check import check_namespace
from hdfs_sim.errors import HdfsError, InvalidPath
from hdfs_sim.namesystem import Namesystem
from hdfs_sim.tree import File

NAMES = st.sampled_from(["a", "b", "c"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map(lambda names: "/" + "/".join(names))


def contents(namesystem):
    return {
        node.path: ("file", node.id, node.length) if isinstance(node, File) else ("dir", node.id)
        for node in namesystem.tree.walk(namesystem.tree.root) if node.parent is not None
    }


def snapshot(namesystem):
    """All there is to know, for comparing a tree with its replay."""
    return [
        (n.path, n.id, n.mode, n.owner, n.mtime, n.acl, n.xattrs,
         [(b.id, b.gs, b.length, b.complete) for b in getattr(n, "blocks", [])],
         getattr(n, "client", None))
        for n in namesystem.tree.walk(namesystem.tree.root)
    ] + [namesystem.last_block_id, namesystem.last_gs, namesystem.last_inode_id]


class AgainstDict(RuleBasedStateMachine):
    """model: path -> "dir", or the length of a file."""

    def __init__(self):
        super().__init__()
        self.directory = tempfile.mkdtemp()
        self.namesystem = Namesystem(World(OsDisk(self.directory)))
        self.model = {}

    def teardown(self):
        self.namesystem.close()
        shutil.rmtree(self.directory)

    def parents(self, path):
        names = path.split("/")[1:-1]
        return ["/" + "/".join(names[:i]) for i in range(1, len(names) + 1)]

    def blocked(self, path):
        return any(self.model.get(p, "dir") != "dir" for p in self.parents(path))

    @rule(path=PATHS)
    def mkdirs(self, path):
        if self.blocked(path) or self.model.get(path, "dir") != "dir":
            with pytest.raises(HdfsError):
                self.namesystem.mkdirs(path, mode=0o755, owner="me")
            return
        self.namesystem.mkdirs(path, mode=0o755, owner="me")
        self.model.update(dict.fromkeys([*self.parents(path), path], "dir"))

    @rule(path=PATHS, overwrite=st.booleans(), length=st.integers(0, 3000))
    def create(self, path, overwrite, length):
        def make():
            return self.namesystem.create(
                path, mode=0o644, owner="me", client="c", replication=1, block_size=1024,
                overwrite=overwrite)

        there = self.model.get(path)
        if self.blocked(path) or there == "dir" or (there is not None and not overwrite):
            with pytest.raises(HdfsError):
                make()
            return
        file, left, committed = make(), length, ()
        while left:
            block = self.namesystem.add_block(file, *committed)
            committed = block.gs, min(left, 1024)
            left -= committed[1]
        if committed:
            self.namesystem.update_block(file.blocks[-1], *committed)
        self.namesystem.close_file(file)
        self.model.update(dict.fromkeys(self.parents(path), "dir"))
        self.model[path] = length

    @rule(path=PATHS, recursive=st.booleans())
    def delete(self, path, recursive):
        below = [p for p in self.model if p.startswith(path + "/")]
        if below and not recursive:
            with pytest.raises(HdfsError):
                self.namesystem.delete(path, recursive=False)
            return
        assert self.namesystem.delete(path, recursive=recursive) == (path in self.model)
        for gone in [*below, path]:
            self.model.pop(gone, None)

    @rule(source=PATHS, goal=PATHS, overwrite=st.booleans())
    def rename(self, source, goal, overwrite):
        there = self.model.get(goal)
        parent = goal.rpartition("/")[0]
        moved = {p: v for p, v in self.model.items() if p == source or p.startswith(source + "/")}
        possible = (
            source in self.model and source != goal
            and (parent == "" or self.model.get(parent) == "dir")
            and not (goal + "/").startswith(source + "/")
            and (there is None or (overwrite and (there == "dir") == (self.model[source] == "dir")
                 and not any(p.startswith(goal + "/") for p in self.model))))
        if not possible:
            with pytest.raises(HdfsError):
                self.namesystem.rename2(source, goal, overwrite=overwrite)
            return
        self.namesystem.rename2(source, goal, overwrite=overwrite)
        for path in moved:
            del self.model[path]
        self.model.update({goal + path[len(source):]: v for path, v in moved.items()})

    @rule(checkpoint=st.booleans())
    def restart(self, checkpoint):
        if checkpoint:
            self.namesystem.checkpoint()
        before = snapshot(self.namesystem)
        self.namesystem.close()
        assert list(check_namespace(OsDisk(self.directory))) == []
        self.namesystem = Namesystem(World(OsDisk(self.directory)))
        assert snapshot(self.namesystem) == before

    @invariant()
    def same(self):
        found = {
            path: "dir" if kind[0] == "dir" else kind[2]
            for path, kind in contents(self.namesystem).items()}
        assert found == self.model
        assert sum(len(getattr(n, "blocks", [])) for n in self.namesystem.tree.by_id.values()) \
            == len(self.namesystem.blocks)


AgainstDict.TestCase.settings = settings(max_examples=30, stateful_step_count=25, deadline=None)
TestAgainstDict = AgainstDict.TestCase


@pytest.mark.parametrize("path", [
    "", "a", "../a", "/a/../b", "/a/./b", "/a\0b", "/a:b", "/" + "x" * 300, "/a" * 1001])
def test_a_path_that_could_mislead_is_refused(tmp_path, path):
    namesystem = Namesystem(World(OsDisk(str(tmp_path))))
    with pytest.raises(HdfsError):
        namesystem.mkdirs(path, mode=0o755, owner="me")


def test_an_image_with_a_flipped_bit_stops_the_start(tmp_path):
    namesystem = Namesystem(World(OsDisk(str(tmp_path))))
    namesystem.mkdirs("/kept", mode=0o755, owner="me")
    namesystem.checkpoint()
    namesystem.close()
    image = next((tmp_path / "image").iterdir())
    raw = bytearray(image.read_bytes())
    raw[len(raw) // 2] ^= 1
    image.write_bytes(raw)
    with pytest.raises(Damaged):
        Namesystem(World(OsDisk(str(tmp_path))))
    assert any(not f.harmless for f in check_namespace(OsDisk(str(tmp_path))))


def test_invalid_path_is_a_bad_request():
    assert InvalidPath.status == 400
