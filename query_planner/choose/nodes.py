"""Every operator but scans and joins: costs, row estimates, and the plans of subqueries.

`Builder.build` works bottom-up and in place: nodes with one implementation get their numbers, `Get`
and `Join` are replaced by what scans.py and joins.py choose.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from query_planner import cost
from query_planner import physical as ph
from query_planner.algebra import Get, Join, free_columns, subqueries_of
from query_planner.choose.joins import build_block, build_outer
from query_planner.choose.scans import scan, width_of
from query_planner.estimate import Estimator
from query_planner.expr import Call, Column, Const, Expr
from query_planner.rules import Context


class Builder:
    """Builds one statement's physical plan."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.estimator = Estimator(context)

    def build(self, node: ph.Plan) -> ph.Plan:
        """The physical plan of a logical one."""
        self.inside(node)
        return _BUILDERS.get(type(node), Builder.plain)(self, node)

    def inside(self, node: ph.Plan) -> None:
        """Plan the subqueries within a node's expressions."""
        for query in subqueries_of(node):
            if query.plan.cost == 0.0:
                query.plan = self.build(query.plan)
                query.params = tuple(free_columns(query.plan).values())

    # -- inputs of all kinds

    def get(self, node: Get) -> ph.Plan:
        return scan(node, [], self.estimator)

    def filter_node(self, node: ph.Filter) -> ph.Plan:
        return self.filtered(node.child, list(node.condition))

    def filtered(self, node: ph.Plan, conditions: list[Expr]) -> ph.Plan:
        """A logical plan under conditions."""
        if type(node) is ph.Filter:
            self.inside(node)
            return self.filtered(node.child, [*node.condition, *conditions])
        if type(node) is Get:
            return scan(node, conditions, self.estimator)
        if type(node) is Join and node.kind == "inner":
            self.inside_joins(node)
            return build_block(self, node, conditions)
        return self.filter(self.build(node), conditions)

    def inside_joins(self, node: ph.Plan) -> None:
        """Plan the subqueries in the conditions of a block's joins."""
        stack = [node]
        while stack:
            node = stack.pop()
            if type(node) is Join and node.kind == "inner":
                stack.extend((node.left, node.right))
            elif type(node) is ph.Filter:
                stack.append(node.child)
            else:
                continue
            self.inside(node)

    def filter(self, child: ph.Plan, conditions: list[Expr]) -> ph.Plan:
        """A physical plan under conditions."""
        if not conditions:
            return child
        if type(child) in (ph.Scan, ph.IndexScan):
            child.filter = (*child.filter, *conditions)  # type: ignore[attr-defined]
            child.rows = max(1.0, child.rows * self.estimator.all_of(conditions))
            return child
        node = ph.Filter(child.columns, child, tuple(conditions))
        node.rows = max(1.0, child.rows * self.estimator.all_of(conditions))
        self.over(node, child, child.rows * cost.OPERATOR * len(conditions))
        return node

    def join(self, node: Join) -> ph.Plan:
        if node.kind == "inner":
            self.inside_joins(node)
            return build_block(self, node, [])
        return build_outer(self, node)

    def over(self, node: ph.Plan, child: ph.Plan, work: float, blocking: bool = False) -> None:
        """Costs of a node with one input; a blocking one works before its first row."""
        node.startup = child.cost + work if blocking else child.startup
        node.cost = child.cost + work
        node.width = width_of(node.columns)

    # -- rows out of nothing

    def result(self, node: ph.Plan) -> ph.Plan:
        node.rows = 1.0
        node.cost = cost.TUPLE
        return node

    def empty(self, node: ph.Plan) -> ph.Plan:
        node.rows = 0.0
        node.cost = 1e-9
        return node

    def values(self, node: ph.Values) -> ph.Plan:
        node.rows = float(len(node.tuples))
        node.cost = node.rows * cost.TUPLE + 1e-9
        node.width = width_of(node.columns)
        return node

    def function_scan(self, node: ph.FunctionScan) -> ph.Plan:
        node.rows = max(_function_rows(e) for e in node.calls)
        node.cost = node.rows * cost.TUPLE
        node.width = width_of(node.columns)
        return node

    def cte_scan(self, node: ph.CteScan) -> ph.Plan:
        node.rows = self.context.cte_rows.get(node.cte, 100.0)
        if type(node) is ph.WorkTableScan:
            node.rows = max(1.0, node.rows * 10)
        node.cost = max(node.rows * cost.TUPLE, 1e-9)
        node.width = width_of(node.columns)
        return node

    # -- one input

    def project(self, node: ph.Project) -> ph.Plan:
        node.child = self.build(node.child)
        node.rows = node.child.rows
        work = sum([type(e) not in (Column, Const) for e in node.items])
        self.over(node, node.child, node.rows * cost.OPERATOR * work + 1e-9)
        return node

    def project_set(self, node: ph.ProjectSet) -> ph.Plan:
        node.child = self.build(node.child)
        each = max(_function_rows(e) for e in node.items)
        node.rows = node.child.rows * each
        self.over(node, node.child, node.rows * cost.TUPLE)
        return node

    def aggregate(self, node: ph.Aggregate) -> ph.Plan:
        node.child = child = self.build(node.child)
        if not node.keys:
            node.rows = 1.0
        else:
            groups = 1.0
            for key in node.keys:
                groups *= self.estimator.distinct(key, child.rows)
            node.rows = max(1.0, min(groups, child.rows))
            if node.sets is not None:
                node.rows *= max(1, len(node.sets)) ** 0.5
        node.strategy = "hashed" if node.keys or node.sets else "plain"
        self.over(node, child, cost.aggregate(child.rows, len(node.keys), len(node.aggregates),
                                              node.rows), True)
        return node

    def window(self, node: ph.WindowAgg) -> ph.Plan:
        node.child = self.build(node.child)
        node.columns = node.child.columns + tuple(node.columns)[-len(node.calls) :]
        node.rows = node.child.rows
        self.over(node, node.child, node.rows * cost.OPERATOR * 2 * len(node.calls))
        return node

    def sort(self, node: ph.Sort) -> ph.Plan:
        node.child = self.build(node.child)
        node.columns = node.child.columns
        node.rows = node.child.rows
        limit = None
        if type(node.limit) is Const:
            limit = float(node.limit.value or 0)
        self.over(node, node.child, cost.sort(node.rows, len(node.keys), limit), True)
        return node

    def limit(self, node: ph.Limit) -> ph.Plan:
        child = node.child
        if node.limit is not None and node.ties is None:
            # The sort below need keep only the first rows.
            below = child
            while type(below) is ph.Project and all(type(e) is Column for e in below.items):
                below = below.child
            if type(below) is ph.Sort:
                below.limit, below.offset = node.limit, node.offset
        node.child = child = self.build(child)
        node.columns = child.columns
        rows = child.rows
        skip = _number(node.offset, 0.0)
        node.rows = max(1.0, min(rows - skip, _number(node.limit, rows)))
        part = min(1.0, (node.rows + skip) / max(1.0, rows))
        self.over(node, child, 0.0)
        node.cost = child.startup + (child.cost - child.startup) * part + 1e-9
        return node

    def distinct(self, node: ph.Distinct) -> ph.Plan:
        node.child = child = self.build(node.child)
        node.columns = child.columns
        groups = 1.0
        for e in child.columns if node.on is None else node.on:
            groups = min(groups * self.estimator.distinct(e, child.rows), child.rows)
        node.rows = max(1.0, groups)
        self.over(node, child, cost.aggregate(child.rows, len(child.columns), 0, node.rows),
                  node.on is None)
        return node

    def lock_rows(self, node: ph.LockRows) -> ph.Plan:
        node.child = self.build(node.child)
        node.columns = node.child.columns
        node.rows = node.child.rows
        self.over(node, node.child, node.rows * cost.TUPLE)
        return node

    # -- several inputs

    def append(self, node: ph.Append) -> ph.Plan:
        node.parts = tuple([self.build(part) for part in node.parts])
        node.rows = sum(part.rows for part in node.parts)
        node.startup = node.parts[0].startup
        node.cost = sum(part.cost for part in node.parts) + node.rows * cost.TUPLE * 0.5
        node.width = width_of(node.columns)
        return node

    def set_op(self, node: ph.SetOp) -> ph.Plan:
        node.left, node.right = self.build(node.left), self.build(node.right)
        node.rows = node.left.rows if node.kind == "except" else min(node.left.rows,
                                                                     node.right.rows)
        work = cost.aggregate(node.left.rows + node.right.rows, len(node.columns), 0, node.rows)
        node.cost = node.startup = node.left.cost + node.right.cost + work
        node.width = width_of(node.columns)
        return node

    def recursive(self, node: ph.RecursiveUnion) -> ph.Plan:
        node.base = self.build(node.base)
        self.context.cte_rows[node.cte] = node.base.rows
        node.step = self.build(node.step)
        node.rows = node.base.rows + 10 * node.step.rows
        node.startup = node.base.startup
        node.cost = node.base.cost + 10 * node.step.cost + node.rows * cost.TUPLE
        node.width = width_of(node.columns)
        return node

    def with_(self, node: ph.With) -> ph.Plan:
        made = []
        for number, name, plan in node.ctes:
            plan = self.build(plan)
            self.context.cte_rows[number] = plan.rows
            made.append((number, name, plan))
        node.ctes = tuple(made)
        node.child = self.build(node.child)
        node.columns = node.child.columns
        node.rows = node.child.rows
        self.over(node, node.child, sum(plan.cost for _, _, plan in made))
        return node

    def change(self, node: Any) -> ph.Plan:
        node.child = self.build(node.child)
        node.rows = node.child.rows if node.returning is not None else 0.0
        self.over(node, node.child, node.child.rows * cost.TUPLE)
        return node

    def plain(self, node: ph.Plan) -> ph.Plan:
        raise AssertionError(f"no way to plan {type(node).__name__}")


