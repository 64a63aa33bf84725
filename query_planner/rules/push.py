"""Move conditions to where the rows are made; turn outer joins whose padding they reject into
inner."""

from __future__ import annotations

from query_planner import physical as ph
from query_planner.algebra import Get, Join, Plan, map_inputs, output_ids
from query_planner.expr import (
    And,
    Call,
    Cast,
    Column,
    Expr,
    InList,
    IsNull,
    Or,
    columns_of,
    conjuncts,
    holds_subquery,
    is_volatile,
    substitutable,
    substitute,
)  # fmt: skip
from query_planner.rules import Context


def push_filters(plan: Plan, context: Context) -> Plan:
    """Conditions sink through projections, groupings, unions and joins to the scans they test."""
    return _push(plan, [])


def _above(plan: Plan, conditions: list[Expr]) -> Plan:
    return ph.Filter((), plan, conditions) if conditions else plan


def _push(node: Plan, conditions: list[Expr]) -> Plan:
    """`node` with the conditions applied somewhere at or below its top."""
    kind = type(node)
    if kind is ph.Filter:
        return _push(node.child, [*node.condition, *conditions])  # type: ignore[attr-defined]
    handler = _HANDLERS.get(kind)
    if handler is not None:
        return handler(node, conditions)
    map_inputs(node, lambda child: _push(child, []))
    return _above(node, conditions)


def _get(node: Plan, conditions: list[Expr]) -> Plan:
    return _above(node, conditions)


def _split(conditions: list[Expr], allowed) -> tuple[list[Expr], list[Expr]]:
    """(those for which allowed(columns) holds, the others)."""
    yes: list[Expr] = []
    no: list[Expr] = []
    for e in conditions:
        (yes if not is_volatile(e) and allowed(columns_of(e)) else no).append(e)
    return yes, no


def _project(node: ph.Project, conditions: list[Expr]) -> Plan:
    mapping = {c.id: e for c, e in zip(node.columns, node.items, strict=True)
               if type(e) is not Column or e.id != c.id}
    own = output_ids(node)
    down: list[Expr] = []
    stay: list[Expr] = []
    for e in conditions:
        used = columns_of(e) & own
        costly = any(i in mapping and (is_volatile(mapping[i]) or holds_subquery(mapping[i]))
                     for i in used)
        if costly or is_volatile(e) or not substitutable(e, mapping):
            stay.append(e)
        else:
            down.extend(conjuncts(substitute(e, mapping)))
    node.child = _push(node.child, down)
    return _above(node, stay)


def _through(node: Plan, conditions: list[Expr]) -> Plan:
    """Sort, plain Distinct, locks: conditions commute."""
    if type(node) is ph.Sort and node.limit is not None:
        node.child = _push(node.child, [])
        return _above(node, conditions)
    if type(node) is ph.Distinct and node.on is not None:
        ids = {c.id for c in node.on if type(c) is Column}
        down, stay = _split(conditions, lambda used: used <= ids)
        node.child = _push(node.child, down)
        return _above(node, stay)
    down, stay = _split(conditions, lambda used: True)
    node.child = _push(node.child, down)  # type: ignore[attr-defined]
    return _above(node, stay)


def _with(node: ph.With, conditions: list[Expr]) -> Plan:
    node.ctes = tuple((n, name, _push(plan, [])) for n, name, plan in node.ctes)
    node.child = _push(node.child, conditions)
    return node


def _aggregate(node: ph.Aggregate, conditions: list[Expr]) -> Plan:
    if node.sets is not None or not node.keys:
        node.child = _push(node.child, [])
        return _above(node, conditions)
    keys = {c.id: e for c, e in zip(node.columns, node.keys, strict=False)}
    made = {c.id for c in node.columns[len(node.keys) :]}
    down, stay = _split(conditions, lambda used: not used & made)
    movable = [e for e in down if substitutable(e, keys)]
    stay.extend(e for e in down if not substitutable(e, keys))
    node.child = _push(node.child, [substitute(e, keys) for e in movable])
    return _above(node, stay)


def _window(node: ph.WindowAgg, conditions: list[Expr]) -> Plan:
    partition = {e.id for e in node.partition if type(e) is Column}
    down, stay = _split(conditions, lambda used: bool(used) and used <= partition)
    node.child = _push(node.child, down)
    return _above(node, stay)


def _append(node: ph.Append, conditions: list[Expr]) -> Plan:
    return _set_parts(node, conditions, "parts")


def _set_op(node: ph.SetOp, conditions: list[Expr]) -> Plan:
    return _set_parts(node, conditions, "")


def _set_parts(node: Plan, conditions: list[Expr], name: str) -> Plan:
    from query_planner.algebra import output

    own = {c.id for c in node.columns}
    down, stay = _split(conditions, lambda used: bool(used & own))
    down_ok = [e for e in down if not holds_subquery(e)]
    stay.extend(e for e in down if e not in down_ok)

    def part(child: Plan) -> Plan:
        mapping: dict[int, Expr] = {
            c.id: o for c, o in zip(node.columns, output(child), strict=True)
        }
        return _push(child, [substitute(e, mapping) for e in down_ok])

    map_inputs(node, part)
    return _above(node, stay)


