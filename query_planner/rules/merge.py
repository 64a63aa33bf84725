"""Take projections out from between operators, so that the joins of subqueries become one block."""

from __future__ import annotations

from query_planner import physical as ph
from query_planner.algebra import (
    Plan,
    expressions,
    map_expressions,
    map_inputs,
    output,
)  # fmt: skip
from query_planner.expr import (
    Column,
    Const,
    Expr,
    children,
    holds_subquery,
    is_volatile,
    substitutable,
    substitute,
)  # fmt: skip
from query_planner.rules import Context


def merge_projects(plan: Plan, context: Context) -> Plan:
    """A projection below a filter, inner join, grouping or projection is merged into what is
    above."""
    return _merge(plan)


def _merge(node: Plan) -> Plan:
    map_inputs(node, _merge)
    kind = type(node)
    if kind is ph.Project and type(node.child) is ph.Project:
        inner = node.child
        if _mergeable(inner, node):
            return _inline(node, inner, inner.child)
    if kind is ph.Project and _is_identity(node):
        return node.child
    if kind in (ph.Filter, ph.Aggregate) and type(node.child) is ph.Project:
        inner = node.child
        if _mergeable(inner, node) and kind is ph.Aggregate:
            return _inline(node, inner, inner.child)
    return node


def _is_identity(node: ph.Project) -> bool:
    """Whether a projection hands on exactly its input's columns, in order."""
    below = output(node.child)
    return len(below) == len(node.columns) and all(
        a.id == b.id for a, b in zip(below, node.columns, strict=True)
    ) and all(type(e) is Column and e.id == c.id
              for e, c in zip(node.items, node.columns, strict=True))


def _inline(node: Plan, inner: ph.Project, child: Plan) -> Plan:
    mapping = {c.id: e for c, e in zip(inner.columns, inner.items, strict=True)
               if type(e) is not Column or e.id != c.id}
    if mapping:
        map_expressions(node, lambda e: substitute(e, mapping))
    node.child = child  # type: ignore[attr-defined]
    return node


def _mergeable(inner: ph.Project, above: Plan) -> bool:
    """Whether the items may be computed above instead: cheap or used once, never volatile."""
    if type(inner.child) is ph.ProjectSet:
        return False
    mapping = {}
    for column, e in zip(inner.columns, inner.items, strict=True):
        if type(e) is Column and e.id == column.id:
            continue
        if is_volatile(e) or holds_subquery(e):
            return False
        mapping[column.id] = e
    if not mapping:
        return True
    counts: dict[int, int] = {}
    for e in expressions(above):
        _count(e, mapping, counts)
    if any(counts.get(i, 0) > 1 and not _cheap(mapping[i]) for i in mapping):
        return False
    return all(substitutable(e, mapping) for e in expressions(above))


def _count(e: Expr, wanted: dict[int, Expr], counts: dict[int, int]) -> None:
    if type(e) is Column:
        if e.id in wanted:
            counts[e.id] = counts.get(e.id, 0) + 1
        return
    for child in children(e):
        _count(child, wanted, counts)


def _cheap(e: Expr) -> bool:
    return type(e) in (Column, Const)

