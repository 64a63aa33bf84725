"""The checker: silent about what is sound, exact about what is not."""

import struct

import pytest

from bedrock.world import OsDisk
from kafkalite.check import check

from .wire import Peer

FIRST = "t-0/00000000000000000000"


@pytest.fixture
def disk(tmp_path):
    """A stopped broker's directory, with several segments."""
    peer = Peer(OsDisk(str(tmp_path)), segment_bytes=20_000)
    wire = peer.connect()
    wire.create("t", partitions=2)
    for _ in range(40):
        wire.produce("t", b"x" * 1000)
        peer.clock.advance(1)
    peer.broker.close()
    return OsDisk(str(tmp_path))


def findings(disk):
    return [(f.file, f.offset, f.harmless) for f in check(disk)]


def change(disk, name, offset, data):
    disk.open(name, "rw").write_at(offset, data)


def test_a_sound_directory_has_no_findings(disk):
    assert findings(disk) == []


def test_a_changed_byte_is_found_where_it_is(disk):
    change(disk, FIRST + ".log", 5000, b"?")
    (file, offset, harmless), *_ = findings(disk)
    assert (file, harmless) == (FIRST + ".log", False)
    assert 5000 - 1100 < offset <= 5000


def test_a_torn_tail_is_harmless(disk):
    name = [n for n in disk.list("t-0/") if n.endswith(".log")][-1]
    size = disk.open(name).size()
    disk.open(name, "rw").append(b"\0" * 100)
    assert findings(disk) == [(name, size, True)]


def test_a_lost_tail_is_not(disk):
    name = [n for n in disk.list("t-0/") if n.endswith(".log")][-1]
    disk.open(name, "rw").truncate(0)
    assert findings(disk) == [(name, 0, False)]


def test_an_index_that_points_elsewhere_is_found(disk):
    change(disk, FIRST + ".index", 4, b"\0\0\0\7")
    change(disk, FIRST + ".timeindex", 0, b"\0\0\0\0\0\0\0\1")
    assert findings(disk) == [(FIRST + ".index", 0, False), (FIRST + ".timeindex", 0, False)]


def test_a_transaction_that_was_not_aborted_is_found(disk):
    entry = struct.pack(">hqqqq", 0, 7, 0, 3, 4)
    disk.replace(FIRST + ".txnindex", entry)
    assert findings(disk) == [(FIRST + ".txnindex", 0, False)]


def test_a_missing_segment_is_found(disk):
    names = [n for n in disk.list("t-0/") if n.endswith(".log")]
    disk.remove(names[1])
    assert findings(disk) == [(names[2], 0, False)]


@pytest.mark.parametrize("name", ["topics.json", "recovery-point-offset-checkpoint"])
def test_a_catalog_or_checkpoint_that_does_not_parse_is_found(disk, name):
    disk.replace(name, b"{")
    assert findings(disk) == [(name, 0, False)]
