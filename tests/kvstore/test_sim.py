"""kvstore in the simulator: linearizable, replicas in step, and planted bugs are convicted."""

import pytest

from bedrock.sim.simulation import PLANTS, run
from kvstore.replication import Primary
from kvstore.simulation import Keys, request, scenario


@pytest.mark.parametrize("first", [0, 20])
def test_acknowledged_writes_survive_crashes_in_a_linearizable_order(first):
    crashes = 0
    for seed in range(first, first + 20):
        outcome = run(scenario, seed)
        assert not outcome.why, f"seed {seed}: {outcome.why}"
        crashes += outcome.crashes
    assert crashes > 30


def test_a_disk_that_skips_one_sync_in_twenty_is_convicted():
    outcomes = (run(scenario, seed, planted=PLANTS["skip-fsync"]) for seed in range(100))
    assert any(outcome.why for outcome in outcomes)


def forgets(self, client, wanted, offset):
    """A primary that goes on from where it is, whatever the replica missed."""
    self.replica(client)
    self.replicas[client] = self.introduced.pop(client)
    self.replicas[client].come_online(0)
    client.push(b"+CONTINUE %s\r\n" % self.id)


def mixes_up(self, id, offset):
    """A replica that takes the stream's next name for the one it has."""
    self.id, self.offset, self.begun = id, offset + 1, True


@pytest.mark.parametrize(
    ("target", "name", "wrong"),
    [(Primary, "follow", forgets), (Primary, "start_at", mixes_up)],
    ids=["what was missed is not sent", "the place is wrong by one"],
)
def test_a_bug_in_replication_is_convicted(monkeypatch, target, name, wrong):
    right = getattr(target, name)

    def sometimes(self, *args):
        # Whoever begins anew gets a snapshot; it is those who go on that are told wrongly.
        fits = name != "follow" or self.can_go_on(*args[1:])
        return (wrong if fits else right)(self, *args)

    monkeypatch.setattr(target, name, sometimes)
    assert any("replica" in run(scenario, seed).why for seed in range(60))


def test_a_seed_replays_exactly():
    assert run(scenario, 11).digest == run(scenario, 11).digest


def test_the_specification_is_that_of_the_commands():
    keys = Keys()
    assert keys.step(None, (b"GET", b"k"), None) == (True, None)
    assert keys.step(None, (b"INCR", b"k"), 1) == (True, b"1")
    assert keys.step(b"41", (b"INCR", b"k"), 43) == (False, b"42")
    assert keys.step(b"ab", (b"APPEND", b"k", b"c"), 3) == (True, b"abc")
    assert keys.step(b"ab", (b"SET", b"k", b"c"), "OK") == (True, b"c")


def test_requests_are_resp():
    assert request((b"GET", b"key")) == b"*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n"
