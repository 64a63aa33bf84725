"""A query's answer as the API gives it: `{"resultType": ..., "result": ...}` in JSON."""

from __future__ import annotations

import json

import numpy as np

from tsdb.budget import Budget
from tsdb.promql.engine import Result, instant_query, range_query
from tsdb.promql.evaluate import Source
from tsdb.promql.json_out import rows_json, sample_json, windows_json
from tsdb.promql.vector import Vector, Windows


def instant(
    source: Source, query: str, time_ms: int, lookback_ms: int, budget: Budget | None = None
) -> bytes:
    """The answer to an instant query; BadQuery, QueryError."""
    return _result_json(instant_query(source, query, time_ms, lookback_ms, budget))


def over(
    source: Source,
    query: str,
    start_ms: int,
    end_ms: int,
    step_ms: int,
    lookback_ms: int,
    budget: Budget | None = None,
) -> bytes:
    """The answer to a range query; BadQuery, QueryError."""
    return _result_json(
        range_query(source, query, start_ms, end_ms, step_ms, lookback_ms, budget)
    )


def _result_json(result: Result) -> bytes:
    """`{"resultType": ..., "result": ...}`"""
    value = result.value
    if isinstance(value, Vector):
        body = rows_json(
            value.labels.json(),
            result.times,
            np.ascontiguousarray(value.values),
            np.ascontiguousarray(value.present).view(np.uint8),
            result.type == "matrix",
        )
    elif isinstance(value, Windows):
        body = windows_json(value.rows)
    elif isinstance(value, str):
        body = b"[%s,%s]" % (_seconds(int(result.times[0])), json.dumps(value).encode())
    else:
        body = sample_json(int(result.times[0]), float(value[0]))
    return b'{"resultType":"%s","result":%s}' % (result.type.encode(), body)


def _seconds(t_ms: int) -> bytes:
    return sample_json(t_ms, 0.0)[1:].partition(b",")[0]
