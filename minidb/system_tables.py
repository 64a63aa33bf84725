"""pg_catalog and information_schema: tables made on the spot from the catalog.

Each is a line of columns and, where it has rows, a function that gives them for a session; the rest
are there and empty, which is what clients that ask about triggers or policies need to hear.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

from minidb.catalog import SCHEMA_OIDS
from minidb.system_columns import INFORMATION, PG
from query_planner.catalog import Column, Relation
from query_planner.types import BY_OID, TYPES, Type

OWNER = 10
DATABASE_ENCODING = 6
C_COLLATION = 950
DEFAULT_COLLATION = 100
BTREE, HASH, HEAP = 403, 405, 2

Rows = list[tuple]


class SystemTable:
    """A catalog table: `rows(connection)` gives its rows."""

    virtual = True
    kind = "r"
    referenced = False
    store = None
    indexes = ()
    constraints = ()

    def __init__(self, oid: int, schema: str, name: str, columns: str) -> None:
        self.oid = oid
        self.schema = schema
        self.name = name
        self.text = columns

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        found = []
        for i, word in enumerate(self.text.split()):
            name, _, type_ = word.partition(":")
            found.append(Column(i + 1, name, TYPES[type_ or "text"]))
        return tuple(found)

    @cached_property
    def relation(self) -> Relation:
        return Relation(self.oid, self.schema, self.name, self.columns, "r", (), None, None,
                        self.oid)

    def column(self, name: str) -> Column | None:
        return next((column for column in self.columns if column.name == name), None)

    def rows(self, connection: Any) -> Rows:
        make = _ROWS.get((self.schema, self.name))
        if make is None:
            return []
        names = [column.name for column in self.columns]
        return [tuple(row.get(name) for name in names) for row in make(connection)]


_tables: dict[tuple[str, str], SystemTable] = {}
_by_oid: dict[int, SystemTable] = {}

_FIXED_OIDS = {
    "pg_type": 1247, "pg_attribute": 1249, "pg_proc": 1255, "pg_class": 1259,
    "pg_namespace": 2615, "pg_database": 1262, "pg_constraint": 2606, "pg_index": 2610,
    "pg_attrdef": 2604, "pg_authid": 1260, "pg_roles": 12000, "pg_description": 2609,
    "pg_am": 2601, "pg_operator": 2617, "pg_opclass": 2616, "pg_depend": 2608, "pg_trigger": 2620,
    "pg_rewrite": 2618, "pg_inherits": 2611, "pg_collation": 3456, "pg_enum": 3501,
    "pg_extension": 3079, "pg_language": 2612, "pg_cast": 2605, "pg_tablespace": 1213,
}  # fmt: skip


def _fill() -> None:
    oid = 12100
    for schema, text in (("pg_catalog", PG), ("information_schema", INFORMATION)):
        for line in text.strip().splitlines():
            name, _, columns = line.partition(" ")
            oid += 1
            table = SystemTable(_FIXED_OIDS.get(name, oid), schema, name, columns)
            _tables[schema, name] = _by_oid[table.oid] = table


def system_table(schema: str, name: str) -> SystemTable | None:
    if not _tables:
        _fill()
    return _tables.get((schema, name))


def system_table_by_oid(oid: int) -> SystemTable | None:
    if not _tables:
        _fill()
    return _by_oid.get(oid)


def _all(connection: Any) -> list[Any]:
    """The relations of this database that people made."""
    return list(connection.catalog.current.tables.values())


def _system() -> list[SystemTable]:
    if not _tables:
        _fill()
    return list(_tables.values())


def _schema_oid(connection: Any, name: str) -> int:
    return connection.catalog.current.schemas.get(name, 0)


# -- pg_catalog


def _pg_namespace(connection: Any) -> Any:
    for name, oid in connection.catalog.current.schemas.items():
        yield {"oid": oid, "nspname": name, "nspowner": OWNER}


def _pg_class(connection: Any) -> Any:
    base: dict[str, Any] = {
        "reltype": 0, "reloftype": 0, "relowner": OWNER, "relfilenode": 0, "reltablespace": 0,
        "relpages": 1, "relallvisible": 0, "reltoastrelid": 0, "relisshared": False,
        "relpersistence": "p", "relchecks": 0, "relhasrules": False, "relhastriggers": False,
        "relhassubclass": False, "relrowsecurity": False, "relforcerowsecurity": False,
        "relispopulated": True, "relreplident": "d", "relispartition": False, "relrewrite": 0,
        "relfrozenxid": 0, "relminmxid": 0, "relhasindex": False, "reltuples": -1.0,
        "relam": 0, "relnatts": 0,
    }  # fmt: skip
    for t in _all(connection):
        persistence = "t" if t.temporary else "p"
        keys = {c.kind for c in t.constraints}
        yield {
            **base, "oid": t.oid, "relname": t.name, "relnatts": t.width or len(t.columns),
            "relnamespace": _schema_oid(connection, t.schema), "relkind": t.kind,
            "relam": HEAP if t.kind == "r" else 0, "relfilenode": t.store_oid,
            "relhasindex": bool(t.indexes), "relpersistence": persistence,
            "relchecks": sum(c.kind == "c" for c in t.constraints),
            "relhastriggers": bool(t.references) or "f" in keys,
            "relhasrules": t.kind == "v",
            "reltuples": float(t.store.count()) if t.store is not None else -1.0,
        }  # fmt: skip
        for i in t.indexes:
            yield {**base, "oid": i.oid, "relname": i.name, "relnatts": len(i.columns),
                   "relnamespace": _schema_oid(connection, t.schema), "relkind": "i",
                   "relam": BTREE, "relpersistence": persistence, "relreplident": "n"}
    for s in _system():
        yield {**base, "oid": s.oid, "relname": s.name, "relnatts": len(s.columns),
               "relnamespace": SCHEMA_OIDS[s.schema], "relam": HEAP,
               "relkind": "v" if s.schema != "pg_catalog" or s.name in _VIEWS else "r"}


_VIEWS = frozenset((
    "pg_roles", "pg_user", "pg_tables", "pg_views", "pg_indexes", "pg_settings",
    "pg_stat_activity", "pg_cursors", "pg_prepared_statements", "pg_sequences", "pg_locks",
    "pg_stat_user_tables", "pg_stats", "pg_matviews",
))


def _align(type_: Type) -> str:
    return {1: "c", 2: "s", 8: "d"}.get(type_.length, "i")


def _pg_attribute(connection: Any) -> Any:
    for t in (*_all(connection), *_system()):
        by_number = {c.number: c for c in t.columns}
        width = getattr(t, "width", 0) or len(t.columns)
        for number in range(1, width + 1):
            c = by_number.get(number)
            if c is None:
                yield {"attrelid": t.oid, "attname": f"........pg.dropped.{number}........",
                       "atttypid": 0, "attlen": -1, "attnum": number, "attndims": 0,
                       "atttypmod": -1, "attnotnull": False, "atthasdef": False,
                       "attidentity": "", "attgenerated": "", "attisdropped": True,
                       "attislocal": True, "attinhcount": 0, "attcollation": 0,
                       "attstorage": "p", "attalign": "i", "attbyval": False,
                       "attcompression": "", "attstattarget": -1, "attcacheoff": -1,
                       "atthasmissing": False}
                continue
            yield _attribute(t.oid, number, c)
        for i in t.indexes:
            for at, number in enumerate(i.columns):
                c = by_number.get(number)
                if c is not None:
                    yield {**_attribute(i.oid, at + 1, c), "attnotnull": False,
                           "atthasdef": False, "attidentity": ""}


def _attribute(oid: int, number: int, c: Column) -> dict[str, Any]:
    return {
        "attrelid": oid, "attname": c.name, "atttypid": c.type.oid, "attstattarget": -1,
        "attlen": c.type.length, "attnum": number, "attndims": int(c.type.category == "A"),
        "attcacheoff": -1, "atttypmod": c.typmod, "attbyval": 0 < c.type.length <= 8,
        "attalign": _align(c.type), "attstorage": "p" if c.type.length > 0 else "x",
        "attcompression": "", "attnotnull": c.not_null, "atthasdef":
        c.default is not None and not c.identity, "atthasmissing": False,
        "attidentity": c.identity, "attgenerated": c.generated, "attisdropped": False,
        "attislocal": True, "attinhcount": 0,
        "attcollation": DEFAULT_COLLATION if c.type.category == "S" else 0,
    }  # fmt: skip


def _pg_attrdef(connection: Any) -> Any:
    from minidb.bound import shown_default

    for t in _all(connection):
        for c in t.columns:
            if c.default is not None and not c.identity:
                yield {"oid": t.oid * 1000 + c.number, "adrelid": t.oid, "adnum": c.number,
                       "adbin": shown_default(c.default, c.type)}


def _pg_index(connection: Any) -> Any:
    for t in _all(connection):
        for i in t.indexes:
            yield {
                "indexrelid": i.oid, "indrelid": t.oid, "indnatts": len(i.columns),
                "indnkeyatts": len(i.columns), "indisunique": i.unique,
                "indnullsnotdistinct": False, "indisprimary": i.primary, "indisexclusion": False,
                "indimmediate": True, "indisclustered": False, "indisvalid": True,
                "indcheckxmin": False, "indisready": True, "indislive": True,
                "indisreplident": False, "indkey": tuple(i.columns),
                "indcollation": tuple(0 for _ in i.columns),
                "indclass": tuple(0 for _ in i.columns), "indoption": tuple(0 for _ in i.columns),
                "indexprs": ", ".join(i.expressions) or None, "indpred": i.predicate,
            }  # fmt: skip


_ACTIONS = {"no action": "a", "restrict": "r", "cascade": "c", "set null": "n", "set default": "d"}


def _pg_constraint(connection: Any) -> Any:
    view = connection.catalog
    for t in _all(connection):
        for c in t.constraints:
            foreign = c.kind == "f"
            index = c.index
            if foreign:
                target = view.table(c.target)
                index = next((i.oid for i in target.indexes
                              if set(i.columns) == set(c.target_columns)), 0)
            yield {
                "oid": c.oid, "conname": c.name, "connamespace": _schema_oid(connection, t.schema),
                "contype": c.kind, "condeferrable": c.deferrable, "condeferred": c.deferred,
                "convalidated": True, "conrelid": t.oid, "contypid": 0, "conindid": index,
                "conparentid": 0, "confrelid": c.target,
                "confupdtype": _ACTIONS[c.on_update] if foreign else " ",
                "confdeltype": _ACTIONS[c.on_delete] if foreign else " ",
                "confmatchtype": "s" if foreign else " ", "conislocal": True, "coninhcount": 0,
                "connoinherit": c.kind != "c",
                "conkey": c.columns or None, "confkey": c.target_columns or None,
                "conbin": c.text or None,
            }  # fmt: skip


def _pg_type(connection: Any) -> Any:
    for type_ in (*BY_OID.values(), *connection.catalog.current.types.values()):
        is_array = type_.category == "A" and type_.element is not None and type_.name[0] == "_"
        yield {
            "oid": type_.oid, "typname": type_.name,
            "typnamespace": _schema_oid(connection, type_.schema), "typowner": OWNER,
            "typlen": type_.length, "typbyval": 0 < type_.length <= 8, "typtype": type_.kind,
            "typcategory": type_.category, "typispreferred": type_.preferred,
            "typisdefined": True, "typdelim": ",", "typrelid": 0,
            "typsubscript": 0, "typelem": type_.element.oid if type_.element else 0,
            "typarray": type_.array.oid if type_.array else 0,
            "typinput": 750 if is_array else 0, "typoutput": 751 if is_array else 0,
            "typreceive": 2400 if is_array else 0, "typsend": 2401 if is_array else 0,
            "typmodin": 0, "typmodout": 0, "typanalyze": 0, "typalign": _align(type_),
            "typstorage": "p" if type_.length > 0 else "x", "typnotnull": False,
            "typbasetype": type_.base.oid if type_.base else 0, "typtypmod": -1, "typndims": 0,
            "typcollation": DEFAULT_COLLATION if type_.category == "S" else 0,
        }  # fmt: skip


def _pg_range(connection: Any) -> Any:
    for name, sub in (("int4range", "int4"), ("int8range", "int8"), ("numrange", "numeric"),
                      ("tsrange", "timestamp"), ("tstzrange", "timestamptz"),
                      ("daterange", "date")):
        yield {"rngtypid": TYPES[name].oid, "rngsubtype": TYPES[sub].oid, "rngcollation": 0,
               "rngmultitypid": TYPES[name.replace("range", "multirange")].oid,
               "rngsubopc": 0, "rngcanonical": 0, "rngsubdiff": 0}


def _pg_database(connection: Any) -> Any:
    for database in connection.engine.databases.values():
        yield {"oid": database.oid, "datname": database.name, "datdba": OWNER,
               "encoding": DATABASE_ENCODING, "datlocprovider": "c", "datistemplate": False,
               "datallowconn": True, "datconnlimit": -1, "datfrozenxid": 0, "datminmxid": 0,
               "dattablespace": 1663, "datcollate": "C", "datctype": "C.UTF-8"}


def _pg_roles(connection: Any) -> Any:
    row = {"rolsuper": True, "rolinherit": True, "rolcreaterole": True, "rolcreatedb": True,
           "rolcanlogin": True, "rolreplication": True, "rolconnlimit": -1,
           "rolbypassrls": True, "usesysid": OWNER, "usecreatedb": True, "usesuper": True,
           "userepl": True, "usebypassrls": True}
    yield {**row, "oid": OWNER, "rolname": "postgres", "usename": "postgres"}


def _pg_am(connection: Any) -> Any:
    for oid, name, kind in ((HEAP, "heap", "t"), (BTREE, "btree", "i"), (HASH, "hash", "i")):
        yield {"oid": oid, "amname": name, "amhandler": 0, "amtype": kind}


def _pg_collation(connection: Any) -> Any:
    for oid, name in ((DEFAULT_COLLATION, "default"), (C_COLLATION, "C"), (951, "POSIX")):
        yield {"oid": oid, "collname": name, "collnamespace": 11, "collowner": OWNER,
               "collprovider": "d" if oid == DEFAULT_COLLATION else "c",
               "collisdeterministic": True, "collencoding": -1, "collcollate": "C",
               "collctype": "C"}


def _pg_description(connection: Any) -> Any:
    for t in _all(connection):
        for number, text in t.comments:
            yield {"objoid": t.oid, "classoid": 1259, "objsubid": number, "description": text}


def _pg_sequence(connection: Any) -> Any:
    for t in _all(connection):
        if t.sequence is not None:
            q = t.sequence
            yield {"seqrelid": t.oid, "seqtypid": TYPES[q.type].oid, "seqstart": q.start,
                   "seqincrement": q.increment, "seqmax": q.maximum, "seqmin": q.minimum,
                   "seqcache": 1, "seqcycle": q.cycle}


def _pg_sequences(connection: Any) -> Any:
    for t in _all(connection):
        if t.sequence is not None:
            q = t.sequence
            last, called = connection.engine.sequences.state(t)
            yield {"schemaname": t.schema, "sequencename": t.name, "sequenceowner": "postgres",
                   "data_type": TYPES[q.type].oid, "start_value": q.start,
                   "min_value": q.minimum, "max_value": q.maximum, "increment_by": q.increment,
                   "cycle": q.cycle, "cache_size": 1, "last_value": last if called else None}


def _pg_depend(connection: Any) -> Any:
    """What psql asks: which column owns a sequence."""
    for t in _all(connection):
        if t.sequence is not None and t.sequence.owner:
            owner = connection.catalog.table(t.sequence.owner)
            column = next((c for c in owner.columns if c.number == t.sequence.owner_column), None)
            yield {"classid": 1259, "objid": t.oid, "objsubid": 0, "refclassid": 1259,
                   "refobjid": owner.oid, "refobjsubid": t.sequence.owner_column,
                   "deptype": "i" if column is not None and column.identity else "a"}


def _pg_settings(connection: Any) -> Any:
    from minidb.utility import show_value

    for name in connection.settings.names():
        yield {"name": name, "setting": show_value(connection, name), "category": "",
               "short_desc": "", "context": "user", "vartype": "string", "source": "default",
               "pending_restart": False, "boot_val": "", "reset_val": ""}


def _pg_stat_activity(connection: Any) -> Any:
    for other in connection.engine.connections:
        yield {"datid": other.database.oid, "datname": other.database.name, "pid": other.pid,
               "usesysid": OWNER, "usename": other.user,
               "application_name": other.settings.get("application_name"),
               "state": "active" if other is connection else
               "idle in transaction" if other.txn is not None else "idle",
               "backend_type": "client backend", "query": ""}


def _pg_prepared(connection: Any) -> Any:
    for name, statement in connection.statements.items():
        if name:
            yield {"name": name, "statement": statement.sql, "from_sql": False,
                   "parameter_types": tuple(t.oid for t in statement.parameters),
                   "generic_plans": 0, "custom_plans": 0}


def _pg_cursors(connection: Any) -> Any:
    for name, portal in connection.portals.items():
        if name:
            yield {"name": name, "statement": portal.statement.sql, "is_holdable": portal.holds,
                   "is_binary": False, "is_scrollable": True}


def _pg_tables(connection: Any) -> Any:
    for t in _all(connection):
        if t.kind == "r":
            yield {"schemaname": t.schema, "tablename": t.name, "tableowner": "postgres",
                   "hasindexes": bool(t.indexes), "hasrules": False,
                   "hastriggers": bool(t.references), "rowsecurity": False}
    for s in _system():
        if s.schema == "pg_catalog" and s.name not in _VIEWS:
            yield {"schemaname": s.schema, "tablename": s.name, "tableowner": "postgres",
                   "hasindexes": False, "hasrules": False, "hastriggers": False,
                   "rowsecurity": False}


def _pg_views(connection: Any) -> Any:
    for t in _all(connection):
        if t.kind == "v":
            yield {"schemaname": t.schema, "viewname": t.name, "viewowner": "postgres",
                   "definition": (t.definition or "") + ";"}


def _pg_indexes(connection: Any) -> Any:
    from minidb.execution.context import Context
    from minidb.execution.kernels.system import index_definition

    context = Context(connection, (), None, None)
    for t in _all(connection):
        for i in t.indexes:
            yield {"schemaname": t.schema, "tablename": t.name, "indexname": i.name,
                   "indexdef": index_definition(context, t, i)}


def _pg_tablespace(connection: Any) -> Any:
    yield {"oid": 1663, "spcname": "pg_default", "spcowner": OWNER}
    yield {"oid": 1664, "spcname": "pg_global", "spcowner": OWNER}


def _pg_language(connection: Any) -> Any:
    yield {"oid": 12, "lanname": "internal", "lanowner": OWNER, "lanispl": False,
           "lanpltrusted": False}
    yield {"oid": 14, "lanname": "sql", "lanowner": OWNER, "lanispl": False,
           "lanpltrusted": True}


_functions: list[dict[str, Any]] = []
_functions_by_oid: dict[int, dict[str, Any]] = {}


def _load_functions() -> list[dict[str, Any]]:
    if not _functions:
        from query_planner import functions

        kinds = {"f": "f", "a": "a", "w": "w", "s": "a"}
        seen: set[str] = set()
        for f in functions.all_functions():
            if f.key not in seen and f.kind in kinds:
                seen.add(f.key)
                _functions.append({
                    "oid": f.oid or 6000 + len(_functions), "proname": f.name,
                    "pronamespace": 11, "proowner": OWNER, "prolang": 12,
                    "prokind": kinds[f.kind], "proisstrict": f.strict,
                    "proretset": f.returns_set, "provolatile": f.volatility,
                    "pronargs": len(f.args), "prorettype": f.result.oid,
                    "proargtypes": tuple(a.oid for a in f.args), "prosrc": f.name,
                    "prosecdef": False, "proleakproof": False, "proparallel": "s",
                    "provariadic": f.variadic.oid if f.variadic else 0, "pronargdefaults": 0,
                    "procost": 1.0, "prorows": 0.0,
                })
    return _functions


def _pg_proc(connection: Any) -> Any:
    return _load_functions()


def function_row(oid: int) -> dict[str, Any] | None:
    """A built-in function's row of pg_proc."""
    if not _functions_by_oid:
        _functions_by_oid.update((row["oid"], row) for row in _load_functions())
    return _functions_by_oid.get(oid)


