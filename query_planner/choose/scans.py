"""The way to one table: all of it, or through one of its indexes.

An index is of use when conditions fix its leading columns: `column = value` for each of them in
turn,
then maybe a range or an IN list on the next.  A value may be any expression over other columns; it
then comes from an enclosing NestedLoop or from the query around.
"""

from __future__ import annotations

from typing import Any

from query_planner import cost
from query_planner import physical as ph
from query_planner.algebra import Get
from query_planner.catalog import Index
from query_planner.estimate import ROWS, Estimator
from query_planner.expr import AnyArray, Call, Column, Expr, InList, columns_of, is_volatile

_FLIPPED = {"=": "=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


def width_of(columns: Any) -> int:
    """Estimated bytes of a row of these columns."""
    return sum([c.type.length if c.type.length > 0 else 32 for c in columns])


def table_size(get: Get, estimator: Estimator) -> tuple[float, float]:
    """(rows, pages) of a table."""
    stats = estimator.context.statistics(get.relation)
    if stats is None:
        return ROWS, 10.0
    return max(1.0, stats.rows), max(1.0, stats.pages)


def scan(get: Get, conditions: list[Expr], estimator: Estimator) -> ph.Plan:
    """The cheapest way to the rows of a table that satisfy all conditions."""
    rows, pages = table_size(get, estimator)
    columns = tuple(get.columns)
    found = max(1.0, rows * estimator.all_of(conditions)) if conditions else rows
    best: ph.Plan | None = None
    best_cost = cost.scan(rows, pages, len(conditions))
    if conditions and get.relation.indexes:
        tests = _tests(get, conditions)
        if tests:
            for index in get.relation.indexes:
                path = _path(index, get, tests, conditions, rows, estimator)
                if path is not None and path.cost < best_cost:
                    best, best_cost = path, path.cost
    if best is None:
        best = ph.Scan(columns, get.relation, get.alias, tuple(conditions), get.tid,
                       tuple(get.numbers))
        best.cost = best_cost
    best.rows = found
    best.width = width_of(columns)
    return best


def _tests(get: Get, conditions: list[Expr]) -> dict[int, list[tuple[str, Any, Expr]]]:
    """Conditions of use to an index: attribute number -> [(operator, value, condition)]."""
    own = {c.id: number for c, number in zip(get.columns, get.numbers, strict=True)}
    found: dict[int, list[tuple[str, Any, Expr]]] = {}
    for e in conditions:
        kind = type(e)
        if kind is Call and len(e.args) == 2 and e.function.name in _FLIPPED:
            left, right = e.args
            name = e.function.name
            if type(left) is not Column or left.id not in own:
                left, right, name = right, left, _FLIPPED[name]
            if type(left) is not Column or left.id not in own:
                continue
            if right.type is not left.type and not _comparable(left.type, right.type):
                continue
            if columns_of(right).isdisjoint(own) and not is_volatile(right):
                found.setdefault(own[left.id], []).append((name, right, e))
        elif kind is InList and not e.negated and type(e.arg) is Column and e.arg.id in own:
            if all(columns_of(item).isdisjoint(own) for item in e.items):
                found.setdefault(own[e.arg.id], []).append(("in", e.items, e))
        elif kind is AnyArray and e.kind == "any" and e.function.name == "=" \
                and type(e.left) is Column and e.left.id in own \
                and e.array.type.element is e.left.type and columns_of(e.array).isdisjoint(own):
            found.setdefault(own[e.left.id], []).append(("in", e.array, e))
    return found


def _comparable(left: Any, right: Any) -> bool:
    """Whether an index over `left` can be searched for values of `right`: integers of any size."""
    return left.name in ("int2", "int4", "int8") and right.name in ("int2", "int4", "int8")


def _path(index: Index, get: Get, tests: dict, conditions: list[Expr], rows: float,
          estimator: Estimator) -> ph.Plan | None:
    """The scan through one index, or None where it is of no use."""
    if index.predicate is not None or index.expressions:
        return None
    keys: list[Expr] = []
    used: list[Expr] = []
    many: Any = None
    low: Any = None
    high: Any = None
    for number in index.columns:
        options = tests.get(number)
        if not options:
            break
        equal = next(((v, e) for op, v, e in options if op == "="), None)
        if equal is not None:
            keys.append(equal[0])
            used.append(equal[1])
            continue
        member = next(((v, e) for op, v, e in options if op == "in"), None)
        if member is not None:
            many = member[0]
            used.append(member[1])
            break
        if index.ordered:
            for op, value, e in options:
                if op[0] == ">" and low is None:
                    low = (value, op == ">=")
                    used.append(e)
                elif op[0] == "<" and high is None:
                    high = (value, op == "<=")
                    used.append(e)
        break
    fixed = len(keys) + (many is not None)
    if not used or (not index.ordered and fixed < len(index.columns)):
        return None
    rest = tuple([e for e in conditions if e not in used])
    whole = index.unique and len(keys) == len(index.columns)
    fetched = 1.0 if whole else max(1.0, rows * estimator.all_of(used))
    stats = estimator.context.statistics(get.relation)
    first = None if stats is None else stats.columns.get(index.columns[0])
    correlation = 0.0 if first is None else first.correlation
    path = ph.IndexScan(tuple(get.columns), get.relation, get.alias, index, tuple(keys), many, low,
                        high, False, rest, get.tid, tuple(get.numbers))
    starts = len(many) if isinstance(many, tuple) else 1
    path.startup = cost.index_startup(rows)
    path.cost = path.startup * starts + cost.index_scan(fetched, correlation, len(rest))
    return path
