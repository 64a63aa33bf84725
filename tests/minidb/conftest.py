"""A server in this process, one in a process of its own, and where PostgreSQL's programs are."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import bedrock.testing.run as running

PROGRAMS = Path("/usr/lib/postgresql/15/bin")


@pytest.fixture(scope="module")
def server() -> Iterator[Any]:
    with running.run("minidb") as handle:
        yield handle


@pytest.fixture
def url(server: Any) -> str:
    return f"postgresql://postgres@127.0.0.1:{server.port}/postgres"


@pytest.fixture
def pg(server: Any) -> dict[str, str]:
    """The environment of PostgreSQL's own clients."""
    return {**os.environ, "PGHOST": "127.0.0.1", "PGPORT": str(server.port),
            "PGUSER": "postgres", "PGDATABASE": "postgres", "PSQLRC": "/dev/null"}


def program(name: str) -> str:
    """A program of PostgreSQL 15, or a skip that names it."""
    found = shutil.which(name) or (str(PROGRAMS / name) if (PROGRAMS / name).exists() else "")
    if not found:
        pytest.skip(f"{name} is not installed")
    return found
