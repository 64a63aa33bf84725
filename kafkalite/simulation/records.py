"""Idempotent producers and a consumer: every record once, in order, in its place.

Producers send numbered records to a broker that syncs before it answers, and send each batch again
until it is acknowledged; a consumer follows the log and commits how far it came.  Then:

1. Offsets are dense: each record fetched has the offset after the one before.
2. A producer's records are there once each and in order, and where their acknowledgement said.
3. What was fetched once is fetched again, the same: only what is durable is shown.
4. The committed offset is the newest acknowledged, or one that was sent after it.
"""

from __future__ import annotations

import asyncio

from bedrock.sim.caller import LOST
from bedrock.sim.simulation import Simulation, Violation
from kafkalite.batch import Record, pack, unpack_all
from kafkalite.errors import Code
from kafkalite.simulation.client import TRY_AGAIN, Client

TOPIC, GROUP = "t", "g"


class Producer(Client):
    """Sends batches until all is calm, each until it is acknowledged.

    placed: the offset of each of its records
    """

    def __init__(self, sim: Simulation, number: int):
        super().__init__(sim)
        self.number = number
        self.placed: list[int] = []

    async def work(self) -> None:
        """One batch after another."""
        await self.make_topic(TOPIC)
        self.producer_id = -1
        while self.producer_id < 0:
            answer = await self.insist("InitProducerId", transactional_id=None)
            if answer["error_code"] not in (Code.NONE, *TRY_AGAIN):
                raise Violation(f"no producer id: {Code(answer['error_code']).name}")
            self.producer_id = answer["producer_id"]
            await asyncio.sleep(0.05)
        while not self.sim.calm.is_set():
            await asyncio.sleep(self.rand.random() * 0.05)
            await self.send(1 + self.rand.below(3))

    async def send(self, count: int) -> None:
        """Send a batch of records, and note where they are."""
        first = len(self.placed)
        records = [
            Record(0, 1_000 + i, None, b"%d.%d" % (self.number, i) + b"-" * self.rand.below(200))
            for i in range(first, first + count)
        ]
        batch = pack(
            records, producer_id=self.producer_id, producer_epoch=0, base_sequence=first
        )
        topics = [{"name": TOPIC, "partitions": [{"index": 0, "records": batch}]}]
        while True:
            answer = await self.insist("Produce", acks=-1, timeout_ms=1000, topics=topics)
            part = answer["topics"][0]["partitions"][0]
            code, base = part["error_code"], part["base_offset"]
            if code == 0:
                break
            if code not in TRY_AGAIN:
                raise Violation(f"producer {self.number}, record {first}: {Code(code).name}")
            await asyncio.sleep(0.05)
        self.sim.operations += 1
        self.sim.trace("acknowledged", self.number, first, base)
        self.placed += range(base, base + count)


class Consumer(Client):
    """Follows the log, and commits.

    values: what was fetched, by offset
    """

    def __init__(self, sim: Simulation):
        super().__init__(sim)
        self.values: list[bytes] = []
        self.committed = -1  # newest acknowledged
        self.sent = -1  # newest that may have been taken

    async def work(self) -> None:
        """Fetch from the end of what is known, and now and then all anew."""
        await self.make_topic(TOPIC)
        while not self.sim.calm.is_set():
            await asyncio.sleep(self.rand.random() * 0.05)
            await self.fetch(0 if self.rand.chance(0.1) else len(self.values))
            if self.rand.chance(0.3):
                await self.commit()

    async def fetch(self, start: int) -> int:
        """Fetch once from an offset, and compare; how many records came."""
        part = {"index": 0, "fetch_offset": start, "max_bytes": 1 << 20}
        answer = await self.call(
            "Fetch", max_wait_ms=100, min_bytes=1, max_bytes=1 << 20,
            topics=[{"name": TOPIC, "partitions": [part]}],
        )  # fmt: skip
        if answer is LOST:
            return 0
        part = answer["topics"][0]["partitions"][0]
        if part["error_code"]:
            raise Violation(f"fetch at {start}: {Code(part['error_code']).name}")
        records = [r for r in unpack_all(part["records"]) if r.offset >= start]
        self.sim.trace("fetched", start, len(records))
        for offset, record in enumerate(records, start):
            if record.offset != offset:
                raise Violation(f"offset {record.offset} where {offset} should be")
            if offset == len(self.values):
                self.values.append(record.value or b"")
            elif self.values[offset] != record.value:
                raise Violation(f"offset {offset} is not what it was")
        return len(records)

    async def commit(self) -> None:
        """Commit how far it came."""
        self.sent = len(self.values)
        part = {"index": 0, "committed_offset": self.sent, "committed_metadata": ""}
        answer = await self.call(
            "OffsetCommit", group_id=GROUP, generation_id=-1,
            topics=[{"name": TOPIC, "partitions": [part]}],
        )  # fmt: skip
        if answer is not LOST:
            code = answer["topics"][0]["partitions"][0]["error_code"]
            if code == 0:
                self.committed = self.sent
            elif code not in TRY_AGAIN:
                raise Violation(f"commit: {Code(code).name}")

    async def finish(self, producers: list[Producer]) -> None:
        """Read all from the first, and compare with what was acknowledged."""
        known, at = len(self.values), 0
        while at < known or at < 1 + max(max(p.placed, default=-1) for p in producers):
            count = await self.fetch(at)
            if not count and self.line.sent:
                await self.patience(at)
            at += count
        for producer in producers:
            name = b"%d" % producer.number
            found = [
                (offset, int(value.partition(b".")[2].rstrip(b"-")))
                for offset, value in enumerate(self.values)
                if value.partition(b".")[0] == name
            ]
            if [number for _, number in found] != list(range(len(producer.placed))):
                raise Violation(f"producer {producer.number}: not every record once, in order")
            if [offset for offset, _ in found] != producer.placed:
                raise Violation(f"producer {producer.number}: a record is not where it was said")
        answer = await self.insist(
            "OffsetFetch", groups=[{"group_id": GROUP, "topics": None}]
        )
        topics = answer["groups"][0]["topics"]
        committed = topics[0]["partitions"][0]["committed_offset"] if topics else -1
        if not self.committed <= committed <= len(self.values):
            raise Violation(f"committed {self.committed}, found {committed}")

    async def patience(self, at: int) -> None:
        """Nothing came: the log must not end here."""
        part = {"index": 0, "timestamp": -1}
        answer = await self.insist(
            "ListOffsets", replica_id=-1, topics=[{"name": TOPIC, "partitions": [part]}]
        )
        end = answer["topics"][0]["partitions"][0]["offset"]
        if end <= at:
            raise Violation(f"the log ends at {end}, more was acknowledged or fetched")
