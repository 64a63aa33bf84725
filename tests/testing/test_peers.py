"""Real peers start on free ports, answer, and leave nothing behind."""

import os
import urllib.request

import pytest

from bedrock.app.ports import accepts
from bedrock.testing import peers

pytestmark = pytest.mark.peer


@pytest.mark.parametrize("name", peers.STARTERS)
def test_a_peer_answers_until_it_is_stopped(name):
    try:
        peer = peers.STARTERS[name]()
    except peers.PeerMissing as exc:
        pytest.skip(str(exc))
    with peer:
        assert accepts(peer.host, peer.port)
        assert os.path.exists(f"/proc/{peer.pid}")
    assert not accepts(peer.host, peer.port)
    assert not peer.directory.exists()


def test_postgresql_runs_a_query(peer_postgresql):
    import psycopg

    with psycopg.connect(peer_postgresql.url) as connection:
        assert connection.execute("select 1 + 1").fetchone() == (2,)


def test_prometheus_is_ready(peer_prometheus):
    with urllib.request.urlopen(peer_prometheus.url + "/-/healthy") as reply:
        assert reply.status == 200


def test_a_missing_program_is_named():
    with pytest.raises(peers.PeerMissing, match="no-such-server is not installed"):
        peers.find("no-such-server")
