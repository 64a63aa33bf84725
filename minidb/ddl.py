"""CREATE, and what all definitions share: changes to the transaction's own catalog (see
catalog.py).

What must touch rows (a new column, another type, a new index) builds a fresh row store or index
while the table is locked against other writers; the old store stays for those who still read it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import replace
from typing import Any

from minidb.catalog import INFORMATION_SCHEMA, PG_CATALOG, Catalog
from minidb.execution.context import Context
from minidb.execution.vector import Batch, Vec, code_of, vec_of
from minidb.portal import Portal
from minidb.schema import Constraint, Sequence, Table
from minidb.sqlstate import DatabaseError, not_supported
from minidb.statement import Statement
from minidb.table import Duplicate
from query_planner import sql_text as source
from query_planner.ast import statements as s
from query_planner.catalog import Column, Index
from query_planner.errors import SqlError
from query_planner.expr import columns_of
from query_planner.types import TYPES

Steps = Generator[Any, None, None]

_SERIALS = {"serial": "int4", "serial4": "int4", "bigserial": "int8", "serial8": "int8",
            "smallserial": "int2", "serial2": "int2"}
_RANGES = {"int2": 2**15 - 1, "int4": 2**31 - 1, "int8": 2**63 - 1}


class Definer:
    """One definition at work: the session, its transaction's catalog."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.engine = connection.engine
        self.view = connection.catalog
        self.catalog: Catalog = self.view.changing()

    # -- names

    def place(self, name: tuple[str, ...], temporary: bool = False) -> tuple[str, str]:
        """(schema, name) for a new object."""
        if temporary or (len(name) > 1 and name[-2] == "pg_temp"):
            schema = self.view.temporary_schema
            if schema not in self.catalog.schemas:
                self.catalog.schemas[schema] = self.engine.new_oid()
                self.connection.database.catalog.schemas[schema] = self.catalog.schemas[schema]
            return schema, name[-1]
        schema = name[-2] if len(name) > 1 else self.view.creation_schema()
        if schema not in self.catalog.schemas:
            raise DatabaseError("3F000", f'schema "{schema}" does not exist')
        if schema in (PG_CATALOG, INFORMATION_SCHEMA):
            raise DatabaseError("42501", f'permission denied for schema {schema}')
        return schema, name[-1]

    def free(self, schema: str, name: str, if_not_exists: bool = False) -> bool:
        """Whether the name may be taken; 42P07 (or a notice) when it is."""
        if (schema, name) not in self.catalog.names:
            return True
        if if_not_exists:
            self.connection.notice(f'relation "{name}" already exists, skipping', "42P07")
            return False
        raise DatabaseError("42P07", f'relation "{name}" already exists')

    def fresh_name(self, schema: str, *parts: str) -> str:
        """table_column_suffix, with a number if it is taken, cut to 63 characters."""
        base, suffix = "_".join(parts[:-1])[: 62 - len(parts[-1])], parts[-1]
        name, n = f"{base}_{suffix}", 0
        while (schema, name) in self.catalog.names:
            n += 1
            name = f"{base}_{suffix}{n}"
        return name

    # -- columns

    def column(self, node: s.ColumnDef, number: int, schema: str, table: str,
               owner: int) -> tuple[Column, list[s.Constraint], Table | None]:
        """A column, the constraints that are the table's, and the sequence it owns."""
        words = node.type.name
        serial = _SERIALS.get(words[-1]) if len(words) == 1 else None
        sequence, not_null, default, generated, identity = None, False, None, "", ""
        if serial is not None:
            type_, typmod = TYPES[serial], -1
            not_null = True
            sequence = self.sequence_for(schema, table, node.name, serial, owner, number, ())
            default = nextval_text(sequence)
        else:
            type_, typmod = self.view.resolve_type(node.type)
        rest = []
        for c in node.constraints:
            if c.kind == "not null":
                not_null = True
            elif c.kind == "default":
                default = source(c.expr)
                self.check_default(node.name, default, type_)
            elif c.kind == "generated":
                default, generated = source(c.expr), "s"
            elif c.kind == "identity":
                sequence = self.sequence_for(schema, table, node.name, type_.name, owner, number,
                                             c.options)
                identity = "a" if c.generated == "always" else "d"
                default, not_null = nextval_text(sequence), True
            elif c.kind != "null":
                rest.append(c)
                not_null = not_null or c.kind == "primary key"
        return Column(number, node.name, type_, typmod, not_null, default, generated,
                      identity), rest, sequence

    def check_default(self, name: str, text: str, type_: Any) -> None:
        from minidb.bound import bind

        try:
            bind(text, self.view, None, type_)
        except SqlError as exc:
            if exc.sqlstate != "42804":
                raise
            found = bind(text, self.view).type
            raise DatabaseError(
                "42804", f'column "{name}" is of type {type_.title} but default expression is of '
                f"type {found.title}") from None

    def sequence_for(self, schema: str, table: str, column: str, type_: str, owner: int,
                     number: int, options: tuple) -> Table:
        name = self.fresh_name(schema, table, column, "seq")
        made = Table(self.engine.new_oid(), schema, name, "S",
                     sequence=_sequence(options, type_, owner, number), columns=_SEQUENCE_COLUMNS)
        self.catalog.put(made)
        return made

    # -- constraints and indexes

    def add_constraint(self, table: Table, c: s.Constraint) -> Table:
        """The table with one more constraint; its index built, its rows checked."""
        if c.kind in ("primary key", "unique"):
            return self._add_key(table, c)
        if c.kind == "check":
            return self._add_check(table, c)
        if c.kind == "foreign key":
            return self._add_foreign_key(table, c)
        raise not_supported(f"{c.kind} constraint")

    def numbers(self, table: Table, names: tuple[str, ...]) -> tuple[int, ...]:
        found = []
        for name in names:
            column = table.column(name)
            if column is None:
                raise DatabaseError("42703", f'column "{name}" named in key does not exist')
            found.append(column.number)
        return tuple(found)

    def constraint_name(self, table: Table, c: s.Constraint, *parts: str) -> str:
        if c.name is None:
            taken = {x.name for x in table.constraints}
            name = self.fresh_name(table.schema, table.name, *parts)
            n = 0
            while name in taken:
                n += 1
                name = self.fresh_name(table.schema, table.name, *parts) + str(n)
            return name
        if any(x.name == c.name for x in table.constraints):
            raise DatabaseError(
                "42710", f'constraint "{c.name}" for relation "{table.name}" already exists')
        return c.name

    def _add_key(self, table: Table, c: s.Constraint) -> Table:
        primary = c.kind == "primary key"
        if primary and table.primary_key() is not None:
            raise DatabaseError(
                "42P16", f'multiple primary keys for table "{table.name}" are not allowed')
        if c.index is not None:
            index = next((i for i in table.indexes if i.name == c.index), None)
            if index is None or not index.unique:
                raise DatabaseError("42809", f'"{c.index}" is not a unique index')
            name = c.name or c.index
            made = replace(index, name=name, primary=primary, constraint=name)
            table = table.with_(indexes=tuple(
                made if i is index else i for i in table.indexes))
            numbers = index.columns
        else:
            numbers = self.numbers(table, c.columns)
            name = self.constraint_name(table, c, "pkey") if primary else \
                self.constraint_name(table, c, *c.columns, "key")
            self.free(table.schema, name)
            made = Index(self.engine.new_oid(), name, numbers, True, primary, False,
                         constraint=name)
            self.build_index(table, made)
            table = table.with_(indexes=(*table.indexes, made))
        if primary:
            table = table.with_(columns=tuple(
                replace(column, not_null=True) if column.number in numbers else column
                for column in table.columns))
            self.check_not_null(table, numbers)
        return table.with_(constraints=(*table.constraints, Constraint(
            self.engine.new_oid(), name, "p" if primary else "u", numbers, made.oid,
            deferrable=c.deferrable, deferred=c.deferred)))

    def build_index(self, table: Table, index: Index) -> None:
        if 0 in index.columns or index.predicate is not None:
            if index.unique:
                raise not_supported("unique index on an expression or with a predicate")
            return
        txn = self.connection.begin()
        table.store.lock_for_change(txn)
        try:
            table.store.add_index(index.oid, [number - 1 for number in index.columns],
                                  index.unique, txn)
        except Duplicate as duplicate:
            from minidb.execution.modify import duplicate_key

            table.store.drop_index(index.oid)
            shown = duplicate_key(table.with_(indexes=(index,)), duplicate)
            raise DatabaseError(
                "23505", f'could not create unique index "{index.name}"',
                detail=(shown.detail or "").replace("already exists", "is duplicated"),
                s=table.schema, t=table.name, n=index.name) from None
        self.connection.on_abort(lambda: table.store.drop_index(index.oid))

    def check_not_null(self, table: Table, numbers: tuple[int, ...]) -> None:
        for n, vectors in self.scan(table, [number - 1 for number in numbers]):
            for number, (_, nulls) in zip(numbers, vectors, strict=True):
                if nulls is not None and nulls[:n].any():
                    name = table.column_at(number - 1).name
                    raise DatabaseError(
                        "23502",
                        f'column "{name}" of relation "{table.name}" contains null values',
                        s=table.schema, t=table.name, c=name)

    def scan(self, table: Table, places: list[int]) -> Any:
        from minidb.rowgroup import Snapshot

        txn = self.connection.begin()
        return table.store.scan(Snapshot(txn.manager.last_commit, txn.id), places)

    def _add_check(self, table: Table, c: s.Constraint) -> Table:
        from minidb.bound import bind
        from minidb.execution.modify import Checks

        # Named after its column if it has just one.
        used = sorted(columns_of(bind(c.expr, self.view, table.relation, TYPES["bool"])))
        columns = [table.column_at(used[0] - 1).name] if len(used) == 1 else []
        name = self.constraint_name(table, c, *columns, "check")
        made = Constraint(self.engine.new_oid(), name, "c", text=source(c.expr))
        table = table.with_(constraints=(*table.constraints, made))
        checked = table.with_(constraints=(made,))
        context = Context(self.connection, (), None, self.connection.begin())
        self.view.compiled_checks(checked)
        if table.store is not None and not c.not_valid:
            places = [column.number - 1 for column in table.columns]
            for n, vectors in self.scan(table, places):
                try:
                    Checks(checked, self.view).run([Vec(*v) for v in vectors], n, context)
                except DatabaseError as exc:
                    if exc.sqlstate != "23514":
                        raise
                    raise DatabaseError(
                        "23514", f'check constraint "{name}" of relation "{table.name}" is '
                        "violated by some row", s=table.schema, t=table.name, n=name) from None
        return table

    def _add_foreign_key(self, table: Table, c: s.Constraint) -> Table:
        from minidb.foreign_keys import check_all

        target = table if c.target[-1] == table.name and len(c.target) == 1 else \
            self.view.lookup(c.target)
        numbers = self.numbers(table, c.columns)
        if c.target_columns:
            target_numbers = self.numbers(target, c.target_columns)
        else:
            key = target.primary_key()
            if key is None:
                raise DatabaseError(
                    "42704", f'there is no primary key for referenced table "{target.name}"')
            target_numbers = key.columns
        if len(numbers) != len(target_numbers):
            raise DatabaseError(
                "42830", "number of referencing and referenced columns for foreign key disagree")
        if not any(i.unique and set(i.columns) == set(target_numbers) for i in target.indexes):
            raise DatabaseError(
                "42830", "there is no unique constraint matching given keys for referenced table "
                f'"{target.name}"')
        name = self.constraint_name(table, c, *c.columns, "fkey")
        made = Constraint(
            self.engine.new_oid(), name, "f", numbers, 0, "", target.oid, target_numbers,
            c.on_delete, c.on_update, c.deferrable, c.deferred)
        table = table.with_(constraints=(*table.constraints, made))
        if target.oid == table.oid:
            table = table.with_(references=tuple({*table.references, table.oid}))
            target = table
        else:
            self.catalog.put(target.with_(references=tuple({*target.references, table.oid})))
        if not c.not_valid:
            check_all(self, table, made, target)
        return table

    # -- rewriting rows

    def rewrite(self, old: Table, new: Table, compute: dict[int, Any]) -> Table:
        """`new` over a fresh store with old's rows; compute gives columns by attribute number as
        functions of a batch over old's columns (by attribute number)."""
        txn = self.connection.begin()
        old.store.lock_for_change(txn)
        store = self.engine.new_store(new.kinds)
        context = Context(self.connection, (), None, txn)
        places = [column.number - 1 for column in old.columns]
        from minidb.execution.modify import empty_column

        parts = []
        for n, vectors in self.scan(old, places):
            parts.append((n, [Vec(data, nulls) for data, nulls in vectors]))
        new = new.with_(store=store, store_oid=store.oid)
        for index in new.indexes:
            if 0 not in index.columns and index.predicate is None:
                store.add_index(index.oid, [number - 1 for number in index.columns],
                                index.unique, None)
        for n, vecs in parts:
            batch = Batch(n, {column.number: vec
                              for column, vec in zip(old.columns, vecs, strict=True)})
            columns = []
            for place, kind in enumerate(store.kinds):
                if place + 1 in compute:
                    vec = compute[place + 1](batch, context).full(n)
                elif place + 1 in batch.columns:
                    vec = batch.columns[place + 1]
                else:
                    columns.append(empty_column(kind, n))
                    continue
                columns.append((vec.data, vec.nulls))
            store.load(txn, columns, n)
        return new


