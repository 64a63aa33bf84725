"""Order, and what is found by comparing whole rows: DISTINCT, INTERSECT, EXCEPT."""

from __future__ import annotations

from typing import Any

import numpy as np

from minidb.events import Pause
from minidb.execution.aggregate import group_keys
from minidb.execution.expression import compile_all, compile_expr
from minidb.execution.kernels.compare import interval_us
from minidb.execution.operators import Batches, Limit, build, renamed
from minidb.execution.vector import Batch, Vec, code_of, gather
from query_planner import physical as p


def _ranks(vec: Vec, type_: Any) -> np.ndarray:
    """Numbers that sort as the vector's values do; any at NULLs."""
    code = code_of(type_)
    data = vec.data
    if code in "fd":
        # NaN sorts above all: lexsort does that as it is.
        return data
    if code != "O":
        return data.astype(np.int8) if code == "?" else data
    values = vec.values(len(data))
    key: Any = None
    if type_.name == "bpchar":
        key = str.rstrip
    elif type_.name == "interval":
        key = interval_us
    elif type_.kind == "e":
        key = type_.labels.index
    elif type_.element is not None or type_.name == "record" or type_.kind == "c":
        key = _null_last
    known = {v for v in values if v is not None}
    order = {v: i for i, v in enumerate(sorted(known, key=key))}
    if key is not None:
        # Values that differ but compare equal share a rank.
        rank, last = 0, None
        for v in sorted(known, key=key):
            now = key(v)
            if last is not None and now != last:
                rank += 1
            order[v] = rank
            last = now
    return np.fromiter((0 if v is None else order[v] for v in values), np.int64, len(values))


def _null_last(value: Any) -> Any:
    """A sort key for rows and arrays, whose NULLs come last."""
    return tuple((1, 0) if v is None else (0, _null_last(v)) if isinstance(v, tuple) else (0, v)
                 for v in value)


def order_of(vecs: list[Vec], keys: Any, n: int) -> np.ndarray:
    """Row numbers in the order of the keys; equal rows keep theirs."""
    columns: list[np.ndarray] = []
    for vec, key in zip(vecs, keys, strict=True):
        if len(vec.data) == 1 != n and (vec.nulls is None or len(vec.nulls) == 1):
            continue
        vec = vec.full(n)  # flags may be one for all where values are not, and the other way round
        ranks = _ranks(vec, key.expr.type)
        if key.descending:
            if ranks.dtype.kind == "f":
                # NaN first: it is above all.
                columns_nan = np.isnan(ranks)
                ranks = np.where(columns_nan, -np.inf, -ranks)
            else:
                # ~x = -x - 1: reverses the order without overflow.
                ranks = ~ranks
        nulls = vec.nulls
        if nulls is not None and nulls.any():
            flags = ~nulls if key.nulls_first else nulls
            columns.append(flags)
            ranks = np.where(nulls, ranks.dtype.type(0), ranks)
        columns.append(ranks)
    if not columns:
        return np.arange(n)
    if len(columns) == 1:
        return np.argsort(columns[0], kind="stable")
    return np.lexsort(columns[::-1])


class Sort:
    def __init__(self, node: p.Sort) -> None:
        self.child = build(node.child)
        self.sort_keys = node.keys
        self.keys = [compile_expr(key.expr) for key in node.keys]
        self.codes = {column.id: code_of(column.type) for column in node.child.columns}
        self.limit = None if node.limit is None else compile_expr(node.limit)
        self.offset = None if node.offset is None else compile_expr(node.offset)

    def batches(self, context: Any) -> Batches:
        parts: list[Batch] = []
        top = None
        if self.limit is not None:
            limit = Limit.count(self.limit, context, "LIMIT")
            offset = Limit.count(self.offset, context, "OFFSET") or 0
            top = None if limit is None else limit + offset
        held = 0
        for batch in self.child.batches(context):
            if isinstance(batch, Pause):
                yield batch
                continue
            parts.append(batch)
            held += batch.n
            if top is not None and held > 4 * top + 65536:
                whole = self._sorted(parts, context, top)
                parts, held = [whole], whole.n
        if parts:
            yield self._sorted(parts, context, top)

    def _sorted(self, parts: list[Batch], context: Any, top: int | None) -> Batch:
        whole = gather(parts, self.codes)
        assert whole is not None
        order = order_of([key(whole, context) for key in self.keys], self.sort_keys, whole.n)
        return whole.take(order if top is None else order[:top])


class Distinct:
    def __init__(self, node: p.Distinct) -> None:
        self.child = build(node.child)
        self.on = None if node.on is None else compile_all(node.on)
        self.on_codes = [code_of(x.type) for x in node.on or ()]
        self.columns = [(column.id, code_of(column.type)) for column in node.columns]

    def batches(self, context: Any) -> Batches:
        seen: set[Any] = set()
        for batch in self.child.batches(context):
            if isinstance(batch, Pause):
                yield batch
                continue
            if self.on is not None:
                columns = [group_keys(x(batch, context).values(batch.n), code)
                           for x, code in zip(self.on, self.on_codes, strict=True)]
            else:
                columns = [group_keys(batch.columns[id_].values(batch.n), code)
                           for id_, code in self.columns]
            keep = []
            rows: Any = columns[0] if len(columns) == 1 else \
                zip(*columns, strict=True) if columns else [()] * batch.n
            for i, row in enumerate(rows):
                if row not in seen:
                    seen.add(row)
                    keep.append(i)
            if len(keep) == batch.n:
                yield batch
            elif keep:
                yield batch.take(np.array(keep, np.int64))


class SetOp:
    """INTERSECT and EXCEPT."""

    def __init__(self, node: p.SetOp) -> None:
        self.left, self.right = build(node.left), build(node.right)
        self.left_ids = [column.id for column in node.left.columns]
        self.right_ids = [column.id for column in node.right.columns]
        self.codes = [code_of(column.type) for column in node.columns]
        self.ids = [column.id for column in node.columns]
        self.intersect = node.kind == "intersect"
        self.all = node.all

    def _rows(self, batch: Batch, ids: list[int]) -> list[tuple]:
        if not ids:
            return [()] * batch.n
        return list(zip(*[group_keys(batch.columns[id_].values(batch.n), code)
                          for id_, code in zip(ids, self.codes, strict=True)], strict=True))

    def batches(self, context: Any) -> Batches:
        counts: dict[tuple, int] = {}
        for batch in self.right.batches(context):
            if isinstance(batch, Pause):
                yield batch
                continue
            for row in self._rows(batch, self.right_ids):
                counts[row] = counts.get(row, 0) + 1
        emitted: set[tuple] = set()
        for batch in self.left.batches(context):
            if isinstance(batch, Pause):
                yield batch
                continue
            keep = []
            for i, row in enumerate(self._rows(batch, self.left_ids)):
                count = counts.get(row, 0)
                if self.all:
                    if count:
                        counts[row] = count - 1
                    wanted = bool(count) == self.intersect
                else:
                    wanted = bool(count) == self.intersect and row not in emitted
                    if wanted:
                        emitted.add(row)
                if wanted:
                    keep.append(i)
            if keep:
                yield renamed(batch.take(np.array(keep, np.int64)), self.left_ids, self.ids)
