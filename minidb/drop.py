"""DROP and TRUNCATE.

What depends on a dropped object: views on the relations their text names, foreign keys on the
table they point to, columns on the sequences their defaults call.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from minidb.ddl import Definer, nextval_text
from minidb.portal import Portal
from minidb.schema import Table
from minidb.sqlstate import DatabaseError
from query_planner.ast import statements as s

Steps = Generator[Any, None, None]


def drop(d: Definer, node: s.Drop) -> str:
    tag = f"DROP {node.kind.upper()}"
    for name in node.names:
        if node.kind == "schema":
            _drop_schema(d, node, name[-1])
        elif node.kind == "index":
            _drop_index(d, node, name)
        elif node.kind in ("table", "view", "sequence"):
            _drop_relation(d, node, name)
        else:
            if node.if_exists:
                d.connection.notice(f'{node.kind} "{name[-1]}" does not exist, skipping')
                continue
            raise DatabaseError("42704", f'{node.kind} "{name[-1]}" does not exist')
    return tag


_KINDS = {"table": "r", "view": "v", "sequence": "S"}


def _drop_relation(d: Definer, node: s.Drop, name: tuple[str, ...]) -> None:
    table = d.view.find(name[-2] if len(name) > 1 else None, name[-1])
    if table is None:
        if node.if_exists:
            d.connection.notice(f'{node.kind} "{name[-1]}" does not exist, skipping')
            return
        raise DatabaseError("42P01", f'{node.kind} "{".".join(name)}" does not exist')
    if table.virtual:
        raise DatabaseError("42501", f'permission denied: "{table.name}" is a system catalog')
    if table.kind != _KINDS[node.kind]:
        raise DatabaseError("42809", f'"{table.name}" is not a {node.kind}')
    remove(d, table, node.cascade)


def remove(d: Definer, table: Table, cascade: bool) -> None:
    """Drop a relation and, with cascade, what depends on it."""
    dependents = [t for t in d.catalog.tables.values() if t.oid != table.oid and _uses(d, t, table)]
    owned = [t for t in d.catalog.tables.values()
             if t.sequence is not None and t.sequence.owner == table.oid]
    if dependents and not cascade:
        other = dependents[0]
        kind = "view" if other.kind == "v" else "constraint on table"
        raise DatabaseError(
            "2BP01", f'cannot drop {_title(table)} {table.name} because other objects depend on it',
            detail=f"{kind} {other.name} depends on {_title(table)} {table.name}",
            hint="Use DROP ... CASCADE to drop the dependent objects too.")
    if table.store is not None:
        table.store.lock_for_change(d.connection.begin())
    for other in dependents:
        current = d.catalog.tables.get(other.oid)
        if current is None:
            continue
        if current.kind == "v":
            remove(d, current, True)
        else:
            d.catalog.put(current.with_(constraints=tuple(
                c for c in current.constraints if c.target != table.oid)))
    for sequence in owned:
        d.catalog.drop(sequence.oid)
    for c in table.constraints:
        target = d.catalog.tables.get(c.target)
        if c.kind == "f" and target is not None and target.oid != table.oid:
            d.catalog.put(target.with_(references=tuple(
                oid for oid in target.references if oid != table.oid)))
    d.catalog.drop(table.oid)


def _title(table: Table) -> str:
    return {"r": "table", "v": "view", "S": "sequence"}[table.kind]


def _uses(d: Definer, other: Table, table: Table) -> bool:
    if other.kind == "v":
        return table.oid in view_uses(d.view, other)
    if table.kind == "S":
        return any(column.default == nextval_text(table) for column in other.columns)
    return any(c.target == table.oid for c in other.constraints)


def view_uses(view: Any, table: Table) -> set[int]:
    """The oids of the relations a view's text names."""
    from query_planner import parse
    from query_planner.ast import Node, TableRef, fields

    found: set[int] = set()

    def walk(node: Any) -> None:
        if isinstance(node, tuple):
            for item in node:
                walk(item)
        elif isinstance(node, TableRef):
            target = view.find(node.name[-2] if len(node.name) > 1 else None, node.name[-1])
            if target is not None:
                found.add(target.oid)
        elif isinstance(node, Node):
            for name in fields(type(node)):
                walk(getattr(node, name))

    for statement in parse(table.definition or ""):
        walk(statement)
    return found


