"""Every part that a component's table names is there."""

import pytest

from bedrock.app.component import components
from hdfs_sim.config import DATANODE

PARTS = ("server", "early", "check", "shell", "bench", "simulation")
NAMED = [
    (found, part)
    for found in (*components().values(), DATANODE)
    for part in PARTS
    if getattr(found, part)
]


@pytest.mark.parametrize(("found", "part"), NAMED, ids=lambda x: getattr(x, "name", x))
def test_a_part_can_be_loaded_and_called(found, part):
    assert callable(found.load(part))
