"""What ANALYZE computes: `analyze(values)` for one column, from all of its values or a sample.

The result (catalog.ColumnStats) has PostgreSQL's parts, by its rules: null fraction, number of
distinct values (scaled up from a sample by the Haas-Stokes estimator), up to `target` most common
values that are clearly more common than the average, and an equi-depth histogram of the rest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from query_planner.catalog import ColumnStats
from query_planner.types import Type

TARGET = 100


def analyze(values: Sequence[Any], type_: Type, total: float | None = None,
            target: int = TARGET) -> ColumnStats:
    """Statistics of one column.

    values  its values in storage order (None = NULL), all of them or an even sample
    total   rows of the table, where `values` is a sample
    """
    rows = len(values)
    present = [v for v in values if v is not None]
    if not rows:
        return ColumnStats(distinct=0.0, width=_width(present, type_))
    stats = ColumnStats(null_fraction=1 - len(present) / rows, width=_width(present, type_))
    if not present:
        stats.distinct = 0.0
        return stats
    try:
        counts = Counter(present)
        ordered = sorted(counts)
    except TypeError:
        # Values without hash or order (json, arrays with NULLs): only size and NULLs are known.
        return stats
    stats.distinct = _distinct(counts, len(present), total or rows)
    stats.common = tuple(_common(counts, rows, target))
    known = {value for value, _ in stats.common}
    stats.bounds = _bounds([(v, counts[v]) for v in ordered if v not in known], target)
    stats.correlation = _correlation(present, ordered)
    return stats


def _width(present: Sequence[Any], type_: Type) -> int:
    if type_.length > 0:
        return type_.length
    some = present[:1000]
    sizes = [len(v) if isinstance(v, (str, bytes)) else 8 for v in some]
    return round(sum(sizes) / len(sizes)) + 1 if sizes else 8


def _distinct(counts: Counter, seen: int, total: float) -> float:
    """Distinct values of the whole: n d / (n - f1 + f1 n / N), f1 values being seen once."""
    different = len(counts)
    if total <= seen:
        return float(different)
    once = sum(1 for count in counts.values() if count == 1)
    estimate = seen * different / (seen - once + once * seen / total)
    return max(float(different), min(estimate, total))


def _common(counts: Counter, rows: int, target: int) -> Iterable[tuple[Any, float]]:
    """The most common values: all if they fit, else those 25 % above the average."""
    if len(counts) <= target:
        least = 1 if len(counts) * 2 <= sum(counts.values()) else 2
    else:
        least = max(2.0, 1.25 * sum(counts.values()) / len(counts))  # type: ignore[assignment]
    for value, count in counts.most_common(target):
        if count < least:
            break
        yield value, count / rows


def _bounds(ordered: list[tuple[Any, int]], target: int) -> tuple[Any, ...]:
    """target + 1 values that cut the rows into parts of equal size."""
    if len(ordered) < 2:
        return ()
    rows = sum(count for _, count in ordered)
    parts = min(target, len(ordered) - 1)
    bounds: list[Any] = []
    passed = 0
    for value, count in ordered:
        passed += count
        while len(bounds) < parts and passed > len(bounds) * rows / parts:
            bounds.append(value)
    bounds.append(ordered[-1][0])
    return tuple(bounds)


def _correlation(present: Sequence[Any], ordered: list[Any]) -> float:
    """Pearson's correlation of place and rank."""
    n = len(present)
    if n < 2 or len(ordered) < 2:
        return 1.0
    rank = {value: i for i, value in enumerate(ordered)}
    ranks = [rank[v] for v in present]
    mean_x, mean_y = (n - 1) / 2, sum(ranks) / n
    across = sum((x - mean_x) * (y - mean_y) for x, y in enumerate(ranks))
    spread_x = (n * n - 1) * n / 12
    spread_y = sum((y - mean_y) ** 2 for y in ranks)
    return across / (spread_x * spread_y) ** 0.5 if spread_y else 1.0
