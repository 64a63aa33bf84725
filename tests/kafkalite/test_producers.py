"""Idempotent producers: duplicates, gaps, epochs."""

import pytest

from bedrock.codec.errors import Malformed
from kafkalite.batch import Record, pack
from kafkalite.errors import Code, KafkaError
from kafkalite.producers import Producers

OUT_OF_ORDER = Code.OUT_OF_ORDER_SEQUENCE_NUMBER


def batch(sequence, count=1, epoch=0, producer_id=9):
    return pack(
        [Record(0, 0, None, b"v")] * count, producer_id=producer_id, producer_epoch=epoch,
        base_sequence=sequence,
    )


@pytest.fixture
def log(open_log):
    log = open_log()
    for sequence in range(0, 20, 2):
        log.append_batch(batch(sequence, 2))
    return log


@pytest.mark.parametrize("sequence", [10, 12, 14, 16, 18])
def test_one_of_the_last_five_batches_again_gets_its_old_offset(log, sequence):
    assert log.append_batch(batch(sequence, 2)) == sequence
    assert log.end_offset == 20


@pytest.mark.parametrize(
    ("sequence", "count", "epoch", "code"),
    [
        (8, 2, 0, OUT_OF_ORDER),  # a sixth batch back
        (18, 1, 0, OUT_OF_ORDER),  # begins as the last one and ends elsewhere
        (22, 1, 0, OUT_OF_ORDER),  # a gap
        (5, 1, 1, OUT_OF_ORDER),  # a new epoch begins at 0
    ],
)
def test_what_does_not_follow_is_refused(log, sequence, count, epoch, code):
    with pytest.raises(KafkaError) as refused:
        log.append_batch(batch(sequence, count, epoch))
    assert refused.value.code is code
    assert log.append_batch(batch(20)) == 20


def test_a_new_epoch_fences_the_old_one(log):
    assert log.append_batch(batch(0, epoch=3)) == 20
    with pytest.raises(KafkaError) as refused:
        log.append_batch(batch(20))
    assert refused.value.code is Code.INVALID_PRODUCER_EPOCH


def test_sequences_wrap(open_log):
    log = open_log()
    log.append_batch(batch(2**31 - 2, 2))
    assert log.append_batch(batch(0)) == 2
    assert log.append_batch(batch(2**31 - 2, 2)) == 0


def test_producers_do_not_know_of_each_other(log):
    assert log.append_batch(batch(0, producer_id=10)) == 20
    assert log.append_batch(batch(20)) == 21


def test_a_snapshot_keeps_the_last_batch_of_each(log):
    log.append_batch(batch(3, producer_id=10))
    data = log.producers.snapshot()
    assert data[:2] == b"\0\1"
    again = Producers()
    again.load(data)
    assert again.snapshot() == data
    with pytest.raises(Malformed):
        again.load(data[:-1] + b"?")
