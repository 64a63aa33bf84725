"""A plan as a tree of labelled properties, in PostgreSQL's EXPLAIN vocabulary.

`describe(plan)` gives one `Shown` per visible node: node type, properties in PostgreSQL's order,
and
children with their relationship.  text.py and json.py only lay it out.  Project has no line of its
own (as in
PostgreSQL, where every node projects); a Filter over another node becomes that node's "Filter".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from query_planner import physical as ph
from query_planner.algebra import Get, Join, subqueries_of
from query_planner.explain.expressions import render, sort_keys
from query_planner.expr import Column, Expr

_JOIN_TYPES = {"inner": "Inner", "left": "Left", "right": "Right", "full": "Full", "semi": "Semi",
               "anti": "Anti", "anti null": "Anti"}  # fmt: skip


@dataclass
class Shown:
    """One node of EXPLAIN: `label` is its text line, `properties` what JSON lists after the
    type."""

    type: str
    label: str
    plan: ph.Plan
    properties: dict[str, Any] = field(default_factory=dict)
    children: list[tuple[str, Shown]] = field(default_factory=list)
    subplan: str = ""


class _Names:
    """Columns as `alias.name` where several tables are in play."""

    def __init__(self, root: ph.Plan) -> None:
        self.aliases: dict[int, str] = {}
        self._collect(root)
        self.qualify = len(set(self.aliases.values())) > 1

    def _collect(self, node: ph.Plan) -> None:
        alias = getattr(node, "alias", None)
        if alias is not None:
            for column in node.columns:
                self.aliases[column.id] = alias
        for query in subqueries_of(node):
            self._collect(query.plan)
        for child in node.children():
            self._collect(child)

    def __call__(self, column: Column) -> str:
        alias = self.aliases.get(column.id)
        if alias is None or not self.qualify:
            return column.name
        return f"{alias}.{column.name}"


def describe(root: ph.Plan) -> Shown:
    """The visible tree of a physical plan."""
    return _describe(root, _Names(root))


def _both(parts: Any, names: _Names) -> str:
    shown = [render(e, names) for e in parts]
    return shown[0] if len(shown) == 1 else "(" + " AND ".join(shown) + ")"


def _describe(node: ph.Plan, names: _Names) -> Shown:
    kind = type(node)
    if kind is ph.Project:
        if type(node.child) is ph.Result:
            shown = Shown("Result", "Result", node)
        else:
            shown = _describe(node.child, names)
        _subplans(shown, node, names)
        return shown
    if kind is ph.Filter:
        shown = _describe(node.child, names)
        if "Filter" in shown.properties or "One-Time Filter" in shown.properties:
            outer = Shown("Result", "Result", node)
            outer.children.append(("Outer", shown))
            shown = outer
        shown.plan = node
        shown.properties["Filter"] = _both(node.condition, names)
        _subplans(shown, node, names)
        return shown
    shown = _SHOWERS[kind](node, names)
    _subplans(shown, node, names)
    return shown


def _subplans(shown: Shown, node: ph.Plan, names: _Names) -> None:
    for query in subqueries_of(node):
        inner = _describe(query.plan, names)
        word = "SubPlan" if query.params else "InitPlan"
        inner.subplan = f"{word} {query.plan.id}"
        shown.children.append((word, inner))


def _table(node: Any) -> tuple[str, dict[str, Any]]:
    relation = node.relation
    text = relation.name if node.alias == relation.name else f"{relation.name} {node.alias}"
    return text, {"Relation Name": relation.name, "Alias": node.alias}


def _scan(node: Any, names: _Names) -> Shown:
    text, properties = _table(node)
    shown = Shown("Seq Scan", f"Seq Scan on {text}", node, properties)
    if node.filter:
        properties["Filter"] = _both(node.filter, names)
    return shown


def _index_scan(node: Any, names: _Names) -> Shown:
    text, properties = _table(node)
    direction = "Backward" if node.backward else "Forward"
    backward = " Backward" if node.backward else ""
    label = f"Index Scan{backward} using {node.index.name} on {text}"
    shown = Shown("Index Scan", label, node, {
        "Scan Direction": direction, "Index Name": node.index.name, **properties})
    by_number = {c.number: c.name for c in node.relation.columns}
    columns = [by_number.get(number, "?") for number in node.index.columns]
    parts = [f"({column} = {render(key, names)})"
             for column, key in zip(columns, node.keys, strict=False)]
    place = len(node.keys)
    if node.many is not None:
        inner = f"ARRAY[{', '.join([render(e, names) for e in node.many])}]" \
            if isinstance(node.many, tuple) else render(node.many, names)
        parts.append(f"({columns[place]} = ANY ({inner}))")
    for bound, sign in ((node.low, ">"), (node.high, "<")):
        if bound is not None:
            equal = "=" if bound[1] else ""
            parts.append(f"({columns[place]} {sign}{equal} {render(bound[0], names)})")
    if parts:
        shown.properties["Index Cond"] = parts[0] if len(parts) == 1 else \
            "(" + " AND ".join(parts) + ")"
    if node.filter:
        shown.properties["Filter"] = _both(node.filter, names)
    return shown


def _get(node: Any, names: _Names) -> Shown:
    text, properties = _table(node)
    return Shown("Get", f"Get {text}", node, properties)


def _logical_join(node: Any, names: _Names) -> Shown:
    shown = Shown("Join", f"{_JOIN_TYPES[node.kind]} Join", node)
    if node.condition:
        shown.properties["Join Filter"] = _both(node.condition, names)
    return _with_inputs(shown, node, names)


def _with_inputs(shown: Shown, node: ph.Plan, names: _Names) -> Shown:
    for place, child in enumerate(node.children()):
        shown.children.append(("Outer" if place == 0 else "Inner", _describe(child, names)))
    return shown


def _hash_join(node: Any, names: _Names) -> Shown:
    word = "" if node.kind == "inner" else f" {_JOIN_TYPES[node.kind]}"
    join_type = _JOIN_TYPES[node.kind]
    shown = Shown("Hash Join", f"Hash{word} Join", node, {"Join Type": join_type})
    if node.left_keys:
        parts = [f"({render(a, names)} {f.name} {render(b, names)})" for a, b, f in
                 zip(node.left_keys, node.right_keys, node.functions, strict=True)]
        shown.properties["Hash Cond"] = parts[0] if len(parts) == 1 else \
            "(" + " AND ".join(parts) + ")"
    if node.condition:
        shown.properties["Join Filter"] = _both(node.condition, names)
    inner = _describe(node.right, names)
    table = Shown("Hash", "Hash", node.right, {})
    table.children.append(("Outer", inner))
    shown.children = [("Outer", _describe(node.left, names)), ("Inner", table)]
    return shown


def _nested_loop(node: Any, names: _Names) -> Shown:
    word = "" if node.kind == "inner" else f" {_JOIN_TYPES[node.kind]} Join"
    shown = Shown("Nested Loop", f"Nested Loop{word}", node,
                  {"Join Type": _JOIN_TYPES[node.kind]})
    if node.condition:
        shown.properties["Join Filter"] = _both(node.condition, names)
    return _with_inputs(shown, node, names)


def _aggregate(node: Any, names: _Names) -> Shown:
    label, strategy = {
        "plain": ("Aggregate", "Plain"), "hashed": ("HashAggregate", "Hashed"),
        "sorted": ("GroupAggregate", "Sorted"), "": ("Aggregate", "Plain"),
    }[node.strategy]  # fmt: skip
    shown = Shown("Aggregate", label, node, {"Strategy": strategy})
    if node.sets is not None:
        shown.properties["Grouping Sets"] = [
            [render(node.keys[i], names) for i in one] for one in node.sets]
    elif node.keys:
        shown.properties["Group Key"] = [render(e, names) for e in node.keys]
    return _with_inputs(shown, node, names)


def _window(node: Any, names: _Names) -> Shown:
    return _with_inputs(Shown("WindowAgg", "WindowAgg", node), node, names)


def _sort(node: Any, names: _Names) -> Shown:
    shown = Shown("Sort", "Sort", node)
    shown.properties["Sort Key"] = [sort_keys((key,), names) for key in node.keys]
    if node.limit is not None:
        shown.properties["Sort Method"] = "top-N heapsort"
    return _with_inputs(shown, node, names)


def _distinct(node: Any, names: _Names) -> Shown:
    if node.on is not None:
        return _with_inputs(Shown("Unique", "Unique", node), node, names)
    shown = Shown("Aggregate", "HashAggregate", node, {"Strategy": "Hashed"})
    shown.properties["Group Key"] = [names(c) for c in node.columns]
    return _with_inputs(shown, node, names)


def _append(node: Any, names: _Names) -> Shown:
    shown = Shown("Append", "Append", node)
    shown.children = [("Member", _describe(part, names)) for part in node.parts]
    return shown


def _set_op(node: Any, names: _Names) -> Shown:
    command = node.kind.capitalize() + (" All" if node.all else "")
    shown = Shown("SetOp", f"HashSetOp {command}", node,
                  {"Strategy": "Hashed", "Command": command})
    return _with_inputs(shown, node, names)


def _function_scan(node: Any, names: _Names) -> Shown:
    calls = [getattr(getattr(e, "function", None), "name", "expression") for e in node.calls]
    name = calls[0]
    label = f"Function Scan on {name}" + ("" if node.alias == name else f" {node.alias}")
    return Shown("Function Scan", label, node, {"Function Name": name, "Alias": node.alias})


def _values(node: Any, names: _Names) -> Shown:
    if len(node.tuples) == 1:
        return Shown("Result", "Result", node)
    return Shown("Values Scan", 'Values Scan on "*VALUES*"', node, {"Alias": "*VALUES*"})


def _cte_scan(node: Any, names: _Names) -> Shown:
    word = "WorkTable Scan" if type(node) is ph.WorkTableScan else "CTE Scan"
    return Shown(word, f"{word} on {node.alias}", node, {"CTE Name": node.alias,
                                                         "Alias": node.alias})


def _with(node: Any, names: _Names) -> Shown:
    shown = _describe(node.child, names)
    made = []
    for _, name, plan in node.ctes:
        inner = _describe(plan, names)
        inner.subplan = f"CTE {name}"
        made.append(("InitPlan", inner))
    shown.children = made + shown.children
    return shown


def _modify(node: Any, names: _Names) -> Shown:
    operation = type(node).__name__
    text = node.relation.name
    shown = Shown("ModifyTable", f"{operation} on {text}", node,
                  {"Operation": operation, "Relation Name": text})
    conflict = getattr(node, "conflict", None)
    if conflict is not None:
        shown.properties["Conflict Resolution"] = \
            "NOTHING" if conflict.assignments is None else "UPDATE"
        if conflict.index is not None:
            shown.properties["Conflict Arbiter Indexes"] = [conflict.index.name]
    return _with_inputs(shown, node, names)


def _simple(word: str) -> Any:
    return lambda node, names: _with_inputs(Shown(word, word, node), node, names)


def _empty(node: Any, names: _Names) -> Shown:
    return Shown("Result", "Result", node, {"One-Time Filter": "false"})


_SHOWERS: dict[type, Any] = {
    ph.Scan: _scan, ph.IndexScan: _index_scan, Get: _get, Join: _logical_join,
    ph.HashJoin: _hash_join, ph.NestedLoop: _nested_loop, ph.Aggregate: _aggregate,
    ph.WindowAgg: _window, ph.Sort: _sort, ph.Limit: _simple("Limit"), ph.Distinct: _distinct,
    ph.Append: _append, ph.SetOp: _set_op, ph.FunctionScan: _function_scan, ph.Values: _values,
    ph.CteScan: _cte_scan, ph.WorkTableScan: _cte_scan, ph.With: _with, ph.Insert: _modify,
    ph.Update: _modify, ph.Delete: _modify, ph.LockRows: _simple("LockRows"),
    ph.RecursiveUnion: _simple("Recursive Union"), ph.ProjectSet: _simple("ProjectSet"),
    ph.Result: _simple("Result"), ph.Empty: _empty,
}  # fmt: skip


def outline(root: ph.Plan) -> str:
    """A plan, logical or physical, one node a line with its own expressions: for traces and
    tests."""
    lines: list[str] = []
    names = _Names(root)

    def note(e: Expr) -> str:
        return render(e, names)

    def walk(node: ph.Plan, depth: int) -> None:
        kind = type(node)
        text = kind.__name__
        if kind in (Get, ph.Scan, ph.IndexScan):
            columns = ", ".join([c.name for c in node.columns])
            text += f" {_table(node)[0]} ({columns})"
            if kind is ph.IndexScan:
                text += f" by {node.index.name}({', '.join(map(note, node.keys))})"
            if getattr(node, "filter", None):
                text += f" where {_both(node.filter, names)}"
        elif kind in (Join, ph.HashJoin, ph.NestedLoop):
            text += f" {node.kind}"
            shown = list(node.condition)
            left_keys = getattr(node, "left_keys", ())
            pairs = zip(left_keys, getattr(node, "right_keys", ()), strict=True)
            parts = [f"{note(a)} = {note(b)}" for a, b in pairs] + [note(e) for e in shown]
            if parts:
                text += " on " + " AND ".join(parts)
        elif kind in (ph.Project, ph.ProjectSet):
            text += " " + ", ".join([note(e) for e in node.items])
        elif kind is ph.Filter:
            text += " " + _both(node.condition, names)
        elif kind is ph.Aggregate:
            keys = ", ".join([note(e) for e in node.keys])
            text += f" by ({keys}) " + ", ".join([note(e) for e in node.aggregates])
        elif kind is ph.Sort:
            text += " " + sort_keys(node.keys, names)
        elif kind is ph.Limit:
            text += "".join([f" {note(e)}" for e in (node.limit, node.offset) if e is not None])
        elif kind is ph.Values:
            text += f" {len(node.tuples)} rows"
        elif kind is ph.SetOp:
            text += f" {node.kind}{' all' if node.all else ''}"
        lines.append("  " * depth + text.rstrip())
        for query in subqueries_of(node):
            lines.append("  " * (depth + 1) + f"[{query.kind}]")
            walk(query.plan, depth + 2)
        for child in node.children():
            walk(child, depth + 1)

    walk(root, 0)
    return "\n".join(lines)


