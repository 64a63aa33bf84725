"""ALTER TABLE and kin: the table from action to what it does; COMMENT ON."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from minidb.bound import bind, compiled
from minidb.ddl import Definer
from minidb.execution.expression import compile_expr
from minidb.schema import Table
from minidb.sqlstate import DatabaseError, not_supported
from query_planner import sql_text as source
from query_planner.ast import statements as s
from query_planner.catalog import Column


def alter(d: Definer, node: s.Alter) -> str:
    tag = f"ALTER {node.kind.upper()}"
    if node.kind == "index":
        return _alter_index(d, node)
    if node.kind == "schema":
        return _alter_schema(d, node)
    if node.kind not in ("table", "view", "sequence"):
        raise not_supported(f"ALTER {node.kind.upper()}")
    table = d.view.find(node.name[-2] if len(node.name) > 1 else None, node.name[-1])
    if table is None:
        if node.if_exists:
            d.connection.notice(f'relation "{node.name[-1]}" does not exist, skipping')
            return tag
        raise DatabaseError("42P01", f'relation "{".".join(node.name)}" does not exist')
    if table.virtual:
        raise DatabaseError("42501", f'permission denied: "{table.name}" is a system catalog')
    for action in node.actions:
        work = _ACTIONS.get(action[0])
        if work is None:
            raise not_supported(f"ALTER {node.kind.upper()} ... {action[0].upper()}")
        table = work(d, table, *action[1:])
        # An action may have put related tables; this one goes in last.
        d.catalog.put(table)
    return tag


def _column(table: Table, name: str) -> Column:
    column = table.column(name)
    if column is None:
        raise DatabaseError(
            "42703", f'column "{name}" of relation "{table.name}" does not exist')
    return column


def _with_column(table: Table, which: str, **changes: Any) -> Table:
    _column(table, which)
    return table.with_(columns=tuple(
        replace(c, **changes) if c.name == which else c for c in table.columns))


def add_column(d: Definer, table: Table, node: s.ColumnDef, if_not_exists: bool) -> Table:
    if table.column(node.name) is not None:
        if if_not_exists:
            d.connection.notice(
                f'column "{node.name}" of relation "{table.name}" already exists, skipping')
            return table
        raise DatabaseError(
            "42701", f'column "{node.name}" of relation "{table.name}" already exists')
    number = table.width + 1
    column, rest, _ = d.column(node, number, table.schema, table.name, table.oid)
    new = table.with_(columns=(*table.columns, column), width=number)
    compute = {}
    if column.default is not None:
        compute[number] = compiled(
            column.default, d.view, new.relation if column.generated else None, column.type,
            column.typmod)
    new = d.rewrite(table, new, compute)
    if column.not_null and column.default is None:
        d.check_not_null(new, (number,))
    for c in rest:
        new = d.add_constraint(new, c.replaced(columns=c.columns or (node.name,)))
    return new


def drop_column(d: Definer, table: Table, name: str, if_exists: bool, cascade: bool) -> Table:
    column = table.column(name)
    if column is None:
        if if_exists:
            d.connection.notice(
                f'column "{name}" of relation "{table.name}" does not exist, skipping')
            return table
        raise DatabaseError(
            "42703", f'column "{name}" of relation "{table.name}" does not exist')
    number = column.number
    for sequence in [t for t in d.catalog.tables.values() if t.sequence is not None
                     and (t.sequence.owner, t.sequence.owner_column) == (table.oid, number)]:
        d.catalog.drop(sequence.oid)
    constraints = tuple(c for c in table.constraints if number not in c.columns)
    indexes = tuple(i for i in table.indexes if number not in i.columns)
    return table.with_(columns=tuple(c for c in table.columns if c is not column),
                       constraints=constraints, indexes=indexes)


def alter_type(d: Definer, table: Table, name: str, type_name: Any, using: Any) -> Table:
    from query_planner.expr import Cast
    from query_planner.expr import Column as ColumnExpr
    from query_planner.types import can_cast

    column = _column(table, name)
    type_, typmod = d.view.resolve_type(type_name)
    if using is not None:
        expr = bind(using, d.view, table.relation)
        found = expr.type
    else:
        expr = ColumnExpr(id=column.number, name=name, type=column.type, typmod=column.typmod)
        found = column.type
    if not can_cast(found, type_, "a"):
        raise DatabaseError(
            "42804", f'column "{name}" cannot be cast automatically to type {type_.title}',
            hint=f'You might need to specify "USING {name}::{type_.title}".')
    cast = Cast(arg=expr, type=type_, typmod=typmod, explicit=False)
    new = _with_column(table, name, type=type_, typmod=typmod)
    return d.rewrite(table, new, {column.number: compile_expr(cast)})


def set_default(d: Definer, table: Table, name: str, expr: Any) -> Table:
    text = source(expr)
    d.check_default(name, text, _column(table, name).type)
    return _with_column(table, name, default=text)


def set_not_null(d: Definer, table: Table, name: str) -> Table:
    d.check_not_null(table, (_column(table, name).number,))
    return _with_column(table, name, not_null=True)


def drop_not_null(d: Definer, table: Table, name: str) -> Table:
    key = table.primary_key()
    if key is not None and _column(table, name).number in key.columns:
        raise DatabaseError("42P16", f'column "{name}" is in a primary key')
    return _with_column(table, name, not_null=False)


def add_constraint(d: Definer, table: Table, node: s.Constraint) -> Table:
    return d.add_constraint(table, node)


def drop_constraint(d: Definer, table: Table, name: str, if_exists: bool, cascade: bool) -> Table:
    found = next((c for c in table.constraints if c.name == name), None)
    if found is None:
        if if_exists:
            d.connection.notice(
                f'constraint "{name}" of relation "{table.name}" does not exist, skipping')
            return table
        raise DatabaseError(
            "42704", f'constraint "{name}" of relation "{table.name}" does not exist')
    if found.index:
        for oid in table.references:
            other = d.catalog.tables[oid]
            bound = [c for c in other.constraints if c.target == table.oid
                     and set(c.target_columns) == set(found.columns)]
            if bound and not cascade:
                raise DatabaseError(
                    "2BP01", f"cannot drop constraint {name} on table {table.name} because other "
                    "objects depend on it",
                    hint="Use DROP ... CASCADE to drop the dependent objects too.")
            if bound:
                d.catalog.put(other.with_(constraints=tuple(
                    c for c in other.constraints if c not in bound)))
        store, oid = table.store, found.index
        d.connection.on_commit(lambda: store.drop_index(oid))
    return table.with_(
        constraints=tuple(c for c in table.constraints if c is not found),
        indexes=tuple(i for i in table.indexes if i.oid != found.index))


def rename(d: Definer, table: Table, new: str) -> Table:
    d.free(table.schema, new)
    return table.with_(name=new)


def rename_column(d: Definer, table: Table, old: str, new: str) -> Table:
    if table.column(new) is not None:
        raise DatabaseError(
            "42701", f'column "{new}" of relation "{table.name}" already exists')
    return _with_column(table, old, name=new)


def rename_constraint(d: Definer, table: Table, old: str, new: str) -> Table:
    if not any(c.name == old for c in table.constraints):
        raise DatabaseError(
            "42704", f'constraint "{old}" for table "{table.name}" does not exist')
    return table.with_(
        constraints=tuple(replace(c, name=new) if c.name == old else c
                          for c in table.constraints),
        indexes=tuple(replace(i, name=new, constraint=new) if i.constraint == old else i
                      for i in table.indexes))


def set_schema(d: Definer, table: Table, schema: str) -> Table:
    if schema not in d.catalog.schemas:
        raise DatabaseError("3F000", f'schema "{schema}" does not exist')
    d.free(schema, table.name)
    return table.with_(schema=schema)


def keep(d: Definer, table: Table, *args: Any) -> Table:
    """Accepted, and without an effect here: owners, storage parameters, statistics targets."""
    return table


_ACTIONS: dict[str, Callable[..., Table]] = {
    "add column": add_column, "drop column": drop_column, "alter type": alter_type,
    "set default": set_default,
    "drop default": lambda d, table, name: _with_column(table, name, default=None),
    "set not null": set_not_null, "drop not null": drop_not_null,
    "add constraint": add_constraint, "drop constraint": drop_constraint, "rename": rename,
    "rename column": rename_column, "rename constraint": rename_constraint,
    "set schema": set_schema, "owner": keep, "options": keep, "reset options": keep,
    "set statistics": keep, "set storage": keep, "validate constraint": keep,
    "replica identity": keep, "cluster": keep, "set logged": keep, "sequence": keep,
}  # fmt: skip


def _alter_index(d: Definer, node: s.Alter) -> str:
    oid = d.view.relation_oid(node.name)
    owner = d.catalog.index_owner(oid)
    if owner is None:
        raise DatabaseError("42809", f'"{node.name[-1]}" is not an index')
    for action in node.actions:
        if action[0] == "rename":
            d.free(owner.schema, action[1])
            index = owner.index_of(oid)
            made = replace(index, name=action[1],
                           constraint=action[1] if index.constraint else None)
            owner = owner.with_(
                indexes=tuple(made if i.oid == oid else i for i in owner.indexes),
                constraints=tuple(replace(c, name=action[1]) if c.index == oid else c
                                  for c in owner.constraints))
            d.catalog.put(owner)
        elif action[0] not in ("options", "reset options", "set statistics"):
            raise not_supported(f"ALTER INDEX ... {action[0].upper()}")
    return "ALTER INDEX"


def _alter_schema(d: Definer, node: s.Alter) -> str:
    name = node.name[-1]
    if name not in d.catalog.schemas:
        raise DatabaseError("3F000", f'schema "{name}" does not exist')
    for action in node.actions:
        if action[0] == "owner":
            continue
        if action[0] != "rename":
            raise not_supported(f"ALTER SCHEMA ... {action[0].upper()}")
        oid = d.catalog.schemas[name]
        d.catalog.put_schema(action[1], oid)
        for table in [t for t in d.catalog.tables.values() if t.schema == name]:
            d.catalog.put(table.with_(schema=action[1]))
        d.catalog.drop_schema(name)
    return "ALTER SCHEMA"


def comment_on(d: Definer, node: s.Comment) -> str:
    """COMMENT ON TABLE and COLUMN are kept; on other things they are accepted."""
    if node.kind in ("table", "view", "sequence"):
        table, number = d.view.lookup(node.name), 0
    elif node.kind == "column":
        table = d.view.lookup(node.name[:-1])
        number = _column(table, node.name[-1]).number
    else:
        return "COMMENT"
    rest = tuple((at, text) for at, text in table.comments if at != number)
    if node.text is not None:
        rest = (*rest, (number, node.text))
    d.catalog.put(table.with_(comments=rest))
    return "COMMENT"
