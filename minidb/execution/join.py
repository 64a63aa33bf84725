"""Joins: a hash table over the right side's keys, or a loop."""

from __future__ import annotations

from typing import Any

import numpy as np

from minidb.events import PAUSE, Pause
from minidb.execution.aggregate import group_keys
from minidb.execution.expression import compile_all, compile_condition
from minidb.execution.hashing import JoinTable
from minidb.execution.operators import Batches, build
from minidb.execution.vector import Batch, Vec, code_of, either, gather, null, vec_of
from query_planner import physical as p

# Pairs looked at in one go by a loop join: bounds the memory of a cross product.
_BLOCK = 1 << 16


class _Join:
    """What both joins share: the kinds, over pairs of row numbers.

    kinds "semi", "anti" and "mark" give left rows only; "mark" adds a boolean column."""

    def __init__(self, node: Any) -> None:
        self.kind = node.kind
        self.left, self.right = build(node.left), build(node.right)
        self.left_codes = {column.id: code_of(column.type) for column in node.left.columns}
        self.right_codes = {column.id: code_of(column.type) for column in node.right.columns}
        self.select = compile_condition(node.condition)
        self.mark = node.columns[-1].id if node.kind == "mark" else -1

    def paired(self, left: Batch, right: Batch, at_left: np.ndarray, at_right: np.ndarray) -> Batch:
        columns = {id_: vec.take(at_left) for id_, vec in left.columns.items()}
        for id_, vec in right.columns.items():
            columns[id_] = vec.take(at_right)
        return Batch(len(at_left), columns)

    def checked(self, left: Batch, right: Batch, at_left: np.ndarray, at_right: np.ndarray,
                context: Any) -> tuple[np.ndarray, np.ndarray, Batch | None]:
        """The pairs that satisfy the join's condition, and them as a batch if it was made."""
        if self.select is None or len(at_left) == 0:
            return at_left, at_right, None
        batch = self.paired(left, right, at_left, at_right)
        rows = self.select(batch, context)
        if rows is None:
            return at_left, at_right, batch
        return at_left[rows], at_right[rows], batch.take(rows) if len(rows) else None

    def with_nulls(self, left: Batch, rows: np.ndarray) -> Batch:
        """Left rows without a partner."""
        columns = {id_: vec.take(rows) for id_, vec in left.columns.items()}
        for id_, code in self.right_codes.items():
            columns[id_] = null(code)
        return Batch(len(rows), columns)

    def unmatched_right(self, right: Batch, matched: np.ndarray) -> Batch | None:
        rows = np.flatnonzero(~matched)
        if len(rows) == 0:
            return None
        columns = {id_: vec.take(rows) for id_, vec in right.columns.items()}
        for id_, code in self.left_codes.items():
            columns[id_] = null(code)
        return Batch(len(rows), columns)

    def marked(self, left: Batch, hit: np.ndarray, unknown: np.ndarray | None = None) -> Batch:
        return Batch(left.n, {**left.columns, self.mark: Vec(hit, unknown)})

    def emit(self, left: Batch, right: Batch, at_left: np.ndarray, at_right: np.ndarray,
             batch: Batch | None, matched: np.ndarray | None) -> Batches:
        """The output of one left batch, given its matching pairs."""
        kind = self.kind
        if kind in ("semi", "anti", "mark"):
            hit = np.zeros(left.n, bool)
            hit[at_left] = True
            if kind == "mark":
                yield self.marked(left, hit)
                return
            rows = np.flatnonzero(hit if kind == "semi" else ~hit)
            if len(rows):
                yield left if len(rows) == left.n else left.take(rows)
            return
        if len(at_left):
            yield batch if batch is not None else self.paired(left, right, at_left, at_right)
            if matched is not None:
                matched[at_right] = True
        if kind in ("left", "full"):
            hit = np.zeros(left.n, bool)
            hit[at_left] = True
            rows = np.flatnonzero(~hit)
            if len(rows):
                yield self.with_nulls(left, rows)


