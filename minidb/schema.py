"""What a catalog holds: tables, their indexes and constraints, sequences, views.

A definition is never changed; altering a table puts a new `Table` into the catalog, which shares
the row store.  `dump` and `load` are its form in the log and in checkpoints (msgpack's types only).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from minidb.execution.vector import code_of
from minidb.output import Output
from query_planner.catalog import Column, Index, Relation

OUTPUT = Output()


@dataclass(frozen=True)
class Constraint:
    """A constraint of a table.

    kind      p primary key, u unique, c check, f foreign key
    columns   attribute numbers
    index     of p and u: oid of the index that enforces it
    text      of c: the SQL of its expression
    target    of f: oid of the referenced table; target_columns its attribute numbers
    on_delete, on_update   of f: "no action", "restrict", "cascade", "set null", "set default"
    """

    oid: int
    name: str
    kind: str
    columns: tuple[int, ...] = ()
    index: int = 0
    text: str = ""
    target: int = 0
    target_columns: tuple[int, ...] = ()
    on_delete: str = "no action"
    on_update: str = "no action"
    deferrable: bool = False
    deferred: bool = False


@dataclass(frozen=True)
class Sequence:
    """What a sequence counts by; its value is the engine's (see sequence.py)."""

    start: int = 1
    increment: int = 1
    minimum: int = 1
    maximum: int = 2**63 - 1
    cycle: bool = False
    type: str = "int8"
    owner: int = 0             # table whose column owns it
    owner_column: int = 0


@dataclass(frozen=True, eq=False)
class Table:
    """A relation.

    kind       r table, v view, S sequence
    columns    those that exist; a dropped one leaves a hole in the numbers
    width      attribute numbers given out so far = columns of the store
    store_oid  names the row store: TRUNCATE and rewrites give a table another one
    references (constraint, table oid) of the foreign keys that point here
    """

    oid: int
    schema: str
    name: str
    kind: str = "r"
    columns: tuple[Column, ...] = ()
    width: int = 0
    indexes: tuple[Index, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    definition: str | None = None
    path: tuple[str, ...] = ()
    sequence: Sequence | None = None
    store_oid: int = 0
    store: Any = field(default=None, repr=False)
    references: tuple[int, ...] = ()
    temporary: bool = False
    comments: tuple[tuple[int, str], ...] = ()

    virtual = False

    @cached_property
    def relation(self) -> Relation:
        """The table as the planner sees it."""
        return Relation(self.oid, self.schema, self.name, self.columns, self.kind, self.indexes,
                        self.definition, self.path or None, self.oid)

    @cached_property
    def plain(self) -> bool:
        """Whether a row's change concerns nothing but the row and its keys."""
        return self.kind == "r" and not self.references and \
            not any(c.kind in "cf" for c in self.constraints)

    @cached_property
    def required(self) -> frozenset[int]:
        """Places of the columns that are NOT NULL."""
        return frozenset(c.number - 1 for c in self.columns if c.not_null)

    @cached_property
    def kinds(self) -> list[str]:
        """The store's column kinds, dropped columns included."""
        kinds = ["O"] * self.width
        for column in self.columns:
            kinds[column.number - 1] = code_of(column.type)
        return kinds

    @property
    def referenced(self) -> bool:
        return bool(self.references)

    @cached_property
    def _by_number(self) -> dict[int, int]:
        return {column.number: i for i, column in enumerate(self.columns)}

    def place_in_columns(self, number: int) -> int:
        return self._by_number[number]

    def column_at(self, place: int) -> Column:
        """The column kept at a place of the store."""
        return self.columns[self._by_number[place + 1]]

    def column(self, name: str) -> Column | None:
        return next((column for column in self.columns if column.name == name), None)

    def render(self, place: int, value: Any) -> str:
        return "null" if value is None else OUTPUT.render(value, self.column_at(place).type)

    def index_of(self, oid: int) -> Index:
        return next(index for index in self.indexes if index.oid == oid)

    def primary_key(self) -> Constraint | None:
        return next((c for c in self.constraints if c.kind == "p"), None)

    def with_(self, **changes: Any) -> Table:
        return replace(self, **changes)

    # Foreign keys: see foreign_keys.py.

    def after_insert(self, context: Any, vecs: list, n: int) -> None:
        if any(c.kind == "f" for c in self.constraints):
            from minidb.foreign_keys import check_new

            check_new(self, context, vecs, n, None)

    def after_update(self, context: Any, old: list, vecs: list, n: int,
                     changed: list[int]) -> None:
        numbers = {self.columns[at].number for at in changed}
        if any(c.kind == "f" and numbers.intersection(c.columns) for c in self.constraints):
            from minidb.foreign_keys import check_new

            check_new(self, context, vecs, n, numbers)
        if self.references:
            from minidb.foreign_keys import rows_rekeyed

            rows_rekeyed(self, context, old, vecs, n, numbers)

    def after_delete(self, context: Any, old: list) -> None:
        from minidb.foreign_keys import rows_gone

        rows_gone(self, context, old)

    # -- in the log

    def dump(self) -> dict[str, Any]:
        return {
            "oid": self.oid, "schema": self.schema, "name": self.name, "kind": self.kind,
            "columns": [[c.number, c.name, c.type.oid, c.typmod, c.not_null, c.default,
                         c.generated, c.identity] for c in self.columns],
            "width": self.width,
            "indexes": [[i.oid, i.name, list(i.columns), i.unique, i.primary, i.constraint,
                         i.predicate, list(i.expressions)] for i in self.indexes],
            "constraints": [list(vars(c).values()) for c in self.constraints],
            "definition": self.definition, "path": list(self.path),
            "sequence": None if self.sequence is None else list(vars(self.sequence).values()),
            "store_oid": self.store_oid, "references": list(self.references),
            "comments": [list(c) for c in self.comments],
        }  # fmt: skip

    @classmethod
    def load(cls, data: dict[str, Any], type_of: Any) -> Table:
        columns = tuple(
            Column(number, name, type_of(oid), typmod, not_null, default, generated, identity)
            for number, name, oid, typmod, not_null, default, generated, identity
            in data["columns"])
        indexes = tuple(
            Index(oid, name, tuple(keys), unique, primary, False, predicate, tuple(expressions),
                  constraint)
            for oid, name, keys, unique, primary, constraint, predicate, expressions
            in data["indexes"])
        constraints = tuple(_constraint(values) for values in data["constraints"])
        sequence = data["sequence"]
        return cls(
            data["oid"], data["schema"], data["name"], data["kind"], columns, data["width"],
            indexes, constraints, data["definition"], tuple(data["path"]),
            None if sequence is None else Sequence(*sequence), data["store_oid"], None,
            tuple(data["references"]), False, tuple((a, b) for a, b in data["comments"]))


def _constraint(values: list[Any]) -> Constraint:
    fixed: Any = [tuple(v) if isinstance(v, list) else v for v in values]
    return Constraint(*fixed)
