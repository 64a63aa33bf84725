"""Writing a syntax tree as text: on one line, or over several where a line would be too long."""

from __future__ import annotations

import json

from tsdb.promql import ast
from tsdb.promql.functions import AGGREGATIONS
from tsdb.promql.numbers import format_general

LINE_MAX = 100
CHAIN_MAX = 50  # operators in a row that are given lines of their own
UNITS = (
    ("y", 31_536_000_000), ("w", 604_800_000), ("d", 86_400_000), ("h", 3_600_000),
    ("m", 60_000), ("s", 1000), ("ms", 1),
)  # fmt: skip
WHOLE_ONLY = ("y", "w")  # units that are used only if nothing is left over


def duration(ms: int) -> str:
    """`1h30m`, as Prometheus writes it."""
    if ms == 0:
        return "0s"
    text = ""
    for unit, size in UNITS:
        if ms >= size and (unit not in WHOLE_ONLY or ms % size == 0):
            text += f"{ms // size}{unit}"
            ms %= size
    return text


def text_of(expr: ast.Expr) -> str:
    """The expression on one line."""
    match expr:
        case ast.Number():
            return format_general(expr.value)
        case ast.String():
            return json.dumps(expr.value, ensure_ascii=False)
        case ast.Paren():
            return f"({text_of(expr.expr)})"
        case ast.Unary():
            return expr.op + text_of(expr.expr)
        case ast.Binary():
            first, operators = expr.chain()
            rest = [f" {_operator(each)} {text_of(each.right)}" for each in operators]
            return text_of(first) + "".join(rest)
        case ast.Selector():
            return _selector(expr) + _moment(expr)
        case ast.Range():
            return f"{_selector(expr.selector)}[{duration(expr.range_ms)}]{_moment(expr)}"
        case ast.Subquery():
            return text_of(expr.expr) + _window(expr)
        case ast.Aggregate():
            inner = [text_of(e) for e in (expr.param, expr.expr) if e is not None]
            return f"{_head(expr)}({', '.join(inner)})"
        case ast.Call():
            return f"{expr.function.name}({', '.join(map(text_of, expr.args))})"
    raise AssertionError(expr)


def pretty(expr: ast.Expr, level: int = 0) -> str:
    """The expression over as many lines as it needs."""
    indent = "  " * level
    line = text_of(expr)
    if isinstance(expr, ast.Unary):
        return f"{indent}{expr.op}{pretty(expr.expr, level).strip()}"
    if isinstance(expr, ast.Subquery) and len(line) > LINE_MAX:
        return pretty(expr.expr, level) + _window(expr)
    if len(line) <= LINE_MAX or isinstance(expr, ast.Selector | ast.Range | ast.String):
        return line if isinstance(expr, ast.Subquery) else indent + line
    match expr:
        case ast.Binary() if len(expr.chain()[1]) > CHAIN_MAX:
            return indent + line
        case ast.Binary():
            sides = pretty(expr.left, level + 1), pretty(expr.right, level + 1)
            return f"{sides[0]}\n{indent}{_operator(expr)}\n{sides[1]}"
        case ast.Paren():
            return f"{indent}(\n{pretty(expr.expr, level + 1)}\n{indent})"
        case ast.Aggregate():
            inner = [pretty(e, level + 1) for e in (expr.param, expr.expr) if e is not None]
            return f"{indent}{_head(expr)}(\n" + ",\n".join(inner) + f"\n{indent})"
        case ast.Call():
            args = ",\n".join(pretty(arg, level + 1) for arg in expr.args)
            return f"{indent}{expr.function.name}(\n{args}\n{indent})"
    return indent + line


def _operator(expr: ast.Binary) -> str:
    matching = expr.matching
    text = expr.op + (" bool" if expr.as_bool else "")
    if matching.labels or matching.on:
        text += f" {'on' if matching.on else 'ignoring'} ({', '.join(matching.labels)})"
        if matching.many:
            text += f" group_{matching.many} ({', '.join(matching.extra)})"
    return text


def _head(expr: ast.Aggregate) -> str:
    assert expr.op in AGGREGATIONS
    if expr.without:
        return f"{expr.op} without ({', '.join(expr.grouping)}) "
    return f"{expr.op} by ({', '.join(expr.grouping)}) " if expr.grouping else expr.op


def _selector(expr: ast.Selector) -> str:
    name = next((m.value for m in expr.matchers if m.name == "__name__" and m.op == "="), "")
    conditions = sorted(
        str(m) for m in expr.matchers if not (m.name == "__name__" and m.op == "=")
    )
    return f"{name}{{{','.join(conditions)}}}" if conditions else name


def _moment(expr: ast.Timed) -> str:
    text = ""
    if expr.at is not None:
        text = f" @ {expr.at}()" if isinstance(expr.at, str) else f" @ {expr.at / 1000:.3f}"
    if expr.offset_ms:
        sign = "-" if expr.offset_ms < 0 else ""
        text += f" offset {sign}{duration(abs(expr.offset_ms))}"
    return text


def _window(expr: ast.Subquery) -> str:
    step = duration(expr.step_ms) if expr.step_ms else ""
    return f"[{duration(expr.range_ms)}:{step}]{_moment(expr)}"
