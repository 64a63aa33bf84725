"""A consumer and a producer on `kafkalite.client`, for the command-line tools.

`Reader` follows partitions; `Membership` gets them from a group and commits what was read.
`Writer` packs a batch for each partition that lines were read for.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from bedrock.world import OsClock
from kafkalite.assignment import (
    Partition,
    assign_ranges,
    read_assignment,
    read_subscription,
    write_assignment,
    write_subscription,
)
from kafkalite.batch import Record, describe, marker_type, pack, split, unpack, unpack_all
from kafkalite.client import EARLIEST, LATEST, Client, check
from kafkalite.errors import Code

FETCH_BYTES = 1 << 20
SESSION_MS, REBALANCE_MS = 30_000, 60_000
HEARTBEAT_MS = 3000
POLL_MS = 500
SEED = 0x9747B28C
# key, value, headers
Line = tuple[bytes | None, bytes | None, tuple[tuple[str, bytes], ...]]
TRANSACTIONAL = 1 << 4  # in the attributes of a batch


def murmur2(data: bytes) -> int:
    """The hash by which Kafka's producers choose the partition of a key."""
    mask, m = 0xFFFFFFFF, 0x5BD1E995
    h = (SEED ^ len(data)) & mask
    whole = len(data) & ~3
    for at in range(0, whole, 4):
        k = int.from_bytes(data[at : at + 4], "little") * m & mask
        h = h * m & mask ^ (k ^ k >> 24) * m & mask
    rest = data[whole:]
    if rest:
        h = (h ^ int.from_bytes(rest, "little")) * m & mask
    h = (h ^ h >> 13) * m & mask
    return h ^ h >> 15


def partition_of(key: bytes | None, count: int, turn: int) -> int:
    """The partition of a record: by its key, or in turn when it has none."""
    return turn % count if key is None else (murmur2(key) & 0x7FFFFFFF) % count


class Reader:
    """Follows partitions from `positions` on; the dict is moved along.

    committed: only what is no longer part of an open or aborted transaction
    """

    def __init__(
        self, client: Client, positions: dict[Partition, int], *, committed: bool = False
    ):
        self.client = client
        self.positions = positions
        self._isolation = int(committed)

    async def poll(self, wait_ms: int = POLL_MS) -> list[tuple[Partition, Record]]:
        """The records that come within a while, in the order of each partition."""
        by_topic: dict[str, list[dict]] = {}
        for (topic, index), offset in self.positions.items():
            part = {"index": index, "fetch_offset": offset, "max_bytes": FETCH_BYTES}
            by_topic.setdefault(topic, []).append(part)
        topics = [{"name": topic, "partitions": parts} for topic, parts in by_topic.items()]
        response = await self.client.call(
            "Fetch", max_wait_ms=wait_ms, min_bytes=1, max_bytes=FETCH_BYTES * 8,
            isolation_level=self._isolation, topics=topics,
        )
        found: list[tuple[Partition, Record]] = []
        for topic in response["topics"]:
            for part in topic["partitions"]:
                found += await self._taken((topic["name"], part["index"]), part)
        return found

    async def _taken(self, partition: Partition, part: dict) -> list[tuple[Partition, Record]]:
        if part["error_code"] == Code.OFFSET_OUT_OF_RANGE:
            topic, index = partition
            self.positions[partition] = (
                await self.client.offsets(topic, EARLIEST, [index])
            )[index]
            return []
        check(part)
        at = self.positions[partition]
        # Behind the last batch, also when it was a marker: else it is read for ever.
        self.positions[partition] = end_of(part["records"], at)
        return [(partition, record) for record in visible(part) if record.offset >= at]


def end_of(data: bytes, at: int) -> int:
    """The offset behind the last whole batch."""
    for batch in split(data):
        header = describe(batch)
        at = max(at, header["base_offset"] + header["last_delta"] + 1)
    return at


