"""The corpus of the RESP parser: what was once sent to confuse it, kept for ever.

A line of `corpus/resp.txt` is an input, its bytes written as in a Python string.  An input that a
fuzzer or a user finds is added there.
"""

import random
import socket
from pathlib import Path

import pytest

import bedrock
from bedrock.testing import peers
from kvstore.resp import ReplyError, parse_request

CORPUS = [
    line.encode().decode("unicode_escape").encode("latin-1")
    for line in (Path(__file__).parent / "corpus" / "resp.txt").read_text().splitlines()
]


def read(data):
    """Every request of an input, to its end or to the first error."""
    at = 0
    try:
        while at < len(data):
            words, used = parse_request(data[at:])
            assert 0 <= used <= len(data) - at
            assert sum(map(len, words)) <= used
            if not used:
                return
            at += used
    except ReplyError as error:
        assert str(error).startswith("ERR Protocol error: ")


@pytest.mark.parametrize("data", CORPUS, ids=range(len(CORPUS)))
def test_every_input_and_what_it_may_become_is_understood_or_refused(data):
    rand = random.Random(data)
    read(data)
    for cut in range(len(data)):
        read(data[:cut])
    for _ in range(300):
        other = bytearray(data)
        for _ in range(rand.randint(1, 3)):
            at = rand.randrange(len(other) + 1)
            match rand.randrange(4):
                case 0:
                    other[at : at + 1] = bytes([rand.randrange(256)])
                case 1:
                    del other[at : at + rand.randint(1, 4)]
                case 2:
                    other[at:at] = rand.choice([b"\r\n", b"*", b"$", b"-1", b"9" * 19, b'"'])
                case 3:
                    other[at:at] = rand.choice(CORPUS)
        read(bytes(other))


def said(port, data):
    """What a server says to an input whose sender then says no more."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        answer = bytearray()
        try:
            while more := connection.recv(65536):
                answer += more
        except ConnectionResetError:
            pass
    return bytes(answer)


@pytest.mark.peer
def test_every_input_is_answered_as_redis_answers_it(tmp_path):
    try:
        theirs = peers.redis_server()
    except peers.PeerMissing as missing:
        pytest.skip(str(missing))
    with theirs, bedrock.run("kvstore", port=0, data_dir=str(tmp_path)) as ours:
        for data in CORPUS:
            assert said(ours.port, data) == said(theirs.port, data), data
