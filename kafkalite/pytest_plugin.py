"""A fixture for tests that need more of a broker than Kafka has (kafkalite.lab).

    kafkalite_lab    a server of the test's own, whose time, faults and data are the test's to say

The plain fixtures (`kafkalite`, `kafkalite_url`, `kafkalite_server`) are those of every component,
in bedrock.testing.pytest_plugin.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest


@pytest.fixture(scope="session")
def _kafkalite_lab_server(bedrock_run: Callable[..., Any]) -> Iterator[Any]:
    with bedrock_run("kafkalite", process=False) as server:
        yield server


@pytest.fixture
def kafkalite_lab(_kafkalite_lab_server: Any) -> Iterator[Any]:
    """A broker as new, in a server that all tests share; see kafkalite.lab.Lab."""
    from kafkalite.lab import Lab

    lab = Lab(_kafkalite_lab_server)
    yield lab
    lab.reset()
