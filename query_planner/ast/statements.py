"""Statements that are not queries: definitions, transactions, settings, cursors, maintenance.

The planner only parses them; whoever owns the catalog carries them out.  Names of objects are
tuples of parts (("public", "t")); `query` fields hold query nodes, expressions are nodes of
`nodes.pyx`.

A class lists its fields as a dataclass does, but is none: writing an `__init__` for each of fifty
would take a tenth of a server's start.
"""

from __future__ import annotations

from typing import Any, Self, dataclass_transform

Name = tuple[str, ...]


@dataclass_transform()
class Statement:
    """Base of all: fields by place or by name, defaults, equality, repr."""

    _fields: tuple[str, ...] = ()

    def __init_subclass__(cls) -> None:
        cls._fields = tuple(cls.__annotations__)

    def __init__(self, *values: Any, **named: Any) -> None:
        given = dict(zip(self._fields, values, strict=False), **named)
        if len(given) < len(values) + len(named) or not given.keys() <= set(self._fields):
            raise TypeError(f"{type(self).__name__} takes {', '.join(self._fields)}")
        for name in self._fields:
            if name not in given and not hasattr(type(self), name):
                raise TypeError(f"{type(self).__name__} needs {name}")
        self.__dict__.update(given)

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self._fields)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in self._fields)
        return f"{type(self).__name__}({shown})"

    def replaced(self, **changes: Any) -> Self:
        """A copy with some fields changed."""
        return type(self)(**{name: getattr(self, name) for name in self._fields} | changes)


# -- tables and their parts


class Constraint(Statement):
    """A constraint of a table or column.

    kind        "primary key" | "unique" | "check" | "foreign key" | "not null" | "null" | "default"
                | "generated" (expr stored) | "identity" (generated: "always" or "by default")
                | "exclude" (refused by most)
    columns     names; for a column constraint the column itself
    expr        of check, default, generated
    target      referenced table, target_columns possibly empty (= its primary key)
    on_delete, on_update   "no action" | "restrict" | "cascade" | "set null" | "set default"
    index       name of an existing index (USING INDEX)
    """

    kind: str
    name: str | None = None
    columns: tuple[str, ...] = ()
    expr: Any = None
    target: Name = ()
    target_columns: tuple[str, ...] = ()
    match: str = "simple"
    on_delete: str = "no action"
    on_update: str = "no action"
    deferrable: bool = False
    deferred: bool = False
    not_valid: bool = False
    nulls_not_distinct: bool = False
    generated: str = ""
    options: tuple = ()
    include: tuple[str, ...] = ()
    index: str | None = None


class ColumnDef(Statement):
    """A column: type is a TypeName whose name keeps "serial" and kin for the definer to expand."""

    name: str
    type: Any
    constraints: tuple[Constraint, ...] = ()
    collation: Name = ()


class LikeTable(Statement):
    """LIKE table [INCLUDING ...] inside CREATE TABLE."""

    table: Name
    including: tuple[str, ...] = ()


class CreateTable(Statement):
    """CREATE [TEMP|UNLOGGED] TABLE; elements are ColumnDef, Constraint and LikeTable."""

    name: Name
    elements: tuple = ()
    if_not_exists: bool = False
    temporary: bool = False
    inherits: tuple[Name, ...] = ()
    on_commit: str = ""
    options: tuple = ()
    partition_by: tuple | None = None
    of_type: Name = ()


class CreateTableAs(Statement):
    """CREATE TABLE name AS query; kind "table" or "materialized view"; `query` may be Execute."""

    name: Name
    query: Any
    columns: tuple[str, ...] = ()
    if_not_exists: bool = False
    temporary: bool = False
    with_data: bool = True
    kind: str = "table"
    on_commit: str = ""


