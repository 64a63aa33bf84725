"""Remote-write to another server: everything that is taken here is sent there as well.

    commit ──► queue of messages (bounded, in memory) ──► POST ──► 2xx: next
                                                              5xx, 429, no answer: again, later
                                                              other 4xx: dropped, and said so

As Prometheus' own: what waits when the process ends is not sent afterwards, and when the queue is
full the oldest messages are dropped and counted.
"""

from __future__ import annotations

import asyncio
from collections import deque
from urllib.parse import urlsplit

from bedrock.app.config import ConfigError
from bedrock.app.logs import logger
from bedrock.codec.compress import compress
from bedrock.world import World
from tsdb.forward import Encoder
from tsdb.head import Batch, Head
from tsdb.monitor.fetch import FetchFailed, fetch

MESSAGE_SAMPLES = 2000
QUEUE_BYTES_MAX = 64 << 20
WAIT_MIN_S, WAIT_MAX_S = 0.03, 5.0
HEADERS = {
    "Content-Encoding": "snappy",
    "Content-Type": "application/x-protobuf",
    "User-Agent": "bedrock-tsdb",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}


class Forwarder:
    """Sends to one URL, http://host:port/path.

    sent, dropped: samples
    """

    def __init__(self, world: World, head: Head, url: str):
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise ConfigError(f"--forward: {url!r} is not http://host:port/path")
        self.world = world
        self.address = parts.netloc
        self.path = parts.path or "/api/v1/write"
        self.encoder = Encoder(head)
        self.queue: deque[tuple[int, bytes]] = deque()
        self.queued_bytes = 0
        self.sent = self.dropped = 0
        self.log = logger("tsdb")
        self._some = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to send."""
        self._task = self.world.spawn(self._send(), "forward")

    async def stop(self) -> None:
        """Send no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None

    def take(self, batch: Batch) -> None:
        """Queue the samples of a batch."""
        for first in range(0, len(batch), MESSAGE_SAMPLES):
            message = compress("snappy", self.encoder.encode(batch, first, MESSAGE_SAMPLES))
            self.queue.append((min(MESSAGE_SAMPLES, len(batch) - first), message))
            self.queued_bytes += len(message)
        while self.queued_bytes > QUEUE_BYTES_MAX:
            self.dropped += self._pop()
        self._some.set()

    def _pop(self) -> int:
        samples, message = self.queue.popleft()
        self.queued_bytes -= len(message)
        return samples

    async def _send(self) -> None:
        wait_s = WAIT_MIN_S
        while True:
            if not self.queue:
                self._some.clear()
                await self._some.wait()
            head = self.queue[0]
            status, why = await self._post(head[1])
            if status == 429 or status >= 500:
                await asyncio.sleep(wait_s)
                wait_s = min(wait_s * 2, WAIT_MAX_S)
                continue
            wait_s = WAIT_MIN_S
            if not self.queue or self.queue[0] is not head:
                continue  # it was dropped meanwhile
            if status < 300:
                self.sent += self._pop()
            else:
                self.dropped += self._pop()
                self.log.warning("samples were refused", by=self.address, status=status, why=why)

    async def _post(self, message: bytes) -> tuple[int, str]:
        """Status, and what was said; no answer counts as 503."""
        try:
            answer = await fetch(
                self.world, "POST", self.address, self.path, HEADERS, message, timeout_s=30
            )
        except FetchFailed as exc:
            return 503, str(exc)
        return answer.status, answer.body[:200].decode("utf-8", "replace").strip()
