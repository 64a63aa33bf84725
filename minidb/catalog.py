"""The catalog of a database: names to definitions, and one session's view of it.

A transaction that changes definitions works on a copy of its own (`Catalog.copy`), which no one else
sees; its `changes` are applied to the shared catalog, and logged, when it commits.  Every committed
change raises `version`, by which plans know that they are out of date.
"""

from __future__ import annotations

from collections.abc import Sequence as SequenceOf
from typing import Any

from minidb.schema import Table
from minidb.sqlstate import DatabaseError
from query_planner.catalog import Relation, TableStats
from query_planner.types import BY_OID, REGCLASS, TYPES, Type

FIRST_OID = 16384
PUBLIC, PG_CATALOG, INFORMATION_SCHEMA = "public", "pg_catalog", "information_schema"
SCHEMA_OIDS = {PG_CATALOG: 11, PUBLIC: 2200, INFORMATION_SCHEMA: 13000}

_PAGE = 8192


class Catalog:
    """Definitions of one database.

    Invariants: 1. names maps (schema, name) to the oid of a relation in `tables`, or to the oid of
    an index, which shares the name space.
    """

    def __init__(self) -> None:
        self.schemas: dict[str, int] = dict(SCHEMA_OIDS)
        self.tables: dict[int, Table] = {}
        self.names: dict[tuple[str, str], int] = {}
        self.types: dict[int, Type] = {}
        self.schema_comments: dict[str, str] = {}
        self.version = 0
        self.changes: list[list[Any]] = []

    def copy(self) -> Catalog:
        twin = Catalog.__new__(Catalog)
        twin.schemas = self.schemas.copy()
        twin.tables = self.tables.copy()
        twin.names = self.names.copy()
        twin.types = self.types.copy()
        twin.schema_comments = self.schema_comments.copy()
        twin.version = self.version
        twin.changes = self.changes.copy()
        return twin

    def put(self, table: Table) -> None:
        """Add or replace a relation."""
        old = self.tables.get(table.oid)
        if old is not None:
            self._forget_names(old)
        self.tables[table.oid] = table
        self.names[table.schema, table.name] = table.oid
        for index in table.indexes:
            self.names[table.schema, index.name] = index.oid
        self.changes.append(["put", table])

    def drop(self, oid: int) -> None:
        table = self.tables.pop(oid)
        self._forget_names(table)
        self.changes.append(["drop", oid])

    def _forget_names(self, table: Table) -> None:
        self.names.pop((table.schema, table.name), None)
        for index in table.indexes:
            self.names.pop((table.schema, index.name), None)

    def put_schema(self, name: str, oid: int) -> None:
        self.schemas[name] = oid
        self.changes.append(["schema", name, oid])

    def drop_schema(self, name: str) -> None:
        del self.schemas[name]
        self.changes.append(["drop schema", name])

    def apply(self, changes: list[list[Any]]) -> None:
        """Make a committed transaction's changes here."""
        for change in changes:
            verb = change[0]
            if verb == "put":
                self.put(change[1])
            elif verb == "drop":
                if change[1] in self.tables:
                    self.drop(change[1])
            elif verb == "schema":
                self.put_schema(change[1], change[2])
            else:
                self.schemas.pop(change[1], None)
        self.changes.clear()
        self.version += 1

    def index_owner(self, oid: int) -> Table | None:
        for table in self.tables.values():
            if any(index.oid == oid for index in table.indexes):
                return table
        return None


