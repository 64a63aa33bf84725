"""chat under crashes and a bad network: what was echoed is in the history, once and in order.

Speakers on another machine enter a channel, speak with echo-message, and now and then read the
history, while the server is killed, its power cut, its disk full or failing, and the network bad.

    echoed      the message is kept
    warned      DISK_FULL: it is not, though everyone hears it
    neither     it may be kept, or not

Every reading of the history begins with all of the reading before it, since replies leave after
the flush of what they show; each echoed message is there once, each speaker's in order.
"""

from __future__ import annotations

import asyncio
from typing import Any

from bedrock.sim.caller import LOST, Caller, Line
from bedrock.sim.simulation import Simulation, Violation
from bedrock.world import World
from chat.config import Config
from chat.message import Message, parse
from chat.server import Server

SPEAKERS = 3
TROUBLE_S = 8
PAUSE_S = 0.1  # a run stays below what one CHATHISTORY tells
MARK = "end"
CAPS = "echo-message batch draft/chathistory standard-replies"
READ = b"CHATHISTORY LATEST #a * 1000\r\n"


class Speaker(Caller):
    """A connection; the PING after each command marks where its answers end."""

    names = 0

    def whole(self, heard: bytes) -> tuple[list[Message], int]:
        """The lines up to the mark."""
        messages: list[Message] = []
        at = 0
        while (end := heard.find(b"\r\n", at)) >= 0:
            message = parse(heard[at:end])
            at = end + 2
            if message.command == "PONG" and message.params[-1] == MARK:
                return messages, at
            messages.append(message)
        return [], 0

    async def ask(self, request: bytes) -> list[Message]:
        """What the server says to a command."""
        return await super().ask(request + f"PING {MARK}\r\n".encode())

    async def greet(self) -> None:
        """Register under a name of its own: the server may not know yet that the last one left."""
        Speaker.names += 1
        nick = f"n{Speaker.names}"
        lines = (f"CAP REQ :{CAPS}", "CAP END", f"NICK {nick}", f"USER {nick} 0 * :x", "JOIN #a")
        await self.ask("".join(f"{line}\r\n" for line in lines).encode())


class Oracle:
    """What the history may hold."""

    def __init__(self) -> None:
        self.said: set[str] = set()
        self.echoed: set[str] = set()
        self.unkept: set[str] = set()
        self.read: list[str] = []

    def check(self, texts: list[str], begun: int, certain: set[str]) -> None:
        """Compare a reading.

        begun:   how much had been read when it began
        certain: what had been echoed by then
        """
        if texts[:begun] != self.read[:begun]:
            raise Violation("the history is not what it was")
        if lost := certain - set(texts):
            raise Violation(f"{len(lost)} echoed messages are not in the history: {min(lost)}")
        if wrong := [text for text in texts if text not in self.said or text in self.unkept]:
            raise Violation(f"{wrong[0]} is in the history and should not be")
        if len(set(texts)) < len(texts):
            raise Violation("a message is in the history twice")
        for speaker in range(SPEAKERS):
            # One that was not echoed may still have been on its way when the next was said.
            own = [
                int(text.split(".")[1])
                for text in texts
                if text in certain and text.startswith(f"{speaker}.")
            ]
            if own != sorted(own):
                raise Violation(f"what speaker {speaker} said is out of order")
        if len(texts) > len(self.read):
            self.read = texts


class Client:
    """Speaks and reads until all is calm."""

    def __init__(self, sim: Simulation, world: World, number: int, oracle: Oracle):
        self.sim = sim
        self.number = number
        self.oracle = oracle
        self.rand = world.rand
        self.line = Line(world, ("server", 6667), Speaker)
        self.spoken = 0

    async def work(self) -> None:
        """One thing after another."""
        while not self.sim.calm.is_set():
            await asyncio.sleep(self.rand.random() * PAUSE_S)
            if self.rand.chance(0.1):
                await self.read()
            else:
                await self.speak()

    async def speak(self) -> None:
        """Say something, and note what became of it."""
        oracle, self.spoken = self.oracle, self.spoken + 1
        text = f"{self.number}.{self.spoken}"
        oracle.said.add(text)
        answer = await self.line.ask(f"PRIVMSG #a :{text}\r\n".encode())
        if answer is LOST:
            return
        self.sim.operations += 1
        for message in answer:
            if message.command == "WARN" and message.params[1] == "DISK_FULL":
                oracle.unkept.add(text)
            elif message.command == "FAIL":
                raise Violation(f"refused: {message}")
            elif message.command == "PRIVMSG" and message.params[1] == text not in oracle.unkept:
                oracle.echoed.add(text)
        self.sim.trace("said", text, text in oracle.echoed)

    async def read(self) -> bool:
        """Read the history and compare; True if it was answered."""
        begun, certain = len(self.oracle.read), set(self.oracle.echoed)
        answer = await self.line.ask(READ)
        if answer is LOST:
            return False
        inside = False
        texts = []
        for message in answer:
            if message.command == "BATCH":
                inside = not inside
            elif inside and message.command == "PRIVMSG" and "batch" in message.tags:
                texts.append(message.params[1])
        self.sim.trace("read", len(texts))
        self.oracle.check(texts, begun, certain)
        return True


async def scenario(sim: Simulation) -> None:
    """See the module."""

    async def build(world: World) -> Server:
        server = Server(world, Config(host="server", port=6667, websocket_port=-1, flood_lines=0))
        await server.start()
        return server

    Speaker.names = 0
    oracle = Oracle()
    machine = sim.machine("server", build)
    await sim.bring_up(machine)
    clients = [Client(sim, sim.host("client"), number, oracle) for number in range(SPEAKERS)]
    tasks: list[asyncio.Task[Any]] = [sim.spawn(client.work()) for client in clients]
    await sim.trouble(TROUBLE_S)
    await asyncio.wait_for(asyncio.gather(*tasks), 30)
    machine.power_cut()
    await sim.bring_up(machine)
    while not await clients[0].read():
        pass
