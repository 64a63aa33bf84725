"""A directory of CSV files as a catalog: what `query-planner explain --db DIR` plans against.

Each `name.csv` (first line: column names) is a table.  Types come from `schema.sql` in the
directory
(its CREATE TABLE and CREATE INDEX statements) or else from the values: integer, bigint, numeric,
double precision, boolean, date, timestamp, text.  Every column is analyzed over an
even sample of its rows.  Names are folded to lower case, as SQL does.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from query_planner import literals
from query_planner.ast import statements as st
from query_planner.binder import resolve_type
from query_planner.catalog import Column, Index, Relation, TableStats
from query_planner.errors import SqlError
from query_planner.parser import parse
from query_planner.stats import analyze
from query_planner.types import (
    BOOL,
    DATE,
    FLOAT8,
    INT4,
    INT8,
    NUMERIC,
    TEXT,
    TIMESTAMP,
    Type,
)  # fmt: skip

_GUESSES = (INT4, INT8, NUMERIC, FLOAT8, DATE, TIMESTAMP)
_SAMPLE = 10_000
_FIRST_OID = 16384
_PAGE = 8192


class CsvCatalog:
    """The tables of one directory (schema "public")."""

    def __init__(self, directory: Path) -> None:
        self.tables: dict[str, Relation] = {}
        self.sizes: dict[int, TableStats] = {}
        self.oids = iter(range(_FIRST_OID, 1 << 31))
        schema = directory / "schema.sql"
        written = parse(schema.read_text(encoding="utf-8")) if schema.exists() else ()
        for statement in written:
            if isinstance(statement, st.CreateTable):
                self.create_table(statement)
        for statement in written:
            if isinstance(statement, st.CreateIndex):
                self.create_index(statement)
        for path in sorted(directory.glob("*.csv")):
            self.load(path)

    # -- definitions

    def create_table(self, node: st.CreateTable) -> None:
        """A table as schema.sql defines it."""
        columns: list[Column] = []
        indexes: list[Index] = []
        constraints = [e for e in node.elements if isinstance(e, st.Constraint)]
        for element in node.elements:
            if isinstance(element, st.ColumnDef):
                type_, typmod = resolve_type(element.type, self)  # type: ignore[arg-type]
                constraints.extend(element.constraints)
                fixed = any(c.kind in ("not null", "primary key") for c in element.constraints)
                columns.append(Column(len(columns) + 1, element.name, type_, typmod, fixed))
        numbers = {column.name: column.number for column in columns}
        for constraint in constraints:
            if constraint.kind in ("primary key", "unique"):
                primary = constraint.kind == "primary key"
                suffix = "pkey" if primary else "_".join((*constraint.columns, "key"))
                indexes.append(Index(
                    next(self.oids), constraint.name or f"{node.name[-1]}_{suffix}",
                    tuple([numbers[name] for name in constraint.columns]), True, primary))
        self.tables[node.name[-1]] = Relation(
            next(self.oids), "public", node.name[-1], tuple(columns), indexes=tuple(indexes))

    def create_index(self, node: st.CreateIndex) -> None:
        """An index of schema.sql; those over expressions or with conditions are left out."""
        table = self.tables.get(node.table[-1])
        if table is None or node.where is not None or any(k.column is None for k in node.keys):
            return
        numbers = {column.name: column.number for column in table.columns}
        names = [key.column or "" for key in node.keys]
        index = Index(next(self.oids), node.name or f"{table.name}_{'_'.join(names)}_idx",
                      tuple([numbers[name] for name in names]), node.unique)
        self.tables[table.name] = Relation(table.oid, "public", table.name, table.columns,
                                           indexes=(*table.indexes, index))

    # -- data

    def load(self, path: Path) -> None:
        """Sample and analyze one file."""
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.reader(file)
            header = [name.lower() for name in next(reader, [])]
            sample, total = _sample(reader)
        stem = path.stem.lower()
        table = self.tables.get(stem)
        texts = list(zip(*sample, strict=False)) if sample else [() for _ in header]
        if table is None:
            columns = tuple([Column(i + 1, name, _guess(cells))
                             for i, (name, cells) in enumerate(zip(header, texts, strict=True))])
            table = Relation(next(self.oids), "public", stem, columns)
            self.tables[stem] = table
        stats = TableStats(float(total), max(1.0, path.stat().st_size / _PAGE))
        places = {name: place for place, name in enumerate(header)}
        for column in table.columns:
            if column.name in places and places[column.name] < len(texts):
                values = [_value(cell, column.type) for cell in texts[places[column.name]]]
                stats.columns[column.number] = analyze(values, column.type, float(total))
        self.sizes[table.oid] = stats

    # -- the Catalog protocol

    def relation(self, schema: str | None, name: str) -> Relation | None:
        """A table by name."""
        return self.tables.get(name) if schema in (None, "public") else None

    def has_schema(self, name: str) -> bool:
        """Only public exists."""
        return name == "public"

    def type(self, schema: str | None, name: str) -> Type | None:
        """No types of its own."""
        return None

    def functions(self, schema: str | None, name: str) -> Sequence[Any]:
        """No functions of its own."""
        return ()

    def statistics(self, relation: Relation) -> TableStats | None:
        """What `load` computed."""
        return self.sizes.get(relation.oid)

    def literal(self, text: str, type_: Type, typmod: int) -> Any:
        """Everyday types only."""
        return literals.parse(text, type_, typmod)


def _sample(rows: Iterator[list[str]]) -> tuple[list[list[str]], int]:
    """Every k-th row, k doubling so that at most 2 _SAMPLE rows are kept; and how many there
    were."""
    kept: list[list[str]] = []
    step = 1
    total = 0
    for row in rows:
        if total % step == 0:
            kept.append(row)
            if len(kept) >= 2 * _SAMPLE:
                kept = kept[::2]
                step *= 2
        total += 1
    return kept, total


def _value(cell: str, type_: Type) -> Any:
    """The value of a cell; an empty one is NULL, as is one that does not parse."""
    if cell == "":
        return None
    try:
        return literals.parse(cell, type_)
    except SqlError:
        return None


def _guess(cells: Sequence[str]) -> Type:
    """The narrowest type that every cell that is not empty parses as."""
    some = [cell for cell in cells if cell != ""]
    if not some:
        return TEXT
    if {cell.lower() for cell in some} <= {"t", "f", "true", "false"}:
        return BOOL
    for type_ in _GUESSES:
        try:
            for cell in some:
                literals.parse(cell, type_)
        except SqlError:
            continue
        return type_
    return TEXT