class Alter(Statement):
    """ALTER kind name actions.

    kind "table", "view", "index", "sequence", "materialized view", "type", "domain", "schema",
    "database", "role", ...; actions are (verb, arguments ...) tuples:

    ("add column", ColumnDef, if_not_exists)   ("drop column", name, if_exists, cascade)
    ("alter type", column, TypeName, using)    ("set default", column, expr)
    ("drop default", column)
    ("set not null", column) ("drop not null", column)  ("drop identity", column, if_exists)
    ("add identity", column, Constraint)       ("drop expression", column, if_exists)
    ("set statistics", column, n)              ("set storage", column, word)
    ("add constraint", Constraint)             ("drop constraint", name, if_exists, cascade)
    ("alter constraint", name, deferrable, deferred)   ("validate constraint", name)
    ("rename", new)  ("rename column", old, new)  ("rename constraint", old, new)
    ("set schema", schema)  ("owner", role)  ("options", ((name, value), ...))
    ("reset options", names)  ("add value", label, if_not_exists, before, after)
    ("rename value", old, new)  ("sequence", options)  ("trigger", "enable"|"disable", name)
    ("replica identity", kind, index)  ("row level security", "enable"|"disable"|...)
    ("inherit", parent) ("no inherit", parent) ("cluster", index) ("set logged", bool)
    ("attribute ...", ...)  ("set", name, value) ("reset", name)
    """

    kind: str
    name: Name
    actions: tuple
    if_exists: bool = False


class Drop(Statement):
    """DROP kind names; for functions each name comes with its argument types in `args`."""

    kind: str
    names: tuple[Name, ...]
    if_exists: bool = False
    cascade: bool = False
    concurrently: bool = False
    args: tuple = ()
    on: Name = ()


class Truncate(Statement):
    """TRUNCATE."""

    tables: tuple[Name, ...]
    restart_identity: bool = False
    cascade: bool = False


class IndexKey(Statement):
    """One key of an index: a column name or an expression."""

    column: str | None = None
    expr: Any = None
    collation: Name = ()
    opclass: Name = ()
    descending: bool = False
    nulls_first: bool | None = None


class CreateIndex(Statement):
    """CREATE [UNIQUE] INDEX."""

    name: str | None
    table: Name
    keys: tuple[IndexKey, ...]
    unique: bool = False
    concurrently: bool = False
    if_not_exists: bool = False
    method: str = "btree"
    include: tuple[str, ...] = ()
    nulls_not_distinct: bool = False
    options: tuple = ()
    where: Any = None


class CreateView(Statement):
    """CREATE [OR REPLACE] [TEMP] [RECURSIVE] VIEW; `text` is the SQL of the query."""

    name: Name
    query: Any
    text: str
    columns: tuple[str, ...] = ()
    replace: bool = False
    temporary: bool = False
    check_option: str = ""
    options: tuple = ()


class RefreshView(Statement):
    """REFRESH MATERIALIZED VIEW."""

    name: Name
    concurrently: bool = False
    with_data: bool = True


class CreateSequence(Statement):
    """CREATE SEQUENCE; options are (word, value) pairs: increment, minvalue (None = NO), maxvalue,
    start, restart, cache, cycle, owned by, as."""

    name: Name
    options: tuple = ()
    if_not_exists: bool = False
    temporary: bool = False


class CreateSchema(Statement):
    """CREATE SCHEMA."""

    name: str | None
    if_not_exists: bool = False
    owner: str | None = None
    elements: tuple = ()


class CreateDatabase(Statement):
    """CREATE DATABASE; options are (word, value) pairs such as ("template", "base")."""

    name: str
    options: tuple = ()


class CreateType(Statement):
    """CREATE TYPE; kind "enum" (labels), "composite" (columns), "range" (options), "shell"."""

    name: Name
    kind: str
    labels: tuple[str, ...] = ()
    columns: tuple[ColumnDef, ...] = ()
    options: tuple = ()


class CreateDomain(Statement):
    """CREATE DOMAIN."""

    name: Name
    type: Any
    constraints: tuple[Constraint, ...] = ()
    collation: Name = ()


class CreateFunction(Statement):
    """CREATE FUNCTION or PROCEDURE; args are (mode, name, TypeName, default); `body` is text."""

    name: Name
    args: tuple = ()
    returns: Any = None
    returns_table: tuple = ()
    language: str = "sql"
    body: str | None = None
    options: tuple = ()
    replace: bool = False
    procedure: bool = False
    query: Any = None


class CreateExtension(Statement):
    """CREATE EXTENSION."""

    name: str
    if_not_exists: bool = False
    options: tuple = ()


class CreateRole(Statement):
    """CREATE ROLE, USER or GROUP."""

    name: str
    options: tuple = ()
    login: bool = False