_SEQUENCE_COLUMNS = (
    Column(1, "last_value", TYPES["int8"], -1, True),
    Column(2, "log_cnt", TYPES["int8"], -1, True),
    Column(3, "is_called", TYPES["bool"], -1, True),
)


def nextval_text(sequence: Table) -> str:
    from minidb.execution.kernels.strings import quote_identifier, quote_literal

    name = quote_identifier(sequence.name)
    if sequence.schema != "public":
        name = f"{quote_identifier(sequence.schema)}.{name}"
    return f"nextval({quote_literal(name)}::regclass)"


def _sequence(options: tuple, type_: str, owner: int, number: int) -> Sequence:
    given = dict(options)
    type_ = given.get("as", type_)
    type_ = type_ if type_ in _RANGES else "int8"
    increment = given.get("increment", 1) or 1
    top = _RANGES[type_]
    low = given.get("minvalue")
    high = given.get("maxvalue")
    minimum = low if low is not None else 1 if increment > 0 else -top - 1
    maximum = high if high is not None else top if increment > 0 else -1
    start = given.get("start")
    if start is None:
        start = minimum if increment > 0 else maximum
    return Sequence(start, increment, minimum, maximum, bool(given.get("cycle", False)), type_,
                    owner, number)


# -- CREATE


def create_table(d: Definer, node: s.CreateTable) -> str:
    if node.partition_by is not None or node.inherits:
        raise not_supported("partitioning and inheritance")
    schema, name = d.place(node.name, node.temporary)
    if not d.free(schema, name, node.if_not_exists):
        return "CREATE TABLE"
    oid = d.engine.new_oid()
    columns: list[Column] = []
    constraints: list[s.Constraint] = []
    for element in node.elements:
        if isinstance(element, s.ColumnDef):
            if any(column.name == element.name for column in columns):
                raise DatabaseError(
                    "42701", f'column "{element.name}" specified more than once')
            column, rest, _ = d.column(element, len(columns) + 1, schema, name, oid)
            columns.append(column)
            constraints.extend(
                c.replaced(columns=c.columns or (element.name,)) for c in rest)
        elif isinstance(element, s.Constraint):
            constraints.append(element)
        else:
            like = d.view.lookup(element.table)
            for column in like.columns:
                keeps = "defaults" in element.including or "all" in element.including
                columns.append(replace(column, number=len(columns) + 1,
                                       default=column.default if keeps else None, identity=""))
    table = Table(oid, schema, name, "r", tuple(columns), len(columns),
                  temporary=schema == d.view.temporary_schema)
    for c in constraints:
        if c.kind == "primary key":
            numbers = d.numbers(table, c.columns)
            table = table.with_(columns=tuple(
                replace(x, not_null=True) if x.number in numbers else x for x in table.columns))
    store = d.engine.new_store(table.kinds)
    table = table.with_(store=store, store_oid=store.oid)
    for c in sorted(constraints, key=lambda c: c.kind != "primary key"):
        table = d.add_constraint(table, c)
    d.catalog.put(table)
    return "CREATE TABLE"


