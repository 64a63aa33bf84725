"""INSERT, UPDATE, DELETE and row locks.

The rows to change are found first, all of them, so that a statement never meets its own changes.
A constraint that fails takes the statement back as a whole; a row that another transaction holds
raises Blocked, and the statement runs again after that transaction (see transaction.pyx).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minidb.events import Pause
from minidb.execution.expression import compile_all, compile_condition, compile_expr
from minidb.execution.operators import Batches, build
from minidb.execution.single import single_insert, single_update
from minidb.execution.vector import Batch, Vec, code_of, gather, vec_of
from minidb.sqlstate import DatabaseError
from minidb.table import Duplicate
from minidb.transaction import Blocked
from query_planner import physical as p

# From this many rows on an INSERT goes into the chunks by columns.
_BULK = 32


def duplicate_key(table: Any, duplicate: Duplicate) -> DatabaseError:
    """23505, with the constraint and the key."""
    index = table.index_of(duplicate.index.oid)
    names = [table.column_at(place).name for place in duplicate.index.positions]
    key = duplicate.key if len(names) > 1 else (duplicate.key,)
    shown = [table.render(place, value)
             for place, value in zip(duplicate.index.positions, key, strict=True)]
    return DatabaseError(
        "23505", f'duplicate key value violates unique constraint "{index.name}"',
        detail=f"Key ({', '.join(names)})=({', '.join(shown)}) already exists.",
        s=table.schema, t=table.name, n=index.name)


class Checks:
    """NOT NULL and CHECK constraints of a table, over whole rows."""

    def __init__(self, table: Any, catalog: Any) -> None:
        self.table = table
        self.places = [column.number - 1 for column in table.columns]
        self.not_null = [column for column in table.columns if column.not_null]
        self.checks = catalog.compiled_checks(table)

    def run(self, vecs: list[Vec], n: int, context: Any) -> None:
        """vecs: one for each of table.columns."""
        for column in self.not_null:
            vec = vecs[self.table.place_in_columns(column.number)]
            if vec.nulls is not None and vec.nulls.any():
                at = int(np.flatnonzero(vec.nulls)[0])
                raise DatabaseError(
                    "23502",
                    f'null value in column "{column.name}" of relation "{self.table.name}" '
                    "violates not-null constraint",
                    detail=self._row(vecs, n, at), s=self.table.schema, t=self.table.name,
                    c=column.name)
        if not self.checks:
            return
        batch = Batch(n, {column.number: vec
                          for column, vec in zip(self.table.columns, vecs, strict=True)})
        for name, check in self.checks:
            result = check(batch, context)
            failed = ~result.data if result.nulls is None else ~result.data & ~result.nulls
            if failed.any():
                raise DatabaseError(
                    "23514",
                    f'new row for relation "{self.table.name}" violates check constraint "{name}"',
                    detail=self._row(vecs, n, int(np.flatnonzero(failed)[0])),
                    s=self.table.schema, t=self.table.name, n=name)

    def _row(self, vecs: list[Vec], n: int, at: int) -> str:
        shown = []
        for column, vec in zip(self.table.columns, vecs, strict=True):
            value = vec.values(n)[at]
            shown.append("null" if value is None else
                         self.table.render(column.number - 1, value))
        return f"Failing row contains ({', '.join(shown)})."


class _Returning:
    """RETURNING expressions over the rows as they stand after the change."""

    def __init__(self, node: Any) -> None:
        self.items = None if node.returning is None else compile_all(node.returning)
        self.ids = [column.id for column in node.columns]

    def batch(self, rows: Batch, context: Any) -> Batch:
        assert self.items is not None
        return Batch(rows.n, {id_: item(rows, context)
                              for id_, item in zip(self.ids, self.items, strict=True)})


def _gathered(operator: Any, codes: dict[int, str], context: Any) -> Batch | None:
    return gather([b for b in operator.batches(context) if not isinstance(b, Pause)], codes)


def _ran_alone(single: Any, table: Any, context: Any) -> bool:
    """Whether a statement for one row (single.py) could be carried out as such."""
    if single is None:
        return False
    try:
        return single.run(table, context)
    except Duplicate as duplicate:
        raise duplicate_key(table, duplicate) from None


def row_batch(ids: list[int], codes: list[str], rows: list[tuple]) -> Batch:
    columns = list(zip(*rows, strict=True)) if rows else [() for _ in ids]
    return Batch(len(rows), {
        id_: vec_of(column, code) for id_, code, column in zip(ids, codes, columns, strict=True)})


class Insert:
    def __init__(self, node: p.Insert) -> None:
        self.child = build(node.child)
        self.child_ids = [column.id for column in node.child.columns]
        self.child_codes = {column.id: code_of(column.type) for column in node.child.columns}
        self.handle = node.relation.handle
        self.codes = [code_of(column.type) for column in node.relation.columns]
        self.row_ids = [column.id for column in node.row]
        self.generated = [(at, compile_expr(x)) for at, x in node.generated]
        self.conflict = None if node.conflict is None else Conflict(node.conflict, self)
        self.returning = _Returning(node)
        self.single = single_insert(node)

    def batches(self, context: Any) -> Batches:
        catalog = context.connection.catalog
        table = catalog.table(self.handle)
        catalog.check_writable(table)
        if _ran_alone(self.single, table, context):
            return
        whole = _gathered(self.child, self.child_codes, context)
        if whole is None:
            return
        n = whole.n
        vecs = [whole.columns[id_].full(n) for id_ in self.child_ids]
        for at, compute in self.generated:
            batch = Batch(n, dict(zip(self.row_ids, vecs, strict=True)))
            vecs[at] = compute(batch, context).full(n)
        Checks(table, catalog).run(vecs, n, context)
        if self.conflict is not None:
            rows = self.conflict.insert(table, vecs, n, context)
        else:
            add_rows(table, vecs, n, context)
            context.affected += n
            rows = None
        table.after_insert(context, vecs, n)
        if self.returning.items is not None:
            if rows is not None:
                if not rows:
                    return
                batch = row_batch(self.row_ids, self.codes, rows)
            else:
                batch = Batch(n, dict(zip(self.row_ids, vecs, strict=True)))
            yield self.returning.batch(batch, context)


def add_rows(table: Any, vecs: list[Vec], n: int, context: Any) -> None:
    """Store rows given as one vector for each of the table's columns."""
    store, txn = table.store, context.txn
    places = [column.number - 1 for column in table.columns]
    try:
        if n >= _BULK:
            columns: list[Any] = []
            for place, kind in enumerate(store.kinds):
                if place in places:
                    vec = vecs[places.index(place)].full(n)
                    if kind == "O" and vec.nulls is not None:
                        vec.data[vec.nulls] = None
                    elif vec.nulls is not None:
                        vec = Vec(np.where(vec.nulls, vec.data.dtype.type(0), vec.data),
                                  vec.nulls)
                    columns.append((vec.data, vec.nulls))
                else:
                    columns.append(empty_column(kind, n))
            store.load(txn, columns, n)
        else:
            width = len(store.kinds)
            values = [vec.values(n) for vec in vecs]
            for row in zip(*values, strict=True):
                if width == len(row):
                    store.insert(txn, row)
                else:
                    full: list[Any] = [None] * width
                    for place, value in zip(places, row, strict=True):
                        full[place] = value
                    store.insert(txn, tuple(full))
    except Duplicate as duplicate:
        raise duplicate_key(table, duplicate) from None


