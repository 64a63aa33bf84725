"""Record batches."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bedrock.codec.errors import Malformed
from kafkalite.batch import CODECS, Record, describe, pack, unpack, unpack_all, validate

EXAMPLE = bytes.fromhex(
    """
    0000000000000000 0000003a 00000000 02 fe917cab 0000 00000000 0000000000000000
    0000000000000000 ffffffffffffffff ffff ffffffff 00000001  10 00 00 00 02 6b 02 76 00
    """
)
BLOB = st.none() | st.binary(max_size=20)
RECORDS = st.lists(
    st.builds(
        Record,
        offset=st.just(0),
        timestamp=st.integers(0, 1 << 45),
        key=BLOB,
        value=BLOB,
        headers=st.lists(st.tuples(st.text(max_size=5), BLOB), max_size=2).map(tuple),
    ),
    min_size=1,
    max_size=8,
)


def test_the_worked_example_is_what_it_says():
    assert pack([Record(0, 0, b"k", b"v")]) == EXAMPLE
    assert unpack(EXAMPLE) == [Record(0, 0, b"k", b"v")]


@given(RECORDS, st.sampled_from(CODECS), st.integers(0, 1 << 60))
def test_records_survive_the_way_there_and_back(records, codec, base):
    batch = pack(records, codec=codec, base_offset=base)
    assert unpack(batch) == [r._replace(offset=base + i) for i, r in enumerate(records)]
    header = describe(batch)
    assert header["count"] == len(records)
    assert header["max_timestamp"] == max(r.timestamp for r in records)
    assert unpack_all(batch + batch[:-1]) == unpack(batch)


@given(st.integers(17, len(EXAMPLE) - 1), st.integers(1, 255))
def test_a_changed_byte_under_the_checksum_is_seen(place, mask):
    damaged = bytearray(EXAMPLE)
    damaged[place] ^= mask
    with pytest.raises(Malformed):
        validate(damaged)


@given(st.binary(max_size=200))
def test_noise_is_no_batch(data):
    with pytest.raises(Malformed):
        unpack(data)


@pytest.mark.parametrize("length", [-1, 0, 48, 1 << 30, -(1 << 31)])
def test_a_length_that_cannot_be_is_refused(length):
    data = EXAMPLE[:8] + length.to_bytes(4, "big", signed=True) + EXAMPLE[12:]
    with pytest.raises(Malformed):
        unpack(data)


def test_a_batch_of_kafka_python_is_understood_and_ours_by_it():
    default = pytest.importorskip("kafka.record.default_records", reason="kafka-python")
    builder = default.DefaultRecordBatchBuilder(
        magic=2, compression_type=0, is_transactional=0, producer_id=-1, producer_epoch=-1,
        base_sequence=-1, batch_size=999,
    )
    builder.append(0, 1000, b"k", b"v", [("h", b"x")])
    builder.append(1, 1001, None, b"w", [])
    assert unpack(bytes(builder.build())) == [
        Record(0, 1000, b"k", b"v", (("h", b"x"),)),
        Record(1, 1001, None, b"w"),
    ]
    theirs = default.DefaultRecordBatch(pack([Record(0, 5, b"a", None)], base_offset=9))
    assert theirs.validate_crc()
    assert [(r.offset, r.timestamp, r.key, r.value) for r in theirs] == [(9, 5, b"a", None)]
