"""Compaction: the newest record of each key stays at its offset, also through a crash."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bedrock.sim.disk import Medium
from bedrock.world import OsDisk, Rand, Turn
from kafkalite.batch import Record, describe, pack, unpack
from kafkalite.cleaner import Cleaning, due
from kafkalite.log import Log
from kafkalite.topic_config import LogConfig

from .wire import ManualClock, Peer

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
DAY = 86_400_000


def clean(log, now_ms=None):
    """One pass, if it is due."""
    now_ms = log.clock.wall_ms() if now_ms is None else now_ms
    segments = due(log, now_ms)
    if segments:
        for _ in Cleaning(log, segments, now_ms).steps():
            pass
    return bool(segments)


def fill(log, items, codec="none", per_batch=3):
    """Append (key, value) pairs, then seal them."""
    items = list(items)
    for i in range(0, len(items), per_batch):
        records = [Record(0, log.clock.wall_ms(), k, v) for k, v in items[i : i + per_batch]]
        log.append(records, codec=codec)
        log.turn.run()
    log.roll()


def held(log):
    return [(r.offset, r.key, r.value) for batch in log.batches() for r in unpack(batch)]


@pytest.fixture
def compacted(open_log):
    return lambda **more: open_log(cleanup=("compact",), **more)


@pytest.mark.parametrize("codec", CODECS)
def test_the_newest_record_of_each_key_stays_at_its_offset(compacted, codec):
    log = compacted()
    fill(log, [(b"%d" % (i % 4), b"v%d" % i) for i in range(20)], codec)
    before = log.size_bytes
    assert clean(log)
    assert held(log) == [(i, b"%d" % (i % 4), b"v%d" % i) for i in range(16, 20)]
    assert log.size_bytes < before
    assert (log.start_offset, log.end_offset, log.cleaned_offset) == (0, 20, 20)
    assert not clean(log)


def test_a_log_that_is_not_dirty_enough_waits(compacted):
    log = compacted(max_compaction_lag_ms=5000)
    fill(log, [(b"%d" % i, b"v") for i in range(90)])
    assert clean(log)
    fill(log, [(b"%d" % i, b"v") for i in range(9)])
    assert not clean(log)
    log.clock.advance(5001)
    assert clean(log)


def test_records_younger_than_the_lag_are_left(compacted):
    log = compacted(min_compaction_lag_ms=1000)
    fill(log, [(b"k", b"old"), (b"k", b"new")])
    assert not clean(log)
    log.clock.advance(1001)
    assert clean(log)
    assert held(log) == [(1, b"k", b"new")]


def test_records_of_the_future_are_compacted_too(compacted):
    log = compacted(timestamp_after_max_ms=DAY)
    log.append([Record(0, log.clock.ms + DAY, b"k", value) for value in (b"1", b"2")])
    log.turn.run()
    log.roll()
    assert clean(log)
    assert held(log) == [(1, b"k", b"2")]


def test_a_tombstone_stays_for_a_time_and_then_goes(compacted):
    log = compacted(delete_retention_ms=DAY)
    fill(log, [(b"k", b"v"), (b"k", None), (b"other", b"v")])
    clean(log)
    assert held(log) == [(1, b"k", None), (2, b"other", b"v")]
    timestamps = {r.timestamp for batch in log.batches() for r in unpack(batch)}
    assert timestamps == {log.clock.ms}
    log.clock.advance(DAY + 1)
    fill(log, [(b"more", b"v")] * 4)
    clean(log)
    assert [key for _, key, _ in held(log)] == [b"other", b"more"]


def test_small_segments_become_one(compacted):
    log = compacted()
    for i in range(10):
        fill(log, [(b"k", b"%d" % i)])
    assert len(log.segments) == 11
    clean(log)
    assert len(log.segments) == 2
    assert held(log) == [(9, b"k", b"9")]
    assert log.read_batches(0) == log.read_batches(9)


def test_a_restart_finds_a_cleaned_log_as_it_was(compacted):
    log = compacted()
    for i in range(6):
        fill(log, [(b"%d" % (i % 2), b"%d" % i), (b"only%d" % i, b"")])
    clean(log)
    expected = held(log)
    log.turn.run()
    again = compacted()
    assert held(again) == expected
    log.close()
    settled = compacted(recovery_point=log.end_offset)
    assert held(settled) == expected
    assert settled.end_offset == 12


def transactional(log, pid, sequence, *items):
    records = [Record(0, log.clock.wall_ms(), k, v) for k, v in items]
    log.append_batch(
        pack(records, producer_id=pid, producer_epoch=0, base_sequence=sequence, attributes=16)
    )


def test_aborted_records_go_and_do_not_count_as_the_newest(compacted):
    log = compacted(delete_retention_ms=DAY)
    log.append([Record(0, 0, b"k", b"kept")])
    transactional(log, 7, 0, (b"k", b"aborted"))
    log.end_transaction(7, 0, False)
    transactional(log, 7, 1, (b"j", b"committed"))
    log.end_transaction(7, 0, True)
    log.turn.run()
    log.roll()
    clean(log)
    data = [describe(b) for b in log.batches()]
    assert [(o, v) for o, _, v in held(log) if o in (0, 3)] == [(0, b"kept"), (3, b"committed")]
    assert [h["base_offset"] for h in data] == [0, 2, 3, 4]
    log.clock.advance(DAY + 1)
    fill(log, [(b"z", b"z")] * 20)
    clean(log)
    # The marker of the abort has gone, that of the commit stays with its record.
    assert [describe(b)["base_offset"] for b in log.batches()][:3] == [0, 3, 4]


def test_an_open_transaction_is_not_touched(compacted):
    log = compacted()
    fill(log, [(b"k", b"1"), (b"k", b"2")])
    transactional(log, 7, 0, (b"k", b"open"))
    log.turn.run()
    log.roll()
    clean(log)
    assert log.cleaned_offset == 2
    assert [value for _, _, value in held(log)] == [b"2", b"open"]


def test_the_last_batch_of_a_producer_stays_empty_for_its_sequence(compacted):
    log = compacted()
    record = Record(0, log.clock.wall_ms(), b"k", b"v")
    for sequence in range(3):
        log.append_batch(pack([record], producer_id=7, producer_epoch=0, base_sequence=sequence))
    fill(log, [(b"k", b"newest")])
    clean(log)
    headers = [describe(b) for b in log.batches()]
    assert [(h["base_offset"], h["count"]) for h in headers] == [(2, 0), (3, 1)]
    log.turn.run()
    again = compacted()
    assert again.producers.by_id[7].last_sequence == 2


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=60),
    st.lists(st.integers(1, 20), min_size=1, max_size=6),
    st.integers(0, (1 << 30)),
)
def test_a_crash_at_any_moment_loses_no_newest_record(writes, passes, seed):
    """A model: the last value of each key; the power is cut at every step of the cleaner."""
    rand = Rand(seed)
    medium = Medium(rand)
    clock = ManualClock()
    config = LogConfig(cleanup=("compact",), min_cleanable_dirty_ratio=0.0, segment_bytes=400)
    log = Log(medium.disk().sub("t-0"), Turn(), clock, config, fsync="always")
    newest = {}
    at = 0
    for steps in passes:
        for key, tombstone in writes[at : at + 10]:
            value = None if tombstone else b"%d" % rand.below(1000)
            offset = log.append([Record(0, clock.ms, b"%d" % key, value)])
            newest[b"%d" % key] = (offset, value)
            log.turn.run()
        at += 10
        segments = due(log, clock.ms)
        if segments:
            cleaning = Cleaning(log, segments, clock.ms).steps()
            for _ in range(steps):
                if next(cleaning, 1) == 1:
                    break
        cleaned = log.cleaned_offset
        medium.crash()
        log = Log(
            medium.disk().sub("t-0"), Turn(), clock, config, fsync="always",
            recovery_point=log.recovery_point, cleaned_offset=cleaned,
        )
        found = {}
        for offset, key, value in held(log):
            found[key] = (offset, value)
        assert found == newest


def test_the_broker_cleans_its_own_topics(tmp_path):
    peer = Peer(OsDisk(str(tmp_path)))
    wire = peer.connect()
    wire.create("t")
    log = peer.broker.topics.internal("__consumer_offsets")
    for offset in range(300):
        part = {"index": 0, "committed_offset": offset, "committed_metadata": ""}
        wire.call(
            "OffsetCommit", group_id=f"g{offset % 7}", generation_id=-1,
            topics=[{"name": "t", "partitions": [part]}],
        )
        if offset % 100 == 99:
            log.roll()
    while peer.broker.cleaner.step():
        pass
    assert len(held(log)) == 7
    again = peer.restart(OsDisk(str(tmp_path))).broker.coordinator.offsets
    assert [again.get(f"g{i}")["t", 0].offset for i in range(7)] == [
        max(o for o in range(300) if o % 7 == i) for i in range(7)
    ]


def test_a_compacted_topic_wants_keys(wire):
    wire.create("t", cleanup_policy="compact")
    records = [Record(0, 0, key, b"v") for key in (b"k", None, b"j", None)]
    part = wire.produce("t", batch=pack(records, codec="gzip"))
    assert part["error_code"] == 87
    assert [e["batch_index"] for e in part["record_errors"]] == [1, 3]
    assert wire.produce("t", batch=pack(records[::2]))["error_code"] == 0
