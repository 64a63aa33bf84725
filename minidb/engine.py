"""The engine: databases, transactions, plans; all that is shared by the sessions of one server.

    parse (cached by text) -> plan (cached by text, search path, types; void when the catalog
    changes)
      -> run (connection.py) -> commit: journal, then visible

Everything runs in one thread.
"""

from __future__ import annotations

from typing import Any

from bedrock.world import World
from minidb.catalog import FIRST_OID, Catalog
from minidb.connection import Connection
from minidb.execution.context import Context
from minidb.journal import Journal
from minidb.sequence import Sequences
from minidb.shape import shape
from minidb.sqlstate import DatabaseError
from minidb.statement import Statement
from minidb.table import TableStore
from minidb.transaction import Transaction, Transactions
from query_planner.errors import SqlError

UNIX_TO_2000_MS = 946_684_800_000


class Database:
    """A database: an oid, a name and a catalog."""

    def __init__(self, oid: int, name: str) -> None:
        self.oid = oid
        self.name = name
        self.catalog = Catalog()


class Engine:
    """world  its disk holds the data (None: everything is lost at the end), its clock says now."""

    def __init__(self, world: World, durable: bool = True) -> None:
        self.world = world
        self.transactions = Transactions()
        self.databases: dict[str, Database] = {}
        self.stores: dict[int, TableStore] = {}
        self.sequences = Sequences(self)
        self.connections: set[Connection] = set()
        self.plans = Plans()
        self.checks: dict[Any, Any] = {}
        self.next_oid = FIRST_OID
        self.started_us = self.now_us()
        self._private = 0
        self._shapes: dict[str, Statement | None] = {}
        self._parsed: dict[str, tuple[Statement, ...]] = {}
        self.journal: Journal | None = None
        if durable:
            self.journal = Journal(self)
            self.journal.recover()
            self.transactions.journal = self.journal.log
        else:
            self.create_database("postgres")

    def close(self) -> None:
        """Checkpoint and close the files."""
        for connection in list(self.connections):
            connection.close()
        if self.journal is not None:
            self.journal.close()

    # -- databases and oids

    def database(self, name: str) -> Database:
        found = self.databases.get(name)
        if found is None:
            raise DatabaseError(
                "3D000", f'database "{name}" does not exist', severity="FATAL")
        return found

    def create_database(self, name: str, oid: int = 0) -> Database:
        database = Database(oid or self.new_oid(), name)
        self.databases[name] = database
        return database

    def new_oid(self) -> int:
        self.next_oid += 1
        return self.next_oid - 1

    def saw_oid(self, oid: int) -> None:
        """Recovery: oids up to this one are taken."""
        self.next_oid = max(self.next_oid, oid + 1)

    def private_version(self) -> int:
        """A catalog version no committed catalog ever has."""
        self._private -= 1
        return self._private - 1

    def role_name(self, oid: int) -> str:
        return "postgres"

    def new_store(self, kinds: list[str]) -> TableStore:
        store = TableStore(self.new_oid(), kinds)
        self.stores[store.oid] = store
        return store

    # -- statements

    def parse(self, sql: str) -> tuple[Statement, ...]:
        found = self._parsed.get(sql)
        if found is None:
            from query_planner import parse_spans

            found = tuple(Statement(sql[start:end], node) for node, start, end in parse_spans(sql))
            if len(sql) < 10_000:
                if len(self._parsed) >= 4096:
                    self._parsed.clear()
                self._parsed[sql] = found
        return found

    def parse_shape(self, sql: str) -> tuple[Statement, tuple] | None:
        """The statement of a text's shape with its values, if the text has one."""
        found = shape(sql)
        if found is None:
            return None
        text, values = found
        statement = self._shapes.get(text)
        if statement is None:
            if text in self._shapes:
                return None
            if len(self._shapes) >= 4096:
                self._shapes.clear()
            try:
                parsed = self.parse(text)
            except SqlError:
                parsed = ()
            statement = parsed[0] if len(parsed) == 1 and parsed[0].is_query else None
            self._shapes[text] = statement
            if statement is None:
                return None
        return statement, values

    def no_shape(self, sql: str) -> None:
        """The shape of this text does not bind: its numbers mean something else."""
        found = shape(sql)
        if found is not None:
            self._shapes[found[0]] = None

    def context(self, connection: Connection, statement: Statement, parameters: tuple,
                snapshot: Any, txn: Transaction) -> Context:
        return Context(connection, parameters, snapshot, txn)

    def now_us(self) -> int:
        """Microseconds since 2000-01-01 UTC."""
        return (self.world.clock.wall_ms() - UNIX_TO_2000_MS) * 1000

    # -- the ends of transactions

    def commit(self, connection: Connection, txn: Transaction) -> None:
        """Journal the transaction and make it visible."""
        catalog = txn.catalog
        if catalog is not None:
            shared = connection.database.catalog
            for change in catalog.changes:
                if change[0] == "put":
                    table = change[1]
                    owner = shared.names.get((table.schema, table.name))
                    if owner is not None and owner != table.oid and owner in shared.tables and \
                            not any(c[0] == "drop" and c[1] == owner for c in catalog.changes):
                        raise DatabaseError("42P07", f'relation "{table.name}" already exists')
        if self.journal is not None:
            self.journal.database = connection.database
        txn.commit()
        if catalog is not None:
            connection.database.catalog.apply(catalog.changes)
            self.checks.clear()
            self.sweep_stores()
        if self.journal is not None:
            self.journal.maybe_checkpoint()

    def sweep_stores(self) -> None:
        """Let go of row stores that no catalog names."""
        if len(self.stores) < 64:
            return
        named: set[int] = set()
        for database in self.databases.values():
            named.update(t.store_oid for t in database.catalog.tables.values())
        for txn in self.transactions.running.values():
            if txn.catalog is not None:
                named.update(t.store_oid for t in txn.catalog.tables.values())
        for oid in [oid for oid in self.stores if oid not in named]:
            del self.stores[oid]

    def drop_temporary(self, connection: Connection) -> None:
        """The session ends: its temporary tables go."""
        catalog = connection.database.catalog
        schema = connection.catalog.temporary_schema
        for table in [t for t in catalog.tables.values() if t.schema == schema]:
            catalog.drop(table.oid)
            self.stores.pop(table.store_oid, None)
        catalog.schemas.pop(schema, None)
        catalog.changes.clear()

    def notify(self, sender: Connection) -> None:
        """Deliver what a committed transaction's NOTIFYs said."""
        pending, sender.notifications = sender.notifications, []
        for channel, payload in dict.fromkeys(pending):
            for connection in self.connections:
                if channel in connection.listening and connection.database is sender.database:
                    connection.sink.notification(sender.pid, channel, payload)


