"""Bound expressions as functions from a batch to a vector.

`compile_expr(expr)` gives `f(batch, context) -> Vec`.  AND, OR, CASE and COALESCE evaluate an
argument only for the rows that need it, as SQL's users expect (`CASE WHEN x <> 0 THEN 1 / x END`),
where the argument can fail; columns and constants are taken whole.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minidb.execution.cast import compile_cast
from minidb.execution.kernels import kernel_of, scalar_of
from minidb.execution.vector import Batch, Vec, code_of, concat, constant, null, objects, vec_of
from minidb.sqlstate import DatabaseError
from query_planner import expr as e
from query_planner.types import TEXT, Type

Compiled = Callable[[Batch, Any], Vec]


def compile_expr(expr: e.Expr) -> Compiled:
    return _COMPILERS[type(expr)](expr)


def compile_all(exprs: Any) -> list[Compiled]:
    return [compile_expr(expr) for expr in exprs]


def compile_condition(conjunction: Any) -> Callable[[Batch, Any], np.ndarray | None] | None:
    """A conjunction as a function to the row numbers that satisfy it (None: all do)."""
    if not conjunction:
        return None
    if len(conjunction) == 1:
        test = compile_expr(conjunction[0])
    else:
        test = compile_expr(e.And(args=tuple(conjunction), type=conjunction[0].type))

    def select(batch: Batch, context: Any) -> np.ndarray | None:
        passed = test(batch, context).true()
        if len(passed) == 1 != batch.n:
            return None if passed[0] else np.empty(0, np.int64)
        rows = np.flatnonzero(passed)
        return None if len(rows) == batch.n else rows

    return select


def _const(x: e.Const) -> Compiled:
    vec = constant(x.value, code_of(x.type))
    return lambda batch, context: vec


def _column(x: e.Column) -> Compiled:
    id_ = x.id

    def column(batch: Batch, context: Any) -> Vec:
        vec = batch.columns.get(id_)
        return context.outer[id_] if vec is None else vec

    return column


def _param(x: e.Param) -> Compiled:
    at = x.number - 1
    code = code_of(x.type)

    def param(batch: Batch, context: Any) -> Vec:
        return constant(context.parameters[at], code)

    return param


_TAKES_ANY_AS_TEXT = ("concat", "concat_ws", "format", "quote_literal", "quote_nullable")


def _as_text(x: e.Call) -> tuple[e.Expr, ...]:
    """Arguments, those of any type as the text these functions make of them."""
    name = x.function.name
    if name not in _TAKES_ANY_AS_TEXT and not (name == "||" and x.type.category == "S"):
        return x.args
    return tuple(
        arg if arg.type.category == "S" or (arg.type.category == "A" and name != "||")
        else e.Cast(arg=arg, type=TEXT, explicit=True) for arg in x.args)


def _call(x: e.Call) -> Compiled:
    args = compile_all(_as_text(x))
    if x.function.name == "pg_typeof":
        type_oid = constant(x.args[0].type.oid, "q")
        return lambda batch, context: type_oid
    kernel = kernel_of(x)
    if kernel is not None:
        if len(args) == 1:
            only = args[0]
            return lambda batch, context: kernel(only(batch, context))
        if len(args) == 2:
            left, right = args
            return lambda batch, context: kernel(left(batch, context), right(batch, context))
    scalar = scalar_of(x)
    function, strict, wants_context = scalar.function, scalar.strict, scalar.wants_context
    code = code_of(x.type)

    def call(batch: Batch, context: Any) -> Vec:
        vecs = [arg(batch, context) for arg in args]
        n = 1
        if scalar.volatile:
            n = batch.n
        else:
            for vec in vecs:
                if len(vec.data) > 1:
                    n = batch.n
                    break
        lead = (context,) if wants_context else ()
        if not vecs:
            return vec_of([function(*lead) for _ in range(n)], code)
        columns = [vec.values(n) for vec in vecs]
        if strict:
            if wants_context:
                out = [None if None in row else function(context, *row)
                       for row in zip(*columns, strict=True)]
            elif len(columns) == 1:
                out = [None if v is None else function(v) for v in columns[0]]
            else:
                out = [None if None in row else function(*row)
                       for row in zip(*columns, strict=True)]
        else:
            out = [function(*lead, *row) for row in zip(*columns, strict=True)]
        return vec_of(out, code)

    return call


def _can_fail(x: e.Expr) -> bool:
    """Whether evaluating it for rows that do not ask may raise, or costs much."""
    if isinstance(x, (e.Column, e.Const, e.Param)):
        return False
    if isinstance(x, (e.Cast, e.Subquery, e.AnyArray, e.Case)):
        return True
    if isinstance(x, e.Call):
        name = x.function.name
        if name not in ("=", "<>", "<", "<=", ">", ">="):
            return True
    return any(_can_fail(child) for child in e.children(x))


def _logic(x: e.And | e.Or) -> Compiled:
    """Kleene's AND and OR.  The absorbing value settles a row; later arguments see the rest."""
    is_and = isinstance(x, e.And)
    parts = [(compile_expr(arg), _can_fail(arg)) for arg in x.args]

    def logic(batch: Batch, context: Any) -> Vec:
        first = parts[0][0](batch, context)
        data, nulls = first.data, first.nulls
        for part, can_fail in parts[1:]:
            # Settled: FALSE for AND, TRUE for OR, and not NULL.
            settled = ~data if is_and else data
            if nulls is not None:
                settled = settled & ~nulls
            if can_fail and settled.any():
                if len(settled) == 1 or settled.all():
                    break
                open_rows = np.flatnonzero(~settled)
                rest = part(batch.take(open_rows), context).full(len(open_rows))
                full = Vec(data, nulls).full(batch.n)
                other = np.full(batch.n, is_and)
                other[open_rows] = rest.data
                other_nulls = None
                if rest.nulls is not None:
                    other_nulls = np.zeros(batch.n, bool)
                    other_nulls[open_rows] = rest.nulls
                data, nulls = full.data, full.nulls
            else:
                vec = part(batch, context)
                other, other_nulls = vec.data, vec.nulls
            data, nulls = _kleene(is_and, data, nulls, other, other_nulls)
        return Vec(data, nulls)

    return logic


