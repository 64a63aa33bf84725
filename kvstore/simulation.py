"""kvstore under crashes and a bad network: its history must be linearizable.

Clients on another machine send SET, GET, INCR and APPEND, now and then several at once between
MULTI and EXEC, to a server with `appendfsync always`, while its process is killed, its power cut,
its disk full or failing and the network delays, resets and parts.  What each client saw is written
down:

    answered   the operation has a call, a return and an output
    refused    MISCONF, or never sent: it did not happen and is left out
    neither    the connection broke or was too slow: it happened at some time, or never

When all is calm the clients read every key once more, so that a lost write has a witness.  Keys are
in use for a second or two only; that keeps the number of operations whose fate is unknown small
for each, and with it the search of the checker.
"""

from __future__ import annotations

import asyncio
import math
from typing import Any

from bedrock.net import Session
from bedrock.sim.simulation import Simulation, Violation
from bedrock.testing.linearizable import UNKNOWN, Op, check
from bedrock.world import World
from kvstore.config import Config
from kvstore.resp import ReplyError, decode
from kvstore.server import Server

CLIENTS = 3
TROUBLE_S = 8
PATIENCE_S = 1.5
KEY_LIFE_S = 1.0

Command = tuple[bytes, ...]


class Keys:
    """The sequential specification: one key, a string that may be a number."""

    initial: bytes | None = None

    def step(self, state: bytes | None, input: Command, output: Any) -> tuple[bool, bytes | None]:
        """See bedrock.testing.linearizable.Model."""
        verb, *words = input
        if verb == b"GET":
            return output is UNKNOWN or output == state, state
        if verb == b"SET":
            return output in (UNKNOWN, "OK"), words[1]
        if verb == b"APPEND":
            after = (state or b"") + words[1]
            return output is UNKNOWN or output == len(after), after
        number = int(state or 0) + 1
        return output is UNKNOWN or output == number, b"%d" % number


class Caller(Session):
    """A client's connection: one request at a time."""

    def __init__(self) -> None:
        self.heard = b""
        self.answer: asyncio.Future | None = None

    def received(self, data: bytes, out: Any) -> int:
        """Collect a reply."""
        self.heard += data
        value, end = decode(self.heard)
        if end >= 0:
            self.heard = self.heard[end:]
            if self.answer is not None and not self.answer.done():
                self.answer.set_result(value)
        return len(data)

    def closed(self, exc: BaseException | None) -> None:
        """Whoever waits learns that no answer will come."""
        if self.answer is not None and not self.answer.done():
            self.answer.set_exception(ConnectionError("closed"))

    async def ask(self, commands: list[Command]) -> list[Any]:
        """The answers to commands; several are sent as one transaction."""
        sent = commands if len(commands) == 1 else [(b"MULTI",), *commands, (b"EXEC",)]
        last: Any = None
        self.link.write(b"".join(map(request, sent)))
        for _ in sent:
            self.answer = asyncio.get_running_loop().create_future()
            self.received(b"", None)
            last = await self.answer
        # An aborted transaction has one error for all its commands.
        return last if isinstance(last, list) else [last] * len(commands)


def request(words: Command) -> bytes:
    """A command as RESP."""
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words)


class Client:
    """Works on the keys of the moment until all is calm, and writes the history."""

    def __init__(self, sim: Simulation, world: World, number: int, history: list[Op]):
        self.sim = sim
        assert world.net is not None
        self.net = world.net
        self.number = number
        self.history = history
        self.rand = world.rand
        self.caller: Caller | None = None
        self.written = 0

    async def work(self) -> None:
        """Send one thing after another."""
        while not self.sim.calm.is_set():
            await asyncio.sleep(self.rand.random() * 0.05)
            some = 1 if self.rand.chance(0.9) else 2 + self.rand.below(2)
            await self.perform([self.invent() for _ in range(some)])

    def invent(self) -> Command:
        """A command on a key of this second."""
        age = int(self.sim.loop.time() / KEY_LIFE_S)
        self.written += 1
        token = b"%d.%d;" % (self.number, self.written)
        if self.rand.chance(0.4):
            key = b"number:%d" % age
            return (b"INCR", key) if self.rand.chance(0.6) else (b"GET", key)
        key = b"string:%d:%d" % (age, self.rand.below(2))
        return self.rand.choice(
            [(b"GET", key), (b"GET", key), (b"SET", key, token), (b"APPEND", key, token)]
        )

    async def perform(self, commands: list[Command]) -> bool:
        """Send commands; True if they were answered."""
        begun, sent = self.sim.tick(), False
        outputs: list[Any]
        try:
            async with asyncio.timeout(PATIENCE_S):
                if self.caller is None or self.caller.link.closed:
                    self.caller = None
                    self.caller = await self.net.connect(Caller, ("server", 6379))
                sent = True
                outputs = await self.caller.ask(commands)
        except (OSError, TimeoutError):
            if self.caller is not None:
                self.caller.link.abort()
                self.caller = None
            outputs = [UNKNOWN] * len(commands)
        ended = math.inf if outputs[0] is UNKNOWN else self.sim.tick()
        if not sent:
            return False
        for command, output in zip(commands, outputs, strict=True):
            self.note(Op(self.number, begun, ended, command, output))
        return ended != math.inf

    def note(self, op: Op) -> None:
        """Keep what tells something."""
        if isinstance(op.output, ReplyError):
            if not str(op.output).startswith(("MISCONF", "EXECABORT")):
                raise Violation(f"{op.input}: {op.output}")
            return
        if op.output is UNKNOWN and op.input[0] == b"GET":
            return
        self.sim.operations += 1
        self.sim.trace("op", op)
        self.history.append(op)


async def scenario(sim: Simulation) -> None:
    """See the module."""

    async def build(world: World) -> Server:
        config = Config(host="server", port=6379, appendfsync="always")
        server = Server(world, config)
        await server.start()
        return server

    history: list[Op] = []
    machine = sim.machine("server", build)
    await sim.bring_up(machine)
    clients = [Client(sim, sim.host("client"), i, history) for i in range(CLIENTS)]
    tasks = [sim.spawn(client.work()) for client in clients]
    await sim.trouble(TROUBLE_S)
    await asyncio.wait_for(asyncio.gather(*tasks), 30)
    if sim.rand.chance(0.5):
        # Some of what was acknowledged last has no later batch that would tell of its loss.
        machine.power_cut()
        await sim.bring_up(machine)
    for key in sorted({op.input[1] for op in history}):
        while not await clients[0].perform([(b"GET", key)]):
            pass
    verdict = check(history, Keys(), key=lambda command: command[1])
    if not verdict:
        raise Violation(verdict.explain())
