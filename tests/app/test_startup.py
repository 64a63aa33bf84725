"""What a server loads before it is ready.

Being ready within 150 ms of exec is measured by `python -m benchmarks app`.  Here is what keeps it
so: nothing heavy is imported that the first reply does not need.
"""

import subprocess
import sys

import pytest

from bedrock.app.component import components
from bedrock.app.flags import as_flags
from bedrock.testing.run import wait_ready

HEAVY = {
    "numpy", "wsproto", "h11", "prometheus_client", "rich", "prompt_toolkit", "importlib.metadata",
    "tempfile", "email.utils", "pyarrow", "query_planner.planner", "query_planner.signatures",
    "hashlib", "hmac", "pathlib", "shutil", "sortedcontainers", "tomllib", "urllib.parse",
    "jinja2", "kvstore.faults", "kvstore.introspection", "kvstore.lua.machine", "kvstore.upstream",
}  # fmt: skip
# Of Bedrock's own; the largest systems load about a hundred.
MODULES_AT_MOST = 120


@pytest.mark.parametrize("name", sorted(components()))
def test_nothing_heavy_is_loaded_before_a_server_is_ready(name, tmp_path):
    found, ready, imports = components()[name], tmp_path / "ready", tmp_path / "imports"
    options = {port.option: 0 for port in found.ports}
    options |= {"data_dir": str(tmp_path / "data"), "ready_file": str(ready)}
    with open(imports, "w") as log:
        process = subprocess.Popen(
            [sys.executable, "-X", "importtime", "-m", found.module, "serve", *as_flags(options)],
            stderr=log,
        )
        try:
            wait_ready(ready, process)
            loaded = {
                line.rpartition("|")[2].strip()
                for line in imports.read_text().splitlines()
                if line.startswith("import time:")
            }
        finally:
            process.terminate()
            process.wait()
    assert "asyncio" in loaded
    assert sorted(loaded & HEAVY) == []
    ours = {"bedrock", found.module, "query_planner"}
    assert len([module for module in loaded if module.split(".")[0] in ours]) <= MODULES_AT_MOST
