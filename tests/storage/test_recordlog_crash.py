"""The record log against every crash: small workloads, gone through completely.

Most crash bugs of real stores need no more than three operations on a fresh disk (Mohan et al.,
OSDI 2018).  So all workloads of up to three operations run here, the power is cut at every disk
operation, and of what was not synced every subset survives.  Whatever happens, the log that comes
back is the flushed records, then possibly some of the later ones, in order.
"""

import contextlib
import errno
import itertools
from dataclasses import dataclass, field

import pytest

from bedrock.sim.disk import DROP, KEEP, TORN, Medium, PowerCut, random_arbiter
from bedrock.storage.recordlog import RecordLog, check
from bedrock.world import DiskFailed, DiskFull, Rand

SEGMENT = 2048
SUBSET_MAX = 7  # undecided sectors, sizes and names of which all subsets are tried

OPERATIONS = {
    "a": "append 40 bytes",
    "A": "append 700 bytes, over three sectors",
    "f": "flush",
    "r": "roll",
    "t": "trim all that is durable",
}
WORKLOADS = [
    "".join(operations)
    for length in (1, 2, 3)
    for operations in itertools.product(OPERATIONS, repeat=length)
]


@dataclass
class Expected:
    """What the workload was told: the oracle."""

    appended: list[tuple[int, bytes]] = field(default_factory=list)
    durable: int = 0  # records acknowledged by a flush
    trimmed: int = 0  # position up to which records may be gone

    def assert_holds(self, got: list[tuple[int, bytes]]) -> None:
        first = 0
        while first < len(self.appended) and self.appended[first][0] < self.trimmed:
            if got and got[0] == self.appended[first]:
                break
            first += 1
        assert got == self.appended[first : first + len(got)]
        assert first + len(got) >= self.durable


def run(disk, workload: str, expected: Expected) -> RecordLog:
    """Two segments with a durable record each, then the workload; DiskFull is shrugged off."""
    log = RecordLog(disk, segment_bytes=SEGMENT, rand=Rand(9))
    for step, operation in enumerate("afraf" + workload):
        try:
            if operation in "aA":
                payload = (b"%02d" % step) * (20 if operation == "a" else 350)
                expected.appended.append((log.append(payload), payload))
            elif operation == "f":
                log.flush()
            elif operation == "r":
                log.roll()
            elif operation == "t":
                expected.trimmed = log.durable
                log.trim(log.durable)
        except DiskFull:
            pass
        finally:
            expected.durable = sum(at < log.durable for at, _ in expected.appended)
    return log


def recover_and_go_on(medium: Medium, expected: Expected) -> None:
    disk = medium.disk()
    findings = list(check(disk))
    assert all(finding.harmless for finding in findings), findings
    log = RecordLog(disk, segment_bytes=SEGMENT, rand=Rand(10))
    got = list(log.replay())
    expected.assert_holds(got)
    log.append(b"after")
    log.close()
    again = [payload for _, payload in RecordLog(disk).replay()]
    assert again == [payload for _, payload in got] + [b"after"]
    assert not list(check(disk))


def arbiters(unsynced: list):
    """Every way in which the crash can go, or a fair sample where that is too many."""
    if len(unsynced) <= SUBSET_MAX:
        for kept in itertools.product((True, False), repeat=len(unsynced)):
            keep = {item for item, kept_ in zip(unsynced, kept, strict=True) if kept_}
            yield lambda *item, keep=keep: KEEP if item in keep else DROP
        for torn in unsynced:
            if torn[0] != "name":
                yield lambda *item, torn=torn: (TORN, 0.5) if item == torn else KEEP
    else:
        for seed in range(64):
            yield random_arbiter(Rand(seed))


def operations_of(workload: str) -> int:
    medium = Medium(Rand(1))
    run(medium.disk(), workload, Expected())
    return medium.operations


def slices(n: int):
    """The workloads dealt out to n tests, so that they run side by side."""
    return [pytest.param(WORKLOADS[i::n], id=str(i)) for i in range(n)]


