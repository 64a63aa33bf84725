"""EXPLAIN: plans as PostgreSQL's text and JSON, and expressions as SQL.

    from query_planner import explain
    explain.text(prepared)                         # list of lines
    explain.json(prepared)                         # list with one {"Plan": ...} for json.dumps

`actuals` of both maps a plan node's id to (startup ms, total ms, rows, loops), or a node is absent
that never ran.
"""

from __future__ import annotations

from typing import Any

from query_planner.explain.expressions import render, sort_keys
from query_planner.explain.tree import Shown, describe, outline
from query_planner.physical import Prepared

Actuals = dict[int, tuple[float, float, float, int]]
_LISTS = ("Group Key", "Sort Key")
# Properties that the text form puts into the node's own line.
_IN_LABEL = frozenset((
    "Relation Name", "Alias", "Index Name", "Scan Direction", "Join Type", "Strategy", "Command",
    "Function Name", "CTE Name", "Operation",
))  # fmt: skip


def text(prepared: Prepared, actuals: Actuals | None = None, costs: bool = True,
         timing: bool = True) -> list[str]:
    """The plan as lines of text."""
    lines: list[str] = []

    def walk(shown: Shown, indent: int, arrow: bool) -> None:
        if shown.subplan:
            lines.append(" " * indent + shown.subplan)
            indent += 2
            arrow = True
        plan = shown.plan
        line = " " * indent + ("->  " if arrow else "") + shown.label
        if costs:
            line += (f"  (cost={plan.startup:.2f}..{plan.cost:.2f} "
                     f"rows={max(0, round(plan.rows))} width={plan.width})")
        if actuals is not None:
            line += _actual(actuals.get(plan.id), timing)
        lines.append(line)
        inner = indent + (6 if arrow else 2)
        for name, value in shown.properties.items():
            if name == "Grouping Sets":
                for one in value:
                    lines.append(" " * inner + f"Group Key: {', '.join(one) or '()'}")
            elif name in _LISTS:
                lines.append(" " * inner + f"{name}: {', '.join(value)}")
            elif name not in _IN_LABEL:
                shown_value = ", ".join(value) if isinstance(value, list) else value
                lines.append(" " * inner + f"{name}: {shown_value}")
        for _, child in shown.children:
            walk(child, inner, not child.subplan)

    walk(describe(prepared.root), 0, False)
    return lines


def _actual(found: tuple[float, float, float, int] | None, timing: bool) -> str:
    if found is None or not found[3]:
        return " (never executed)"
    startup, total, rows, loops = found
    clock = f"time={startup:.3f}..{total:.3f} " if timing else ""
    return f" (actual {clock}rows={round(rows)} loops={loops})"


def json(prepared: Prepared, actuals: Actuals | None = None, costs: bool = True) -> list[dict]:
    """The plan as PostgreSQL's EXPLAIN (FORMAT JSON)."""

    def walk(shown: Shown, relationship: str) -> dict[str, Any]:
        plan = shown.plan
        node: dict[str, Any] = {"Node Type": shown.type}
        properties = dict(shown.properties)
        for name in ("Strategy", "Operation", "Command"):
            if name in properties:
                node[name] = properties.pop(name)
        if shown.type == "Aggregate":
            node["Partial Mode"] = "Simple"
        if relationship:
            node["Parent Relationship"] = relationship
        if shown.subplan:
            node["Subplan Name"] = shown.subplan
        node["Parallel Aware"] = False
        node["Async Capable"] = False
        for name in ("Scan Direction", "Index Name", "Join Type", "Relation Name", "Alias"):
            if name in properties:
                node[name] = properties.pop(name)
        if costs:
            node["Startup Cost"] = round(plan.startup, 2)
            node["Total Cost"] = round(plan.cost, 2)
            node["Plan Rows"] = max(0, round(plan.rows))
            node["Plan Width"] = plan.width
        if actuals is not None:
            startup, total, rows, loops = actuals.get(plan.id, (0.0, 0.0, 0.0, 0))
            node["Actual Startup Time"] = round(startup, 3)
            node["Actual Total Time"] = round(total, 3)
            node["Actual Rows"] = round(rows)
            node["Actual Loops"] = loops
        node.update(properties)
        if shown.children:
            node["Plans"] = [
                walk(child, "SubPlan" if kind == "SubPlan" else kind)
                for kind, child in shown.children
            ]
        return node

    return [{"Plan": walk(describe(prepared.root), "")}]


__all__ = ["describe", "json", "outline", "render", "sort_keys", "text"]