def create_table_as(connection: Any, node: s.CreateTableAs, portal: Portal) -> Steps:
    """CREATE TABLE AS: the query's result under a name."""
    from minidb.execution.modify import add_rows

    d = Definer(connection)
    schema, name = d.place(node.name, node.temporary)
    portal.tag = "SELECT 0"
    if not d.free(schema, name, node.if_not_exists):
        portal.tag = "CREATE TABLE AS"
        return
    statement = connection.prepared(Statement(portal.statement.sql, node.query), ())
    rows: list[tuple] = []
    if node.with_data:
        inner = Portal(statement, portal.parameters, None)
        for event in connection.query(inner):
            if type(event) is list:
                rows.extend(event)
            else:
                yield event
    fields = statement.fields or ()
    names = [*node.columns, *[field[0] for field in fields[len(node.columns):]]]
    columns = tuple(
        Column(i + 1, column, TYPES["text"] if field[1].name == "unknown" else field[1], field[2])
        for i, (column, field) in enumerate(zip(names, fields, strict=True)))
    table = Table(d.engine.new_oid(), schema, name, "r", columns, len(columns),
                  temporary=schema == d.view.temporary_schema)
    store = d.engine.new_store(table.kinds)
    table = table.with_(store=store, store_oid=store.oid)
    d.catalog.put(table)
    if rows:
        vecs = [vec_of(column, code_of(c.type))
                for column, c in zip(zip(*rows, strict=True), columns, strict=True)]
        context = Context(connection, (), None, connection.begin())
        add_rows(table, vecs, len(rows), context)
    portal.tag = f"SELECT {len(rows)}"


