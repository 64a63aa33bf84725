"""Binary operators: arithmetic, comparison and sets, between scalars and vectors.

Two vectors are joined by signature: the labels named by `on`, or all but `ignoring` and the name.
One pair of rows is computed at all steps at once; that at most one partner exists is required
only where both have a value, as Prometheus does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from tsdb.labellist import LabelList
from tsdb.labels import Labels
from tsdb.promql.ast import Matching
from tsdb.promql.errors import QueryError
from tsdb.promql.vector import Vector


def _power(base: np.ndarray, exponent: np.ndarray) -> np.ndarray:
    # numpy makes a square root of ^ 0.5, and NaN of that of -Inf.
    half = (base == -np.inf) & (exponent == 0.5)
    return np.where(half, np.inf, np.power(base, exponent))


ARITHMETIC: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "%": np.fmod,
    "^": _power,
    "atan2": np.arctan2,
}
COMPARISON: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "==": np.equal,
    "!=": np.not_equal,
    ">": np.greater,
    "<": np.less,
    ">=": np.greater_equal,
    "<=": np.less_equal,
}
SETS = ("and", "or", "unless")
DROPS_NAME = ARITHMETIC.keys() - {"atan2"}  # of Prometheus' operators only atan2 keeps it

Operand = Vector | np.ndarray


def binary(op: str, left: Operand, right: Operand, matching: Matching, as_bool: bool) -> Operand:
    """The operator applied."""
    with np.errstate(all="ignore"):
        if op in SETS:
            assert isinstance(left, Vector)
            assert isinstance(right, Vector)
            return _set_operation(op, left, right, matching)
        if isinstance(left, Vector) and isinstance(right, Vector):
            return _join(op, left, right, matching, as_bool)
        if isinstance(left, Vector):
            return _with_scalar(op, left, left.values, right, as_bool)  # type: ignore[arg-type]
        if isinstance(right, Vector):
            return _with_scalar(op, right, left, right.values, as_bool)
        if op in COMPARISON:
            return COMPARISON[op](left, right).astype(np.float64)
        return ARITHMETIC[op](left, right)


def _with_scalar(
    op: str, vector: Vector, left: np.ndarray, right: np.ndarray, as_bool: bool
) -> Vector:
    """A vector and a scalar; left and right are in the order written."""
    if op in ARITHMETIC:
        values = ARITHMETIC[op](left, right)
        if op not in DROPS_NAME:
            return Vector(vector.labels, values, vector.present)
        return vector.with_values(values).unique()
    holds = COMPARISON[op](left, right)
    if as_bool:
        return vector.with_values(holds.astype(np.float64)).unique()
    return Vector(vector.labels, vector.values, vector.present & holds)


# ---- signatures ----------------------------------------------------------------------------


def _signatures(vector: Vector, matching: Matching) -> list[Labels | tuple[str, ...]]:
    """For each row what must be equal on both sides."""
    if matching.on:
        names = matching.labels
        return [tuple([labels.get(name) for name in names]) for labels in vector.labels]
    if not matching.labels:
        return [labels.without_name() for labels in vector.labels]
    dropped = {*matching.labels, "__name__"}
    return [labels.drop(dropped) for labels in vector.labels]


def _by_signature(vector: Vector, matching: Matching) -> dict[object, list[int]]:
    groups: dict[object, list[int]] = {}
    for row, signature in enumerate(_signatures(vector, matching)):
        groups.setdefault(signature, []).append(row)
    return groups


# ---- sets ----------------------------------------------------------------------------------


def _set_operation(op: str, left: Vector, right: Vector, matching: Matching) -> Vector:
    steps = left.values.shape[1]
    partners, source = (left, right) if op == "or" else (right, left)
    there = {
        signature: partners.present[rows].any(axis=0)
        for signature, rows in _by_signature(partners, matching).items()
    }
    nothing = np.zeros(steps, np.bool_)
    matched = [there.get(signature, nothing) for signature in _signatures(source, matching)]
    flags = np.stack(matched) if matched else np.zeros((0, steps), np.bool_)
    if op == "and":
        return Vector(left.labels, left.values, left.present & flags).pruned()
    if op == "unless":
        return Vector(left.labels, left.values, left.present & ~flags).pruned()
    return Vector(
        LabelList(left.labels + right.labels),
        np.concatenate((left.values, right.values)),
        np.concatenate((left.present, right.present & ~flags)),
    ).pruned().unique()


# ---- joins ---------------------------------------------------------------------------------


def _join(op: str, left: Vector, right: Vector, matching: Matching, as_bool: bool) -> Vector:
    """Arithmetic or comparison between the rows that share a signature."""
    swapped = matching.many == "right"
    many, one = (right, left) if swapped else (left, right)
    partners = _by_signature(one, matching)
    met = np.asarray(many.present.any(axis=0))
    _refuse_duplicates(one, met, partners, matching, "left" if swapped else "right")
    many_rows: list[int] = []
    one_rows: list[int] = []
    matched: list[object] = []
    for row, signature in enumerate(_signatures(many, matching)):
        for partner in partners.get(signature, ()):
            many_rows.append(row)
            one_rows.append(partner)
            matched.append(signature)
    if not many_rows:
        return Vector.empty(many.values.shape[1])
    many_values, one_values = many.values[many_rows], one.values[one_rows]
    present = many.present[many_rows] & one.present[one_rows]
    first, second = (one_values, many_values) if swapped else (many_values, one_values)
    if op in COMPARISON:
        holds = COMPARISON[op](first, second)
        values = holds.astype(np.float64) if as_bool else first
        kept = present if as_bool else present & holds
    else:
        values, kept = ARITHMETIC[op](first, second), present
    drop_name = as_bool or op in DROPS_NAME
    labels = [
        _result_labels(many.labels[m], one.labels[o], matching, drop_name)
        for m, o in zip(many_rows, one_rows, strict=True)
    ]
    keys = list(zip(matched, labels, strict=True)) if matching.many else matched
    _refuse_many(keys, kept, matching)
    return Vector(LabelList(labels), values, kept).pruned().unique()


def _refuse_duplicates(
    one: Vector,
    met: np.ndarray,
    partners: dict[object, list[int]],
    matching: Matching,
    side: str,
) -> None:
    """Two rows of the "one" side must not share a signature at a step where `many` is met."""
    for rows in partners.values():
        if len(rows) < 2:
            continue
        twice = (one.present[rows].sum(axis=0) > 1) & met
        if not twice.any():
            continue
        step = int(np.flatnonzero(twice)[0])
        a, b = [row for row in rows if one.present[row, step]][:2]
        names = set(matching.labels)
        group = (
            one.labels[a].keep(names) if matching.on else one.labels[a].drop(names | {"__name__"})
        )
        raise QueryError(
            f"found duplicate series for the match group {_braces(group)} on the {side} "
            f"hand-side of the operation: [{_braces(one.labels[b])}, {_braces(one.labels[a])}]"
            ";many-to-many matching not allowed: matching labels must be unique on one side"
        )


def _braces(labels: Labels) -> str:
    return "{" + ", ".join(f'{name}="{value}"' for name, value in labels.pairs) + "}"


def _result_labels(many: Labels, one: Labels, matching: Matching, drop_name: bool) -> Labels:
    if matching.many:
        result = many.without_name() if drop_name else many
        for name in matching.extra:
            result = result.having(name, one.get(name))
        return result
    if matching.on:
        return many.keep(set(matching.labels))
    dropped = set(matching.labels) | ({"__name__"} if drop_name else set())
    return many.drop(dropped) if dropped else many


def _refuse_many(keys: Sequence[object], present: np.ndarray, matching: Matching) -> None:
    """Two rows with one key (signature; with group_*, and labels) must not meet at a step."""
    rows_of: dict[object, list[int]] = {}
    for row, key in enumerate(keys):
        rows_of.setdefault(key, []).append(row)
    for rows in rows_of.values():
        if len(rows) > 1 and (present[rows].sum(axis=0) > 1).any():
            if matching.many:
                raise QueryError(
                    "multiple matches for labels: grouping labels must ensure unique matches"
                )
            raise QueryError(
                "multiple matches for labels: many-to-one matching must be explicit "
                "(group_left/group_right)"
            )
