"""Transactional producers and a reader of committed records: all of a transaction or nothing.

Each producer writes to two partitions and commits an offset in one transaction after the other,
asking again until it knows how each ended; now and then it is replaced by another one of its name,
in the middle of a transaction.  Then:

1. A reader of committed records sees every record of every committed transaction, once and in the
   producer's order, and none of an aborted one, at any time.
2. The committed offset is that of the last committed transaction that had one.
3. A producer that was replaced can write and commit nothing more.

Before KIP-890 the protocol itself could not promise this: an EndTxn delayed on a broken connection
ends the transaction after the one it was for, as Jepsen found (KAFKA-17754).  So a producer of that
protocol which got no answer takes a new epoch after its transaction, and whether that transaction
was committed it cannot know: then its records must be there all, or none.
"""

from __future__ import annotations

import asyncio
from typing import Any

from bedrock.sim.caller import LOST
from bedrock.sim.simulation import Simulation, Violation
from kafkalite.batch import Record, describe, marker_type, pack, split, unpack
from kafkalite.errors import Code
from kafkalite.simulation.client import TRY_AGAIN, Client

TOPIC, GROUP, PARTITIONS = "o", "og", 2
TRANSACTIONAL = 16
BUSY = (*TRY_AGAIN, Code.CONCURRENT_TRANSACTIONS)
# Versions of the protocol before KIP-890, and with it.
CLASSIC = {"Produce": 11, "EndTxn": 4, "TxnOffsetCommit": 4, "AddPartitionsToTxn": 3}
NEWEST = {"Produce": 12, "EndTxn": 5, "TxnOffsetCommit": 5}


