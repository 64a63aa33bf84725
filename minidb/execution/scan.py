"""Where rows come from: tables, indexes, functions, CTEs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from minidb.events import PAUSE, Pause
from minidb.execution.expression import compile_all, compile_condition, compile_expr, flatten
from minidb.execution.kernels.arrays import ROW_FUNCTIONS, generate_times
from minidb.execution.operators import Batches, build, cte_rows, renamed
from minidb.execution.vector import Batch, Vec, code_of, gather, vec_of
from minidb.sqlstate import DatabaseError
from query_planner import expr as e
from query_planner import physical as p

# Attribute numbers that are not columns.
_TID, _TABLEOID, _XMIN, _WHOLE_ROW = 0, -1, -2, -3


class Scan:
    """All visible rows of a table, or of a catalog table made on the spot."""

    def __init__(self, node: p.Scan) -> None:
        self.table = node.relation.handle
        self.ids = [column.id for column in node.columns]
        self.codes = [code_of(column.type) for column in node.columns]
        self.numbers = list(node.numbers)
        self.select = compile_condition(node.filter)
        self.plain = all(number >= 0 for number in self.numbers)

    def batches(self, context: Any) -> Batches:
        table = context.connection.catalog.table(self.table)
        if table.virtual:
            source = self._virtual(table, context)
        elif self.plain:
            source = self._stored(table, context)
        else:
            source = self._by_row(table, context)
        select = self.select
        for batch in source:
            rows = None if select is None else select(batch, context)
            if rows is None:
                yield batch
            elif len(rows):
                yield batch.take(rows)
            yield PAUSE

    def _stored(self, table: Any, context: Any) -> Iterator[Batch]:
        places = [number - 1 for number in self.numbers]
        for n, vectors in table.store.scan(context.snapshot, places):
            yield Batch(n, {id_: Vec(data, nulls)
                            for id_, (data, nulls) in zip(self.ids, vectors, strict=True)})

    def _by_row(self, table: Any, context: Any) -> Iterator[Batch]:
        """With whole rows or system columns among the columns."""
        width = len(table.store.kinds)
        live = [column.number - 1 for column in table.columns]
        for n, vectors in table.store.scan(context.snapshot, [*range(width), -1]):
            vecs = [Vec(data, nulls) for data, nulls in vectors]
            columns: dict[int, Vec] = {}
            for id_, number, code in zip(self.ids, self.numbers, self.codes, strict=True):
                if number > 0:
                    columns[id_] = vecs[number - 1]
                elif number == _TID:
                    columns[id_] = vecs[width]
                elif number == _TABLEOID:
                    columns[id_] = vec_of([table.oid], code)
                elif number == _XMIN:
                    columns[id_] = vec_of([2], code)
                else:
                    rows = zip(*[vecs[at].values(n) for at in live], strict=True)
                    columns[id_] = vec_of(list(rows), "O")
            yield Batch(n, columns)

    def _virtual(self, table: Any, context: Any) -> Iterator[Batch]:
        rows = table.rows(context.connection)
        if rows:
            columns: dict[int, Vec] = {}
            for id_, number, code in zip(self.ids, self.numbers, self.codes, strict=True):
                if number > 0:
                    columns[id_] = vec_of([row[number - 1] for row in rows], code)
                elif number == _TABLEOID:
                    columns[id_] = vec_of([table.oid], code)
                elif number == _WHOLE_ROW:
                    columns[id_] = vec_of(list(rows), "O")
                else:
                    columns[id_] = vec_of(list(range(len(rows))), code)
            yield Batch(len(rows), columns)


class IndexScan:
    """Rows found by key."""

    def __init__(self, node: p.IndexScan) -> None:
        self.table = node.relation.handle
        self.index = node.index.oid
        self.keys = compile_all(node.keys)
        self.many: Any = None
        if isinstance(node.many, tuple):
            self.many = compile_all(node.many)
        elif node.many is not None:
            self.many = compile_expr(node.many)
        self.ids = [column.id for column in node.columns]
        self.codes = [code_of(column.type) for column in node.columns]
        self.numbers = list(node.numbers)
        self.select = compile_condition(node.filter)
        self.live = [column.number - 1 for column in node.relation.columns]

    def _wanted(self, context: Any) -> list[Any]:
        one = Batch(1, {})
        head = [key(one, context).value() for key in self.keys]
        if self.many is None:
            tails: list[tuple] = [()]
        elif isinstance(self.many, list):
            tails = [(item(one, context).value(),) for item in self.many]
        else:
            value = self.many(one, context).value()
            tails = [(v,) for v in flatten(value)] if value is not None else []
        keys: dict[Any, None] = {}
        for tail in tails:
            key = (*head, *tail)
            if None not in key:
                keys[key[0] if len(key) == 1 else key] = None
        return list(keys)

    def batches(self, context: Any) -> Batches:
        table = context.connection.catalog.table(self.table)
        store = table.store
        index = store.indexes[self.index]
        found: list[tuple[int, tuple]] = []
        for key in self._wanted(context):
            found.extend(store.find(index, key, context.snapshot))
        if not found:
            return
        columns: dict[int, Vec] = {}
        for id_, number, code in zip(self.ids, self.numbers, self.codes, strict=True):
            if number > 0:
                values: list[Any] = [row[number - 1] for _, row in found]
            elif number == _TID:
                values = [tid for tid, _ in found]
            elif number == _TABLEOID:
                values = [table.oid] * len(found)
            elif number == _XMIN:
                values = [2] * len(found)
            else:
                values = [tuple(row[at] for at in self.live) for _, row in found]
            columns[id_] = vec_of(values, code)
        batch = Batch(len(found), columns)
        rows = None if self.select is None else self.select(batch, context)
        if rows is None:
            yield batch
        elif len(rows):
            yield batch.take(rows)


def row_function(item: e.Expr) -> Callable[[Batch, Any], list[list[Any]]] | None:
    """For a set-returning call: the rows of each input row; None for any other expression."""
    if not isinstance(item, e.Call) or not item.function.returns_set:
        return None
    name = item.function.name
    make: Any = ROW_FUNCTIONS.get(name)
    if name == "generate_series" and item.args[0].type.name.startswith("timestamp"):
        make = generate_times
    wants_context = False
    if make is None:
        from minidb.execution.kernels.system import ROW_FUNCTIONS as SYSTEM

        make = SYSTEM.get(name)
        wants_context = True
    if make is None:
        raise DatabaseError("0A000", f"function {name} is not supported in FROM")
    args = compile_all(item.args)

    def rows(batch: Batch, context: Any) -> list[list[Any]]:
        columns = [arg(batch, context).values(batch.n) for arg in args]
        lead = (context,) if wants_context else ()
        if not columns:
            return [list(make(*lead)) for _ in range(batch.n)]
        return [list(make(*lead, *row)) for row in zip(*columns, strict=True)]

    return rows


class FunctionScan:
    """Rows of functions side by side."""

    def __init__(self, node: p.FunctionScan) -> None:
        self.calls = []
        for call, count in zip(node.calls, node.counts, strict=True):
            rows = row_function(call)
            self.calls.append((rows, None if rows is not None else compile_expr(call), count))
        self.ids = [column.id for column in node.columns]
        self.codes = [code_of(column.type) for column in node.columns]
        self.ordinality = node.ordinality

    def batches(self, context: Any) -> Batches:
        one = Batch(1, {})
        columns: list[list[Any]] = []
        for rows, plain, count in self.calls:
            if rows is not None:
                values = rows(one, context)[0]
            else:
                assert plain is not None
                values = [plain(one, context).value()]
            if count == 1:
                columns.append(values)
            else:
                columns.extend([[None if v is None else v[i] for v in values]
                                for i in range(count)])
        n = max((len(column) for column in columns), default=0)
        if n == 0:
            return
        for column in columns:
            column.extend([None] * (n - len(column)))
        if self.ordinality:
            columns.append(list(range(1, n + 1)))
        yield Batch(n, {id_: vec_of(column, code) for id_, code, column in
                        zip(self.ids, self.codes, columns, strict=True)})


class CteScan:
    def __init__(self, node: p.CteScan) -> None:
        self.number = node.cte
        self.columns = [(column.id, code_of(column.type), source)
                        for column, source in zip(node.columns, node.sources, strict=True)]

    def batches(self, context: Any) -> Batches:
        rows = cte_rows(context, self.number)
        n = len(rows[0]) if rows else 0
        if n:
            yield Batch(n, {id_: vec_of(rows[at], code) for id_, code, at in self.columns})


class WorkTableScan:
    def __init__(self, node: p.WorkTableScan) -> None:
        self.number = node.cte
        self.columns = [(column.id, source)
                        for column, source in zip(node.columns, node.sources, strict=True)]

    def batches(self, context: Any) -> Batches:
        n, vecs = context.working[self.number]
        if n:
            yield Batch(n, {id_: vecs[at] for id_, at in self.columns})


class RecursiveUnion:
    def __init__(self, node: p.RecursiveUnion) -> None:
        self.base, self.step = build(node.base), build(node.step)
        self.base_ids = [column.id for column in node.base.columns]
        self.step_ids = [column.id for column in node.step.columns]
        self.ids = [column.id for column in node.columns]
        self.codes = {column.id: code_of(column.type) for column in node.columns}
        self.number = node.cte
        self.all = node.all

    def batches(self, context: Any) -> Batches:
        seen: set[tuple] = set()
        operator, ids = self.base, self.base_ids
        before = context.working.get(self.number)
        while True:
            fresh: list[Batch] = []
            for batch in operator.batches(context):
                if isinstance(batch, Pause):
                    yield batch
                    continue
                batch = renamed(batch, ids, self.ids)
                if not self.all:
                    batch = self._unseen(batch, seen)
                if batch.n:
                    fresh.append(batch)
            round_ = gather(fresh, self.codes)
            if round_ is None:
                break
            yield round_
            context.working[self.number] = (
                round_.n, [round_.columns[id_] for id_ in self.ids])
            context.kept = {}
            operator, ids = self.step, self.step_ids
        context.working[self.number] = before

    def _unseen(self, batch: Batch, seen: set[tuple]) -> Batch:
        rows = zip(*[batch.columns[id_].values(batch.n) for id_ in self.ids], strict=True)
        keep = []
        for i, row in enumerate(rows):
            if row not in seen:
                seen.add(row)
                keep.append(i)
        return batch if len(keep) == batch.n else batch.take(np.array(keep, np.int64)) \
            if keep else Batch(0, {})
