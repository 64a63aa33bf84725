"""The evaluator: walks the syntax tree, all steps of the query at once.

Where Prometheus evaluates a tree for each step, this one evaluates it once on arrays with a column
per step; the loops are in `kernels`.  Semantics are those of Prometheus 2.42: a lookback of
5 minutes ending at the step, staleness markers, ranges closed at both ends.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from tsdb.budget import Budget
from tsdb.columns import Columns
from tsdb.labellist import LabelList
from tsdb.labels import labels_of
from tsdb.matchers import Matcher
from tsdb.promql import ast, kernels
from tsdb.promql.aggregations import aggregate
from tsdb.promql.binary import binary
from tsdb.promql.calls import CALLS, RANGE_CALLS
from tsdb.promql.pieces import SUMMARIES
from tsdb.promql.vector import Vector, Windows
from tsdb.promql.windows import over_range
from tsdb.selection import Gathered, Selection

TIME_MAX = 2**62  # ms
# Functions of ranges that a tier's buckets answer exactly.
TIERED = {*SUMMARIES, "absent_over_time"}

Value = Vector | Windows | np.ndarray | str


class Source(Protocol):
    """Where samples come from: a store's finder."""

    def select(
        self,
        matchers: Sequence[Matcher],
        low: int,
        high: int,
        budget: Budget | None = None,
        stale: bool = True,
        resolution: int = 0,
    ) -> Selection:
        """The series that meet the matchers, with their samples in [low, high] (ms)."""

    def resolution(self, beat_ms: int) -> int:
        """The tier that answers as samples would at multiples of this; 0 for samples."""


@dataclass(frozen=True)
class Context:
    """What an evaluation knows.

    times        the steps, ms, rising
    start, end   of the whole query: what `@ start()` and `@ end()` mean
    budget       what it may use
    """

    source: Source
    times: np.ndarray
    start: int
    end: int
    lookback_ms: int
    budget: Budget
    default_step_ms: int = 60_000

    @property
    def steps(self) -> int:
        """How many steps there are."""
        return len(self.times)

    def eval_times(self, expr: ast.Timed) -> np.ndarray:
        """The steps as `expr` sees them, moved by its `@` and `offset`."""
        times = self.times
        if expr.at is not None:
            at = {"start": self.start, "end": self.end}.get(expr.at, expr.at)  # type: ignore
            times = np.full(self.steps, at, np.int64)
        return times - expr.offset_ms if expr.offset_ms else times

    def resolution(self, times: np.ndarray, range_ms: int = 0) -> int:
        """The tier that a selector may read: its buckets end where steps and ranges do."""
        step = int(times[1] - times[0]) if len(times) > 1 else 0
        return self.source.resolution(math.gcd(int(times[0]), step, range_ms))

    def select(
        self, expr: ast.Selector, low_ms: int, high_ms: int, stale: bool = True,
        resolution: int = 0,
    ) -> Selection:  # fmt: skip
        """Samples from the source."""
        low, high = max(low_ms, -TIME_MAX), min(high_ms, TIME_MAX)
        return self.source.select(expr.matchers, low, high, self.budget, stale, resolution)


def evaluate(expr: ast.Expr, context: Context) -> Value:
    """The expression's value at every step."""
    return _EVALUATE[type(expr)](expr, context)


def _number(expr: ast.Number, context: Context) -> np.ndarray:
    return np.full(context.steps, expr.value)


def _string(expr: ast.String, context: Context) -> str:
    return expr.value


def _paren(expr: ast.Paren, context: Context) -> Value:
    return evaluate(expr.expr, context)


def _unary(expr: ast.Unary, context: Context) -> Value:
    value = evaluate(expr.expr, context)
    if expr.op == "+":
        return value
    if isinstance(value, Vector):
        return value.with_values(-value.values).unique()
    return -value  # type: ignore[operator]


def _selector(expr: ast.Selector, context: Context) -> Vector:
    return _instant(expr, context)[0]


def _instant(
    expr: ast.Selector, context: Context, at: np.ndarray | None = None, stamped: bool = False
) -> tuple[Vector, np.ndarray]:
    """The selected vector (as it was `at` other times), and its samples' own timestamps (ms)."""
    times = context.eval_times(expr)
    low, high = int(times.min()), int(times.max())
    if at is not None:
        times = at
    resolution = context.resolution(times)
    selection = context.select(expr, low - context.lookback_ms, high, resolution=resolution)
    if selection.gap > context.lookback_ms:
        selection = context.select(expr, low - selection.gap, high, resolution=resolution)
    values, present, stamps = kernels.instant(
        selection, times, context.lookback_ms, context.budget, stamped
    )
    return Vector(selection.labels, values, present), stamps


def _range(expr: ast.Range, context: Context, tiers: bool = False) -> Windows:
    """Windows of samples, or of a tier's buckets where those have what a function wants."""
    ends = context.eval_times(expr)
    low, high = int(ends.min()) - expr.range_ms, int(ends.max())
    resolution = context.resolution(ends, expr.range_ms) if tiers else 0
    selection = context.select(expr.selector, low, high, stale=False, resolution=resolution)
    return Windows(selection, ends, expr.range_ms, context.budget)


