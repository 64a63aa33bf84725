"""What becomes of samples with age: a year passes in a moment."""

import time

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bedrock.app.config import ConfigError
from bedrock.sim.disk import Medium
from bedrock.world import World
from bedrock.world.rand import Rand
from tests.tsdb.wire import contents
from tsdb.config import TsdbConfig
from tsdb.labels import labels_of
from tsdb.matchers import Matcher
from tsdb.policy import policy_of
from tsdb.promql.engine import instant_query, range_query
from tsdb.store import Store

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
START = 1_700_006_400_000  # a whole day
SCHEDULE = np.random.default_rng(1).normal(size=60)  # an hour of something
A = Matcher("__name__", "=", "a")


class Clock:
    """A wall clock that is moved by hand."""

    def __init__(self):
        self.ms = START

    def wall_ms(self):
        return self.ms


def aging_store(**options):
    clock = Clock()
    world = World(Medium(Rand(1)).disk(), clock=clock)
    return Store(world, policy=policy_of(TsdbConfig(**options))), clock


def live(store, clock, days, step_ms=5 * MINUTE, names=("a", "b")):
    """Write a day at a time, with maintenance at its end."""
    times = np.arange(0, DAY, step_ms)
    for _ in range(days):
        for name in names:
            values = np.arange(len(times)) % 7.0
            store.add(labels_of({"__name__": name}), clock.ms + times, values)
        clock.ms += DAY
        store.maintain()


def series(store, low, high, resolution=0):
    found = store.select([A], low, high, resolution)
    return found.samples(0) if len(found) else (np.array([]), np.array([]))


def test_what_is_old_is_downsampled_then_dropped_and_the_coarser_tier_answers():
    store, clock = aging_store(retention="10d", tiers="30m:3d:60d,2h:20d:0")
    live(store, clock, 90)
    assert {block.resolution for block in store.blocks} == {0, 30 * MINUTE, 120 * MINUTE}
    raw = min(block.first for block in store.block_set.of(0))
    assert clock.ms - 13 * DAY < raw < clock.ms - 9 * DAY
    middle = min(block.first for block in store.block_set.of(30 * MINUTE))
    assert clock.ms - 68 * DAY < middle < clock.ms - 58 * DAY
    # The first day lies in the coarsest tier alone: 12 buckets, each with its last sample's time.
    times, values = series(store, START + 1, START + DAY)
    assert times.tolist() == [START + (k + 1) * 120 * MINUTE for k in range(12)]
    assert values.tolist()[:11] == [24 * (k + 1) % 7 for k in range(11)]
    # The newest day is there whole, whatever is asked for, and every day is there.
    for resolution in (0, 120 * MINUTE):
        assert len(series(store, clock.ms - DAY, clock.ms, resolution)[0]) == 288
    for day in range(90):
        assert len(series(store, START + day * DAY, START + (day + 1) * DAY - 1)[0]) >= 11


def test_a_year_passes_in_a_second():
    begun = time.process_time()
    store, clock = aging_store(retention="30d", tiers="1h:3d:200d,6h:40d:0", block_range="1d")
    live(store, clock, 365, 30 * MINUTE, ("a",))
    taken = time.process_time() - begun
    assert clock.ms == START + 365 * DAY
    assert {block.resolution for block in store.blocks} == {0, HOUR, 6 * HOUR}
    whole = {"query": "sum_over_time(a[365d])", "time_ms": START + 365 * DAY}
    assert ask(store, **whole)[()] == [(START + 365 * DAY, 365.0 * sum(k % 7 for k in range(48)))]
    assert taken < 10, "one or two, on a machine that is not busy"


def ask(store, query, time_ms, step_ms=0, until_ms=0):
    """{labels without the name: [(ms, value)]}"""
    if step_ms:
        result = range_query(store.finder, query, time_ms, until_ms, step_ms)
    else:
        result = instant_query(store.finder, query, time_ms)
    found = result.value
    return {
        tuple(p for p in labels.pairs if p[0] != "__name__"): [
            (int(t), repr(float(v)) if v != v else float(v))
            for t, v, there in zip(
                result.times, found.values[i], found.present[i], strict=True)
            if there
        ]
        for i, labels in enumerate(found.labels)
    }  # fmt: skip


TIERED = (
    "a", "timestamp(a)", "sum_over_time(a[4m])", "avg_over_time(a[6m])", "min_over_time(a[4m])",
    "max_over_time(a[4m])", "count_over_time(a[2m])", "sum(a)",
    "present_over_time(a[2m])", "absent_over_time(a[2m])", "a offset 2m",
    "max_over_time(sum(a)[6m:2m])",
)  # fmt: skip
EXACT = (
    *TIERED, "rate(a[4m])", "last_over_time(a[4m])", "stddev_over_time(a[4m])",
    "sum_over_time(a[3m])",
)  # fmt: skip
STALE = np.array([0x7FF0000000000002], np.uint64).view(np.float64)[0]


