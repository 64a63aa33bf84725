"""Expressions kept as SQL text (DEFAULT, CHECK, index keys), bound and compiled when needed."""

from __future__ import annotations

import re
from typing import Any

from minidb.execution.expression import compile_expr
from minidb.execution.vector import Batch
from query_planner import explain, parse_expression
from query_planner.ast import Literal
from query_planner.binder import bind_expression
from query_planner.expr import Expr
from query_planner.types import Type, title


def bind(source: Any, view: Any, relation: Any = None, type_: Type | None = None,
         typmod: int = -1) -> Expr:
    """Text or syntax as an expression over `relation`'s columns (their ids are attribute numbers),
    converted to `type_` as for an assignment if that is given."""
    return bind_expression(source, view, relation, None if type_ is None else (type_, typmod))


def shown(text: str, view: Any, relation: Any) -> str:
    """A condition as pg_get_expr gives it: with the conversions that binding put in."""
    return _NUMBER.sub(r"\1::", explain.render(bind(text, view, relation)))


def pretty(text: str) -> str:
    """Without the parentheses that psql's \\d asks to be spared."""
    return _NAME.sub(r"\1::", text)


def shown_default(text: str, type_: Type) -> str:
    """A DEFAULT as pg_get_expr gives it: a string literal with its type, the rest as written."""
    node = parse_expression(text)
    if isinstance(node, Literal) and node.kind == "string":
        return f"{text}::{title(type_)}"
    return text


_NUMBER = re.compile(r"'([\d.]+)'::(?=double precision|real)")
_NAME = re.compile(r"\((\w+)\)::")


def compiled(source: Any, view: Any, relation: Any = None, type_: Type | None = None,
             typmod: int = -1) -> Any:
    """The same as a function from batch to vector."""
    return compile_expr(bind(source, view, relation, type_, typmod))


def value(source: Any, view: Any, context: Any, type_: Type, typmod: int = -1) -> Any:
    """The value of an expression without columns."""
    return compiled(source, view, None, type_, typmod)(Batch(1, {}), context).value()
