"""Golden scripts against the engine, and against redis-server where it is installed."""

import socket
from pathlib import Path

import pytest

from bedrock.testing import golden, peers
from bedrock.world import OsDisk, World
from kvstore.embedded import Embedded
from kvstore.parameters import Parameters
from kvstore.resp import Args, decode, request, split_words
from kvstore.shell import render

SCRIPTS = golden.scripts(Path(__file__).parent / "scripts")


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_engine_answers_as_the_script_says(path, tmp_path, update_golden):
    kv = Embedded(World(OsDisk(str(tmp_path))), Parameters())
    kv._client.resp = 2
    def execute(line: str) -> str:
        return render(decode(kv.store.run(kv._client, Args.of(*split_words(line.encode()))))[0])

    golden.run(path, execute, update_golden)


@pytest.mark.peer
@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_redis_answers_the_same(path, update_golden):
    try:
        peer = peers.redis_server()
    except peers.PeerMissing as missing:
        pytest.skip(str(missing))
    with peer, socket.create_connection(("127.0.0.1", peer.port)) as sock:

        def execute(line: str) -> str:
            sock.sendall(request(*split_words(line.encode())))
            data, used = b"", -1
            while used < 0:
                data += sock.recv(65536)
                value, used = decode(data)
            return render(value)

        golden.run(path, execute, update_golden)