class Processor(Client):
    """One transactional id, and whoever works under it.

    written     by transaction: what readers must see in each partition, and the offset committed
    doubtful    transactions that may have been committed
    """

    def __init__(self, sim: Simulation, number: int):
        super().__init__(sim)
        self.number = number
        self.versions = NEWEST if number % 2 else CLASSIC
        self.written: dict[int, tuple[list[list[bytes]], int]] = {}
        self.doubtful: set[int] = set()
        self.lost = False
        self.sequences = [0] * PARTITIONS
        self.count = 0
        self.id = self.epoch = -1

    @property
    def identity(self) -> dict[str, Any]:
        """Who speaks, in every request of a transaction."""
        return {
            "transactional_id": f"p{self.number}",
            "producer_id": self.id,
            "producer_epoch": self.epoch,
        }

    async def work(self) -> None:
        """One transaction after another."""
        await self.make_topic(TOPIC, PARTITIONS)
        await self.enlist()
        while not self.sim.calm.is_set():
            await asyncio.sleep(self.rand.random() * 0.05)
            await self.transaction()

    async def call(self, name: str, version: int | None = None, **body: Any) -> Any:
        """As ever; notes that there was no answer."""
        answer = await super().call(name, version, **body)
        self.lost = self.lost or answer is LOST
        return answer

    async def until(self, name: str, **body: Any) -> tuple[Code, dict[str, Any]]:
        """The response once the broker is not busy, and its error code."""
        while True:
            answer = await self.insist(name, self.versions.get(name), **body)
            code = Code(self._code(answer))
            if code not in BUSY:
                return code, answer
            await asyncio.sleep(0.05)

    def _code(self, answer: dict[str, Any]) -> int:
        for key in ("topics", "responses", "results_by_topic"):
            for topic in answer.get(key) or ():
                parts = topic.get("partitions") or topic.get("results_by_partition")
                return parts[0].get("error_code", parts[0].get("partition_error_code"))
        return answer["error_code"]

    def expect(self, what: str, code: Code) -> None:
        """Violation unless the request was granted."""
        if code is not Code.NONE:
            raise Violation(f"processor {self.number}: {what}: {code.name}")

    async def enlist(self) -> None:
        """Become the producer of this name; who was it before is no more."""
        code, answer = await self.until(
            "InitProducerId",
            transactional_id=f"p{self.number}", transaction_timeout_ms=600_000,
        )  # fmt: skip
        self.expect("InitProducerId", code)
        self.id, self.epoch = answer["producer_id"], answer["producer_epoch"]
        self.sequences = [0] * PARTITIONS
        self.lost = False

    async def transaction(self) -> None:
        """Write, and end it one way or another."""
        self.count += 1
        written: list[list[bytes]] = [[] for _ in range(PARTITIONS)]
        for step in range(1 + self.rand.below(3)):
            index = self.rand.below(PARTITIONS)
            values = [
                b"%d.%d.%d.%d" % (self.number, self.count, step, i)
                for i in range(1 + self.rand.below(3))
            ]
            self.expect("Produce", await self.send(index, values))
            written[index] += values
        offset = -1
        if self.rand.chance(0.5):
            offset = self.count
            await self.commit_offset(offset)
        if self.rand.chance(0.1):
            await self.replaced()
            return
        commit = self.rand.chance(0.7)
        ended = await self.end(commit)
        self.sim.operations += 1
        self.sim.trace("ended", self.number, self.count, commit, ended)
        if commit:
            self.written[self.count] = (written, offset)
            if not ended:
                self.doubtful.add(self.count)
        if self.lost and self.versions is CLASSIC:
            await self.enlist()

    async def end(self, commit: bool) -> bool:
        """End the transaction; False if it cannot be known whether it was."""
        if self.versions is CLASSIC:
            while True:
                answer = await self.call("EndTxn", 4, **self.identity, committed=commit)
                if answer is LOST:
                    return False
                if answer["error_code"] not in BUSY:
                    self.expect("EndTxn", Code(answer["error_code"]))
                    return True
                await asyncio.sleep(0.05)
        code, answer = await self.until("EndTxn", **self.identity, committed=commit)
        self.expect("EndTxn", code)
        self.id, self.epoch = answer["producer_id"], answer["producer_epoch"]
        self.sequences = [0] * PARTITIONS
        return True

    async def send(self, index: int, values: list[bytes]) -> Code:
        """Write records to a partition."""
        if self.versions is CLASSIC:
            topics: list[dict] = [{"name": TOPIC, "partitions": [index]}]
            code, _ = await self.until("AddPartitionsToTxn", **self.identity, topics=topics)
            if code is not Code.NONE:
                return code
        records = [Record(0, 1000, None, value) for value in values]
        batch = pack(
            records, producer_id=self.id, producer_epoch=self.epoch,
            base_sequence=self.sequences[index], attributes=TRANSACTIONAL,
        )
        topics = [{"name": TOPIC, "partitions": [{"index": index, "records": batch}]}]
        code, _ = await self.until(
            "Produce", transactional_id=f"p{self.number}", acks=-1, timeout_ms=1000, topics=topics
        )
        if code is Code.NONE:
            self.sequences[index] += len(values)
        return code

    async def commit_offset(self, offset: int) -> None:
        """Commit an offset within the transaction."""
        if self.versions is CLASSIC:
            code, _ = await self.until("AddOffsetsToTxn", **self.identity, group_id=GROUP)
            self.expect("AddOffsetsToTxn", code)
        part = {"index": self.number, "committed_offset": offset, "committed_metadata": ""}
        code, _ = await self.until(
            "TxnOffsetCommit", **self.identity, group_id=GROUP,
            topics=[{"name": TOPIC, "partitions": [part]}],
        )  # fmt: skip
        self.expect("TxnOffsetCommit", code)

    async def replaced(self) -> None:
        """Another producer takes the name; what this one tries afterwards must fail."""
        old = dict(self.identity), list(self.sequences)
        await self.enlist()
        new = dict(self.identity), list(self.sequences)
        self._be(*old)
        code = await self.send(self.rand.below(PARTITIONS), [b"late.%d" % self.count])
        if code is Code.NONE:
            raise Violation(f"processor {self.number}: written by one that was replaced")
        code, _ = await self.until("EndTxn", **self.identity, committed=True)
        if code is Code.NONE:
            raise Violation(f"processor {self.number}: committed by one that was replaced")
        self._be(*new)

    def _be(self, identity: dict[str, Any], sequences: list[int]) -> None:
        self.id, self.epoch = identity["producer_id"], identity["producer_epoch"]
        self.sequences = sequences


