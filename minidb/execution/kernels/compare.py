"""Comparisons of two vectors: machine arrays by numpy, objects by Python.

Strings compare by code point, which is the order of the C collation.  NaN equals NaN and is larger
than every number, as PostgreSQL has it.  Intervals compare by their length with 30-day months.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from minidb.execution.vector import Vec, code_of, either
from query_planner.types import Type

OPERATORS: dict[str, Any] = {
    "=": operator.eq, "<>": operator.ne, "<": operator.lt, "<=": operator.le,
    ">": operator.gt, ">=": operator.ge,
}  # fmt: skip

DAY_US = 86_400_000_000


def interval_us(value: tuple[int, int, int]) -> int:
    months, days, us = value
    return (months * 30 + days) * DAY_US + us


def kernel(name: str, left: Type, right: Type) -> Callable[[Vec, Vec], Vec]:
    op = OPERATORS[name]
    a_code, b_code = code_of(left), code_of(right)
    if "O" not in (a_code, b_code):
        scale = _date_scale(left.name, right.name)
        if scale:
            return _scaled(op, *scale)
        return _float(name, op) if {a_code, b_code} & {"f", "d"} else _machine(op)
    if left.name == "bpchar" or right.name == "bpchar":
        return _objects(op, lambda v: v.rstrip(" "))
    if left.name == "interval":
        return _objects(op, interval_us)
    if left.name == "timetz":
        return _objects(op, lambda v: (v[0] + v[1] * 1_000_000, v[1]))
    if left.name == "json" or left.kind == "c" or left.name == "record":
        return _records(op)
    if left.kind == "e":
        return _objects(op, left.labels.index)
    return _objects(op, None)


def _date_scale(left: str, right: str) -> tuple[int, int] | None:
    """Factors that bring a date and a timestamp to the same unit."""
    if left == "date" and right.startswith("timestamp"):
        return DAY_US, 1
    if right == "date" and left.startswith("timestamp"):
        return 1, DAY_US
    return None


def _machine(op: Any) -> Callable[[Vec, Vec], Vec]:
    return lambda a, b: Vec(op(a.data, b.data), either(a.nulls, b.nulls))


def _scaled(op: Any, by_a: int, by_b: int) -> Callable[[Vec, Vec], Vec]:
    return lambda a, b: Vec(
        op(a.data.astype(np.int64) * by_a, b.data.astype(np.int64) * by_b),
        either(a.nulls, b.nulls))


def _float(name: str, op: Any) -> Callable[[Vec, Vec], Vec]:
    def compare(a: Vec, b: Vec) -> Vec:
        x, y = a.data, b.data
        result = op(x, y)
        x_nan, y_nan = np.isnan(x), np.isnan(y)
        if x_nan.any() or y_nan.any():
            # Rank NaN above everything: compare the flags where either is set.
            result = np.where(x_nan | y_nan, op(x_nan.astype(np.int8), y_nan.astype(np.int8)),
                              result)
        return Vec(result, either(a.nulls, b.nulls))

    return compare


def _objects(op: Any, key: Callable[[Any], Any] | None) -> Callable[[Vec, Vec], Vec]:
    def compare(a: Vec, b: Vec) -> Vec:
        nulls = either(a.nulls, b.nulls)
        if key is None and nulls is None:
            return Vec(np.asarray(op(a.data, b.data), bool))
        n = max(len(a.data), len(b.data))
        if nulls is not None and nulls.all():
            return Vec(np.zeros(n, bool), nulls)
        left, right = a.values(n), b.values(n)
        if key is not None:
            left = [None if v is None else key(v) for v in left]
            right = [None if v is None else key(v) for v in right]
        out = np.fromiter(
            (x is not None and y is not None and op(x, y)
             for x, y in zip(left, right, strict=True)), bool, n)
        return Vec(out, nulls)

    return compare


def record_order(a: tuple, b: tuple) -> int:
    """-1, 0, 1; NULL fields are equal to each other and above all else."""
    for x, y in zip(a, b, strict=False):
        if x is None or y is None:
            if x is not y:
                return 1 if x is None else -1
        elif x != y:
            return -1 if x < y else 1
    return (len(a) > len(b)) - (len(a) < len(b))


def _records(op: Any) -> Callable[[Vec, Vec], Vec]:
    def compare(a: Vec, b: Vec) -> Vec:
        n = max(len(a.data), len(b.data))
        nulls = either(a.nulls, b.nulls)
        out = [x is not None and y is not None and op(record_order(x, y), 0)
               for x, y in zip(a.values(n), b.values(n), strict=True)]
        return Vec(np.array(out, bool), nulls)

    return compare