def _kleene(is_and: bool, a: Any, a_nulls: Any, b: Any, b_nulls: Any) -> tuple[Any, Any]:
    if a_nulls is None and b_nulls is None:
        return (a & b if is_and else a | b), None
    an = np.zeros(len(a), bool) if a_nulls is None else a_nulls
    bn = np.zeros(len(b), bool) if b_nulls is None else b_nulls
    if is_and:
        false = (~a & ~an) | (~b & ~bn)
        nulls = (an | bn) & ~false
        return ~false & ~nulls, nulls
    true = (a & ~an) | (b & ~bn)
    return true, (an | bn) & ~true


def _not(x: e.Not) -> Compiled:
    arg = compile_expr(x.arg)

    def negate(batch: Batch, context: Any) -> Vec:
        vec = arg(batch, context)
        return Vec(~vec.data, vec.nulls)

    return negate


def _is_null(x: e.IsNull) -> Compiled:
    arg, negated = compile_expr(x.arg), x.negated
    record = x.arg.type.kind == "c" or x.arg.type.name == "record"

    def is_null(batch: Batch, context: Any) -> Vec:
        vec = arg(batch, context)
        if record:
            return vec_of([
                v is not None and all(f is not None for f in v) if negated
                else v is None or all(f is None for f in v)
                for v in vec.values(len(vec.data))
            ], "?")
        if vec.nulls is None:
            return Vec(np.full(len(vec.data), negated))
        return Vec(~vec.nulls if negated else vec.nulls)

    return is_null


def _is_bool(x: e.IsBool) -> Compiled:
    arg, value, negated = compile_expr(x.arg), x.value, x.negated

    def is_bool(batch: Batch, context: Any) -> Vec:
        vec = arg(batch, context)
        known = np.ones(len(vec.data), bool) if vec.nulls is None else ~vec.nulls
        if value is None:
            found = ~known
        else:
            found = known & (vec.data if value else ~vec.data)
        return Vec(~found if negated else found)

    return is_bool


def _equality(function: Any, left: Type, right: Type) -> Callable[[Vec, Vec], Vec]:
    """The kernel of a comparison found by its Function."""
    kernel = kernel_of(function, (left, right))
    assert kernel is not None
    return kernel


def _is_distinct(x: e.IsDistinct) -> Compiled:
    left, right, negated = compile_expr(x.left), compile_expr(x.right), x.negated
    equal = _equality(x.function, x.left.type, x.right.type)

    def is_distinct(batch: Batch, context: Any) -> Vec:
        a, b = left(batch, context), right(batch, context)
        same = equal(a, b).true()
        if a.nulls is not None and b.nulls is not None:
            same = same | (a.nulls & b.nulls)
        return Vec(same if negated else ~same)

    return is_distinct