class Auditor(Client):
    """Reads what is committed.

    seen: by partition and offset
    """

    def __init__(self, sim: Simulation):
        super().__init__(sim)
        self.seen: list[dict[int, bytes]] = [{} for _ in range(PARTITIONS)]

    async def work(self) -> None:
        """Read a partition from somewhere, again and again."""
        await self.make_topic(TOPIC, PARTITIONS)
        while not self.sim.calm.is_set():
            await asyncio.sleep(self.rand.random() * 0.1)
            index = self.rand.below(PARTITIONS)
            known = len(self.seen[index])
            await self.fetch(index, self.rand.below(known + 1))

    async def fetch(self, index: int, start: int) -> int:
        """Read once from an offset; the offset to go on from, -1 if there was no answer."""
        part = {"index": index, "fetch_offset": start, "max_bytes": 1 << 20}
        answer = await self.call(
            "Fetch", max_wait_ms=100, min_bytes=1, max_bytes=1 << 20, isolation_level=1,
            topics=[{"name": TOPIC, "partitions": [part]}],
        )  # fmt: skip
        if answer is LOST:
            return -1
        part = answer["topics"][0]["partitions"][0]
        if part["error_code"] == Code.OFFSET_OUT_OF_RANGE:
            return -1  # `start` counts records, and markers take offsets too
        if part["error_code"]:
            raise Violation(f"fetch at {start}: {Code(part['error_code']).name}")
        listed = part["aborted_transactions"]
        aborted = sorted((each["first_offset"], each["producer_id"]) for each in listed)
        skipping: set[int] = set()
        for batch in split(part["records"]):
            header = describe(batch)
            if header["base_offset"] >= part["last_stable_offset"]:
                raise Violation("read beyond the last stable offset")
            while aborted and aborted[0][0] <= header["base_offset"]:
                skipping.add(aborted.pop(0)[1])
            start = header["base_offset"] + header["last_delta"] + 1
            if marker_type(batch) >= 0:
                skipping.discard(header["producer_id"])
            elif header["producer_id"] not in skipping:
                for record in unpack(batch):
                    self.note(index, record)
        return start

    def note(self, index: int, record: Record) -> None:
        """A committed record was read."""
        known = self.seen[index].setdefault(record.offset, record.value)
        if known != record.value:
            raise Violation(f"offset {record.offset} is not what it was")

    async def finish(self, processors: list[Processor]) -> None:
        """Read all, and compare with what was committed."""
        before = [dict(seen) for seen in self.seen]
        read: list[list[bytes]] = []
        for index in range(PARTITIONS):
            self.seen[index] = {}
            at, idle = 0, 0
            while idle < 3:
                after = await self.fetch(index, at)
                idle = 0 if after > at else idle + 1
                at = max(at, after)
            values = [value for _, value in sorted(self.seen[index].items())]
            if not before[index].items() <= self.seen[index].items():
                raise Violation("a record was read as committed and is no more")
            read.append(values)
            if any(value.startswith(b"late") for value in values):
                raise Violation("a record of a producer that was replaced")
        answer = await self.insist(
            "OffsetFetch", groups=[{"group_id": GROUP, "topics": None}], require_stable=True
        )
        found = {
            part["index"]: part["committed_offset"]
            for topic in answer["groups"][0]["topics"]
            for part in topic["partitions"]
        }
        for processor in processors:
            offset = self.compare(processor, read)
            if found.get(processor.number, -1) != offset:
                raise Violation(
                    f"processor {processor.number}: committed offset "
                    f"{found.get(processor.number)}, not {offset}"
                )

    def compare(self, processor: Processor, read: list[list[bytes]]) -> int:
        """Compare a processor's records with what was read; its last committed offset."""
        expected: list[list[bytes]] = [[] for _ in range(PARTITIONS)]
        offset = -1
        for number, (written, committed) in processor.written.items():
            if number in processor.doubtful:
                there = {
                    value in read[index] for index, mine in enumerate(written) for value in mine
                }
                if there == {True, False}:
                    raise Violation(f"processor {processor.number}: half of a transaction")
                if there == {False}:
                    continue
            for index, values in enumerate(written):
                expected[index] += values
            offset = committed if committed >= 0 else offset
        for index, values in enumerate(read):
            mine = [value for value in values if value.startswith(b"%d." % processor.number)]
            if mine != expected[index]:
                raise Violation(
                    f"processor {processor.number}, partition {index}: "
                    f"{len(expected[index])} records committed, {len(mine)} read"
                )
        return offset
