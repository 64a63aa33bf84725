"""Whatever a client sends, the server answers lines or closes, and others are unaffected."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bedrock.net.memory import MemoryDriver
from bedrock.sim.disk import Medium
from bedrock.world import Rand, World
from chat.commands import COMMANDS
from chat.config import Config
from chat.network import Network
from chat.session import IrcSession


@pytest.fixture(autouse=True)
def no_session_may_fail(caplog):
    with caplog.at_level(logging.ERROR, "bedrock.net"):
        yield
    assert not caplog.records


def new_network(medium=None, **options):
    driver = MemoryDriver()
    disk = (medium or Medium(Rand(1))).disk()
    world = World(disk=disk, net=driver, clock=driver.clock, turn=driver.turn)
    return driver, Network(world, Config(**options))


def enter(driver, network, nick):
    link = driver.open(IrcSession(network))
    link.feed(f"NICK {nick}\r\nUSER {nick} 0 * :x\r\nJOIN #a\r\n".encode())
    return link


ARGS = st.lists(
    st.one_of(
        st.sampled_from(["#a", "#b", "ann", "bob", "*", "+ovbk", "-t", "0", "LS", "302", "@#a"]),
        st.text(st.characters(exclude_characters="\r\n", codec="utf-8"), max_size=12),
    ),
    max_size=5,
)
LINES = st.lists(st.tuples(st.sampled_from([*COMMANDS, "NOPE", ""]), ARGS), max_size=12)


@given(LINES)
def test_no_command_breaks_the_server(lines):
    driver, network = new_network()
    ann, bob = enter(driver, network, "ann"), enter(driver, network, "bob")
    for command, args in lines:
        reply = ann.feed(" ".join([command, *args]).encode() + b"\r\n")
        assert reply == b"" or reply.endswith(b"\r\n")
    bob.take()
    assert bob.feed(b"PING still\r\n") == b":chat.bedrock PONG chat.bedrock still\r\n"
    assert_consistent(network)


def assert_consistent(network):
    for channel in network.channels.values():
        assert channel.members
        for member in channel.members:
            assert channel in member.channels.values()
            assert not member.left
    for nick, client in network.nicks.items():
        assert client.nick.lower() == nick


@given(st.binary(max_size=3000), st.integers(0, 3000))
def test_random_bytes_cut_anywhere(data, cut):
    driver, network = new_network()
    link = enter(driver, network, "ann")
    link.feed(data[:cut])
    link.feed(data[cut:])
    assert_consistent(network)


def test_a_stream_cut_anywhere_gives_the_same_replies():
    data = b"PING a\r\nVERSION\nMODE #a\r\nPRIVMSG #a :x\r\nNAMES #a\r\nPING b\r\n"
    whole = None
    for cut in range(len(data)):
        driver, network = new_network()
        link = enter(driver, network, "ann")
        reply = link.feed(data[:cut]) + link.feed(data[cut:])
        reply = reply.split(b" 329 ")[0] + reply.split(b" 329 ")[1].partition(b"\r\n")[2]
        assert whole in (None, reply)
        whole = reply


@pytest.mark.parametrize(
    "line",
    [
        b"PRIVMSG #a :" + b"x" * 600,
        b"@" + b"t" * 4200 + b" PING a",
    ],
)
def test_a_line_beyond_its_limit_is_refused_with_417(line):
    driver, network = new_network()
    link = enter(driver, network, "ann")
    assert b" 417 ann " in link.feed(line + b"\r\n")
    assert link.feed(b"PING a\r\n").endswith(b"PONG chat.bedrock a\r\n")


def test_a_line_without_end_closes_the_connection():
    driver, network = new_network()
    link = enter(driver, network, "ann")
    assert b" 417 ann " in link.feed(b"x" * 6000)
    assert link.closed


def test_a_full_disk_keeps_nothing_says_so_and_the_rest_goes_on():
    medium = Medium(Rand(1))
    driver, network = new_network(medium, flood_lines=0)
    ann, bob = enter(driver, network, "ann"), enter(driver, network, "bob")
    ann.feed(b"PRIVMSG #a :x\r\n")
    medium.capacity = medium.used_bytes()
    line = b"PRIVMSG #a :" + b"x" * 400 + b"\r\n"
    assert any(b"not kept" in ann.feed(line) for _ in range(20_000))
    bob.take()
    heard = b"y" * 400
    assert b"not kept" in ann.feed(b"PRIVMSG #a " + heard + b"\r\n")
    assert bob.take().endswith(b"PRIVMSG #a " + heard + b"\r\n")
    assert network.history.before("#a", 1 << 60, 1)[0].text.startswith("x")
    medium.capacity = 0
    assert b"not kept" not in ann.feed(b"PRIVMSG #a :kept again\r\n")
    assert network.history.before("#a", 1 << 60, 1)[0].text == "kept again"
    assert b" 353 " in ann.feed(b"NAMES #a\r\n")
