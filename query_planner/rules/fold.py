"""Compute what is constant, and simplify what constants make trivial."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from query_planner import physical as ph
from query_planner.algebra import Plan, map_expressions, map_inputs, output
from query_planner.expr import (
    And,
    Call,
    Case,
    Cast,
    Coalesce,
    Column,
    Const,
    Expr,
    IsBool,
    IsNull,
    Not,
    Or,
    Param,
    Subquery,
    children,
    with_children,
)  # fmt: skip
from query_planner.rules import Context
from query_planner.types import BOOL, FLOAT8, INT2, INT4, INT8, NUMERIC

_RANGES = {INT2: 1 << 15, INT4: 1 << 31, INT8: 1 << 63}

# Operators whose meaning is the same for every pair of comparable constants.
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: a == b, "<>": lambda a, b: a != b, "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b, ">": lambda a, b: a > b, ">=": lambda a, b: a >= b,
}  # fmt: skip
_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b,
}  # fmt: skip
_NUMBERS = (INT2, INT4, INT8)
_COMPARABLE = (*_NUMBERS, NUMERIC, BOOL)


def fold_constants(plan: Plan, context: Context) -> Plan:
    """Constant expressions become their values; AND, OR, CASE lose branches that cannot matter."""
    map_expressions(plan, fold)
    map_inputs(plan, lambda child: fold_constants(child, context))
    if type(plan) is ph.Filter:
        return _filter(plan)
    return plan


def _filter(node: ph.Filter) -> Plan:
    kept: list[Expr] = []
    for e in node.condition:
        if type(e) is Const:
            if e.value is not True:
                return ph.Empty(output(node.child))
        elif type(e) is And:
            kept.extend(e.args)
        else:
            kept.append(e)
    if not kept:
        return node.child
    node.condition = kept  # type: ignore[assignment]
    return node


def fold(e: Expr) -> Expr:
    """The simplest expression this can see with the same value."""
    kind = type(e)
    if kind in (Const, Column, Param):
        return e
    if kind is Subquery:
        e.plan = fold_constants(e.plan, None)  # type: ignore[arg-type]
    old = children(e)
    new = tuple([fold(child) for child in old])
    for a, b in zip(old, new, strict=True):
        if a is not b:
            e = with_children(e, new)
            break
    handler = _HANDLERS.get(kind)
    return e if handler is None else handler(e)


def _call(e: Call) -> Expr:
    function = e.function
    args = e.args
    if function.strict and function.kind in "fo" and not function.returns_set \
            and function.volatility != "v":
        for arg in args:
            if type(arg) is Const and arg.value is None:
                return Const(value=None, type=e.type, typmod=e.typmod)
    if function.kind != "o" or len(args) != 2:
        if function.kind == "o" and function.name == "-" and type(args[0]) is Const \
                and e.type in _NUMBERS:
            return _fitting(-args[0].value, e)
        return e
    left, right = args
    if type(left) is not Const or type(right) is not Const:
        return e
    if left.type not in _COMPARABLE or right.type not in _COMPARABLE:
        return e
    compare = _COMPARE.get(function.name)
    if compare is not None and e.type is BOOL:
        return Const(value=compare(left.value, right.value), type=BOOL)
    arithmetic = _ARITHMETIC.get(function.name)
    if arithmetic is not None and e.type in _NUMBERS:
        return _fitting(arithmetic(left.value, right.value), e)
    return e


def _fitting(value: int, e: Expr) -> Expr:
    """value as a constant, or e itself where it overflows (an error that belongs to run time)."""
    limit = _RANGES[e.type]
    return Const(value=value, type=e.type) if -limit <= value < limit else e


def _cast(e: Cast) -> Expr:
    arg = e.arg
    if type(arg) is not Const:
        return e
    if arg.value is None and e.type.kind != "d":
        return Const(value=None, type=e.type, typmod=e.typmod)
    if e.typmod < 0 and arg.type in _NUMBERS:
        if e.type in _NUMBERS:
            return _fitting(arg.value, e)
        if e.type is FLOAT8:
            return Const(value=float(arg.value), type=FLOAT8)
        if e.type is NUMERIC:
            return Const(value=Decimal(arg.value), type=NUMERIC)
    return e


def _and(e: Expr) -> Expr:
    return _connective(e, And, False)


def _or(e: Expr) -> Expr:
    return _connective(e, Or, True)


def _connective(e: Any, kind: type, absorbing: bool) -> Expr:
    """AND without TRUEs and FALSE as soon as one is; OR the other way round."""
    kept: list[Expr] = []
    for arg in e.args:
        if type(arg) is Const:
            if arg.value is absorbing:
                return arg
            if arg.value is not None:
                continue
        elif type(arg) is kind:
            kept.extend(arg.args)  # type: ignore[attr-defined]
            continue
        kept.append(arg)
    if not kept:
        return Const(value=not absorbing, type=BOOL)
    if len(kept) == 1:
        return kept[0]
    return e if len(kept) == len(e.args) else kind(args=tuple(kept), type=BOOL)


def _not(e: Not) -> Expr:
    if type(e.arg) is Const:
        return Const(value=None if e.arg.value is None else not e.arg.value, type=BOOL)
    if type(e.arg) is Not:
        return e.arg.arg
    return e


def _is_null(e: IsNull) -> Expr:
    if type(e.arg) is Const:
        return Const(value=(e.arg.value is None) != e.negated, type=BOOL)
    return e


def _is_bool(e: IsBool) -> Expr:
    if type(e.arg) is Const:
        return Const(value=(e.arg.value is e.value) != e.negated, type=BOOL)
    return e


def _case(e: Case) -> Expr:
    whens = []
    default = e.default
    for condition, result in e.whens:
        if type(condition) is Const:
            if condition.value is not True:
                continue
            default = result
            break
        whens.append((condition, result))
    if not whens:
        return default if default is not None else Const(value=None, type=e.type, typmod=e.typmod)
    if len(whens) == len(e.whens):
        return e
    return Case(whens=tuple(whens), default=default, type=e.type, typmod=e.typmod)


def _coalesce(e: Coalesce) -> Expr:
    kept = []
    for arg in e.args:
        if type(arg) is Const and arg.value is None:
            continue
        kept.append(arg)
        if type(arg) is Const:
            break
    if not kept:
        return Const(value=None, type=e.type, typmod=e.typmod)
    if len(kept) == 1:
        return kept[0]
    return e if len(kept) == len(e.args) else Coalesce(args=tuple(kept), type=e.type,
                                                       typmod=e.typmod)


_HANDLERS: dict[type, Callable[[Any], Expr]] = {
    Call: _call, Cast: _cast, And: _and, Or: _or, Not: _not, IsNull: _is_null, IsBool: _is_bool,
    Case: _case, Coalesce: _coalesce,
}  # fmt: skip
