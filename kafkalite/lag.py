"""How far groups are behind, now and over the last minutes.

    records   high watermark - committed offset
    time      how long ago the first record that was not read yet was made

Every `EVERY_S` a sample of each partition of each group is kept, `KEPT` of them.  What they say of
a partition is judged as Burrow does, without thresholds:

    OK       at some sample nothing was left to read, or the lag does not only grow
    WARN     the lag grows from sample to sample while offsets are committed
    STALL    offsets are committed, and are always the same
    STOP     nothing was committed during all of the samples
    REWIND   the committed offset went back
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from bedrock.codec.errors import Malformed
from kafkalite.batch import describe

if TYPE_CHECKING:
    from kafkalite.broker import Broker
    from kafkalite.log import Log
    from kafkalite.offset_record import Committed

EVERY_S = 5.0
KEPT = 120
JUDGED = 12  # samples: the last minute

Partition = tuple[str, int]


class Status(StrEnum):
    """What the samples say; the later ones are worse."""

    OK = "OK"
    WARN = "WARN"
    STALL = "STALL"
    STOP = "STOP"
    REWIND = "REWIND"


SEVERITY = list(Status)


class Sample(NamedTuple):
    """One look at a partition of a group; time_ms: when its offset was committed."""

    offset: int
    lag: int
    time_ms: int


def judge(samples: list[Sample]) -> Status:
    """What the samples of a partition say, oldest first."""
    recent = samples[-JUDGED:]
    pairs = list(pairwise(recent))
    if any(after.offset < before.offset for before, after in pairs):
        return Status.REWIND
    if len(recent) < JUDGED or any(sample.lag == 0 for sample in recent):
        return Status.OK
    if recent[0].time_ms == recent[-1].time_ms:
        return Status.STOP
    if recent[0].offset == recent[-1].offset:
        return Status.STALL
    if all(after.lag >= before.lag for before, after in pairs) and recent[0].lag < recent[-1].lag:
        return Status.WARN
    return Status.OK


@dataclass(frozen=True)
class Behind:
    """A group's place in a partition."""

    committed: int
    end: int
    lag: int
    behind_ms: int


@dataclass
class History:
    """What was sampled of one group."""

    lags: deque[int] = field(default_factory=lambda: deque(maxlen=KEPT))
    partitions: dict[Partition, deque[Sample]] = field(default_factory=dict)
    generation: int = -1
    rebalanced_ms: int = 0


class Lag:
    """Lag of the groups of a broker."""

    def __init__(self, broker: Broker):
        self.broker = broker
        self.history: dict[str, History] = {}
        self._made: dict[tuple[str, int, int], int] = {}

    def start(self) -> None:
        """Sample from now on.  Needs a running loop."""
        self.broker.every(EVERY_S, "lag", self.sample)
        self.sample()

    def sample(self) -> None:
        """Look at every partition of every group."""
        coordinator = self.broker.coordinator
        ids = set(coordinator.ids())
        for group in [group for group in self.history if group not in ids]:
            del self.history[group]
        for group in ids:
            history = self.history.setdefault(group, History())
            places = self.of_group(group)
            history.lags.append(sum(place.lag for place in places.values()))
            held = coordinator.offsets.get(group)
            for partition in [p for p in history.partitions if p not in held]:
                del history.partitions[partition]
            for partition, committed in held.items():
                if partition in places:
                    trail = history.partitions.setdefault(partition, deque(maxlen=KEPT))
                    place = places[partition]
                    trail.append(Sample(committed.offset, place.lag, committed.time_ms))
            generation = self.generation(group)
            if generation != history.generation:
                if history.generation >= 0:
                    history.rebalanced_ms = self.broker.world.clock.wall_ms()
                history.generation = generation

    def generation(self, group: str) -> int:
        """How often the group was balanced since it began."""
        held = self.broker.coordinator.groups.get(group)
        return getattr(held, "generation", getattr(held, "epoch", 0)) if held else 0

    def of_group(self, group: str) -> dict[Partition, Behind]:
        """Where a group is now, in each partition it committed for."""
        found = {}
        for partition, committed in self.broker.coordinator.offsets.get(group).items():
            log = self.log(partition)
            if log is not None:
                found[partition] = self._place(partition, log, committed)
        return found

    def log(self, partition: Partition) -> Log | None:
        """The log of a partition, None if it is gone."""
        topic = self.broker.topics.by_name.get(partition[0])
        return topic.logs[partition[1]] if topic and partition[1] < len(topic.logs) else None

    def _place(self, partition: Partition, log: Log, committed: Committed) -> Behind:
        end = log.high_watermark
        # What retention removed cannot be read any more.
        lag = max(0, end - max(committed.offset, log.start_offset))
        behind_ms = 0
        if lag:
            made_ms = self._made_ms(partition, log, max(committed.offset, log.start_offset))
            behind_ms = max(0, self.broker.world.clock.wall_ms() - made_ms)
        return Behind(committed.offset, end, lag, behind_ms)

    def _made_ms(self, partition: Partition, log: Log, offset: int) -> int:
        """When the batch with that offset was begun: known again until the group moves on."""
        key = (*partition, offset)
        if key not in self._made:
            if len(self._made) > 100_000:
                self._made.clear()
            try:
                self._made[key] = describe(log.read_batches(offset, 1))["base_timestamp"]
            except Malformed:
                return self.broker.world.clock.wall_ms()
        return self._made[key]

    def status(self, group: str, partition: Partition | None = None) -> Status:
        """The verdict on a partition of a group, or the worst on any of them."""
        history = self.history.get(group)
        if history is None:
            return Status.OK
        if partition is not None:
            return judge(list(history.partitions.get(partition, ())))
        verdicts = (judge(list(trail)) for trail in history.partitions.values())
        return max(verdicts, key=SEVERITY.index, default=Status.OK)