def function_name(oid: int) -> str | None:
    special = {750: "array_in", 751: "array_out", 2400: "array_recv", 2401: "array_send"}
    if oid in special:
        return special[oid]
    row = function_row(oid)
    return None if row is None else row["proname"]


def function_oid(name: str) -> int:
    from minidb.sqlstate import DatabaseError

    special = {"array_in": 750, "array_out": 751, "array_recv": 2400, "array_send": 2401}
    if name in special:
        return special[name]
    for row in _load_functions():
        if row["proname"] == name:
            return row["oid"]
    raise DatabaseError("42883", f'function "{name}" does not exist')


# -- information_schema


def _is_schemata(connection: Any) -> Any:
    for name in connection.catalog.current.schemas:
        yield {"catalog_name": connection.database.name, "schema_name": name,
               "schema_owner": "postgres"}


def _is_tables(connection: Any) -> Any:
    for t in (*_all(connection), *_system()):
        if t.kind in "rv":
            kind = "VIEW" if t.kind == "v" else \
                "LOCAL TEMPORARY" if getattr(t, "temporary", False) else "BASE TABLE"
            yield {"table_catalog": connection.database.name, "table_schema": t.schema,
                   "table_name": t.name, "table_type": kind,
                   "is_insertable_into": "YES" if t.kind == "r" else "NO", "is_typed": "NO"}


