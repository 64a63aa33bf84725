"""Power cuts on the simulated disk: what was acknowledged with fsync=always is still there."""

import pytest

from bedrock.sim.disk import DROP, Medium, PowerCut
from bedrock.world import Rand
from kafkalite.batch import unpack_all
from kafkalite.check import check

from .wire import ManualClock, Peer

OPTIONS = {"fsync": "always", "segment_bytes": 3000}


def start(medium):
    return Peer(medium.disk(), clock=ManualClock(), **OPTIONS)


def work(peer, rand, acked, tag):
    """Produce, commit and administrate at random; `acked` learns what was answered."""
    wire = peer.connect()
    topics = peer.broker.topics
    for step in range(rand.below(40)):
        what = rand.random()
        if what < 0.08:
            name = f"t{rand.below(3)}"
            if name not in topics.by_name and wire.create(name, partitions=2)["error_code"] == 0:
                acked[name] = {0: [], 1: []}
        elif what < 0.10:
            topics.upkeep()
        elif what < 0.13:
            topics.sync()
        elif acked:
            name = rand.choice(sorted(acked))
            index = rand.below(2)
            values = [b"%s-%d-%d" % (tag, step, i) * rand.between(1, 40) for i in range(3)]
            response = wire.produce(name, *values, index=index)
            if response and response["error_code"] == 0:
                log = acked[name][index]
                assert response["base_offset"] == len(log)
                log += values


def read_all(peer, name, index):
    wire = peer.connect()
    got, at = [], 0
    while True:
        part = wire.fetch(name, at, index=index)
        assert part["error_code"] == 0
        records = unpack_all(part["records"])
        if not records:
            return got
        assert [r.offset for r in records] == list(range(at, at + len(records)))
        got += [r.value for r in records]
        at += len(records)


@pytest.mark.parametrize("seed", range(60))
def test_a_power_cut_loses_nothing_acknowledged(seed):
    rand = Rand(seed)
    medium = Medium(rand.fork())
    acked = {}
    for boot in range(4):
        medium.arm(crash_at=rand.between(1, 400))
        try:
            work(start(medium), rand, acked, b"%d" % boot)
        except PowerCut:
            pass
        medium.arm()
        medium.crash()
        findings = [f for f in check(medium.disk()) if not f.harmless]
        assert not findings
        peer = start(medium)
        for name, partitions in acked.items():
            for index, expected in partitions.items():
                got = read_all(peer, name, index)
                assert got[: len(expected)] == expected
                # What was written and not answered may be there too; from now on it is.
                partitions[index] = got
        peer.broker.close()


@pytest.mark.parametrize("seed", range(20))
def test_committed_offsets_survive_a_power_cut(seed):
    rand = Rand(seed)
    medium = Medium(rand.fork())
    wire = start(medium).connect()
    wire.create("t")
    kept = -1
    medium.arm(crash_at=rand.between(1, 60))
    try:
        for offset in range(1000):
            part = {"index": 0, "committed_offset": offset, "committed_metadata": ""}
            wire.call(
                "OffsetCommit", 8, group_id="g", topics=[{"name": "t", "partitions": [part]}]
            )
            kept = offset
    except PowerCut:
        pass
    medium.arm()
    medium.crash()
    offsets = start(medium).broker.coordinator.offsets.get("g")
    assert offsets.get(("t", 0)) is None or offsets["t", 0].offset in (kept, kept + 1)
    assert kept < 0 or offsets["t", 0].offset >= kept


def test_a_sync_that_fails_ends_the_service(tmp_path):
    medium = Medium(Rand(1))
    peer = start(medium)
    failures = []
    peer.turn.failed = failures.append
    wire = peer.connect()
    wire.create("t")
    medium.faults.sync_eio = 1.0
    assert wire.produce("t", b"v") is None
    assert len(failures) == 1


def test_what_a_failed_sync_left_in_the_cache_alone_is_written_again():
    medium = Medium(Rand(1))
    peer = start(medium)
    peer.turn.failed = lambda exc: None
    wire = peer.connect()
    wire.create("t")
    medium.faults.sync_eio = 1.0
    wire.produce("t", b"v")
    medium.faults.sync_eio = 0.0
    medium.kill()
    assert read_all(start(medium), "t", 0) == [b"v"]
    medium.crash(lambda *_: DROP)
    assert read_all(start(medium), "t", 0) == [b"v"]
