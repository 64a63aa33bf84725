"""kvstore under crashes and a bad network: its history must be linearizable, a replica a prefix.

Clients on another machine send SET, GET, INCR and APPEND, now and then several at once between
MULTI and EXEC, to a server with `appendfsync always`, while its process is killed, its power cut,
its disk full or failing and the network delays, resets and parts.  Now and then one of them asks
for a snapshot or for the log to be rewritten.  What each client saw is written down:

    answered   the operation has a call, a return and an output
    refused    MISCONF or LOADING, or never sent: it did not happen and is left out
    neither    the connection broke or was too slow: it happened at some time, or never

When all is calm the clients read every key once more, so that a lost write has a witness.  Keys are
in use for a second or two only; that keeps the number of operations whose fate is unknown small
for each, and with it the search of the checker.

In every second run a replica follows on a third machine, which fares no better, over a connection
that breaks; its data must always be the primary's at that place of the stream (kvstore.witness),
and in the end, after one more break and some more writes, the same.  Snapshots go to it by file or
by stream, and it loads them from a file or as they come.

When all is calm the two change places, by FAILOVER or because the replica is told to follow nobody:
everything acknowledged must be there, and the old primary must go on without a snapshot.
"""

from __future__ import annotations

import asyncio
import math
from typing import Any

from bedrock.sim.caller import LOST, Caller, Line
from bedrock.sim.simulation import Machine, Simulation, Violation
from bedrock.testing.linearizable import UNKNOWN, Op, check
from bedrock.world import World
from kvstore.config import Config
from kvstore.following import cease, follow
from kvstore.resp import Args, ReplyError, decode
from kvstore.server import Server
from kvstore.witness import Witness, data_of, differences

CLIENTS = 3
TROUBLE_S = 8
KEY_LIFE_S = 1.0
CATCH_UP_S = 30
UPKEEP = 0.01  # chance that a client asks for a snapshot or a rewrite instead

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


class Request(bytes):
    """What is sent at once.

    answers: how many come back; the last is the one that counts
    """

    answers: int

    @classmethod
    def of(cls, commands: list[Command]) -> Request:
        """Commands as RESP; several become one transaction."""
        sent = commands if len(commands) == 1 else [(b"MULTI",), *commands, (b"EXEC",)]
        made = cls(b"".join(map(request, sent)))
        made.answers = len(sent)
        return made


class RespCaller(Caller):
    """A client's connection."""

    missing = 0

    def whole(self, heard: bytes) -> tuple[Any, int]:
        """The last of the answers there are to be."""
        at, value = 0, None
        for _ in range(self.missing):
            value, size = decode(heard[at:])
            if size < 0:
                return None, 0
            at += size
        return value, at

    async def ask(self, request: bytes) -> Any:
        """The answer, of a transaction that to EXEC."""
        self.missing = request.answers if isinstance(request, Request) else 1
        return await super().ask(request)


def request(words: Command) -> bytes:
    """A command as RESP."""
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words)


class Client:
    """Works on the keys of the moment until all is calm, and writes the history."""

    def __init__(self, sim: Simulation, world: World, number: int, history: list[Op]):
        self.sim = sim
        self.number = number
        self.history = history
        self.rand = world.rand
        self.line = Line(world, ("server", 6379), RespCaller)
        self.written = 0

    async def work(self) -> None:
        """Send one thing after another."""
        while not self.sim.calm.is_set():
            await asyncio.sleep(self.rand.random() * 0.05)
            if self.rand.chance(UPKEEP):
                await self.keep_up()
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
        begun = self.sim.tick()
        answer = await self.line.ask(Request.of(commands))
        if answer is LOST and not self.line.sent:
            return False
        # An aborted transaction has one error for all its commands.
        outputs = answer if isinstance(answer, list) else [answer] * len(commands)
        ended = math.inf if answer is LOST else self.sim.tick()
        for command, output in zip(commands, outputs, strict=True):
            self.note(Op(self.number, begun, ended, command, UNKNOWN if output is LOST else output))
        return answer is not LOST

    async def keep_up(self) -> None:
        """Let the server write a snapshot, or its log anew."""
        command = self.rand.choice([b"BGSAVE", b"BGREWRITEAOF"])
        await self.line.ask(Request.of([(command,)]))

    def note(self, op: Op) -> None:
        """Keep what tells something."""
        if isinstance(op.output, ReplyError):
            if not str(op.output).startswith(("MISCONF", "EXECABORT", "LOADING")):
                raise Violation(f"{op.input}: {op.output}")
            return
        if op.output is UNKNOWN and op.input[0] == b"GET":
            return
        self.sim.operations += 1
        self.sim.trace("op", op)
        self.history.append(op)


# ------------------------------------------------------------------ servers


