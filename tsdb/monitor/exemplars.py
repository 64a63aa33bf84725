"""Exemplars: the newest examples (a trace id, mostly) of what series count, in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

from tsdb.labels import Labels
from tsdb.matchers import Matcher
from tsdb.monitor.exposition import Exemplar
from tsdb.promql.json_out import value_text

KEPT = 100_000


class Exemplars:
    """A ring of (series, exemplar)."""

    def __init__(self, kept: int = KEPT):
        self.ring: deque[tuple[Labels, Exemplar]] = deque(maxlen=kept)
        self.last: dict[Labels, Exemplar] = {}

    def add(self, labels: Labels, exemplar: Exemplar, now_ms: int) -> None:
        """Keep one, unless it is the one that was seen last."""
        if exemplar.time_ms is None:
            exemplar = Exemplar(exemplar.labels, exemplar.value, now_ms)
            before = self.last.get(labels)
            if before and (before.labels, before.value) == (exemplar.labels, exemplar.value):
                return
        elif self.last.get(labels) == exemplar:
            return
        self.last[labels] = exemplar
        if len(self.ring) == self.ring.maxlen:
            gone, oldest = self.ring[0]
            if self.last.get(gone) == oldest:
                del self.last[gone]
        self.ring.append((labels, exemplar))

    def find(
        self, selectors: Iterable[Sequence[Matcher]], low_ms: int, high_ms: int
    ) -> list[dict[str, Any]]:
        """Those of the series that any selector finds, as the API gives them."""
        selectors = list(selectors)
        found: dict[Labels, list[Exemplar]] = {}
        for labels, exemplar in self.ring:
            assert exemplar.time_ms is not None
            if low_ms <= exemplar.time_ms <= high_ms and any(
                all(m.matches(labels.get(m.name)) for m in matchers) for matchers in selectors
            ):
                found.setdefault(labels, []).append(exemplar)
        return [
            {
                "seriesLabels": labels.as_dict(),
                "exemplars": [
                    {
                        "labels": one.labels,
                        "value": value_text(one.value),
                        "timestamp": (one.time_ms or 0) / 1000,
                    }
                    for one in sorted(found[labels], key=lambda one: one.time_ms or 0)
                ],
            }
            for labels in sorted(found)
        ]