def create_index(d: Definer, node: s.CreateIndex) -> str:
    table = d.view.lookup(node.table)
    d.view.check_writable(table)
    columns, expressions, words = [], [], []
    for key in node.keys:
        if key.column is not None:
            columns.append(d.numbers(table, (key.column,))[0])
            words.append(key.column)
        else:
            columns.append(0)
            expressions.append(source(key.expr))
            words.append("expr")
    name = node.name or d.fresh_name(table.schema, table.name, *words, "idx")
    if not d.free(table.schema, name, node.if_not_exists):
        return "CREATE INDEX"
    if node.method not in ("btree", "hash", "gin", "gist", "brin", "spgist"):
        raise DatabaseError("42704", f'access method "{node.method}" does not exist')
    predicate = None if node.where is None else source(node.where)
    made = Index(d.engine.new_oid(), name, tuple(columns), node.unique, False, False, predicate,
                 tuple(expressions))
    d.build_index(table, made)
    d.catalog.put(table.with_(indexes=(*table.indexes, made)))
    return "CREATE INDEX"


def create_view(d: Definer, node: s.CreateView) -> str:
    schema, name = d.place(node.name, node.temporary)
    old = d.catalog.tables.get(d.catalog.names.get((schema, name), 0))
    if old is not None and not (node.replace and old.kind == "v"):
        raise DatabaseError("42P07", f'relation "{name}" already exists')
    statement = d.connection.prepared(Statement(node.text, node.query), ())
    fields = statement.fields or ()
    names = [*node.columns, *[field[0] for field in fields[len(node.columns):]]]
    if len(set(names)) < len(names):
        twice = next(n for i, n in enumerate(names) if n in names[:i])
        raise DatabaseError("42701", f'column "{twice}" specified more than once')
    columns = tuple(Column(i + 1, column, TYPES["text"] if f[1].name == "unknown" else f[1], f[2])
                    for i, (column, f) in enumerate(zip(names, fields, strict=True)))
    if old is not None and [c.name for c in old.columns] != names[:len(old.columns)]:
        raise DatabaseError("42P16", "cannot change name of view column")
    d.catalog.put(Table(
        old.oid if old is not None else d.engine.new_oid(), schema, name, "v", columns,
        len(columns), definition=node.text.strip().rstrip(";"), path=tuple(d.view.search()),
        temporary=schema == d.view.temporary_schema))
    return "CREATE VIEW"


