"""Where the blocks are, and what is done about those that have too few or too many replicas.

DataNodes report replicas; nothing of this is on the NameNode's disk.

    report ──► location (good) ──► enough?  ── too few ──► needed[priority] ──► transfer ─┐
           └─► corrupt / stale / unknown                                        pending ◄─┘
                        └──► invalidated, once enough good ones exist

Priorities, most urgent first:  0 one good replica left   1 fewer than a third of what is wanted
                                2 fewer than wanted       3 none left (nothing can be done)

Safe mode: after a start, until `threshold` of all complete blocks have a good replica, nothing is
copied or deleted and the namespace is read-only: what is missing may only not have been reported
yet.  Then it waits for `datanodes_expected` DataNodes, but not longer than `extension_s`.

Invariants:
1. A replica is good if its generation stamp and length are the block's; only good ones are read.
2. A good replica is invalidated only when more than the wanted number of good ones exist.
3. A block is in at most one of needed[0..3].
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from bedrock.world import Clock
from hdfs_sim.datanodes import Datanode, Datanodes
from hdfs_sim.messages.datanode import FINALIZED, RBW, RWR
from hdfs_sim.placement import Placement
from hdfs_sim.tree import Block

PENDING_TIMEOUT_S = 300.0
EXTENSION_S = 5.0
STREAMS_MAX = 2
WORK_A_NODE = 2
PRIORITIES = 4
LOST = 3


class BlockManager:
    """The replicas of `blocks`, the namespace's map of ids.

    on_report   called with a block that is being written whenever a replica of it is reported
    """

    def __init__(
        self,
        blocks: dict[int, Block],
        nodes: Datanodes,
        placement: Placement,
        clock: Clock,
        *,
        threshold: float = 0.999,
        datanodes_expected: int = 0,
        extension_s: float = EXTENSION_S,
        pending_timeout_s: float = PENDING_TIMEOUT_S,
    ):
        self.blocks = blocks
        self.nodes = nodes
        self.placement = placement
        self.clock = clock
        self.pending_ns = int(pending_timeout_s * 1e9)
        self.needed: list[dict[Block, None]] = [{} for _ in range(PRIORITIES)]
        self.pending: dict[Block, tuple[int, set[Datanode]]] = {}
        self.on_report: Callable[[Block], None] = lambda block: None
        self.safe_mode = True
        self.manual_safe_mode = False
        self.datanodes_expected = datanodes_expected
        self.extension_ns = int(extension_s * 1e9)
        self._reached_ns = 0
        self._unseen = {block for block in blocks.values() if block.complete}
        self._unseen_max = int(len(self._unseen) * (1 - threshold))
        self.leave_safe_mode_if_ready()

    # ------------------------------------------------------------------ safe mode

    def leave_safe_mode_if_ready(self) -> None:
        """Called whenever a node has reported, and from time to time."""
        if not self.safe_mode or self.manual_safe_mode or len(self._unseen) > self._unseen_max:
            return
        now = self.clock.now_ns()
        self._reached_ns = self._reached_ns or now
        reported = sum(node.alive and node.has_reported for node in self.nodes)
        if reported >= self.datanodes_expected or now - self._reached_ns > self.extension_ns:
            self.leave_safe_mode()

    def leave_safe_mode(self) -> None:
        """Begin to act: look at every block once."""
        self.safe_mode = self.manual_safe_mode = False
        self._unseen.clear()
        for block in self.blocks.values():
            self.check(block)

    def enter_safe_mode(self) -> None:
        """An operator wants it."""
        self.safe_mode = self.manual_safe_mode = True

    def safe_mode_tip(self) -> str:
        """Why safe mode is on, for error messages."""
        if self.manual_safe_mode:
            return "It was turned on manually."
        return (f"{len(self._unseen)} blocks have no reported replica yet; "
                f"{self.datanodes_expected} DataNodes are expected.")

    # ------------------------------------------------------------------ reports

    def full_report(self, node: Datanode, replicas: Iterable[tuple[int, int, int, int]]) -> None:
        """All replicas of a node, as (block id, length, generation stamp, state)."""
        gone = set(node.blocks)
        for id, length, gs, state in replicas:
            block = self.blocks.get(id)
            gone.discard(block)  # type: ignore[arg-type]
            self.replica(node, id, length, gs, state)
        for block in gone:
            self.lose(node, block)
        node.has_reported = True
        self.leave_safe_mode_if_ready()

    def replica(self, node: Datanode, id: int, length: int, gs: int, state: int) -> None:
        """A node has a replica."""
        block = self.blocks.get(id)
        if block is None:
            node.invalidations[id] = (gs, length)
        elif state == FINALIZED:
            self._finalized(node, block, length, gs)
        elif state in (RBW, RWR):
            self._unfinished(node, block, gs, state)

    def _finalized(self, node: Datanode, block: Block, length: int, gs: int) -> None:
        if (block.complete and (gs, length) != (block.gs, block.length)) or gs < block.gs:
            self.mark_corrupt(node, block)
            return
        node.blocks.add(block)
        block.corrupt.discard(node)
        block.locations[node] = (gs, length)
        self._unseen.discard(block)
        waiting = self.pending.get(block)
        if waiting is not None:
            waiting[1].discard(node)
            if not waiting[1]:
                del self.pending[block]
        if not block.complete:
            self.on_report(block)
        self.check(block)

    def _unfinished(self, node: Datanode, block: Block, gs: int, state: int) -> None:
        """A replica being written (RBW), or left behind by a crash while it was (RWR)."""
        if block.complete:
            if gs < block.gs or state == RWR:
                self.mark_corrupt(node, block)
        elif node not in block.pipeline:
            block.pipeline.append(node)

    def deleted(self, node: Datanode, id: int) -> None:
        """A node has deleted a replica."""
        block = self.blocks.get(id)
        if block is not None:
            self.lose(node, block)

    def lose(self, node: Datanode, block: Block) -> None:
        """A node has no replica of the block any more."""
        node.blocks.discard(block)
        block.locations.pop(node, None)
        block.corrupt.discard(node)
        self.check(block)

    def mark_corrupt(self, node: Datanode, block: Block) -> None:
        """A node's replica must not be used; it goes once there are enough others."""
        node.blocks.add(block)
        block.locations.pop(node, None)
        block.corrupt.add(node)
        self.check(block)

    def node_died(self, node: Datanode) -> None:
        """Forget what a node holds, until it comes back and reports."""
        for block in list(node.blocks):
            self.lose(node, block)
        for block, (_, targets) in list(self.pending.items()):
            if node in targets:
                del self.pending[block]
                self.check(block)

    # ------------------------------------------------------------------ blocks come and go

    def committed(self, block: Block) -> None:
        """The final length and stamp of a block are known: judge its replicas by them."""
        for node, (gs, length) in list(block.locations.items()):
            if (gs, length) != (block.gs, block.length):
                self.mark_corrupt(node, block)
        block.pipeline = []
        self.check(block)

    def removed(self, blocks: list[Block]) -> None:
        """Files gave these blocks up: delete the replicas."""
        for block in blocks:
            for queue in self.needed:
                queue.pop(block, None)
            self.pending.pop(block, None)
            self._unseen.discard(block)
            for node in {*block.locations, *block.corrupt, *block.pipeline}:
                node.blocks.discard(block)
                if node.alive:
                    node.invalidations[block.id] = (block.gs, block.length)
            block.locations.clear()
            block.corrupt.clear()
        self.leave_safe_mode_if_ready()

    # ------------------------------------------------------------------ enough replicas?

    def check(self, block: Block) -> None:
        """Put the block in the queue it belongs to; trim excess and corrupt replicas."""
        for queue in self.needed:
            queue.pop(block, None)
        if block.file is None or not block.complete or self.safe_mode:
            return
        want = block.file.replication
        good = len(block.locations)
        coming = len(self.pending[block][1]) if block in self.pending else 0
        if good + coming < want:
            self.needed[self._priority(good, want)][block] = None
        elif good >= want:
            if block.corrupt:
                for node in list(block.corrupt):
                    self._invalidate(node, block)
            if good > want:
                for node in self.placement.excess(list(block.locations), good - want):
                    self._invalidate(node, block)

    @staticmethod
    def _priority(good: int, want: int) -> int:
        if good == 0:
            return LOST
        if good == 1:
            return 0
        return 1 if good * 3 < want else 2

    def _invalidate(self, node: Datanode, block: Block) -> None:
        node.invalidations[block.id] = (block.gs, block.length)
        node.blocks.discard(block)
        block.locations.pop(node, None)
        block.corrupt.discard(node)

    def schedule(self) -> int:
        """One round of the replication monitor; returns how many copies were ordered."""
        if self.safe_mode:
            return 0
        now = self.clock.now_ns()
        for block, (deadline, _) in list(self.pending.items()):
            if deadline < now:
                del self.pending[block]
                self.check(block)
        live = self.nodes.live()
        budget = WORK_A_NODE * len(live)
        ordered = 0
        for queue in self.needed[:LOST]:
            for block in list(queue):
                if ordered >= budget:
                    return ordered
                ordered += self._order_copy(block, live, now)
        return ordered

    def _order_copy(self, block: Block, live: list[Datanode], now: int) -> int:
        assert block.file is not None
        sources = [node for node in block.locations
                   if node.alive and len(node.transfers) < STREAMS_MAX]
        if not sources:
            return 0
        source = min(sources, key=lambda node: (len(node.transfers), node.uuid))
        before = self.pending[block][1] if block in self.pending else set()
        existing = [*block.locations, *before]
        targets = self.placement.choose(
            live, block.file.replication - len(existing), size=block.length,
            existing=existing, excluded=block.corrupt)
        if not targets:
            return 0
        source.transfers.append((block, targets))
        self.pending[block] = (now + self.pending_ns, {*before, *targets})
        self.check(block)
        return 1

    # ------------------------------------------------------------------ counts

    def stats(self) -> dict[str, int]:
        """Cluster totals, named as getFsStats names them."""
        live = self.nodes.live()
        return {
            "capacity": sum(node.capacity for node in live),
            "used": sum(node.used for node in live),
            "remaining": sum(node.remaining for node in live),
            "under_replicated": sum(map(len, self.needed)),
            "corrupt_blocks": sum(
                1 for b in self.blocks.values() if b.corrupt and not b.locations),
            "missing_blocks": len(self.needed[LOST]),
            "missing_repl_one_blocks": sum(
                1 for b in self.needed[LOST] if b.file is not None and b.file.replication == 1),
            "blocks_in_future": 0,
            "pending_deletion_blocks": sum(len(node.invalidations) for node in live),
        }
