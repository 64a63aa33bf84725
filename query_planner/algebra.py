"""The logical plan: the nodes of `physical.py`, with `Get` and `Join` where there is a choice.

Most operators have one implementation, so logical and physical share one class; before physical
planning an Aggregate's strategy is "" and pass-through nodes (Filter, Join, Sort, ...) have no
`columns` yet: ask `output(node)`.

Also here: the walks that rules are made of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from query_planner import physical as ph
from query_planner.expr import Column, Expr, Subquery, children, columns_of, substitute

Plan = ph.Plan


class Get(Plan):
    """All rows of a relation, before the way to them is chosen.

    columns and numbers grow while the binder meets references, so that they hold what is used.
    """

    __slots__ = ("alias", "numbers", "relation", "tid")
    fields = ("relation", "alias", "numbers", "tid")


class Join(Plan):
    """kind as in HashJoin, before the algorithm is chosen; condition is a list of conjuncts."""

    __slots__ = ("condition", "kind", "left", "right")
    fields = ("kind", "left", "right", "condition")
    inputs = ("left", "right")


_PASS = (ph.Filter, ph.Sort, ph.Limit, ph.Distinct, ph.LockRows)
_LEFT_ONLY = ("semi", "anti", "anti null")


def output(node: Plan) -> tuple[Column, ...]:
    """The columns a node hands up."""
    kind = type(node)
    if kind in _PASS or kind is ph.With:
        return output(node.child)  # type: ignore[attr-defined]
    if kind in (Join, ph.HashJoin, ph.NestedLoop):
        if node.kind in _LEFT_ONLY:  # type: ignore[attr-defined]
            return output(node.left)  # type: ignore[attr-defined]
        return output(node.left) + output(node.right)  # type: ignore[attr-defined]
    if kind is ph.WindowAgg:
        mine = tuple(node.columns)[-len(node.calls) :]  # type: ignore[attr-defined]
        return output(node.child) + mine  # type: ignore[attr-defined]
    return tuple(node.columns)


def output_ids(node: Plan) -> set[int]:
    """Ids of `output`."""
    return {column.id for column in output(node)}


def _walk_value(value: Any) -> Iterator[Expr]:
    if isinstance(value, Expr):
        yield value
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from _walk_value(item)
    elif isinstance(value, ph.SortKey):
        yield value.expr
    elif isinstance(value, ph.OnConflict):
        yield from _walk_value(value.assignments)
        yield from _walk_value(value.condition)


_OPAQUE = frozenset((
    "relation", "alias", "index", "numbers", "kind", "strategy", "sets", "cte", "ctes", "sources",
    "counts", "ordinality", "all", "functions", "backward", "row", "old", "tid",
))  # fmt: skip


def expressions(node: Plan) -> Iterator[Expr]:
    """The expressions of a node itself (not of its inputs)."""
    for name in node.fields:
        if name not in _OPAQUE and name not in node.inputs:
            yield from _walk_value(getattr(node, name))


def _map_value(value: Any, fn: Callable[[Expr], Expr]) -> Any:
    if isinstance(value, Expr):
        return fn(value)
    if isinstance(value, tuple):
        return tuple([_map_value(item, fn) for item in value])
    if isinstance(value, list):
        return [_map_value(item, fn) for item in value]
    if isinstance(value, ph.SortKey):
        return ph.SortKey(fn(value.expr), value.descending, value.nulls_first)
    if isinstance(value, ph.OnConflict):
        return ph.OnConflict(value.index, value.existing, value.excluded,
                             _map_value(value.assignments, fn), _map_value(value.condition, fn))
    return value


def map_expressions(node: Plan, fn: Callable[[Expr], Expr]) -> None:
    """Replace, in place, every expression of a node itself by fn(expression)."""
    for name in node.fields:
        if name not in _OPAQUE and name not in node.inputs:
            setattr(node, name, _map_value(getattr(node, name), fn))


def map_inputs(node: Plan, fn: Callable[[Plan], Plan]) -> None:
    """Replace, in place, every input of a node by fn(input)."""
    for name in node.inputs:
        value = getattr(node, name)
        if isinstance(value, tuple):
            setattr(node, name, tuple([fn(part) for part in value]))
        else:
            setattr(node, name, fn(value))
    if type(node) is ph.With:
        node.ctes = tuple([(n, name, fn(plan)) for n, name, plan in node.ctes])


def subqueries(e: Expr) -> Iterator[Subquery]:
    """All Subquery expressions in an expression, outermost first."""
    if type(e) is Subquery:
        yield e
    for child in children(e):
        yield from subqueries(child)


def free_columns(node: Plan) -> dict[int, Column]:
    """Columns that a plan refers to but does not make: what correlates it with its surroundings."""
    used: dict[int, Column] = {}
    made: set[int] = set()
    _free(node, used, made)
    return {i: c for i, c in used.items() if i not in made}


def _used(e: Expr, used: dict[int, Column]) -> None:
    if type(e) is Column:
        used[e.id] = e
        return
    for child in children(e):
        _used(child, used)
    if type(e) is Subquery:
        for column in e.params:
            used[column.id] = column


def _free(node: Plan, used: dict[int, Column], made: set[int]) -> None:
    for e in expressions(node):
        _used(e, used)
    if node.columns:
        made.update([column.id for column in node.columns])
    for name in ("row", "old"):
        for column in getattr(node, name, None) or ():
            if column is not None:
                made.add(column.id)
    conflict = getattr(node, "conflict", None)
    if conflict is not None:
        made.update([c.id for c in conflict.existing + conflict.excluded])
    for child in node.children():
        _free(child, used, made)


def rename(node: Plan, swap: dict[int, Column]) -> Plan:
    """Replace, in place, references to columns from outside a plan by other columns."""
    mapping: dict[int, Expr] = dict(swap)

    def visit(plan: Plan) -> Plan:
        map_expressions(plan, lambda e: substitute(e, mapping))
        map_inputs(plan, visit)
        return plan

    return visit(node)


def uses(e: Expr, ids: set[int]) -> bool:
    """Whether an expression refers to any of these columns."""
    return not columns_of(e).isdisjoint(ids)