def empty_column(kind: str, n: int) -> tuple[Any, Any]:
    """A column of NULLs: what a dropped one is filled with."""
    data = np.full(n, None, object) if kind == "O" else np.zeros(n, kind)
    return data, np.ones(n, bool)


class Conflict:
    """ON CONFLICT."""

    def __init__(self, node: p.OnConflict, insert: Insert) -> None:
        self.index = None if node.index is None else node.index.oid
        self.existing = [column.id for column in node.existing]
        self.excluded = [column.id for column in node.excluded]
        self.assignments = None if node.assignments is None else [
            (at, compile_expr(x)) for at, x in node.assignments]
        self.select = compile_condition(node.condition)
        self.codes = insert.codes
        self.generated = insert.generated
        self.row_ids = insert.row_ids

    def insert(self, table: Any, vecs: list[Vec], n: int, context: Any) -> list[tuple]:
        """Insert or update row by row; the rows that stand afterwards."""
        store, txn = table.store, context.txn
        places = [column.number - 1 for column in table.columns]
        indexes = [index for oid, index in store.indexes.items()
                   if index.unique and self.index in (None, oid)]
        done: list[tuple] = []
        touched: set[int] = set()
        for row in zip(*[vec.values(n) for vec in vecs], strict=True):
            full: list[Any] = [None] * len(store.kinds)
            for place, value in zip(places, row, strict=True):
                full[place] = value
            tid = -1
            for index in indexes:
                tid = store.holder(index, index.key(tuple(full)), txn)
                if tid >= 0:
                    break
            if tid < 0:
                try:
                    touched.add(store.insert(txn, tuple(full)))
                except Duplicate as duplicate:
                    raise duplicate_key(table, duplicate) from None
                done.append(row)
                context.affected += 1
                continue
            if self.assignments is None:
                continue
            if tid in touched:
                raise DatabaseError(
                    "21000", "ON CONFLICT DO UPDATE command cannot affect row a second time",
                    hint="Ensure that no rows proposed for insertion within the same command have "
                    "duplicate constrained values.")
            changed = self._update(table, tid, row, places, context)
            if changed is not None:
                touched.add(tid)
                done.append(changed)
                context.affected += 1
        return done

    def _update(self, table: Any, tid: int, row: tuple, places: list[int],
                context: Any) -> tuple | None:
        store = table.store
        old = store.newest(tid)
        columns: dict[int, Vec] = {}
        for at, place in enumerate(places):
            columns[self.existing[at]] = vec_of([old[place]], self.codes[at])
            columns[self.excluded[at]] = vec_of([row[at]], self.codes[at])
        batch = Batch(1, columns)
        if self.select is not None:
            rows = self.select(batch, context)
            if rows is not None and len(rows) == 0:
                return None
        assert self.assignments is not None
        new = [old[place] for place in places]
        for at, x in self.assignments:
            new[at] = x(batch, context).value()
        vecs = [vec_of([value], code) for value, code in zip(new, self.codes, strict=True)]
        for at, compute in self.generated:
            vecs[at] = compute(Batch(1, dict(zip(self.row_ids, vecs, strict=True))), context)
            new[at] = vecs[at].value()
        Checks(table, context.connection.catalog).run(vecs, 1, context)
        changed = [at for at, _ in self.assignments] + [at for at, _ in self.generated]
        try:
            store.update(context.txn, context.snapshot, tid,
                         tuple(places[at] for at in changed), tuple(new[at] for at in changed))
        except Duplicate as duplicate:
            raise duplicate_key(table, duplicate) from None
        return tuple(new)


