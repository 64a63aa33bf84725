"""minidb under crashes and a bad network: snapshot isolation, atomic and durable commits.

Clients on another machine move money between accounts.  A transfer appends its name and amount to
the history of both accounts in one transaction; a look reads all accounts in two statements of one
REPEATABLE READ transaction, or in a single statement.  Meanwhile the server's process is killed,
its power cut, its disk full or failing and the network delays, resets and parts.

    account   id 0..ACCOUNTS-1 | balance | history "client.number:amount;..."

Of every transfer is known whether it was acknowledged, refused (an error, or COMMIT was never
sent), or of unknown fate (the connection broke after COMMIT was sent).  What must hold:

1. A look sees the sum that was there at the start, and balances that agree with the histories.
2. A transfer is in both histories of a look, once each, or in none; a refused one is in none.
3. An acknowledged transfer is in every look that began later, crash or no crash.
4. Looks are prefixes of one another: of two looks, one saw all that the other did, in that order;
   one that began after the other's end saw no less.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from bedrock.net import Session
from bedrock.sim.simulation import Simulation, Violation
from bedrock.world import World
from minidb.config import Config
from minidb.server import Server

CLIENTS = 3
ACCOUNTS = 5
START = 100
TROUBLE_S = 8
PATIENCE_S = 1.5
NEVER = 1 << 62

# A deadlock, a row changed by another, a lock not got in time, a full disk: told, and undone.
REFUSALS = frozenset({"40P01", "40001", "55P03", "53100", "25P02", "57P01"})

SETUP = "create table if not exists account (id int primary key, balance int, history text); " \
    f"insert into account select i, {START}, '' from generate_series(0, {ACCOUNTS - 1}) i " \
    "on conflict do nothing"  # noqa: S608
LOOKS = (
    ("select id, balance, history from account order by id",),
    ("begin isolation level repeatable read",
     "select id, balance, history from account where id < 2 order by id",
     "select id, balance, history from account where id >= 2 order by id",
     "commit"),
)  # fmt: skip


class Refused(Exception):
    """The server said no: SQLSTATE and message."""


class Caller(Session):
    """A client's connection: one simple query at a time."""

    def __init__(self) -> None:
        self.rows: list[list[str]] = []
        self.tag = ""
        self.error = ""
        self.answer: asyncio.Future | None = None

    def received(self, data: bytes, out: Any) -> int:
        """Take whole messages; ReadyForQuery ends an answer."""
        used = 0
        while len(data) - used >= 5:
            end = used + 1 + int.from_bytes(data[used + 1 : used + 5], "big")
            if len(data) < end:
                break
            self.heard(data[used : used + 1], data[used + 5 : end])
            used = end
        return used

    def heard(self, kind: bytes, body: bytes) -> None:
        """One message."""
        if kind == b"D":
            row, at = [], 2
            for _ in range(int.from_bytes(body[:2], "big")):
                size = int.from_bytes(body[at : at + 4], "big")
                row.append(body[at + 4 : at + 4 + size].decode())
                at += 4 + size
            self.rows.append(row)
        elif kind == b"C":
            self.tag = body[:-1].decode()
        elif kind == b"E":
            fields = {field[:1]: field[1:].decode() for field in body.split(b"\0") if field}
            self.error = f"{fields[b'C']} {fields[b'M']}"
        elif kind == b"Z" and self.answer is not None and not self.answer.done():
            self.answer.set_result(None)

    def closed(self, exc: BaseException | None) -> None:
        """Whoever waits learns that no answer will come."""
        if self.answer is not None and not self.answer.done():
            self.answer.set_exception(ConnectionError("closed"))

    async def start(self) -> None:
        """The startup packet and its answer."""
        body = b"\0\3\0\0user\0postgres\0database\0postgres\0options\0-c lock_timeout=400ms\0\0"
        await self.send((len(body) + 4).to_bytes(4, "big") + body)

    async def ask(self, sql: str) -> list[list[str]]:
        """The rows of a query; Refused when the server answers with an error."""
        await self.send(b"Q" + (len(sql) + 5).to_bytes(4, "big") + sql.encode() + b"\0")
        return self.rows

    async def send(self, data: bytes) -> None:
        """Send, and wait for ReadyForQuery."""
        self.rows, self.tag, self.error = [], "", ""
        self.answer = asyncio.get_running_loop().create_future()
        self.link.write(data)
        await self.answer
        if self.error:
            raise Refused(self.error)


@dataclass
class Transfer:
    """acknowledged: when, by the ticks of the run; NEVER while its fate is unknown"""

    name: str
    acknowledged: int = NEVER
    refused: bool = False


@dataclass
class Look:
    """What one snapshot showed: the histories by account, as lists of "name:amount"."""

    begun: int
    ended: int
    histories: list[list[str]]


