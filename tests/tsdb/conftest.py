"""Fixtures of tsdb's tests."""

import os
from pathlib import Path

import pytest

from tests.tsdb.wire import memory_store


@pytest.fixture
def store():
    """An empty store on a simulated disk."""
    return memory_store()


@pytest.fixture(scope="session")
def judges() -> Path:
    """Data files written by others; see BEDROCK_JUDGES."""
    directory = os.environ.get("BEDROCK_JUDGES")
    if not directory:
        pytest.skip("BEDROCK_JUDGES is not set: no judging data")
    return Path(directory)
