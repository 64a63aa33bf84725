"""The head takes samples in any order and gives them back in order; the last write wins."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tsdb.wire import as_dict
from tsdb.columns import Columns
from tsdb.head import Batch, Head, TooManySeries
from tsdb.labels import labels_of

KEY = labels_of({"__name__": "up", "job": "x"}).key
SAMPLES = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 9)), max_size=900)


def fill(head, samples, key=KEY):
    batch = Batch()
    ref = head.ref_of(key)
    for t, v in samples:
        batch.add(ref, t, v)
    head.append(batch)
    return head.by_key[key]


def read(head, low=-(2**60), high=2**60):
    columns = Columns()
    for series in head.by_key.values():
        head.read(series, columns, low, high)
        columns.end_series(series.labels)
    return next(iter(as_dict(columns).values()), {})


def move(head, cut):
    """What flushing to a block does to the head."""
    head.hold(cut)
    moved = head.gather(sorted(head.by_key))
    head.release(list(head.by_key))
    head.released()
    return moved


@given(SAMPLES)
def test_any_order_reads_as_a_dict_would(samples):
    head = Head()
    fill(head, samples)
    assert list(read(head).items()) == sorted(dict(samples).items())


@given(SAMPLES, st.integers(-5, 405), st.integers(-5, 405))
def test_a_range_has_just_its_samples(samples, low, high):
    head = Head()
    fill(head, samples)
    assert read(head, low, high) == {t: v for t, v in dict(samples).items() if low <= t <= high}


@given(SAMPLES, st.integers(-5, 405), SAMPLES)
def test_dropping_what_is_old_keeps_the_rest(samples, cut, more):
    head = Head()
    fill(head, samples)
    move(head, cut)
    kept = {t: v for t, v in dict(samples).items() if t >= cut}
    assert read(head) == kept
    assert head.live == bool(kept)
    fill(head, more)
    assert read(head) == dict(sorted({**kept, **dict(more)}.items()))


@given(SAMPLES, st.integers(-5, 405), SAMPLES, SAMPLES, st.booleans())
def test_what_arrives_while_a_block_is_written_stays(samples, cut, before, after, whole):
    head = Head()
    fill(head, samples)
    head.hold(cut)
    fill(head, before)
    head.gather(sorted(head.by_key))
    fill(head, after)
    everything = {**dict(samples), **dict(before), **dict(after)}
    assert read(head) == dict(sorted(everything.items()))
    if whole:
        head.release(list(head.by_key))
        head.released()
    else:
        head.keep_all()
    stays = {t for t, _ in (*before, *after)}
    kept = {t: v for t, v in everything.items() if not whole or t >= cut or t in stays}
    assert read(head) == dict(sorted(kept.items()))
    assert not whole or head.live == bool(kept)
    if kept:
        assert (head.first, head.last) == (min(kept), max(kept))


@given(SAMPLES, st.integers(-5, 405), st.integers(-5, 405), SAMPLES)
def test_deleting_a_range_leaves_the_rest(samples, low, high, more):
    head = Head()
    ref = fill(head, samples).ref
    head.delete([ref], low, high)
    head.recount()
    kept = {t: v for t, v in dict(samples).items() if not low <= t <= high}
    assert read(head) == dict(sorted(kept.items()))
    fill(head, more)
    assert read(head) == dict(sorted({**kept, **dict(more)}.items()))


def test_a_dropped_series_comes_back_under_another_ref():
    head = Head()
    before = fill(head, [(1, 1.0)]).ref
    move(head, 2)
    assert not head.by_key
    assert not head.postings.everything
    assert fill(head, [(3, 1.0)]).ref != before


def test_the_limit_on_series_is_kept():
    head = Head(series_max=1)
    fill(head, [(1, 1.0)])
    with pytest.raises(TooManySeries):
        head.ref_of(labels_of({"a": "b"}).key)


def test_nan_payloads_survive_sealing():
    head = Head()
    stale = np.array([0x7FF0000000000002], np.uint64).view(np.float64)[0]
    fill(head, [(t, stale if t == 7 else 1.5) for t in range(500)])
    columns = Columns()
    head.read(head.by_key[KEY], columns, 0, 1000)
    columns.end_series(None)
    assert columns.samples(0)[1].view(np.uint64)[7] == 0x7FF0000000000002
