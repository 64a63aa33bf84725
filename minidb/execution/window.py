"""Window functions.

The input arrives sorted by partition and order; each partition is worked on as a whole.  Ranking
functions look at peers (rows equal in the order); aggregates and first/last/nth_value at a frame,
which is a range of row positions found for each row.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from minidb.execution.aggregate import accumulator
from minidb.execution.expression import compile_all, compile_expr
from minidb.execution.modify import _gathered
from minidb.execution.operators import Batches, build
from minidb.execution.vector import Batch, Vec, code_of, vec_of
from minidb.sqlstate import DatabaseError
from query_planner import expr as e
from query_planner import physical as p


class Partition:
    """Rows start..stop of the input, cut into peers.

    peers   for each row (from 0) the first and one past the last row equal to it in the order
    """

    def __init__(self, start: int, stop: int, changes: np.ndarray) -> None:
        self.start, self.stop = start, stop
        self.n = stop - start
        inside = changes[(changes > start) & (changes < stop)] - start
        bounds = np.concatenate([[0], inside, [self.n]])
        sizes = np.diff(bounds)
        self.group = np.repeat(np.arange(len(sizes)), sizes)
        self.first = np.repeat(bounds[:-1], sizes)
        self.last = np.repeat(bounds[1:], sizes)
        self.bounds = bounds


def _row_number(part: Partition, args: list[list[Any]]) -> list[Any]:
    return list(range(1, part.n + 1))


def _rank(part: Partition, args: list[list[Any]]) -> list[Any]:
    return (part.first + 1).tolist()


def _dense_rank(part: Partition, args: list[list[Any]]) -> list[Any]:
    return (part.group + 1).tolist()


def _percent_rank(part: Partition, args: list[list[Any]]) -> list[Any]:
    return (part.first / (part.n - 1)).tolist() if part.n > 1 else [0.0]


def _cume_dist(part: Partition, args: list[list[Any]]) -> list[Any]:
    return (part.last / part.n).tolist()


def _ntile(part: Partition, args: list[list[Any]]) -> list[Any]:
    buckets = args[0][0]
    if buckets is None:
        return [None] * part.n
    if buckets <= 0:
        raise DatabaseError("22014", "argument of ntile must be greater than zero")
    size, more = divmod(part.n, buckets)
    out = []
    for bucket in range(buckets):
        out.extend([bucket + 1] * (size + (bucket < more)))
    return out


def _shifted(sign: int) -> Callable[[Partition, list[list[Any]]], list[Any]]:
    def shift(part: Partition, args: list[list[Any]]) -> list[Any]:
        values = args[0]
        out = []
        for i in range(part.n):
            by = args[1][i] if len(args) > 1 else 1
            at = None if by is None else i + sign * by
            if at is not None and 0 <= at < part.n:
                out.append(values[at])
            else:
                out.append(args[2][i] if len(args) > 2 and at is not None else None)
        return out

    return shift


_RANKING: dict[str, Callable[[Partition, list[list[Any]]], list[Any]]] = {
    "row_number": _row_number, "rank": _rank, "dense_rank": _dense_rank,
    "percent_rank": _percent_rank, "cume_dist": _cume_dist, "ntile": _ntile,
    "lag": _shifted(-1), "lead": _shifted(1),
}  # fmt: skip


class WindowAgg:
    def __init__(self, node: p.WindowAgg) -> None:
        self.child = build(node.child)
        self.codes = {column.id: code_of(column.type) for column in node.child.columns}
        self.partition = compile_all(node.partition)
        self.order = [compile_expr(key.expr) for key in node.order]
        self.order_keys = node.order
        self.frame = node.frame
        width = len(node.child.columns)
        self.calls = []
        for column, call in zip(node.columns[width:], node.calls, strict=True):
            self.calls.append((column.id, call, compile_all(call.args),
                               None if call.filter is None else compile_expr(call.filter)))
        if self.frame is not None:
            self.start_offset = None if self.frame[2] is None else compile_expr(self.frame[2])
            self.end_offset = None if self.frame[4] is None else compile_expr(self.frame[4])

    def batches(self, context: Any) -> Batches:
        whole = _gathered(self.child, self.codes, context)
        if whole is None:
            return
        n = whole.n
        order = [x(whole, context).values(n) for x in self.order]
        new_part = self._changes([x(whole, context).values(n) for x in self.partition], n)
        new_peer = np.union1d(new_part, self._changes(order, n))
        bounds = [0, *new_part.tolist(), n]
        parts = [Partition(a, b, new_peer) for a, b in pairwise(bounds)]
        columns = dict(whole.columns)
        for id_, call, args, where in self.calls:
            columns[id_] = self._call(call, args, where, whole, parts, order, context)
        yield Batch(n, columns)

    @staticmethod
    def _changes(columns: list[list[Any]], n: int) -> np.ndarray:
        """The rows that differ from the one before."""
        changed = np.zeros(n, bool)
        for column in columns:
            for i in range(1, n):
                if column[i] != column[i - 1]:
                    changed[i] = True
        return np.flatnonzero(changed)

    def _call(self, call: e.WindowCall, compiled: list, where: Any, whole: Batch,
              parts: list[Partition], order: list[list[Any]], context: Any) -> Vec:
        n = whole.n
        name = call.function.name
        vecs = [arg(whole, context).full(n) for arg in compiled]
        code = code_of(call.type)
        out: list[Any] = []
        if name in _RANKING:
            values = [vec.values(n) for vec in vecs]
            for part in parts:
                out.extend(_RANKING[name](
                    part, [column[part.start:part.stop] for column in values]))
            return vec_of(out, code)
        passed = None
        if where is not None:
            passed = np.broadcast_to(where(whole, context).true(), n)
        for part in parts:
            frames = self._frames(part, whole, order, context)
            if name in ("first_value", "last_value", "nth_value"):
                out.extend(_pick(name, frames, [v.values(n) for v in vecs], part))
            else:
                out.extend(_folded(call, frames, vecs, passed, part))
        return vec_of(out, code)

    def _frames(self, part: Partition, whole: Batch, order: list[list[Any]],
                context: Any) -> list[list[tuple[int, int]]]:
        """For each row of the partition the pieces (start, stop) of its frame."""
        if self.frame is None:
            mode, start, end, exclude = "range", "unbounded preceding", "current row", ""
        else:
            mode, start, _, end, _, exclude = self.frame
        if not self.order and mode == "range" and start == "unbounded preceding" and \
                end == "current row":
            end = "unbounded following"
        one = Batch(1, {})
        by_start = by_end = None
        if self.frame is not None:
            if self.start_offset is not None:
                by_start = self.start_offset(one, context).value()
            if self.end_offset is not None:
                by_end = self.end_offset(one, context).value()
            for by in (by_start, by_end):
                if isinstance(by, int) and by < 0:
                    raise DatabaseError("22013", "frame offset must not be negative")
        frames = []
        for i in range(part.n):
            a = self._bound(start, by_start, mode, i, part, order, True)
            b = self._bound(end, by_end, mode, i, part, order, False)
            pieces = [(a, b)] if a < b else []
            if exclude and exclude != "no others":
                pieces = _without(pieces, exclude, i, part)
            frames.append(pieces)
        return frames

    def _bound(self, kind: str, by: Any, mode: str, i: int, part: Partition,
               order: list[list[Any]], is_start: bool) -> int:
        if kind == "unbounded preceding":
            return 0
        if kind == "unbounded following":
            return part.n
        if kind == "current row":
            if mode == "rows":
                return i if is_start else i + 1
            return int(part.first[i] if is_start else part.last[i])
        sign = -1 if "preceding" in kind else 1
        if mode == "rows":
            at = i + sign * by + (0 if is_start else 1)
            return min(max(at, 0), part.n)
        if mode == "groups":
            group = part.group[i] + sign * by + (0 if is_start else 1)
            return int(part.bounds[min(max(group, 0), len(part.bounds) - 1)])
        return self._range(sign, by, i, part, order[0], is_start)

    def _range(self, sign: int, by: Any, i: int, part: Partition, column: list[Any],
               is_start: bool) -> int:
        """RANGE with an offset: by the distance of the one ordering value."""
        values = column[part.start:part.stop]
        here = values[i]
        if here is None:
            return int(part.first[i] if is_start else part.last[i])
        down = self.order_keys[0].descending
        step = sign * (-1 if down else 1)
        if isinstance(by, tuple):
            from minidb.execution.kernels.dates import DAY_US, negative, timestamp_plus

            days = self.order_keys[0].expr.type.name == "date"
            us = timestamp_plus(here * DAY_US if days else here, by if step > 0 else negative(by))
            limit: Any = us / DAY_US if days else us
        else:
            limit = here + step * by
        if is_start:
            for at, value in enumerate(values):
                if value is not None and (value <= limit if down else value >= limit):
                    return at
            return part.n
        for at in range(part.n - 1, -1, -1):
            value = values[at]
            if value is not None and (value >= limit if down else value <= limit):
                return at + 1
        return 0


def _without(pieces: list[tuple[int, int]], exclude: str, i: int,
             part: Partition) -> list[tuple[int, int]]:
    holes = [(i, i + 1)]
    if exclude in ("group", "ties"):
        first, last = int(part.first[i]), int(part.last[i])
        holes = [(first, last)] if exclude == "group" else [(first, i), (i + 1, last)]
    for a, b in holes:
        left = []
        for start, stop in pieces:
            left.extend([(start, min(stop, a)), (max(start, b), stop)])
        pieces = [(start, stop) for start, stop in left if start < stop]
    return pieces


def _pick(name: str, frames: list[list[tuple[int, int]]], args: list[list[Any]],
          part: Partition) -> list[Any]:
    values = args[0][part.start:part.stop]
    out: list[Any] = []
    for i, pieces in enumerate(frames):
        if not pieces:
            out.append(None)
        elif name == "first_value":
            out.append(values[pieces[0][0]])
        elif name == "last_value":
            out.append(values[pieces[-1][1] - 1])
        else:
            nth = args[1][part.start + i]
            if nth is not None and nth <= 0:
                raise DatabaseError("22016", "argument of nth_value must be greater than zero")
            rows = [at for start, stop in pieces for at in range(start, stop)]
            out.append(values[rows[nth - 1]] if nth is not None and nth <= len(rows) else None)
    return out


def _folded(call: e.WindowCall, frames: list[list[tuple[int, int]]], vecs: list[Vec],
            passed: np.ndarray | None, part: Partition) -> list[Any]:
    """An aggregate over each row's frame.  Frames that only grow are folded once."""
    x = e.Aggregate(function=call.function, args=call.args, distinct=False, order_by=(),
                    filter=None, direct=(), type=call.type)
    growing = all(len(f) == 1 and f[0][0] == 0 for f in frames) and all(
        a[0][1] <= b[0][1] for a, b in pairwise(frames))
    out: list[Any] = []

    def feed(into: Any, start: int, stop: int) -> None:
        rows = np.arange(part.start + start, part.start + stop)
        if passed is not None:
            rows = rows[passed[rows]]
        if len(rows):
            args = [vec.take(rows) if len(vec.data) > 1 else vec for vec in vecs]
            into.add(np.zeros(len(rows), np.int64), args, len(rows), 1)

    if growing:
        into, done = accumulator(x), 0
        for pieces in frames:
            stop = pieces[0][1]
            if stop > done:
                feed(into, done, stop)
                done = stop
                out.append(into.result(1).value())
            else:
                out.append(out[-1])
        return out
    for pieces in frames:
        into = accumulator(x)
        for start, stop in pieces:
            feed(into, start, stop)
        out.append(into.result(1).value())
    return out
