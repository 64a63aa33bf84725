"""Turn subqueries into joins where a join says the same.

    EXISTS (.. WHERE inner = outer ..)   semi join            NOT EXISTS   anti join
    x IN (SELECT y ..)                   semi join on x = y   NOT IN       anti join that minds
    NULLs
    (SELECT agg(..) .. WHERE i = o)      left join with the aggregate grouped by i

The conditions that correlate are lifted out of the subquery's filters and inner joins; where
something
else stands in between (a limit, a grouping, an outer join's far side), or the subquery does not
depend on the
row at all (it then runs once anyway), the subquery stays an expression.
"""

from __future__ import annotations

from query_planner import physical as ph
from query_planner.algebra import (
    Join,
    Plan,
    free_columns,
    map_inputs,
    output,
    output_ids,
    subqueries_of,
)  # fmt: skip
from query_planner.expr import (
    Aggregate,
    Call,
    Coalesce,
    Column,
    Const,
    Expr,
    Subquery,
    children,
    columns_of,
    holds_subquery,
    is_volatile,
    substitute,
    with_children,
)  # fmt: skip
from query_planner.rules import Context


def unnest_subqueries(plan: Plan, context: Context) -> Plan:
    """EXISTS, IN and correlated aggregates become semi, anti and left joins."""
    for query in subqueries_of(plan):
        query.plan = unnest_subqueries(query.plan, context)
    map_inputs(plan, lambda child: unnest_subqueries(child, context))
    if type(plan) is ph.Filter:
        return _filter(plan, context)
    if type(plan) is ph.Project and type(plan.child) is not ph.Result:
        return _project(plan, context)
    return plan


def _filter(node: ph.Filter, context: Context) -> Plan:
    child = node.child
    kept: list[Expr] = []
    for e in node.condition:
        joined = None
        if type(e) is Subquery:
            if e.kind == "exists":
                joined = _exists(e, child)
            elif e.kind == "any":
                joined = _in(e, child)
        if joined is not None:
            child = joined
            continue
        child, e = _scalars(e, child, context)
        kept.append(e)
    if not kept:
        return child
    node.child = child
    node.condition = kept  # type: ignore[assignment]
    return node


def _project(node: ph.Project, context: Context) -> Plan:
    items = []
    for e in node.items:
        node.child, e = _scalars(e, node.child, context)
        items.append(e)
    node.items = tuple(items)
    return node


def _lift(plan: Plan, outer: set[int], keep: bool) -> tuple[Plan, list[Expr]]:
    """(plan without the conditions that mention `outer`, those conditions).

    With `keep` a projection stays, and hands on what the lifted conditions need.
    """
    kind = type(plan)
    if kind is ph.Filter:
        child, lifted = _lift(plan.child, outer, keep)
        stay = []
        for e in plan.condition:
            if not columns_of(e).isdisjoint(outer) and not is_volatile(e):
                lifted.append(e)
            else:
                stay.append(e)
        if not stay:
            return child, lifted
        return ph.Filter((), child, stay), lifted
    if kind is Join and plan.kind == "inner":
        left, lifted = _lift(plan.left, outer, keep)
        right, more = _lift(plan.right, outer, keep)
        lifted += more
        stay = []
        for e in plan.condition:
            (stay if columns_of(e).isdisjoint(outer) else lifted).append(e)
        return Join((), "inner", left, right, stay), lifted
    if kind is Join and plan.kind in ("left", "semi", "anti"):
        left, lifted = _lift(plan.left, outer, keep)
        return Join((), plan.kind, left, plan.right, plan.condition), lifted
    if kind is ph.Project:
        child, lifted = _lift(plan.child, outer, keep)
        if not keep:
            return child, lifted
        have = {c.id for c in plan.columns}
        needed = set()
        for e in lifted:
            needed |= columns_of(e)
        extra = tuple(c for c in output(child) if c.id in needed and c.id not in have)
        return ph.Project(plan.columns + extra, child, plan.items + extra), lifted
    return plan, []


def _bare(plan: Plan) -> Plan:
    """A plan without what does not matter to whether it has rows: order, DISTINCT, LIMIT n > 0."""
    while True:
        if type(plan) in (ph.Sort, ph.Distinct) and getattr(plan, "limit", None) is None:
            plan = plan.child  # type: ignore[attr-defined]
        elif (type(plan) is ph.Limit and plan.offset is None and type(plan.limit) is Const \
                and plan.limit.value is not None and plan.limit.value > 0) or (type(plan) is
                ph.Project and not any(is_volatile(e) for e in plan.items)):
            plan = plan.child
        else:
            return plan


def _exists(e: Subquery, child: Plan) -> Plan | None:
    outer = output_ids(child)
    if not any(c.id in outer for c in e.params):
        return None
    plan, lifted = _lift(_bare(e.plan), outer, False)
    if not lifted or not outer.isdisjoint(free_columns(plan)):
        return None
    return Join((), "anti" if e.negated else "semi", child, plan, lifted)


