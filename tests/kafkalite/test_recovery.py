"""Starting again: what is cut off, what is refused, what is made anew."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bedrock.sim.disk import Medium
from bedrock.storage.errors import Damaged
from bedrock.world import Rand, Turn
from kafkalite.batch import Record, pack
from kafkalite.log import Log
from kafkalite.topic_config import LogConfig

from .wire import ManualClock

CONFIG = LogConfig(segment_bytes=4000, index_interval_bytes=500)
LAST = "00000000000000000024.log"


def open_log(disk, recovery_point=0):
    return Log(disk, Turn(), ManualClock(), CONFIG, name="t-0", recovery_point=recovery_point)


def filled(count=30):
    """A log of several segments on a disk in memory, everything durable."""
    medium = Medium(Rand(1))
    log = open_log(medium.disk())
    for i in range(count):
        log.append([Record(0, i, b"%d" % i, b"x" * 400)])
        log.turn.run()
    log.close()
    assert log.segments[-1].name + ".log" == LAST
    return medium, log


MEDIUM, LOG = filled()
SAVED = MEDIUM.save()
LAST_SIZE = LOG.active.size


@pytest.fixture(autouse=True)
def intact():
    MEDIUM.load(SAVED)


def test_a_clean_restart_finds_everything():
    log = open_log(MEDIUM.disk(), LOG.recovery_point)
    assert (log.end_offset, log.start_offset, log.cut) == (30, 0, None)
    assert [log.records(i, 1)[0].key for i in range(30)] == [b"%d" % i for i in range(30)]


@settings(max_examples=500)
@given(st.integers(0, LAST_SIZE - 1))
def test_a_log_cut_anywhere_keeps_its_whole_batches(size):
    MEDIUM.load(SAVED)
    disk = MEDIUM.disk()
    disk.open(LAST, "rw").truncate(size)
    log = open_log(disk)
    assert log.end_offset == 24 + size // (LAST_SIZE // 6)
    log.append([Record(0, 0, None, b"after")])
    log.turn.run()
    log.close()
    again = open_log(disk, log.recovery_point)
    assert again.records(again.end_offset - 1)[0].value == b"after"


@settings(max_examples=500)
@given(st.integers(0, LAST_SIZE - 1), st.integers(1, 255))
def test_a_log_with_any_byte_changed_keeps_what_comes_before(place, mask):
    MEDIUM.load(SAVED)
    MEDIUM.corrupt(LAST, place, mask)
    log = open_log(MEDIUM.disk(), recovery_point=24)
    at = place % (LAST_SIZE // 6)
    batch = 24 + place // (LAST_SIZE // 6)
    if 12 <= at < 16:
        return  # the leader epoch is outside the checksum
    assert log.end_offset == batch
    assert log.cut.harmless


@pytest.mark.parametrize("name", ["00000000000000000000.log", "00000000000000000016.log", LAST])
def test_damage_below_the_recovery_point_refuses_to_start(name):
    disk = MEDIUM.disk()
    MEDIUM.corrupt(name, disk.open(name).size() - 20, 1)
    with pytest.raises(Damaged) as refused:
        open_log(disk, LOG.recovery_point)
    assert refused.value.file == f"t-0/{name}"


def test_a_log_that_ends_before_its_recovery_point_is_damaged():
    disk = MEDIUM.disk()
    disk.open(LAST, "rw").truncate(0)
    with pytest.raises(Damaged, match="30 was durable"):
        open_log(disk, LOG.recovery_point)


def test_what_follows_a_cut_goes_too():
    MEDIUM.corrupt("00000000000000000016.log", 30, 1)
    disk = MEDIUM.disk()
    log = open_log(disk, recovery_point=10)
    assert log.end_offset == 16
    assert not disk.exists(LAST)


@pytest.mark.parametrize("suffix", [".index", ".timeindex"])
@pytest.mark.parametrize("harm", ["missing", "odd", "backwards"])
def test_a_worn_index_is_made_anew(suffix, harm):
    disk = MEDIUM.disk()
    name = "00000000000000000008" + suffix
    if harm == "missing":
        disk.remove(name)
    elif harm == "odd":
        disk.open(name, "rw").append(b"?")
    else:
        disk.open(name, "rw").write_at(0, b"\x7f" * 24)
    log = open_log(disk, LOG.recovery_point)
    assert [log.records(i, 1)[0].offset for i in range(30)] == list(range(30))
    assert log.offset_at(11) == (11, 11)


def numbered(sequence, producer_id=7):
    return pack(
        [Record(0, 0, None, b"x" * 400)], producer_id=producer_id, producer_epoch=0,
        base_sequence=sequence,
    )


@pytest.mark.parametrize("recovery_point", [0, 8, 12])
def test_producers_are_remembered_across_a_restart(recovery_point):
    medium = Medium(Rand(1))
    log = open_log(medium.disk())
    for sequence in range(12):
        assert log.append_batch(numbered(sequence)) == sequence
        log.turn.run()
    log.close()
    again = open_log(medium.disk(), recovery_point)
    assert again.append_batch(numbered(11)) == 11
    assert again.append_batch(numbered(12)) == 12