def _drop_index(d: Definer, node: s.Drop, name: tuple[str, ...]) -> None:
    places = [name[-2]] if len(name) > 1 else d.view.search()
    for place in places:
        oid = d.catalog.names.get((place, name[-1]))
        owner = None if oid is None else d.catalog.index_owner(oid)
        if owner is None or oid is None:
            continue
        index = owner.index_of(oid)
        if index.constraint is not None:
            raise DatabaseError(
                "2BP01", f"cannot drop index {index.name} because constraint {index.constraint} on "
                f"table {owner.name} requires it",
                hint=f"You can drop constraint {index.constraint} on table {owner.name} instead.")
        d.catalog.put(owner.with_(indexes=tuple(i for i in owner.indexes if i.oid != oid)))
        store = owner.store
        d.connection.on_commit(lambda store=store, oid=oid: store.drop_index(oid))
        return
    if not node.if_exists:
        raise DatabaseError("42704", f'index "{name[-1]}" does not exist')
    d.connection.notice(f'index "{name[-1]}" does not exist, skipping')


def _drop_schema(d: Definer, node: s.Drop, name: str) -> None:
    if name not in d.catalog.schemas:
        if node.if_exists:
            d.connection.notice(f'schema "{name}" does not exist, skipping')
            return
        raise DatabaseError("3F000", f'schema "{name}" does not exist')
    inside = [t for t in d.catalog.tables.values() if t.schema == name]
    if inside and not node.cascade:
        raise DatabaseError(
            "2BP01", f"cannot drop schema {name} because other objects depend on it",
            detail="\n".join(f"{_title(t)} {name}.{t.name} depends on schema {name}"
                             for t in inside),
            hint="Use DROP ... CASCADE to drop the dependent objects too.")
    for table in inside:
        if table.oid in d.catalog.tables:
            remove(d, table, True)
    d.catalog.drop_schema(name)


def drop_database(connection: Any, node: s.Drop, portal: Portal) -> Steps:
    engine = connection.engine
    name = node.names[0][-1]
    database = engine.databases.get(name)
    if database is None:
        if not node.if_exists:
            raise DatabaseError("3D000", f'database "{name}" does not exist')
        connection.notice(f'database "{name}" does not exist, skipping')
    else:
        if any(c.database is database for c in engine.connections):
            raise DatabaseError("55006", f'database "{name}" is being accessed by other users')
        del engine.databases[name]
        if engine.journal is not None:
            engine.journal.log_database("drop", database.oid, name)
    portal.tag = "DROP DATABASE"
    yield from ()


def truncate(d: Definer, node: s.Truncate) -> str:
    tables = {}
    for name in node.tables:
        table = d.view.lookup(name)
        d.view.check_writable(table)
        tables[table.oid] = table
    todo = list(tables)
    while todo:
        for oid in tables[todo.pop()].references:
            if oid in tables:
                continue
            if not node.cascade:
                raise DatabaseError(
                    "0A000", "cannot truncate a table referenced in a foreign key constraint",
                    hint="Truncate the referencing table at the same time, or use CASCADE.")
            tables[oid] = d.catalog.tables[oid]
            todo.append(oid)
    for table in tables.values():
        table.store.lock_for_change(d.connection.begin())
        store = d.engine.new_store(table.kinds)
        for index in table.indexes:
            if 0 not in index.columns and index.predicate is None:
                store.add_index(index.oid, [n - 1 for n in index.columns], index.unique, None)
        d.catalog.put(table.with_(store=store, store_oid=store.oid))
        if node.restart_identity:
            for sequence in [t for t in d.catalog.tables.values()
                             if t.sequence is not None and t.sequence.owner == table.oid]:
                assert sequence.sequence is not None
                d.engine.sequences.set(
                    d.connection, sequence, sequence.sequence.start, False)
    return "TRUNCATE TABLE"
