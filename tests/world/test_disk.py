"""OsDisk: names stay inside, files behave as the interface says."""

import errno
import os

import pytest

from bedrock.world import DiskFailed, DiskFull, OsDisk


@pytest.fixture
def disk(tmp_path):
    return OsDisk(str(tmp_path / "data"))


def test_reads_what_was_written_at_an_offset(disk):
    with disk.open("a/b", "rw") as f:
        assert f.append(b"hello") == 0
        assert f.append(b" world") == 5
        f.write_at(0, b"J")
        f.sync()
        assert f.read_at(0, 100) == b"Jello world"
        assert f.size() == 11
        f.truncate(5)
    assert disk.read("a/b") == b"Jello"


def test_opening_a_missing_file_to_read_fails(disk):
    with pytest.raises(FileNotFoundError):
        disk.open("nothing")


@pytest.mark.parametrize("name", ["", "..", "a/../../b", "/etc/passwd", "a//b", ".", "a\0b"])
def test_refuses_names_that_could_lead_out(disk, name):
    with pytest.raises(ValueError):
        disk.open(name, "rw")


def test_lists_names_in_order_by_prefix(disk):
    for name in ["b/2", "a", "b/10", "c"]:
        disk.open(name, "rw").close()
    assert disk.list() == ["a", "b/10", "b/2", "c"]
    assert disk.list("b/") == ["b/10", "b/2"]
    assert disk.sub("b").list() == ["10", "2"]


def test_replace_is_all_or_nothing(disk):
    disk.replace("x/manifest", b"one")
    disk.replace("x/manifest", b"two")
    assert disk.read("x/manifest") == b"two"
    assert disk.list() == ["x/manifest"]


def test_allocate_keeps_the_size(disk):
    with disk.open("f", "rw") as f:
        f.allocate(0, 1 << 20)
        assert f.size() == 0


def test_a_full_disk_is_an_error_before_anything_is_written():
    """/dev/full fails every write with ENOSPC."""
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full")
    with OsDisk("/dev").open("full", "rw") as f, pytest.raises(DiskFull) as caught:
        f.write_at(0, b"x")
    assert caught.value.errno == errno.ENOSPC


def test_a_failed_sync_stays_failed(disk):
    """fdatasync on a pipe fails with EINVAL, and must not succeed when tried again."""
    os.mkfifo(disk.path("pipe"))
    with disk.open("pipe", "rw") as f:
        for _ in range(2):
            with pytest.raises(DiskFailed):
                f.sync()
