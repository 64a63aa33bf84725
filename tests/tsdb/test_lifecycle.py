"""What becomes of samples with age: a year passes in a moment."""

import numpy as np
import pytest

from bedrock.app.config import ConfigError
from bedrock.sim.disk import Medium
from bedrock.world import World
from bedrock.world.rand import Rand
from tests.tsdb.wire import contents
from tsdb.config import TsdbConfig
from tsdb.labels import labels_of
from tsdb.matchers import Matcher
from tsdb.policy import policy_of
from tsdb.store import Store

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
START = 1_700_006_400_000  # a whole day


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


def series(store, low, high, **choice):
    found = store.finder.select([Matcher("__name__", "=", "a")], low, high, **choice).gather()
    return found.samples(0) if len(found) else (np.array([]), np.array([]))


def test_what_is_old_is_downsampled_then_dropped_and_the_coarser_tier_answers():
    store, clock = aging_store(retention="10d", tiers="30m:3d:60d,2h:20d:0")
    live(store, clock, 90)
    assert {block.resolution for block in store.blocks} == {0, 30 * MINUTE, 120 * MINUTE}
    raw = min(block.first for block in store.block_set.of(0))
    assert clock.ms - 12 * DAY < raw < clock.ms - 9 * DAY
    middle = min(block.first for block in store.block_set.of(30 * MINUTE))
    assert clock.ms - 63 * DAY < middle < clock.ms - 58 * DAY
    # The first day lies in the coarsest tier alone: 12 buckets, each with its last sample's time.
    times, values = series(store, START, START + DAY - 1)
    assert times.tolist() == [START + k * 120 * MINUTE + 115 * MINUTE for k in range(12)]
    assert values.tolist() == [(24 * k + 23) % 7 for k in range(12)]
    # The newest day is there whole, whatever the step.
    for resolution in (0, 120 * MINUTE):
        times, _ = series(store, clock.ms - DAY, clock.ms, resolution=resolution)
        assert len(times) == 288


def test_a_tier_is_taken_by_the_resolution_asked_for_and_its_rows_add_up():
    store, clock = aging_store(tiers="30m:1d:0")
    live(store, clock, 9)
    low, high = START, START + DAY - 1
    times, values = series(store, low, high)
    assert len(times) == 288
    ask = {"resolution": 30 * MINUTE}
    assert len(series(store, low, high, **ask)[0]) == 48
    assert (series(store, low, high, column="sum", **ask)[1].sum()) == values.sum()
    assert (series(store, low, high, column="count", **ask)[1].sum()) == 288
    assert (series(store, low, high, column="min", **ask)[1]).tolist() == [0.0] * 48 or (
        series(store, low, high, column="min", **ask)[1].min() == 0
    )
    assert (series(store, low, high, column="max", **ask)[1]).max() == 6
    # What is not downsampled counts as one sample each.
    assert series(store, clock.ms - DAY, clock.ms, column="count", **ask)[1].tolist() == [1.0] * 288
    assert store.resolution(29 * MINUTE) == 0
    assert store.resolution(31 * MINUTE) == 30 * MINUTE


def test_a_block_of_nothing_but_staleness_markers_is_downsampled_once():
    store, clock = aging_store(tiers="30m:1d:0")
    stale = np.array([0x7FF0000000000002], np.uint64).view(np.float64)
    store.add(labels_of({"__name__": "a"}), [clock.ms], stale)
    store.flush(clock.ms + 1)
    clock.ms += 3 * DAY
    store.maintain()
    assert [(block.resolution, block.samples) for block in store.blocks] == [(0, 1), (1_800_000, 0)]
    assert len(series(store, START - DAY, clock.ms, resolution=30 * MINUTE)[0]) == 0
    store.log.flush()
    assert len(Store(store.world).blocks) == 2


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
    store.delete([Matcher("__name__", "=", "a")], START, START + 2 * DAY - 1)
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
    [("tiers", "5m"), ("tiers", "1h:1d:0,5m:2d:0"), ("retention_rules", "{:1d"),
     ("retention_rules", "{a='b'}:x"), ("retention", "nonsense")],
)  # fmt: skip
def test_a_policy_that_cannot_be_read_is_refused_by_name(option, text):
    with pytest.raises(ConfigError, match=option.replace("_", "-")):
        policy_of(TsdbConfig(**{option: text}))
