"""Functions about the server, the session and the catalog: what psql and drivers ask."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from minidb.execution.kernels.registry import scalar
from minidb.settings import VERSION
from minidb.sqlstate import DatabaseError
from query_planner.types import BY_OID, title

scalar("version")(lambda: VERSION)
scalar("current_user", "session_user", "user", "current_role", context=True)(
    lambda c: c.connection.user)
scalar("current_database", "current_catalog", context=True)(lambda c: c.connection.database.name)
scalar("pg_backend_pid", context=True)(lambda c: c.connection.pid)
scalar("pg_is_in_recovery")(lambda: False)
scalar("pg_postmaster_start_time", context=True)(lambda c: c.connection.engine.started_us)
scalar("pg_encoding_to_char")(lambda n: "UTF8" if n == 6 else "")
scalar("pg_char_to_encoding")(lambda s: 6 if s.upper().replace("-", "") == "UTF8" else -1)
scalar("getdatabaseencoding", "pg_client_encoding")(lambda: "UTF8")
scalar("pg_get_userbyid", context=True)(lambda c, oid: c.connection.engine.role_name(oid))
scalar("has_table_privilege", "has_schema_privilege", "has_database_privilege",
       "has_column_privilege", "has_sequence_privilege", "has_function_privilege",
       "has_any_column_privilege", "pg_has_role")(lambda *args: True)
scalar("pg_table_size", "pg_relation_size", "pg_total_relation_size", "pg_indexes_size",
       context=True)(lambda c, oid, *fork: _size(c, oid))
scalar("pg_database_size", context=True)(lambda c, oid: sum(
    _size(c, t.oid) for t in c.connection.catalog.current.tables.values()))
scalar("pg_relation_filenode", context=True)(lambda c, oid: oid)
scalar("pg_advisory_unlock_all", "pg_advisory_lock", "pg_advisory_xact_lock")(lambda *a: None)
scalar("pg_try_advisory_lock", "pg_advisory_unlock", "pg_try_advisory_xact_lock")(lambda *a: True)
scalar("txid_current", "pg_current_xact_id", context=True)(lambda c: c.txn.id & 0x7FFFFFFF)
scalar("inet_server_addr", "inet_client_addr", "inet_server_port", "inet_client_port")(lambda: None)
scalar("shobj_description", "pg_get_statisticsobjdef_columns", "pg_get_partkeydef",
       "pg_tablespace_location", "pg_get_partition_constraintdef", "pg_get_ruledef",
       "pg_get_triggerdef", "pg_get_functiondef", "pg_get_function_sqlbody")(lambda *args: None)
scalar("pg_relation_is_publishable", "pg_collation_is_visible", "pg_opclass_is_visible",
       "pg_operator_is_visible", "pg_statistics_obj_is_visible", "pg_conversion_is_visible",
       "pg_opfamily_is_visible", "pg_ts_config_is_visible", "pg_ts_dict_is_visible",
       "pg_ts_parser_is_visible", "pg_ts_template_is_visible")(lambda oid: True)
scalar("gen_random_uuid", context=True, volatile=True)(lambda c: _uuid(c))


def _uuid(context: Any) -> bytes:
    raw = bytearray(context.connection.engine.world.rand.token(16))
    raw[6] = raw[6] & 0x0F | 0x40
    raw[8] = raw[8] & 0x3F | 0x80
    return bytes(raw)


def _size(context: Any, oid: int) -> int:
    table = context.connection.catalog.current.tables.get(oid)
    if table is None or table.store is None:
        return 0
    return table.store.count() * sum(max(c.type.length, 16) for c in table.columns)


@scalar("pg_size_pretty")
def pg_size_pretty(n: Any) -> str:
    value, units = int(n), ["bytes", "kB", "MB", "GB", "TB", "PB"]
    unit = 0
    while abs(value) >= 10 * 1024 and unit < len(units) - 1:
        value = (value + 512) // 1024
        unit += 1
    return f"{value} {units[unit]}"


@scalar("current_setting", context=True)
def current_setting(context: Any, name: str, missing_ok: bool = False) -> str | None:
    from minidb.utility import show_value

    try:
        return show_value(context.connection, name)
    except DatabaseError:
        if missing_ok:
            return None
        raise


@scalar("set_config", context=True, strict=False, volatile=True)
def set_config(context: Any, name: str, value: str | None, local: bool | None) -> str:
    context.connection.set_local(name, value, bool(local))
    return context.connection.settings.get(name)


@scalar("current_schema", context=True)
def current_schema(context: Any) -> str | None:
    view = context.connection.catalog
    return next((name for name in view.path if name in view.current.schemas), None)


@scalar("current_schemas", context=True)
def current_schemas(context: Any, implicit: bool) -> tuple:
    view = context.connection.catalog
    if implicit:
        return tuple(n for n in view.search() if n in view.current.schemas)
    return tuple(n for n in view.path if n in view.current.schemas)


# -- the catalog


@scalar("pg_table_is_visible", context=True)
def pg_table_is_visible(context: Any, oid: int) -> bool | None:
    view = context.connection.catalog
    name = view.relation_name(oid)
    return None if name is None else view.visible(*name)


scalar("pg_type_is_visible")(lambda oid: oid in BY_OID or oid >= 16384 or None)
scalar("pg_function_is_visible")(lambda oid: True)


@scalar("pg_get_function_result")
def pg_get_function_result(oid: int) -> str | None:
    from minidb.system_tables import function_row

    row = function_row(oid)
    if row is None:
        return None
    return ("SETOF " if row["proretset"] else "") + (format_type(row["prorettype"], -1) or "")


@scalar("pg_get_function_arguments", "pg_get_function_identity_arguments")
def pg_get_function_arguments(oid: int) -> str | None:
    from minidb.system_tables import function_row

    row = function_row(oid)
    if row is None:
        return None
    names = [format_type(type_, -1) or "" for type_ in row["proargtypes"]]
    if row["provariadic"]:
        names[-1] = "VARIADIC " + names[-1]
    return ", ".join(names)


@scalar("format_type", strict=False)
def format_type(oid: int | None, typmod: int | None) -> str | None:
    if oid is None:
        return None
    if oid == 0:
        return "-"
    type_ = BY_OID.get(oid)
    return "???" if type_ is None else title(type_, -1 if typmod is None else typmod)


def _column_list(table: Any, numbers: tuple[int, ...]) -> str:
    from minidb.execution.kernels.strings import quote_identifier

    return ", ".join(quote_identifier(table.column_at(n - 1).name) for n in numbers)


def index_definition(context: Any, table: Any, index: Any, column: int = 0,
                     pretty: bool = False) -> str:
    from minidb.execution.kernels.strings import quote_identifier

    expressions = iter(index.expressions)
    parts = []
    for number in index.columns:
        if number:
            parts.append(quote_identifier(table.column_at(number - 1).name))
        else:
            text = next(expressions)
            parts.append(text if text.endswith(")") and "(" in text and text[0] != "("
                         else f"({text})")
    if column:
        return parts[column - 1] if column <= len(parts) else ""
    name = quote_identifier(table.name)
    if not (pretty and context.connection.catalog.visible(table.schema, table.name)):
        name = f"{quote_identifier(table.schema)}.{name}"
    unique = "UNIQUE " if index.unique else ""
    where = "" if index.predicate is None else f" WHERE {_in_parentheses(index.predicate)}"
    return (f"CREATE {unique}INDEX {quote_identifier(index.name)} ON {name} USING btree "
            f"({', '.join(parts)}){where}")


def _in_parentheses(text: str) -> str:
    """The text in parentheses, unless it stands in a pair of its own."""
    if text.startswith("(") and text.endswith(")"):
        depth = 0
        for i, c in enumerate(text):
            depth += (c == "(") - (c == ")")
            if depth == 0 and i < len(text) - 1:
                break
        else:
            return text
    return f"({text})"


@scalar("pg_get_indexdef", types="oid", context=True)
def pg_get_indexdef(context: Any, oid: int) -> str | None:
    return pg_get_indexdef_column(context, oid, 0, False)


@scalar("pg_get_indexdef", types="oid int4 bool", context=True)
def pg_get_indexdef_column(context: Any, oid: int, column: int, pretty: bool) -> str | None:
    table = context.connection.catalog.current.index_owner(oid)
    if table is None:
        return None
    return index_definition(context, table, table.index_of(oid), column, pretty)


@scalar("pg_get_constraintdef", types="oid", context=True)
@scalar("pg_get_constraintdef", types="oid bool", context=True)
def pg_get_constraintdef(context: Any, oid: int, pretty: bool = False) -> str | None:
    view = context.connection.catalog
    for table in view.current.tables.values():
        for c in table.constraints:
            if c.oid == oid:
                return constraint_definition(view, table, c, pretty)
    return None


def constraint_definition(view: Any, table: Any, c: Any, pretty: bool = False) -> str:
    from minidb.bound import pretty as spared
    from minidb.bound import shown


    if c.kind in "pu":
        text = f"{'PRIMARY KEY' if c.kind == 'p' else 'UNIQUE'} ({_column_list(table, c.columns)})"
    elif c.kind == "c":
        text = shown(c.text, view, table.relation)
        return f"CHECK {_in_parentheses(spared(text))}" if pretty else f"CHECK ({text})"
    else:
        target = view.table(c.target)
        text = (f"FOREIGN KEY ({_column_list(table, c.columns)}) REFERENCES "
                f"{view.object_name('regclass', target.oid)}"
                f"({_column_list(target, c.target_columns)})")
        for word, action in (("UPDATE", c.on_update), ("DELETE", c.on_delete)):
            if action != "no action":
                text += f" ON {word} {action.upper()}"
    if c.deferrable:
        text += " DEFERRABLE"
        if c.deferred:
            text += " INITIALLY DEFERRED"
    return text


scalar("pg_get_expr")(lambda text, *rest: text)


@scalar("pg_get_viewdef", context=True)
def pg_get_viewdef(context: Any, oid: Any, *rest: Any) -> str | None:
    view = context.connection.catalog
    if isinstance(oid, str):
        oid = view.object_oid("regclass", oid)
    table = view.current.tables.get(oid)
    return None if table is None or table.definition is None else table.definition + ";"


@scalar("pg_get_serial_sequence", context=True)
def pg_get_serial_sequence(context: Any, table_name: str, column_name: str) -> str | None:
    from minidb.execution.kernels.strings import quote_identifier

    view = context.connection.catalog
    table = view.current.tables.get(view.object_oid("regclass", table_name))
    column = None if table is None else table.column(column_name)
    if table is None or column is None:
        raise DatabaseError(
            "42703", f'column "{column_name}" of relation "{table_name}" does not exist')
    for other in view.current.tables.values():
        if other.sequence is not None and \
                (other.sequence.owner, other.sequence.owner_column) == (table.oid, column.number):
            return f"{quote_identifier(other.schema)}.{quote_identifier(other.name)}"
    return None


@scalar("obj_description", context=True)
def obj_description(context: Any, oid: int, catalog: str = "pg_class") -> str | None:
    return col_description(context, oid, 0)


@scalar("col_description", context=True)
def col_description(context: Any, oid: int, number: int) -> str | None:
    table = context.connection.catalog.current.tables.get(oid)
    return None if table is None else dict(table.comments).get(number)


def _to_reg(kind: str) -> Callable[..., int | None]:
    def convert(context: Any, text: str) -> int | None:
        from query_planner.errors import SqlError

        try:
            return context.connection.catalog.object_oid(kind, text)
        except SqlError:
            return None

    return convert


for _kind in ("regclass", "regtype", "regnamespace", "regproc", "regrole"):
    scalar("to_" + _kind, context=True)(_to_reg(_kind))


# -- sequences


def _sequence(context: Any, oid: int) -> Any:
    table = context.connection.catalog.current.tables.get(oid)
    if table is None or table.sequence is None:
        raise DatabaseError("42809", f"relation with OID {oid} is not a sequence")
    return table


@scalar("nextval", context=True, volatile=True)
def nextval(context: Any, oid: int) -> int:
    return context.connection.engine.sequences.next(
        context.connection, _sequence(context, oid))


@scalar("setval", context=True, volatile=True)
def setval(context: Any, oid: int, value: int, called: bool = True) -> int:
    return context.connection.engine.sequences.set(
        context.connection, _sequence(context, oid), value, called)


@scalar("currval", context=True, volatile=True)
def currval(context: Any, oid: int) -> int:
    table = _sequence(context, oid)
    value = context.connection.sequence_values.get(oid)
    if value is None:
        raise DatabaseError(
            "55000", f'currval of sequence "{table.name}" is not yet defined in this session')
    return value


@scalar("lastval", context=True, volatile=True)
def lastval(context: Any) -> int:
    connection = context.connection
    if connection.last_sequence is None:
        raise DatabaseError("55000", "lastval is not yet defined in this session")
    return connection.sequence_values[connection.last_sequence]


# -- other sessions


@scalar("pg_cancel_backend", context=True, volatile=True)
def pg_cancel_backend(context: Any, pid: int) -> bool:
    return _signal(context, pid, "cancel")


@scalar("pg_terminate_backend", context=True, volatile=True)
def pg_terminate_backend(context: Any, pid: int, *timeout: int) -> bool:
    return _signal(context, pid, "terminate")


def _signal(context: Any, pid: int, what: str) -> bool:
    for connection in context.connection.engine.connections:
        if connection.pid == pid and hasattr(connection.sink, what):
            getattr(connection.sink, what)()
            return True
    context.connection.warn("01000", f"PID {pid} is not a PostgreSQL server process")
    return False


ROW_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "pg_get_keywords": lambda context: (),
    "pg_listening_channels": lambda context: sorted(context.connection.listening),
    "pg_options_to_table": lambda context, options: (),
    "aclexplode": lambda context, acl: (),
    "pg_partition_tree": lambda context, oid: (),
    "pg_partition_ancestors": lambda context, oid: (),
}
