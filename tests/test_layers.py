"""Imports point down only, in Cython too, which import-linter does not read."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAYERS = ["world", "codec", "storage", "net", "sim", "app", "testing"]
COMPONENTS = {"kvstore", "minidb", "kafkalite", "tsdb", "hdfs_sim", "chat", "query_planner"}
MAY_USE_PLANNER = {"minidb", "tsdb"}
IMPORT = re.compile(r"^\s*(?:from\s+([\w.]+)\s+c?import|c?import\s+([\w.]+))", re.MULTILINE)
# What only the world, and what stands in for it, may touch.
OUTSIDE = {"random", "socket", "threading", "time"}
AT_THE_DOOR = {"bedrock/world", "bedrock/net", "bedrock/sim", "bedrock/app", "bedrock/testing"}

SOURCES = sorted(
    path.relative_to(ROOT)
    for package in ["bedrock", *COMPONENTS]
    for pattern in ("*.pyx", "*.pxd")
    for path in (ROOT / package).rglob(pattern)
)


def imported(path):
    return {a or b for a, b in IMPORT.findall((ROOT / path).read_text())}


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_imports_point_down(path):
    package = path.parts[0]
    for name in imported(path):
        top, *rest = name.split(".")
        if top in COMPONENTS:
            assert top == package or (top == "query_planner" and package in MAY_USE_PLANNER), name
        if top == package == "bedrock" and rest:
            assert LAYERS.index(rest[0]) <= LAYERS.index(path.parts[1]), name


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_only_the_world_opens_the_door_to_the_outside(path):
    if "/".join(path.parts[:2]) not in AT_THE_DOOR:
        assert not {name.split(".")[0] for name in imported(path)} & OUTSIDE
