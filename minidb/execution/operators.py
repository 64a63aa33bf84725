"""The table from plan node to operator, and the small operators.

An operator is made from its node and its children, and `batches(context)` runs it.  `Root` turns
the topmost one's batches into rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from minidb.events import PAUSE, Pause
from minidb.execution.actuals import watch
from minidb.execution.aggregate import Aggregate
from minidb.execution.expression import compile_all, compile_condition, compile_expr
from minidb.execution.vector import Batch, Vec, code_of, vec_of
from minidb.sqlstate import DatabaseError
from query_planner import expr as e
from query_planner import physical as p

Batches = Iterator[Batch | Pause]


class Result:
    """One row without columns."""

    def __init__(self, node: p.Plan) -> None:
        pass

    def batches(self, context: Any) -> Batches:
        yield Batch(1, {})


class Empty:
    def __init__(self, node: p.Plan) -> None:
        pass

    def batches(self, context: Any) -> Batches:
        return iter(())


class Values:
    def __init__(self, node: p.Values) -> None:
        self.ids = [column.id for column in node.columns]
        self.codes = [code_of(column.type) for column in node.columns]
        self.tuples = [compile_all(row) for row in node.tuples]
        # Rows of constants are one vector a column, made once.
        self.fixed = None
        if all(isinstance(item, e.Const) for row in node.tuples for item in row):
            self.fixed = Batch(len(node.tuples), {
                id_: vec_of([row[i].value for row in node.tuples], self.codes[i])
                for i, id_ in enumerate(self.ids)})

    def batches(self, context: Any) -> Batches:
        if self.fixed is not None:
            yield self.fixed
            return
        one = Batch(1, {})
        rows = [[item(one, context).value() for item in row] for row in self.tuples]
        yield Batch(len(rows), {
            id_: vec_of([row[i] for row in rows], self.codes[i])
            for i, id_ in enumerate(self.ids)})


class Filter:
    def __init__(self, node: p.Filter) -> None:
        self.child = build(node.child)
        self.select = compile_condition(node.condition)

    def batches(self, context: Any) -> Batches:
        select = self.select
        if select is None:
            yield from self.child.batches(context)
            return
        for batch in self.child.batches(context):
            if isinstance(batch, Pause):
                yield batch
                continue
            rows = select(batch, context)
            if rows is None:
                yield batch
            elif len(rows):
                yield batch.take(rows)
            else:
                yield PAUSE


class Project:
    def __init__(self, node: p.Project) -> None:
        self.child = build(node.child)
        self.items = [(column.id, compile_expr(item))
                      for column, item in zip(node.columns, node.items, strict=True)]

    def batches(self, context: Any) -> Batches:
        for batch in self.child.batches(context):
            if isinstance(batch, Pause):
                yield batch
                continue
            yield Batch(batch.n, {id_: item(batch, context) for id_, item in self.items})


class ProjectSet:
    """Set-returning functions among the items: the rows of each expand in step."""

    def __init__(self, node: p.ProjectSet) -> None:
        from minidb.execution.scan import row_function

        self.child = build(node.child)
        self.items = []
        for column, item in zip(node.columns, node.items, strict=True):
            rows = row_function(item)
            self.items.append((column.id, code_of(column.type), rows,
                               None if rows is not None else compile_expr(item)))

    def batches(self, context: Any) -> Batches:
        for batch in self.child.batches(context):
            if isinstance(batch, Pause):
                yield batch
                continue
            sets = {id_: rows(batch, context) for id_, _, rows, _ in self.items
                    if rows is not None}
            counts = [max((len(lists[i]) for lists in sets.values()), default=0)
                      for i in range(batch.n)]
            index = np.repeat(np.arange(batch.n), counts)
            if len(index) == 0:
                continue
            columns: dict[int, Vec] = {}
            for id_, code, rows, item in self.items:
                if rows is None:
                    assert item is not None
                    columns[id_] = item(batch, context).take(index)
                else:
                    values: list[Any] = []
                    for i, count in enumerate(counts):
                        values.extend(sets[id_][i])
                        values.extend([None] * (count - len(sets[id_][i])))
                    columns[id_] = vec_of(values, code)
            yield Batch(len(index), columns)


class Limit:
    def __init__(self, node: p.Limit) -> None:
        self.child = build(node.child)
        self.limit = None if node.limit is None else compile_expr(node.limit)
        self.offset = None if node.offset is None else compile_expr(node.offset)
        self.ties = node.ties

    @staticmethod
    def count(compiled: Any, context: Any, what: str) -> int | None:
        if compiled is None:
            return None
        value = compiled(Batch(1, {}), context).value()
        if value is not None and value < 0:
            raise DatabaseError(
                "2201W" if what == "LIMIT" else "2201X", f"{what} must not be negative")
        return value

    def batches(self, context: Any) -> Batches:
        limit = self.count(self.limit, context, "LIMIT")
        skip = self.count(self.offset, context, "OFFSET") or 0
        if limit == 0:
            return
        if self.ties and limit is not None:
            yield from self._with_ties(context, limit, skip)
            return
        left = limit
        for batch in self.child.batches(context):
            if isinstance(batch, Pause):
                yield batch
                continue
            if skip >= batch.n:
                skip -= batch.n
                continue
            stop = batch.n if left is None else min(batch.n, skip + left)
            cut = batch if skip == 0 and stop == batch.n else batch.slice(skip, stop)
            skip = 0
            if left is not None:
                left -= cut.n
            yield cut
            if left == 0:
                return

    def _with_ties(self, context: Any, limit: int, skip: int) -> Batches:
        keys = [compile_expr(key.expr) for key in self.ties]
        seen = 0
        last: Any = None
        for batch in self.child.batches(context):
            if isinstance(batch, Pause):
                yield batch
                continue
            rows = list(zip(*[key(batch, context).values(batch.n) for key in keys], strict=True))
            stop = 0
            for row in rows:
                if seen >= skip + limit and row != last:
                    break
                seen += 1
                stop += 1
                if seen <= skip + limit:
                    last = row
            start = max(0, skip - (seen - stop))
            if stop > start:
                yield batch.slice(start, stop)
            if stop < len(rows):
                return


class Append:
    def __init__(self, node: p.Append) -> None:
        self.ids = [column.id for column in node.columns]
        self.parts = [(build(part), [column.id for column in part.columns])
                      for part in node.parts]

    def batches(self, context: Any) -> Batches:
        for part, ids in self.parts:
            for batch in part.batches(context):
                if isinstance(batch, Pause):
                    yield batch
                else:
                    yield renamed(batch, ids, self.ids)


def renamed(batch: Batch, old: list[int], new: list[int]) -> Batch:
    """The batch's columns, by place, under other ids."""
    return Batch(batch.n, {b: batch.columns[a] for a, b in zip(old, new, strict=True)})