def _join(node: Join, conditions: list[Expr]) -> Plan:
    kind = node.kind
    left_ids = output_ids(node.left)
    right_ids = output_ids(node.right)
    to_left: list[Expr] = []
    to_right: list[Expr] = []
    stay: list[Expr] = []
    if kind in ("left", "full", "right"):
        kind = node.kind = _strengthen(kind, conditions, left_ids, right_ids)
    if kind == "inner":
        keep: list[Expr] = []
        for e in [*node.condition, *conditions]:
            for part in _factored(e):
                used = columns_of(part)
                if is_volatile(part):
                    keep.append(part)
                elif not used & right_ids and used & left_ids:
                    to_left.append(part)
                elif used & right_ids and not used & left_ids:
                    to_right.append(part)
                else:
                    keep.append(part)
        _close(keep, to_left, to_right, left_ids, right_ids)
        node.condition = keep
    else:
        own: list[Expr] = []
        for e in node.condition:
            used = columns_of(e)
            if not is_volatile(e) and used & right_ids and not used & left_ids \
                    and kind in ("left", "semi", "anti"):
                to_right.append(e)
            elif not is_volatile(e) and kind == "semi" and used & left_ids \
                    and not used & right_ids:
                to_left.append(e)
            else:
                own.append(e)
        node.condition = own
        for e in conditions:
            used = columns_of(e)
            if not is_volatile(e) and not used & right_ids and kind != "full":
                to_left.append(e)
            else:
                stay.append(e)
        if kind in ("left", "semi"):
            # What is known of the left side of an equality holds for the right side too.
            _close(own, list(to_left), to_right, left_ids, right_ids, one_way=True)
    node.left = _push(node.left, to_left)
    node.right = _push(node.right, to_right)
    return _above(node, stay)


def _close(joining: list[Expr], to_left: list[Expr], to_right: list[Expr], left_ids: set[int],
           right_ids: set[int], one_way: bool = False) -> None:
    """a = b and a = constant give b = constant: copy such conditions across the join."""
    for e in joining:
        if type(e) is not Call or e.function.name != "=" or len(e.args) != 2:
            continue
        a, b = e.args
        if type(a) is not Column or type(b) is not Column or a.type is not b.type:
            continue
        if a.id in right_ids:
            a, b = b, a
        if a.id not in left_ids or b.id not in right_ids:
            continue
        _copy(to_left, to_right, a, b)
        if not one_way:
            _copy(to_right, to_left, b, a)


def _copy(source: list[Expr], target: list[Expr], old: Column, new: Column) -> None:
    for e in list(source):
        if type(e) is Call and e.function.name in ("=", "<", "<=", ">", ">=") \
                and len(e.args) == 2 and type(e.args[0]) is Column and e.args[0].id == old.id \
                and not columns_of(e.args[1]):
            copied = substitute(e, {old.id: new})
            if copied not in target:
                target.append(copied)


def _factored(e: Expr) -> list[Expr]:
    """(a AND b) OR (a AND c) also says a: take what all branches share out."""
    if type(e) is not Or:
        return [e]
    branches = [conjuncts(arg) for arg in e.args]
    shared = [part for part in branches[0]
              if all(part in branch for branch in branches[1:]) and not is_volatile(part)]
    if not shared:
        return [e]
    rest = [[part for part in branch if part not in shared] for branch in branches]
    if not all(rest):
        return shared
    alternatives = tuple(
        parts[0] if len(parts) == 1 else And(args=tuple(parts), type=e.type) for parts in rest
    )
    return [*shared, Or(args=alternatives, type=e.type)]


def _strengthen(kind: str, conditions: list[Expr], left: set[int], right: set[int]) -> str:
    """The join kind once conditions above reject the rows that padding would add."""
    rejects_right = any(rejects_null(e, right) for e in conditions)
    rejects_left = any(rejects_null(e, left) for e in conditions)
    if kind == "left":
        return "inner" if rejects_right else kind
    if kind == "right":
        return "inner" if rejects_left else kind
    if rejects_left and rejects_right:
        return "inner"
    if rejects_left:
        return "left"
    return kind


def rejects_null(e: Expr, ids: set[int]) -> bool:
    """Whether a condition cannot be true when all these columns are NULL."""
    kind = type(e)
    if kind is Call:
        return e.function.strict and any(_null_if(arg, ids) for arg in e.args)
    if kind is And:
        return any(rejects_null(arg, ids) for arg in e.args)
    if kind is Or:
        return all(rejects_null(arg, ids) for arg in e.args)
    if kind is IsNull:
        return e.negated and _null_if(e.arg, ids)
    if kind is InList:
        return _null_if(e.arg, ids)
    if kind is Column:
        return e.id in ids
    return False


def _null_if(e: Expr, ids: set[int]) -> bool:
    """Whether an expression is NULL when all these columns are."""
    if type(e) is Column:
        return e.id in ids
    if type(e) is Cast:
        return _null_if(e.arg, ids)
    if type(e) is Call and e.function.strict:
        return any(_null_if(arg, ids) for arg in e.args)
    return False


_HANDLERS = {
    Get: _get, Join: _join, ph.Project: _project, ph.Sort: _through, ph.Distinct: _through,
    ph.Aggregate: _aggregate, ph.WindowAgg: _window, ph.Append: _append, ph.SetOp: _set_op,
    ph.With: _with,
}  # fmt: skip
