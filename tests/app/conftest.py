"""Puts the small `echo` component of `parts/` where entry points are found."""

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PARTS = str(Path(__file__).with_name("parts"))
if PARTS not in sys.path:
    sys.path.insert(0, PARTS)


@pytest.fixture(autouse=True)
def echo_everywhere(monkeypatch, tmp_path):
    """Sub-processes find `echo` too; nothing is read from or written to the working directory."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([PARTS, str(ROOT)]))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def echo():
    import bedrock

    with bedrock.run("echo") as running:
        yield running
