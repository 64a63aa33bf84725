"""Joins: blocks of inner joins are ordered as a whole, other joins keep their place.

A block is every relation reachable through inner joins and filters.  Relations that depend on
others (LATERAL) cannot be reordered freely; they are joined last, as nested loops, in their
written order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from query_planner import cost
from query_planner import physical as ph
from query_planner.algebra import Get, Join, free_columns, output_ids
from query_planner.choose.scans import scan
from query_planner.estimate import Estimator, clamp
from query_planner.expr import Call, Column, Expr, IsBool, columns_of, is_volatile
from query_planner.joins.enumerate import order
from query_planner.types import BOOL

if TYPE_CHECKING:
    from query_planner.choose.nodes import Builder

PAIR_BUDGET = 300_000
_MAX_BLOCK = 64


class Relation:
    """One input of a block: its logical plan, own conditions, and physical plan."""

    __slots__ = ("conditions", "ids", "logical", "needs", "plan")

    def __init__(self, logical: ph.Plan) -> None:
        self.logical = logical
        self.ids = output_ids(logical)
        self.conditions: list[Expr] = []
        self.needs: set[int] = set()
        self.plan: Any = None


def build_block(builder: Builder, node: ph.Plan, conditions: list[Expr]) -> ph.Plan:
    """The physical plan of an inner-join block under extra conditions."""
    relations: list[Relation] = []
    conjuncts = list(conditions)
    _collect(node, relations, conjuncts)
    edges: list[tuple[int, Expr]] = []
    late: list[Expr] = []
    for e in conjuncts:
        mask = _mask(columns_of(e), relations)
        if is_volatile(e) or not mask:
            late.append(e)
        elif mask & (mask - 1):
            edges.append((mask, e))
        else:
            relations[mask.bit_length() - 1].conditions.append(e)
    for relation in relations:
        if type(relation.logical) is Get:
            relation.plan = scan(relation.logical, relation.conditions, builder.estimator)
        else:
            relation.plan = builder.filtered(relation.logical, relation.conditions)
            relation.needs = set(free_columns(relation.logical))
    everything = set().union(*[relation.ids for relation in relations])
    for relation in relations:
        relation.needs &= everything
    plan = _order(builder, relations, edges)
    return builder.filter(plan, late)


def _collect(node: ph.Plan, relations: list[Relation], conjuncts: list[Expr]) -> None:
    """Flatten filters and inner joins."""
    stack = [node]
    while stack:
        node = stack.pop()
        if type(node) is ph.Filter:
            conjuncts.extend(node.condition)
            stack.append(node.child)
        elif type(node) is Join and node.kind == "inner" and len(relations) < _MAX_BLOCK:
            conjuncts.extend(node.condition)
            stack.append(node.right)
            stack.append(node.left)
        else:
            relations.append(Relation(node))


def _mask(ids: set[int], relations: list[Relation]) -> int:
    mask = 0
    for i, relation in enumerate(relations):
        if not ids.isdisjoint(relation.ids):
            mask |= 1 << i
    return mask


def _order(builder: Builder, relations: list[Relation], edges: list[tuple[int, Expr]]) -> ph.Plan:
    """Join all relations of a block."""
    free = [i for i, relation in enumerate(relations) if not relation.needs]
    bound = [i for i, relation in enumerate(relations) if relation.needs]
    if len(free) > _MAX_BLOCK:
        return _in_turn(builder, relations, edges, list(range(len(relations))))
    if bound or len(free) == 1:
        if len(free) == 1:
            start, mask = relations[free[0]].plan, 1 << free[0]
        else:
            start, mask = _best(builder, relations, edges, free) if free else (None, 0)
        return _in_turn(builder, relations, edges, bound, start, mask)
    return _best(builder, relations, edges, free)[0]


def _in_turn(builder: Builder, relations: list[Relation], edges: list[tuple[int, Expr]],
             turn: list[int], plan: Any = None, mask: int = 0) -> ph.Plan:
    """Join relations one after the other, those whose needs are met first."""
    waiting = list(turn)
    while waiting:
        have = set().union(*[r.ids for i, r in enumerate(relations) if mask >> i & 1])
        i = next((i for i in waiting if relations[i].needs <= have), waiting[0])
        waiting.remove(i)
        both = mask | 1 << i
        ready = [e for m, e in edges if not m & ~both and m >> i & 1 and m & mask]
        if plan is None:
            plan = relations[i].plan
        else:
            plan = join_plans(builder, "inner", plan, relations[i], ready)
        mask = both
    return plan


def _best(builder: Builder, relations: list[Relation], edges: list[tuple[int, Expr]],
          members: list[int]) -> tuple[ph.Plan, int]:
    """Order the independent relations by cost and build their joins."""
    local = {i: place for place, i in enumerate(members)}
    chosen = sum(1 << i for i in members)
    inside = [(m, e) for m, e in edges if not m & ~chosen]
    rows = [relations[i].plan.rows for i in members]
    costs = [relations[i].plan.cost for i in members]
    links: dict[int, list[Any]] = {}
    lookups = []
    for m, e in inside:
        mask = sum(1 << local[i] for i in members if m >> i & 1)
        selectivity, hashable = _selectivity(builder, relations, m, e)
        known = links.get(mask)
        if known is None:
            links[mask] = [selectivity, hashable]
        else:
            # Further equalities of one pair of relations are rarely independent.
            known[0] *= selectivity**0.5 if hashable and known[1] else selectivity
            known[1] = known[1] or hashable
    for place, i in enumerate(members):
        lookups.extend(_lookups(builder, relations, i, place, inside, local))
    tree, _, _ = order(rows, costs, [(m, s, h) for m, (s, h) in links.items()], lookups,
                       PAIR_BUDGET)
    plan, _ = _assemble(builder, relations, members, inside, tree)
    return plan, chosen


def _selectivity(builder: Builder, relations: list[Relation], mask: int,
                 e: Expr) -> tuple[float, bool]:
    """(selectivity, whether a hash join can use it) of a predicate between relations."""
    if type(e) is Call and e.function.name == "=" and len(e.args) == 2:
        left, right = e.args
        left_mask = _mask(columns_of(left), relations)
        right_mask = _mask(columns_of(right), relations)
        if left_mask and right_mask and not left_mask & right_mask:
            rows = [max(1.0, _rows(relations, m)) for m in (left_mask, right_mask)]
            return builder.estimator.join(left, right, rows[0], rows[1]), True
    return clamp(builder.estimator.of(e)), False


def _rows(relations: list[Relation], mask: int) -> float:
    """Rows of the relation a (one-sided) mask stands for."""
    return relations[mask.bit_length() - 1].plan.rows


def _lookups(builder: Builder, relations: list[Relation], i: int, place: int,
             edges: list[tuple[int, Expr]], local: dict[int, int]) -> list[tuple]:
    """Ways to reach relation i by an index lookup for each row of the other side."""
    get = relations[i].logical
    if type(get) is not Get or not get.relation.indexes:
        return []
    numbers = {c.id: number for c, number in zip(get.columns, get.numbers, strict=True)}
    leading = {index.columns[0] for index in get.relation.indexes
               if index.predicate is None and not index.expressions and (
                   index.ordered or len(index.columns) == 1)}
    found = []
    for mask, e in edges:
        if not mask >> i & 1 or type(e) is not Call or e.function.name != "=":
            continue
        others = mask & ~(1 << i)
        for own, other in (e.args, e.args[::-1]):
            if type(own) is Column and numbers.get(own.id) in leading \
                    and columns_of(other).isdisjoint(relations[i].ids):
                trial = scan(get, [*relations[i].conditions, e], builder.estimator)
                if type(trial) is ph.IndexScan:
                    ends = sum(1 << local[j] for j in local if others >> j & 1)
                    found.append((place, ends, trial.cost))
    return found


def _assemble(builder: Builder, relations: list[Relation], members: list[int],
              edges: list[tuple[int, Expr]], tree: Any) -> tuple[ph.Plan, int]:
    """(plan, mask) of an order tree."""
    if isinstance(tree, int):
        i = members[tree]
        return relations[i].plan, 1 << i
    left, left_mask = _assemble(builder, relations, members, edges, tree[0])
    method, rows = tree[2], tree[3]
    both: int
    if isinstance(tree[1], int):
        right = relations[members[tree[1]]]
        right_mask = 1 << members[tree[1]]
    else:
        right = Relation(ph.Empty(()))
        right.plan, right_mask = _assemble(builder, relations, members, edges, tree[1])
        right.ids = {c.id for c in right.plan.columns}
    both = left_mask | right_mask
    ready = [e for m, e in edges if not m & ~both and m & left_mask and m & right_mask]
    plan = join_plans(builder, "inner", left, right, ready, method)
    plan.rows = rows
    return plan, both


# ---------------------------------------------------------------------- two inputs


def build_outer(builder: Builder, node: Join) -> ph.Plan:
    """A left, full, semi or anti join: its inputs are planned apart."""
    right = Relation(node.right)
    left = builder.build(node.left)
    inner = node.right
    conditions: list[Expr] = []
    while type(inner) is ph.Filter:
        conditions.extend(inner.condition)
        inner = inner.child
    if type(inner) is Get:
        right.logical = inner
        right.conditions = conditions
    right.plan = builder.build(node.right)
    right.needs = set(free_columns(node.right)) & {c.id for c in left.columns}
    return join_plans(builder, node.kind, left, right, list(node.condition))


def join_plans(builder: Builder, kind: str, left: ph.Plan, right: Relation,
               conditions: list[Expr], method: str | None = None) -> ph.Plan:
    """The cheapest join of a plan and a relation under a conjunction of conditions."""
    left_ids = {c.id for c in left.columns}
    right_plan = right.plan
    right_ids = {c.id for c in right_plan.columns}
    keys, rest = _keys(conditions, left_ids, right_ids)
    out = _join_rows(builder, kind, left, right_plan, keys, rest)
    best: ph.Plan | None = None
    if right.needs:
        return _loop(kind, left, right_plan, conditions, out, right.needs)
    if keys and method != "lookup":
        best = _hash(kind, left, right_plan, keys, rest, out)
        if kind == "inner" and right_plan.rows > left.rows:
            swapped = [(f, b, a) for f, a, b in keys]
            turned = _hash(kind, right_plan, left, swapped, rest, out)
            if turned.cost < best.cost:
                best = turned
    if type(right.logical) is Get and keys and kind in ("inner", "left", "semi", "anti"):
        path = scan(right.logical, [*right.conditions, *conditions], builder.estimator)
        if type(path) is ph.IndexScan and _uses(path, left_ids):
            loop = _loop(kind, left, path, [], out, left_ids)
            if best is None or loop.cost < best.cost:
                best = loop
    if best is None and keys:
        best = _hash(kind, left, right_plan, keys, rest, out)
    if best is None and kind == "full":
        best = _hash(kind, left, right_plan, [], rest, out)
    if best is None:
        best = _loop(kind, left, right_plan, conditions, out, set())
        if kind == "inner" and right_plan.rows > left.rows:
            turned_loop = _loop(kind, right_plan, left, conditions, out, set())
            if turned_loop.cost < best.cost:
                best = turned_loop
    return best


def _uses(path: ph.IndexScan, ids: set[int]) -> bool:
    """Whether an index scan's keys come from these columns."""
    values = [*path.keys]
    if isinstance(path.many, tuple):
        values.extend(path.many)
    elif path.many is not None:
        values.append(path.many)
    values.extend(bound[0] for bound in (path.low, path.high) if bound is not None)
    return any(not columns_of(e).isdisjoint(ids) for e in values)


