"""Chunks come back bit for bit, and are small for what monitoring sees."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsdb import chunk as codec

INT64 = st.integers(-(2**63), 2**63 - 1)
BITS = st.integers(0, 2**64 - 1)


def floats(bits):
    return np.array(bits, np.uint64).view(np.float64)


def round_trip(times, values):
    times = np.asarray(times, np.int64)
    values = np.asarray(values, np.float64)
    for level in ((True, True), (False,), (True,)):
        chunk = codec.encode(times, values, *level)
        got_times, got_values = codec.decode(chunk)
        assert (got_times == times).all()
        assert (got_values.view(np.uint64) == values.view(np.uint64)).all()
        assert codec.describe(chunk)["bytes"] == len(chunk)
    return len(chunk)


def regular(n):
    return np.arange(n, dtype=np.int64) * 15_000 + 1_700_000_000_000


@given(st.lists(st.tuples(INT64, BITS), min_size=1, max_size=300))
def test_any_timestamps_and_any_bits_come_back(samples):
    round_trip([t for t, _ in samples], floats([b for _, b in samples]))


@given(st.lists(st.floats(-1e6, 1e6).map(lambda x: round(x, 3)), min_size=1, max_size=300))
def test_decimals_come_back(values):
    round_trip(regular(len(values)), values)


@given(st.lists(st.integers(-(2**53), 2**53), min_size=1, max_size=300))
def test_integers_come_back(values):
    round_trip(regular(len(values)), values)


@given(st.lists(st.integers(-9, 9), min_size=40, max_size=300), st.sets(st.integers(0, 299)))
def test_a_few_exceptions_among_whole_numbers_are_set_aside(values, odd):
    values = np.array(values, np.float64)
    for at in sorted(odd)[:2]:
        if at < len(values):
            values[at] = floats([0x7FF0000000000002])[0]
    round_trip(regular(len(values)), values)


def test_what_repeats_itself_is_small_when_it_is_cold():
    values = np.random.default_rng(1).normal(size=60)[np.arange(1000) % 60]
    cold = codec.encode(regular(1000), values, True, True)
    assert codec.describe(cold)["values"] == "zstd"
    assert len(cold) < len(codec.encode(regular(1000), values, True)) / 5
    for cut in range(len(cold)):
        with pytest.raises(ValueError, match="damaged"):
            codec.decode(cold[:cut])


def test_special_values_come_back():
    stale, payload = 0x7FF0000000000002, 0xFFF8DEADBEEF0001
    values = floats([stale, payload, 1 << 63, 0, 0x7FF0000000000000, 0xFFF0000000000000, 1])
    round_trip(regular(7), values)


@pytest.mark.parametrize("n", [1, 2, 3, 63, 64, 65, 66, 127, 128, 129, 1024, 4096])
def test_every_length_comes_back(n):
    rng = np.random.default_rng(n)
    jitter = regular(n) + rng.integers(-5, 6, n)
    for values in (np.ones(n), rng.integers(0, 9, n).cumsum(), rng.normal(size=n)):
        round_trip(regular(n), values)
        round_trip(jitter, values)


@pytest.mark.parametrize(
    ("make", "bytes_a_sample"),
    [
        (lambda rng: np.full(1000, 7.0), 0.06),
        (lambda rng: np.clip(rng.normal(size=1000).cumsum() + 50, 0, 100).round(), 0.35),
        (lambda rng: rng.integers(1, 10, 1000).cumsum(), 0.5),
        (lambda rng: rng.normal(20, 5, 1000).round(2), 1.5),
    ],
    ids=["constant", "integer walk", "counter", "two decimals"],
)
def test_monitoring_data_is_small(make, bytes_a_sample):
    values = make(np.random.default_rng(1))
    assert round_trip(regular(1000), values) / 1000 < bytes_a_sample


@pytest.mark.parametrize(
    ("name", "bytes_a_sample"),
    [("City-temp", 0.89), ("Stocks-USA", 0.62), ("PM10-dust", 0.48)],
)
def test_real_decimals_are_small(judges, name, bytes_a_sample):
    lines = (judges / "timeseries" / f"{name}.csv").read_text().splitlines()
    values = np.array([float(line) for line in lines if line[:1] in "-.0123456789" and line])
    size = sum(
        round_trip(regular(len(part)), part)
        for part in np.split(values, range(1000, len(values), 1000))
    )
    assert size / len(values) < bytes_a_sample


@given(st.binary(max_size=200))
def test_garbage_is_refused_or_decoded_without_harm(data):
    try:
        codec.decode(data)
    except ValueError:
        pass


@given(st.data())
def test_a_damaged_chunk_is_refused_or_decoded_without_harm(data):
    rng = np.random.default_rng(data.draw(st.integers(0, 9)))
    values = rng.normal(size=200) if data.draw(st.booleans()) else rng.integers(0, 99, 200) * 1.0
    chunk = bytearray(codec.encode(regular(200) + rng.integers(0, 9, 200), values))
    cut = data.draw(st.integers(0, len(chunk)))
    for _ in range(data.draw(st.integers(0, 4))):
        chunk[data.draw(st.integers(0, len(chunk) - 1))] = data.draw(st.integers(0, 255))
    try:
        codec.decode(chunk[:cut] if data.draw(st.booleans()) else chunk)
    except ValueError:
        pass
