"""What the binder asks about names, and what the optimizer asks about sizes.

A `Catalog` is anything with the methods of the protocol below; minidb's is one, the directory of
CSV files behind `query-planner explain --db` another.  Built-in types, functions and operators come
from this package; a catalog adds its own and may answer `None` or nothing for the rest.

A relation's columns are those that exist now.  `number` is the attribute number (1-based, never
reused); the executor finds a column by it.  SQL texts in here (defaults, checks, view definitions)
are parsed by the binder when it needs them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from query_planner.types import Type


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a relation.

    default    SQL text of the DEFAULT expression, or of the expression GENERATED ALWAYS AS (...)
    generated  "" or "s" (stored)
    identity   "" | "a" (GENERATED ALWAYS AS IDENTITY) | "d" (BY DEFAULT); `default` has the nextval
    """

    number: int
    name: str
    type: Type
    typmod: int = -1
    not_null: bool = False
    default: str | None = None
    generated: str = ""
    identity: str = ""


@dataclass(frozen=True, slots=True)
class Index:
    """An index the planner may use.

    columns    attribute numbers of the key in order; 0 stands for an expression
    ordered    keeps its keys in order (B+tree): range scans and sorted output
    predicate  SQL text of a partial index; the planner leaves partial and expression indexes to
               ON CONFLICT and does not scan them
    """

    oid: int
    name: str
    columns: tuple[int, ...]
    unique: bool = False
    primary: bool = False
    ordered: bool = True
    predicate: str | None = None
    expressions: tuple[str, ...] = ()
    constraint: str | None = None


@dataclass(frozen=True, slots=True)
class Relation:
    """A table, view or other thing with rows.

    kind        pg_class.relkind: r table, v view, m materialized view, S sequence, c composite
    definition  of a view: the SQL text of its query
    path        of a view: the search path its text was written under
    handle      for the catalog's own use; the planner carries it into the plan's scans
    """

    oid: int
    schema: str
    name: str
    columns: tuple[Column, ...]
    kind: str = "r"
    indexes: tuple[Index, ...] = ()
    definition: str | None = None
    path: tuple[str, ...] | None = None
    handle: Any = field(default=None, compare=False)
    places: dict[str, int] = field(init=False, default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Fill `places`: column name -> position in `columns`."""
        for place, column in enumerate(self.columns):
            self.places[column.name] = place


@dataclass(slots=True)
class ColumnStats:
    """What ANALYZE knows of one column (see query_planner.stats).

    null_fraction  of all rows
    distinct       number of different values
    width          average bytes
    common         most common values and their fractions of all rows, most common first
    bounds         equi-depth histogram over the values that are not in `common`, ascending
    correlation    of value order and storage order, -1 to 1
    """

    null_fraction: float = 0.0
    distinct: float = 200.0
    width: int = 8
    common: tuple[tuple[Any, float], ...] = ()
    bounds: tuple[Any, ...] = ()
    correlation: float = 0.0


@dataclass(slots=True)
class TableStats:
    """Size of a relation; `columns` is keyed by attribute number and may lack any of them."""

    rows: float
    pages: float = 1.0
    columns: dict[int, ColumnStats] = field(default_factory=dict)


class Catalog(Protocol):
    """The binder's and optimizer's only view of a database.

    `schema` is None for an unqualified name: the catalog then walks its own search path
    (pg_temp, pg_catalog, then the path).
    """

    def relation(self, schema: str | None, name: str) -> Relation | None:
        """The relation of that name, or None."""

    def has_schema(self, name: str) -> bool:
        """Whether the schema exists (decides between two error messages)."""

    def type(self, schema: str | None, name: str) -> Type | None:
        """A type that is not built in: enum, domain, composite; or None."""

    def functions(self, schema: str | None, name: str) -> Sequence[Any]:
        """User-defined `query_planner.functions.Function`s of that name, possibly none."""

    def statistics(self, relation: Relation) -> TableStats | None:
        """Sizes; None where unknown.  Should be cheap: it is asked in every plan."""

    def literal(self, text: str, type: Type, typmod: int) -> Any:
        """The value of a literal's text in a type (PostgreSQL's input function).

        Called once at bind time for every untyped literal.  Raises SqlError 22P02 and kin, without
        position (the binder adds it).  `query_planner.literals.parse` does the everyday types.
        Return `NotImplemented` to have the conversion done at run time as a Cast from text.
        """

