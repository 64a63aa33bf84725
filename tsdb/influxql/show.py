"""SHOW: databases, measurements, tags, fields, series, and the little that there is of the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tsdb.catalog import Catalog, database_matcher
from tsdb.influxql.ast import Call, InfluxError, Name, Pattern, Show, SyntaxTrouble, names
from tsdb.influxql.points import Row, Series
from tsdb.influxql.select import named
from tsdb.influxql.where import Bounds, holds
from tsdb.labels import Labels
from tsdb.matchers import Matcher


def show(statement: Show, catalog: Catalog, database: str, now_ms: int) -> list[Series]:
    """The answer to a SHOW."""
    handler = TABLE.get(statement.what)
    if handler is None:
        if statement.what in EMPTY:
            return [Series("", {}, EMPTY[statement.what], [])]
        raise SyntaxTrouble(
            f"error parsing query: found {statement.what.upper()}, expected "
            f"{', '.join([*TABLE, *EMPTY]).upper()}"
        )
    database = statement.database or database
    if statement.what not in ANYWHERE:
        if not database:
            raise InfluxError("database name required")
        if statement.what not in QUIET and not catalog.knows(database):
            raise InfluxError(f"database not found: {database}")
    answer = handler(Shown(statement, catalog, database, now_ms))
    for series in answer:
        end = statement.offset + statement.limit if statement.limit else None
        series.rows = series.rows[statement.offset : end]
    return [series for series in answer if series.rows or statement.what in ANYWHERE]


class Shown:
    """A SHOW at work in one database."""

    def __init__(self, statement: Show, catalog: Catalog, database: str, now_ms: int):
        self.statement = statement
        self.catalog = catalog
        self.database = database
        self.where = Bounds(statement.where, now_ms).rest

    def measurements(self) -> Iterator[tuple[str, dict[str, str]]]:
        """(name, {field: metric}) of those asked for that have series."""
        sources = self.statement.sources
        for name, fields in self.catalog.measurements(self.database).items():
            if not sources or any(named(source.name, name) for source in sources):
                yield name, fields

    def series(self, fields: dict[str, str]) -> Iterator[Labels]:
        """The series of a measurement that meet the conditions; a series for each field."""
        pattern = "|".join(fields.values())
        matchers = [Matcher("__name__", "=~", pattern), database_matcher(self.database)]
        for labels in self.catalog.store.series([matchers], -(2**62), 2**62):
            tags = labels.as_dict()
            if holds(self.where, tags, {}, 1).all():
                yield labels

    def tags(self, fields: dict[str, str]) -> dict[str, set[str]]:
        """{tag: values} of a measurement."""
        found: dict[str, set[str]] = {}
        for labels in self.series(fields):
            for name, value in labels.pairs:
                if name not in ("__name__", "db"):
                    found.setdefault(name, set()).add(value)
        return found

    def wanted(self, key: str) -> bool:
        """Whether WITH KEY asks for it."""
        keys, op = self.statement.keys, self.statement.keys_op
        match keys:
            case Call(args=listed):
                return key in [name for arg in listed for name in names(arg)]
            case Name() | Pattern():
                met = named(keys.name if isinstance(keys, Name) else keys, key)
                return met == (op in ("=", "=~"))
        return True


Handler = Callable[[Shown], list[Series]]


def _databases(shown: Shown) -> list[Series]:
    return [Series("databases", {}, ["name"], [[name] for name in shown.catalog.names()])]


def _measurements(shown: Shown) -> list[Series]:
    rows: list[Row] = [
        [name]
        for name, fields in shown.measurements()
        if shown.wanted(name) and next(shown.series(fields), None) is not None
    ]
    return [Series("measurements", {}, ["name"], rows)]


def _field_keys(shown: Shown) -> list[Series]:
    return [
        Series(name, {}, ["fieldKey", "fieldType"], [[field, "float"] for field in fields])
        for name, fields in shown.measurements()
    ]


def _tag_keys(shown: Shown) -> list[Series]:
    return [
        Series(name, {}, ["tagKey"], [[t] for t in sorted(shown.tags(fields)) if shown.wanted(t)])
        for name, fields in shown.measurements()
    ]


def _tag_values(shown: Shown) -> list[Series]:
    if shown.statement.keys is None:
        raise InfluxError("SHOW TAG VALUES requires WITH KEY")
    answer = []
    for name, fields in shown.measurements():
        tags = shown.tags(fields)
        rows: list[Row] = [
            [tag, value] for tag in sorted(tags) if shown.wanted(tag) for value in sorted(tags[tag])
        ]
        answer.append(Series(name, {}, ["key", "value"], rows))
    return answer


def _series(shown: Shown) -> list[Series]:
    keys = set()
    for name, fields in shown.measurements():
        for labels in shown.series(fields):
            tags = [f"{t}={v}" for t, v in labels.pairs if t not in ("__name__", "db")]
            keys.add(",".join([name.replace(" ", "\\ ").replace(",", "\\,"), *tags]))
    return [Series("", {}, ["key"], [[key] for key in sorted(keys)])]


def _series_counts(shown: Shown) -> list[Series]:
    answer = []
    for name, fields in shown.measurements():
        found = {labels.drop({"__name__"}) for labels in shown.series(fields)}
        answer.append(Series(name, {}, ["count"], [[len(found)]] if found else []))
    return answer


def _measurement_count(shown: Shown) -> list[Series]:
    (listed,) = _measurements(shown)
    return [Series("", {}, ["count"], [[len(listed.rows)]])]


def _continuous_queries(shown: Shown) -> list[Series]:
    return [Series(name, {}, ["name", "query"], []) for name in shown.catalog.names()]


def _policies(shown: Shown) -> list[Series]:
    columns = ["name", "duration", "shardGroupDuration", "replicaN", "default"]
    return [Series("", {}, columns, [["autogen", "0s", "168h0m0s", 1, True]])]


def _estimate(listed: Handler) -> Handler:
    """How many rows a SHOW has in all."""

    def count(shown: Shown) -> list[Series]:
        rows = sum(len(part.rows) for part in listed(shown))
        return [Series("", {}, ["cardinality estimation"], [[rows]])]

    return count


def _counts(listed: Handler) -> Handler:
    """How many rows a SHOW has of each measurement."""
    return lambda shown: [
        Series(part.name, {}, ["count"], [[len(part.rows)]]) for part in listed(shown)
    ]


TABLE: dict[str, Handler] = {
    "continuous queries": _continuous_queries,
    "databases": _databases,
    "field key cardinality": _counts(_field_keys),
    "field key exact cardinality": _counts(_field_keys),
    "field keys": _field_keys,
    "measurement cardinality": _estimate(_measurements),
    "measurement exact cardinality": _measurement_count,
    "measurements": _measurements,
    "retention policies": _policies,
    "series": _series,
    "series cardinality": _estimate(_series),
    "series exact cardinality": _series_counts,
    "tag key cardinality": _counts(_tag_keys),
    "tag key exact cardinality": _counts(_tag_keys),
    "tag keys": _tag_keys,
    "tag values": _tag_values,
    "tag values cardinality": _counts(_tag_values),
    "tag values exact cardinality": _counts(_tag_values),
}
ANYWHERE = ("continuous queries", "databases")  # these are shown without rows as well
QUIET = TABLE.keys() - {*ANYWHERE, "retention policies"}
EMPTY = {
    "queries": ["qid", "query", "database", "duration", "status"],
    "subscriptions": ["retention_policy", "name", "mode", "destinations"],
    "users": ["user", "admin"],
}
