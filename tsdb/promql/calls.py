"""The functions of PromQL at work, by name: CALLS on vectors and scalars, RANGE_CALLS on windows.

Each takes the steps' times (ms) and its arguments, evaluated; signatures are in `functions`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from bedrock.world.slices import paced
from tsdb.labellist import LabelList
from tsdb.labels import Labels, is_label_name
from tsdb.promql import kernels
from tsdb.promql.errors import QueryError
from tsdb.promql.functions import CALENDAR, OVER_TIME
from tsdb.promql.groups import bucket_quantile
from tsdb.promql.template_text import expand
from tsdb.promql.vector import Vector, Windows, by_rows
from tsdb.promql.windows import over_range
from tsdb.regex import BadRegex, compile_regex

# ---- element by element --------------------------------------------------------------------


def _round(values: np.ndarray, to_nearest: np.ndarray | float = 1.0) -> np.ndarray:
    # The inverse keeps 0.1 exact where a division by it would not be.
    inverse = 1.0 / to_nearest
    return np.floor(values * inverse + 0.5) / inverse


def _max(values: np.ndarray, least: Any) -> np.ndarray:
    """As Go has it: an infinity wins over NaN, and 0 over -0."""
    result = np.maximum(least, values)
    with np.errstate(invalid="ignore"):
        result = np.where((values == 0) & (least == 0), values + least, result)
    return np.where((values == np.inf) | (least == np.inf), np.inf, result)


def _min(values: np.ndarray, most: Any) -> np.ndarray:
    return -_max(-values, -most)


def _clamp(values: np.ndarray, low: Any, high: Any) -> np.ndarray:
    return _max(_min(values, high), low)


_ELEMENTWISE: dict[str, Callable[..., np.ndarray]] = {
    "abs": np.abs,
    "acos": np.arccos,
    "acosh": np.arccosh,
    "asin": np.arcsin,
    "asinh": np.arcsinh,
    "atan": np.arctan,
    "atanh": np.arctanh,
    "ceil": np.ceil,
    "clamp_max": _min,
    "clamp_min": _max,
    "cos": np.cos,
    "cosh": np.cosh,
    "deg": np.degrees,
    "exp": np.exp,
    "floor": np.floor,
    "ln": np.log,
    "log10": np.log10,
    "log2": np.log2,
    "rad": np.radians,
    "round": _round,
    "sgn": np.sign,
    "sin": np.sin,
    "sinh": np.sinh,
    "sqrt": np.sqrt,
    "tan": np.tan,
    "tanh": np.tanh,
}


def _elementwise(compute: Callable[..., np.ndarray]) -> Callable[..., Vector]:
    def call(times: np.ndarray, vector: Vector, *params: np.ndarray) -> Vector:
        with np.errstate(all="ignore"):
            return vector.with_values(by_rows(compute, vector.values, *params)).unique()

    return call


def _clamp_call(times: np.ndarray, vector: Vector, low: np.ndarray, high: np.ndarray) -> Vector:
    result = vector.with_values(_clamp(vector.values, low, high))
    result.present = result.present & ~(low > high)  # an impossible range has no values
    return result.unique()


# ---- the calendar --------------------------------------------------------------------------


# Times beyond what numpy can tell are taken as Go takes them: modulo 2^64 seconds from a first year
# far back.  The calendar repeats every 400 years, so a day is looked up in the years from 2001 on.
_DAY = 86_400
_FIRST_YEAR = -292_277_022_399
_EPOCH = 9_223_372_028_715_321_600  # from the first of January of that year to 1970, seconds
_CYCLE_DAYS = 146_097


class _Moments:
    """Seconds since 1970, as parts of the calendar."""

    def __init__(self, values: np.ndarray):
        with np.errstate(invalid="ignore"):
            since = values.astype(np.int64).astype(np.uint64) + np.uint64(_EPOCH)
        self.second = (since % _DAY).astype(np.int64)
        self.days = (since // _DAY).astype(np.int64)
        self.cycle, day = np.divmod(self.days, _CYCLE_DAYS)
        self.day = np.datetime64("2001-01-01") + day
        self.month = self.day.astype("M8[M]")
        self.year = self.day.astype("M8[Y]")


_CALENDAR: dict[str, Callable[[_Moments], np.ndarray]] = {
    "day_of_month": lambda at: (at.day - at.month).astype(np.int64) + 1,
    "day_of_week": lambda at: (at.days + 1) % 7,
    "day_of_year": lambda at: (at.day - at.year).astype(np.int64) + 1,
    "days_in_month": lambda at: (
        (at.month + 1).astype("M8[D]") - at.month.astype("M8[D]")
    ).astype(np.int64),
    "hour": lambda at: at.second // 3600,
    "minute": lambda at: at.second // 60 % 60,
    "month": lambda at: at.month.astype(np.int64) % 12 + 1,
    "year": lambda at: at.year.astype(np.int64) - 31 + at.cycle * 400 + _FIRST_YEAR,
}


def _calendar(part: Callable[[_Moments], np.ndarray]) -> Callable[..., Vector]:
    def call(times: np.ndarray, vector: Vector | None = None) -> Vector:
        if vector is None:
            vector = _vector(times, times / 1000)
        values = by_rows(lambda seconds: part(_Moments(seconds)), vector.values)
        return vector.with_values(values.astype(np.float64)).unique()

    return call


# ---- between scalars and vectors -----------------------------------------------------------


def _vector(times: np.ndarray, scalar: np.ndarray) -> Vector:
    return Vector(LabelList([Labels(())]), scalar[None, :], np.ones((1, len(times)), np.bool_))


def _scalar(times: np.ndarray, vector: Vector) -> np.ndarray:
    only = vector.present.sum(axis=0) == 1
    total = np.where(vector.present, vector.values, 0).sum(axis=0)
    return np.where(only, total, np.nan)


def _time(times: np.ndarray) -> np.ndarray:
    return times / 1000


def _pi(times: np.ndarray) -> np.ndarray:
    return np.full(len(times), np.pi)


def _timestamp(times: np.ndarray, vector: Vector) -> Vector:
    """Of a computed value: the time of the step (a selector's own times: see `evaluate`)."""
    return vector.with_values(np.broadcast_to(times / 1000, vector.values.shape)).unique()


def _sorted(descending: bool) -> Callable[..., Vector]:
    def call(times: np.ndarray, vector: Vector) -> Vector:
        if len(times) != 1:
            return vector  # a range result is sorted by labels
        keys = vector.values[:, 0]
        order = np.argsort(-keys if descending else keys, kind="stable")
        return vector.take(order)

    return call


# ---- labels --------------------------------------------------------------------------------

def _label_replace(
    times: np.ndarray, vector: Vector, target: str, template: str, source: str, regex: str
) -> Vector:
    try:
        pattern = compile_regex(regex)
    except BadRegex as exc:
        raise QueryError(f"invalid regular expression in label_replace(): {regex}") from exc
    if not is_label_name(target):
        raise QueryError(f"invalid destination label name in label_replace(): {target}")
    changed = []
    for labels in paced(vector.labels):
        match = pattern.fullmatch(labels.get(source))
        changed.append(labels.having(target, expand(template, match)) if match else labels)
    return Vector(LabelList(changed), vector.values, vector.present).pruned().unique()


def _label_join(
    times: np.ndarray, vector: Vector, target: str, separator: str, *sources: str
) -> Vector:
    for name in (*sources, target):
        if not is_label_name(name):
            where = "destination" if name == target else "source"
            raise QueryError(f"invalid {where} label name in label_join(): {name}")
    changed = [
        labels.having(target, separator.join(labels.get(name) for name in sources))
        for labels in paced(vector.labels)
    ]
    return Vector(LabelList(changed), vector.values, vector.present).pruned().unique()


# ---- histograms ----------------------------------------------------------------------------


def _histogram_quantile(times: np.ndarray, q: np.ndarray, vector: Vector) -> Vector:
    """Per histogram: its series differ only in `le`."""
    histograms: dict[Labels, list[tuple[float, int]]] = {}
    for row, labels in enumerate(paced(vector.labels)):
        try:
            bound = float(labels.get("le"))
        except ValueError:
            continue
        key = labels.drop(("le", "__name__"))
        histograms.setdefault(key, []).append((bound, row))
    rows = []
    for key, buckets in paced(histograms.items()):
        buckets.sort()
        chosen = [row for _, row in buckets]
        _refuse_two_names(vector, chosen)
        values, present = bucket_quantile(
            np.ascontiguousarray(q, np.float64),
            np.array([bound for bound, _ in buckets]),
            vector.values[chosen],
            vector.present[chosen].view(np.uint8),
        )
        rows.append((key, values, present))
    return Vector.of_rows(rows, len(times))


def _refuse_two_names(vector: Vector, rows: list[int]) -> None:
    """Two metrics with the same labels are no one histogram."""
    flags = np.ascontiguousarray(vector.present).view(np.uint8)
    same: dict[Labels, list[int]] = {}
    for row in rows:
        same.setdefault(vector.labels[row].without_name(), []).append(row)
    for group in same.values():
        if len(group) > 1:
            kernels.single_present(flags, group)


CALLS: dict[str, Callable[..., Any]] = {
    **{name: _elementwise(compute) for name, compute in _ELEMENTWISE.items()},
    **{name: _calendar(_CALENDAR[name]) for name in CALENDAR},
    "clamp": _clamp_call,
    "histogram_quantile": _histogram_quantile,
    "label_join": _label_join,
    "label_replace": _label_replace,
    "pi": _pi,
    "scalar": _scalar,
    "sort": _sorted(descending=False),
    "sort_desc": _sorted(descending=True),
    "time": _time,
    "timestamp": _timestamp,
    "vector": _vector,
}


# ---- ranges --------------------------------------------------------------------------------


def _over(
    name: str,
    times: np.ndarray,
    windows: Windows,
    param: np.ndarray | None = None,
    param2: np.ndarray | None = None,
) -> Vector:
    nothing = np.zeros(len(times))
    values, present = over_range(
        name,
        windows.rows,
        np.ascontiguousarray(windows.ends),
        np.ascontiguousarray(times),
        windows.range_ms,
        nothing if param is None else np.ascontiguousarray(param, np.float64),
        nothing if param2 is None else np.ascontiguousarray(param2, np.float64),
        windows.budget,
    )
    labels = windows.rows.labels
    if name != "last_over_time":
        labels = labels.bare()
    return Vector(labels, values, present).pruned().unique()


def _quantile_over_time(
    name: str, times: np.ndarray, q: np.ndarray, windows: Windows
) -> Vector:
    return _over(name, times, windows, q)


def _holt_winters(
    name: str, times: np.ndarray, windows: Windows, smooth: np.ndarray, trend: np.ndarray
) -> Vector:
    for factor, what in ((smooth, "smoothing"), (trend, "trend")):
        bad = (factor <= 0) | (factor >= 1)
        if bad.any():
            # What no window meets is not looked at.
            bad &= _over("count_over_time", times, windows).present.any(axis=0)
        if bad.any():
            raise QueryError(f"invalid {what} factor. Expected: 0 < "
                             f"{'sf' if what == 'smoothing' else 'tf'} < 1, got: "
                             f"{factor[bad][0]:f}")
    return _over(name, times, windows, smooth, trend)


RANGE_CALLS: dict[str, Callable[..., Vector]] = {
    **dict.fromkeys(OVER_TIME, _over),
    "holt_winters": _holt_winters,
    "predict_linear": _over,
    "quantile_over_time": _quantile_over_time,
}
