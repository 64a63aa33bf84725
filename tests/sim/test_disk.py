"""The simulated disk: what is synced stays, what is not may go, and names are like bytes."""

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bedrock.sim.disk import DROP, KEEP, SECTOR, TORN, DiskFaults, Medium, PowerCut, random_arbiter
from bedrock.world import DiskFailed, DiskFull, OsDisk, Rand


@pytest.fixture
def medium():
    return Medium(Rand(1))


def write(disk, name, data, offset=0, sync=True):
    with disk.open(name, "rw") as file:
        file.write_at(offset, data)
        if sync:
            file.sync()


def durable(disk, name, data):
    write(disk, name, data)
    disk.sync_dir()


STEPS = st.one_of(
    st.tuples(st.just("write"), st.integers(0, 2000), st.binary(max_size=1500)),
    st.tuples(st.just("truncate"), st.integers(0, 3000), st.just(b"")),
    st.tuples(st.just("sync"), st.just(0), st.just(b"")),
    st.tuples(st.just("read"), st.integers(0, 3000), st.just(b"")),
)


@given(steps=st.lists(STEPS, max_size=20))
def test_it_reads_like_a_real_disk(tmp_path_factory, steps):
    real = OsDisk(str(tmp_path_factory.mktemp("disk")))
    with Medium(Rand(1)).disk().open("f", "rw") as ours, real.open("f", "rw") as theirs:
        for what, at, data in steps:
            if what == "write":
                ours.write_at(at, data)
                theirs.write_at(at, data)
            elif what == "truncate":
                ours.truncate(at)
                theirs.truncate(at)
            elif what == "sync":
                ours.sync()
            else:
                assert ours.read_at(at, 700) == theirs.read_at(at, 700)
            assert ours.size() == theirs.size()
        assert ours.read_at(0, 5000) == theirs.read_at(0, 5000)


@given(steps=st.lists(STEPS, max_size=20))
def test_what_was_synced_survives_every_crash_that_drops_the_rest(steps):
    medium = Medium(Rand(1))
    disk = medium.disk()
    file = disk.open("f", "rw")
    disk.sync_dir()
    synced = b""
    for what, at, data in steps:
        if what == "write":
            file.write_at(at, data)
        elif what == "truncate":
            file.truncate(at)
        elif what == "sync":
            file.sync()
            synced = file.read_at(0, 10_000)
    state = medium.save()
    shown = file.read_at(0, 10_000)
    medium.crash(lambda *_: DROP)
    assert medium.disk().read("f") == synced
    medium.load(state)
    medium.crash(lambda *_: KEEP)
    assert medium.disk().read("f") == shown
    for seed in range(5):
        medium.load(state)
        medium.crash(random_arbiter(Rand(seed)))
        left = medium.disk().read("f")
        for at, byte in enumerate(left):
            before = synced[at] if at < len(synced) else 0
            after = shown[at] if at < len(shown) else 0
            assert byte in (before, after, 0)


