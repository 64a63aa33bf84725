"""Aggregations: `sum by (job) (...)` and its kin.

Groups are formed once, by labels; the kernel then reduces all rows at every step.  The ones that
choose rows (topk, bottomk) or look at all values of a group (quantile, count_values) go step by
step.
"""

from __future__ import annotations

import numpy as np

from bedrock.world.slices import paced, rest
from tsdb.labellist import LabelList
from tsdb.labels import Labels, is_label_name
from tsdb.promql.errors import QueryError
from tsdb.promql.groups import largest, quantile, reduce_groups
from tsdb.promql.numbers import format_plain
from tsdb.promql.vector import Vector


def aggregate(
    op: str, vector: Vector, param: object, names: tuple[str, ...], without: bool
) -> Vector:
    """The aggregated vector; `param` is k, q or the label name."""
    steps = vector.values.shape[1]
    if op == "count_values" and not is_label_name(str(param)):
        raise QueryError(f'invalid label name "{param}"')
    if not len(vector):
        return Vector.empty(steps)
    group_of, groups = vector.labels.groups(names, without)
    if op in ("topk", "bottomk"):
        return _choose(vector, group_of, len(groups), np.asarray(param), op == "topk")
    if op == "quantile":
        return _quantile(vector, groups, group_of, np.asarray(param))
    if op == "count_values":
        label = "" if without and param in names else str(param)
        return _count_values(vector, groups, group_of, label)
    values, present = reduce_groups(
        op,
        np.ascontiguousarray(vector.values),
        np.ascontiguousarray(vector.present).view(np.uint8),
        group_of,
        len(groups),
    )
    return Vector(groups, values, present).pruned()


def _choose(
    vector: Vector, group_of: np.ndarray, groups: int, k: np.ndarray, top: bool
) -> Vector:
    """The k largest (smallest) rows of each group at each step, NaN last; labels are kept."""
    wrong = k[~((k > -(2.0**63)) & (k < 2.0**63))]
    if len(wrong):
        raise QueryError(f"Scalar value {wrong[0]:g} overflows int64")
    keys = np.ascontiguousarray((vector.values if top else -vector.values).T)
    present = np.ascontiguousarray(vector.present.T).view(np.uint8)
    chosen = largest(keys, present, group_of, groups, k.astype(np.int64)).T
    result = Vector(vector.labels, vector.values, chosen)
    if len(k) != 1:
        return result.pruned()
    rows = np.flatnonzero(chosen[:, 0])
    order = np.lexsort((-keys[0, rows], np.isnan(keys[0, rows]), group_of[rows]))
    return result.take(rows[order])


def _quantile(
    vector: Vector, groups: LabelList, group_of: np.ndarray, q: np.ndarray
) -> Vector:
    steps = vector.values.shape[1]
    values = np.zeros((len(groups), steps))
    present = np.zeros((len(groups), steps), np.bool_)
    for group in range(len(groups)):
        rows = group_of == group
        for step in range(steps):
            rest()
            there = rows & vector.present[:, step]
            present[group, step] = there.any()
            values[group, step] = quantile(q[step], vector.values[there, step])
    return Vector(groups, values, present).pruned()


def _count_values(
    vector: Vector, groups: LabelList, group_of: np.ndarray, name: str
) -> Vector:
    """How often each value occurs; it is told by label `name`, "" for by none."""
    steps = vector.values.shape[1]
    counts: dict[Labels, np.ndarray] = {}
    for row in paced(range(len(vector))):
        group = groups[group_of[row]]
        for step in np.flatnonzero(vector.present[row]):
            value = format_plain(vector.values[row, step])
            labels = group.having(name, value) if name else group
            if labels not in counts:
                counts[labels] = np.zeros(steps)
            counts[labels][step] += 1
    return Vector.of_rows(((labels, row, row > 0) for labels, row in counts.items()), steps)
