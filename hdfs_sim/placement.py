"""Where replicas go (HDFS's BlockPlacementPolicyDefault).

First replica on the writer's own node, second on another rack, third on the second's rack, the
rest anywhere, never two on a node and at most (replicas - 1) / racks + 2 on a rack.  A rule that
cannot be kept is given up, the last before the first: a block on one rack is better than none.
On one machine all DataNodes share the writer's address, so the first choice is then a random one.

Left out: storage types, favoured nodes, load and staleness of nodes.
"""

from __future__ import annotations

from collections.abc import Collection

from bedrock.world import Rand
from hdfs_sim.datanodes import Datanode


class Placement:
    """Chooses targets among live DataNodes."""

    def __init__(self, rand: Rand):
        self.rand = rand

    def choose(
        self,
        live: list[Datanode],
        count: int,
        *,
        size: int,
        existing: Collection[Datanode] = (),
        excluded: Collection[Datanode] = (),
        writer: Datanode | None = None,
    ) -> list[Datanode]:
        """Up to `count` further nodes for a block of `size` bytes that `existing` hold already."""
        candidates = [
            node for node in live
            if node not in existing and node not in excluded and node.remaining >= size
            and not node.suspect
        ]
        self.rand.shuffle(candidates)
        racks = {node.rack for node in live}
        total = len(existing) + count
        rack_max = (total - 1) // len(racks) + 2 if len(racks) > 1 else total
        chosen = list(existing)
        while candidates and len(chosen) < total:
            node = self._next(candidates, chosen, writer, len(racks), rack_max)
            candidates.remove(node)
            chosen.append(node)
        return chosen[len(existing):]

    @staticmethod
    def _next(
        candidates: list[Datanode],
        chosen: list[Datanode],
        writer: Datanode | None,
        racks: int,
        rack_max: int,
    ) -> Datanode:
        if not chosen:
            return writer if writer in candidates and writer is not None else candidates[0]
        if racks == 1:
            return candidates[0]
        used = [node.rack for node in chosen]
        if len(set(used)) == 1 and len(chosen) in (1, 2):
            wanted = [node for node in candidates if node.rack != used[0]]
        elif len(chosen) == 2:
            wanted = [node for node in candidates if node.rack == used[1]]
        else:
            wanted = []
        wanted = wanted or [n for n in candidates if used.count(n.rack) < rack_max]
        return (wanted or candidates)[0]

    def excess(self, holders: list[Datanode], count: int) -> list[Datanode]:
        """Which `count` of the holders to relieve: keep racks, relieve the fullest."""
        left = list(holders)
        relieved: list[Datanode] = []
        while len(relieved) < count and len(left) > 1:
            racks = [node.rack for node in left]
            spare = [n for n in left if racks.count(n.rack) > 1] or left
            node = min(spare, key=lambda n: (n.remaining, n.uuid))
            left.remove(node)
            relieved.append(node)
        return relieved
