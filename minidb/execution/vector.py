"""Columns of values in flight.

A `Vec` is an array of values and, if some are NULL, an array of flags.  One of length 1 stands for
a column of any length, as numpy broadcasts it: constants cost nothing.  Values have the forms that
query_planner.types lists; numbers, booleans, dates and times are machine arrays, all else arrays
of Python objects.

Invariants:
1. At a NULL the data array holds something of the right dtype that means nothing.
2. The vectors of a Batch have its length or 1; a batch has at least one row.  The same goes for
   `data` and `nulls` of a vector each by itself: x + NULL has many values and one flag.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from bedrock.lazy import numpy as np
from query_planner.types import Type

_CODES = {
    "bool": "?", "int2": "h", "int4": "i", "int8": "q", "float4": "f", "float8": "d",
    "date": "i", "time": "q", "timestamp": "q", "timestamptz": "q", "oid": "q", "xid": "q",
    "cid": "q", "xid8": "q", "tid": "q", "regclass": "q", "regtype": "q", "regproc": "q",
    "regnamespace": "q", "regrole": "q", "regoper": "q", "regoperator": "q",
    "regprocedure": "q", "regcollation": "q",
}  # fmt: skip


def code_of(type_: Type) -> str:
    """numpy's type code for values of a type."""
    while type_.kind == "d" and type_.base is not None:
        type_ = type_.base
    return _CODES.get(type_.name, "O")


class Vec:
    """data: ndarray; nulls: ndarray of bool, or None if nothing is NULL."""

    __slots__ = ("data", "nulls")

    def __init__(self, data: np.ndarray, nulls: np.ndarray | None = None) -> None:
        self.data = data
        self.nulls = nulls

    def take(self, index: np.ndarray) -> Vec:
        """The values at `index`; of a constant, the constant."""
        data, nulls = self.data, self.nulls
        if len(data) > 1:
            data = data[index]
        if nulls is not None and len(nulls) > 1:
            nulls = nulls[index]
        return Vec(data, nulls)

    def full(self, n: int) -> Vec:
        """The same with n values."""
        if len(self.data) == n and (self.nulls is None or len(self.nulls) == n):
            return self
        data = self.data if len(self.data) == n else np.repeat(self.data, n)
        nulls = self.nulls
        if nulls is not None and len(nulls) != n:
            nulls = np.repeat(nulls, n)
        return Vec(data, nulls)

    def values(self, n: int) -> list[Any]:
        """As n Python values, None for NULL."""
        data = self.data.tolist()
        if self.nulls is not None:
            nulls = self.nulls
            if len(nulls) != len(data):
                both = self.full(max(len(nulls), len(data)))
                assert both.nulls is not None
                data, nulls = both.data.tolist(), both.nulls
            for i in np.flatnonzero(nulls).tolist():
                data[i] = None
        return data if len(data) == n else data * n

    def value(self) -> Any:
        """The first value."""
        if self.nulls is not None and self.nulls[0]:
            return None
        value = self.data[0]
        return value.item() if isinstance(value, np.generic) else value

    def true(self) -> np.ndarray:
        """Of booleans: which are TRUE."""
        return self.data if self.nulls is None else self.data & ~self.nulls


def objects(values: Sequence[Any]) -> np.ndarray:
    """An object array of these values, tuples kept whole."""
    return np.fromiter(values, object, len(values))


_ZEROS: dict[str, Any] = {"?": False, "f": 0.0, "d": 0.0, "O": None}


def vec_of(values: Sequence[Any], code: str) -> Vec:
    """A vector of Python values, None for NULL."""
    if None not in values:
        return Vec(objects(values) if code == "O" else np.array(values, code))
    nulls = np.fromiter((v is None for v in values), bool, len(values))
    if code == "O":
        return Vec(objects(values), nulls)
    zero = _ZEROS.get(code, 0)
    return Vec(np.array([zero if v is None else v for v in values], code), nulls)


def constant(value: Any, code: str) -> Vec:
    return vec_of([value], code)


def null(code: str) -> Vec:
    return vec_of([None], code)


def either(a: np.ndarray | None, b: np.ndarray | None) -> np.ndarray | None:
    """Null flags of a strict function of two."""
    if a is None:
        return b
    return a if b is None else a | b


def concat(parts: Sequence[tuple[Vec, int]], code: str) -> Vec:
    """Vectors with their lengths, one after the other."""
    whole = [vec.full(n) for vec, n in parts]
    if len(whole) == 1:
        return whole[0]
    data = np.concatenate([vec.data for vec in whole])
    if all(vec.nulls is None for vec in whole):
        return Vec(data)
    nulls = np.concatenate([
        np.zeros(len(vec.data), bool) if vec.nulls is None else vec.nulls for vec in whole
    ])
    return Vec(data, nulls)


class Batch:
    """Rows as columns: `columns` maps a plan's Column id to its vector."""

    __slots__ = ("columns", "n")

    def __init__(self, n: int, columns: dict[int, Vec]) -> None:
        self.n = n
        self.columns = columns

    def take(self, index: np.ndarray) -> Batch:
        return Batch(
            len(index), {id_: vec.take(index) for id_, vec in self.columns.items()})

    def slice(self, start: int, stop: int) -> Batch:
        return self.take(np.arange(start, min(stop, self.n)))


def gather(batches: Iterable[Batch], codes: dict[int, str]) -> Batch | None:
    """All rows as one batch, with the columns of `codes`; None if there are none."""
    parts = list(batches)
    if not parts:
        return None
    if len(parts) == 1:
        return parts[0]
    n = sum(part.n for part in parts)
    return Batch(n, {
        id_: concat([(part.columns[id_], part.n) for part in parts], code)
        for id_, code in codes.items()
    })