def visible(part: dict[str, Any]) -> list[Record]:
    """The records of a fetched partition without those of aborted transactions."""
    aborted = sorted(
        (a["first_offset"], a["producer_id"]) for a in part.get("aborted_transactions") or ()
    )
    if not aborted:
        return unpack_all(part["records"])
    records: list[Record] = []
    open_: set[int] = set()
    for batch in split(part["records"]):
        header = describe(batch)
        while aborted and aborted[0][0] <= header["base_offset"] + header["last_delta"]:
            open_.add(aborted.pop(0)[1])
        kind = marker_type(batch)
        if kind >= 0:
            open_.discard(header["producer_id"])
        elif not (header["producer_id"] in open_ and header["attributes"] & TRANSACTIONAL):
            records += unpack(batch)
    return records


class Membership:
    """A member of a classic group with the range assignor.

    reset   EARLIEST or LATEST: where a partition begins for which nothing was committed
    """

    def __init__(self, client: Client, group: str, topics: list[str], reset: int = LATEST):
        self.client = client
        self.group = group
        self.topics = topics
        self.reset = reset
        self.member = ""
        self.generation = -1
        self._beat_ms = 0
        self._clock = OsClock()

    async def join(self) -> dict[Partition, int]:
        """Join the group; where to read from, for each partition that is ours."""
        while True:
            joined = await self.client.call(
                "JoinGroup", group_id=self.group, member_id=self.member,
                session_timeout_ms=SESSION_MS, rebalance_timeout_ms=REBALANCE_MS,
                protocol_type="consumer",
                protocols=[{"name": "range", "metadata": write_subscription(self.topics)}],
            )
            if joined["error_code"] in (Code.MEMBER_ID_REQUIRED, Code.UNKNOWN_MEMBER_ID):
                known = joined["error_code"] == Code.MEMBER_ID_REQUIRED
                self.member = joined["member_id"] if known else ""
                continue
            check(joined)
            self.member, self.generation = joined["member_id"], joined["generation_id"]
            shares = await self._shares(joined) if joined["leader"] == self.member else []
            synced = await self.client.call(
                "SyncGroup", group_id=self.group, generation_id=self.generation,
                member_id=self.member, protocol_type="consumer", protocol_name="range",
                assignments=shares,
            )
            if synced["error_code"] == Code.REBALANCE_IN_PROGRESS:
                continue
            self._beat_ms = self._clock.wall_ms()
            return await self._positions(read_assignment(check(synced)["assignment"]))

    async def _shares(self, joined: dict) -> list[dict[str, Any]]:
        subscriptions = {
            m["member_id"]: read_subscription(m["metadata"]) for m in joined["members"]
        }
        topics = sorted({topic for wanted in subscriptions.values() for topic in wanted})
        found = {t["name"]: [p["index"] for p in t["partitions"]]
                 for t in await self.client.topics(*topics)}
        return [
            {"member_id": member, "assignment": write_assignment(partitions)}
            for member, partitions in assign_ranges(subscriptions, found).items()
        ]

    async def _positions(self, partitions: list[Partition]) -> dict[Partition, int]:
        committed = await self.client.committed(self.group)
        positions: dict[Partition, int] = {}
        for topic, index in partitions:
            at = committed.get((topic, index))
            if at is None:
                at = (await self.client.offsets(topic, self.reset, [index]))[index]
            positions[topic, index] = at
        return positions

    async def beat(self) -> bool:
        """Tell that we are alive, now and then; True when the group must be joined again."""
        now_ms = self._clock.wall_ms()
        if now_ms - self._beat_ms < HEARTBEAT_MS:
            return False
        self._beat_ms = now_ms
        response = await self.client.call(
            "Heartbeat", group_id=self.group, generation_id=self.generation,
            member_id=self.member,
        )
        return bool(response["error_code"])

    async def commit(self, positions: dict[Partition, int]) -> None:
        """Keep where we are; of no matter when the group has moved on."""
        if not positions:
            return
        by_topic: dict[str, list[dict]] = {}
        for (topic, index), offset in positions.items():
            part = {"index": index, "committed_offset": offset}
            by_topic.setdefault(topic, []).append(part)
        await self.client.call(
            "OffsetCommit", group_id=self.group, generation_id=self.generation,
            member_id=self.member,
            topics=[{"name": topic, "partitions": parts} for topic, parts in by_topic.items()],
        )

    async def leave(self) -> None:
        """Go, so that others need not wait for the session to end."""
        await self.client.call(
            "LeaveGroup", group_id=self.group, members=[{"member_id": self.member}]
        )


