"""Syntax trees of expressions and queries back to SQL text.

`parse(sql_text(node))` gives an equal tree.  Operators are parenthesised throughout, so the text
does
not depend on precedence; names are quoted where they must be.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from query_planner.ast import nodes as n
from query_planner.parser.keywords import KEYWORDS, NEEDS_AS

_PLAIN = re.compile(r"[a-z_][a-z0-9_$]*\Z")
_LIKES = {"like": "LIKE", "ilike": "ILIKE", "similar": "SIMILAR TO"}
# Functions that are written as words, so their names must not be quoted in a call.
_SPELLED = frozenset("coalesce greatest least nullif grouping left right normalize".split())


def sql_text(node: Any) -> str:
    """The SQL of a node."""
    return _PRINTERS[type(node)](node)


def identifier(name: str) -> str:
    """A name, quoted where it would not read back as itself."""
    if _PLAIN.match(name) and name not in KEYWORDS and name not in NEEDS_AS:
        return name
    return '"' + name.replace('"', '""') + '"'


def string(text: str) -> str:
    """A string literal."""
    if "\\" in text:
        return "E'" + text.replace("\\", "\\\\").replace("'", "''") + "'"
    return "'" + text.replace("'", "''") + "'"


def _path(parts: Iterable[str]) -> str:
    return ".".join([identifier(part) for part in parts])


def _list(nodes: Iterable[Any]) -> str:
    return ", ".join([sql_text(node) for node in nodes])


def _operand(node: Any) -> str:
    """An operand: safe to stand beside any operator."""
    text = sql_text(node)
    if type(node) in _ATOMS and not (type(node) is n.Literal and text.startswith("-")):
        return text
    return f"({text})"


def _literal(e: n.Literal) -> str:
    if e.kind == "null":
        return "NULL"
    if e.kind == "boolean":
        return "true" if e.value else "false"
    if e.kind == "string":
        return string(e.value)
    if e.kind == "bit":
        return f"B'{e.value}'"
    return str(e.value)


def _not(flag: bool) -> str:
    return "NOT " if flag else ""


def _between(e: n.Between) -> str:
    symmetric = "SYMMETRIC " if e.symmetric else ""
    return (f"{_operand(e.arg)} {_not(e.negated)}BETWEEN {symmetric}{_operand(e.low)} AND "
            f"{_operand(e.high)}")


def _like(e: n.Like) -> str:
    tail = "" if e.escape is None else f" ESCAPE {_operand(e.escape)}"
    return f"{_operand(e.arg)} {_not(e.negated)}{_LIKES[e.kind]} {_operand(e.pattern)}{tail}"


def _quantified(e: n.Quantified) -> str:
    return f"{_operand(e.left)} {e.op} {e.kind.upper()} ({sql_text(e.right)})"



def _function(e: n.FuncCall) -> str:
    name = e.name[0] if len(e.name) == 1 and e.name[0] in _SPELLED else _path(e.name)
    if len(e.name) == 1 and e.name[0] in ("extract", "position", "substring", "overlay"):
        return _spelled(e)
    if e.star:
        inner = "*"
    else:
        args = []
        for place, arg in enumerate(e.args):
            label = e.arg_names[place] if e.arg_names else None
            text = sql_text(arg)
            if e.variadic and place == len(e.args) - 1:
                text = "VARIADIC " + text
            args.append(text if label is None else f"{identifier(label)} => {text}")
        inner = ("DISTINCT " if e.distinct else "") + ", ".join(args)
        if e.order_by:
            inner += f" ORDER BY {_list(e.order_by)}"
    text = f"{name}({inner})"
    if e.within_group:
        text += f" WITHIN GROUP (ORDER BY {_list(e.within_group)})"
    if e.filter is not None:
        text += f" FILTER (WHERE {sql_text(e.filter)})"
    if e.over is not None:
        over: Any = e.over
        bare = over.base is not None and not over.partition_by and not over.order_by \
            and over.frame is None
        text += f" OVER {identifier(over.base) if bare else _window_body(over)}"
    return text


def _spelled(e: n.FuncCall) -> str:
    name, args = e.name[0], e.args
    if name == "extract" and len(args) == 2 and type(args[0]) is n.Literal:
        return f"EXTRACT({string(args[0].value)} FROM {sql_text(args[1])})"
    if name == "position" and len(args) == 2:
        return f"POSITION({_operand(args[1])} IN {_operand(args[0])})"
    if name == "substring" and len(args) > 1:
        tail = f" FOR {sql_text(args[2])}" if len(args) > 2 else ""
        return f"SUBSTRING({sql_text(args[0])} FROM {sql_text(args[1])}{tail})"
    if name == "overlay" and len(args) > 2:
        tail = f" FOR {sql_text(args[3])}" if len(args) > 3 else ""
        return f"OVERLAY({sql_text(args[0])} PLACING {sql_text(args[1])} FROM " \
               f"{sql_text(args[2])}{tail})"
    return f'"{name}"({_list(args)})'


def _value_function(e: n.ValueFunction) -> str:
    tail = "" if e.precision is None else f"({e.precision})"
    return e.name.upper() + tail


def _case(e: n.Case) -> str:
    head = "" if e.arg is None else f" {sql_text(e.arg)}"
    whens = "".join([f" WHEN {sql_text(c)} THEN {sql_text(r)}" for c, r in e.whens])
    tail = "" if e.default is None else f" ELSE {sql_text(e.default)}"
    return f"CASE{head}{whens}{tail} END"


def _type(e: n.TypeName) -> str:
    name = _path(e.name)
    if e.name == ("bit",) or (e.name == ("bpchar",) and not e.typmods):
        name = f'"{e.name[0]}"'
    if e.name == ("char",):
        name = '"char"'
    if e.name == ("interval",):
        name = "interval"
    text = ("SETOF " if e.setof else "")
    if e.name[0] in ("timetz", "timestamptz", "time", "timestamp") and len(e.name) == 1:
        text += e.name[0].removesuffix("tz")
        text += f"({_list(e.typmods)})" if e.typmods else ""
        text += " with time zone" if e.name[0].endswith("tz") else ""
    elif e.name == ("interval",):
        text += name + ("" if e.fields is None else " " + e.fields)
        text += f"({_list(e.typmods)})" if e.typmods else ""
    else:
        text += _TYPE_WORDS.get(name, name) + (f"({_list(e.typmods)})" if e.typmods else "")
    return text + "[]" * e.dims


_TYPE_WORDS = {
    "bool": "boolean", "int2": "smallint", "int4": "integer", "int8": "bigint", "float4": "real",
    "float8": "double precision", '"numeric"': "numeric", '"varchar"': "character varying",
    "bpchar": "character", '"bit"': "bit", "varbit": "bit varying",
}  # fmt: skip


def _cast(e: n.Cast) -> str:
    if type(e.arg) is n.Literal and e.arg.kind == "string" and e.type.fields is None:
        return f"{sql_text(e.arg)}::{_type(e.type)}"
    if e.type.fields is not None:
        return f"CAST({sql_text(e.arg)} AS {_type(e.type)})"
    return f"({sql_text(e.arg)})::{_type(e.type)}"


def _array(e: n.Array) -> str:
    return f"ARRAY[{_list(e.items)}]"


def _slice(e: n.Slice) -> str:
    low = "" if e.low is None else sql_text(e.low)
    high = "" if e.high is None else sql_text(e.high)
    return f"{low}:{high}"


def _subscript(e: n.Subscript) -> str:
    base = sql_text(e.arg) if type(e.arg) is n.ColumnRef else f"({sql_text(e.arg)})"
    return base + "".join([f"[{sql_text(index)}]" for index in e.indices])


def _field(e: n.FieldSelect) -> str:
    name = "*" if e.name == "*" else identifier(e.name)
    return f"({sql_text(e.arg)}).{name}"


def _grouping(e: n.GroupingSets) -> str:
    inner = f"({_list(e.sets)})"
    return {"set": "", "sets": "GROUPING SETS ", "rollup": "ROLLUP ", "cube": "CUBE "}[
        e.kind] + inner


# ---------------------------------------------------------------------- queries


def _target(e: n.Target) -> str:
    text = sql_text(e.expr)
    return text if e.name is None else f"{text} AS {identifier(e.name)}"


def _sort_key(e: n.SortKey) -> str:
    text = sql_text(e.expr) + (" DESC" if e.descending else "")
    if e.nulls_first is not None:
        text += " NULLS FIRST" if e.nulls_first else " NULLS LAST"
    return text


def _window_body(e: n.Window) -> str:
    parts = []
    if e.base is not None:
        parts.append(identifier(e.base))
    if e.partition_by:
        parts.append(f"PARTITION BY {_list(e.partition_by)}")
    if e.order_by:
        parts.append(f"ORDER BY {_list(e.order_by)}")
    if e.frame is not None:
        parts.append(_frame(e.frame))
    return f"({' '.join(parts)})"


def _frame(e: Any) -> str:
    bounds = []
    for kind, offset in (e.start, e.end):
        lead = "" if offset is None else f"{_operand(offset)} "
        bounds.append(lead + kind.upper())
    tail = "" if e.exclude is None else f" EXCLUDE {e.exclude.upper()}"
    return f"{e.mode.upper()} BETWEEN {bounds[0]} AND {bounds[1]}{tail}"


def _with(e: n.With | None) -> str:
    if e is None:
        return ""
    ctes = []
    for cte in e.ctes:
        columns = f" ({_path_list(cte.columns)})" if cte.columns else ""
        how = {None: "", True: "MATERIALIZED ", False: "NOT MATERIALIZED "}[cte.materialized]
        ctes.append(f"{identifier(cte.name)}{columns} AS {how}({sql_text(cte.query)})")
    return f"WITH {'RECURSIVE ' if e.recursive else ''}{', '.join(ctes)} "


def _path_list(names: Iterable[str]) -> str:
    return ", ".join([identifier(name) for name in names])


def _tail(e: n.Query) -> str:
    text = f" ORDER BY {_list(e.order_by)}" if e.order_by else ""
    if e.offset is not None:
        text += f" OFFSET {_operand(e.offset)}"
    if e.limit is not None:
        if e.with_ties:
            text += f" FETCH FIRST {_operand(e.limit)} ROWS WITH TIES"
        else:
            text += f" LIMIT {_operand(e.limit)}"
    for lock in e.locking or ():
        text += f" FOR {lock.strength.upper()}"
        text += f" OF {_path_list(lock.tables)}" if lock.tables else ""
        text += f" {lock.wait.upper()}" if lock.wait else ""
    return text


def _select(e: n.Select) -> str:
    text = _with(e.with_) + "SELECT"
    if e.distinct:
        text += " DISTINCT"
        text += f" ON ({_list(e.distinct_on)})" if e.distinct_on else ""
    text += f" {_list(e.targets)}" if e.targets else ""
    if e.into is not None:
        text += f" INTO {sql_text(e.into)}"
    if e.from_:
        text += f" FROM {_list(e.from_)}"
    if e.where is not None:
        text += f" WHERE {sql_text(e.where)}"
    if e.group_by:
        text += f" GROUP BY {'DISTINCT ' if e.group_distinct else ''}{_list(e.group_by)}"
    if e.having is not None:
        text += f" HAVING {sql_text(e.having)}"
    if e.windows:
        windows = [f"{identifier(w.name)} AS {_window_body(w)}" for w in e.windows]
        text += f" WINDOW {', '.join(windows)}"
    return text + _tail(e)


def _values(e: n.Values) -> str:
    rows = ", ".join([f"({_list(row)})" for row in e.rows])
    return f"{_with(e.with_)}VALUES {rows}{_tail(e)}"


def _set_operation(e: n.SetOperation) -> str:
    word = e.op.upper() + (" ALL" if e.all else "")
    return f"{_with(e.with_)}({sql_text(e.left)}) {word} ({sql_text(e.right)}){_tail(e)}"


def _alias(e: Any) -> str:
    text = "" if e.alias is None else f" AS {identifier(e.alias)}"
    types = getattr(e, "column_types", None)
    if types:
        pairs = zip(e.column_aliases, types, strict=True)
        columns = ", ".join([f"{identifier(name)} {sql_text(type_)}" for name, type_ in pairs])
        return f"{text or ' AS'} ({columns})"
    if e.column_aliases:
        text += f" ({_path_list(e.column_aliases)})"
    return text


def _table(e: n.TableRef) -> str:
    return ("ONLY " if e.only else "") + _path(e.name) + _alias(e)


def _subquery(e: n.SubqueryRef) -> str:
    return f"{'LATERAL ' if e.lateral else ''}({sql_text(e.query)}){_alias(e)}"


def _function_table(e: n.FunctionRef) -> str:
    text = _list(e.calls) if len(e.calls) == 1 else f"ROWS FROM ({_list(e.calls)})"
    return (("LATERAL " if e.lateral else "") + text
            + (" WITH ORDINALITY" if e.ordinality else "") + _alias(e))


def _join(e: n.Join) -> str:
    if e.kind == "cross":
        word = "CROSS JOIN"
    else:
        word = ("NATURAL " if e.natural else "") + e.kind.upper() + " JOIN"
    right = sql_text(e.right)
    if type(e.right) is n.Join and e.right.alias is None:
        right = f"({right})"
    text = f"{sql_text(e.left)} {word} {right}"
    if e.on is not None:
        text += f" ON {sql_text(e.on)}"
    if e.using:
        text += f" USING ({_path_list(e.using)})"
    if e.alias is not None:
        return f"({text}) AS {identifier(e.alias)}"
    return text


# ---------------------------------------------------------------------- changes


def _place(column: Any) -> str:
    if isinstance(column, str):
        return identifier(column)
    text = identifier(column[0])
    for part in column[1:]:
        text += f".{identifier(part)}" if isinstance(part, str) else f"[{sql_text(part)}]"
    return text


def _assignments(assignments: Iterable[Any]) -> str:
    shown = []
    for e in assignments:
        columns = ", ".join([_place(column) for column in e.columns])
        if len(e.columns) > 1 or type(e.value) is n.Row:
            columns = f"({columns})"
        shown.append(f"{columns} = {sql_text(e.value)}")
    return ", ".join(shown)


def _returning(targets: Any) -> str:
    return "" if targets is None else f" RETURNING {_list(targets)}"


def _where(e: Any) -> str:
    if e.current_of is not None:
        return f" WHERE CURRENT OF {identifier(e.current_of)}"
    return "" if e.where is None else f" WHERE {sql_text(e.where)}"


def _insert(e: n.Insert) -> str:
    text = f"{_with(e.with_)}INSERT INTO {sql_text(e.table)}"
    if e.columns is not None:
        text += f" ({', '.join([_place(column) for column in e.columns])})"
    if e.overriding:
        text += f" OVERRIDING {e.overriding.upper()} VALUE"
    text += " DEFAULT VALUES" if e.query is None else f" {sql_text(e.query)}"
    if e.on_conflict is not None:
        clause = e.on_conflict
        text += " ON CONFLICT"
        if clause.constraint is not None:
            text += f" ON CONSTRAINT {identifier(clause.constraint)}"
        elif clause.keys is not None:
            text += f" ({', '.join([_operand(key) for key in clause.keys])})"
            if clause.keys_where is not None:
                text += f" WHERE {sql_text(clause.keys_where)}"
        if clause.assignments is None:
            text += " DO NOTHING"
        else:
            text += f" DO UPDATE SET {_assignments(clause.assignments)}"
            if clause.where is not None:
                text += f" WHERE {sql_text(clause.where)}"
    return text + _returning(e.returning)


def _update(e: n.Update) -> str:
    from_ = f" FROM {_list(e.from_)}" if e.from_ else ""
    head = f"{_with(e.with_)}UPDATE {sql_text(e.table)}"
    return f"{head} SET {_assignments(e.assignments)}{from_}{_where(e)}{_returning(e.returning)}"


def _delete(e: n.Delete) -> str:
    using = f" USING {_list(e.using)}" if e.using else ""
    head = f"{_with(e.with_)}DELETE FROM {sql_text(e.table)}"  # noqa: S608 - printing is its job
    return f"{head}{using}{_where(e)}{_returning(e.returning)}"


_ATOMS = frozenset((
    n.Literal, n.ColumnRef, n.Parameter, n.FuncCall, n.ValueFunction, n.ScalarQuery, n.ArrayQuery,
    n.Exists, n.Array, n.Row, n.Cast, n.Case, n.Default,
))  # fmt: skip

_PRINTERS: dict[type, Callable[[Any], str]] = {
    n.Literal: _literal,
    n.ColumnRef: lambda e: _path(e.parts),
    n.Star: lambda e: ".".join([*[identifier(p) for p in e.parts], "*"]),
    n.Parameter: lambda e: f"${e.number}",
    n.Unary: lambda e: f"{e.op} {_operand(e.arg)}",
    n.Binary: lambda e: f"{_operand(e.left)} {e.op} {_operand(e.right)}",
    n.BoolOp: lambda e: f" {e.op.upper()} ".join([_operand(arg) for arg in e.args]),
    n.Not: lambda e: f"NOT {_operand(e.arg)}",
    n.Is: lambda e: f"{_operand(e.arg)} IS {_not(e.negated)}{e.test.upper()}",
    n.IsDistinct: lambda e: f"{_operand(e.left)} IS {_not(e.negated)}DISTINCT FROM "
                            f"{_operand(e.right)}",
    n.Between: _between,
    n.InList: lambda e: f"{_operand(e.arg)} {_not(e.negated)}IN ({_list(e.items)})",
    n.Like: _like,
    n.Quantified: _quantified,
    n.Exists: lambda e: f"EXISTS ({sql_text(e.query)})",
    n.ScalarQuery: lambda e: f"({sql_text(e.query)})",
    n.ArrayQuery: lambda e: f"ARRAY({sql_text(e.query)})",
    n.FuncCall: _function,
    n.ValueFunction: _value_function,
    n.Case: _case,
    n.TypeName: _type,
    n.Cast: _cast,
    n.Collate: lambda e: f"{_operand(e.arg)} COLLATE {_path(e.name)}",
    n.Row: lambda e: f"ROW({_list(e.items)})",
    n.Array: _array,
    n.Slice: _slice,
    n.Subscript: _subscript,
    n.FieldSelect: _field,
    n.Default: lambda e: "DEFAULT",
    n.GroupingSets: _grouping,
    n.Target: _target,
    n.SortKey: _sort_key,
    n.Window: _window_body,
    n.Frame: _frame,
    n.TableRef: _table,
    n.SubqueryRef: _subquery,
    n.FunctionRef: _function_table,
    n.Join: _join,
    n.Select: _select,
    n.Values: _values,
    n.SetOperation: _set_operation,
    n.Insert: _insert,
    n.Update: _update,
    n.Delete: _delete,
}
