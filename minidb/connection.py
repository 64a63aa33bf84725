"""A session's SQL state: transaction block, prepared statements, portals, settings.

The wire and the embedded form both drive a `Connection`; it speaks to them through a sink
(rows, tags, notices) and runs each statement as a generator that yields events.py's pauses.

    I idle ──BEGIN──► T in a block ──error──► E failed ──ROLLBACK──► I
      └─ a statement alone, or the messages up to Sync: an implicit transaction

Invariants:
1. A statement that fails leaves none of its changes; in a block, the block then accepts only its
end
   or ROLLBACK TO.
2. A statement met by `Blocked` or `Stale` has sent nothing yet: it is undone and runs again.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from minidb.catalog import CatalogView
from minidb.events import PAUSE, Wait
from minidb.output import Output
from minidb.portal import Portal
from minidb.settings import Settings, duration_ms
from minidb.sqlstate import DatabaseError
from minidb.statement import Statement, read_parameters
from minidb.transaction import Blocked, Stale, Transaction
from minidb.zones import zone_of
from query_planner.ast.statements import Transaction as TransactionStatement
from query_planner.errors import SqlError
from query_planner.types import INT4, Type

Steps = Generator[Any, None, None]


class Savepoint:
    """A named place in a transaction."""

    def __init__(self, name: str, mark: int, catalog: Any, hooks: int) -> None:
        self.name = name
        self.mark = mark
        self.catalog = catalog
        self.hooks = hooks


class Connection:
    """One session with one database.

    sink      told of rows and tags; see PgSession for its methods
    options   of the startup packet
    """

    def __init__(self, engine: Any, database: str, user: str, *, sink: Any,
                 options: dict[str, str] | None = None, pid: int = 0) -> None:
        self.engine = engine
        self.database = engine.database(database)
        self.user = user
        self.pid = pid
        self.sink = sink
        self.settings = Settings()
        self.settings.base["session_authorization"] = user
        self.txn: Transaction | None = None
        self.block = False
        self.failed = False
        self.savepoints: list[Savepoint] = []
        self.statements: dict[str, Statement] = {}
        self.portals: dict[str, Portal] = {}
        self.local_settings: list[tuple[str, str | None]] = []
        self.session_settings: list[tuple[str, str | None]] = []
        self.sequence_values: dict[int, int] = {}
        self.last_sequence: int | None = None
        self.now_us = 0
        self.output = Output()
        self.catalog = CatalogView(self)
        self.output.catalog = self.catalog
        self.commit_hooks: list[Any] = []
        self.abort_hooks: list[Any] = []
        self.listening: set[str] = set()
        self.notifications: list[tuple[str, str]] = []
        for name, value in (options or {}).items():
            self._start_option(name, value)
        engine.connections.add(self)

    def _start_option(self, name: str, value: str) -> None:
        if name == "options":
            words = value.replace("\\ ", "\0").split()
            for i, word in enumerate(words):
                text = words[i + 1] if word == "-c" and i + 1 < len(words) else \
                    word[2:] if word.startswith(("--", "-c")) and len(word) > 2 else ""
                key, _, setting = text.replace("\0", " ").partition("=")
                if key and setting:
                    self.settings.start_with(key.replace("-", "_"), setting)
            return
        if name == "replication" and value not in ("", "off", "false", "no", "0"):
            raise DatabaseError("0A000", "replication is not supported", severity="FATAL")
        if name != "replication":
            self.settings.start_with(name, value.strip("'") if name == "client_encoding"
                                     else value)
            self.changed_setting(name)

    def close(self) -> None:
        """The client is gone."""
        if self.txn is not None:
            self.rollback()
        self.engine.drop_temporary(self)
        self.engine.connections.discard(self)

    # -- transactions

    def status(self) -> int:
        """The byte of ReadyForQuery."""
        return ord("E" if self.failed else "T" if self.block else "I")

    def begin(self) -> Transaction:
        """The running transaction, begun if there is none."""
        if self.txn is None:
            settings = self.settings
            self.txn = self.engine.transactions.begin(
                self.level(settings.get("default_transaction_isolation")),
                settings.get("default_transaction_read_only") == "on")
            self.now_us = self.engine.now_us()
        return self.txn

    @staticmethod
    def level(name: str) -> str:
        return "read committed" if name == "read uncommitted" else name

    def fail(self) -> None:
        """An error: a block waits for its end, an implicit transaction is undone."""
        if self.block:
            self.failed = True
        elif self.txn is not None:
            self.rollback()

    def on_commit(self, hook: Any) -> None:
        """Call hook() when the transaction has committed."""
        self.commit_hooks.append(hook)

    def on_abort(self, hook: Any) -> None:
        """Call hook() when what was just done is taken back."""
        self.abort_hooks.append(hook)

    def commit(self) -> None:
        txn = self.txn
        if txn is None:
            return
        try:
            for portal in self.portals.values():
                if portal.holds:
                    portal.materialize()
            self.engine.commit(self, txn)
        except Exception:
            self.rollback()
            raise
        self.ended(True)
        self.engine.notify(self)

    def rollback(self) -> None:
        if self.txn is not None:
            self.txn.abort()
        self.notifications.clear()
        self.ended(False)

    def ended(self, committed: bool) -> None:
        for hook in self.commit_hooks if committed else reversed(self.abort_hooks):
            hook()
        self.commit_hooks.clear()
        self.abort_hooks.clear()
        self.txn = None
        self.block = self.failed = False
        self.savepoints.clear()
        self.catalog.refresh()
        for name in [n for n, p in self.portals.items() if not (p.holds and committed)]:
            self.portals.pop(name).close()
        restore = self.local_settings if committed else \
            self.session_settings + self.local_settings
        if restore:
            for name, value in reversed(restore):
                self.settings.set(name, value)
                self.changed_setting(name)
        self.local_settings.clear()
        self.session_settings.clear()

    def set_local(self, name: str, value: str | None, local: bool) -> None:
        """SET: undone at the transaction's end (LOCAL), or at its abort."""
        name = name.lower()
        before = self.settings.values.get(name)
        reported = self.settings.set(name, value)
        if self.txn is not None:
            (self.local_settings if local else self.session_settings).append((name, before))
        self.changed_setting(name)
        if reported:
            self.sink.parameter(reported, self.settings.get(name))

    def changed_setting(self, name: str) -> None:
        """Have a setting take effect."""
        if name.lower() == "timezone":
            self.output.zone = zone_of(self.settings.get("timezone"))
        elif name.lower() == "search_path":
            self.catalog.refresh()

    def timeout_ms(self, name: str) -> int:
        """A setting that is a duration; 0 = none."""
        return duration_ms(self.settings.get(name))

    def lock_timeout_s(self) -> float | None:
        ms = self.timeout_ms("lock_timeout")
        return ms / 1000 if ms else None

    def check_not_failed(self, statement: Statement) -> None:
        if self.failed and not statement.ends_transaction:
            raise DatabaseError(
                "25P02", "current transaction is aborted, commands ignored until end of "
                "transaction block")

    # -- simple query

    def simple(self, sql: str) -> Steps:
        """All statements of a text; several form one implicit transaction."""
        self.drop_portal("")
        shaped = self._shaped(sql)
        if shaped is not None:
            yield from self._one(*shaped)
            return
        statements = self.engine.parse(sql)
        if not statements:
            self.sink.empty()
            return
        several = len(statements) > 1
        for statement in statements:
            try:
                self.check_not_failed(statement)
                statement = self.prepared(statement, ())
                if statement.parameters:
                    raise DatabaseError("42P02", "there is no parameter $1")
                portal = Portal(statement, (), None)
                yield from self.run(portal, announce=True)
                if not several and not self.block:
                    self.commit()
            except GeneratorExit:
                raise
            except BaseException:
                self.fail()
                raise
            self.sink.complete(portal.tag)
        if several and not self.block:
            self.commit()

    def _shaped(self, sql: str) -> tuple[Statement, tuple] | None:
        """The planned statement of the text's shape, and its values; None to take it literally."""
        found = self.engine.parse_shape(sql)
        if found is None:
            return None
        statement, values = found
        types = (INT4,) * len(values)
        try:
            planned = self.prepared(statement, types)
        except SqlError:
            # The text as it was written gives the right error, or none.
            self.engine.no_shape(sql)
            return None
        if planned.parameters != types:
            self.engine.no_shape(sql)
            return None
        return planned, values

    def _one(self, statement: Statement, values: tuple) -> Steps:
        """A single query and its implicit transaction."""
        portal = Portal(statement, values, None)
        try:
            self.check_not_failed(statement)
            if statement.point is not None:
                self.sink.describe_rows(statement.fields, None, True)
                rows = statement.point.rows(self, values)
                self.sink.rows(rows)
                portal.tag = f"SELECT {len(rows)}"
            else:
                yield from self.run(portal, announce=True)
                if not self.block:
                    self.commit()
        except GeneratorExit:
            raise
        except BaseException:
            self.fail()
            raise
        self.sink.complete(portal.tag)

    def prepared(self, statement: Statement, parameters: tuple) -> Statement:
        """Bound and planned against the catalog as this session sees it."""
        return self.engine.plans.plan(self, statement, parameters)

    # -- extended query

    def prepare(self, name: str, sql: str, oids: list[int]) -> None:
        if name and name in self.statements:
            raise DatabaseError("42P05", f'prepared statement "{name}" already exists')
        statements = self.engine.parse(sql)
        if len(statements) > 1:
            raise DatabaseError(
                "42601", "cannot insert multiple commands into a prepared statement")
        if not statements:
            self.statements[name] = Statement.empty()
            return
        self.check_not_failed(statements[0])
        types = tuple(self.catalog.type_of(oid) if oid else None for oid in oids)
        self.statements[name] = self.prepared(statements[0], types)

    def statement(self, name: str) -> Statement:
        statement = self.statements.get(name)
        if statement is None:
            what = f'prepared statement "{name}"' if name else "unnamed prepared statement"
            raise DatabaseError("26000", f"{what} does not exist")
        return statement

    def is_current(self, statement: Statement) -> bool:
        """Whether the statement can run as it was planned."""
        return not self.failed and statement.version == self.catalog.version

    def current(self, statement: Statement) -> Statement:
        """The statement, planned anew if the catalog has changed since."""
        fresh = self.engine.plans.current(self, statement)
        if fresh is not statement and not same_fields(fresh.fields, statement.fields):
            raise DatabaseError("0A000", "cached plan must not change result type")
        return fresh

    def bind(self, name: str, statement_name: str, formats: list[int], values: list[bytes | None],
             results: list[int]) -> None:
        statement = self.statement(statement_name)
        if name and name in self.portals:
            raise DatabaseError("42P03", f'cursor "{name}" already exists')
        self.check_not_failed(statement)
        self.drop_portal(name)
        statement = self.current(statement)
        self.begin()
        if len(values) != len(statement.parameters):
            raise DatabaseError(
                "08P01", f"bind message supplies {len(values)} parameters, but prepared statement "
                f'"{statement_name}" requires {len(statement.parameters)}')
        parameters = read_parameters(self, statement.parameters, formats, values)
        width = len(statement.fields or ())
        if len(results) == 1:
            results = results * width
        elif results and len(results) != width and statement.fields is not None:
            raise DatabaseError(
                "08P01", f"bind message has {len(results)} result formats but query has {width} "
                "columns")
        self.portals[name] = Portal(statement, parameters, tuple(results) or (0,) * width)

    def describe_statement(self, name: str) -> tuple[tuple[Type, ...], Any]:
        statement = self.statement(name)
        return statement.parameters, statement.fields

    def portal(self, name: str) -> Portal:
        portal = self.portals.get(name)
        if portal is None:
            raise DatabaseError("34000", f'portal "{name}" does not exist')
        return portal

    def describe_portal(self, name: str) -> tuple[Any, Any]:
        portal = self.portal(name)
        return portal.statement.fields, portal.formats

    def execute(self, name: str, limit: int) -> Steps:
        """Run a portal, or go on with one that was suspended."""
        portal = self.portal(name)
        if portal.statement.is_empty:
            self.sink.empty()
            return
        self.check_not_failed(portal.statement)
        finished = yield from self.run(portal, announce=False, limit=limit)
        if finished:
            self.sink.complete(portal.tag)
        else:
            self.sink.suspended_portal()

    def sync(self) -> Steps:
        """The end of a series of messages: an implicit transaction commits."""
        if not self.block and self.txn is not None:
            self.commit()
        self.drop_portal("")
        yield from ()

    def close_named(self, is_statement: bool, name: str) -> None:
        if is_statement:
            self.statements.pop(name, None)
        else:
            self.drop_portal(name)

    def drop_portal(self, name: str) -> None:
        portal = self.portals.pop(name, None)
        if portal is not None:
            portal.close()

    # -- running

    def run(self, portal: Portal, announce: bool, limit: int = 0) -> Generator[Any, None, bool]:
        """Run to the end, or to `limit` rows; True at the end."""
        statement = portal.statement
        if statement.fields is not None and not (statement.copies and announce):
            self.sink.describe_rows(statement.fields, portal.formats, announce)
        if portal.steps is None:
            if statement.utility is not None:
                portal.steps = statement.utility(self, statement.node, portal)
            else:
                portal.steps = self.query(portal)
        count = 0
        while True:
            rows = portal.take(limit - count if limit else 0)
            if rows:
                self.sink.rows(rows)
                count += len(rows)
                if limit and count >= limit:
                    return False
            event = next(portal.steps, None)
            if event is None:
                break
            if type(event) is list:
                portal.rows.extend(event)
            else:
                yield event
        rows = portal.take(0)
        if rows:
            self.sink.rows(rows)
        return True

    def query(self, portal: Portal) -> Steps:
        """The rows of a plan as lists of tuples; sets the tag at the end."""
        statement = portal.statement
        if statement.point is not None:
            rows = statement.point.rows(self, portal.parameters)
            yield rows
            portal.tag = f"SELECT {len(rows)}"
            return
        txn = self.begin()
        if txn.read_only and statement.kind != "select":
            raise DatabaseError(
                "25006", f"cannot execute {statement.kind.upper()} in a read-only transaction")
        count = 0
        while True:
            mark = txn.mark()
            snapshot = txn.start_statement()
            wait: Any = PAUSE
            try:
                context = self.engine.context(self, statement, portal.parameters, snapshot, txn)
                for rows in statement.root.rows(context):
                    if type(rows) is list:
                        count += len(rows)
                    yield rows
                count = context.affected if statement.kind != "select" else count
                break
            except Blocked as blocked:
                txn.undo_to(mark)
                txn.wait_for(blocked.owner)
                wait = Wait(blocked.owner)
            except Stale:
                txn.undo_to(mark)
            except BaseException:
                if not txn.ended:
                    txn.undo_to(mark)
                raise
            finally:
                txn.end_statement()
            yield wait
            txn.waits_for = None
        portal.tag = f"{TAGS[statement.kind]} {count}"

    def attempt(self, work: Any) -> Generator[Any, None, Any]:
        """Run `work(transaction)` (DDL and such), again after each wait; gives its result."""
        txn = self.begin()
        while True:
            mark = txn.mark()
            txn.start_statement()
            try:
                return work(txn)
            except Blocked as blocked:
                txn.undo_to(mark)
                txn.wait_for(blocked.owner)
                wait: Any = Wait(blocked.owner)
            except Stale:
                txn.undo_to(mark)
                wait = PAUSE
            except BaseException:
                txn.undo_to(mark)
                raise
            finally:
                txn.end_statement()
            yield wait
            txn.waits_for = None

    # -- transaction statements

    def control(self, node: TransactionStatement) -> str:
        """BEGIN, COMMIT, SAVEPOINT and kin; returns the tag."""
        return CONTROL[node.verb](self, node)

    def _begin(self, node: TransactionStatement) -> str:
        if self.block:
            self.warn("25001", "there is already a transaction in progress")
        txn = self.begin()
        self.block = True
        self._modes(txn, node)
        return "BEGIN"

    def _modes(self, txn: Transaction, node: TransactionStatement) -> None:
        for name, value in node.modes:
            if name == "isolation":
                txn.set_isolation(self.level(value))
            elif name == "read only":
                txn.read_only = value

    def _commit(self, node: TransactionStatement) -> str:
        if not self.block:
            self.warn("25P01", "there is no transaction in progress")
        isolation = self.txn.isolation if self.txn is not None else ""
        tag = "ROLLBACK" if self.failed else "COMMIT"
        if self.failed:
            self.rollback()
        else:
            self.commit()
        self._chain(node, isolation)
        return tag

    def _rollback(self, node: TransactionStatement) -> str:
        if not self.block:
            self.warn("25P01", "there is no transaction in progress")
        isolation = self.txn.isolation if self.txn is not None else ""
        self.rollback()
        self._chain(node, isolation)
        return "ROLLBACK"

    def _chain(self, node: TransactionStatement, isolation: str) -> None:
        if node.chain:
            self.begin().set_isolation(isolation)
            self.block = True

    def _in_block(self, what: str) -> Transaction:
        if not self.block or self.txn is None:
            raise DatabaseError("25P01", f"{what} can only be used in transaction blocks")
        return self.txn

    def _savepoint(self, node: TransactionStatement) -> str:
        txn = self._in_block("SAVEPOINT")
        catalog = txn.catalog.copy() if txn.catalog is not None else None
        self.savepoints.append(
            Savepoint(node.name or "", txn.mark(), catalog, len(self.abort_hooks)))
        return "SAVEPOINT"

    def _find(self, node: TransactionStatement) -> int:
        for i in range(len(self.savepoints) - 1, -1, -1):
            if self.savepoints[i].name == node.name:
                return i
        raise DatabaseError("3B001", f'savepoint "{node.name}" does not exist')

    def _release(self, node: TransactionStatement) -> str:
        self._in_block("RELEASE SAVEPOINT")
        del self.savepoints[self._find(node):]
        return "RELEASE"

    def _rollback_to(self, node: TransactionStatement) -> str:
        txn = self._in_block("ROLLBACK TO SAVEPOINT")
        at = self._find(node)
        savepoint = self.savepoints[at]
        del self.savepoints[at + 1:]
        txn.undo_to(savepoint.mark)
        while len(self.abort_hooks) > savepoint.hooks:
            self.abort_hooks.pop()()
        txn.catalog = savepoint.catalog.copy() if savepoint.catalog is not None else None
        self.catalog.refresh()
        self.failed = False
        return "ROLLBACK"

    def _set_transaction(self, node: TransactionStatement) -> str:
        if not self.block:
            self.warn("25P01", "SET TRANSACTION can only be used in transaction blocks")
        elif self.txn is not None:
            self._modes(self.txn, node)
        return "SET"

    def _set_session(self, node: TransactionStatement) -> str:
        for name, value in node.modes:
            if name == "isolation":
                self.set_local("default_transaction_isolation", value, False)
            elif name == "read only":
                self.set_local("default_transaction_read_only", "on" if value else "off", False)
        return "SET"

    def _no_two_phase(self, node: TransactionStatement) -> str:
        raise DatabaseError(
            "55000", "prepared transactions are disabled",
            hint="Set max_prepared_transactions to a nonzero value.")

    def warn(self, sqlstate: str, message: str) -> None:
        self.sink.notice(DatabaseError(sqlstate, message), "WARNING")

    def notice(self, message: str, sqlstate: str = "00000") -> None:
        self.sink.notice(DatabaseError(sqlstate, message), "NOTICE")


CONTROL = {
    "begin": Connection._begin,
    "commit": Connection._commit,
    "rollback": Connection._rollback,
    "savepoint": Connection._savepoint,
    "release": Connection._release,
    "rollback to": Connection._rollback_to,
    "set transaction": Connection._set_transaction,
    "set session": Connection._set_session,
    "prepare": Connection._no_two_phase,
    "commit prepared": Connection._no_two_phase,
    "rollback prepared": Connection._no_two_phase,
}

TAGS = {
    "select": "SELECT",
    "insert": "INSERT 0",
    "update": "UPDATE",
    "delete": "DELETE",
}


def same_fields(a: Any, b: Any) -> bool:
    """Whether two results look alike to a client that described one of them."""
    if a is None or b is None:
        return a is b
    return len(a) == len(b) and all(
        x[0] == y[0] and x[1] is y[1] and x[2] == y[2] for x, y in zip(a, b, strict=True))