async def follow(
    client: Client, positions: dict[Partition, int], membership: Membership | None = None, *,
    committed: bool = False, idle_ms: int | None = None,
) -> AsyncGenerator[tuple[Partition, Record], None]:
    """Records as they come; ends after `idle_ms` without any.

    A member commits behind what was taken, and leaves its group when the stream is closed.
    """
    clock = OsClock()
    reader = Reader(client, positions, committed=committed)
    taken: dict[Partition, int] = {}
    heard_ms = clock.wall_ms()
    wait_ms = POLL_MS if idle_ms is None else max(1, min(POLL_MS, idle_ms))
    try:
        while True:
            if membership is not None and await membership.beat():
                reader.positions = await membership.join()
            found = await reader.poll(wait_ms) if reader.positions else []
            for partition, record in found:
                taken[partition] = record.offset + 1
                yield partition, record
            now_ms = clock.wall_ms()
            if found:
                heard_ms = now_ms
                if membership is not None:
                    await membership.commit(taken)
                    taken.clear()
            elif idle_ms is not None and now_ms - heard_ms >= idle_ms:
                return
            if not reader.positions:
                await asyncio.sleep(POLL_MS / 1000)
    finally:
        if membership is not None:
            await membership.commit(taken)
            await membership.leave()


class Writer:
    """Sends records to a topic, to a partition by the hash of the key or in turn."""

    def __init__(
        self, client: Client, topic: str, *, codec: str = "none", acks: int = -1,
        partition: int | None = None,
    ):
        self.client = client
        self.topic = topic
        self.codec = codec
        self.acks = acks
        self.partition = partition
        self._clock = OsClock()
        self._partitions: list[int] = []
        self._turn = 0

    async def send(self, records: Sequence[Line]) -> None:
        """Send records; Failed when one of the batches is refused."""
        if not self._partitions:
            response = await self.client.call(
                "Metadata", topics=[{"name": self.topic}], allow_auto_topic_creation=True
            )
            found = check(response["topics"][0])
            self._partitions = sorted(part["index"] for part in found["partitions"])
        now_ms = self._clock.wall_ms()
        batches: dict[int, list[Record]] = {}
        for key, value, headers in records:
            record = Record(0, now_ms, key, value, headers)
            batches.setdefault(self._choose(key), []).append(record)
        self._turn += 1
        parts = [
            {"index": index, "records": pack(batch, codec=self.codec)}
            for index, batch in batches.items()
        ]
        topic = {"name": self.topic, "partitions": parts}
        response = await self.client.call(
            "Produce", acks=self.acks or 1, timeout_ms=30_000, topics=[topic]
        )
        for part in response["topics"][0]["partitions"]:
            check(part)

    def _choose(self, key: bytes | None) -> int:
        if self.partition is not None:
            return self.partition
        return self._partitions[partition_of(key, len(self._partitions), self._turn)]


async def start_of(
    client: Client, topic: str, partitions: list[int], where: int
) -> dict[Partition, int]:
    """Positions from EARLIEST, LATEST, an offset, or -N: the last N records of each partition."""
    if where >= 0:
        return {(topic, index): where for index in partitions}
    at = LATEST if where == LATEST else EARLIEST
    found = await client.offsets(topic, at, partitions)
    return {(topic, index): offset for index, offset in found.items()}
