"""The examples do what they say."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.peer
def test_a_killed_consumers_records_are_delivered_again_and_none_is_lost(tmp_path):
    pytest.importorskip("confluent_kafka")
    command = [
        sys.executable, str(EXAMPLES / "consumer_crash_replay" / "crash_replay.py"),
        "--records", "800", "--mode", "plain", "--chart", str(tmp_path / "replay.svg"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 records lost" in done.stdout
    assert (tmp_path / "replay.svg").read_text().startswith("<svg")
