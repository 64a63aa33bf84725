"""`plan`: one statement from syntax (or text) to a `Prepared` physical plan.

    text -parse-> syntax tree -bind-> logical plan -rules-> logical plan -choose-> physical plan
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from query_planner import physical as ph
from query_planner.algebra import expressions, output, subqueries_of
from query_planner.ast import Delete, Insert, Query, Update
from query_planner.binder import Binder
from query_planner.catalog import Catalog
from query_planner.choose.nodes import Builder
from query_planner.errors import SqlError
from query_planner.expr import Column, is_volatile
from query_planner.parser import parse
from query_planner.rules import Context, optimize
from query_planner.types import Type

_KINDS = {Insert: "insert", Update: "update", Delete: "delete"}


def plan(
    statement: Any,
    catalog: Catalog,
    params: Sequence[Type | None] = (),
    *,
    trace: list[tuple[str, str]] | None = None,
    optimized: bool = True,
) -> ph.Prepared:
    """Plan a query or data-modifying statement.

    statement  a node of `query_planner.ast`, or SQL text of one statement
    params     types of $1, $2, ... as far as known (None = infer from use)
    trace      when given, receives (rule, outline of the plan after it) of every rule that fired
    optimized  False leaves the rules out (what the tests compare with)
    """
    if isinstance(statement, str):
        statements = parse(statement)
        if len(statements) != 1:
            raise SqlError("42601", "cannot insert multiple commands into a prepared statement")
        statement = statements[0]
    if not isinstance(statement, (Query, Insert, Update, Delete)):
        raise SqlError("42601", f"{type(statement).__name__} is not a statement to plan")
    binder = Binder(catalog, params)
    bound = binder.statement(statement)
    context = Context(catalog, binder.numbering)
    context.trace = trace
    columns = list(bound.columns)
    tree = bound.node
    kind = _KINDS.get(type(statement), "select")
    tree = optimize(tree, context) if optimized else tree
    root = Builder(context).build(tree)
    if kind == "select":
        root = _shaped(root, columns)
    volatile = _number(root)
    outputs = tuple([
        (name, c.type, c.typmod, *(c.source or (0, 0)))
        for name, c in zip(bound.names, columns, strict=True)
    ])
    return ph.Prepared(root, kind, outputs, tuple(binder.params),
                       tuple(binder.relations.values()), volatile)


def _shaped(root: ph.Plan, columns: list[Column]) -> ph.Plan:
    """The root with exactly the statement's columns, in order."""
    have = output(root)
    if len(have) == len(columns) and all(
            a.id == b.id for a, b in zip(have, columns, strict=True)):
        return root
    node = ph.Project(tuple(columns), root, tuple(columns))
    node.rows, node.startup, node.cost, node.width = root.rows, root.startup, root.cost, root.width
    return node


def _number(root: ph.Plan) -> bool:
    """Number the nodes in pre-order; whether any expression is volatile."""
    counter = 0
    volatile = False
    stack = [root]
    while stack:
        node = stack.pop()
        node.id = counter
        counter += 1
        volatile = volatile or any(is_volatile(e) for e in expressions(node))
        inner = [query.plan for query in subqueries_of(node)]
        stack.extend(reversed([*node.children(), *inner]))
    return volatile
