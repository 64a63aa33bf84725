"""The query engine's door: instant and range queries over a source of samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tsdb.budget import Budget
from tsdb.labellist import LabelList
from tsdb.labels import Labels
from tsdb.promql import ast
from tsdb.promql.errors import BadQuery
from tsdb.promql.evaluate import Context, Source, Value, evaluate
from tsdb.promql.parser import parse
from tsdb.promql.vector import Vector


@dataclass(frozen=True)
class Result:
    """A query's answer: type is scalar, string, vector or matrix; times in ms."""

    type: str
    value: Value
    times: np.ndarray


_RESULT_TYPE = {
    ast.SCALAR: "scalar",
    ast.STRING: "string",
    ast.VECTOR: "vector",
    ast.MATRIX: "matrix",
}


def instant_query(
    source: Source,
    query: str,
    time_ms: int,
    lookback_ms: int = 300_000,
    budget: Budget | None = None,
) -> Result:
    """The query's value at one time; BadQuery, QueryError."""
    expr = parse(query)
    times = np.array([time_ms], np.int64)
    context = Context(source, times, time_ms, time_ms, lookback_ms, budget or Budget())
    value = evaluate(expr, context)
    if isinstance(value, Vector):
        value = value.pruned()
    return Result(_RESULT_TYPE[expr.type], value, times)


def range_query(
    source: Source,
    query: str,
    start_ms: int,
    end_ms: int,
    step_ms: int,
    lookback_ms: int = 300_000,
    budget: Budget | None = None,
) -> Result:
    """The query's value at start, start + step, ... up to end; a matrix sorted by labels."""
    expr = parse(query)
    if expr.type not in (ast.SCALAR, ast.VECTOR):
        raise BadQuery(
            f'invalid expression type "{expr.type}" for range query, '
            "must be Scalar or instant Vector"
        )
    times = np.arange(start_ms, end_ms + 1, step_ms, dtype=np.int64)
    context = Context(source, times, start_ms, end_ms, lookback_ms, budget or Budget())
    value = evaluate(expr, context)
    if isinstance(value, np.ndarray):
        labels = LabelList([Labels(())])
        value = Vector(labels, value[None, :], np.ones((1, len(times)), np.bool_))
    assert isinstance(value, Vector)
    return Result("matrix", value.pruned().ordered(), times)
