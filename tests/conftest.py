"""What all tests share: Hypothesis without a clock, since the machine may be busy; a small disk."""

import subprocess

import pytest
from hypothesis import settings

settings.register_profile("bedrock", deadline=None)
settings.load_profile("bedrock")


@pytest.fixture
def small_disk(tmp_path):
    """A file system of one megabyte, soon full.  Only root may mount one."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("there is no mount here")
    if done.returncode:
        pytest.skip(f"a small disk cannot be mounted: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)
