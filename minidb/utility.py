"""Statements that are not queries: the table from syntax record to what carries it out.

A handler is a generator `(connection, node, portal)`: it yields pauses and lists of rows, and sets
`portal.tag`.  Definitions are in ddl.py, COPY in copy.py.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from minidb.portal import Cursor, Portal
from minidb.settings import canonical, unknown
from minidb.sqlstate import DatabaseError, not_supported
from minidb.statement import Statement
from query_planner.ast import Delete, Insert, Query, Update
from query_planner.ast import statements as s
from query_planner.types import TEXT, TYPES

Steps = Generator[Any, None, None]


def _field(name: str, type_: Any = TEXT) -> tuple:
    return name, type_, -1, 0, 0


# -- transactions and settings


def transaction(connection: Any, node: s.Transaction, portal: Portal) -> Steps:
    portal.tag = connection.control(node)
    yield from ()


def _setting_text(values: tuple) -> str:
    words = []
    for value in values:
        if isinstance(value, bool):
            words.append("on" if value else "off")
        else:
            words.append(str(value))
    return ", ".join(words)


def set_(connection: Any, node: s.Set, portal: Portal) -> Steps:
    name = canonical(node.name)
    value = None if node.values is None else _setting_text(node.values)
    if name == "transaction_isolation":
        if connection.block:
            connection.begin().set_isolation(connection.level(str(value)))
    elif name == "transaction_read_only":
        if connection.block:
            connection.begin().read_only = value == "on"
    elif node.local and not connection.block:
        connection.warn("25P01", "SET LOCAL can only be used in transaction blocks")
    else:
        if name == "search_path" and node.values is not None:
            value = ", ".join('"' + str(v).replace('"', '""') + '"' if str(v) != str(v).lower()
                              or not str(v).replace("_", "").replace("$", "").isalnum()
                              else str(v) for v in node.values)
        connection.set_local(name, value, node.local)
    portal.tag = "SET"
    yield from ()


def show_value(connection: Any, name: str) -> str:
    name = canonical(name)
    if name == "transaction_isolation":
        txn = connection.txn
        return txn.isolation if txn is not None else \
            connection.settings.get("default_transaction_isolation")
    if name == "transaction_read_only" and connection.txn is not None:
        return "on" if connection.txn.read_only else "off"
    return connection.settings.get(name)


def show(connection: Any, node: s.Show, portal: Portal) -> Steps:
    if node.name == "all":
        rows: list[tuple] = [(name, show_value(connection, name), "")
                             for name in connection.settings.names()]
    else:
        rows = [(show_value(connection, node.name),)]
    yield rows
    portal.tag = "SHOW"


def show_fields(connection: Any, node: s.Show) -> tuple:
    from minidb.settings import SETTINGS

    if node.name == "all":
        return _field("name"), _field("setting"), _field("description")
    name = canonical(node.name)
    setting = SETTINGS.get(name)
    if setting is None and name not in connection.settings.names():
        raise unknown(node.name)
    return (_field((setting.display if setting else "") or name),)


def reset(connection: Any, node: s.Reset, portal: Portal) -> Steps:
    names = list(connection.settings.values) if node.name == "all" else [canonical(node.name)]
    for name in names:
        connection.set_local(name, None, False)
    portal.tag = "RESET"
    yield from ()


def discard(connection: Any, node: s.Discard, portal: Portal) -> Steps:
    if node.what == "all":
        if connection.block:
            raise DatabaseError("25001", "DISCARD ALL cannot run inside a transaction block")
        connection.statements.clear()
        connection.portals = {"": portal}
        connection.listening.clear()
        yield from reset(connection, s.Reset("all"), portal)
    if node.what in ("all", "temp"):
        connection.engine.drop_temporary(connection)
    if node.what in ("all", "sequences"):
        connection.sequence_values.clear()
    portal.tag = f"DISCARD {node.what.upper()}"


def set_constraints(connection: Any, node: s.SetConstraints, portal: Portal) -> Steps:
    portal.tag = "SET CONSTRAINTS"
    yield from ()


# -- prepared statements and cursors


def prepare(connection: Any, node: s.Prepare, portal: Portal) -> Steps:
    if node.name in connection.statements:
        raise DatabaseError("42P05", f'prepared statement "{node.name}" already exists')
    types = tuple(connection.catalog.resolve_type(name)[0] for name in node.types)
    statement = Statement(portal.statement.sql, node.statement)
    connection.statements[node.name] = connection.prepared(statement, types)
    portal.tag = "PREPARE"
    yield from ()


def _arguments(connection: Any, node: s.Execute, statement: Statement) -> tuple:
    from minidb.bound import value
    from minidb.execution.context import Context

    if len(node.args) != len(statement.parameters):
        raise DatabaseError(
            "42601", f'wrong number of parameters for prepared statement "{node.name}"',
            detail=f"Expected {len(statement.parameters)} parameters but got {len(node.args)}.")
    context = Context(connection, (), None, connection.begin())
    return tuple(value(arg, connection.catalog, context, type_)
                 for arg, type_ in zip(node.args, statement.parameters, strict=True))


def execute(connection: Any, node: s.Execute, portal: Portal) -> Steps:
    statement = connection.current(connection.statement(node.name))
    inner = Portal(statement, _arguments(connection, node, statement), portal.formats)
    steps = statement.utility(connection, statement.node, inner) if statement.utility \
        else connection.query(inner)
    yield from steps
    portal.tag = inner.tag


def deallocate(connection: Any, node: s.Deallocate, portal: Portal) -> Steps:
    if node.name is None:
        connection.statements.clear()
        portal.tag = "DEALLOCATE ALL"
    else:
        connection.statement(node.name)
        del connection.statements[node.name]
        portal.tag = "DEALLOCATE"
    yield from ()


def declare(connection: Any, node: s.Declare, portal: Portal) -> Steps:
    if not connection.block and not node.hold:
        raise DatabaseError("25P01", "DECLARE CURSOR can only be used in transaction blocks")
    if node.name in connection.portals:
        raise DatabaseError("42P03", f'cursor "{node.name}" already exists')
    statement = connection.prepared(Statement(portal.statement.sql, node.query), ())
    width = len(statement.fields or ())
    inner = Portal(statement, portal.parameters, (int(node.binary),) * width, node.hold)
    inner.steps = connection.query(inner)
    cursor = Cursor(inner, node.scroll)
    # The rows as of now: later changes of this transaction do not show.
    cursor.materialize()
    connection.portals[node.name] = cursor
    portal.tag = "DECLARE CURSOR"
    yield from ()


def _cursor(connection: Any, name: str) -> Any:
    cursor = connection.portals.get(name)
    if not isinstance(cursor, Cursor):
        raise DatabaseError("34000", f'cursor "{name}" does not exist')
    return cursor


def fetch(connection: Any, node: s.Fetch, portal: Portal) -> Steps:
    cursor = _cursor(connection, node.cursor)
    if cursor.scroll is False and (
            node.direction == "backward" or (node.count or 0) < 0):
        raise DatabaseError("55000", "cursor can only scan forward",
                            hint="Declare it with SCROLL option to enable backward scan.")
    rows = cursor.fetch(node.direction, node.count)
    if not node.move and rows:
        yield rows
    portal.tag = f"{'MOVE' if node.move else 'FETCH'} {len(rows)}"


def fetch_fields(connection: Any, node: s.Fetch) -> Any:
    return None if node.move else _cursor(connection, node.cursor).statement.fields


def close(connection: Any, node: s.Close, portal: Portal) -> Steps:
    if node.cursor is None:
        for name in [n for n, p in connection.portals.items() if isinstance(p, Cursor)]:
            connection.drop_portal(name)
    else:
        _cursor(connection, node.cursor)
        connection.drop_portal(node.cursor)
    portal.tag = "CLOSE CURSOR ALL" if node.cursor is None else "CLOSE CURSOR"
    yield from ()


# -- notifications, locks, maintenance


def listen(connection: Any, node: s.Listen, portal: Portal) -> Steps:
    connection.listening.add(node.channel)
    portal.tag = "LISTEN"
    yield from ()


def unlisten(connection: Any, node: s.Unlisten, portal: Portal) -> Steps:
    if node.channel is None:
        connection.listening.clear()
    connection.listening.discard(node.channel)
    portal.tag = "UNLISTEN"
    yield from ()


def notify(connection: Any, node: s.Notify, portal: Portal) -> Steps:
    connection.begin()
    connection.notifications.append((node.channel, node.payload))
    portal.tag = "NOTIFY"
    yield from ()


def lock(connection: Any, node: s.Lock, portal: Portal) -> Steps:
    """Strong locks keep other writers out; weak ones conflict with nothing here."""
    if not connection.block:
        raise DatabaseError("25P01", "LOCK TABLE can only be used in transaction blocks")
    for name in node.tables:
        table = connection.catalog.lookup(name)
        if table.store is not None and node.mode in (
                "access exclusive", "exclusive", "share row exclusive", "share"):
            yield from connection.attempt(table.store.lock_for_change)
    portal.tag = "LOCK TABLE"


def maintain(connection: Any, node: s.Maintain, portal: Portal) -> Steps:
    """VACUUM and kin: undo is dropped at commit, so there is nothing to clean up."""
    for name, _ in node.targets:
        connection.catalog.lookup(name)
    if node.verb == "vacuum" and connection.block:
        raise DatabaseError("25001", "VACUUM cannot run inside a transaction block")
    if node.verb == "checkpoint" and connection.engine.journal is not None:
        connection.engine.journal.checkpoint()
    portal.tag = node.verb.upper()
    yield from ()


def explain(connection: Any, node: s.Explain, portal: Portal) -> Steps:
    import json

    from minidb.execution.actuals import Actuals, watched
    from query_planner import explain as planner_explain

    if not isinstance(node.statement, (Query, Insert, Update, Delete)):
        yield [("Utility Statement",)]
        portal.tag = "EXPLAIN"
        return
    statement = connection.prepared(Statement(portal.statement.sql, node.statement), ())
    form = str(node.options.get("format", "text")).lower()
    if form not in ("text", "json"):
        raise not_supported(f"EXPLAIN format {form}")
    clock = connection.engine.world.clock
    actuals, run_ms = None, 0.0
    if _on(node.options.get("analyze", False)):
        measured = Actuals(clock)
        with watched(measured):
            statement = statement.rebuilt()
        begun_ns = clock.now_ns()
        for event in connection.query(Portal(statement, (), None)):
            if type(event) is not list:
                yield event
        run_ms = (clock.now_ns() - begun_ns) / 1e6
        actuals = measured.means()
    costs = _on(node.options.get("costs", True))
    summary = actuals is not None and _on(node.options.get("summary", True))
    if form == "json":
        shown = planner_explain.json(statement.prepared, actuals, costs)
        if summary:
            shown[0]["Execution Time"] = round(run_ms, 3)
        yield [(json.dumps(shown, indent=2),)]
    else:
        lines = planner_explain.text(statement.prepared, actuals, costs,
                                     _on(node.options.get("timing", True)))
        if summary:
            lines.append(f"Execution Time: {run_ms:.3f} ms")
        yield [(line,) for line in lines]
    portal.tag = "EXPLAIN"


def _on(value: Any) -> bool:
    return value not in (False, "off", "false", 0, "0")


def explain_fields(connection: Any, node: s.Explain) -> tuple:
    form = str(node.options.get("format", "text")).lower()
    return (_field("QUERY PLAN", TYPES["json"] if form == "json" else TEXT),)


def unsupported(connection: Any, node: Any, portal: Portal) -> Steps:
    raise not_supported(getattr(node, "what", None) or type(node).__name__)
    yield


HANDLERS: dict[type, Callable[..., Steps]] = {
    s.Transaction: transaction, s.Set: set_, s.Show: show, s.Reset: reset, s.Discard: discard,
    s.SetConstraints: set_constraints, s.Prepare: prepare, s.Execute: execute,
    s.Deallocate: deallocate, s.Declare: declare, s.Fetch: fetch, s.Close: close,
    s.Listen: listen, s.Unlisten: unlisten, s.Notify: notify, s.Lock: lock,
    s.Maintain: maintain, s.Explain: explain,
}  # fmt: skip


def prepare_utility(connection: Any, statement: Statement) -> None:
    """Find a statement's handler, and the fields of its result."""
    from minidb import copy, ddl

    node = statement.node
    kind = type(node)
    statement.utility = HANDLERS.get(kind) or ddl.HANDLERS.get(kind) or (
        copy.copy if kind is s.Copy else unsupported)
    if kind is s.Show:
        statement.fields = show_fields(connection, node)
    elif kind is s.Explain:
        statement.fields = explain_fields(connection, node)
    elif kind is s.Fetch:
        statement.fields = fetch_fields(connection, node)
        statement.version = -1
    elif kind is s.Execute:
        target = connection.statement(node.name)
        statement.fields = connection.current(target).fields
        statement.version = -1
