"""Foreign keys: what is checked when rows come, change or go.

All checks are made at the end of the statement, also of constraints declared DEFERRABLE.  They
look at what is committed now and at the transaction's own writes.  A parent row is not locked
while a child refers to it: of two transactions that insert a child and delete its parent at once
both may pass.
"""

from __future__ import annotations

from typing import Any

from minidb.rowgroup import Snapshot
from minidb.schema import Constraint, Table
from minidb.sqlstate import DatabaseError

Key = tuple


def _latest(txn: Any) -> Snapshot:
    return Snapshot(txn.manager.last_commit, txn.id)


def _names(table: Table, numbers: tuple[int, ...]) -> str:
    return ", ".join(table.column_at(number - 1).name for number in numbers)


def _shown(table: Table, numbers: tuple[int, ...], key: Key) -> str:
    return ", ".join(table.render(number - 1, value)
                     for number, value in zip(numbers, key, strict=True))


def _parent_exists(target: Table, constraint: Constraint, key: Key, txn: Any) -> bool:
    for index in target.indexes:
        if index.unique and set(index.columns) == set(constraint.target_columns):
            by_number = dict(zip(constraint.target_columns, key, strict=True))
            ordered = tuple(by_number[number] for number in index.columns)
            found = target.store.indexes[index.oid]
            return target.store.holder(
                found, ordered[0] if len(ordered) == 1 else ordered, txn) >= 0
    return False


def _check_keys(table: Table, constraint: Constraint, target: Table, keys: set[Key],
                txn: Any) -> None:
    for key in keys:
        if None not in key and not _parent_exists(target, constraint, key, txn):
            raise DatabaseError(
                "23503",
                f'insert or update on table "{table.name}" violates foreign key constraint '
                f'"{constraint.name}"',
                detail=f"Key ({_names(table, constraint.columns)})="
                f"({_shown(table, constraint.columns, key)}) is not present in table "
                f'"{target.name}".',
                s=table.schema, t=table.name, n=constraint.name)


def check_new(table: Table, context: Any, vecs: list, n: int, numbers: set[int] | None) -> None:
    """New or changed rows: their parents must exist.  numbers: the changed columns, None = all."""
    catalog = context.connection.catalog
    for constraint in table.constraints:
        if constraint.kind != "f" or (
                numbers is not None and not numbers.intersection(constraint.columns)):
            continue
        columns = [vecs[table.place_in_columns(number)].values(n)
                   for number in constraint.columns]
        _check_keys(table, constraint, catalog.table(constraint.target),
                    set(zip(*columns, strict=True)), context.txn)


def check_all(d: Any, table: Table, constraint: Constraint, target: Table) -> None:
    """A new constraint: every row there is."""
    for n, vectors in d.scan(table, [number - 1 for number in constraint.columns]):
        columns = []
        for data, nulls in vectors:
            values = data.tolist()
            if nulls is not None:
                values = [None if null else v for v, null in zip(values, nulls, strict=True)]
            columns.append(values[:n])
        _check_keys(table, constraint, target, set(zip(*columns, strict=True)),
                    d.connection.begin())


def _children(context: Any, table: Table) -> list[tuple[Table, Constraint]]:
    catalog = context.connection.catalog
    return [(child, constraint)
            for child in (catalog.table(oid) for oid in table.references)
            for constraint in child.constraints
            if constraint.kind == "f" and constraint.target == table.oid]


def _child_rows(child: Table, constraint: Constraint, keys: set[Key],
                snapshot: Snapshot) -> list[tuple[int, Key]]:
    """(tid, key) of the child rows that refer to any of the keys."""
    found = []
    places = [number - 1 for number in constraint.columns]
    for n, vectors in child.store.scan(snapshot, [*places, -1]):
        columns = []
        for data, nulls in vectors:
            values = data.tolist()
            if nulls is not None:
                values = [None if null else v for v, null in zip(values, nulls, strict=True)]
            columns.append(values[:n])
        for *key, tid in zip(*columns, strict=True):
            if tuple(key) in keys:
                found.append((tid, tuple(key)))
    return found


def rows_gone(table: Table, context: Any, old: list[tuple]) -> None:
    """Rows were deleted: what refers to them."""
    for child, constraint in _children(context, table):
        keys = {tuple(row[number - 1] for number in constraint.target_columns) for row in old}
        _act(table, child, constraint, keys, None, constraint.on_delete, context)


def rows_rekeyed(table: Table, context: Any, old: list[tuple], vecs: list, n: int,
                 numbers: set[int]) -> None:
    """Rows were updated: what refers to keys that are no more."""
    for child, constraint in _children(context, table):
        if not numbers.intersection(constraint.target_columns):
            continue
        new = list(zip(*[vecs[table.place_in_columns(number)].values(n)
                         for number in constraint.target_columns], strict=True))
        moved = {}
        for row, key in zip(old, new, strict=True):
            before = tuple(row[number - 1] for number in constraint.target_columns)
            if before != key:
                moved[before] = key
        if moved:
            _act(table, child, constraint, set(moved), moved, constraint.on_update, context)


def _act(table: Table, child: Table, constraint: Constraint, keys: set[Key],
         moved: dict[Key, Key] | None, action: str, context: Any) -> None:
    txn = context.txn
    keys = {key for key in keys if None not in key
            and not _parent_exists(table, constraint, key, txn)}
    if not keys:
        return
    snapshot = _latest(txn)
    rows = _child_rows(child, constraint, keys, snapshot)
    if not rows:
        return
    places = tuple(number - 1 for number in constraint.columns)
    if action in ("no action", "restrict"):
        verb = "update or delete"
        raise DatabaseError(
            "23503",
            f'{verb} on table "{table.name}" violates foreign key constraint '
            f'"{constraint.name}" on table "{child.name}"',
            detail=f"Key ({_names(table, constraint.target_columns)})="
            f"({_shown(table, constraint.target_columns, rows[0][1])}) is still referenced from "
            f'table "{child.name}".',
            s=child.schema, t=child.name, n=constraint.name)
    if action == "cascade" and moved is None:
        gone = [child.store.read(tid, snapshot) for tid, _ in rows]
        for tid, _ in rows:
            child.store.delete(txn, snapshot, tid)
        if child.referenced:
            rows_gone(child, context, gone)
        return
    for tid, key in rows:
        if action == "cascade":
            assert moved is not None
            values = moved[key]
        elif action == "set null":
            values = (None,) * len(places)
        else:
            values = tuple(_default(child, number, context) for number in constraint.columns)
        for place, value in zip(places, values, strict=True):
            column = child.column_at(place)
            if value is None and column.not_null:
                raise DatabaseError(
                    "23502", f'null value in column "{column.name}" of relation "{child.name}" '
                    "violates not-null constraint", s=child.schema, t=child.name, c=column.name)
        child.store.update(txn, snapshot, tid, places, values)


def _default(child: Table, number: int, context: Any) -> Any:
    from minidb.bound import value

    column = child.column_at(number - 1)
    if column.default is None:
        return None
    return value(column.default, context.connection.catalog, context, column.type, column.typmod)
