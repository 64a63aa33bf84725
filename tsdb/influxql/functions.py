"""The functions of InfluxQL.

    AGGREGATES   the values of a window -> one value
    SELECTORS    -> the index of one of its points, which has a time of its own
    SEVERAL      -> [(index, value), ...], several rows a window
    TRANSFORMS   times and values of a column -> times and values, point after point
    PREDICTING   of windows: values -> as many more as are asked for (`holt_winters.pyx`)
    MATH         numbers -> a number, value by value

Times are ms, in order (TRANSFORMS may get them backwards); values are floats without NaN; no
window is empty.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bedrock.world import Rand
from tsdb.influxql.analysis import ANALYSES, analysis, warmups
from tsdb.influxql.ast import InfluxError

Values = np.ndarray
Times = np.ndarray


def _mode(v: Values, t: Times) -> float:
    values, counts = np.unique(v, return_counts=True)
    return float(values[np.argmax(counts)])


def _stddev(v: Values, t: Times) -> float:
    return float(np.std(v, ddof=1)) if len(v) > 1 else float("nan")


def integrals(
    t: Times, v: Values, edges: list[tuple[int, int]], unit_ms: float = 1000.0
) -> Values:
    """The area below the points in each of [first, end) that has some; NaN where none is.

    What lies between a window's edge and its nearest point is on the line to the next point.
    """
    area = np.concatenate(([0.0], (np.diff(t) * (v[1:] + v[:-1]) / 2).cumsum()))

    def until(moment: int) -> float:
        moment = min(max(moment, int(t[0])), int(t[-1]))
        i = int(np.searchsorted(t, moment, side="right")) - 1
        return float(area[i] + (moment - t[i]) * (v[i] + np.interp(moment, t, v)) / 2)

    found = np.full(len(edges), np.nan)
    for number, (first, end) in enumerate(edges):
        if np.searchsorted(t, first) < np.searchsorted(t, end):
            found[number] = (until(end) - until(first)) / unit_ms
    return found


AGGREGATES: dict[str, Callable[..., float]] = {
    "count": lambda v, t: float(len(v)),
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


def _sample(v: Values, t: Times, n: float, rand: Rand) -> list[tuple[int, float]]:
    """n points, each as likely as any other, in their order."""
    if n < 1:
        raise InfluxError(f"sample window must be greater than 1, got {int(n)}")
    places = list(range(len(v)))
    rand.shuffle(places)
    return [(i, float(v[i])) for i in sorted(places[: int(n)])]


SEVERAL: dict[str, Callable[..., list[tuple[int, float]]]] = {
    "bottom": lambda v, t, n: _best(v, n, 1),
    "distinct": _distinct,
    "sample": _sample,  # which alone is given something random, too
    "top": lambda v, t, n: _best(v, n, -1),
}

Column = tuple[Times, Values]


def _derivative(t: Times, v: Values, unit_ms: float = 1000.0) -> Column:
    return t[1:], np.diff(v) / (np.abs(np.diff(t)) / unit_ms)


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


TRANSFORMS: dict[str, Callable[..., Column]] = {
    "cumulative_sum": lambda t, v: (t, np.cumsum(v)),
    "derivative": _derivative,
    "difference": _difference,
    "elapsed": _elapsed,
    "moving_average": _moving_average,
    "non_negative_derivative": _not_negative(_derivative),
    "non_negative_difference": _not_negative(_difference),
    **{name: analysis(name) for name in ANALYSES},
}

MATH: dict[str, Callable[..., Values]] = {
    "abs": np.abs, "acos": np.arccos, "asin": np.arcsin, "atan": np.arctan, "atan2": np.arctan2,
    "ceil": np.ceil, "cos": np.cos, "exp": np.exp, "floor": np.floor, "ln": np.log,
    "log": lambda v, base: np.log(v) / np.log(base), "log10": np.log10, "log2": np.log2,
    "pow": np.power, "round": lambda v: np.copysign(np.floor(np.abs(v) + 0.5), v),
    "sin": np.sin, "sqrt": np.sqrt, "tan": np.tan,
}  # fmt: skip

PREDICTING = {"holt_winters", "holt_winters_with_fit"}  # and with the values that fit so far

REDUCING = AGGREGATES.keys() | SELECTORS.keys() | SEVERAL.keys() | {"integral"}
PER_UNIT = frozenset(("derivative", "non_negative_derivative", "elapsed", "integral"))

# name -> how many arguments it takes at least and at most; others take one
MANY = 1000
ARGUMENTS = {
    **{name: (2, 4 if warmups(name) else 3) for name in ANALYSES},
    "atan2": (2, 2), "bottom": (2, MANY), "derivative": (1, 2), "elapsed": (1, 2),
    "holt_winters": (3, 3), "holt_winters_with_fit": (3, 3), "integral": (1, 2), "log": (2, 2),
    "moving_average": (2, 2),
    "non_negative_derivative": (1, 2), "percentile": (2, 2), "pow": (2, 2), "sample": (2, 2),
    "top": (2, MANY),
}  # fmt: skip


def check(name: str, args: int) -> None:
    """InfluxError unless there is such a function and it takes as many arguments."""
    if name not in REDUCING | PREDICTING | TRANSFORMS.keys() | MATH.keys():
        raise InfluxError(f"undefined function {name}()")
    least, most = ARGUMENTS.get(name, (1, 1))
    if not least <= args <= most:
        wanted = {least: f"{least}", MANY: f"at least {least}"}.get(
            most, f"at least {least} but no more than {most}"
        )
        raise InfluxError(f"invalid number of arguments for {name}, expected {wanted}, got {args}")