def _subquery(expr: ast.Subquery, context: Context) -> Windows:
    ends = context.eval_times(expr)
    step = expr.step_ms or context.default_step_ms
    first = -(-(int(ends.min()) - expr.range_ms) // step) * step
    times = np.arange(first, int(ends.max()) + 1, step, dtype=np.int64)
    if not len(times) and ast.is_fixed(expr.expr):
        times = np.array([first], np.int64)  # Prometheus evaluates this once, come what may
    if not len(times):
        return Windows(Gathered(LabelList(), Columns()), ends, expr.range_ms)
    inner = evaluate(expr.expr, replace(context, times=times))
    assert isinstance(inner, Vector)
    context.budget.hold(inner.values.size * 16)
    rows = kernels.gathered(
        inner.labels,
        times,
        np.ascontiguousarray(inner.values),
        np.ascontiguousarray(inner.present).view(np.uint8),
    )
    return Windows(rows, ends, expr.range_ms, context.budget)


def _aggregate(expr: ast.Aggregate, context: Context) -> Vector:
    vector = evaluate(expr.expr, context)
    param = evaluate(expr.param, context) if expr.param is not None else None
    assert isinstance(vector, Vector)
    return aggregate(expr.op, vector, param, expr.grouping, expr.without)


def _binary(expr: ast.Binary, context: Context) -> Vector | np.ndarray:
    first, operators = expr.chain()
    left = evaluate(first, context)
    assert isinstance(left, Vector | np.ndarray)
    for each in operators:
        right = evaluate(each.right, context)
        assert isinstance(right, Vector | np.ndarray)
        left = binary(each.op, left, right, each.matching, each.as_bool)
    return left


def _call(expr: ast.Call, context: Context) -> Value:
    name = expr.function.name
    if name == "timestamp" and isinstance(inner := _unwrapped(expr.args[0]), ast.Selector):
        # With an `@` Prometheus leaves `offset` out of account, but looks no further than with it.
        at = context.eval_times(inner if inner.at is None else replace(inner, offset_ms=0))
        vector, stamps = _instant(inner, context, at, stamped=True)
        return vector.with_values(stamps / 1000).unique()
    args = [
        _range(inner, context, name in TIERED)
        if isinstance(inner := _unwrapped(arg), ast.Range)
        else evaluate(arg, context)
        for arg in expr.args
    ]
    if name == "predict_linear":
        args[0] = _moving(args[0], expr.args[0], context)
    if name.startswith("absent"):
        return _absent(name, expr.args[0], args[0], context)
    if name in RANGE_CALLS:
        return RANGE_CALLS[name](name, context.times, *args)
    return CALLS[name](context.times, *args)


def _moving(value: Value, arg: ast.Expr, context: Context) -> Value:
    """Windows that `@` fixes for the first step, and that move on with the other steps.

    So Prometheus takes the argument of predict_linear, which depends on the time of the step;
    but the samples are only those of the first window.  (What it makes of a subquery there is
    stranger still, and not kept.)
    """
    inner = _unwrapped(arg)
    if isinstance(value, Windows) and isinstance(inner, ast.Range) and inner.at is not None:
        return replace(value, ends=value.ends + (context.times - context.times[0]))
    return value


def _unwrapped(expr: ast.Expr) -> ast.Expr:
    while isinstance(expr, ast.Paren):
        expr = expr.expr
    return expr


def _absent(name: str, arg: ast.Expr, value: Value, context: Context) -> Vector:
    """1 where nothing is; labels are those that the selector's equalities pin down."""
    if name == "absent_over_time":
        assert isinstance(value, Windows)
        _, present = _windows_present(value, context)
    else:
        assert isinstance(value, Vector)
        present = value.present
    inner = _unwrapped(arg)
    if isinstance(inner, ast.Range):
        inner = inner.selector
    pinned: dict[str, str] = {}
    seen: set[str] = set()
    for matcher in inner.matchers if isinstance(inner, ast.Selector) else ():
        if matcher.name == "__name__":
            continue
        if matcher.op == "=" and matcher.name not in seen:
            pinned[matcher.name] = matcher.value
        else:
            pinned.pop(matcher.name, None)
        seen.add(matcher.name)
    missing = np.asarray(~present.any(axis=0, keepdims=True))
    return Vector(LabelList([labels_of(pinned)]), np.ones((1, context.steps)), missing)


def _windows_present(windows: Windows, context: Context) -> tuple[np.ndarray, np.ndarray]:
    nothing = np.zeros(context.steps)
    return over_range(
        "present_over_time",
        windows.rows,
        windows.ends,
        context.times,
        windows.range_ms,
        nothing,
        nothing,
    )


_EVALUATE: dict[type, Any] = {
    ast.Number: _number,
    ast.String: _string,
    ast.Paren: _paren,
    ast.Unary: _unary,
    ast.Selector: _selector,
    ast.Range: _range,
    ast.Subquery: _subquery,
    ast.Aggregate: _aggregate,
    ast.Binary: _binary,
    ast.Call: _call,
}
