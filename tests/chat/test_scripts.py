"""Golden conversations: on ours, and what RFC 1459 settles on ngircd too."""

from pathlib import Path

import pytest

import bedrock
from bedrock.testing import golden, peers

from .irc import Conversation

SCRIPTS = Path(__file__).parent / "scripts"


@pytest.mark.parametrize("name", ["channels", "ours"])
def test_conversation(name, request):
    with bedrock.run("chat") as server:
        conversation = Conversation(server.host, server.port, "chat.bedrock")
        golden.run(SCRIPTS / f"{name}.txt", conversation.execute)
        conversation.close()


@pytest.mark.peer
def test_ngircd_has_the_same_conversation():
    try:
        peer = peers.ngircd()
    except peers.PeerMissing as missing:
        pytest.skip(str(missing))
    with peer as ngircd:
        conversation = Conversation(ngircd.host, ngircd.port, "peer.example")
        golden.run(SCRIPTS / "channels.txt", conversation.execute)
        conversation.close()