async def serve(world: World, more: tuple[str, ...] = ()) -> Server:
    """A server, as both machines have it."""
    options = ["repl-timeout=5", "repl-ping-replica-period=1", "protected-mode=no", *more]
    server = Server(world, Config(host=world.node, appendfsync="always", set=options))
    await server.start()
    return server


def with_replica(sim: Simulation, witness: Witness) -> tuple[Machine, Machine]:
    """A primary and its replica, both watched."""
    by_stream = sim.rand.choice(["no", "yes"])
    loaded = sim.rand.choice(["disabled", "on-empty-db", "swapdb"])
    options = f"repl-diskless-sync={by_stream}", f"repl-diskless-load={loaded}"

    async def primary(world: World) -> Server:
        server = await serve(world, options)
        witness.watch_primary(server.store)
        return server

    async def replica(world: World) -> Server:
        server = await serve(world, options)
        witness.watch_replica(server.store)
        follow(server.store, "server", 6379)
        return server

    return sim.machine("server", primary), sim.machine("replica", replica)


async def cut(sim: Simulation, replica: Machine) -> None:
    """Break the replica's connection now and then, so that it has to go on where it was."""
    while not sim.calm.is_set():
        await asyncio.sleep(sim.rand.random() * 2)
        follower = None if replica.node is None else replica.node.store.follower
        if follower is not None and follower.up:
            follower.upstream.link.abort()


async def caught_up(primary: Machine, replica: Machine) -> None:
    """The replica has all of the stream, and the same data."""

    def place(machine: Machine) -> tuple[bytes, int]:
        return machine.node.store.primary.id, machine.node.store.primary.offset

    until = asyncio.get_running_loop().time() + CATCH_UP_S
    while not replica.node.store.follower.up or place(primary) != place(replica):
        await asyncio.sleep(0.1)
        if asyncio.get_running_loop().time() > until:
            raise Violation(f"the replica is at {place(replica)}, its primary at {place(primary)}")
    data, expected = data_of(replica.node.store), data_of(primary.node.store)
    if data != expected:
        raise Violation(f"in the end the replica has {differences(data, expected)}")


async def change_places(sim: Simulation, old: Machine, new: Machine) -> None:
    """Let the replica be the primary, and the primary its replica.

    That takes no snapshot, unless the old primary has bytes of the stream that the new one lacks.
    """
    before, after = old.node.store, new.node.store
    snapshots, ahead = after.primary.full, False
    if sim.rand.chance(0.5):
        client = before.client()
        before.run(client, Args.of(b"FAILOVER"))
    else:
        cease(after)
        ahead = before.primary.offset > after.primary.offset
        follow(before, "replica", 6379)
    until = asyncio.get_running_loop().time() + CATCH_UP_S
    while before.follower is None or not before.follower.up:
        await asyncio.sleep(0.1)
        if asyncio.get_running_loop().time() > until:
            raise Violation("the places were not changed in time")
    if after.primary.full != snapshots and not ahead:
        raise Violation("the old primary needed a snapshot to follow the new one")


async def scenario(sim: Simulation) -> None:
    """See the module."""
    history: list[Op] = []
    witness = Witness()
    replica: Machine | None = None
    if sim.rand.chance(0.5):
        machine, replica = with_replica(sim, witness)
        await sim.bring_up(machine)
        await sim.bring_up(replica)
        if sim.rand.chance(0.5):
            sim.spawn(cut(sim, replica))
    else:
        machine = sim.machine("server", serve)
        await sim.bring_up(machine)
    clients = [Client(sim, sim.host("client"), i, history) for i in range(CLIENTS)]
    tasks = [sim.spawn(client.work()) for client in clients]
    await sim.trouble(TROUBLE_S)
    await asyncio.wait_for(asyncio.gather(*tasks), 30)
    if sim.rand.chance(0.5):
        # Some of what was acknowledged last has no later batch that would tell of its loss.
        machine.power_cut()
        await sim.bring_up(machine)
    if replica is not None:
        await caught_up(machine, replica)
        replica.node.store.follower.upstream.link.abort()
        await clients[0].perform([clients[0].invent() for _ in range(3)])
        await caught_up(machine, replica)
        await change_places(sim, machine, replica)
        clients[0].line = Line(sim.host("observer"), ("replica", 6379), RespCaller)
        await clients[0].perform([clients[0].invent() for _ in range(3)])
        await caught_up(replica, machine)
        sim.trace("compared", witness.compared)
        if witness.wrong:
            raise Violation(witness.wrong)
    for key in sorted({op.input[1] for op in history}):
        while not await clients[0].perform([(b"GET", key)]):
            pass
    verdict = check(history, Keys(), key=lambda command: command[1])
    if not verdict:
        raise Violation(verdict.explain())
