"""A NameNode's files and a DataNode's under crashes: what was acknowledged is found again.

Two machines, each with a worker that makes changes at random and writes down what they ought to
have done, in a model of plain values:

    namenode   Namesystem.  The model is a dict from path to attributes, one state after each edit.
               After a start the tree must equal one of the states since the last acknowledged
               edit: a prefix of what was asked for, in order, whole edits only.
    datanode   BlockStore.  The model is a dict from block id to bytes.  After a start a finalized
               replica is there with every byte; one that was being written has at least the bytes
               that were synced, and no byte that was not written.

What a sync promised of the last, unfinished chunk (512 bytes) of a replica holds until the chunk is
written on: its one checksum is replaced in place, so a power cut in that moment may cost the chunk
on this node.  HDFS has the same gap, and other replicas for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bedrock.sim.simulation import Simulation, Violation, work
from bedrock.world import DiskFull, Rand, World
from hdfs_sim.block_store import BlockStore, Replica
from hdfs_sim.check import check_blocks, check_namespace
from hdfs_sim.messages.datanode import FINALIZED, RBW
from hdfs_sim.namesystem import Namesystem
from hdfs_sim.packet import CHUNK_BYTES, build_packet, read_packet
from hdfs_sim.tree import File, INode

TROUBLE_S = 8
PAUSE_S = 0.02
CHECKPOINT_EDITS = 150
PATHS_MAX = 30
BLOCKS_MAX = 12
PACKET_MAX = 3000

State = dict[str, tuple]  # path -> attributes


# ---------------------------------------------------------------------- the namespace


class Namespace:
    """What the NameNode's files may hold.

    states[0] is acknowledged; the others followed it, in order.
    """

    def __init__(self) -> None:
        self.states: list[State] = [{}]
        self.ids: set[int] = set()  # of blocks that were acknowledged

    def recovered(self, found: State) -> None:
        """Compare, and go on from what is there."""
        if found not in self.states:
            expected = self.states[-1]
            differs = sorted(
                path for path in {*found, *expected} if found.get(path) != expected.get(path))
            raise Violation(f"the namespace is none of the {len(self.states)} that may be; "
                            f"against the last: {differs[:5]}")
        self.states = [found]

    def changed(self, found: State) -> None:
        """An edit was made."""
        self.states.append(found)

    def acknowledge(self) -> None:
        """All edits are durable."""
        del self.states[:-1]
        self.ids |= {block for _, *rest in self.states[0].values() if rest
                     for block, _, _ in rest[1]}


def attributes(node: INode) -> tuple:
    """What the model keeps of an inode."""
    if isinstance(node, File):
        blocks = tuple((block.id, block.gs, block.length) for block in node.blocks)
        return (node.mode, node.client, blocks)
    return (node.mode,)


def moved(state: State, source: str, target: str) -> State:
    """The state after a rename."""
    after = {}
    for path, value in state.items():
        if path == source or path.startswith(source + "/"):
            path = target + path[len(source):]
        after[path] = value
    return after


class NameWriter:
    """The worker of the machine `namenode`: one edit after another."""

    def __init__(self, sim: Simulation, model: Namespace, world: World):
        self.sim = sim
        self.model = model
        self.world = world
        self.rand: Rand = world.rand
        for finding in check_namespace(world.disk):
            if not finding.harmless:
                raise Violation(f"the checker found {finding}")
        self.names = Namesystem(world, checkpoint_edits=CHECKPOINT_EDITS)
        tree = self.names.tree
        model.recovered({n.path: attributes(n) for n in tree.walk(tree.root)
                         if n is not tree.root})

    async def run(self) -> None:
        """Edit for ever, a few edits a turn."""
        while True:
            await self.world.clock.sleep(PAUSE_S * self.rand.random())
            for _ in range(1 + self.rand.below(4)):
                self.edit()
            if self.names.checkpoint_due:
                try:
                    self.names.checkpoint()
                except DiskFull:
                    continue

    def edit(self) -> None:
        """One change of the tree, and the same of the model."""
        state = self.model.states[-1]
        try:
            after = self.rand.choice(EDITS)(self, dict(state))
        except DiskFull:
            return  # refused, with nothing changed
        if after is None:
            return
        if len(self.model.states) == 1:
            # Deferred behind the log's own flush: by then the edits are safe.
            self.world.turn.before_flush(self.model.acknowledge)
        self.model.changed(after)
        self.sim.operations += 1

    # Each edit returns the state after it, or None if it did not apply.

    def _some(self, state: State, of: type[INode]) -> Any:
        paths = [path for path in sorted(state) if (len(state[path]) > 1) == (of is File)]
        path = self.rand.choice(paths) if paths else ""
        return path, self.names.tree.find(path or "/")

    def _open(self, state: State) -> Any:
        path, file = self._some(state, File)
        return (path, file) if path and file.client is not None else (path, None)

    def _new_path(self, state: State) -> str:
        above, _ = self._some(state, INode) if self.rand.chance(0.6) else ("", None)
        return f"{above}/{self.rand.below(8)}"

    def mkdir(self, state: State) -> State | None:
        path = self._new_path(state)
        if path in state or len(state) >= PATHS_MAX:
            return None
        self.names.mkdirs(path, mode=0o750, owner="hdfs")
        return state | {path: (0o750,)}

    def create(self, state: State) -> State | None:
        path = self._new_path(state)
        if len(state.get(path, (0, 0))) == 1 or len(state) >= PATHS_MAX:
            return None
        self.names.create(path, mode=0o640, owner="hdfs", client="writer", replication=3,
                          block_size=1 << 20, overwrite=path in state)
        return state | {path: (0o640, "writer", ())}

    def add_block(self, state: State) -> State | None:
        path, file = self._open(state)
        if file is None:
            return None
        committed: tuple[int, ...] = ()
        if file.blocks:
            committed = (file.blocks[-1].gs, 1 + self.rand.below(1 << 20))
        block = self.names.add_block(file, *committed)
        if block.id in self.model.ids:
            raise Violation(f"block id {block.id} is used twice")
        return state | {path: attributes(file)}

    def recover_pipeline(self, state: State) -> State | None:
        path, file = self._open(state)
        if file is None or not file.blocks:
            return None
        last = file.blocks[-1]
        self.names.update_block(last, self.names.last_gs + 1, last.length + 1)
        return state | {path: attributes(file)}

    def close(self, state: State) -> State | None:
        path, file = self._open(state)
        if file is None:
            return None
        self.names.close_file(file)
        mode, _, blocks = state[path]
        return state | {path: (mode, None, blocks)}

    def append(self, state: State) -> State | None:
        path, file = self._some(state, File)
        if not path or file.client is not None:
            return None
        self.names.reopen(file, "appender")
        mode, _, blocks = state[path]
        return state | {path: (mode, "appender", blocks)}

    def rename(self, state: State) -> State | None:
        source, _ = self._some(state, self.rand.choice((File, INode)))
        target = self._new_path(state)
        if not source or target in state or target.startswith(source + "/"):
            return None
        self.names.rename2(source, target)
        return moved(state, source, target)

    def delete(self, state: State) -> State | None:
        path, _ = self._some(state, self.rand.choice((File, INode)))
        if not path:
            return None
        self.names.delete(path, recursive=True)
        return {p: v for p, v in state.items() if p != path and not p.startswith(path + "/")}

    def chmod(self, state: State) -> State | None:
        path, node = self._some(state, self.rand.choice((File, INode)))
        if not path:
            return None
        mode = self.rand.below(0o1000)
        self.names.set(node, mode=mode)
        return state | {path: (mode, *state[path][1:])}


EDITS = (
    NameWriter.mkdir, NameWriter.create, NameWriter.create, NameWriter.add_block,
    NameWriter.add_block, NameWriter.recover_pipeline, NameWriter.close, NameWriter.close,
    NameWriter.append, NameWriter.rename, NameWriter.delete, NameWriter.chmod,
)


# ---------------------------------------------------------------------- the blocks


@dataclass
class Bytes:
    """What a DataNode's files may hold of one block.

    data      all that was written
    safe      how much of it must be found
    stamps    the generation stamps it may have: two while a change is under way
    complete  it must be found finalized
    gone      it may be missing
    """

    data: bytes
    stamps: tuple[int, ...]
    safe: int = 0
    complete: bool = False
    gone: bool = True


class Blocks:
    """All blocks of a DataNode.  Ids are never used twice."""

    def __init__(self) -> None:
        self.by_id: dict[int, Bytes] = {}
        self.last_id = 1 << 30


class BlockWriter:
    """The worker of the machine `datanode`: replicas are written, synced, closed and removed."""

    def __init__(self, sim: Simulation, blocks: Blocks, world: World):
        self.sim = sim
        self.blocks = blocks
        self.model = blocks.by_id
        self.world = world
        self.rand: Rand = world.rand
        self.store = BlockStore(world.disk)
        for finding in check_blocks(world.disk):
            if not finding.harmless:
                raise Violation(f"the checker found {finding}")
        for id, expected in list(self.model.items()):
            self._recovered(id, expected)

    def _recovered(self, id: int, expected: Bytes) -> None:
        replica = self.store.replicas.get(id)
        if replica is None:
            if not expected.gone:
                raise Violation(f"block {id} is lost")
            del self.model[id]
            return
        found = content(replica)
        if replica.gs not in expected.stamps:
            raise Violation(f"block {id} has stamp {replica.gs}, not {expected.stamps}")
        if expected.complete and replica.state != FINALIZED:
            raise Violation(f"block {id} is no longer finalized")
        if len(found) < expected.safe:
            raise Violation(f"block {id} has {len(found)} bytes, {expected.safe} were synced")
        if found != expected.data[:len(found)]:
            raise Violation(f"block {id} has bytes that were not written")
        expected.data = found
        expected.safe = min(expected.safe, len(found))
        expected.stamps = (replica.gs,)

    async def run(self) -> None:
        """Change for ever."""
        while True:
            await self.world.clock.sleep(PAUSE_S * self.rand.random())
            try:
                self.change()
            except DiskFull:
                continue
            self.sim.operations += 1

    def change(self) -> None:
        """One change of one replica."""
        rand, store = self.rand, self.store
        ids = sorted(store.replicas)
        if not ids or (len(ids) < BLOCKS_MAX and rand.chance(0.2)):
            self.blocks.last_id += 1
            self.model[self.blocks.last_id] = Bytes(b"", (1000,))
            store.create(self.blocks.last_id, 1000, RBW)
            return
        replica = store.get(rand.choice(ids))
        expected = self.model[replica.id]
        if rand.chance(0.1):
            expected.gone, expected.safe, expected.complete = True, 0, False
            store.remove(replica)
        elif replica.state == FINALIZED:
            self._reopen(replica, expected)
        elif replica.state != RBW:
            self._recover(replica, expected)
        elif rand.chance(0.6):
            self._write(replica, expected)
        elif rand.chance(0.5):
            replica.sync()
            expected.safe, expected.gone = replica.length, False
        else:
            store.finalize(replica)
            expected.safe, expected.gone, expected.complete = replica.length, False, True

    def _write(self, replica: Replica, expected: Bytes) -> None:
        at = replica.length
        within = at % CHUNK_BYTES
        most = CHUNK_BYTES - within if within else PACKET_MAX
        data = self.rand.bytes(1 + self.rand.below(most))
        packet = build_packet(at, 0, data)
        sums_n = -(-len(data) // CHUNK_BYTES) * 4
        sums = packet[len(packet) - len(data) - sums_n:len(packet) - len(data)]
        expected.safe = min(expected.safe, at - within)
        expected.data = expected.data[:at] + data
        replica.put(at, data, sums)

    def _reopen(self, replica: Replica, expected: Bytes) -> None:
        expected.complete = False
        expected.stamps = (replica.gs, replica.gs + 1)
        self.store.reopen(replica, replica.gs + 1)
        expected.stamps = (replica.gs,)

    def _recover(self, replica: Replica, expected: Bytes) -> None:
        """What block recovery does to a replica that a crash left behind."""
        length = expected.safe + self.rand.below(replica.length - expected.safe + 1)
        expected.safe = min(expected.safe, length - length % CHUNK_BYTES)
        self.store.truncate(replica, length)
        expected.data = expected.data[:length]
        expected.stamps = (replica.gs, replica.gs + 1)
        self.store.restamp(replica, replica.gs + 1)
        expected.stamps = (replica.gs,)
        self.store.finalize(replica)
        expected.safe, expected.gone, expected.complete = length, False, True


def content(replica: Replica) -> bytes:
    """All bytes of a replica, compared with their checksums."""
    replica.begin_read()
    try:
        return read_packet(replica.packet(0, replica.length, 0))[5] if replica.length else b""
    finally:
        replica.end_read()


# ---------------------------------------------------------------------- the scenario


async def scenario(sim: Simulation) -> None:
    """See the module."""
    names, blocks = Namespace(), Blocks()

    async def namenode(world: World) -> NameWriter:
        node = NameWriter(sim, names, world)
        work(world, node.run())
        return node

    async def datanode(world: World) -> BlockWriter:
        node = BlockWriter(sim, blocks, world)
        work(world, node.run())
        return node

    machines = [sim.machine("namenode", namenode), sim.machine("datanode", datanode)]
    for machine in machines:
        await sim.bring_up(machine)
    await sim.trouble(TROUBLE_S)
    before = sim.operations
    await sim.host("client").clock.sleep(1)
    if sim.operations == before:
        raise Violation("all is healed, yet nothing is written")
    for machine in machines:
        machine.power_cut()
        await machine.start()