@st.composite
def histories(draw):
    """Writes of (series, second, value), deletions and maintenance, mostly in the order of time."""
    number = st.integers(-50, 50).map(float)
    value = st.one_of(number, number, number, st.just(float("nan")), st.just(STALE))
    done = []
    for minute in range(draw(st.integers(4, 16))):
        for _ in range(draw(st.integers(0, 5))):
            # Often at a minute's end, where buckets and windows meet.
            second = draw(st.one_of(st.integers(0, 59), st.just(60)))
            done.append(("write", draw(st.sampled_from("xy")), minute * 60 + second, draw(value)))
        if draw(st.booleans()):
            late = draw(st.integers(0, minute * 60))
            done.append(("write", draw(st.sampled_from("xy")), late, draw(value)))
        if draw(st.integers(0, 9)) == 0:
            low = draw(st.integers(0, minute * 60))
            done.append(("delete", low, low + draw(st.integers(0, 200))))
        done.append(("age", 60))
        if draw(st.booleans()):
            done.append(("maintain",))
    return done


def replay_history(store, clock, history):
    for what, *args in history:
        if what == "write":
            name, second, value = args
            labels = labels_of({"__name__": "a", "s": name})
            store.add(labels, [START + second * 1000], [value])
        elif what == "delete":
            store.delete([A], START + args[0] * 1000, START + args[1] * 1000)
        elif what == "age":
            clock.ms += args[0] * 1000
        else:
            store.maintain()


# A late block went to both tiers before an older one, of the same coarse bucket, was in either.
PASSED_BY = [
    ("age", 300), ("write", "x", 432, 43.0), ("age", 180), ("write", "x", 660, float("nan")),
    ("write", "x", 600, float("nan")), ("age", 120), ("maintain",),
    ("write", "x", 400, float("nan")), ("age", 60), ("maintain",),
]  # fmt: skip
# Of merged buckets the first one's samples were deleted: they are older than its end.
CUT_AFTER_MERGING = [
    ("age", 300), ("write", "x", 432, 43.0), ("write", "x", 19, 1.0), ("age", 120), ("maintain",),
    ("age", 60), ("write", "x", 639, 2.0), ("age", 60), ("maintain",), ("write", "x", 274, 0.0),
    ("age", 60), ("maintain",), ("write", "x", 400, 3.0), ("age", 60), ("maintain",),
    ("delete", 0, 93),
]  # fmt: skip


@settings(max_examples=40, deadline=None)
@example(PASSED_BY, 0)
@example(CUT_AFTER_MERGING, 0)
@given(histories(), st.integers(0, 3))
def test_no_answer_depends_on_tiers_while_samples_are_kept(history, shift):
    plain, clock = aging_store(block_range="2m")
    tiered, other = aging_store(tiers="1m:1m:0,2m:3m:0", block_range="2m")
    replay_history(plain, clock, history)
    replay_history(tiered, other, history)
    for _ in range(2):
        for query in EXACT:
            for step in (1, 2, 4):
                span = START + shift * 20_000, step * MINUTE, START + 20 * MINUTE
                assert ask(tiered, query, *span) == ask(plain, query, *span), (query, step)
        other.ms += HOUR
        tiered.maintain()
        if any(block.samples for block in tiered.blocks):
            assert tiered.resolution(2 * MINUTE) == 2 * MINUTE


@settings(max_examples=40, deadline=None)
@given(histories())
def test_buckets_answer_alone_as_samples_did_when_those_are_gone(history):
    plain, clock = aging_store(block_range="2m")
    tiered, other = aging_store(tiers="1m:1m:0", retention="30m", block_range="2m")
    replay_history(plain, clock, history)
    replay_history(tiered, other, history)
    # All of it becomes old; one late sample of a series of its own keeps the head from being empty.
    tiered.flush(START + DAY)
    other.ms += DAY
    tiered.maintain()
    assert {block.resolution for block in tiered.blocks} <= {MINUTE}
    for query in TIERED:
        span = START, 2 * MINUTE, START + 20 * MINUTE
        assert ask(tiered, query, *span) == ask(plain, query, *span), query