class With:
    def __init__(self, node: p.With) -> None:
        self.ctes = [(number, Root(plan)) for number, _, plan in node.ctes]
        self.eager = [number for number, _, plan in node.ctes
                      if isinstance(plan, (p.Insert, p.Update, p.Delete))]
        self.child = build(node.child)

    def batches(self, context: Any) -> Batches:
        for number, root in self.ctes:
            context.ctes[number] = root
        for number in self.eager:
            affected = context.affected
            cte_rows(context, number)
            context.affected = affected
        yield from self.child.batches(context)
        # What nobody reads must still be an error if it fails only when it changes data.


def cte_rows(context: Any, number: int) -> list[list[Any]]:
    """The rows of a CTE, run at its first use, as columns."""
    found = context.ctes[number]
    if isinstance(found, Root):
        rows: list[tuple] = []
        for part in found.rows(context):
            if not isinstance(part, Pause):
                rows.extend(part)
        found = [list(column) for column in zip(*rows, strict=True)] if rows else \
            [[] for _ in found.ids]
        if rows and not found:
            found = [[None] * len(rows)]
        context.ctes[number] = found
    return found


_OPERATORS: dict[type, Callable[[Any], Any]] = {}


def _table() -> dict[type, Callable[[Any], Any]]:
    from minidb.execution import join, modify, scan, sort, window

    return {
        p.Result: Result, p.Empty: Empty, p.Values: Values, p.Filter: Filter, p.Project: Project,
        p.ProjectSet: ProjectSet, p.Limit: Limit, p.Append: Append, p.With: With,
        p.Aggregate: lambda node: Aggregate(node, build(node.child)),
        p.Scan: scan.Scan, p.IndexScan: scan.IndexScan, p.FunctionScan: scan.FunctionScan,
        p.CteScan: scan.CteScan, p.WorkTableScan: scan.WorkTableScan,
        p.RecursiveUnion: scan.RecursiveUnion,
        p.HashJoin: join.HashJoin, p.NestedLoop: join.NestedLoop,
        p.Sort: sort.Sort, p.Distinct: sort.Distinct, p.SetOp: sort.SetOp,
        p.WindowAgg: window.WindowAgg, p.LockRows: modify.LockRows,
        p.Insert: modify.Insert, p.Update: modify.Update, p.Delete: modify.Delete,
    }  # fmt: skip


def build(node: p.Plan) -> Any:
    """The operator of a plan node."""
    if not _OPERATORS:
        _OPERATORS.update(_table())
    make = _OPERATORS.get(type(node))
    if make is None:
        raise DatabaseError("0A000", f"plan node {type(node).__name__} is not supported")
    return watch(node, make(node))


class Root:
    """A whole plan: `rows` gives lists of tuples and pauses."""

    def __init__(self, node: p.Plan) -> None:
        self.operator = build(node)
        self.ids = [column.id for column in node.columns]

    def rows(self, context: Any) -> Iterator[list[tuple] | Pause]:
        ids = self.ids
        for batch in self.operator.batches(context):
            if isinstance(batch, Pause):
                yield batch
                continue
            n = batch.n
            if ids:
                yield list(zip(*[batch.columns[id_].values(n) for id_ in ids], strict=True))
            else:
                yield [()] * n


def build_root(node: p.Plan) -> Root:
    return Root(node)
