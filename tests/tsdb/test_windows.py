"""Functions of ranges are what straight-line numpy makes of the same samples, wherever they lie."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tsdb.promqlgen import STALE
from tests.tsdb.wire import memory_store
from tsdb.labels import labels_of
from tsdb.promql.engine import range_query

STEP_MS = 10_000

FUNCTIONS = {
    "sum_over_time": np.sum,
    "avg_over_time": np.mean,
    "min_over_time": np.nanmin,
    "max_over_time": np.nanmax,
    "count_over_time": len,
    "last_over_time": lambda v: v[-1],
    "stddev_over_time": np.std,
    "changes": lambda v: float((np.diff(v) != 0).sum()),
    "resets": lambda v: float((np.diff(v) < 0).sum()),
    "delta": None, "rate": None,
}  # fmt: skip


def extrapolated(times, values, low, high, counter):
    """delta and rate, as their documentation has them."""
    if len(values) < 2:
        return None
    change = values[-1] - values[0]
    if counter:
        change += values[:-1][np.diff(values) < 0].sum()
    sampled = (times[-1] - times[0]) / 1000
    average = sampled / (len(values) - 1)
    before, after = (times[0] - low) / 1000, (high - times[-1]) / 1000
    if counter and change > 0 and values[0] >= 0:
        before = min(before, sampled * (values[0] / change))
    whole = sampled
    whole += before if before < average * 1.1 else average / 2
    whole += after if after < average * 1.1 else average / 2
    result = change * (whole / sampled)
    return result / ((high - low) / 1000) if counter else result


def expected(name, times, values, ends, range_ms):
    found = {}
    alive = values.view(np.uint64) != np.array([STALE]).view(np.uint64)[0]
    times, values = times[alive], values[alive]
    for end in ends:
        inside = (times >= end - range_ms) & (times <= end)
        if not inside.any():
            continue
        v = values[inside]
        if FUNCTIONS[name] is not None:
            found[end] = float(FUNCTIONS[name](v))
        else:
            value = extrapolated(times[inside], v, end - range_ms, end, name == "rate")
            if value is not None:
                found[end] = value
    return found


@pytest.mark.parametrize("name", FUNCTIONS)
@settings(max_examples=12)
@given(
    seed=st.integers(0, 2**32),
    n=st.integers(1, 700),
    range_s=st.sampled_from([30, 600, 2000, 5000]),
    step_s=st.sampled_from([10, 170, 1800]),
    where=st.sampled_from(["head", "blocks", "both", "late", "deleted"]),
    odd=st.sampled_from(["", "nan", "stale", "large"]),
)
def test_windows_are_what_numpy_makes_of_them(name, seed, n, range_s, step_s, where, odd):
    rng = np.random.default_rng(seed)
    times = np.cumsum(rng.integers(1, 3, n)) * STEP_MS
    values = rng.integers(0, 100, n).astype(np.float64)
    if odd == "stale":
        values[rng.random(n) < 0.02] = STALE
    elif odd == "large" and FUNCTIONS[name] is not None:  # else the order of adding shows
        values[rng.random(n) < 0.02] = 1e16
    elif odd == "nan" and name in ("count_over_time", "last_over_time", "sum_over_time"):
        values[rng.random(n) < 0.02] = np.nan
    store = memory_store()
    order = np.arange(n)
    if where == "late":
        order = np.concatenate((order[::2], order[1::2]))
    labels = labels_of({"__name__": "m"})
    store.add(labels, times[order], values[order])
    if where == "blocks":
        store.flush(2**60)
    elif where == "both":
        store.flush(int(times[n // 2]))
    elif where == "deleted":
        store.flush(int(times[n // 2]))
        low, high = int(times[n // 4]), int(times[n // 4 * 3])
        store.delete([], low, high)
        kept = (times < low) | (times > high)
        times, values = times[kept], values[kept]
    end = int(times[-1]) if len(times) else 10**6
    ends = range(0, end + 60_000, step_s * 1000)
    result = range_query(
        store.finder, f"{name}(m[{range_s}s])", ends[0], ends[-1], step_s * 1000
    ).value
    got = {}
    for row in range(len(result)):
        for i in np.flatnonzero(result.present[row]):
            got[ends[i]] = float(result.values[row, i])
    want = expected(name, times, values, ends, range_s * 1000)
    assert got.keys() == want.keys()
    assert np.allclose(list(got.values()), [want[t] for t in got], rtol=1e-9, equal_nan=True)
