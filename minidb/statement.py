"""A statement of a text, parsed, and later bound and planned.

A query has a `root` (its operators); anything else a `utility`, the generator that carries it out.
"""

from __future__ import annotations

from typing import Any

from minidb.input import read_binary
from minidb.sqlstate import DatabaseError
from query_planner.ast import Delete, Insert, Query, Update
from query_planner.ast import statements as s
from query_planner.types import TEXT, Type

_ENDING = ("commit", "rollback", "rollback to", "prepare", "commit prepared", "rollback prepared")


class Statement:
    """sql        the statement's own text
    node       its syntax tree
    kind       "select", "insert", "update", "delete"; "" for a utility statement
    fields     (name, Type, typmod, relation, attribute) of its result's columns, or None
    parameters types of $1, $2, ...
    version    of the catalog it was planned against
    """

    __slots__ = (
        "asked", "copies", "ends_transaction", "fields", "kind", "node", "parameters", "plans",
        "point", "prepared", "root", "sql", "utility", "version",
    )  # fmt: skip

    def __init__(self, sql: str, node: Any) -> None:
        self.sql = sql
        self.node = node
        self.kind = ""
        self.fields: Any = None
        self.parameters: tuple[Type, ...] = ()
        self.asked: tuple = ()
        self.version = -1
        self.root: Any = None
        self.point: Any = None
        self.prepared: Any = None
        self.utility: Any = None
        self.plans: dict[Any, Statement] = {}
        self.ends_transaction = isinstance(node, s.Transaction) and node.verb in _ENDING
        self.copies = isinstance(node, s.Copy)

    def rebuilt(self) -> Statement:
        """The same planned query with operators of its own."""
        from minidb.execution.operators import build_root

        other = Statement(self.sql, self.node)
        for name in ("kind", "fields", "parameters", "version", "prepared"):
            setattr(other, name, getattr(self, name))
        other.root = build_root(self.prepared.root)
        return other

    @classmethod
    def empty(cls) -> Statement:
        return cls("", None)

    @property
    def is_empty(self) -> bool:
        return self.node is None

    @property
    def is_query(self) -> bool:
        return isinstance(self.node, (Query, Insert, Update, Delete))


def read_parameters(connection: Any, types: tuple[Type, ...], formats: list[int],
                    values: list[bytes | None]) -> tuple:
    """The values of a Bind message."""
    if len(formats) > 1 and len(formats) != len(values):
        raise DatabaseError(
            "08P01", f"bind message has {len(formats)} parameter formats but "
            f"{len(values)} parameters")
    out: list[Any] = []
    for i, (type_, value) in enumerate(zip(types, values, strict=True)):
        form = formats[i] if len(formats) > 1 else formats[0] if formats else 0
        if value is None:
            out.append(None)
        elif form == 1:
            out.append(read_binary(value, type_))
        else:
            out.append(read_text(connection, value, type_))
    return tuple(out)


def read_text(connection: Any, value: bytes, type_: Type) -> Any:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        raise DatabaseError("22021", 'invalid byte sequence for encoding "UTF8"') from None
    if type_ is TEXT:
        return text
    # What nearly every client sends; everything odd takes the long way.
    if type_.name in ("int4", "int8") and len(text) < 10 and text.isascii() and \
            text.removeprefix("-").isdigit():
        return int(text)
    return connection.catalog.literal(text, type_, -1)