def test_what_comes_when_samples_are_gone_is_added_to_its_bucket():
    store, clock = aging_store(tiers="1h:1d:0", retention="3d")
    labels = labels_of({"__name__": "a"})
    store.add(labels, [START + 5 * MINUTE, START + 10 * MINUTE], [3.0, 5.0])
    store.flush(START + DAY)
    clock.ms += 10 * DAY
    store.maintain()
    assert [block.resolution for block in store.blocks] == [HOUR]
    late = [START + 7 * MINUTE, START + 30 * MINUTE, START + 90 * MINUTE]
    store.add(labels, late, [9.0, 1.0, 2.0])
    expected = {
        "sum_over_time": 18, "count_over_time": 4, "min_over_time": 1, "max_over_time": 9,
        "last_over_time": 1,
    }  # fmt: skip
    for step in ("in the head", "in a block", "in one bucket"):
        for name, value in expected.items():
            found = ask(store, f"{name}(a[1h])", START + HOUR)
            assert found == {(): [(START + HOUR, value)]}, (name, step)
        if step == "in the head":
            store.flush(START + 2 * DAY)
        else:
            store.maintain()
    assert sum(block.samples for block in store.blocks) == 3


def test_a_block_of_nothing_but_staleness_markers_is_downsampled_once():
    store, clock = aging_store(tiers="30m:1d:0")
    store.add(labels_of({"__name__": "a"}), [clock.ms], [STALE])
    store.flush(clock.ms + 1)
    clock.ms += 3 * DAY
    store.maintain()
    assert [(block.resolution, block.samples) for block in store.blocks] == [(0, 1), (1_800_000, 1)]
    store.log.flush()
    assert len(Store(store.world).blocks) == 2
    assert ask(store, "count_over_time(a[30m])", START) == {}


def test_old_blocks_are_written_anew_with_zstd_where_that_is_less():
    store, clock = aging_store(zstd_after="3d")
    for day in range(12):
        times = START + day * DAY + np.arange(0, DAY, MINUTE)
        store.add(labels_of({"__name__": "a"}), times, SCHEDULE[np.arange(1440) % 60])
        store.add(labels_of({"__name__": "walk"}), times, np.arange(1440.0) % 7)
        clock.ms += DAY
        store.maintain()
    before = contents(store)
    assert {block.cold for block in store.blocks} == {True, False}
    assert all(block.cold == (clock.ms - block.last > 3 * DAY) for block in store.blocks)
    codings = {
        (block.cold, chunk["values"].partition(",")[0].partition(" ")[0])
        for block in store.blocks
        for chunk in block.chunks(0)
    }
    assert (True, "zstd") in codings
    assert (False, "zstd") not in codings
    store.maintain()
    store.log.flush()
    assert contents(Store(store.world)) == before


def test_retention_for_matchers_frees_those_series_alone():
    store, clock = aging_store(retention="30d", retention_rules='{__name__="a"}:3d')
    live(store, clock, 20)
    found = contents(store)
    oldest = {key[0][1]: min(samples) for key, samples in found.items()}
    assert oldest["b"] == START
    assert clock.ms - 5 * DAY < oldest["a"] <= clock.ms - 3 * DAY
    store.flush(clock.ms)
    before = sum(block.size for block in store.blocks)
    clock.ms += 4 * DAY
    store.maintain()
    assert [key[0][1] for key in contents(store)] == ["b"]
    assert sum(block.size for block in store.blocks) < before


def test_a_deletion_frees_the_disk_at_the_next_maintenance_and_later_writes_stay():
    store, clock = aging_store()
    live(store, clock, 4)
    store.delete([A], START, START + 2 * DAY - 1)
    store.add(labels_of({"__name__": "a"}), [START + 5], [42.0])
    expected = contents(store)
    assert list(expected[(("__name__", "a"),)])[:2] == [START + 5, START + 2 * DAY]
    samples = sum(block.samples for block in store.blocks)
    store.maintain()
    assert sum(block.samples for block in store.blocks) < samples
    assert contents(store) == expected
    assert len(store.block_set.deletions) == 1
    assert not any(block.cuts for block in store.blocks)
    store.log.flush()
    assert contents(Store(store.world)) == expected


@pytest.mark.parametrize(
    ("option", "text"),
    [("tiers", "5m"), ("tiers", "1h:1d:0,5m:2d:0"), ("tiers", "5m:1d:0,7m:2d:0"),
     ("retention_rules", "{:1d"), ("retention_rules", "{a='b'}:x"), ("retention", "nonsense")],
)  # fmt: skip
def test_a_policy_that_cannot_be_read_is_refused_by_name(option, text):
    with pytest.raises(ConfigError, match=option.replace("_", "-")):
        policy_of(TsdbConfig(**{option: text}))