def test_sectors_are_kept_dropped_and_torn_one_by_one(medium):
    durable(medium.disk(), "f", b"a" * 4 * SECTOR)
    write(medium.disk(), "f", b"b" * 4 * SECTOR, sync=False)
    verdicts = [KEEP, DROP, (TORN, 0.25), KEEP]
    medium.crash(lambda kind, name, index: verdicts[index])
    data = medium.disk().read("f")
    sectors = [data[i : i + SECTOR] for i in range(0, len(data), SECTOR)]
    assert [sector.count(b"b") for sector in sectors] == [SECTOR, 0, SECTOR // 4, SECTOR]
    assert sectors[2].startswith(b"b" * (SECTOR // 4) + b"a")


def test_a_size_may_arrive_before_its_bytes(medium):
    durable(medium.disk(), "f", b"a")
    write(medium.disk(), "f", b"b" * 1000, offset=1, sync=False)
    medium.crash(lambda kind, *_: KEEP if kind == "size" else DROP)
    assert medium.disk().read("f") == b"a" + bytes(1000)


def test_bytes_cut_off_do_not_come_back_when_the_file_grows_again(medium):
    disk = medium.disk()
    durable(disk, "f", b"secret" * 300)
    with disk.open("f", "rw") as file:
        file.truncate(10)
        file.truncate(1800)
        file.sync()
    medium.crash(lambda *_: DROP)
    assert medium.disk().read("f") == b"secretsecr" + bytes(1790)


def test_names_need_their_directory_synced(medium):
    disk = medium.disk()
    durable(disk, "kept", b"1")
    write(disk, "lost", b"2")
    write(disk.sub("below"), "lost", b"3")
    disk.rename("kept", "renamed")
    assert disk.list() == ["below/lost", "lost", "renamed"]
    state = medium.save()
    medium.crash(lambda *_: DROP)
    assert medium.disk().list() == ["kept"]
    medium.load(state)
    disk = medium.disk()
    disk.sync_dir()
    disk.sub("below").sync_dir()
    medium.crash(lambda *_: DROP)
    assert medium.disk().list() == ["below/lost", "lost", "renamed"]


def test_a_replaced_file_is_the_old_one_or_the_new_one(medium):
    disk = medium.disk()
    disk.replace("config", b"old" * 400)
    state = medium.save()
    for crash_at in range(1, 12):
        for seed in range(8):
            medium.load(state)
            medium.kill()
            medium.arm(crash_at=crash_at)
            try:
                medium.disk().replace("config", b"new" * 500)
                finished = True
            except PowerCut:
                finished = False
            medium.crash(random_arbiter(Rand(seed)))
            left = medium.disk().read("config")
            assert left == b"new" * 500 or (left == b"old" * 400 and not finished)


def test_a_removed_file_may_come_back_and_an_open_one_stays_readable(medium):
    disk = medium.disk()
    durable(disk, "f", b"data")
    with disk.open("f") as file:
        disk.remove("f")
        assert file.read_at(0, 4) == b"data"
    assert not disk.exists("f")
    medium.crash(lambda *_: DROP)
    assert medium.disk().read("f") == b"data"


def test_handles_of_an_earlier_boot_are_dead(medium):
    disk = medium.disk()
    file = disk.open("f", "rw")
    medium.kill()
    for use in (file.size, file.sync, lambda: file.read_at(0, 1), lambda: disk.open("f")):
        with pytest.raises(PowerCut):
            use()
    assert medium.disk().exists("f")


def test_a_full_disk_refuses_and_forgets_nothing(medium):
    disk = medium.disk()
    durable(disk, "f", b"x" * 600)
    medium.capacity = 1000
    with disk.open("f", "rw") as file:
        file.allocate(600, 300)
        file.write_at(600, b"y" * 300)
        with pytest.raises(DiskFull):
            file.write_at(900, b"z" * 101)
        with pytest.raises(DiskFull):
            file.allocate(900, 101)
        assert file.size() == 900
        assert disk.free_bytes() == 100
        file.truncate(0)
    assert disk.free_bytes() == 1000


def test_after_a_failed_sync_the_bytes_are_never_written(medium):
    disk = medium.disk()
    durable(disk, "f", b"old")
    file = disk.open("f", "rw")
    file.write_at(0, b"new")
    medium.arm(fail_at=1, fail_errno=errno.EIO)
    with pytest.raises(DiskFailed):
        file.sync()
    with pytest.raises(DiskFailed):
        file.sync()
    with disk.open("f", "rw") as other:
        assert other.read_at(0, 3) == b"new"
        other.sync()
    medium.crash(lambda *_: KEEP)
    assert medium.disk().read("f") == b"old"


def test_bits_flip_and_writes_go_astray_when_asked_to(medium):
    disk = medium.disk()
    durable(disk, "f", bytes(4096))
    medium.faults = DiskFaults(bit_flip=1.0)
    with disk.open("f") as file:
        assert sum(byte.bit_count() for byte in file.read_at(0, 4096)) == 1
    medium.faults = DiskFaults(misdirected=1.0)
    write(disk, "f", b"x" * 10, offset=4000)
    medium.faults = DiskFaults()
    assert disk.read("f").find(b"x") % SECTOR == 0


@pytest.mark.parametrize("name", ["", "/etc/passwd", "../up", "a//b", "a/../b", "a\0b"])
def test_a_name_cannot_lead_out(medium, name):
    with pytest.raises(ValueError, match="bad file name"):
        medium.disk().open(name, "rw")
