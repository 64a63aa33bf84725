"""The embedded forms: a broker or a single log in this process, without a socket.

    with Broker("data") as broker:                     # Broker(): in memory, gone at the end
        broker.create("orders", partitions=2)
        broker.produce("orders", b"value", key=b"k")   # -> (partition, offset)
        broker.read("orders", partition=0)             # -> [Record, ...]
        broker.commit("billing", "orders", 0, 1)
        broker.call("DescribeCluster")                 # any request of kafkalite.apis
        broker.reset()                                 # as new

    with Log("data/orders-0") as log:
        log.append(b"value")
        log.read(0)

The folder is a broker's own: what is written here a server finds, and the other way round, one
after the other.  Nothing waits here: members of groups, who must be waited for, need a server
(`bedrock.run("kafkalite")`).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from typing import Any, Self

from bedrock.app.instance import temporary_directory
from bedrock.world import OsDisk, World
from kafkalite.batch import Record
from kafkalite.broker import Broker as Engine
from kafkalite.broker import Call
from kafkalite.client import check
from kafkalite.config import KafkaConfig
from kafkalite.consumer import partition_of
from kafkalite.log import Log as Partition
from kafkalite.offset_record import Committed
from kafkalite.requests import BY_NAME
from kafkalite.topic_config import LogConfig

READ_BYTES = 1 << 20


class _Folder:
    """A directory: given, or a temporary one that goes with us."""

    def __init__(self, path: str, name: str):
        self._temporary = "" if path else temporary_directory(name)
        self.world = World(OsDisk(path or self._temporary))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Make everything durable and close; idempotent."""
        if self._temporary:
            shutil.rmtree(self._temporary, ignore_errors=True)
            self._temporary = ""


class Broker(_Folder):
    """A broker on a folder; options are those of the server (kafkalite.config)."""

    def __init__(self, path: str = "", **options: Any):
        super().__init__(path, "kafkalite")
        self.engine = Engine(self.world, KafkaConfig(**options))
        self._call = Call(host="embedded", client_id="embedded")
        self._turns = 0

    def call(self, name: str, **request: Any) -> dict[str, Any]:
        """The response to a request, as `kafkalite.apis` describes both."""
        api = BY_NAME[name]
        codec = api.decoder(api.newest)
        whole = codec.decode(codec.encode(request))
        response = self.engine.handle(api.key, api.newest, whole, self._call)
        self.world.turn.run()
        codec = api.encoder(api.newest)
        return codec.decode(codec.encode(response))

    # ------------------------------------------------------------------ topics

    def create(self, topic: str, partitions: int = 1, **configs: Any) -> None:
        """Make a topic; KafkaError if it cannot be.  Options have `_` where Kafka has a dot."""
        overrides = {name.replace("_", "."): str(value) for name, value in configs.items()}
        self.engine.topics.create(topic, partitions, overrides)

    def delete(self, topic: str) -> None:
        """Remove a topic with its records."""
        check(self.call("DeleteTopics", topics=[{"name": topic}])["responses"][0])

    def topics(self) -> list[str]:
        """The names of all topics but the broker's own."""
        return sorted(t.name for t in self.engine.topics.by_name.values() if not t.internal)

    # ------------------------------------------------------------------ records

    def produce(
        self, topic: str, value: bytes | None, key: bytes | None = None, *,
        partition: int | None = None, headers: Iterable[tuple[str, bytes | None]] = (),
    ) -> tuple[int, int]:
        """Add a record to a topic, which is made if it is not there; (partition, offset)."""
        topics = self.engine.topics
        if topic not in topics.by_name:
            topics.create(topic, self.engine.config.num_partitions)
        if partition is None:
            self._turns += key is None
            partition = partition_of(key, len(topics.by_name[topic].logs), self._turns)
        record = Record(0, self.world.clock.wall_ms(), key, value, tuple(headers))
        offset = topics.log(topic, partition).append([record])
        self.world.turn.run()
        return partition, offset

    def read(
        self, topic: str, partition: int = 0, offset: int = 0, limit: int | None = None
    ) -> list[Record]:
        """The records of a partition from an offset on."""
        return _read(self.engine.topics.log(topic, partition), offset, limit)

    def end(self, topic: str, partition: int = 0) -> int:
        """The offset that the next record gets."""
        return self.engine.topics.log(topic, partition).high_watermark

    # ------------------------------------------------------------------ groups

    def commit(self, group: str, topic: str, partition: int, offset: int) -> None:
        """Keep where a group is."""
        self.engine.topics.log(topic, partition)
        committed = Committed(offset, time_ms=self.world.clock.wall_ms())
        self.engine.coordinator.commit(group, {(topic, partition): committed})
        self.world.turn.run()

    def committed(self, group: str) -> dict[tuple[str, int], int]:
        """Where a group is."""
        held = self.engine.coordinator.offsets.get(group)
        return {place: committed.offset for place, committed in held.items()}

    def reset(self) -> None:
        """As new: no topics, groups, users, ACLs, or changed options."""
        self.engine.reset()

    def close(self) -> None:
        """Make everything durable and close; idempotent."""
        self.engine.close()
        super().close()


class Log(_Folder):
    """A partition of its own on a folder; options are those of LogConfig.

    fsync: when records are made durable: "always", or "never" but at `close`
    """

    def __init__(self, path: str = "", *, fsync: str = "never", **config: Any):
        super().__init__(path, "log")
        world = self.world
        self.engine = Partition(
            world.disk, world.turn, world.clock, LogConfig(**config), fsync=fsync
        )

    @property
    def start(self) -> int:
        """The first offset that is there."""
        return self.engine.start_offset

    @property
    def end(self) -> int:
        """The offset that the next record gets."""
        return self.engine.end_offset

    def append(self, *values: bytes | Record) -> int:
        """Add records; the offset of the first."""
        now_ms = self.world.clock.wall_ms()
        records = [
            value if isinstance(value, Record) else Record(0, now_ms, None, value)
            for value in values
        ]
        offset = self.engine.append(records)
        self.world.turn.run()
        return offset

    def read(self, offset: int = 0, limit: int | None = None) -> list[Record]:
        """The records from an offset on."""
        return _read(self.engine, offset, limit)

    def __iter__(self) -> Iterator[Record]:
        at = self.start
        while records := self.engine.records(at, READ_BYTES):
            yield from records
            at = records[-1].offset + 1

    def trim(self, offset: int) -> None:
        """Forget the records below an offset."""
        self.engine.delete_to(offset)

    def close(self) -> None:
        """Make everything durable and close; idempotent."""
        if self.engine is not None:
            self.engine.close()
            self.engine = None
        super().close()


def _read(log: Partition, offset: int, limit: int | None) -> list[Record]:
    found: list[Record] = []
    at = max(offset, log.start_offset)
    while limit is None or len(found) < limit:
        records = [r for r in log.records(at, READ_BYTES) if r.offset >= at]
        if not records:
            break
        found += records
        at = found[-1].offset + 1
    return found if limit is None else found[:limit]