def _in(e: Subquery, child: Plan) -> Plan | None:
    outer = output_ids(child)
    plan = e.plan
    if any(holds_subquery(x) for x in e.left) or not any(
            columns_of(x) & outer for x in e.left):
        return None
    columns = output(plan)[: len(e.left)]
    while type(plan) in (ph.Sort, ph.Distinct) and getattr(plan, "on", None) is None \
            and getattr(plan, "limit", None) is None:
        plan = plan.child  # type: ignore[attr-defined]
    plan, lifted = _lift(plan, outer, True)
    if not outer.isdisjoint(free_columns(plan)):
        return None
    if not {c.id for c in columns} <= output_ids(plan):
        return None
    matches: list[Expr] = [
        Call(function=f, args=(left, column), type=e.type)
        for f, left, column in zip(e.functions, e.left, columns, strict=True)
    ]
    if not e.negated:
        return Join((), "semi", child, plan, [*matches, *lifted])
    if any(f.name != "=" for f in e.functions):
        return None
    if all(_never_null(x, child) for x in e.left) and all(_never_null(c, plan) for c in columns):
        return Join((), "anti", child, plan, [*matches, *lifted])
    if lifted or len(matches) > 1:
        return None
    return Join((), "anti null", child, plan, matches)


def _never_null(e: Expr, plan: Plan) -> bool:
    """Whether an expression is certainly not NULL in the rows of a plan."""
    if type(e) is Const:
        return e.value is not None
    return type(e) is Column and not e.nullable and _unpadded(e.id, plan)


def _unpadded(column: int, plan: Plan) -> bool:
    """Whether no outer join between a column's origin and here may fill it with NULL."""
    if type(plan) is Join:
        if plan.kind in ("inner", "semi", "anti", "anti null"):
            sides = [plan.left, plan.right]
        elif plan.kind == "left":
            sides = [plan.left]
        else:
            return False
        return any(column in output_ids(side) and _unpadded(column, side) for side in sides)
    if type(plan) in (ph.Append, ph.SetOp, ph.RecursiveUnion, ph.Aggregate, ph.CteScan):
        return False
    inputs = plan.children()
    if not inputs or type(plan) is ph.Values:
        return any(c.id == column for c in plan.columns)
    return _unpadded(column, inputs[-1])


def _scalars(e: Expr, child: Plan, context: Context) -> tuple[Plan, Expr]:
    """Replace correlated aggregate subqueries inside an expression by left joins onto `child`."""
    if type(e) is Subquery:
        found = _grouped(e, child) if e.kind == "scalar" and e.params else None
        return (child, e) if found is None else found
    if not holds_subquery(e):
        return child, e
    parts = []
    for part in children(e):
        child, part = _scalars(part, child, context)
        parts.append(part)
    return child, with_children(e, tuple(parts))


def _grouped(e: Subquery, child: Plan) -> tuple[Plan, Expr] | None:
    """Left join with the subquery's aggregate grouped by its correlated columns."""
    outer = output_ids(child)
    plan = e.plan
    item: Expr | None = None
    if type(plan) is ph.Project and len(plan.items) == 1:
        item = plan.items[0]
        plan = plan.child
    if type(plan) is not ph.Aggregate or plan.keys or plan.sets is not None:
        return None
    if item is None:
        item = plan.columns[0]
    if holds_subquery(item) or columns_of(item) & outer:
        return None
    below, lifted = _lift(plan.child, outer, False)
    if not lifted or not outer.isdisjoint(free_columns(below)):
        return None
    inner = output_ids(below)
    keys: list[Expr] = []
    pairs: list[tuple[Call, Expr, bool]] = []
    for condition in lifted:
        if type(condition) is not Call or condition.function.name != "=":
            return None
        left, right = condition.args
        left_ids, right_ids = columns_of(left), columns_of(right)
        if left_ids <= inner and left_ids and not right_ids & inner:
            keys.append(left)
            pairs.append((condition, right, True))
        elif right_ids <= inner and right_ids and not left_ids & inner:
            keys.append(right)
            pairs.append((condition, left, False))
        else:
            return None
    for x in plan.aggregates:
        if columns_of(x) & outer:
            return None
    if not all(type(key) is Column for key in keys):
        return None
    columns = tuple(keys) + tuple(plan.columns)
    grouped = ph.Aggregate((), below, tuple(keys), plan.aggregates, None, "")
    grouped.columns = columns  # type: ignore[assignment]
    conditions: list[Expr] = []
    for (condition, other, inner_first), key in zip(pairs, keys, strict=True):
        args = (key, other) if inner_first else (other, key)
        conditions.append(Call(function=condition.function, args=args, type=condition.type))
    # A group that is not there counts zero rows.
    zeros: dict[int, Expr] = {
        column.id: Coalesce(args=(column, Const(value=0, type=column.type)), type=column.type)
        for column, x in zip(plan.columns, plan.aggregates, strict=True)
        if type(x) is Aggregate and x.function.name in ("count", "regr_count")
    }
    return Join((), "left", child, grouped, conditions), substitute(item, zeros)
