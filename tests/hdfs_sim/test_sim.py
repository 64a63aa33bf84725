"""NameNode and DataNode in the simulator: crashes lose nothing acknowledged; a lying disk shows."""

import pytest

from bedrock.sim.simulation import PLANTS, run
from hdfs_sim.simulation import Namespace, moved, scenario


@pytest.mark.parametrize("first", [0, 15])
def test_what_was_acknowledged_survives_crashes(first):
    crashes = 0
    for seed in range(first, first + 15):
        outcome = run(scenario, seed)
        assert not outcome.why, f"seed {seed}: {outcome.why}"
        crashes += outcome.crashes
    assert crashes > 30


# 26: a sync failed, and the cache held the bytes as clean after the restart
# 38, 93, 108: the creation in rbw/ became durable after the rename that followed it
# 134: bytes behind the sound ones were taken for data
@pytest.mark.parametrize("seed", [26, 38, 93, 108, 134])
def test_seeds_that_once_found_something(seed):
    outcome = run(scenario, seed)
    assert not outcome.why


def test_a_disk_that_skips_one_sync_in_twenty_is_convicted():
    outcomes = (run(scenario, seed, planted=PLANTS["skip-fsync"]) for seed in range(60))
    assert any(outcome.why for outcome in outcomes)


def test_a_seed_replays_exactly():
    assert run(scenario, 7).digest == run(scenario, 7).digest


def test_the_model_moves_what_is_below_a_directory():
    state = {"/a": (1,), "/a/b": (2,), "/ab": (3,)}
    assert moved(state, "/a", "/c") == {"/c": (1,), "/c/b": (2,), "/ab": (3,)}


def test_the_model_takes_any_state_since_the_last_acknowledged_one():
    model = Namespace()
    model.changed({"/a": (1,)})
    model.changed({"/b": (1,)})
    model.recovered({"/a": (1,)})
    assert model.states == [{"/a": (1,)}]
    with pytest.raises(AssertionError):
        model.recovered({})