def _choose(batch: Batch, context: Any, branches: list[tuple[Compiled | None, Compiled]],
            code: str) -> Vec:
    """CASE: the value of the first branch whose condition is true, for each row."""
    open_rows = np.arange(batch.n)
    rest = batch
    picked: list[tuple[np.ndarray, Vec]] = []
    for test, result in branches:
        if test is None:
            chosen, part = open_rows, rest
            open_rows = open_rows[:0]
        else:
            passed = test(rest, context).true()
            if len(passed) != rest.n:
                passed = np.repeat(passed, rest.n)
            if not passed.any():
                continue
            if passed.all():
                chosen, part = open_rows, rest
                open_rows = open_rows[:0]
            else:
                rows = np.flatnonzero(passed)
                chosen, part = open_rows[rows], rest.take(rows)
                left = np.flatnonzero(~passed)
                open_rows, rest = open_rows[left], rest.take(left)
        value = result(part, context)
        if len(chosen) == batch.n:
            return value
        picked.append((chosen, value.full(len(chosen))))
        if len(open_rows) == 0:
            break
    if len(open_rows):
        picked.append((open_rows, null(code).full(len(open_rows))))
    whole = concat([(vec, len(rows)) for rows, vec in picked], code)
    order = np.empty(batch.n, np.int64)
    order[np.concatenate([rows for rows, _ in picked])] = np.arange(batch.n)
    return whole.full(batch.n).take(order) if batch.n > 1 else whole


def _case(x: e.Case) -> Compiled:
    code = code_of(x.type)
    branches: list[tuple[Compiled | None, Compiled]] = [
        (compile_expr(test), compile_expr(result)) for test, result in x.whens]
    if x.default is not None:
        branches.append((None, compile_expr(x.default)))
    return lambda batch, context: _choose(batch, context, branches, code)


def _coalesce(x: e.Coalesce) -> Compiled:
    args = compile_all(x.args)
    code = code_of(x.type)

    def coalesce(batch: Batch, context: Any) -> Vec:
        vec = args[0](batch, context)
        for arg in args[1:]:
            if vec.nulls is None:
                return vec
            if not vec.nulls.any():
                return Vec(vec.data)
            vec = vec.full(batch.n)
            assert vec.nulls is not None
            rows = np.flatnonzero(vec.nulls)
            other = arg(batch.take(rows), context).full(len(rows))
            data = vec.data.astype(object if code == "O" else code, copy=True)
            data[rows] = other.data
            nulls = None
            if other.nulls is not None:
                nulls = vec.nulls.copy()
                nulls[rows] = other.nulls
            vec = Vec(data, nulls)
        return vec

    return coalesce


def _min_max(x: e.MinMax) -> Compiled:
    args = compile_all(x.args)
    code = code_of(x.type)
    pick = max if x.kind == "greatest" else min

    def min_max(batch: Batch, context: Any) -> Vec:
        columns = [arg(batch, context).values(batch.n) for arg in args]
        out = []
        for row in zip(*columns, strict=True):
            known = [v for v in row if v is not None]
            out.append(pick(known) if known else None)
        return vec_of(out, code)

    return min_max


def _in_list(x: e.InList) -> Compiled:
    negated = x.negated
    arg = compile_expr(x.arg)
    if all(isinstance(item, e.Const) for item in x.items) and \
            code_of(x.arg.type) in "hiq" and code_of(x.items[0].type) in "hiq":
        values = [item.value for item in x.items]
        has_null = None in values
        wanted = np.array([v for v in values if v is not None], np.int64)

        def in_ints(batch: Batch, context: Any) -> Vec:
            vec = arg(batch, context)
            found = np.isin(vec.data, wanted)
            nulls = vec.nulls
            if has_null:
                nulls = ~found if nulls is None else nulls | ~found
            return Vec(~found if negated else found, nulls)

        return in_ints
    items = compile_all(x.items)
    equal = _equality(x.function, x.arg.type, x.items[0].type)

    def in_list(batch: Batch, context: Any) -> Vec:
        vec = arg(batch, context)
        result = equal(vec, items[0](batch, context))
        data, nulls = result.data, result.nulls
        for item in items[1:]:
            result = equal(vec, item(batch, context))
            data, nulls = _kleene(False, data, nulls, result.data, result.nulls)
        return Vec(~data if negated else data, nulls)

    return in_list