def create_sequence(d: Definer, node: s.CreateSequence) -> str:
    schema, name = d.place(node.name, node.temporary)
    if d.free(schema, name, node.if_not_exists):
        d.catalog.put(Table(
            d.engine.new_oid(), schema, name, "S", _SEQUENCE_COLUMNS,
            sequence=_sequence(node.options, "int8", 0, 0),
            temporary=schema == d.view.temporary_schema))
    return "CREATE SEQUENCE"


def create_schema(d: Definer, node: s.CreateSchema) -> str:
    name = node.name or node.owner or d.connection.user
    if name in d.catalog.schemas:
        if not node.if_not_exists:
            raise DatabaseError("42P06", f'schema "{name}" already exists')
        d.connection.notice(f'schema "{name}" already exists, skipping', "42P06")
    elif name.startswith("pg_"):
        raise DatabaseError("42939", f'unacceptable schema name "{name}"')
    else:
        d.catalog.put_schema(name, d.engine.new_oid())
    return "CREATE SCHEMA"


def create_database(connection: Any, node: s.CreateDatabase, portal: Portal) -> Steps:
    engine = connection.engine
    if connection.block:
        raise DatabaseError("25001", "CREATE DATABASE cannot run inside a transaction block")
    if node.name in engine.databases:
        raise DatabaseError("42P04", f'database "{node.name}" already exists')
    if dict(node.options).get("template", "template1") not in ("template0", "template1"):
        raise not_supported("CREATE DATABASE from a template with tables")
    database = engine.create_database(node.name)
    if engine.journal is not None:
        engine.journal.log_database("create", database.oid, node.name)
    portal.tag = "CREATE DATABASE"
    yield from ()