class Client:
    """Makes transfers and looks until all is calm, and keeps what it saw."""

    def __init__(self, sim: Simulation, world: World, number: int) -> None:
        self.sim = sim
        assert world.net is not None
        self.net = world.net
        self.rand = world.rand
        self.number = number
        self.caller: Caller | None = None
        self.transfers: list[Transfer] = []
        self.looks: list[Look] = []

    async def work(self) -> None:
        """Do one thing after another."""
        while not self.sim.calm.is_set():
            await asyncio.sleep(self.rand.random() * 0.05)
            await self.transact(self.look if self.rand.chance(0.3) else self.transfer)

    async def transact(self, work: Any) -> bool:
        """Carry out `work(caller)`; True if the server took all of it."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                if self.caller is None or self.caller.link.closed:
                    self.caller = None
                    self.caller = await self.net.connect(Caller, ("server", 5432))
                    await self.caller.start()
                try:
                    await work(self.caller)
                    return True
                except Refused as exc:
                    if str(exc).split()[0] not in REFUSALS:
                        raise Violation(f"{work.__name__}: {exc}") from exc
                    await self.caller.ask("rollback")
        except (OSError, TimeoutError):
            if self.caller is not None:
                self.caller.link.abort()
                self.caller = None
        return False

    async def setup(self, caller: Caller) -> None:
        """The accounts."""
        await caller.ask(SETUP)

    async def transfer(self, caller: Caller) -> None:
        """Move an amount from one account to another."""
        transfer = Transfer(f"{self.number}.{len(self.transfers)}", refused=True)
        self.transfers.append(transfer)
        amount = 1 + self.rand.below(9)
        source = self.rand.below(ACCOUNTS)
        target = (source + 1 + self.rand.below(ACCOUNTS - 1)) % ACCOUNTS
        level = self.rand.choice(["read committed", "repeatable read"])
        await caller.ask(f"begin isolation level {level}")
        for account, change in ((source, -amount), (target, amount)):
            await caller.ask(
                f"update account set balance = balance + ({change}), "  # noqa: S608
                f"history = history || '{transfer.name}:{change};' where id = {account}")
        if self.rand.chance(0.1):
            await caller.ask("rollback")
            return
        transfer.refused = False
        try:
            await caller.ask("commit")
        except Refused:
            transfer.refused = True
            raise
        if caller.tag == "COMMIT":
            transfer.acknowledged = self.sim.tick()
            self.sim.operations += 1
            self.sim.trace("transfer", transfer.name)

    async def look(self, caller: Caller) -> None:
        """Read everything, and check what can be told at once."""
        begun, rows = self.sim.tick(), []
        for sql in self.rand.choice(LOOKS):
            rows += await caller.ask(sql)
        self.sim.operations += 1
        self.sim.trace("look", rows)
        histories = [history.split(";")[:-1] for _, _, history in rows]
        balances = [int(balance) for _, balance, _ in rows]
        if len(rows) != ACCOUNTS or sum(balances) != ACCOUNTS * START:
            raise Violation(f"a look sees {balances}")
        for balance, history in zip(balances, histories, strict=True):
            if balance != START + sum(int(entry.split(":")[1]) for entry in history):
                raise Violation(f"a balance of {balance} with the history {history}")
        self.looks.append(Look(begun, self.sim.tick(), histories))


def judge(transfers: list[Transfer], looks: list[Look]) -> None:
    """Check the invariants 2 to 4 of the module; Violation where one does not hold."""
    refused = {transfer.name for transfer in transfers if transfer.refused}
    for look in looks:
        seen: dict[str, int] = {}
        for history in look.histories:
            for entry in history:
                name = entry.split(":")[0]
                seen[name] = seen.get(name, 0) + 1
        for name, times in seen.items():
            if times != 2:
                raise Violation(f"transfer {name} is in {times} histories of a look")
            if name in refused:
                raise Violation(f"transfer {name} was refused, and a look sees it")
        for transfer in transfers:
            if transfer.acknowledged < look.begun and transfer.name not in seen:
                raise Violation(f"transfer {transfer.name} was acknowledged, and a look misses it")
    ordered = sorted(looks, key=lambda look: (sum(map(len, look.histories)), look.begun))
    latest = 0
    for earlier, later in pairwise(ordered):
        for before, after in zip(earlier.histories, later.histories, strict=True):
            if after[: len(before)] != before:
                raise Violation(f"two looks disagree: {before} and {after}")
        latest = max(latest, earlier.begun)
        if later.ended < latest and later.histories != earlier.histories:
            raise Violation("a later look sees less than one before it")


async def scenario(sim: Simulation) -> None:
    """See the module."""

    async def build(world: World) -> Server:
        server = Server(world, Config(host="server", port=5432))
        await server.start()
        return server

    machine = sim.machine("server", build)
    await sim.bring_up(machine)
    clients = [Client(sim, sim.host("client"), number) for number in range(CLIENTS)]
    while not await clients[0].transact(clients[0].setup):
        await sim.bring_up(machine)
    tasks = [sim.spawn(client.work()) for client in clients]
    await sim.trouble(TROUBLE_S)
    await asyncio.wait_for(asyncio.gather(*tasks), 30)
    if sim.rand.chance(0.5):
        # Some of what was acknowledged last has no later look that would miss it.
        machine.power_cut()
        await sim.bring_up(machine)
    while not await clients[0].transact(clients[0].look):
        pass
    judge([transfer for client in clients for transfer in client.transfers],
          [look for client in clients for look in client.looks])