def _is_columns(connection: Any) -> Any:
    for t in (*_all(connection), *_system()):
        if t.kind not in "rv":
            continue
        for at, c in enumerate(t.columns):
            type_, mod = c.type, c.typmod
            length = mod - 4 if type_.name in ("varchar", "bpchar") and mod > 4 else None
            precision = scale = None
            if type_.name in ("int2", "int4", "int8"):
                precision, scale = {"int2": 16, "int4": 32, "int8": 64}[type_.name], 0
            elif type_.name in ("float4", "float8"):
                precision = 24 if type_.name == "float4" else 53
            elif type_.name == "numeric" and mod > 4:
                precision, scale = (mod - 4) >> 16, (mod - 4) & 0x7FF
            yield {
                "table_catalog": connection.database.name, "table_schema": t.schema,
                "table_name": t.name, "column_name": c.name, "ordinal_position": at + 1,
                "column_default": None if c.identity else c.default,
                "is_nullable": "NO" if c.not_null else "YES",
                "data_type": "ARRAY" if type_.category == "A" else type_.title,
                "character_maximum_length": length, "numeric_precision": precision,
                "numeric_scale": scale, "numeric_precision_radix":
                10 if type_.name == "numeric" else 2 if precision else None,
                "datetime_precision": 6 if type_.name[:4] in ("time", "inte") else
                0 if type_.name == "date" else None,
                "udt_catalog": connection.database.name, "udt_schema": type_.schema,
                "udt_name": type_.name, "is_identity": "YES" if c.identity else "NO",
                "identity_generation": {"a": "ALWAYS", "d": "BY DEFAULT"}.get(c.identity),
                "is_generated": "ALWAYS" if c.generated else "NEVER",
                "is_updatable": "YES" if t.kind == "r" else "NO",
            }  # fmt: skip


