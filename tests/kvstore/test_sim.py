"""kvstore in the simulator: linearizable through crashes, and a lying disk is convicted."""

import pytest

from bedrock.sim.simulation import PLANTS, run
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