class Update:
    def __init__(self, node: p.Update) -> None:
        self.child = build(node.child)
        self.child_codes = {column.id: code_of(column.type) for column in node.child.columns}
        self.handle = node.relation.handle
        self.tid = node.tid.id
        self.assignments = [(at, compile_expr(x)) for at, x in node.assignments]
        self.generated = [(at, compile_expr(x)) for at, x in node.generated]
        self.row_ids = [column.id for column in node.row]
        self.codes = [code_of(column.type) for column in node.relation.columns]
        self.returning = _Returning(node)
        self.single = single_update(node)

    def batches(self, context: Any) -> Batches:
        catalog = context.connection.catalog
        table = catalog.table(self.handle)
        catalog.check_writable(table)
        if _ran_alone(self.single, table, context):
            return
        whole = _gathered(self.child, self.child_codes, context)
        if whole is None:
            return
        store, txn, snapshot = table.store, context.txn, context.snapshot
        places = [column.number - 1 for column in table.columns]
        tids = whole.columns[self.tid].values(whole.n)
        rows, seen = [], set()
        for i, tid in enumerate(tids):
            if tid is not None and tid not in seen:
                seen.add(tid)
                rows.append(i)
        if not rows:
            return
        if len(rows) < whole.n:
            whole = whole.take(np.array(rows, np.int64))
            tids = whole.columns[self.tid].values(whole.n)
        n = whole.n
        old = [store.read(tid, snapshot) for tid in tids]
        vecs = [vec_of([row[place] for row in old], code)
                for place, code in zip(places, self.codes, strict=True)]
        fresh = [(at, x(whole, context).full(n)) for at, x in self.assignments]
        for at, vec in fresh:
            vecs[at] = vec
        for at, x in self.generated:
            vecs[at] = x(Batch(n, dict(zip(self.row_ids, vecs, strict=True))), context).full(n)
        Checks(table, catalog).run(vecs, n, context)
        changed = sorted({at for at, _ in self.assignments} | {at for at, _ in self.generated})
        columns = tuple(places[at] for at in changed)
        values = list(zip(*[vecs[at].values(n) for at in changed], strict=True))
        kept = []
        try:
            for i, tid in enumerate(tids):
                if store.update(txn, snapshot, tid, columns, values[i]):
                    kept.append(i)
        except Duplicate as duplicate:
            raise duplicate_key(table, duplicate) from None
        context.affected += len(kept)
        table.after_update(context, old, vecs, n, changed)
        if self.returning.items is not None and kept:
            batch = Batch(n, {**whole.columns, **dict(zip(self.row_ids, vecs, strict=True))})
            if len(kept) < n:
                batch = batch.take(np.array(kept, np.int64))
            yield self.returning.batch(batch, context)


