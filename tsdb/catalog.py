"""Catalog: which databases, measurements and fields InfluxDB's writers have named.

A series only knows its metric's name, `measurement_field`; where the one ends and the other
begins is kept here, in the file `influx` (msgpack: {database: {measurement: [field, ...]}}).
It grows when a field is met for the first time, and is written then.

A metric that came in otherwise (scraped, by remote write) is a measurement with one field, `value`,
in the database that its label `db` names, or else in `prometheus`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgpack

from bedrock.world import DiskFull
from tsdb.line_protocol import LineParser, metric_name
from tsdb.matchers import Matcher
from tsdb.store import Store

FILE = "influx"
PLAIN_FIELD = "value"
PLAIN_DATABASE = "prometheus"  # of series without a label `db`


class Catalog:
    """The databases, and what is in them."""

    def __init__(self, store: Store):
        self.store = store
        self.disk = store.world.disk
        self.unsaved = False
        stored = msgpack.unpackb(self.disk.read(FILE)) if self.disk.exists(FILE) else {}
        self.databases: dict[str, dict[str, set[str]]] = {
            database or PLAIN_DATABASE: {name: set(fields) for name, fields in measurements.items()}
            for database, measurements in stored.items()
        }

    def add(self, database: str, named: Iterable[tuple[bytes, bytes]] = ()) -> None:
        """Note a database and (measurement, field) pairs."""
        known = self.databases.get(database)
        changed = known is None
        if known is None:
            known = self.databases[database] = {}
        for measurement, field in named:
            fields = known.setdefault(measurement.decode(), set())
            changed |= field.decode() not in fields
            fields.add(field.decode())
        if changed or self.unsaved:
            self._save()

    def write_lines(self, database: str, lines: bytes, unit_ns: int) -> LineParser:
        """Write line protocol into a database ("" = the plain one) and note what it names.

        See Store.write_lines.
        """
        plain = database in ("", PLAIN_DATABASE)
        parser = self.store.write_lines(lines, unit_ns, b"" if plain else database.encode())
        database = database or PLAIN_DATABASE
        if parser.named or database not in self.databases:
            self.add(database, parser.named)
            parser.named.clear()
        return parser

    def forget(self, database: str, measurement: str = "") -> None:
        """Drop a database, or one of its measurements."""
        if measurement:
            self.databases.get(database, {}).pop(measurement, None)
        else:
            self.databases.pop(database, None)
        self._save()

    def _save(self) -> None:
        content: dict[str, Any] = {
            database: {name: sorted(fields) for name, fields in measurements.items()}
            for database, measurements in self.databases.items()
        }
        try:
            self.disk.replace(FILE, msgpack.packb(content))
            self.unsaved = False
        except DiskFull:
            self.unsaved = True  # until there is room: the samples themselves are kept

    def names(self) -> list[str]:
        """All databases: those named by writers, and those that series carry."""
        labelled = self.store.label_values("db", [], -(2**62), 2**62)
        return sorted({*self.databases, *labelled} - {""})

    def knows(self, database: str) -> bool:
        """Whether there is such a database."""
        return database in self.databases or database in self.names()

    def measurements(self, database: str) -> dict[str, dict[str, str]]:
        """{measurement: {field: metric}} of a database."""
        found = {
            name: {field: metric_of(name, field) for field in sorted(fields)}
            for name, fields in self.databases.get(database, {}).items()
        }
        taken = {metric for fields in found.values() for metric in fields.values()}
        where = [[database_matcher(database)]]
        for metric in self.store.label_values("__name__", where, -(2**62), 2**62):
            if metric not in taken:
                found.setdefault(metric, {PLAIN_FIELD: metric})
        return dict(sorted(found.items()))


def database_matcher(database: str) -> Matcher:
    """The condition on `db` of the series in a database."""
    return Matcher("db", "=", "" if database == PLAIN_DATABASE else database)


def metric_of(measurement: str, field: str) -> str:
    """The metric that a field of a measurement is."""
    return metric_name(f"{measurement}_{field}".encode()).decode()
