"""Technical analysis: the moving averages and oscillators that traders look at.

Each makes as many values as it is given; the first of them, which know too little, are held back
(`held`), unless the query says how many.

What an average is made of at first is a matter of taste, `warmup`:

    exponential   the k-th value weighs 2 / (k + 1), until k is the period
    simple        all weigh the same until then; an average of an average begins only there
    none          no average: the sums of a window (chande_momentum_oscillator alone)
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tsdb.influxql.ast import InfluxError

Values = np.ndarray

EXPONENTIAL, SIMPLE, NONE = "exponential", "simple", "none"


def _average(v: Values, period: int, warmup: str, begin: int = 0) -> Values:
    """The exponential moving average; before `begin` the values themselves."""
    made = v.astype(np.float64)
    for k in range(begin + 1, len(v)):
        seen = min(k - begin + 1, period)
        weight = 1 / seen if warmup == SIMPLE and k - begin < period else 2 / (seen + 1)
        made[k] = made[k - 1] + weight * (v[k] - made[k - 1])
    return made


def _averages(v: Values, period: int, warmup: str, count: int) -> list[Values]:
    """The average, that of the average, ..."""
    found = []
    for n in range(count):
        begin = n * (period - 1) if warmup == SIMPLE else 0
        v = _average(v, period, warmup, begin)
        found.append(v)
    return found


def _double(v: Values, period: int, warmup: str) -> Values:
    a, b = _averages(v, period, warmup, 2)
    return 2 * a - b


def _triple(v: Values, period: int, warmup: str) -> Values:
    a, b, c = _averages(v, period, warmup, 3)
    return 3 * a - 3 * b + c


def _triple_derivative(v: Values, period: int, warmup: str) -> Values:
    """By how many per cent the third average grows."""
    smooth = _averages(v, period, warmup, 3)[2]
    with np.errstate(all="ignore"):
        return np.concatenate(([np.nan], 100 * (smooth[1:] / smooth[:-1] - 1)))


def _relative_strength(v: Values, period: int, warmup: str) -> Values:
    """What of the average change is upwards, in per cent; the first change is from 0.

    The averages are Wilder's: a value weighs 1 / period, once there are more than period + 1.
    """
    change = np.diff(v, prepend=0.0)
    up = down = 0.0
    made = np.empty(len(v))
    for k in range(len(v)):
        seen = k + 1
        weight = 1 / period
        if seen <= period + 1:
            weight = 1 / seen if warmup == SIMPLE else 2 / (seen + 1)
        up += weight * (max(change[k], 0.0) - up)
        down += weight * (max(-change[k], 0.0) - down)
        made[k] = 100 * up / (up + down) if up + down else np.nan
    return made


def _momentum(v: Values, period: int, warmup: str) -> Values:
    """The rises less the falls, as a part of both, in per cent: of a window, or on average."""
    if warmup != NONE:
        return 2 * _relative_strength(v, period, warmup) - 100
    change = np.diff(v, prepend=v[:1])
    up, down = (
        np.convolve(np.maximum(side, 0), np.ones(period))[: len(v)] for side in (change, -change)
    )
    with np.errstate(all="ignore"):
        return np.where(up + down == 0, 0.0, 100 * (up - down) / (up + down))


def _efficiency(v: Values, period: int, warmup: str = NONE) -> Values:
    """How far the values came, as a part of the way they went."""
    way = np.convolve(np.abs(np.diff(v, prepend=v[:1])), np.ones(period))[: len(v)]
    far = np.abs(v - v[np.maximum(np.arange(len(v)) - period, 0)])
    with np.errstate(all="ignore"):
        made = np.where(way == 0, 0.0, far / way)
    made[:1] = 1.0
    return made


def _adaptive(v: Values, period: int, warmup: str = NONE) -> Values:
    """An average that is the quicker the straighter the values go; at first, of the last two."""
    slow, quick = 2 / (30 + 1), 2 / (2 + 1)
    weights = (_efficiency(v, period) * (quick - slow) + slow) ** 2
    made = np.empty(len(v))
    for k, weight in enumerate(weights):
        last = made[k - 1] if k > period else v[k - 1] if k else 0.0
        made[k] = last + weight * (v[k] - last)
    return made


ANALYSES: dict[str, Callable[[Values, int, str], Values]] = {
    "chande_momentum_oscillator": _momentum,
    "double_exponential_moving_average": _double,
    "exponential_moving_average": _average,
    "kaufmans_adaptive_moving_average": _adaptive,
    "kaufmans_efficiency_ratio": _efficiency,
    "relative_strength_index": _relative_strength,
    "triple_exponential_derivative": _triple_derivative,
    "triple_exponential_moving_average": _triple,
}


def held(name: str, period: int, warmup: str) -> int:
    """How many of the first values know too little."""
    averages = {"double": 2, "triple": 3}.get(name.partition("_")[0], 1)
    if "exponential" in name:
        several = averages if warmup == SIMPLE else 1
        return several * (period - 1) + (name == "triple_exponential_derivative")
    return period - 1 if warmup == NONE and name == "chande_momentum_oscillator" else period


def warmups(name: str) -> tuple[str, ...]:
    """Those that a function may be told, its own choice first; () if none."""
    if name.startswith("kaufmans"):
        return ()
    if name == "chande_momentum_oscillator":
        return (NONE, EXPONENTIAL, SIMPLE)
    return (EXPONENTIAL, SIMPLE)


def analysis(name: str) -> Callable[..., tuple[np.ndarray, Values]]:
    """A function as InfluxQL has it: (times, values, period, hold, warmup) -> times, values."""

    def transform(
        t: np.ndarray, v: Values, period: float, hold: float = -1, warmup: str = ""
    ) -> tuple[np.ndarray, Values]:
        every = warmups(name)
        least = int(name == "triple_exponential_derivative")
        if period < 1:
            raise InfluxError(f"{name} period must be greater than or equal to 1")
        if hold != -1 and hold < least:
            raise InfluxError(f"{name} hold period must be greater than or equal to {least}")
        if warmup and warmup not in every:
            told = " ".join(f"'{one}'" for one in every)
            raise InfluxError(f"{name} warmup type must be one of: {told}")
        warmup = warmup or (every[0] if every else NONE)
        first = held(name, int(period), warmup) if hold == -1 else int(hold)
        if not len(v):
            return t, v
        return t[first:], ANALYSES[name](v, int(period), warmup)[first:]

    return transform
