"""A run is its seed: it replays exactly, keeps its promises, and convicts what is planted."""

import os
import subprocess
import sys

import pytest

from bedrock.sim import recordlog
from bedrock.sim.__main__ import OWN, main, play
from bedrock.sim.faults import SWARM, Faults
from bedrock.sim.simulation import PLANTS, run
from bedrock.world import Rand

TARGET = OWN["recordlog"]


@pytest.mark.parametrize("seed", range(6))
def test_a_seed_replays_exactly(seed):
    assert run(recordlog.scenario, seed).digest == run(recordlog.scenario, seed).digest


def test_a_seed_replays_exactly_in_another_process_with_other_hashes():
    code = f"from bedrock.sim.__main__ import play; print(play({TARGET!r}, 3).digest)"
    env = {**os.environ, "PYTHONHASHSEED": "77"}
    there = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert there.stdout.strip() == play(TARGET, 3).digest


def test_seeds_differ():
    assert len({run(recordlog.scenario, seed).digest for seed in range(10)}) == 10


def test_the_record_log_keeps_its_promises():
    crashes = 0
    for seed in range(40):
        outcome = run(recordlog.scenario, seed)
        assert not outcome.why, f"seed {seed}: {outcome.why}"
        crashes += outcome.crashes
    assert crashes > 100


def test_a_disk_that_skips_one_sync_in_twenty_is_convicted():
    convicted = [
        seed
        for seed in range(10)
        if run(recordlog.scenario, seed, planted=PLANTS["skip-fsync"]).why
    ]
    assert convicted


def test_swarms_leave_out_about_half_of_the_faults():
    swarms = [Faults.swarm(Rand(seed)) for seed in range(200)]
    for name, (low, high) in SWARM.items():
        values = [getattr(swarm, name) for swarm in swarms]
        drawn = [value for value in values if value != getattr(Faults(), name)]
        assert 60 < len(drawn) < 140, name
        assert all(low - 0.5 <= value <= high + 0.5 for value in drawn)


def test_a_scenario_that_waits_for_ever_is_reported():
    async def hangs(sim):
        await sim.loop.create_future()

    assert "stuck" in run(hangs, 1).why


def test_the_command_line_replays_and_convicts(capsys):
    assert main(["--component", "recordlog", "--seed", "3"]) == 0
    assert "kept every promise" in capsys.readouterr().out
    assert main(["--component", "recordlog", "--seeds", "5", "--jobs", "1"]) == 0
    out = capsys.readouterr().out
    assert "5 seeds, 0 broken" in out
    assert "skip-fsync convicted" in out
