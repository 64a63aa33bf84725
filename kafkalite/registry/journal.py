"""The topic that the registry keeps its records in: a log, compacted by the broker.

Whoever changes something appends it first, and answers when the broker has it; so what was answered
is there after a restart of either.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from kafkalite.client import EARLIEST, LATEST, Client, Failed, check
from kafkalite.consumer import Reader, Writer
from kafkalite.errors import Code
from kafkalite.registry.store import Record, as_bytes
from kafkalite.tools.common import connect_to

if TYPE_CHECKING:
    from kafkalite.registry.store import Store

CONFIGS = {"cleanup.policy": "compact"}


class Journal:
    """address: "host:port" of the broker; properties: file that says how to log in"""

    def __init__(self, address: str, properties: str, topic: str):
        self.address = address
        self.properties = properties
        self.topic = topic
        self._client: Client | None = None

    async def _connected(self) -> Client:
        if self._client is None:
            self._client = await connect_to(self.address, self.properties, "schema-registry")
        return self._client

    async def load(self, store: Store) -> int:
        """Make the topic if it is not there, and read it to its end; how many records."""
        client = await self._connected()
        wanted = {
            "name": self.topic,
            "num_partitions": 1,
            "replication_factor": 1,
            "configs": [{"name": name, "value": value} for name, value in CONFIGS.items()],
        }
        try:
            check((await client.call("CreateTopics", topics=[wanted]))["topics"][0])
        except Failed as exc:
            if exc.code != Code.TOPIC_ALREADY_EXISTS:
                raise
        place = (self.topic, 0)
        end = (await client.offsets(self.topic, LATEST))[0]
        reader = Reader(client, {place: (await client.offsets(self.topic, EARLIEST))[0]})
        count = 0
        while reader.positions[place] < end:
            for _, record in await reader.poll():
                if record.key:
                    store.apply(
                        json.loads(record.key),
                        None if record.value is None else json.loads(record.value),
                    )
                    count += 1
        return count

    async def append(self, *records: Record) -> None:
        """Keep some records; OSError or Failed when the broker did not take them."""
        lines = [(as_bytes(key), as_bytes(value), ()) for key, value in records]
        try:
            await Writer(await self._connected(), self.topic, partition=0).send(lines)
        except OSError:
            self.close()
            await Writer(await self._connected(), self.topic, partition=0).send(lines)

    def close(self) -> None:
        """Disconnect."""
        if self._client is not None:
            self._client.close()
            self._client = None
