"""kafkalite in the simulator: every record once and in place, and a lying disk is convicted."""

import pytest

from bedrock.sim.simulation import PLANTS, run
from kafkalite.simulation import scenario


@pytest.fixture(autouse=True)
def quiet(caplog):
    """The broker complains about what is done to it, at length."""
    caplog.set_level("CRITICAL")


def test_every_record_is_there_once_in_order_and_in_place_through_crashes():
    crashes = 0
    for seed in range(8):
        outcome = run(scenario, seed)
        assert not outcome.why, f"seed {seed}: {outcome.why}"
        crashes += outcome.crashes
    assert crashes > 20


# What they found: pages that a failed sync left in the cache, taken for durable by the next start.
@pytest.mark.parametrize("seed", [30, 45])
def test_seeds_that_found_something(seed):
    assert run(scenario, seed).why == ""


def test_a_disk_that_skips_one_sync_in_twenty_is_convicted():
    outcomes = (run(scenario, seed, planted=PLANTS["skip-fsync"]) for seed in range(100))
    assert any(outcome.why for outcome in outcomes)


def test_a_seed_replays_exactly():
    assert run(scenario, 11).digest == run(scenario, 11).digest
