"""Drop columns nobody above reads."""

from __future__ import annotations

from query_planner import physical as ph
from query_planner.algebra import Get, Join, Plan, expressions, free_columns, output, subqueries_of
from query_planner.expr import Subquery, columns_of
from query_planner.rules import Context


def prune_columns(plan: Plan, context: Context) -> Plan:
    """Scans, projections and groupings keep only the columns that are used above them."""
    cte_needs: dict[int, set[int]] = {}
    _prune(plan, {c.id for c in output(plan)}, cte_needs, True)
    return plan


def _needs(node: Plan) -> set[int]:
    found: set[int] = set()
    for e in expressions(node):
        found |= columns_of(e)
    return found


def _inside(node: Plan, ctes: dict[int, set[int]]) -> None:
    """Prune the plans of subqueries that stayed expressions."""
    for query in subqueries_of(node):
        _subquery(query, ctes)


def _subquery(query: Subquery, ctes: dict[int, set[int]]) -> None:
    keep = set() if query.kind == "exists" else {c.id for c in output(query.plan)}
    _prune(query.plan, keep, ctes, query.kind != "exists")
    query.params = tuple(free_columns(query.plan).values())


def _prune(node: Plan, needed: set[int], ctes: dict[int, set[int]], exact: bool) -> None:
    """Prune below `node`, of whose output `needed` is read.  `exact`: its own list must stay."""
    _inside(node, ctes)
    kind = type(node)
    if kind is Get:
        keep = [i for i, c in enumerate(node.columns) if c.id in needed or c is node.tid]
        node.columns = [node.columns[i] for i in keep]
        node.numbers = [node.numbers[i] for i in keep]
        return
    if kind is ph.Project:
        if not exact:
            keep = [i for i, c in enumerate(node.columns) if c.id in needed]
            node.columns = tuple(node.columns[i] for i in keep)
            node.items = tuple(node.items[i] for i in keep)
        _prune(node.child, _needs(node), ctes, False)
        return
    if kind is ph.ProjectSet:
        _prune(node.child, _needs(node), ctes, False)
        return
    if kind is ph.Aggregate:
        if not exact:
            keys = len(node.keys)
            keep = [i for i in range(len(node.aggregates)) if node.columns[keys + i].id in needed]
            if len(keep) < len(node.aggregates) and (keep or keys):
                node.columns = (*node.columns[:keys], *(node.columns[keys + i] for i in keep))
                node.aggregates = tuple(node.aggregates[i] for i in keep)
        _prune(node.child, _needs(node), ctes, False)
        return
    if kind is ph.WindowAgg:
        _prune(node.child, needed | _needs(node), ctes, False)
        return
    if kind is ph.Distinct and node.on is None:
        # Every column takes part in telling rows apart.
        _prune(node.child, {c.id for c in output(node.child)}, ctes, True)
        return
    if kind in (ph.Append, ph.SetOp, ph.RecursiveUnion, ph.Insert):
        for child in node.children():
            _prune(child, {c.id for c in output(child)}, ctes, True)
        return
    if kind is ph.With:
        for _, _, plan in node.ctes:
            _prune(plan, {c.id for c in output(plan)}, ctes, True)
        _prune(node.child, needed, ctes, exact)
        return
    below = needed | _needs(node)
    if kind is Join:
        # A lateral right side reads columns of the left one.
        below |= set(free_columns(node.right))
    if kind is ph.LockRows:
        below |= {tid.id for _, tid, _, _ in node.locks}
    if kind in (ph.Update, ph.Delete):
        below = _needs(node) | {node.tid.id}
        if kind is ph.Update:
            # The executor writes whole rows from what it reads by tid; `old` names what is at hand.
            used = below
            node.old = tuple(c if c is not None and c.id in used else None for c in node.old)
    for child in node.children():
        _prune(child, below, ctes, False)
