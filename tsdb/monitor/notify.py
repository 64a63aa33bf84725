"""Telling Alertmanager: `POST /api/v2/alerts` with a list of alerts, to each that is configured.

    [{"labels", "annotations", "startsAt", "endsAt", "generatorURL"}, ...]

An alert is repeated every minute while it fires and once when it is resolved, so that a lost
message mends itself.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from bedrock.app.logs import logger
from bedrock.lazy import lazy
from bedrock.world import World
from tsdb.monitor.fetch import FetchFailed, fetch

urls = lazy("urllib.parse")

QUEUE_MAX = 10_000
BATCH = 64


class Notifier:
    """Alerts on their way to the Alertmanagers."""

    def __init__(self, world: World, addresses: Sequence[str] = ()):
        self.world = world
        self.addresses = list(addresses)
        self.url = ""  # ours, for links back
        self.waiting: deque[dict[str, Any]] = deque(maxlen=QUEUE_MAX)
        self.sent = 0
        self.failed = 0
        self.log = logger("tsdb.notify")

    def queue(
        self,
        labels: dict[str, str],
        annotations: dict[str, str],
        starts_ms: int,
        ends_ms: int,
        expr: str,
    ) -> None:
        """Have an alert sent."""
        self.waiting.append(
            {
                "labels": labels,
                "annotations": annotations,
                "startsAt": rfc3339(starts_ms),
                "endsAt": rfc3339(ends_ms),
                "generatorURL": f"{self.url}/graph?g0.expr={urls.quote_plus(expr)}&g0.tab=1",
            }
        )

    async def flush(self) -> None:
        """Send what waits."""
        while self.waiting and self.addresses:
            batch = [self.waiting.popleft() for _ in range(min(BATCH, len(self.waiting)))]
            body = json.dumps(batch).encode()
            for address in self.addresses:
                await self._post(address, body, len(batch))
        self.waiting.clear()

    async def _post(self, address: str, body: bytes, count: int) -> None:
        host, _, prefix = address.partition("/")
        path = f"/{prefix}/api/v2/alerts" if prefix else "/api/v2/alerts"
        headers = {"Content-Type": "application/json"}
        try:
            answer = await fetch(self.world, "POST", host, path, headers, body)
            if answer.status // 100 != 2:
                raise FetchFailed(f"bad response status {answer.status}")
            self.sent += count
        except FetchFailed as exc:
            self.failed += count
            self.log.warning("an Alertmanager was not told", address=address, error=str(exc))


def rfc3339(ms: int) -> str:
    """A time as Go writes it in JSON."""
    moment = datetime.fromtimestamp(ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
