"""A client in the simulation: makes requests by name, and knows when it cannot know the answer."""

from __future__ import annotations

import asyncio
from typing import Any

from bedrock.sim.caller import LOST, Caller, Line
from bedrock.sim.simulation import Simulation, Violation
from bedrock.world import World
from kafkalite.errors import Code
from kafkalite.requests import BY_NAME, decode_response, encode_request

TRY_AGAIN = (Code.KAFKA_STORAGE_ERROR,)
NEWEST_BY_NAME = 12  # of Fetch and Produce: later ones have ids, which would have to be asked for


class FrameCaller(Caller):
    """A connection of frames with their length in front."""

    def whole(self, heard: bytes) -> tuple[bytes, int]:
        """A response without its length."""
        end = 4 + int.from_bytes(heard[:4], "big")
        return (heard[4:end], end) if 4 < end <= len(heard) else (b"", 0)


class Client:
    """Makes requests by name."""

    def __init__(self, sim: Simulation):
        world: World = sim.host("client")
        self.sim = sim
        self.rand = world.rand
        self.line = Line(world, ("server", 9092), FrameCaller)

    async def call(self, name: str, version: int | None = None, **body: Any) -> Any:
        """The response, or LOST."""
        api = BY_NAME[name]
        version = min(api.newest, NEWEST_BY_NAME) if version is None else version
        answer = await self.line.ask(encode_request(api, version, 1, body, "simulation"))
        return answer if answer is LOST else decode_response(api, version, answer)

    async def make_topic(self, name: str, partitions: int = 1) -> None:
        """Make a topic, whoever is first."""
        wanted = {"name": name, "num_partitions": partitions, "replication_factor": 1}
        code = Code.KAFKA_STORAGE_ERROR
        while code in TRY_AGAIN:
            answer = await self.insist("CreateTopics", timeout_ms=1000, topics=[wanted])
            code = answer["topics"][0]["error_code"]
            await asyncio.sleep(0.05)
        if code not in (Code.NONE, Code.TOPIC_ALREADY_EXISTS):
            raise Violation(f"no topic: {Code(code).name}")

    async def insist(self, name: str, version: int | None = None, **body: Any) -> dict[str, Any]:
        """The response, however often it takes."""
        while (answer := await self.call(name, version, **body)) is LOST:
            await asyncio.sleep(0.01)
        return answer