class Delete:
    def __init__(self, node: p.Delete) -> None:
        self.child = build(node.child)
        self.child_codes = {column.id: code_of(column.type) for column in node.child.columns}
        self.handle = node.relation.handle
        self.tid = node.tid.id
        self.returning = _Returning(node)

    def batches(self, context: Any) -> Batches:
        catalog = context.connection.catalog
        table = catalog.table(self.handle)
        catalog.check_writable(table)
        whole = _gathered(self.child, self.child_codes, context)
        if whole is None:
            return
        store, kept, gone, seen = table.store, [], [], set()
        for i, tid in enumerate(whole.columns[self.tid].values(whole.n)):
            if tid is None or tid in seen:
                continue
            seen.add(tid)
            if table.referenced:
                gone.append(store.read(tid, context.snapshot))
            if store.delete(context.txn, context.snapshot, tid):
                kept.append(i)
        context.affected += len(kept)
        if gone:
            table.after_delete(context, gone)
        if self.returning.items is not None and kept:
            batch = whole if len(kept) == whole.n else whole.take(np.array(kept, np.int64))
            yield self.returning.batch(batch, context)


class LockRows:
    """FOR UPDATE and kin: every strength locks as FOR UPDATE does."""

    def __init__(self, node: p.LockRows) -> None:
        self.child = build(node.child)
        self.codes = {column.id: code_of(column.type) for column in node.child.columns}
        self.locks = [(relation.handle, tid.id, wait) for relation, tid, _, wait in node.locks]

    def batches(self, context: Any) -> Batches:
        whole = _gathered(self.child, self.codes, context)
        if whole is None:
            return
        keep = set(range(whole.n))
        for handle, id_, wait in self.locks:
            table = context.connection.catalog.table(handle)
            for i, tid in enumerate(whole.columns[id_].values(whole.n)):
                if tid is None or i not in keep:
                    continue
                try:
                    table.store.update(context.txn, context.snapshot, tid, (), ())
                except Blocked:
                    if wait == "skip locked":
                        keep.discard(i)
                    elif wait == "nowait":
                        raise DatabaseError(
                            "55P03", f'could not obtain lock on row in relation "{table.name}"'
                        ) from None
                    else:
                        raise
        if len(keep) == whole.n:
            yield whole
        elif keep:
            yield whole.take(np.array(sorted(keep), np.int64))
