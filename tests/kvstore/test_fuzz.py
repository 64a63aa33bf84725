"""Bad input: an error or a clean end, never a crash, never more memory than arrived."""

from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bedrock.world import OsDisk, World
from kvstore.commands import ROWS
from kvstore.embedded import Embedded
from kvstore.parameters import Parameters
from kvstore.resp import ReplyError, decode, encode, parse_request, request

WORDS = st.lists(st.binary(max_size=40), min_size=1, max_size=6)


@given(WORDS)
def test_a_request_reads_back_however_it_is_cut(words):
    data = request(*words)
    assert parse_request(data) == (words, len(data))
    for cut in range(len(data)):
        assert parse_request(data[:cut]) == ([], 0)


@given(st.binary(max_size=200))
def test_random_bytes_are_refused_or_waited_for(data):
    try:
        _, used = parse_request(data)
    except ReplyError as error:
        assert str(error).startswith("ERR Protocol error")
    else:
        assert 0 <= used <= len(data)


@pytest.mark.parametrize(
    "data",
    [b"*2147483648\r\n", b"*1\r\n$-5\r\n", b"*1\r\n$2147483648\r\n", b"*1\r\n$x\r\n",
     b"*1\r\nx\r\n", b"*99999999999999999999\r\n", b'"open\r\n', b"x" * 70000],
    ids=range(8),
)  # fmt: skip
def test_lengths_are_checked_before_memory_is_taken(data):
    with pytest.raises(ReplyError, match="Protocol error"):
        parse_request(data)


@given(st.recursive(st.none() | st.integers(-(2**63), 2**63 - 1) | st.binary(max_size=20),
                    lambda inner: st.lists(inner, max_size=4), max_leaves=10))  # fmt: skip
def test_replies_read_back(value):
    data = encode(value, 3)
    assert decode(data) == (value, len(data))


# Those that stop the process, wait, or are off by default.
HARMLESS = sorted(set(ROWS) - {"shutdown", "debug", "config|set", "monitor", "quit"})
ODD = st.sampled_from(
    [b"k", b"l", b"h", b"s", b"z", b"0", b"1", b"-1", b"2147483648", b"9223372036854775807",
     b"-9223372036854775808", b"nan", b"inf", b"1e400", b"", b"*", b"[a", b"(1", b"LIMIT", b"GET",
     b"COUNT", b"WITHSCORES", b"STORE", b"EX", b"\x00\xff", b"LEFT", b"MIN", b"BYSCORE", b"REV"]
)  # fmt: skip


@settings(max_examples=1500, deadline=None)
@given(st.sampled_from(HARMLESS), st.lists(ODD, max_size=6))
def test_any_command_with_any_words_gets_one_reply(name, words):
    kv = STORES[0]
    for setup in (("SET", "k", "1"), ("RPUSH", "l", "1"), ("HSET", "h", "1", "1"),
                  ("SADD", "s", "1"), ("ZADD", "z", "1", "1")):  # fmt: skip
        try:
            kv.execute(*setup)
        except ReplyError:
            pass
    try:
        kv.execute(*name.split("|"), *words)
    except ReplyError:
        pass


FOLDER = TemporaryDirectory()
STORES = [Embedded(World(OsDisk(FOLDER.name)), Parameters())]