def _keys(conditions: list[Expr], left: set[int],
          right: set[int]) -> tuple[list[tuple[Any, Expr, Expr]], list[Expr]]:
    """(equalities as (function, left side, right side), the other conditions)."""
    keys = []
    rest = []
    for e in conditions:
        if type(e) is Call and e.function.name == "=" and len(e.args) == 2:
            a, b = e.args
            a_ids, b_ids = columns_of(a), columns_of(b)
            if a_ids and b_ids:
                if a_ids <= left and b_ids <= right:
                    keys.append((e.function, a, b))
                    continue
                if b_ids <= left and a_ids <= right:
                    keys.append((e.function, b, a))
                    continue
        rest.append(e)
    return keys, rest


def _join_rows(builder: Builder, kind: str, left: ph.Plan, right: ph.Plan, keys: list,
               rest: list[Expr]) -> float:
    """Estimated output rows."""
    estimator: Estimator = builder.estimator
    selectivity = 1.0
    for place, (_, a, b) in enumerate(keys):
        one = estimator.join(a, b, left.rows, right.rows)
        selectivity *= one if place == 0 else one**0.5
    selectivity *= estimator.all_of(rest)
    pairs = left.rows * right.rows * selectivity
    if kind == "inner":
        return max(1.0, pairs)
    if kind in ("semi", "anti", "anti null"):
        matched = clamp(pairs / max(1.0, left.rows))
        if keys:
            a, b = keys[0][1], keys[0][2]
            matched = min(matched, clamp(estimator.distinct(b, right.rows)
                                         / max(1.0, estimator.distinct(a, left.rows))))
        return max(1.0, left.rows * (matched if kind == "semi" else 1 - matched))
    if kind == "left":
        return max(left.rows, pairs)
    return max(left.rows, right.rows, pairs)