def _function_rows(e: Expr) -> float:
    """Rows a set-returning call is expected to give."""
    if type(e) is not Call or not e.function.returns_set:
        return 1.0
    if e.function.name == "generate_series" and len(e.args) == 2:
        low, high = e.args
        if type(low) is Const and type(high) is Const and isinstance(low.value, int) \
                and isinstance(high.value, int):
            return float(max(0, high.value - low.value + 1))
    return 10.0 if e.function.name == "unnest" else 100.0


def _number(e: Expr | None, unknown: float) -> float:
    if e is None:
        return unknown
    return float(e.value) if type(e) is Const and e.value is not None else unknown * 0.1


_BUILDERS: dict[type, Callable[[Builder, Any], ph.Plan]] = {
    Get: Builder.get, Join: Builder.join, ph.Filter: Builder.filter_node,
    ph.Result: Builder.result, ph.Empty: Builder.empty, ph.Values: Builder.values,
    ph.FunctionScan: Builder.function_scan, ph.CteScan: Builder.cte_scan,
    ph.WorkTableScan: Builder.cte_scan, ph.Project: Builder.project,
    ph.ProjectSet: Builder.project_set, ph.Aggregate: Builder.aggregate,
    ph.WindowAgg: Builder.window, ph.Sort: Builder.sort, ph.Limit: Builder.limit,
    ph.Distinct: Builder.distinct, ph.LockRows: Builder.lock_rows, ph.Append: Builder.append,
    ph.SetOp: Builder.set_op, ph.RecursiveUnion: Builder.recursive, ph.With: Builder.with_,
    ph.Insert: Builder.change, ph.Update: Builder.change, ph.Delete: Builder.change,
}  # fmt: skip
