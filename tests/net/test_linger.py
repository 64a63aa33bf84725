"""Staying awake after a turn: a loop played by hand, so that nothing depends on the machine."""

import socket
import time

import pytest

from bedrock.net import Session
from bedrock.net.linger import worthwhile
from bedrock.net.reactor import Reactor
from bedrock.world import OsClock, Turn

pytestmark = pytest.mark.skipif(not worthwhile(), reason="a single core: nothing lingers")
A_MOMENT_S = 0.0002


class Echo(Session):
    def received(self, data, out):
        out.write(data)
        return len(data)


class Loop:
    """What a reactor needs of an event loop; `soon` holds what was to be called soon."""

    def __init__(self):
        self.soon = []

    def add_reader(self, fd, call):
        pass

    def remove_reader(self, fd):
        pass

    def call_soon(self, call):
        self.soon.append(call)

    def go_round(self):
        calls, self.soon = self.soon, []
        for call in calls:
            call()


class Talk:
    """A client and a server whose turns are played one by one."""

    def __init__(self):
        self.loop = Loop()
        self.reactor = Reactor(OsClock(), Turn()).attach(self.loop)
        self.listener = self.reactor.listen(Echo, ("127.0.0.1", 0))
        self.client = socket.create_connection(self.listener.address)
        self.play_turn()
        self.let_it_sleep()

    def request(self):
        """One turn."""
        self.client.sendall(b"x")
        self.play_turn()
        assert self.client.recv(9) == b"x"

    def play_turn(self):
        turns = self.reactor.counters["turns"]
        while self.reactor.counters["turns"] == turns:
            self.reactor.poll()

    def let_it_sleep(self):
        """Time passes, and nothing happens."""
        time.sleep(A_MOMENT_S)
        while self.loop.soon:
            self.loop.go_round()

    def close(self):
        self.client.close()
        self.reactor.close()


@pytest.fixture
def talk():
    talk = Talk()
    yield talk
    talk.close()


def begin_a_stay(talk):
    """Requests until one is followed by a stay; how many."""
    for number in range(1, 5000):
        talk.request()
        if talk.loop.soon:
            return number
    raise AssertionError("it never tries again")


def test_who_follows_closely_finds_it_awake(talk):
    begin_a_stay(talk)
    linger = talk.reactor.linger
    before = linger.hits, linger.misses
    for _ in range(100):
        talk.request()
        assert len(talk.loop.soon) == 1
    assert (linger.hits, linger.misses) == (before[0] + 100, before[1])


def test_a_stay_is_over_after_a_moment(talk):
    begin_a_stay(talk)
    misses = talk.reactor.linger.misses
    talk.let_it_sleep()
    assert talk.reactor.linger.misses == misses + 1
    assert talk.loop.soon == []


def test_the_loop_goes_round_and_does_not_wait(talk):
    """Each round is a call of its own, so whatever else the loop has is served in between."""
    begin_a_stay(talk)
    (call,) = talk.loop.soon
    talk.loop.go_round()
    assert talk.loop.soon in ([call], [])


def test_who_pauses_after_each_request_is_waited_for_ever_more_rarely(talk):
    turns = 1200
    for _ in range(turns):
        talk.request()
        if talk.loop.soon:
            talk.let_it_sleep()
    assert talk.reactor.linger.misses <= 5 + turns / 256


def test_it_tries_again_after_misses(talk):
    for _ in range(3):
        begin_a_stay(talk)
        talk.let_it_sleep()
    assert begin_a_stay(talk) > 3


def test_nothing_is_left_once_the_reactor_is_closed(talk):
    begin_a_stay(talk)
    talk.reactor.close()
    assert talk.reactor.linger is None
    talk.let_it_sleep()
    assert talk.loop.soon == []
