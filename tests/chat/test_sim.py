"""chat in the simulator: nothing echoed is lost, and a lying disk is convicted."""

from bedrock.sim.simulation import PLANTS, run
from chat.simulation import scenario


def test_what_was_echoed_is_in_the_history_through_crashes():
    crashes = 0
    for seed in range(15):
        outcome = run(scenario, seed)
        assert not outcome.why, f"seed {seed}: {outcome.why}"
        crashes += outcome.crashes
    assert crashes > 20


def test_a_disk_that_skips_one_sync_in_twenty_is_convicted():
    outcomes = (run(scenario, seed, planted=PLANTS["skip-fsync"]) for seed in range(100))
    assert any(outcome.why for outcome in outcomes)


def test_a_seed_replays_exactly():
    assert run(scenario, 11).digest == run(scenario, 11).digest
