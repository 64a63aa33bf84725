"""Every session on every driver: wherever its bytes are cut, the answers are the same.

The sessions are those of the seven systems, the drivers the real ones and the simulator's network;
what differs between them is below the session and must not be seen above it.
"""

import asyncio
import re

import pytest

from bedrock.app.component import component
from bedrock.app.config import resolve
from bedrock.net import Session
from bedrock.sim.faults import Faults
from bedrock.sim.simulation import run

from .conversations import CONVERSATIONS

QUIET_S = 0.2
TOGETHER = 8
EVERY_OFFSET = 420


class Caller(Session):
    """A client that keeps what it hears and says when it has heard enough."""

    def __init__(self, enough=None):
        self.heard = bytearray()
        self.enough = enough
        self.done = asyncio.Event()

    def received(self, data, out):
        self.heard += data
        if self.enough is not None and len(self.heard) >= self.enough:
            self.done.set()
        return len(data)

    def closed(self, exc):
        self.done.set()


async def talk(world, address, pieces, enough=None):
    """Say the pieces one by one; all that was heard until `enough` bytes, silence or the end."""
    caller = await world.net.connect(lambda: Caller(enough), address)
    for piece in pieces:
        caller.link.write(piece)
        await world.clock.sleep(0.0005)
    if enough is None:
        size = -1
        while size < len(caller.heard) and not caller.done.is_set():
            size = len(caller.heard)
            await world.clock.sleep(QUIET_S)
    else:
        async with asyncio.timeout(10):
            await caller.done.wait()
    caller.link.abort("heard enough")
    return bytes(caller.heard)


async def hold(conversation, server_world, client_world, host):
    """Hold a conversation whole, cut at every offset, and byte by byte."""
    found = component(conversation.component)
    options = dict(found.embedded) | {"host": host, **conversation.options}
    options |= {port.option: 0 for port in found.ports if port.option not in options}
    if host != "127.0.0.1":
        options |= {port.option: 1000 + i for i, port in enumerate(found.ports)}
    server = found.load("server")(server_world, resolve(found, options).config)
    await server.start()
    says = conversation.says
    address = (host, server.ports[conversation.port])

    def same(answer):
        return re.sub(conversation.differs, b"-", answer)

    whole = await talk(client_world, address, [says])
    assert re.search(conversation.answers, whole), whole
    step = 1 if len(says) <= EVERY_OFFSET else len(says) // EVERY_OFFSET + 1
    pieces = [[says[:cut], says[cut:]] for cut in range(1, len(says), step)]
    if b"NICK" in says:
        groups = [[each] for each in pieces[::4]]  # a name is one client's at a time
    else:
        groups = [pieces[i : i + TOGETHER] for i in range(0, len(pieces), TOGETHER)]
    for group in groups:
        for answer in await asyncio.gather(
            *(talk(client_world, address, each, len(whole)) for each in group)
        ):
            assert same(answer) == same(whole)
    single = [says[i : i + 1] for i in range(len(says))]
    assert same(await talk(client_world, address, single, len(whole))) == same(whole)
    await server.stop()


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_a_conversation_cut_anywhere_is_answered_the_same(play, name):
    async def body(world):
        await hold(CONVERSATIONS[name], world, world, "127.0.0.1")

    play(body)


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_a_conversation_cut_anywhere_is_answered_the_same_in_the_simulator(name):
    failed = []

    async def scenario(sim):
        try:
            server = sim.host("server")
            await hold(CONVERSATIONS[name], server, sim.host("client"), "server")
        except BaseException as exc:
            failed.append(exc)
            raise

    outcome = run(scenario, 1, faults=Faults(split=0))
    if failed:
        raise failed[0]
    assert not outcome.why
