"""Text to syntax tree: `parse(sql)` gives the statements of a text, `parse_expression` one
expression.

Reading order, each a class over the one before: lexer.pyx, tokens.pyx, operands.pyx,
expressions.pyx, queries.pyx, changes.pyx, then tables.py, alter.py, objects.py, definitions.py.
"""

from __future__ import annotations

from typing import Any

from query_planner.parser.definitions import Parser


def parse(sql: str) -> tuple[Any, ...]:
    """The statements of `sql`, in order; empty statements are left out."""
    return tuple(statement for statement, _, _ in Parser(sql).statements())


def parse_spans(sql: str) -> list[tuple[Any, int, int]]:
    """Like `parse`, each statement with the characters [start, end) it was read from."""
    return Parser(sql).statements()


def parse_expression(sql: str) -> Any:
    """One expression that is the whole of `sql`."""
    return Parser(sql).whole("expression")


def parse_type(sql: str) -> Any:
    """One type name that is the whole of `sql`, as a TypeName."""
    return Parser(sql).whole("type_name")
