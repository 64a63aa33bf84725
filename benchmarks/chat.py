"""chat beside ngIRCd: fan-out of a channel.

Two loads, with everyone in one channel and one speaker:

    paced   a message every 10 ms: each delivery is a write of its own, the honest cost of a message
    flood   messages as fast as they go: deliveries coalesce, and the Python loader is near its
            own limit, so this row is a floor for both servers

An operation is a delivery.
"""

from __future__ import annotations

import asyncio
import time

import uvloop

from benchmarks.harness import Bench, Sample, Subject

MEMBERS = 300
TEXT = "x" * 100


class Member(asyncio.Protocol):
    """A client that counts what it hears; `late` collects the delay of each message in ms."""

    heard = 0
    late: list[float] = []

    def __init__(self, nick: str):
        self.nick = nick
        self.tail = b""
        self.joined = asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        self.transport = transport
        transport.write(f"NICK {self.nick}\r\nUSER {self.nick} 0 * :x\r\n".encode())

    def data_received(self, data):
        if not self.joined.done():
            self.tail += data
            if b" 001 " in self.tail:
                self.transport.write(b"JOIN #bench\r\n")
                self.tail = self.tail.replace(b" 001 ", b"")
            if b" 366 " in self.tail:
                self.joined.set_result(None)
                self.tail = b""
            return
        data = self.tail + data
        *lines, self.tail = data.split(b"\r\n")
        said = [line for line in lines if b" PRIVMSG " in line]
        Member.heard += len(said)
        if said:
            sent = float(said[-1].split(b"@@", 1)[1].split(b" ", 1)[0])
            Member.late.append((time.perf_counter() - sent) * 1e3)
        if b"PING" in data:
            self.transport.write(b"PONG :x\r\n")


async def converse(subject: Subject, messages: int, pause_s: float) -> Sample:
    loop = asyncio.get_running_loop()
    members = []
    for number in range(MEMBERS):
        _, member = await loop.create_connection(
            lambda number=number: Member(f"m{number}"), subject.host, subject.port
        )
        await asyncio.wait_for(member.joined, 20)
        members.append(member)
    await asyncio.sleep(0.3)
    Member.heard, Member.late = 0, []
    expected = messages * (MEMBERS - 1)
    start = time.perf_counter()
    for _ in range(messages):
        line = f"PRIVMSG #bench :@@{time.perf_counter()} {TEXT}\r\n"
        members[0].transport.write(line.encode())
        if pause_s:
            await asyncio.sleep(pause_s)
    deadline = time.perf_counter() + 30
    while Member.heard < expected and time.perf_counter() < deadline:
        await asyncio.sleep(0.005)
    seconds = time.perf_counter() - start
    for member in members:
        member.transport.close()
    late = sorted(Member.late)
    return Sample(Member.heard, seconds, late[int(len(late) * 0.99)] if late else None)


def paced(subject: Subject) -> Sample:
    return uvloop.run(converse(subject, 200, 0.01))


def flood(subject: Subject) -> Sample:
    return uvloop.run(converse(subject, 3000, 0))


def run(bench: Bench) -> None:
    with bench.ours("chat", flood_lines=0) as ours, bench.peer("ngircd") as peer:
        bench.compare(f"{MEMBERS} members, paced", paced, ours, peer, cpu=1.0)
        bench.compare(f"{MEMBERS} members, flood", flood, ours, peer, rps=1.0)


def main(argv: list[str]) -> int:
    from benchmarks.__main__ import main as run_named

    return run_named(["chat", *argv])