def _hash(kind: str, left: ph.Plan, right: ph.Plan, keys: list, rest: list[Expr],
          out: float) -> ph.HashJoin:
    node = ph.HashJoin(
        _columns(kind, left, right), kind, left, right, tuple([a for _, a, _ in keys]),
        tuple([b for _, _, b in keys]), tuple([f for f, _, _ in keys]), tuple(rest))
    node.rows = out
    node.width = left.width + (right.width if len(node.columns) > len(left.columns) else 0)
    node.startup = left.startup + right.cost
    node.cost = left.cost + right.cost + cost.hash_join(
        left.rows, right.rows, len(keys), len(rest), out)
    return node


def _loop(kind: str, left: ph.Plan, right: ph.Plan, conditions: list[Expr], out: float,
          needs: set[int]) -> ph.NestedLoop:
    params: tuple[Column, ...] = ()
    if needs:
        used = set(free_columns(right))
        params = tuple([c for c in left.columns if c.id in used])
    if kind == "anti null":  # a loop can say it in the condition: what may be equal, counts as such
        kind = "anti"
        conditions = [IsBool(arg=c, value=False, negated=True, type=BOOL) for c in conditions]
    node = ph.NestedLoop(_columns(kind, left, right), kind, left, right, tuple(conditions), params)
    node.rows = out
    node.width = left.width + (right.width if len(node.columns) > len(left.columns) else 0)
    node.startup = left.startup + right.startup
    if params:
        node.cost = left.cost + left.rows * right.cost + out * cost.TUPLE
    else:
        node.cost = left.cost + right.cost + cost.nested_loop(
            left.rows, right.rows, len(conditions), out)
    return node


def _columns(kind: str, left: ph.Plan, right: ph.Plan) -> tuple[Column, ...]:
    if kind in ("semi", "anti", "anti null"):
        return left.columns
    return left.columns + right.columns


