"""A partition: appending, reading, rolling, forgetting."""

import pytest

from bedrock.codec.crc32c import crc32c
from bedrock.sim.disk import Medium
from bedrock.world import OsDisk, Rand
from kafkalite.batch import CODECS, Record, describe, pack, unpack
from kafkalite.errors import Code, KafkaError
from kafkalite.topic_config import LogConfig, log_config


def fill(log, count, size=1000, timestamp=None):
    """Batches of one record each, with increasing timestamps."""
    for i in range(count):
        when = log.clock.wall_ms() if timestamp is None else timestamp + i
        log.append([Record(0, when, b"%d" % i, b"x" * size)])
        log.turn.run()


def test_offsets_are_dense_whatever_a_batch_says(open_log):
    log = open_log()
    for count in (3, 1, 5):
        base = log.append_batch(pack([Record(0, 0, None, b"v")] * count, base_offset=77))
        assert base == log.end_offset - count
    log.turn.run()
    assert [r.offset for r in log.records()] == list(range(9))


def test_nothing_is_read_before_the_turn_is_flushed(open_log):
    log = open_log()
    log.append([Record(0, 0, None, b"v")])
    assert (log.end_offset, log.high_watermark) == (1, 0)
    assert log.records() == []
    log.turn.run()
    assert log.high_watermark == 1
    assert len(log.records()) == 1


@pytest.mark.parametrize("size", [10, 100_000])
def test_a_record_is_read_from_the_middle_of_any_segment(open_log, size):
    log = open_log(segment_bytes=size * 5 + 2000)
    fill(log, 40, size)
    assert len(log.segments) > 1
    for offset in range(40):
        first, *_ = log.records(offset, max_bytes=1)
        assert first.offset == offset


def test_a_read_is_whole_batches_within_its_limit_but_at_least_one(open_log):
    log = open_log()
    fill(log, 50, 3000)
    one = len(log.read_batches(0, 1))
    assert 3000 < one < 3200
    assert len(log.read_batches(0, one)) == one
    for limit in (2 * one, 10 * one + 5):
        data = log.read_batches(0, limit)
        assert limit / 2 < len(data) <= limit
        assert len(data) % one == 0


@pytest.mark.parametrize("offset", [-1, 51])
def test_an_offset_outside_the_log_is_refused(open_log, offset):
    log = open_log()
    fill(log, 50)
    with pytest.raises(KafkaError) as refused:
        log.read_batches(offset)
    assert refused.value.code is Code.OFFSET_OUT_OF_RANGE


def damaged(batch, place, data):
    return batch[:place] + data + batch[place + len(data) :]


GOOD = pack([Record(0, 0, b"k", b"v")])


@pytest.mark.parametrize(
    ("batch", "code"),
    [
        (GOOD[:-1], Code.CORRUPT_MESSAGE),
        (GOOD + GOOD, Code.CORRUPT_MESSAGE),
        (GOOD[:60], Code.CORRUPT_MESSAGE),
        (damaged(GOOD, 65, b"?"), Code.CORRUPT_MESSAGE),
        (damaged(GOOD, 16, b"\1"), Code.UNSUPPORTED_FOR_MESSAGE_FORMAT),
        (pack([Record(0, 0, b"k", b"v" * 5000)]), Code.MESSAGE_TOO_LARGE),
        (pack([Record(0, 0, b"k", b"v")], attributes=32), Code.INVALID_RECORD),
        (pack([Record(0, 0, b"k", b"v")], attributes=16), Code.INVALID_RECORD),
        (pack([Record(0, 0, b"k", b"v")], attributes=7), Code.UNSUPPORTED_COMPRESSION_TYPE),
        (pack([Record(0, 0, b"k", b"v")], producer_id=5), Code.INVALID_RECORD),
    ],
)
def test_a_batch_that_is_refused_changes_nothing(open_log, batch, code):
    log = open_log(max_message_bytes=4000)
    fill(log, 2)
    with pytest.raises(KafkaError) as refused:
        log.append_batch(batch)
    assert refused.value.code is code
    assert log.end_offset == 2
    fill(log, 1)
    assert [r.offset for r in log.records()] == [0, 1, 2]


def test_segments_roll_by_size_and_by_age(open_log, clock):
    log = open_log(segment_bytes=5000, segment_ms=60_000)
    fill(log, 9)
    assert [s.base for s in log.segments] == [0, 4, 8]
    clock.advance(60_001)
    fill(log, 1)
    assert [s.base for s in log.segments] == [0, 4, 8, 9]


def test_files_have_kafkas_names(open_log, tmp_path):
    log = open_log(segment_bytes=50_000)
    fill(log, 60)
    log.close()
    names = {path.name for path in (tmp_path / "t-0").iterdir()}
    for suffix in (".log", ".index", ".timeindex", ".snapshot"):
        assert f"{log.segments[1].base:020d}{suffix}" in names
    index = (tmp_path / "t-0" / "00000000000000000000.index").read_bytes()
    for at in range(0, len(index), 8):
        offset = int.from_bytes(index[at : at + 4], "big")
        position = int.from_bytes(index[at + 4 : at + 8], "big")
        data = (tmp_path / "t-0" / "00000000000000000000.log").read_bytes()[position:]
        assert describe(data)["base_offset"] == offset


