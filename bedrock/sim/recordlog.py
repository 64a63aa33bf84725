"""The record log under crashes: what was acknowledged stays, in order, and nothing is invented.

A node appends numbered records in turns of its own, acknowledges them when the turn's flush is
done, rolls and trims now and then, and is crashed, killed, paused and denied room and syncs on the
way.  After each start the node reads its log back, and the oracle compares:

    found = all that was found or appended in the boot before, up to some point
            not before the last acknowledged record; trimmed records may be missing at the front
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field

from bedrock.sim.simulation import Simulation, Violation, work
from bedrock.storage.recordlog import RecordLog, check
from bedrock.world import DiskFull, World

SEGMENT_BYTES = 4096
TROUBLE_S = 8

Record = tuple[int, bytes]


@dataclass
class Oracle:
    """What the log may hold."""

    known: list[Record] = field(default_factory=list)
    durable: int = 0  # records of `known` that were acknowledged
    trimmed: int = 0  # position below which records may be gone
    written: int = 0

    def recovered(self, found: list[Record]) -> None:
        """Compare, and go on from what is there."""
        first = 0
        while first < len(self.known) and self.known[first][0] < self.trimmed:
            if found and found[0] == self.known[first]:
                break
            first += 1
        if found != self.known[first : first + len(found)]:
            raise Violation(f"found {len(found)} records that were not written so")
        if first + len(found) < self.durable:
            lost = self.durable - first - len(found)
            raise Violation(f"{lost} acknowledged records are lost")
        self.known = found
        self.durable = len(found)


class Node:
    """A writer with its log."""

    def __init__(self, sim: Simulation, oracle: Oracle, world: World):
        self.sim = sim
        self.oracle = oracle
        self.world = world
        disk = world.disk.sub("log")
        for finding in check(disk):
            if not finding.harmless:
                raise Violation(f"the checker found {finding}")
        self.log = RecordLog(disk, world.turn, segment_bytes=SEGMENT_BYTES, rand=world.rand)
        oracle.recovered(list(self.log.replay()))

    async def write(self) -> None:
        """Append for ever, a few records a turn."""
        rand = self.world.rand
        while True:
            await self.world.clock.sleep(0.02 * rand.random())
            for _ in range(1 + rand.below(4)):
                self.append()
            if rand.chance(0.03):
                with contextlib.suppress(DiskFull):
                    self.log.roll()
            if rand.chance(0.03):
                self.trim()

    def append(self) -> None:
        oracle = self.oracle
        payload = b"%08d" % oracle.written * self.world.rand.below(100)
        try:
            position = self.log.append(payload)
        except DiskFull:
            return
        oracle.written += 1
        oracle.known.append((position, payload))
        self.sim.operations += 1
        if len(oracle.known) == oracle.durable + 1:
            # Deferred behind the log's own flush: by then the records are safe.
            self.world.turn.before_flush(self.acknowledge)

    def acknowledge(self) -> None:
        if self.log.durable != self.log.end:
            raise Violation("a turn ended with records that are not durable")
        self.oracle.durable = len(self.oracle.known)

    def trim(self) -> None:
        oracle = self.oracle
        if oracle.durable:
            oracle.trimmed = oracle.known[oracle.durable // 2][0]
            self.log.trim(oracle.trimmed)


async def scenario(sim: Simulation) -> None:
    """See the module."""
    oracle = Oracle()

    async def build(world: World) -> Node:
        node = Node(sim, oracle, world)
        work(world, node.write())
        return node

    machine = sim.machine("writer", build)
    await sim.bring_up(machine)
    await sim.trouble(TROUBLE_S)
    before = oracle.written
    await asyncio.sleep(1)
    if oracle.written == before:
        raise Violation("all is healed, yet nothing is written")
    machine.power_cut()
    await machine.start()
