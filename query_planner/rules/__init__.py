"""The logical rewrites, in the order they are applied.

A rule is a function (plan, context) -> plan whose first docstring line says what it does; `RULES`
is
the data.  Every rule keeps the meaning of the plan (same rows, same columns by id); each is shown
before and after in tests/query_planner/scripts/rules.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

from query_planner.algebra import Plan
from query_planner.catalog import Catalog, Relation, TableStats


class Context:
    """What rules and costing share: the catalog, a source of column ids, statistics, and a
    trace."""

    def __init__(self, catalog: Catalog, numbering: Any = None) -> None:
        self.catalog = catalog
        self.numbering = numbering or count(1)
        self.stats: dict[int, TableStats | None] = {}
        self.cte_rows: dict[int, float] = {}
        self.relations: dict[int, Relation] = {}
        self.trace: list[tuple[str, str]] | None = None

    def statistics(self, relation: Relation) -> TableStats | None:
        """The catalog's statistics of a relation, asked once."""
        if relation.oid not in self.stats:
            self.stats[relation.oid] = self.catalog.statistics(relation)
            self.relations[relation.oid] = relation
        return self.stats[relation.oid]


Rule = Callable[[Plan, Context], Plan]


def rules() -> tuple[tuple[str, Rule], ...]:
    """(name, rule) in order of application."""
    from query_planner.rules.fold import fold_constants
    from query_planner.rules.merge import merge_projects
    from query_planner.rules.prune import prune_columns
    from query_planner.rules.push import push_filters
    from query_planner.rules.unnest import unnest_subqueries

    return (
        ("fold_constants", fold_constants),
        ("unnest_subqueries", unnest_subqueries),
        ("merge_projects", merge_projects),
        ("push_filters", push_filters),
        ("prune_columns", prune_columns),
    )


_rules: tuple[tuple[str, Rule], ...] = ()


def optimize(plan: Plan, context: Context) -> Plan:
    """Apply all rules once, in order, leaving a trace of those that changed something if asked."""
    global _rules
    if not _rules:
        _rules = rules()
    for name, rule in _rules:
        if context.trace is None:
            plan = rule(plan, context)
            continue
        from query_planner.explain.tree import outline

        before = outline(plan)
        plan = rule(plan, context)
        after = outline(plan)
        if before != after:
            context.trace.append((name, after))
    return plan
