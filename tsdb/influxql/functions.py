"""The functions of InfluxQL.

    AGGREGATES   the values of a window -> one value
    SELECTORS    -> the index of one of its points, which has a time of its own
    SEVERAL      -> [(index, value), ...], several rows a window
    TRANSFORMS   times and values of a column -> times and values, point after point

Times are ms, in order; values are floats without NaN; no window is empty.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tsdb.influxql.ast import InfluxError

Values = np.ndarray
Times = np.ndarray


def _mode(v: Values, t: Times) -> float:
    values, counts = np.unique(v, return_counts=True)
    return float(values[np.argmax(counts)])


def _stddev(v: Values, t: Times) -> float:
    return float(np.std(v, ddof=1)) if len(v) > 1 else float("nan")


def _integral(v: Values, t: Times, unit_ms: float = 1000.0) -> float:
    return float((np.diff(t) * (v[1:] + v[:-1]) / 2).sum() / unit_ms)


AGGREGATES: dict[str, Callable[..., float]] = {
    "count": lambda v, t: float(len(v)),
    "integral": _integral,
    "mean": lambda v, t: float(v.mean()),
    "median": lambda v, t: float(np.median(v)),
    "mode": _mode,
    "spread": lambda v, t: float(v.max() - v.min()),
    "stddev": _stddev,
    "sum": lambda v, t: float(v.sum()),
}


def _largest_at(v: Values, t: Times, moment: int) -> int:
    """Of several points at one time the largest counts."""
    there = np.flatnonzero(t == moment)
    return int(there[np.argmax(v[there])])


def _percentile(v: Values, t: Times, percent: float) -> int:
    rank = int(np.floor(len(v) * percent / 100 + 0.5)) - 1
    if not 0 <= rank < len(v):
        return -1
    return int(np.argsort(v, kind="stable")[rank])


SELECTORS: dict[str, Callable[..., int]] = {
    "first": lambda v, t: _largest_at(v, t, t[0]),
    "last": lambda v, t: _largest_at(v, t, t[-1]),
    "max": lambda v, t: int(np.argmax(v)),
    "min": lambda v, t: int(np.argmin(v)),
    "percentile": _percentile,
}


def _best(v: Values, n: float, sign: int) -> list[tuple[int, float]]:
    order = np.lexsort((np.arange(len(v)), sign * v))[: int(n)]
    return [(int(i), float(v[i])) for i in sorted(order)]


def _distinct(v: Values, t: Times) -> list[tuple[int, float]]:
    _, first = np.unique(v, return_index=True)
    return [(-1, float(v[i])) for i in sorted(first)]


SEVERAL: dict[str, Callable[..., list[tuple[int, float]]]] = {
    "bottom": lambda v, t, n: _best(v, n, 1),
    "distinct": _distinct,
    "top": lambda v, t, n: _best(v, n, -1),
}

Column = tuple[Times, Values]


def _derivative(t: Times, v: Values, unit_ms: float = 1000.0) -> Column:
    return t[1:], np.diff(v) / (np.diff(t) / unit_ms)


def _not_negative(change: Callable[..., Column]) -> Callable[..., Column]:
    def transform(t: Times, v: Values, *params: float) -> Column:
        times, values = change(t, v, *params)
        return times[values >= 0], values[values >= 0]

    return transform


def _difference(t: Times, v: Values) -> Column:
    return t[1:], np.diff(v)


def _elapsed(t: Times, v: Values, unit_ms: float = 1e-6) -> Column:
    return t[1:], np.floor(np.diff(t) / unit_ms)


def _moving_average(t: Times, v: Values, n: float) -> Column:
    width = int(n)
    if width < 2:
        raise InfluxError(
            f"moving_average window must be greater than 1, got {width}"
        )
    sums = np.convolve(v, np.ones(width), "valid")
    return t[width - 1 :], sums / width


def _each(function: Callable[[Values], Values]) -> Callable[..., Column]:
    return lambda t, v: (t, function(v))


TRANSFORMS: dict[str, Callable[..., Column]] = {
    "cumulative_sum": lambda t, v: (t, np.cumsum(v)),
    "derivative": _derivative,
    "difference": _difference,
    "elapsed": _elapsed,
    "moving_average": _moving_average,
    "non_negative_derivative": _not_negative(_derivative),
    "non_negative_difference": _not_negative(_difference),
    **{
        name: _each(getattr(np, function))
        for name, function in {
            "abs": "abs", "acos": "arccos", "asin": "arcsin", "atan": "arctan", "ceil": "ceil",
            "cos": "cos", "exp": "exp", "floor": "floor", "ln": "log", "log10": "log10",
            "log2": "log2", "round": "round", "sin": "sin", "sqrt": "sqrt", "tan": "tan",
        }.items()
    },
}  # fmt: skip

REDUCING = AGGREGATES.keys() | SELECTORS.keys() | SEVERAL.keys()