class Plans:
    """Plans by statement; a plan is good for one catalog version and search path."""

    def plan(self, connection: Connection, statement: Statement, asked: tuple) -> Statement:
        """The statement planned for these parameter types (None: infer)."""
        catalog = connection.catalog
        key = (connection.database.oid, catalog.path, asked)
        found = statement.plans.get(key)
        if found is not None and found.version == catalog.version:
            return found
        fresh = Statement(statement.sql, statement.node)
        fresh.plans = statement.plans
        fresh.asked = asked
        fresh.version = catalog.version
        if fresh.is_query:
            self._plan_query(connection, fresh)
        else:
            from minidb.utility import prepare_utility

            prepare_utility(connection, fresh)
        if fresh.version >= 0:
            if len(statement.plans) > 16:
                statement.plans.clear()
            statement.plans[key] = fresh
        return fresh

    def current(self, connection: Connection, statement: Statement) -> Statement:
        """The same, planned again if it is out of date."""
        if statement.is_empty or statement.version == connection.catalog.version:
            return statement
        return self.plan(connection, statement, statement.asked)

    def _plan_query(self, connection: Connection, statement: Statement) -> None:
        from minidb.execution.operators import build_root
        from query_planner.planner import plan

        prepared = plan(statement.node, connection.catalog, statement.asked)
        statement.prepared = prepared
        statement.kind = prepared.kind
        statement.parameters = tuple(prepared.parameters)
        statement.root = build_root(prepared.root)
        if prepared.kind == "select" or prepared.outputs:
            statement.fields = tuple(prepared.outputs)
        if prepared.kind == "select":
            from minidb.point import point_select

            statement.point = point_select(prepared.root)
