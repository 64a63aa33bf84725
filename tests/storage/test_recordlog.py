"""The record log: what it gives back, what it refuses, and what it costs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bedrock.sim.disk import DiskFaults, Medium
from bedrock.storage.errors import Damaged
from bedrock.storage.recordlog import RecordLog, check
from bedrock.world import DiskFailed, DiskFull, OsDisk, Rand, Turn

SEGMENT = 1024


@pytest.fixture
def medium():
    return Medium(Rand(1))


def make(medium, records=(), **options) -> RecordLog:
    log = RecordLog(medium.disk().sub("log"), segment_bytes=SEGMENT, rand=Rand(5), **options)
    for record in records:
        log.append(record)
    log.flush()
    return log


def payloads(log, start=0) -> list[bytes]:
    return [payload for _, payload in log.replay(start)]


def names(medium) -> list[str]:
    return medium.disk().sub("log").list()


@pytest.mark.parametrize("disk", [lambda path: OsDisk(path), lambda _: Medium(Rand(1)).disk()])
def test_records_come_back_in_order_with_their_positions(disk, tmp_path):
    disk = disk(str(tmp_path))
    log = RecordLog(disk, segment_bytes=SEGMENT)
    written = [bytes([i]) * (i * 37 % 300) for i in range(60)]
    positions = [log.append(record) for record in written]
    log.close()
    again = RecordLog(disk, segment_bytes=SEGMENT)
    assert list(again.replay()) == list(zip(positions, written, strict=True))
    assert len(again.segments) > 3
    assert again.end == again.durable == log.durable
    assert not again.findings
    assert list(check(disk)) == []


@given(st.lists(st.binary(max_size=1500), max_size=30), st.integers(64, 4096))
def test_any_records_come_back_whatever_the_segment_size(records, segment_bytes):
    disk = Medium(Rand(1)).disk()
    log = RecordLog(disk, segment_bytes=segment_bytes)
    for record in records:
        log.append(record)
    log.close()
    assert payloads(RecordLog(disk, segment_bytes=segment_bytes)) == records


def test_replay_begins_at_any_record_and_at_the_end(medium):
    log = make(medium)
    positions = [log.append(b"%d" % i) for i in range(50)]
    log.flush()
    for i in (0, 1, 27, 49):
        assert payloads(log, positions[i]) == [b"%d" % n for n in range(i, 50)]
    assert payloads(log, log.end) == []


def test_what_is_not_flushed_is_not_replayed_and_not_durable(medium):
    log = make(medium, [b"a"])
    log.append(b"b")
    assert payloads(log) == [b"a"]
    assert log.durable < log.end
    medium.crash(lambda *_: "drop")
    assert payloads(make(medium)) == [b"a"]


def test_all_records_of_a_turn_share_one_write_and_one_sync(medium):
    turn = Turn()
    log = make(medium, turn=turn)
    medium.arm()
    for i in range(5):
        log.append(b"%d" % i)
    turn.run()
    assert log.syncs == 1
    assert log.durable == log.end
    seen = []
    medium.trace = lambda what, *_: seen.append(what)
    log.append(b"x")
    log.append(b"y")
    turn.run()
    assert seen == ["write", "sync"]


def test_trim_removes_whole_segments_and_keeps_positions(medium):
    log = make(medium)
    positions = [log.append(bytes(200)) for _ in range(20)]
    log.flush()
    log.trim(positions[10])
    kept = [position for position, _ in log.replay()]
    assert kept[0] > positions[0]
    assert positions[10] in kept
    assert kept == positions[-len(kept) :]
    assert log.start == kept[0]
    again = make(medium)
    assert [position for position, _ in again.replay()] == kept
    with pytest.raises(Damaged, match="reaches back"):
        list(again.replay(positions[0]))
    again.trim(again.end)
    assert len(names(medium)) == 1
    assert again.append(b"next") == again.durable


def test_a_full_disk_refuses_the_append_and_changes_nothing(medium):
    log = make(medium, [b"before"])
    medium.capacity = medium.used_bytes()
    end = log.end
    with pytest.raises(DiskFull):
        for _ in range(100):
            log.append(bytes(100))
            end = log.end
    assert log.end == end
    count = len(payloads(log))
    log.flush()
    medium.capacity = 0
    log.append(b"after")
    log.flush()
    assert payloads(log)[count:][-1] == b"after"
    assert payloads(make(medium)) == payloads(log)


def test_a_disk_that_fills_up_while_rolling_can_go_on_later(medium):
    log = make(medium, [bytes(400), bytes(400)])
    medium.capacity = medium.used_bytes() + 8
    for _ in range(3):
        with pytest.raises(DiskFull):
            log.append(bytes(400))
        # A smaller record must not slip into the segment that is finished already.
        with pytest.raises(DiskFull):
            log.append(b"small")
    medium.capacity = 0
    log.append(b"small")
    log.flush()
    assert payloads(make(medium)) == [bytes(400), bytes(400), b"small"]


def test_a_failed_sync_is_final(medium):
    log = make(medium, [b"a"])
    medium.faults = DiskFaults(sync_eio=1.0)
    log.append(b"b")
    with pytest.raises(DiskFailed):
        log.flush()
    medium.faults = DiskFaults()
    with pytest.raises(DiskFailed):
        log.flush()
    with pytest.raises(DiskFailed):
        log.append(b"c")
    assert payloads(log) == [b"a"]
    log.close()
    with pytest.raises(DiskFailed):
        log.append(b"d")


def test_a_closed_log_takes_nothing(medium):
    log = make(medium, [b"a"])
    log.append(b"b")
    log.close()
    log.close()
    with pytest.raises(ValueError, match="closed"):
        log.append(b"c")
    assert payloads(make(medium)) == [b"a", b"b"]


def test_a_torn_tail_is_cut_and_reported(medium):
    log = make(medium, [b"a" * 30, b"b" * 30])
    torn_at = log.append(b"c" * 600)
    log.close()
    name = names(medium)[-1]
    file = medium.disk().open("log/" + name, "rw")
    file.truncate(file.size() - 8)
    findings = list(check(medium.disk().sub("log")))
    assert [(f.offset, f.harmless) for f in findings] == [(torn_at, True)]
    again = make(medium)
    assert payloads(again) == [b"a" * 30, b"b" * 30]
    assert again.findings == findings
    assert again.append(b"d") == torn_at
    again.close()
    assert list(check(medium.disk().sub("log"))) == []


def test_a_bad_record_before_a_later_batch_is_damage(medium):
    log = make(medium, [b"first"])
    bad_at = log.append(b"second")
    log.flush()
    log.append(b"third")
    log.close()
    medium.corrupt("log/" + names(medium)[0], bad_at + 17, 0x40)
    with pytest.raises(Damaged) as caught:
        make(medium)
    assert caught.value.offset == bad_at
    assert caught.value.file == "log/" + names(medium)[0]
    (finding,) = check(medium.disk().sub("log"))
    assert finding == caught.value.finding
    assert not finding.harmless


def test_every_single_wrong_byte_is_seen_and_nothing_is_invented(medium):
    written = [b"%03d" % i * (1 + i % 50) for i in range(24)]
    log = make(medium)
    batches = []
    for i, record in enumerate(written):
        log.append(record)
        if i % 3 == 2:
            log.flush()
            batches.append(i + 1)
    log.close()
    files = names(medium)
    state = medium.save()
    outcomes = set()
    for name in files:
        size = medium.disk().open("log/" + name).size()
        for offset in range(0, size, 3):
            medium.corrupt("log/" + name, offset, 1 << offset % 8)
            try:
                got = payloads(make(medium))
            except Damaged as exc:
                outcomes.add("damaged")
                assert exc.file == "log/" + name
                assert not all(f.harmless for f in check(medium.disk().sub("log")))
            else:
                # Padding does not count, and the last batch has no successor to prove it.
                assert got == written[: len(got)]
                assert len(got) >= batches[-2]
                assert name == files[-1] or len(got) == len(written)
                outcomes.add("intact" if len(got) == len(written) else "tail")
            medium.load(state)
    assert outcomes == {"damaged", "intact", "tail"}


@pytest.mark.parametrize("harm", ["removed", "shortened", "lengthened", "swapped", "foreign"])
def test_a_harmed_earlier_segment_is_damage(medium, harm):
    log = make(medium, [bytes(300)] * 9)
    log.close()
    disk = medium.disk().sub("log")
    first, second, *_ = disk.list()
    with disk.open(second, "rw") as file:
        if harm == "removed":
            disk.remove(second)
        elif harm == "shortened":
            file.truncate(file.size() - 8)
        elif harm == "lengthened":
            file.truncate(file.size() + 8)
        elif harm == "swapped":
            file.write_at(0, disk.read(first))
        else:
            other = RecordLog(medium.disk().sub("other"), segment_bytes=SEGMENT, rand=Rand(6))
            for _ in range(9):
                other.append(bytes(300))
            other.close()
            file.write_at(0, medium.disk().sub("other").read(second))
    with pytest.raises(Damaged):
        make(medium)
    assert list(check(disk))


def test_a_record_that_landed_in_another_place_is_not_taken(medium):
    log = make(medium)
    first = log.append(b"x" * 40)
    log.flush()
    second = log.append(b"x" * 40)
    log.close()
    disk = medium.disk().sub("log")
    data = disk.read(names(medium)[0])
    with disk.open(names(medium)[0], "rw") as file:
        file.write_at(second, data[first:second])
    assert payloads(make(medium)) == [b"x" * 40]


def test_a_payload_that_looks_like_a_record_proves_nothing(medium):
    inner = make(medium, [b"bait"])
    inner.close()
    bait = medium.disk().read("log/" + names(medium)[0])
    other = Medium(Rand(2))
    log = RecordLog(other.disk(), rand=Rand(7))
    log.append(b"a")
    log.flush()
    log.append(bait * 20)
    log.close()
    name = other.disk().list()[0]
    with other.disk().open(name, "rw") as file:
        file.truncate(file.size() - 8)
    again = RecordLog(other.disk())
    assert payloads(again) == [b"a"]
    assert again.findings[0].harmless


def test_a_misdirected_write_is_never_read_as_ours(medium):
    for seed in range(200):
        medium = Medium(Rand(seed))
        log = RecordLog(medium.disk(), rand=Rand(seed))
        medium.faults = DiskFaults(misdirected=0.2)
        written = [b"%05d" % i * 30 for i in range(30)]
        for record in written:
            log.append(record)
            log.flush()
        medium.faults = DiskFaults()
        try:
            got = payloads(RecordLog(medium.disk()))
        except Damaged:
            continue
        assert got == written[: len(got)]


def test_any_bytes_like_object_is_taken_and_nothing_else(medium):
    log = make(medium, [b"a", bytearray(b"b"), memoryview(b"c"), memoryview(b"")])
    assert payloads(log) == [b"a", b"b", b"c", b""]
    for wrong in (None, 3, "text"):
        with pytest.raises(TypeError):
            log.append(wrong)


def test_counters_tell_what_was_written(medium):
    log = make(medium, [b"12345678", b""])
    assert (log.records, log.bytes, log.syncs) == (2, 24 + 16, 1)


def test_a_record_larger_than_a_segment_has_one_for_itself(medium):
    big = bytes(range(256)) * 40
    log = make(medium, [b"a", big, b"b"])
    assert len(log.segments) == 3
    assert payloads(make(medium)) == [b"a", big, b"b"]


def test_a_large_batch_is_handed_over_in_pieces_and_synced_once(tmp_path):
    disk = OsDisk(str(tmp_path))
    log = RecordLog(disk)
    records = [bytes([i]) * 300_000 for i in range(20)]
    for record in records:
        log.append(record)
    log.flush()
    assert log.syncs == 1
    assert payloads(RecordLog(disk)) == records
