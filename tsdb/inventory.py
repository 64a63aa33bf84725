"""Inventory: what a store holds, as data: head, log, blocks, their codings, the rate of writing.

    GET /api/v1/status/storage   {now, head, log, rate, blocks, damaged}; see `Inventory.as_dict`

A block's codings are found by reading chunks, of SERIES_READ series spread over it; blocks do not
change, so that is done once for each.  The rate is that of every PULSE_S for the last hour.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import Any

from bedrock.net.http import Request, Response, Route
from bedrock.storage.errors import Damaged
from bedrock.world import Timer
from tsdb.block import Block
from tsdb.form import answering, success_of
from tsdb.store import Store

SERIES_READ = 100
PULSE_S = 5
PULSES_KEPT = 720


class Pulse:
    """How many samples were taken, every PULSE_S: (ms, samples a second)."""

    def __init__(self, store: Store):
        self.store = store
        self.rates: deque[tuple[int, float]] = deque(maxlen=PULSES_KEPT)
        self._taken = store.ingested
        self._timer: Timer | None = None

    def start(self) -> None:
        """Begin to count."""
        clock = self.store.world.clock
        self._timer = clock.call_at(clock.now_ns() + PULSE_S * 1_000_000_000, self._beat)

    def stop(self) -> None:
        """Stop counting."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _beat(self) -> None:
        taken = self.store.ingested
        now_ms = self.store.world.clock.wall_ms()
        self.rates.append((now_ms, (taken - self._taken) / PULSE_S))
        self._taken = taken
        self.start()


class Inventory:
    """What is there, for whoever asks."""

    def __init__(self, store: Store):
        self.store = store
        self.pulse = Pulse(store)
        self._codings: dict[str, dict[str, int]] = {}

    def routes(self) -> list[Route]:
        """Method, path, handler."""
        return [Route("GET", "/api/v1/status/storage", answering(self.storage))]

    def storage(self, request: Request) -> Response:
        """Head, log, rate of writing, and each block with its codings."""
        return success_of(self.as_dict())

    def as_dict(self) -> dict[str, Any]:
        """Times in ms, sizes in bytes; level: how often a block's samples were rewritten."""
        store = self.store
        head, log = store.head, store.log
        there = head.samples > 0
        return {
            "now": store.world.clock.wall_ms(),
            "head": {
                "series": head.live,
                "samples": head.samples,
                "first": head.first if there else None,
                "last": head.last if there else None,
            },
            "log": {"bytes": log.end - log.start, "syncs": log.syncs},
            "ingested": store.ingested,
            "rate": list(self.pulse.rates),
            "blocks": [self._block(block) for block in store.blocks],
            "damaged": [str(finding) for finding in store.block_set.findings],
        }

    def _block(self, block: Block) -> dict[str, Any]:
        known = self._codings.get(block.name)
        if known is None:
            there = {block.name for block in self.store.blocks}
            self._codings = {name: c for name, c in self._codings.items() if name in there}
            try:
                known = self._codings[block.name] = codings(block, SERIES_READ)
            except Damaged:
                known = {}  # whoever reads the samples sets it aside
        return {
            "name": block.name,
            "level": block.generation,
            "resolution": block.resolution,
            "first": block.first,
            "last": block.last,
            "series": len(block),
            "samples": block.samples,
            "bytes": block.size,
            "codings": known,
        }


def codings(block: Block, series_max: int) -> dict[str, int]:
    """Bytes of each coding of values, in up to as many series, spread evenly; the largest first."""
    bytes_of: Counter[str] = Counter()
    for number in range(0, len(block), max(-(-len(block) // series_max), 1)):
        for chunk in block.chunks(number):
            kind = chunk["values"].partition(",")[0].partition(" ")[0]
            bytes_of[kind] += chunk["bytes"]
    return dict(bytes_of.most_common())
