"""Names to columns, syntax to typed expressions, statements to logical plans.

Reading order, from conversions.pyx on each a class over the one before: scope.pyx,
conversions.pyx, calls.pyx, expressions.pyx, tables.pyx, queries.pyx (with grouping.pyx and
syntax.pyx), changes.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any

from query_planner.binder.changes import ChangeBinder
from query_planner.binder.conversions import error
from query_planner.binder.scope import Item, Scope
from query_planner.catalog import Catalog, Relation
from query_planner.expr import Column, Expr
from query_planner.types import ASSIGNMENT, TEXT, UNKNOWN, Type, title


class Binder(ChangeBinder):
    """One statement's binding: counters, parameters, and the relations it touched."""

    def __init__(self, catalog: Catalog, params: Sequence[Type | None] = (),
                 open_parameters: bool = True) -> None:
        super().__init__(catalog, params)
        self.open_parameters = open_parameters
        self.numbering = count(1)
        self.cte_numbering = count(1)
        self.relations: dict[int, Relation] = {}
        self.positions: dict[int, int] = {}
        self.level: Any = None
        self.body: Any = None
        self.depth = 0
        self.views = 0
        self.binding = 0

    def statement(self, node: Any) -> Any:
        """A whole query or data-modifying statement."""
        self.body = node
        bound = self.query(node, None)
        self.settle_columns(bound)
        self.params = [TEXT if p is None or p is UNKNOWN else p for p in self.params]
        return bound


def bind_expression(
    node: Any, catalog: Catalog, relation: Relation | None = None,
    target: tuple[Type, int] | None = None,
) -> Expr:
    """A DEFAULT, CHECK, USING or index expression, bound on its own.

    Columns of `relation` have their attribute numbers as ids.  With `target` (type, typmod) the
    value is converted as for an assignment.
    """
    if isinstance(node, str):
        from query_planner.parser import parse_expression

        node = parse_expression(node)
    binder = Binder(catalog, open_parameters=False)
    items = []
    if relation is not None:
        columns = [
            Column(id=c.number, name=c.name, type=c.type, typmod=c.typmod, nullable=not c.not_null,
                   source=(relation.oid, c.number))
            for c in relation.columns
        ]
        binder.numbering = count(10_000)
        items.append(Item(relation.name, [c.name for c in relation.columns], columns))
    e = binder.bind(node, Scope(None, items))
    if target is None:
        return binder.settle(e)
    found = binder.coerce(e, target[0], target[1], ASSIGNMENT, node.pos)
    if found is None:
        raise error("42804", f"expression is of type {title(e.type)}, not "
                    f"{title(target[0], target[1])}", node.pos)
    return found


def resolve_type(node: Any, catalog: Catalog) -> tuple[Type, int]:
    """(Type, typmod) of a TypeName node, or of a type's text."""
    if isinstance(node, str):
        from query_planner.parser import parse_type

        node = parse_type(node)
    return Binder(catalog).resolve_type(node)


__all__ = ["Binder", "bind_expression", "resolve_type"]
