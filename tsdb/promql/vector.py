"""Vector: the value of an expression at every step of a query, for every series at once.

A row is one series: its labels, a value and a "there is one" flag for each step.  An instant query
has one step.  A scalar is a plain array with one value a step; a range is `Windows`.

Invariants:
1. values and present have shape (len(labels), steps).
2. A Vector given to a user has no row without a value, and no two rows with the same labels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from bedrock.world.slices import paced, rest
from tsdb.budget import Budget
from tsdb.labellist import LabelList
from tsdb.labels import Labels
from tsdb.promql.groups import reduce_groups
from tsdb.promql.kernels import single_present
from tsdb.selection import Rows

CELLS = 500_000  # computed between two rests


def by_rows(compute: Callable[..., np.ndarray], *arrays: Any) -> np.ndarray:
    """compute(*arrays), some rows at a time: the matrices among them; others are taken whole."""
    matrix = max(arrays, key=np.size)
    if matrix.size <= CELLS or matrix.ndim < 2:
        return compute(*arrays)
    each = max(1, CELLS // matrix.shape[1])
    parts = []
    for first in range(0, len(matrix), each):
        rest()
        rows = slice(first, first + each)
        parts.append(compute(*(a[rows] if a.ndim == 2 else a for a in arrays)))
    return joined(parts)


def joined(parts: list[np.ndarray]) -> np.ndarray:
    """Parts of a matrix as one."""
    whole = np.empty((sum(map(len, parts)), *parts[0].shape[1:]), parts[0].dtype)
    at = 0
    for part in parts:
        rest()
        whole[at : at + len(part)] = part
        at += len(part)
    return whole


def rows_of(matrix: np.ndarray, rows: list[int] | np.ndarray) -> np.ndarray:
    """matrix[rows]."""
    each = max(1, CELLS // max(1, matrix.shape[1]))
    if len(rows) <= each:
        return np.asarray(matrix[rows])
    return joined([matrix[rows[first : first + each]] for first in range(0, len(rows), each)])


@dataclass
class Vector:
    """Rows of labels, values and flags; see the module."""

    labels: LabelList
    values: np.ndarray
    present: np.ndarray

    @staticmethod
    def empty(steps: int) -> Vector:
        """No rows."""
        return Vector(LabelList(), np.zeros((0, steps)), np.zeros((0, steps), np.bool_))

    @staticmethod
    def of_rows(rows: Iterable[tuple[Labels, np.ndarray, np.ndarray]], steps: int) -> Vector:
        """A Vector of (labels, values, present) rows."""
        rows = list(rows)
        if not rows:
            return Vector.empty(steps)
        labels, values, present = zip(*rows, strict=True)
        return Vector(LabelList(labels), np.stack(values), np.stack(present))

    def __len__(self) -> int:
        return len(self.labels)

    def with_values(self, values: np.ndarray) -> Vector:
        """The same series without their names and with other values: a function's result."""
        return Vector(self.labels.bare(), values, self.present)

    def take(self, rows: list[int] | np.ndarray) -> Vector:
        """Only these rows, in this order."""
        labels = LabelList([self.labels[i] for i in paced(rows)])
        return Vector(labels, rows_of(self.values, rows), rows_of(self.present, rows))

    def ordered(self) -> Vector:
        """The rows sorted by their labels."""
        order = self.labels.order()
        return self if order is None else self.take(order)

    def pruned(self) -> Vector:
        """Without the rows that have no value at any step."""
        some = by_rows(lambda present: present.any(axis=1), self.present)
        return self if some.all() else self.take(np.flatnonzero(some))

    def unique(self) -> Vector:
        """Rows with equal labels made one; QueryError if two have a value at the same step."""
        if self.labels.distinct:
            return self
        same: dict[Labels, list[int]] = {}
        for i, labels in enumerate(paced(self.labels)):
            same.setdefault(labels, []).append(i)
        merged: list[Any] = []
        flags = np.ascontiguousarray(self.present).view(np.uint8)
        for labels, rows in paced(same.items()):
            single_present(flags, rows)
            values = np.where(self.present[rows], self.values[rows], 0).sum(axis=0)
            merged.append((labels, values, self.present[rows].any(axis=0)))
        return Vector.of_rows(merged, self.values.shape[1])


def groups_present(vector: Vector, group_of: np.ndarray, groups: int) -> np.ndarray:
    """For each group and step whether a row has a value."""
    values = np.ascontiguousarray(vector.values)
    flags = np.ascontiguousarray(vector.present).view(np.uint8)
    return np.asarray(reduce_groups("group", values, flags, group_of, groups)[1])


@dataclass
class Windows:
    """A range vector: samples, and the window that ends at ends[step] and is range_ms long."""

    rows: Rows
    ends: np.ndarray
    range_ms: int
    budget: Budget | None = None
