"""Fixtures: a log and a broker on a directory of the test's own."""

import logging

import pytest

from bedrock.world import OsDisk, Turn
from kafkalite.log import Log
from kafkalite.topic_config import LogConfig

from .wire import ManualClock, Peer


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def open_log(tmp_path, clock):
    """Open a log; again on the same directory, as after a restart."""

    def open_it(disk=None, fsync="never", recovery_point=0, start_offset=0, **config):
        return Log(
            disk or OsDisk(str(tmp_path / "t-0")), Turn(), clock, LogConfig(**config),
            name="t-0", fsync=fsync, recovery_point=recovery_point, start_offset=start_offset,
        )

    return open_it


@pytest.fixture
def peer(tmp_path):
    return Peer(OsDisk(str(tmp_path)))


@pytest.fixture
def wire(peer):
    return peer.connect()


@pytest.fixture
def no_session_may_fail(caplog):
    """A session that raises is logged by its link: that is a failure of ours."""
    with caplog.at_level(logging.ERROR, "bedrock.net"):
        yield
    assert not caplog.records
