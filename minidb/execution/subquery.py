"""Subqueries that stayed expressions.

One without parameters runs once and its result is kept for the run.  A correlated one runs for each
different combination of its parameters' values: rows that agree in them share a result.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from minidb.events import Pause
from minidb.execution.kernels import kernel_of
from minidb.execution.vector import Batch, Vec, code_of, constant, vec_of
from minidb.sqlstate import DatabaseError
from query_planner import expr as e

Rows = list[tuple]


def _rows(root: Any, context: Any, stop_at: int = 0) -> Rows:
    """The rows of a plan; with `stop_at` no more than are needed to know that many exist."""
    found: Rows = []
    for rows in root.rows(context):
        if not isinstance(rows, Pause):
            found.extend(rows)
            if stop_at and len(found) >= stop_at:
                break
    return found


def _scalar(rows: Rows, left: tuple) -> Any:
    if len(rows) > 1:
        raise DatabaseError(
            "21000", "more than one row returned by a subquery used as an expression")
    return rows[0][0] if rows else None


def _exists(rows: Rows, left: tuple) -> bool:
    return bool(rows)


def _array(rows: Rows, left: tuple) -> tuple:
    return tuple(row[0] for row in rows)


def compile_subquery(x: e.Subquery) -> Callable[[Batch, Any], Vec]:
    from minidb.execution.expression import compile_all
    from minidb.execution.operators import build_root

    root = build_root(x.plan)
    left = compile_all(x.left)
    code = code_of(x.type)
    stop_at = {"scalar": 2, "exists": 1}.get(x.kind, 0)
    if x.kind in ("any", "all"):
        judge = _quantified(x)
    else:
        judge = {"scalar": _scalar, "exists": _exists, "array": _array}[x.kind]
    negate = x.negated
    parameters = [(column.id, code_of(column.type)) for column in x.params]
    key = object()

    def run(context: Any) -> Rows:
        return _rows(root, context, stop_at)

    def finish(value: Any) -> Any:
        return (not value) if negate and value is not None else value

    def subquery(batch: Batch, context: Any) -> Vec:
        if not parameters:
            rows = context.kept.get(key)
            if rows is None:
                rows = context.kept[key] = run(context)
            if not left:
                return constant(finish(judge(rows, ())), code)
            columns = [part(batch, context).values(batch.n) for part in left]
            seen: dict[tuple, Any] = {}
            out = []
            for row in zip(*columns, strict=True):
                if row not in seen:
                    seen[row] = finish(judge(rows, row))
                out.append(seen[row])
            return vec_of(out, code)
        vecs = []
        for id_, _ in parameters:
            vec = batch.columns.get(id_)
            vecs.append(context.outer[id_] if vec is None else vec)
        outer = [vec.values(batch.n) for vec in vecs]
        lefts = [part(batch, context).values(batch.n) for part in left]
        memo: dict[Any, Any] = {}
        out = []
        saved = context.enter()
        for i, values in enumerate(zip(*outer, strict=True)):
            mine = tuple(column[i] for column in lefts)
            value = memo.get((values, mine), memo)
            if value is memo:
                for (id_, its_code), v in zip(parameters, values, strict=True):
                    context.outer[id_] = constant(v, its_code)
                context.kept = {}
                value = memo[values, mine] = finish(judge(run(context), mine))
            out.append(value)
        context.leave(saved)
        return vec_of(out, code)

    return subquery


def _quantified(x: e.Subquery) -> Callable[[Rows, tuple], Any]:
    """left op ANY|ALL (rows): three-valued, a row compare being the AND of its columns."""
    kernels = []
    for part, function in zip(x.left, x.functions, strict=True):
        right = function.args[1] if len(function.args) > 1 else part.type
        right = part.type if right.kind == "p" else right
        kernel = kernel_of(function, (part.type, right))
        assert kernel is not None
        kernels.append((kernel, code_of(part.type), code_of(right)))
    is_all = x.kind == "all"
    equality = all(function.name == "=" for function in x.functions) and not is_all

    def judge(rows: Rows, left: tuple) -> Any:
        if equality and len(left) == 1 and len(rows) > 8 and left[0] is not None:
            # A set answers the common IN; it is built once for each list of rows.
            values, has_null = _as_set(rows)
            return True if left[0] in values else None if has_null else False
        unknown = False
        for row in rows:
            verdict: Any = True
            for (kernel, code_a, code_b), a, b in zip(kernels, left, row, strict=False):
                one = None if a is None or b is None else \
                    kernel(constant(a, code_a), constant(b, code_b)).value()
                if one is False:
                    verdict = False
                    break
                if one is None:
                    verdict = None
            if verdict is None:
                unknown = True
            elif verdict is not is_all:
                return verdict
        return None if unknown else is_all

    cache: list[Any] = [None, None]

    def _as_set(rows: Rows) -> tuple[set, bool]:
        if cache[0] is not rows:
            values = {row[0] for row in rows}
            cache[0], cache[1] = rows, (values - {None}, None in values)
        return cache[1]

    return judge