_CONSTRAINTS = {"p": "PRIMARY KEY", "u": "UNIQUE", "c": "CHECK", "f": "FOREIGN KEY"}


def _is_constraints(connection: Any) -> Any:
    for t in _all(connection):
        for c in t.constraints:
            yield {"constraint_catalog": connection.database.name, "constraint_schema": t.schema,
                   "constraint_name": c.name, "table_catalog": connection.database.name,
                   "table_schema": t.schema, "table_name": t.name,
                   "constraint_type": _CONSTRAINTS[c.kind],
                   "is_deferrable": "YES" if c.deferrable else "NO",
                   "initially_deferred": "YES" if c.deferred else "NO", "enforced": "YES"}


def _is_key_columns(connection: Any) -> Any:
    for t in _all(connection):
        for c in t.constraints:
            if c.kind in "puf":
                for at, number in enumerate(c.columns):
                    yield {"constraint_catalog": connection.database.name,
                           "constraint_schema": t.schema, "constraint_name": c.name,
                           "table_catalog": connection.database.name, "table_schema": t.schema,
                           "table_name": t.name, "column_name": t.column_at(number - 1).name,
                           "ordinal_position": at + 1}


def _is_views(connection: Any) -> Any:
    for t in _all(connection):
        if t.kind == "v":
            yield {"table_catalog": connection.database.name, "table_schema": t.schema,
                   "table_name": t.name, "view_definition": (t.definition or "") + ";",
                   "is_updatable": "NO"}


