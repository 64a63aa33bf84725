"""Typed expressions as SQL text, the way EXPLAIN shows conditions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from query_planner import literals
from query_planner.expr import (
    Aggregate,
    And,
    AnyArray,
    Array,
    Call,
    Case,
    Cast,
    Coalesce,
    Column,
    Const,
    Expr,
    Field,
    Grouping,
    InList,
    IsBool,
    IsDistinct,
    IsNull,
    MinMax,
    Not,
    Or,
    Param,
    Row,
    Subquery,
    Subscript,
    WindowCall,
)  # fmt: skip
from query_planner.types import BOOL, FLOAT8, INT4, NUMERIC, UNKNOWN, title

Names = Callable[[Column], str]


def plain_name(column: Column) -> str:
    """A column by its bare name."""
    return column.name


def render(e: Expr, names: Names = plain_name) -> str:
    """The text of an expression; `names` says how a column is called."""
    handler = _HANDLERS.get(type(e))
    return f"<{type(e).__name__}>" if handler is None else handler(e, names)


def constant(e: Const) -> str:
    """The text of a constant, with its type where the text alone would not tell."""
    value = e.value
    if value is None:
        return "NULL" if e.type is UNKNOWN else f"NULL::{title(e.type, e.typmod)}"
    if e.type is BOOL:
        return "true" if value else "false"
    text = literals.text(value, e.type)
    if e.type in (INT4, NUMERIC):
        return text if not text.startswith("-") else f"'{text}'::{title(e.type)}"
    if e.type is FLOAT8:
        return f"'{text}'::double precision"
    quoted = "'" + text.replace("'", "''") + "'"
    return quoted if e.type is UNKNOWN else f"{quoted}::{title(e.type, e.typmod)}"


def _all(parts: Any, names: Names) -> str:
    return ", ".join([render(part, names) for part in parts])


def _call(e: Call, names: Names) -> str:
    function = e.function
    if function.kind == "o":
        if len(e.args) == 1:
            return f"({function.name} {render(e.args[0], names)})"
        return f"({render(e.args[0], names)} {function.name} {render(e.args[1], names)})"
    if function.name == "extract" and type(e.args[0]) is Const:
        return f"EXTRACT({e.args[0].value} FROM {render(e.args[1], names)})"
    return f"{function.name}({_all(e.args, names)})"


def _cast(e: Cast, names: Names) -> str:
    return f"({render(e.arg, names)})::{title(e.type, e.typmod)}"


def _case(e: Case, names: Names) -> str:
    whens = " ".join([f"WHEN {render(c, names)} THEN {render(r, names)}" for c, r in e.whens])
    tail = "" if e.default is None else f" ELSE {render(e.default, names)}"
    return f"CASE {whens}{tail} END"


def _is_null(e: IsNull, names: Names) -> str:
    return f"({render(e.arg, names)} IS {'NOT ' if e.negated else ''}NULL)"


def _is_bool(e: IsBool, names: Names) -> str:
    word = {True: "TRUE", False: "FALSE", None: "UNKNOWN"}[e.value]
    return f"({render(e.arg, names)} IS {'NOT ' if e.negated else ''}{word})"


def _is_distinct(e: IsDistinct, names: Names) -> str:
    return (f"({render(e.left, names)} IS {'NOT ' if e.negated else ''}DISTINCT FROM "
            f"{render(e.right, names)})")


def _in_list(e: InList, names: Names) -> str:
    op, kind = ("<>", "ALL") if e.negated else ("=", "ANY")
    return f"({render(e.arg, names)} {op} {kind} (ARRAY[{_all(e.items, names)}]))"


def _any_array(e: AnyArray, names: Names) -> str:
    return (f"({render(e.left, names)} {e.function.name} {e.kind.upper()} "
            f"({render(e.array, names)}))")


def _subscript(e: Subscript, names: Names) -> str:
    parts = ["" if i is None else render(i, names) for i in e.indices]
    if e.slice:
        parts = [f"{low}:{high}" for low, high in zip(parts[::2], parts[1::2], strict=True)]
    return render(e.arg, names) + "".join([f"[{part}]" for part in parts])


def _subquery(e: Subquery, names: Names) -> str:
    number = getattr(e.plan, "id", 0)
    label = f"SubPlan {number}" if e.params else f"InitPlan {number}"
    if e.kind == "scalar":
        return f"({label})"
    if e.kind == "array":
        return f"ARRAY({label})"
    not_ = "NOT " if e.negated else ""
    if e.kind == "exists":
        return f"({not_}EXISTS({label}))"
    op = e.functions[0].name if e.functions else "="
    return f"({not_}{_all(e.left, names)} {op} {e.kind.upper()} ({label}))"


def _aggregate(e: Aggregate, names: Names) -> str:
    inner = "*" if not e.args and e.function.name == "count" else _all(e.args, names)
    if e.function.kind == "s":
        return (f"{e.function.name}({_all(e.direct, names)}) WITHIN GROUP (ORDER BY "
                f"{sort_keys(e.order_by, names)})")
    if e.distinct:
        inner = "DISTINCT " + inner
    if e.order_by:
        inner += f" ORDER BY {sort_keys(e.order_by, names)}"
    tail = "" if e.filter is None else f" FILTER (WHERE {render(e.filter, names)})"
    return f"{e.function.name}({inner}){tail}"


def _window(e: WindowCall, names: Names) -> str:
    inner = "*" if not e.args and e.function.name == "count" else _all(e.args, names)
    return f"{e.function.name}({inner}) OVER (?)"


def sort_keys(keys: Any, names: Names = plain_name) -> str:
    """ORDER BY keys as text."""
    shown = []
    for key in keys:
        text = render(key.expr, names)
        if key.descending:
            text += " DESC"
        if key.nulls_first != key.descending:
            text += " NULLS FIRST" if key.nulls_first else " NULLS LAST"
        shown.append(text)
    return ", ".join(shown)


_HANDLERS: dict[type, Callable[[Any, Names], str]] = {
    Const: lambda e, names: constant(e),
    Column: lambda e, names: names(e),
    Param: lambda e, names: f"${e.number}",
    Call: _call,
    Cast: _cast,
    And: lambda e, names: "(" + " AND ".join([render(a, names) for a in e.args]) + ")",
    Or: lambda e, names: "(" + " OR ".join([render(a, names) for a in e.args]) + ")",
    Not: lambda e, names: f"(NOT {render(e.arg, names)})",
    IsNull: _is_null,
    IsBool: _is_bool,
    IsDistinct: _is_distinct,
    Case: _case,
    Coalesce: lambda e, names: f"COALESCE({_all(e.args, names)})",
    MinMax: lambda e, names: f"{e.kind.upper()}({_all(e.args, names)})",
    InList: _in_list,
    AnyArray: _any_array,
    Array: lambda e, names: f"ARRAY[{_all(e.items, names)}]",
    Row: lambda e, names: f"ROW({_all(e.items, names)})",
    Subscript: _subscript,
    Field: lambda e, names: f"({render(e.arg, names)}).{e.name}",
    Subquery: _subquery,
    Aggregate: _aggregate,
    Grouping: lambda e, names: f"GROUPING({', '.join(map(str, e.keys))})",
    WindowCall: _window,
}
