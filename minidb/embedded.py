"""The embedded form: the engine in this process, without a socket.

    with minidb.connect("data") as db:
        db.execute("CREATE TABLE t (a int)")
        db.execute("INSERT INTO t VALUES ($1), ($2)", (1, 2))
        print(db.execute("SELECT a FROM t").rows)

Values are Python's own: date, datetime, timedelta, Decimal, UUID, list.  Without BEGIN each
statement commits, and is on disk when `execute` returns.  One thread; a statement that would wait
for another connection's transaction fails with 55P03, since nobody could end it meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Self
from uuid import UUID

from bedrock.world import OsDisk, World
from minidb.connection import Connection as Session
from minidb.engine import Engine
from minidb.events import CopyIn, Wait
from minidb.portal import Portal
from minidb.sqlstate import DatabaseError
from query_planner.types import Type

_EPOCH = datetime(2000, 1, 1)
_EPOCH_DATE = date(2000, 1, 1)


@dataclass
class Result:
    """What a statement gave.  columns: names; rows: tuples; tag: "INSERT 0 1" and such."""

    columns: list[str] = field(default_factory=list)
    rows: list[tuple] = field(default_factory=list)
    tag: str = ""

    def scalar(self) -> Any:
        """The first column of the first row, None without rows."""
        return self.rows[0][0] if self.rows else None


def to_python(value: Any, type_: Type) -> Any:
    """A value of the engine as a Python library would have it."""
    if value is None:
        return None
    name = type_.name
    if type_.category == "A" and type_.element is not None:
        element = type_.element
        return [to_python(v, type_ if isinstance(v, tuple) and element.name != "interval"
                          else element) for v in value]
    if name == "date":
        return _EPOCH_DATE + timedelta(days=value)
    if name == "timestamp":
        return _EPOCH + timedelta(microseconds=value)
    if name == "timestamptz":
        return (_EPOCH + timedelta(microseconds=value)).replace(tzinfo=UTC)
    if name == "time":
        return (_EPOCH + timedelta(microseconds=value)).time()
    if name == "interval":
        return timedelta(days=value[0] * 30 + value[1], microseconds=value[2])
    if name == "uuid":
        return UUID(bytes=value)
    return value


def from_python(value: Any) -> Any:
    """A Python value as the engine has it."""
    if isinstance(value, datetime):
        if value.tzinfo is not None:
            value = value.astimezone(UTC).replace(tzinfo=None)
        return (value - _EPOCH) // timedelta(microseconds=1)
    if isinstance(value, date):
        return (value - _EPOCH_DATE).days
    if isinstance(value, time):
        return (datetime.combine(_EPOCH_DATE, value) - _EPOCH) // timedelta(microseconds=1)
    if isinstance(value, timedelta):
        return 0, value.days, value.seconds * 1_000_000 + value.microseconds
    if isinstance(value, UUID):
        return value.bytes
    if isinstance(value, (list, tuple)):
        return tuple(from_python(v) for v in value)
    return value


class Connection:
    """A session of an embedded engine; also the sink of its session."""

    def __init__(self, engine: Engine, database: str, owner: bool) -> None:
        self.engine = engine
        self.result = Result()
        self.notices: list[str] = []
        self._owner = owner
        self._types: list[Type] = []
        self._session = Session(engine, database, "postgres", sink=self)

    def execute(self, sql: str, parameters: Any = ()) -> Result:
        """Run the statements of a text and give the last one's result."""
        session = self._session
        self.result = Result()
        try:
            if parameters:
                self._drive(self._with_parameters(sql, parameters))
            else:
                self._drive(session.simple(sql))
        except BaseException:
            session.fail()
            raise
        finally:
            self.engine.world.turn.run()
        return self.result

    def _with_parameters(self, sql: str, parameters: Any) -> Any:
        session = self._session
        session.prepare("", sql, [])
        statement = session.current(session.statement(""))
        values = tuple(from_python(value) for value in parameters)
        if len(values) != len(statement.parameters):
            raise DatabaseError("08P01", f"{len(statement.parameters)} parameters are needed")
        portal = Portal(statement, values, None)
        yield from session.run(portal, announce=True)
        if not session.block:
            session.commit()
        self.complete(portal.tag)

    def _drive(self, steps: Any) -> None:
        for event in steps:
            if isinstance(event, Wait):
                steps.close()
                raise DatabaseError(
                    "55P03", "the row is locked by another connection of this process")
            if isinstance(event, CopyIn):
                steps.close()
                raise DatabaseError("0A000", "this needs a server")

    def new(self) -> Connection:
        """Another session with the same database."""
        return Connection(self.engine, self._session.database.name, False)

    def close(self) -> None:
        """End the session; the one that `connect` gave also closes the database."""
        self._session.close()
        if self._owner:
            self.engine.close()
            self.engine.world.turn.run()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- the sink

    def describe_rows(self, fields: Any, formats: Any, announce: bool) -> None:
        self._types = [f[1] for f in fields]
        self.result = Result([f[0] for f in fields])

    def rows(self, rows: list[tuple]) -> None:
        types = self._types
        self.result.rows.extend(
            tuple(to_python(v, t) for v, t in zip(row, types, strict=True)) for row in rows)

    def complete(self, tag: str) -> None:
        if self.result.tag:
            # The result of the statement before.
            self.result = Result()
        self.result.tag = tag

    def empty(self) -> None:
        self.result = Result()

    def notice(self, exc: DatabaseError, severity: str = "NOTICE") -> None:
        self.notices.append(f"{severity}: {exc.message}")

    def parameter(self, name: str, value: str) -> None:
        """Nobody here keeps track of settings."""

    def notification(self, pid: int, channel: str, payload: str) -> None:
        self.notices.append(f"{channel}: {payload}")

    def copy_out(self, binary: bool, columns: int) -> None:
        raise DatabaseError("0A000", "COPY needs a server")


def connect(path: str | None = None, database: str = "postgres") -> Connection:
    """Open the database in directory `path`, made if missing; without path, one in memory."""
    if path is None:
        from bedrock.world.disk import Disk

        return Connection(Engine(World(disk=Disk()), durable=False), database, True)
    return Connection(Engine(World(disk=OsDisk(path))), database, True)