class CatalogView:
    """The catalog as one session sees it: query_planner.catalog.Catalog's interface, and more."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self._path: tuple[str, ...] | None = None

    def refresh(self) -> None:
        """The search path or the transaction changed."""
        self._path = None

    @property
    def current(self) -> Catalog:
        txn = self.connection.txn
        if txn is not None and txn.catalog is not None:
            return txn.catalog
        return self.connection.database.catalog

    def changing(self) -> Catalog:
        """The catalog to change, within the running transaction."""
        txn = self.connection.begin()
        if txn.read_only:
            raise DatabaseError("25006", "cannot execute DDL in a read-only transaction")
        if txn.catalog is None:
            txn.catalog = self.connection.database.catalog.copy()
            txn.catalog.version = self.connection.engine.private_version()
        return txn.catalog

    @property
    def version(self) -> int:
        return self.current.version

    @property
    def temporary_schema(self) -> str:
        return f"pg_temp_{self.connection.pid}"

    @property
    def path(self) -> tuple[str, ...]:
        """Schemas searched, without those that are searched unasked."""
        if self._path is None:
            words = []
            for part in self.connection.settings.get("search_path").split(","):
                word = part.strip()
                word = word[1:-1].replace('""', '"') if word[:1] == '"' else word.lower()
                if word == "$user":
                    word = self.connection.user
                words.append(word)
            self._path = tuple(words)
        return self._path

    def search(self) -> list[str]:
        """All schemas in the order of the search."""
        path = [name for name in self.path if name in self.current.schemas]
        first = [] if "pg_temp" in self.path else [self.temporary_schema]
        if PG_CATALOG not in path:
            first.append(PG_CATALOG)
        return first + path

    def creation_schema(self) -> str:
        for name in self.path:
            if name in self.current.schemas and name != PG_CATALOG:
                return name
        raise DatabaseError("3F000", "no schema has been selected to create in")

    # -- what the binder asks

    def relation(self, schema: str | None, name: str) -> Relation | None:
        table = self.find(schema, name)
        return None if table is None or table.kind not in "rvS" else table.relation

    def has_schema(self, name: str) -> bool:
        return name in self.current.schemas or name == "pg_temp"

    def type(self, schema: str | None, name: str) -> Type | None:
        for type_ in self.current.types.values():
            if type_.name == name and schema in (None, type_.schema):
                return type_
        return None

    def functions(self, schema: str | None, name: str) -> SequenceOf[Any]:
        return ()

    def statistics(self, relation: Relation) -> TableStats | None:
        table = self.table(relation.handle)
        if table.virtual or table.store is None:
            return None
        rows = table.store.count()
        width = sum(max(column.type.length, 8) for column in relation.columns) + 8
        return TableStats(float(rows), max(1.0, rows * width / _PAGE))

    def literal(self, text: str, type: Type, typmod: int) -> Any:
        if type.name[:3] == "reg" or type.name == "oid" and not text.strip().isdigit():
            return self.object_oid(type.name, text)
        from minidb.textinput import parse

        return parse(text, type, typmod)

    # -- names

    def find(self, schema: str | None, name: str) -> Any:
        """The Table or system table of that name, or None."""
        from minidb.system_tables import system_table

        current = self.current
        if schema is not None:
            if schema in (PG_CATALOG, INFORMATION_SCHEMA):
                return system_table(schema, name)
            if schema == "pg_temp":
                schema = self.temporary_schema
            oid = current.names.get((schema, name))
            return None if oid is None else current.tables.get(oid)
        for place in self.search():
            if place == PG_CATALOG:
                found = system_table(place, name)
                if found is not None:
                    return found
                continue
            if place == INFORMATION_SCHEMA:
                found = system_table(place, name)
                if found is not None:
                    return found
            oid = current.names.get((place, name))
            if oid is not None and oid in current.tables:
                return current.tables[oid]
        return None

    def lookup(self, name: tuple[str, ...], kind: str = "r") -> Any:
        """The relation of a written name; 42P01 when there is none."""
        schema = name[-2] if len(name) > 1 else None
        table = self.find(schema, name[-1])
        if table is None:
            if schema is not None and not self.has_schema(schema):
                raise DatabaseError("3F000", f'schema "{schema}" does not exist')
            what = {"S": "sequence", "v": "view", "i": "index"}.get(kind, "relation")
            what = "relation" if kind == "S" else what
            raise DatabaseError("42P01", f'{what} "{".".join(name)}" does not exist')
        return table

    def table(self, handle: int) -> Any:
        """The relation of a planner's handle, as it is now."""
        table = self.current.tables.get(handle)
        if table is not None:
            return table
        from minidb.system_tables import system_table_by_oid

        found = system_table_by_oid(handle)
        if found is None:
            raise DatabaseError("42P01", f"relation with OID {handle} does not exist")
        return found

    def check_writable(self, table: Any) -> None:
        if table.virtual:
            raise DatabaseError(
                "42501", f"permission denied: \"{table.name}\" is a system catalog")
        if table.kind == "v":
            raise DatabaseError("55000", f'cannot change view "{table.name}"')
        if table.kind != "r":
            raise DatabaseError("42809", f'cannot change "{table.name}": it is not a table')

    def compiled_checks(self, table: Table) -> list[tuple[str, Any]]:
        """(name, function over the table's columns by attribute number) of CHECK constraints."""
        if not any(c.kind == "c" for c in table.constraints):
            return []
        cache = self.connection.engine.checks
        found = cache.get(table)
        if found is None:
            from minidb.bound import compiled

            found = []
            for constraint in table.constraints:
                if constraint.kind == "c":
                    check = compiled(constraint.text, self, table.relation, TYPES["bool"])
                    found.append((constraint.name, check))
            cache[table] = found
        return found

    def type_of(self, oid: int) -> Type:
        found = BY_OID.get(oid) or self.current.types.get(oid)
        if found is None:
            raise DatabaseError("42704", f"type with OID {oid} does not exist")
        return found

    # -- names of objects by oid, and back (regclass and kin)

    def visible(self, schema: str, name: str) -> bool:
        """Whether an unqualified name finds this relation."""
        current = self.current
        for place in self.search():
            if place == schema:
                return True
            if (place, name) in current.names:
                return False
            if place == PG_CATALOG:
                from minidb.system_tables import system_table

                if system_table(PG_CATALOG, name) is not None:
                    return False
        return False

    def object_name(self, kind: str, oid: int) -> str:
        """A reg* value's text."""
        from minidb.execution.kernels.strings import quote_identifier
        from query_planner.types import title

        if oid == 0:
            return "-"
        if kind == "regtype":
            found = BY_OID.get(oid) or self.current.types.get(oid)
            return title(found) if found else str(oid)
        if kind == "regnamespace":
            for name, schema_oid in self.current.schemas.items():
                if schema_oid == oid:
                    return quote_identifier(name)
            return str(oid)
        if kind == "regrole":
            return quote_identifier(self.connection.engine.role_name(oid))
        if kind == "regclass":
            found_name = self.relation_name(oid)
            if found_name is None:
                return str(oid)
            schema, name = found_name
            if self.visible(schema, name):
                return quote_identifier(name)
            return f"{quote_identifier(schema)}.{quote_identifier(name)}"
        if kind in ("regproc", "regprocedure"):
            from minidb.system_tables import function_name

            return function_name(oid) or str(oid)
        return str(oid)

    def relation_name(self, oid: int) -> tuple[str, str] | None:
        """(schema, name) of a relation or index."""
        table = self.current.tables.get(oid)
        if table is not None:
            return table.schema, table.name
        owner = self.current.index_owner(oid)
        if owner is not None:
            return owner.schema, owner.index_of(oid).name
        from minidb.system_tables import system_table_by_oid

        system = system_table_by_oid(oid)
        return None if system is None else (system.schema, system.name)

    def object_oid(self, kind: str, text: str) -> int:
        """The oid a reg* literal names."""
        text = text.strip()
        if text.isdigit():
            return int(text)
        if text == "-":
            return 0
        if kind == "oid":
            raise DatabaseError("22P02", f'invalid input syntax for type oid: "{text}"')
        if kind == "regtype":
            from query_planner import parse_type

            return self.resolve_type(parse_type(text))[0].oid
        if kind == "regrole":
            return 10
        parts = split_name(text)
        if kind == "regnamespace":
            found = self.current.schemas.get(parts[0])
            if found is None:
                raise DatabaseError("3F000", f'schema "{parts[0]}" does not exist')
            return found
        if kind == REGCLASS.name:
            return self.relation_oid(parts)
        if kind in ("regproc", "regprocedure"):
            from minidb.system_tables import function_oid

            return function_oid(parts[-1])
        raise DatabaseError("0A000", f"{kind} literals are not supported")

    def relation_oid(self, parts: tuple[str, ...]) -> int:
        """The oid of a relation or index by name; 42P01."""
        table = self.find(parts[-2] if len(parts) > 1 else None, parts[-1])
        if table is not None:
            return table.oid
        places = [parts[-2]] if len(parts) > 1 else self.search()
        for place in places:
            oid = self.current.names.get((place, parts[-1]))
            if oid is not None:
                return oid
        raise DatabaseError("42P01", f'relation "{".".join(parts)}" does not exist')

    def resolve_type(self, name: Any) -> tuple[Type, int]:
        """The type and typmod of a TypeName node."""
        from query_planner.binder import Binder

        return Binder(self).resolve_type(name)


def split_name(text: str) -> tuple[str, ...]:
    """The parts of a possibly quoted, possibly qualified name."""
    parts, word, i, quoted = [], "", 0, False
    while i < len(text):
        c = text[i]
        if quoted:
            if c == '"' and text[i + 1:i + 2] == '"':
                word += '"'
                i += 1
            elif c == '"':
                quoted = False
            else:
                word += c
        elif c == '"':
            quoted = True
        elif c == ".":
            parts.append(word)
            word = ""
        else:
            word += c.lower()
        i += 1
    parts.append(word)
    return tuple(parts)