@pytest.mark.parametrize("workloads", slices(4))
def test_a_crash_at_any_operation_keeps_the_flushed_prefix(workloads):
    for workload in workloads:
        for crash_at in range(1, operations_of(workload) + 2):
            medium = Medium(Rand(1))
            medium.arm(crash_at=crash_at)
            expected = Expected()
            try:
                run(medium.disk(), workload, expected)
            except PowerCut:
                pass
            state = medium.save()
            for decide in arbiters(medium.unsynced()):
                medium.load(state)
                medium.crash(decide)
                recover_and_go_on(medium, expected)


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
def test_a_failure_of_any_operation_keeps_the_flushed_prefix(number):
    for workload in WORKLOADS:
        for fail_at in range(1, operations_of(workload) + 1):
            medium = Medium(Rand(1))
            medium.arm(fail_at=fail_at, fail_errno=number)
            expected = Expected()
            try:
                log = run(medium.disk(), workload, expected)
            except (DiskFailed, DiskFull):
                pass
            else:
                # A full disk was shrugged off: the same log goes on.
                log.append(b"later")
                log.flush()
                assert list(log.replay())[-1][1] == b"later"
                expected.appended.append((log.end - 24, b"later"))
                expected.durable = len(expected.appended)
            state = medium.save()
            drawn = [random_arbiter(Rand(seed)) for seed in range(4)]
            for decide in (lambda *_: KEEP, lambda *_: DROP, *drawn):
                medium.load(state)
                medium.crash(decide)
                recover_and_go_on(medium, expected)


def test_a_crash_at_any_operation_of_recovery_is_recovered_from():
    for workload in [w for w in WORKLOADS if len(w) == 2]:
        for crash_at in range(2, operations_of(workload) + 2):
            medium = Medium(Rand(1))
            medium.arm(crash_at=crash_at)
            expected = Expected()
            try:
                run(medium.disk(), workload, expected)
            except PowerCut:
                pass
            state = medium.save()
            for seed, second in itertools.product(range(3), range(1, 12)):
                medium.load(state)
                medium.crash(random_arbiter(Rand(seed)))
                medium.arm(crash_at=second)
                try:
                    RecordLog(medium.disk(), segment_bytes=SEGMENT, rand=Rand(11))
                except PowerCut:
                    medium.crash(random_arbiter(Rand(seed + 100)))
                medium.arm()
                recover_and_go_on(medium, expected)


@pytest.mark.parametrize("end", [{"crash_at": 1}, {"fail_at": 1}])
def test_what_recovery_has_shown_survives_the_next_power_cut(end):
    """After the process alone died, the cache may hold what the disk does not.

    After a failed sync it even holds it as clean, so that another sync would not write it.
    """
    for workload in WORKLOADS:
        for at in range(1, operations_of(workload) + 1):
            medium = Medium(Rand(1))
            medium.arm(**dict.fromkeys(end, at))
            with contextlib.suppress(PowerCut, DiskFailed):
                run(medium.disk(), workload, Expected())
            medium.kill()
            log = RecordLog(medium.disk(), segment_bytes=SEGMENT, rand=Rand(2))
            shown = [payload for _, payload in log.replay()]
            log.append(b"after")
            log.flush()
            medium.crash(lambda *_: DROP)
            again = [payload for _, payload in RecordLog(medium.disk()).replay()]
            # What was trimmed away may come back before it.
            assert again[len(again) - len(shown) - 1 :] == [*shown, b"after"]


def test_the_oracle_convicts_a_disk_that_lies_about_syncs():
    """Without this the tests above might pass because they see nothing."""
    medium = Medium(Rand(1))
    medium.faults.sync_skipped = 1.0
    expected = Expected()
    run(medium.disk(), "aAf", expected)
    medium.crash(lambda *_: DROP)
    with pytest.raises(AssertionError):
        recover_and_go_on(medium, expected)