def _any_array(x: e.AnyArray) -> Compiled:
    left, array = compile_expr(x.left), compile_expr(x.array)
    element = x.array.type.element
    if element is None:
        raise DatabaseError("42809", "op ANY/ALL (array) requires array on right side")
    compare = _equality(x.function, x.left.type, element)
    code = code_of(element)
    is_all = x.kind == "all"

    def any_array(batch: Batch, context: Any) -> Vec:
        arrays = array(batch, context)
        vec = left(batch, context)
        if len(arrays.data) == 1:
            value = arrays.value()
            if value is None:
                return null("?")
            result = Vec(np.array([is_all]))
            for item in flatten(value):
                one = compare(vec, constant(item, code))
                result = Vec(*_kleene(is_all, result.data, result.nulls, one.data, one.nulls))
            return result
        out = []
        values = vec.full(batch.n)
        for i, value in enumerate(arrays.values(batch.n)):
            if value is None:
                out.append(None)
                continue
            single = values.take(np.array([i])) if batch.n > 1 else values
            result = Vec(np.array([is_all]))
            for item in flatten(value):
                one = compare(single, constant(item, code))
                result = Vec(*_kleene(is_all, result.data, result.nulls, one.data, one.nulls))
            out.append(result.value())
        return vec_of(out, "?")

    return any_array


def flatten(value: tuple) -> list[Any]:
    """The elements of an array of any number of dimensions."""
    out: list[Any] = []
    for item in value:
        if isinstance(item, tuple):
            out.extend(flatten(item))
        else:
            out.append(item)
    return out


def _array(x: e.Array) -> Compiled:
    items = compile_all(x.items)

    def array(batch: Batch, context: Any) -> Vec:
        if not items:
            return Vec(objects([()]))
        columns = [item(batch, context).values(batch.n) for item in items]
        return Vec(objects(list(zip(*columns, strict=True))))

    return array


def _row(x: e.Row) -> Compiled:
    return _array(x)  # type: ignore[arg-type]


def _subscript(x: e.Subscript) -> Compiled:
    arg = compile_expr(x.arg)
    indices = [None if i is None else compile_expr(i) for i in x.indices]
    code = code_of(x.type)
    # int2vector and oidvector count from 0.
    base = 0 if x.arg.type.name in ("int2vector", "oidvector") else 1

    def element(value: Any, at: tuple) -> Any:
        for i in at:
            if value is None or i is None or not isinstance(value, tuple):
                return None
            if not 0 <= i - base < len(value):
                return None
            value = value[i - base]
        return value

    def part(value: Any, at: tuple) -> Any:
        low, high = at[0], at[1]
        low = base if low is None else max(low, base)
        high = len(value) + base - 1 if high is None else high
        cut = value[low - base : max(high - base + 1, 0)]
        return tuple(part(v, at[2:]) for v in cut) if len(at) > 2 else cut

    def subscript(batch: Batch, context: Any) -> Vec:
        values = arg(batch, context).values(batch.n)
        columns = [[None] * batch.n if i is None else i(batch, context).values(batch.n)
                   for i in indices]
        get = part if x.slice else element
        return vec_of([None if value is None else get(value, at)
                       for value, at in zip(values, zip(*columns, strict=True), strict=True)], code)

    return subscript


def _field(x: e.Field) -> Compiled:
    arg, index = compile_expr(x.arg), x.index
    code = code_of(x.type)
    return lambda batch, context: vec_of(
        [None if v is None else v[index] for v in arg(batch, context).values(batch.n)], code)


def _subquery(x: e.Subquery) -> Compiled:
    from minidb.execution.subquery import compile_subquery

    return compile_subquery(x)


def _cast(x: e.Cast) -> Compiled:
    arg = compile_expr(x.arg)
    cast = compile_cast(x.arg.type, x.type, x.typmod, x.explicit)
    if cast is None:
        return arg
    return lambda batch, context: cast(arg(batch, context), context)


_COMPILERS: dict[type, Callable[[Any], Compiled]] = {
    e.Const: _const,
    e.Column: _column,
    e.Param: _param,
    e.Call: _call,
    e.Cast: _cast,
    e.And: _logic,
    e.Or: _logic,
    e.Not: _not,
    e.IsNull: _is_null,
    e.IsBool: _is_bool,
    e.IsDistinct: _is_distinct,
    e.Case: _case,
    e.Coalesce: _coalesce,
    e.MinMax: _min_max,
    e.InList: _in_list,
    e.AnyArray: _any_array,
    e.Array: _array,
    e.Row: _row,
    e.Subscript: _subscript,
    e.Field: _field,
    e.Subquery: _subquery,
}
