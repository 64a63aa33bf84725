"""The sending end of a pipeline, for whoever has bytes for a block: a copy, or our own client."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from bedrock.world import World
from hdfs_sim.messages import transfer as wire
from hdfs_sim.packet import build_packet
from hdfs_sim.transfer import CHECKSUM, Downstream, operation

QUEUED_MAX = 1 << 20
WINDOW_PACKETS = 80  # not yet acknowledged
CONNECT_TIMEOUT_S = 5.0


class PipelineFailed(ConnectionError):
    """A node failed.

    bad: its "address:port", "" when that is not known
    """

    def __init__(self, text: str, bad: str = ""):
        super().__init__(text)
        self.bad = bad


class Pipeline:
    """One block being sent to `nodes` (DatanodeInfo messages, nearest first)."""

    def __init__(self, nodes: list[dict[str, Any]]):
        self.nodes = nodes
        self._downstream: Any = None
        self._unacknowledged: deque[int] = deque()
        self._error: PipelineFailed | None = None
        self._progress = asyncio.Event()

    @staticmethod
    async def open(
        world: World,
        block: dict[str, Any],
        nodes: list[dict[str, Any]],
        *,
        stage: int,
        client: str,
        latest_gs: int = 0,
    ) -> Pipeline:
        """Set the pipeline up; PipelineFailed names the node that could not be had."""
        pipeline = Pipeline(nodes)
        first = nodes[0]["id"]
        name = f"{first['ipAddr']}:{first['xferPort']}"
        request = {
            "header": {"baseHeader": {"block": block}, "clientName": client},
            "targets": nodes[1:],
            "stage": stage,
            "pipelineSize": len(nodes),
            "minBytesRcvd": block["numBytes"],
            "maxBytesRcvd": block["numBytes"],
            "latestGenerationStamp": latest_gs or block["generationStamp"],
            "requestedChecksum": CHECKSUM,
        }
        assert world.net is not None
        try:
            pipeline._downstream = await world.net.connect(
                lambda: Downstream(pipeline), (first["ipAddr"], first["xferPort"]),
                timeout_s=CONNECT_TIMEOUT_S)
            answer = await pipeline._downstream.begin(operation(wire.WRITE_BLOCK, request))
        except (OSError, TimeoutError) as exc:
            raise PipelineFailed(f"{name}: {exc}", name) from exc
        if answer["status"] != wire.OK:
            pipeline.abort()
            raise PipelineFailed(answer["message"] or "pipeline refused",
                                 answer["firstBadLink"] or name)
        return pipeline

    async def send(self, packet: bytes, seqno: int) -> None:
        """Send a packet once there is room for it."""
        while not self._error and (
            self._downstream.link.queued > QUEUED_MAX
            or len(self._unacknowledged) >= WINDOW_PACKETS
        ):
            await self._wait()
        self._check()
        self._unacknowledged.append(seqno)
        self._downstream.link.send_ref(packet)

    async def flush(self) -> None:
        """Wait until every packet is acknowledged by all nodes."""
        while self._unacknowledged and not self._error:
            await self._wait()
        self._check()

    async def finish(self, offset: int, seqno: int) -> None:
        """End the block and wait for all nodes to have it on disk."""
        await self.send(build_packet(offset, seqno, b"", last=True, sync=True), seqno)
        await self.flush()
        self._downstream.link.close()

    def abort(self) -> None:
        """Give up."""
        self._downstream.link.abort("given up")

    async def _wait(self) -> None:
        self._progress.clear()
        await self._progress.wait()

    def _check(self) -> None:
        if self._error:
            raise self._error

    # What Downstream tells.

    def acked(self, seqno: int, statuses: list[int]) -> None:
        bad = next((i for i, status in enumerate(statuses) if status != wire.OK), None)
        if bad is not None:
            failed = self.nodes[min(bad, len(self.nodes) - 1)]["id"]
            name = f"{failed['ipAddr']}:{failed['xferPort']}"
            self._error = PipelineFailed(f"{name} answered {statuses[bad]}", name)
        elif self._unacknowledged and self._unacknowledged[0] == seqno:
            self._unacknowledged.popleft()
        elif seqno >= 0:
            self._error = PipelineFailed(f"unexpected ack of packet {seqno}")
        self._progress.set()

    def lost(self, why: Exception | None) -> None:
        if self._error is None:
            self._error = PipelineFailed(f"pipeline lost: {why or 'closed'}")
        self._progress.set()

    def room(self) -> None:
        self._progress.set()