def test_a_time_finds_the_first_record_not_before_it(open_log):
    log = open_log(segment_bytes=20_000)
    fill(log, 60, timestamp=5000)
    assert log.offset_at(0) == (5000, 0)
    assert log.offset_at(5037) == (5037, 37)
    assert log.offset_at(5060) == (-1, -1)
    assert log.newest() == (5059, 59)


def test_retention_by_size_keeps_the_active_segment(open_log):
    log = open_log(segment_bytes=5000, retention_bytes=9000)
    fill(log, 20)
    log.retain()
    assert log.start_offset == 8
    assert log.size_bytes >= 9000
    assert log.records(8)[0].offset == 8
    with pytest.raises(KafkaError):
        log.records(7)


def test_retention_by_age_empties_the_log_but_keeps_its_offsets(open_log, clock):
    log = open_log(segment_bytes=5000, retention_ms=1000)
    fill(log, 10)
    clock.advance(2000)
    log.retain()
    assert (log.start_offset, log.end_offset, log.size_bytes) == (10, 10, 0)
    fill(log, 1)
    assert log.records(10)[0].offset == 10


def test_deleted_records_stay_deleted(open_log):
    log = open_log(segment_bytes=5000)
    fill(log, 10)
    log.delete_to(6)
    assert (log.start_offset, log.segments[0].base) == (6, 4)
    log.close()
    again = open_log(recovery_point=log.recovery_point, start_offset=log.start_offset)
    assert again.start_offset == 6


def test_the_logs_own_time_replaces_the_producers(open_log, clock):
    log = open_log(append_time=True)
    log.append([Record(0, 5, None, b"v")])
    log.turn.run()
    header = describe(log.read_batches(0))
    assert header["max_timestamp"] == clock.wall_ms()
    assert [r.timestamp for r in log.records()] == [clock.wall_ms()]


@pytest.mark.parametrize(
    ("ahead_ms", "taken"), [(3_600_001, False), (3_600_000, True), (-1000, True), (-1001, False)]
)
def test_a_timestamp_must_not_be_too_far_from_now(open_log, clock, ahead_ms, taken):
    log = open_log(timestamp_before_max_ms=1000)
    batch = pack([Record(0, clock.wall_ms() + ahead_ms, None, b"v")])
    if taken:
        assert log.append_batch(batch) == 0
    else:
        with pytest.raises(KafkaError) as refused:
            log.append_batch(batch)
        assert refused.value.code is Code.INVALID_TIMESTAMP
    log = open_log(append_time=True)
    assert log.append_batch(batch) == 0


@pytest.mark.parametrize("wanted", ["uncompressed", "gzip", "snappy", "lz4", "zstd", "producer"])
@pytest.mark.parametrize("sent", ["none", "snappy", "zstd"])
def test_batches_are_packed_as_the_topic_says(open_log, sent, wanted):
    log = open_log(codec=log_config(LogConfig(), {"compression.type": wanted}).codec)
    records = [Record(i, 1000 + i, b"key", b"value" * 100, (("h", b"x"),)) for i in range(5)]
    batch = pack(records, codec=sent, producer_id=7, producer_epoch=0, base_sequence=0)
    assert log.append_batch(batch) == 0
    assert log.append_batch(batch) == 0  # a repetition is known by its sequence
    log.turn.run()
    stored = log.read_batches(0)
    codec = {"uncompressed": "none", "producer": sent}.get(wanted, wanted)
    assert describe(stored)["attributes"] == CODECS.index(codec)
    assert unpack(stored) == records
    broken = pack(records, codec=sent, base_offset=0)
    broken = with_body(broken, b"what no codec has made") if sent != "none" else broken
    if sent not in ("none", codec):
        with pytest.raises(KafkaError) as refused:
            log.append_batch(broken)
        assert refused.value.code is Code.CORRUPT_MESSAGE


def with_body(batch, body):
    """A batch with another body, and the length and checksum of that."""
    head = batch[21:61]
    crc = crc32c(head + body).to_bytes(4, "big")
    return batch[:8] + (49 + len(body)).to_bytes(4, "big") + batch[12:17] + crc + head + body


@pytest.mark.parametrize("size", [100, 40_000])
def test_a_full_disk_refuses_writes_and_goes_on_reading(open_log, size):
    medium = Medium(Rand(1), capacity=300_000)
    log = open_log(medium.disk())
    stored = 0
    with pytest.raises(KafkaError) as refused:
        for _ in range(100_000):
            log.append([Record(0, 0, None, b"x" * size)])
            log.turn.run()
            stored += 1
    assert refused.value.code is Code.KAFKA_STORAGE_ERROR
    assert log.high_watermark == stored > 0
    assert sum(len(log.records(o, 1)) for o in range(0, stored, 7)) == len(range(0, stored, 7))
    medium.capacity = 10_000_000
    log.append([Record(0, 0, None, b"room again")])
    log.turn.run()
    assert log.records(stored)[0].value == b"room again"


def test_reserved_room_is_given_back(open_log, tmp_path):
    log = open_log()
    fill(log, 10)
    log.close()
    size = (tmp_path / "t-0" / "00000000000000000000.log").stat().st_size
    assert size == log.size_bytes
    assert OsDisk(str(tmp_path / "t-0")).open("00000000000000000000.log").size() == size
