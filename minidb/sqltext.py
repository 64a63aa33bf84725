"""Expressions back to SQL text: how DEFAULT, CHECK and index expressions are kept.

Every operator is put in parentheses, as PostgreSQL's pg_get_expr does, so precedence never matters.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from minidb.execution.kernels.strings import quote_identifier
from minidb.sqlstate import not_supported
from query_planner import ast


def sql_text(node: Any) -> str:
    """The SQL of an expression's syntax tree."""
    write = _WRITERS.get(type(node))
    if write is None:
        raise not_supported(f"{type(node).__name__} in a stored expression")
    return write(node)


def _list(nodes: Any) -> str:
    return ", ".join(sql_text(node) for node in nodes)


def _name(parts: tuple[str, ...]) -> str:
    return ".".join(quote_identifier(part) for part in parts)


def _string(text: str) -> str:
    quoted = "'" + text.replace("'", "''") + "'"
    return "E" + quoted.replace("\\", "\\\\") if "\\" in text else quoted


def _literal(node: ast.Literal) -> str:
    if node.kind == "string":
        return _string(node.value)
    if node.kind == "bit":
        return f"B'{node.value}'"
    if node.kind == "boolean":
        return "true" if node.value else "false"
    return "NULL" if node.kind == "null" else str(node.value)


def type_text(node: ast.TypeName) -> str:
    """A type as written."""
    text = _name(node.name)
    if node.fields:
        text += f" {node.fields}"
    if node.typmods:
        text += f"({_list(node.typmods)})"
    return text + "[]" * node.dims


def _call(node: ast.FuncCall) -> str:
    if node.over is not None or node.within_group or node.filter is not None:
        raise not_supported("window and aggregate calls in a stored expression")
    return f"{_name(node.name)}({'*' if node.star else _list(node.args)})"


def _case(node: ast.Case) -> str:
    head = "CASE" if node.arg is None else f"CASE {sql_text(node.arg)}"
    whens = "".join(f" WHEN {sql_text(a)} THEN {sql_text(b)}" for a, b in node.whens)
    tail = "" if node.default is None else f" ELSE {sql_text(node.default)}"
    return f"{head}{whens}{tail} END"


def _not(negated: bool) -> str:
    return " NOT" if negated else ""


def _like(node: ast.Like) -> str:
    word = {"like": "LIKE", "ilike": "ILIKE", "similar": "SIMILAR TO"}[node.kind]
    escape = "" if node.escape is None else f" ESCAPE {sql_text(node.escape)}"
    return f"({sql_text(node.arg)}{_not(node.negated)} {word} {sql_text(node.pattern)}{escape})"


def _subscript(node: ast.Subscript) -> str:
    parts = []
    for index in node.indices:
        if isinstance(index, ast.Slice):
            low = "" if index.low is None else sql_text(index.low)
            high = "" if index.high is None else sql_text(index.high)
            parts.append(f"[{low}:{high}]")
        else:
            parts.append(f"[{sql_text(index)}]")
    return f"({sql_text(node.arg)}){''.join(parts)}"


def _value_function(node: ast.ValueFunction) -> str:
    name = node.name.upper()
    return name if node.precision is None else f"{name}({node.precision})"


def _unary(node: ast.Unary) -> str:
    if node.op == "-" and isinstance(node.arg, ast.Literal) and node.arg.kind != "string":
        return f"(-{sql_text(node.arg)})"
    return f"({node.op} {sql_text(node.arg)})"


_WRITERS: dict[type, Callable[[Any], str]] = {
    ast.Literal: _literal,
    ast.ColumnRef: lambda n: _name(n.parts),
    ast.Unary: _unary,
    ast.Binary: lambda n: f"({sql_text(n.left)} {n.op} {sql_text(n.right)})",
    ast.BoolOp: lambda n: "(" + f" {n.op.upper()} ".join(sql_text(a) for a in n.args) + ")",
    ast.Not: lambda n: f"(NOT {sql_text(n.arg)})",
    ast.Is: lambda n: f"({sql_text(n.arg)} IS{_not(n.negated)} {n.test.upper()})",
    ast.IsDistinct: lambda n:
        f"({sql_text(n.left)} IS{_not(n.negated)} DISTINCT FROM {sql_text(n.right)})",
    ast.Between: lambda n:
        f"({sql_text(n.arg)}{_not(n.negated)} BETWEEN {sql_text(n.low)} AND {sql_text(n.high)})",
    ast.InList: lambda n: f"({sql_text(n.arg)}{_not(n.negated)} IN ({_list(n.items)}))",
    ast.Like: _like,
    ast.Quantified: lambda n:
        f"({sql_text(n.left)} {n.op} {n.kind.upper()} ({sql_text(n.right)}))",
    ast.FuncCall: _call,
    ast.ValueFunction: _value_function,
    ast.Case: _case,
    ast.Cast: lambda n: f"({sql_text(n.arg)})::{type_text(n.type)}"
        if not isinstance(n.arg, ast.Literal) else f"{sql_text(n.arg)}::{type_text(n.type)}",
    ast.Collate: lambda n: f"({sql_text(n.arg)} COLLATE {_name(n.name)})",
    ast.Row: lambda n: f"ROW({_list(n.items)})",
    ast.Array: lambda n: f"ARRAY[{_list(n.items)}]",
    ast.Subscript: _subscript,
    ast.FieldSelect: lambda n: f"({sql_text(n.arg)}).{quote_identifier(n.name)}",
}