class HashJoin(_Join):
    def __init__(self, node: p.HashJoin) -> None:
        super().__init__(node)
        self.left_keys = compile_all(node.left_keys)
        self.right_keys = compile_all(node.right_keys)
        self.codes = [(code_of(a.type), code_of(b.type))
                      for a, b in zip(node.left_keys, node.right_keys, strict=True)]
        self.types = [(a.type.name, b.type.name)
                      for a, b in zip(node.left_keys, node.right_keys, strict=True)]
        self.integer = len(self.codes) == 1 and all(code in "?hiq" for code in self.codes[0]) \
            and not self._mixed_dates()

    def _mixed_dates(self) -> bool:
        a, b = self.types[0]
        return (a == "date") != (b == "date")

    def _keys(self, compiled: list, batch: Batch, context: Any, side: int) -> tuple[Any, Any]:
        vecs = [key(batch, context).full(batch.n) for key in compiled]
        nulls = None
        for vec in vecs:
            nulls = either(nulls, vec.nulls)
        if self.integer:
            return vecs[0].data.astype(np.int64), nulls
        columns = []
        for vec, codes, types in zip(vecs, self.codes, self.types, strict=True):
            values = group_keys(vec.values(batch.n), codes[side])
            name = types[side]
            if name == "bpchar":
                values = [v if v is None else v.rstrip(" ") for v in values]
            elif name == "date" and types[1 - side] != "date":
                values = [v if v is None else v * 86_400_000_000 for v in values]
            columns.append(values)
        return (columns[0] if len(columns) == 1 else list(zip(*columns, strict=True))), nulls

    def batches(self, context: Any) -> Batches:
        parts = []
        for batch in self.right.batches(context):
            if isinstance(batch, Pause):
                yield batch
            else:
                parts.append(batch)
        right = gather(parts, self.right_codes)
        if right is None:
            yield from self._without_right(context)
            return
        keys, nulls = self._keys(self.right_keys, right, context, 1)
        table = JoinTable(self.integer, keys, nulls, right.n)
        right_has_null = nulls is not None and bool(nulls.any())
        matched = np.zeros(right.n, bool) if self.kind in ("right", "full") else None
        for batch in self.left.batches(context):
            if isinstance(batch, Pause):
                yield batch
                continue
            keys, nulls = self._keys(self.left_keys, batch, context, 0)
            at_left, at_right = table.probe(keys, nulls, batch.n)
            at_left, at_right, pairs = self.checked(batch, right, at_left, at_right, context)
            if self.kind == "anti null":
                if not right_has_null:
                    hit = np.zeros(batch.n, bool) if nulls is None else nulls.copy()
                    hit[at_left] = True
                    rows = np.flatnonzero(~hit)
                    if len(rows):
                        yield batch.take(rows)
            elif self.kind == "mark":
                hit = np.zeros(batch.n, bool)
                hit[at_left] = True
                unknown = nulls
                if right_has_null:
                    unknown = ~hit
                yield self.marked(batch, hit, None if unknown is None else unknown & ~hit)
            else:
                yield from self.emit(batch, right, at_left, at_right, pairs, matched)
            yield PAUSE
        if matched is not None:
            rest = self.unmatched_right(right, matched)
            if rest is not None:
                yield rest

    def _without_right(self, context: Any) -> Batches:
        if self.kind in ("inner", "semi", "right"):
            return
        for batch in self.left.batches(context):
            if isinstance(batch, Pause):
                yield batch
            elif self.kind in ("left", "full"):
                yield self.with_nulls(batch, np.arange(batch.n))
            elif self.kind == "mark":
                yield self.marked(batch, np.zeros(batch.n, bool))
            else:
                yield batch


class NestedLoop(_Join):
    def __init__(self, node: p.NestedLoop) -> None:
        super().__init__(node)
        self.params = [(column.id, code_of(column.type)) for column in node.params]

    def batches(self, context: Any) -> Batches:
        if self.params:
            yield from self._rerun(context)
            return
        parts = []
        for batch in self.right.batches(context):
            if isinstance(batch, Pause):
                yield batch
            else:
                parts.append(batch)
        right = gather(parts, self.right_codes)
        size = 0 if right is None else right.n
        if size == 0 and self.kind in ("inner", "semi"):
            return
        for batch in self.left.batches(context):
            if isinstance(batch, Pause):
                yield batch
                continue
            if right is None:
                nothing = np.empty(0, np.int64)
                yield from self.emit(batch, Batch(0, {}), nothing, nothing, None, None)
                continue
            step = max(1, _BLOCK // size)
            for start in range(0, batch.n, step):
                block = batch if batch.n <= step else batch.slice(start, start + step)
                at_left = np.repeat(np.arange(block.n), size)
                at_right = np.tile(np.arange(size), block.n)
                at_left, at_right, pairs = self.checked(block, right, at_left, at_right, context)
                yield from self.emit(block, right, at_left, at_right, pairs, None)
                yield PAUSE

    def _rerun(self, context: Any) -> Batches:
        """The right side anew for each left row, which it refers to."""
        for batch in self.left.batches(context):
            if isinstance(batch, Pause):
                yield batch
                continue
            columns = [batch.columns[id_].values(batch.n) if id_ in batch.columns
                       else context.outer[id_].values(batch.n) for id_, _ in self.params]
            saved = context.enter()
            left_parts, right_parts, rights = [], [], []
            total = 0
            for i, values in enumerate(zip(*columns, strict=True)):
                for (id_, code), value in zip(self.params, values, strict=True):
                    context.outer[id_] = vec_of([value], code)
                context.kept = {}
                for part in self.right.batches(context):
                    if isinstance(part, Pause):
                        continue
                    rights.append(part)
                    left_parts.append(np.full(part.n, i))
                    right_parts.append(np.arange(total, total + part.n))
                    total += part.n
            context.leave(saved)
            right = gather(rights, self.right_codes)
            if right is None:
                right = Batch(0, {})
                at_left = at_right = np.empty(0, np.int64)
            else:
                at_left, at_right = np.concatenate(left_parts), np.concatenate(right_parts)
            at_left, at_right, pairs = self.checked(batch, right, at_left, at_right, context)
            yield from self.emit(batch, right, at_left, at_right, pairs, None)
            yield PAUSE
