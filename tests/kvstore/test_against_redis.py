"""The same requests to kvstore and to a real redis-server: the same replies, errors and data."""

import pytest

import bedrock
from bedrock.testing import peers
from tests.kvstore.duel import differences


@pytest.mark.peer
@pytest.mark.parametrize("protocol", [2, 3])
def test_requests_of_any_kind_are_answered_as_redis_answers_them(tmp_path, protocol):
    try:
        theirs = peers.redis_server("--enable-debug-command", "yes")
    except peers.PeerMissing as missing:
        pytest.skip(str(missing))
    with theirs, bedrock.run(
        "kvstore", port=0, data_dir=str(tmp_path), appendonly=False,
        set=["enable-debug-command=yes"],
    ) as ours:
        assert differences(ours.port, theirs.port, seed=20 + protocol, requests=700,
                           protocol=protocol) == []
