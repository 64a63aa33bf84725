"""minidb in the simulator: snapshots, atomicity and durability; a lying disk is convicted."""

import pytest

from bedrock.sim.simulation import PLANTS, Violation, run
from minidb.simulation import Look, Transfer, judge, scenario


@pytest.mark.parametrize("first", [0, 15])
def test_transactions_keep_their_promises_through_crashes(first):
    crashes = operations = 0
    for seed in range(first, first + 15):
        outcome = run(scenario, seed)
        assert not outcome.why, f"seed {seed}: {outcome.why}"
        crashes += outcome.crashes
        operations += outcome.operations
    assert crashes > 20 and operations > 500


def test_a_disk_that_skips_one_sync_in_twenty_is_convicted():
    outcomes = (run(scenario, seed, planted=PLANTS["skip-fsync"]) for seed in range(100))
    assert any(outcome.why for outcome in outcomes)


def test_a_seed_replays_exactly():
    assert run(scenario, 11).digest == run(scenario, 11).digest


def test_the_judge_takes_a_history_that_is_right():
    judge([Transfer("a", 2), Transfer("b", refused=True), Transfer("c")],
          [Look(0, 3, [[], []]), Look(3, 5, [["a:-1"], ["a:1"]]),
           Look(4, 9, [["a:-1", "c:1"], ["a:1", "c:-1"]])])


@pytest.mark.parametrize(("why", "transfers", "looks"), [
    ("in 1 histories", [Transfer("a")], [Look(0, 1, [["a:1"], []])]),
    ("was refused", [Transfer("a", refused=True)], [Look(0, 1, [["a:1"], ["a:-1"]])]),
    ("misses it", [Transfer("a", 1)], [Look(2, 3, [[], []])]),
    ("disagree", [Transfer("a"), Transfer("b")],
     [Look(0, 1, [["a:1"], ["a:-1"]]), Look(2, 3, [["b:1", "a:1"], ["b:-1", "a:-1"]])]),
    ("sees less", [Transfer("a")],
     [Look(5, 6, [[], []]), Look(1, 2, [["a:1"], ["a:-1"]])]),
])
def test_the_judge_convicts(why, transfers, looks):
    with pytest.raises(Violation, match=why):
        judge(transfers, looks)
