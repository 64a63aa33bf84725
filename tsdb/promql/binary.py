"""Binary operators: arithmetic, comparison and sets, between scalars and vectors.

Two vectors are joined by signature: the labels named by `on`, or all but `ignoring` and the name.
One pair of rows is computed at all steps at once; that at most one partner exists is required
only where both have a value, as Prometheus does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from bedrock.world.slices import paced
from tsdb.labellist import LabelList
from tsdb.labels import Labels
from tsdb.promql.ast import Matching
from tsdb.promql.errors import QueryError
from tsdb.promql.vector import Vector, by_rows, groups_present, joined, rows_of


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
        values = by_rows(ARITHMETIC[op], left, right)
        if op not in DROPS_NAME:
            return Vector(vector.labels, values, vector.present)
        return vector.with_values(values).unique()
    holds = by_rows(COMPARISON[op], left, right)
    if as_bool:
        return vector.with_values(holds.astype(np.float64)).unique()
    return Vector(vector.labels, vector.values, vector.present & holds)


# ---- signatures ----------------------------------------------------------------------------


def _signatures(vector: Vector, matching: Matching) -> list[Labels | tuple[str, ...]]:
    """For each row what must be equal on both sides."""
    if matching.on:
        names = matching.labels
        return [tuple([labels.get(name) for name in names]) for labels in paced(vector.labels)]
    if not matching.labels:
        return [labels.without_name() for labels in paced(vector.labels)]
    dropped = {*matching.labels, "__name__"}
    return [labels.drop(dropped) for labels in paced(vector.labels)]


class Partners:
    """Rows by what they are found by.

    first  the first row of each key
    more   all rows of a key that has several: few have, and a million lists are slow
    """

    def __init__(self, keys: Iterable[object]):
        self.first: dict[object, int] = {}
        self.more: dict[object, list[int]] = {}
        for row, key in enumerate(paced(keys)):
            first = self.first.setdefault(key, row)
            if first != row:
                self.more.setdefault(key, [first]).append(row)

    def rows(self, key: object) -> Sequence[int]:
        """The rows of a key."""
        first = self.first.get(key)
        return () if first is None else self.more.get(key) or (first,)


# ---- sets ----------------------------------------------------------------------------------


def _set_operation(op: str, left: Vector, right: Vector, matching: Matching) -> Vector:
    partners, source = (left, right) if op == "or" else (right, left)
    number: dict[object, int] = {}
    signatures = paced(_signatures(partners, matching))
    group_of = [number.setdefault(signature, len(number)) for signature in signatures]
    there = groups_present(partners, np.array(group_of, np.int64), len(number))
    nowhere = len(number)
    matched = [number.get(signature, nowhere) for signature in paced(_signatures(source, matching))]
    flags = rows_of(np.vstack((there, np.zeros_like(there, shape=(1, there.shape[1])))), matched)
    if op == "and":
        return Vector(left.labels, left.values, left.present & flags).pruned()
    if op == "unless":
        return Vector(left.labels, left.values, left.present & ~flags).pruned()
    return Vector(
        LabelList(left.labels + right.labels),
        joined([left.values, right.values]),
        joined([left.present, right.present & ~flags]),
    ).pruned().unique()


# ---- joins ---------------------------------------------------------------------------------


def _join(op: str, left: Vector, right: Vector, matching: Matching, as_bool: bool) -> Vector:
    """Arithmetic or comparison between the rows that share a signature."""
    swapped = matching.many == "right"
    many, one = (right, left) if swapped else (left, right)
    partners = Partners(_signatures(one, matching))
    met = np.asarray(many.present.any(axis=0))
    _refuse_duplicates(one, met, partners, matching, "left" if swapped else "right")
    many_rows: list[int] = []
    one_rows: list[int] = []
    matched: list[object] = []
    for row, signature in enumerate(paced(_signatures(many, matching))):
        for partner in partners.rows(signature):
            many_rows.append(row)
            one_rows.append(partner)
            matched.append(signature)
    if not many_rows:
        return Vector.empty(many.values.shape[1])
    many_values, one_values = rows_of(many.values, many_rows), rows_of(one.values, one_rows)
    present = rows_of(many.present, many_rows) & rows_of(one.present, one_rows)
    first, second = (one_values, many_values) if swapped else (many_values, one_values)
    if op in COMPARISON:
        holds = by_rows(COMPARISON[op], first, second)
        values = holds.astype(np.float64) if as_bool else first
        kept = present if as_bool else present & holds
    else:
        values, kept = by_rows(ARITHMETIC[op], first, second), present
    drop_name = as_bool or op in DROPS_NAME
    labels = [
        _result_labels(many.labels[m], one.labels[o], matching, drop_name)
        for m, o in paced(zip(many_rows, one_rows, strict=True))
    ]
    keys = zip(matched, labels, strict=True) if matching.many else matched
    _refuse_many(keys, kept, matching)
    return Vector(LabelList(labels), values, kept).pruned().unique()


def _refuse_duplicates(
    one: Vector,
    met: np.ndarray,
    partners: Partners,
    matching: Matching,
    side: str,
) -> None:
    """Two rows of the "one" side must not share a signature at a step where `many` is met."""
    for rows in paced(partners.more.values()):
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


def _refuse_many(keys: Iterable[object], present: np.ndarray, matching: Matching) -> None:
    """Two rows with one key (signature; with group_*, and labels) must not meet at a step."""
    for rows in paced(Partners(keys).more.values()):
        if (present[rows].sum(axis=0) > 1).any():
            if matching.many:
                raise QueryError(
                    "multiple matches for labels: grouping labels must ensure unique matches"
                )
            raise QueryError(
                "multiple matches for labels: many-to-one matching must be explicit "
                "(group_left/group_right)"
            )
