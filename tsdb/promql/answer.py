"""A query's answer as the API gives it: `{"resultType": ..., "result": ...}` in JSON, in pieces."""

from __future__ import annotations

import json

import numpy as np

from tsdb.promql.engine import Result
from tsdb.promql.json_out import rows_json, sample_json, windows_json
from tsdb.promql.vector import Vector, Windows


def as_json(result: Result) -> tuple[bytes, ...]:
    """The pieces, one after the other, are the text."""
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
        body = (b"[%s,%s]" % (_seconds(int(result.times[0])), json.dumps(value).encode()),)
    else:
        body = (sample_json(int(result.times[0]), float(value[0])),)
    return b'{"resultType":"%s","result":' % result.type.encode(), *body, b"}"


def _seconds(t_ms: int) -> bytes:
    return sample_json(t_ms, 0.0)[1:].partition(b",")[0]