# -- the table


def _simple(work: Callable[[Definer, Any], str]) -> Callable[..., Steps]:
    """A handler from a function that needs no pause but for locks."""

    def handler(connection: Any, node: Any, portal: Portal) -> Steps:
        def attempt(txn: Any) -> str:
            before = txn.catalog.copy() if txn.catalog is not None else None
            try:
                return work(Definer(connection), node)
            except BaseException:
                txn.catalog = before
                raise

        portal.tag = yield from connection.attempt(attempt)

    return handler


def _drop(connection: Any, node: s.Drop, portal: Portal) -> Steps:
    from minidb.drop import drop, drop_database

    if node.kind == "database":
        return drop_database(connection, node, portal)
    return _simple(drop)(connection, node, portal)


def _truncate(connection: Any, node: s.Truncate, portal: Portal) -> Steps:
    from minidb.drop import truncate

    return _simple(truncate)(connection, node, portal)


def _alter(connection: Any, node: s.Alter, portal: Portal) -> Steps:
    from minidb.alter import alter

    return _simple(alter)(connection, node, portal)


def comment(connection: Any, node: s.Comment, portal: Portal) -> Steps:
    from minidb.alter import comment_on

    return _simple(comment_on)(connection, node, portal)


HANDLERS: dict[type, Callable[..., Steps]] = {
    s.CreateTable: _simple(create_table), s.CreateTableAs: create_table_as,
    s.CreateIndex: _simple(create_index), s.CreateView: _simple(create_view),
    s.CreateSequence: _simple(create_sequence), s.CreateSchema: _simple(create_schema),
    s.CreateDatabase: create_database, s.Drop: _drop, s.Truncate: _truncate,
    s.Alter: _alter, s.Comment: comment,
}  # fmt: skip
