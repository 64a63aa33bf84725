"""Replies never overtake what their turn has yet to make durable, however they are queued."""

import socket

from bedrock.net import Session
from bedrock.net.reactor import Reactor
from bedrock.world.clock import OsClock
from bedrock.world.turn import Turn

LONG = bytes(400_000)  # more than a unix socket takes, and less than twice as much


class Keeper(Session):
    """`r` is answered at length; `w` by "done", when what it changed has been flushed."""

    flushed = None

    def received(self, data, out):
        for letter in data:
            if letter == ord("r"):
                self.link.send_ref(LONG)
            else:
                self.link.driver.turn.before_flush(self.flushed)
                out.write(b"done")
        return len(data)


def drain(sock):
    """All that has arrived."""
    got = bytearray()
    try:
        while piece := sock.recv(1 << 20):
            got += piece
    except BlockingIOError:
        pass
    return bytes(got)


def test_the_rest_of_a_long_reply_takes_no_later_one_with_it(tmp_path):
    turn = Turn()
    reactor = Reactor(OsClock(), turn)
    keeper = Keeper()
    listener = reactor.listen(lambda: keeper, str(tmp_path / "socket"))
    seen_at_flush = []
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(tmp_path / "socket"))
        client.setblocking(False)
        keeper.flushed = lambda: seen_at_flush.append(drain(client))
        client.send(b"r")
        while not keeper.link or not keeper.link.bytes_out:
            reactor.poll()
        assert keeper.link.queued, "the system took all: nothing is tested"
        got = drain(client)
        # Now the socket can be written to again, and more is asked in the same turn.
        client.send(b"w")
        reactor.poll()
        assert len(seen_at_flush) == 1 and b"done" not in seen_at_flush[0]
        got += seen_at_flush[0] + drain(client)
        while keeper.link.queued:
            reactor.poll()
            got += drain(client)
        assert got == LONG + b"done"
    listener.close()
    reactor.close()
