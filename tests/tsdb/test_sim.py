"""tsdb in the simulator: nothing acknowledged is lost, and a lying disk is convicted."""

from bedrock.sim.simulation import PLANTS, run
from tsdb.simulation import scenario

# Buckets told something twice, or not at all, in these, or of what was deleted; or a query met a
# block that was closed.
FOUND = (8, 115, 159, 160, 284, 288, 309, 492, 756, 1120, 1219, 1380, 3280)


def test_acknowledged_batches_are_read_back_through_crashes_flushes_and_merges():
    crashes = 0
    for seed in (*range(10), *FOUND):
        outcome = run(scenario, seed)
        assert not outcome.why, f"seed {seed}: {outcome.why}"
        crashes += outcome.crashes
    assert crashes > 20


def test_a_disk_that_skips_one_sync_in_twenty_is_convicted():
    outcomes = (run(scenario, seed, planted=PLANTS["skip-fsync"]) for seed in range(100))
    assert any(outcome.why for outcome in outcomes)


def test_a_seed_replays_exactly():
    assert run(scenario, 11).digest == run(scenario, 11).digest