class CreateTrigger(Statement):
    """CREATE TRIGGER; events are (event, columns)."""

    name: str
    table: Name
    timing: str
    events: tuple
    function: Name
    args: tuple = ()
    for_each: str = "statement"
    when: Any = None
    replace: bool = False
    constraint: bool = False


class Grant(Statement):
    """GRANT or REVOKE; privileges empty for ALL; kind "table", "schema", ..., "role"."""

    revoke: bool
    privileges: tuple
    kind: str
    names: tuple
    roles: tuple[str, ...]
    option: bool = False
    cascade: bool = False


class Comment(Statement):
    """COMMENT ON kind name IS text; `on` is the table of a constraint, trigger or rule."""

    kind: str
    name: Name
    text: str | None
    on: Name = ()
    args: tuple = ()


# -- sessions and transactions


class Transaction(Statement):
    """verb "begin" | "commit" | "rollback" | "savepoint" | "release" | "rollback to" |
    "prepare" | "commit prepared" | "rollback prepared" | "set transaction" | "set session"

    modes are ("isolation", level), ("read only", bool), ("deferrable", bool); `chain` = AND CHAIN.
    """

    verb: str
    name: str | None = None
    modes: tuple = ()
    chain: bool = False


class SetConstraints(Statement):
    """SET CONSTRAINTS ALL | names; names empty for ALL."""

    names: tuple[Name, ...]
    deferred: bool


class Set(Statement):
    """SET [LOCAL] name = values (Python str, int, float, bool), values None for DEFAULT."""

    name: str
    values: tuple | None
    local: bool = False


class Show(Statement):
    """SHOW name; "all" for all."""

    name: str


class Reset(Statement):
    """RESET name; "all" for all."""

    name: str


class Discard(Statement):
    """DISCARD all | plans | sequences | temp."""

    what: str


class Prepare(Statement):
    """PREPARE name (types) AS statement."""

    name: str
    types: tuple
    statement: Any


class Execute(Statement):
    """EXECUTE name (args)."""

    name: str
    args: tuple = ()


class Deallocate(Statement):
    """DEALLOCATE; name None for ALL."""

    name: str | None


class Declare(Statement):
    """DECLARE name CURSOR FOR query."""

    name: str
    query: Any
    binary: bool = False
    scroll: bool | None = None
    hold: bool = False


class Fetch(Statement):
    """FETCH or MOVE; direction "forward" | "backward" | "absolute" | "relative"; count None =
    ALL."""

    cursor: str
    direction: str
    count: int | None
    move: bool = False


class Close(Statement):
    """CLOSE; cursor None for ALL."""

    cursor: str | None


class Listen(Statement):
    """LISTEN channel."""

    channel: str


class Notify(Statement):
    """NOTIFY channel [, payload]."""

    channel: str
    payload: str = ""


class Unlisten(Statement):
    """UNLISTEN; channel None for *."""

    channel: str | None


class Lock(Statement):
    """LOCK TABLE."""

    tables: tuple[Name, ...]
    mode: str = "access exclusive"
    nowait: bool = False


class Copy(Statement):
    """COPY table (columns) or (query) FROM|TO; target "stdin" | "stdout" | a file name | program.

    options maps lower-case names to values: format, delimiter, null, header, quote, escape,
    force_quote, force_not_null, force_null, encoding, freeze.
    """

    table: Name
    columns: tuple[str, ...]
    query: Any
    is_from: bool
    target: str
    options: dict[str, Any]
    program: bool = False
    where: Any = None


class Explain(Statement):
    """EXPLAIN; options maps lower-case names to values: analyze, verbose, costs, format, ..."""

    statement: Any
    options: dict[str, Any]


class Maintain(Statement):
    """VACUUM, ANALYZE, REINDEX, CLUSTER, CHECKPOINT: verb, targets (name, columns), options."""

    verb: str
    targets: tuple = ()
    options: tuple = ()


class Do(Statement):
    """DO 'code'."""

    body: str
    language: str = "plpgsql"


class Call(Statement):
    """CALL procedure(args): a FuncCall node."""

    call: Any


class Unsupported(Statement):
    """Recognised, well-formed enough to name, and not carried out: answer 0A000 with `what`."""

    what: str