_ROWS: dict[tuple[str, str], Callable[[Any], Any]] = {
    **{("pg_catalog", name): make for name, make in {
        "pg_namespace": _pg_namespace, "pg_class": _pg_class, "pg_attribute": _pg_attribute,
        "pg_attrdef": _pg_attrdef, "pg_index": _pg_index, "pg_constraint": _pg_constraint,
        "pg_type": _pg_type, "pg_range": _pg_range, "pg_database": _pg_database,
        "pg_roles": _pg_roles, "pg_authid": _pg_roles, "pg_user": _pg_roles, "pg_am": _pg_am,
        "pg_collation": _pg_collation, "pg_description": _pg_description,
        "pg_sequence": _pg_sequence, "pg_sequences": _pg_sequences, "pg_depend": _pg_depend,
        "pg_settings": _pg_settings, "pg_stat_activity": _pg_stat_activity,
        "pg_prepared_statements": _pg_prepared, "pg_cursors": _pg_cursors,
        "pg_tables": _pg_tables, "pg_views": _pg_views, "pg_indexes": _pg_indexes,
        "pg_tablespace": _pg_tablespace, "pg_language": _pg_language, "pg_proc": _pg_proc,
    }.items()},
    **{("information_schema", name): make for name, make in {
        "schemata": _is_schemata, "tables": _is_tables, "columns": _is_columns,
        "table_constraints": _is_constraints, "key_column_usage": _is_key_columns,
        "views": _is_views,
    }.items()},
}  # fmt: skip
