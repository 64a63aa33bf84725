"""tsdb under crashes and a bad network: head and blocks answer as a list of what was acknowledged.

Writers on another machine send batches of line protocol, each of several series at one time, while
the head is flushed, blocks are merged and downsampled and what is too old is dropped every moment,
the server is killed, its power cut, its disk full or failing, and the network bad.

    204        the batch is kept, whole
    507        no room: none of it is
    no answer  the batch is kept whole, or not at all

An earlier time is written over now and then; the newest acknowledged value must win.  Others come
late, and ranges of time are deleted.  Times whose fate is unknown are left alone, as a batch still
on its way could arrive after the next; and what retention may have dropped may be found or not.

A query rests wherever it may, so that all else happens in the middle of it.

Tiers are kept for ever: sums, counts, least and most of every window of buckets must be those of
what was acknowledged, also when the samples are long gone.  Only what is written over or deleted
when some are gone already blurs its buckets; what is added never does.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from bedrock.sim.caller import LOST, Caller, Line
from bedrock.sim.simulation import Machine, Simulation, Violation
from bedrock.world import World
from bedrock.world.slices import Slices
from tsdb.config import TsdbConfig
from tsdb.server import Server

WRITERS = 2
SERIES = 3  # of one batch
TROUBLE_S = 8
STEP_MS = 25  # between the times of batches, about as fast as they are written
RETENTION_MS = 3000
BUCKETS_MS = (100, 400)
SUMMARIES: dict[str, Callable[[list[float]], float]] = {
    "count_over_time": len, "sum_over_time": sum, "min_over_time": min, "max_over_time": max,
}  # fmt: skip
QUERY = quote("m_v[1d]")

# {ms: value} of one writer; the value of every series of a batch is the same
Samples = dict[int, float]


class HttpCaller(Caller):
    """A connection that speaks HTTP/1.1."""

    def whole(self, heard: bytes) -> tuple[tuple[int, bytes], int]:
        """Status and body."""
        head, found, _ = heard.partition(b"\r\n\r\n")
        if not found:
            return (0, b""), 0
        size = 0
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                size = int(value)
        end = len(head) + 4 + size
        if len(heard) < end:
            return (0, b""), 0
        return (int(head.split(b" ", 2)[1]), heard[len(head) + 4 : end]), end


def http(method: str, path: str, body: bytes = b"") -> bytes:
    """A request."""
    head = f"{method} {path} HTTP/1.1\r\nHost: server\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


class Writer:
    """Writes and reads series of its own until all is calm."""

    def __init__(self, sim: Simulation, server: Machine, world: World, number: int):
        self.sim = sim
        self.server = server
        self.begun_ms = server.clock.wall_ms()
        self.number = number
        self.rand = world.rand
        self.line = Line(world, ("server", 9090), HttpCaller)
        self.sure: Samples = {}
        self.unsure: Samples = {}
        self.blurred: set[int] = set()  # times that buckets may tell wrongly
        self.written = 0

    async def work(self) -> None:
        """One thing after another."""
        while not self.sim.calm.is_set():
            await asyncio.sleep(self.rand.random() * 0.05)
            if self.rand.chance(0.05):
                await self.read()
            elif self.rand.chance(0.03):
                await self.read_buckets(*self._a_summary())
            elif self.rand.chance(0.03):
                await self.delete()
            else:
                await self.write()

    async def write(self) -> None:
        """Write a batch, and note what became of it."""
        self.written += 1
        time_ms = self.begun_ms + self.written * STEP_MS
        if self.sure and self.rand.chance(0.2):
            time_ms = self.rand.choice(sorted(self.sure))
            if self.rand.chance(0.5):
                time_ms += 1 + self.rand.below(STEP_MS - 1)
        value = float(self.written)
        lines = "\n".join(
            f"m,w={self.number},s={s} v={value} {time_ms}" for s in range(SERIES)
        )
        answer = await self.line.ask(http("POST", "/write?precision=ms", lines.encode()))
        if time_ms in self.sure or time_ms in self.unsure:
            self._blur(time_ms, time_ms)
        if answer is LOST:
            if self.line.sent:
                self.unsure[time_ms] = value
                if time_ms in self.sure:
                    # Either value may be found from now on: nothing can be said of this time.
                    self.unsure[time_ms] = -1.0
                    del self.sure[time_ms]
            return
        self.sim.operations += 1
        self.sim.trace("wrote", self.number, time_ms, value, answer[0])
        if answer[0] == 204:
            self.sure[time_ms] = value
        elif answer[0] != 507:
            raise Violation(f"a write was answered with {answer}")

    async def delete(self) -> None:
        """Delete a range of time."""
        low = self.begun_ms + self.rand.below(self.written + 1) * STEP_MS
        high = low + self.rand.below(40) * STEP_MS
        match = quote(f'm_v{{w="{self.number}"}}')
        path = f"/api/v1/admin/tsdb/delete_series?match[]={match}"
        path += f"&start={low / 1000}&end={high / 1000}"
        answer = await self.line.ask(http("POST", path))
        self._blur(low, high)
        gone = [time_ms for time_ms in self.sure if low <= time_ms <= high]
        if answer is LOST:
            if self.line.sent:
                for time_ms in gone:
                    self.unsure[time_ms] = self.sure.pop(time_ms)
            return
        self.sim.operations += 1
        self.sim.trace("deleted", self.number, low, high, answer[0])
        if answer[0] == 204:
            for time_ms in gone:
                del self.sure[time_ms]
        elif answer[0] == 500:
            # The disk is full, perhaps in the middle of it.
            for time_ms in gone:
                self.unsure[time_ms] = self.sure.pop(time_ms)
        else:
            raise Violation(f"a deletion was answered with {answer}")

    def _blur(self, low_ms: int, high_ms: int) -> None:
        """Samples of this time were changed, and buckets cannot tell once others are gone."""
        if self.server.clock.wall_ms() > self.begun_ms + RETENTION_MS:
            widest = max(BUCKETS_MS)
            self.blurred.update(range(low_ms - widest, high_ms + widest + 1))

    async def read(self) -> bool:
        """Read all series and compare; True if it was answered."""
        # The end of the range is beyond every time that is written.
        path = f"/api/v1/query?query={QUERY}&time={self.begun_ms / 1000 + 3600}"
        answer = await self.line.ask(http("GET", path))
        if answer is LOST:
            return False
        if answer[0] != 200:
            raise Violation(f"a query was answered with {answer}")
        found = [
            {round(float(t) * 1000): float(v) for t, v in series["values"]}
            for series in json.loads(answer[1])["data"]["result"]
            if series["metric"]["w"] == str(self.number)
        ]
        self.sim.trace("read", self.number, *(len(samples) for samples in found))
        self.compare(found)
        return True

    def _a_summary(self) -> tuple[str, int]:
        return self.rand.choice(sorted(SUMMARIES)), self.rand.choice(BUCKETS_MS)

    async def read_buckets(self, name: str, window_ms: int) -> bool:
        """Ask for all windows of buckets and compare; True if it was answered."""
        first = -(-self.begun_ms // window_ms) * window_ms
        last = first + (self.written + 2) * STEP_MS
        query = quote(f'{name}(m_v{{w="{self.number}"}}[{window_ms}ms])')
        path = f"/api/v1/query_range?query={query}&start={first / 1000}&end={last / 1000}"
        answer = await self.line.ask(http("GET", f"{path}&step={window_ms / 1000}"))
        if answer is LOST:
            return False
        if answer[0] != 200:
            raise Violation(f"a query was answered with {answer}")
        found = [
            {round(float(t) * 1000): float(v) for t, v in series["values"]}
            for series in json.loads(answer[1])["data"]["result"]
        ]
        self.sim.trace("read buckets", self.number, name, *(len(windows) for windows in found))
        unclear = self.blurred | set(self.unsure)
        for end in range(first, last, window_ms):
            times = range(end - window_ms, end + 1)
            if not unclear.isdisjoint(times):
                continue
            values = [self.sure[time_ms] for time_ms in times if time_ms in self.sure]
            expected = float(SUMMARIES[name](values)) if values else None
            if any(windows.get(end) != expected for windows in found or [{}]):
                raise Violation(
                    f"writer {self.number}: {name} of {window_ms} ms up to {end} is {expected}, "
                    f"{[windows.get(end) for windows in found]} is found"
                )
        return True

    def compare(self, found: list[Samples]) -> None:
        """Every series has what is sure, and of what is unsure all have the same."""
        if any(samples != found[0] for samples in found) or len(found) not in (0, SERIES):
            raise Violation("a batch is there in part")
        samples = found[0] if found else {}
        kept_ms = self.server.clock.wall_ms() - RETENTION_MS
        for time_ms, value in self.sure.items():
            if time_ms >= kept_ms and samples.get(time_ms) != value:
                raise Violation(
                    f"writer {self.number}: at {time_ms} {value} was acknowledged, "
                    f"{samples.get(time_ms)} is found"
                )
        for time_ms, value in samples.items():
            known = self.unsure.get(time_ms)
            if time_ms not in self.sure and known not in (value, -1.0) and time_ms >= kept_ms:
                raise Violation(f"writer {self.number}: {value} at {time_ms} was never written")


async def scenario(sim: Simulation) -> None:
    """See the module."""

    async def build(world: World) -> Server:
        config = TsdbConfig(
            host="server", port=9090, influx_port=-1, block_range="1s", maintenance_s=0.3,
            retention=f"{RETENTION_MS}ms", tiers="100ms:500ms:0,400ms:2s:0",
        )  # fmt: skip
        server = Server(replace(world, slices=Slices(0)), config)
        await server.start()
        return server

    machine = sim.machine("server", build)
    await sim.bring_up(machine)
    writers = [Writer(sim, machine, sim.host("client"), number) for number in range(WRITERS)]
    tasks: list[asyncio.Task[Any]] = [sim.spawn(writer.work()) for writer in writers]
    await sim.trouble(TROUBLE_S)
    await asyncio.wait_for(asyncio.gather(*tasks), 30)
    machine.power_cut()
    await sim.bring_up(machine)
    for writer in writers:
        while not await writer.read():
            pass
        for name in SUMMARIES:
            for window_ms in BUCKETS_MS:
                while not await writer.read_buckets(name, window_ms):
                    pass
