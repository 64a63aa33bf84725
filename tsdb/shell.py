"""`tsdb shell`: PromQL at a prompt, and lines to write.

    rate(requests_total[5m])        an instant query, as a table
    graph rate(requests_total[5m])  the last hour of it as lines; `graph 6h ...` for others
    write cpu,host=a usage=42       a line of line protocol
    labels | values NAME | series SELECTOR
"""

from __future__ import annotations

import asyncio
import base64
import json
import math
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from bedrock.app.shell import Candidate, Grammar
from tsdb.promql.functions import AGGREGATIONS, DOCS, FUNCTIONS, signature
from tsdb.promql.lexer import parse_duration

COMMANDS = {
    "graph": "[DURATION] QUERY: how it went, as a line of blocks",
    "labels": "names of all labels",
    "series": "SELECTOR: label sets of the series it finds",
    "values": "NAME: values of a label",
    "write": "LINE: store a line of line protocol",
}
ANSWER_MAX = 64 << 20
HOUR_MS = 3_600_000
COLUMNS = 60  # of a graph
BLOCKS = "▁▂▃▄▅▆▇█"


class Shell(Grammar):
    """Talks to a server through its HTTP API."""

    def __init__(self, host: str, port: int, config: Any):
        super().__init__(host, port, config)
        self.metrics: list[str] = []

    async def open(self) -> str:
        info = await self._ask("status/buildinfo")
        self.metrics = await self._ask("label/__name__/values")
        return f"tsdb, API of Prometheus {info['version']}: {len(self.metrics)} metrics"

    def complete(self, text: str) -> Iterable[Candidate]:
        match = re.search(r"[a-zA-Z_:][\w:]*$", text)
        word = match[0] if match else ""
        if not word:
            return
        if word == text:
            for name, doc in COMMANDS.items():
                if name.startswith(word):
                    yield Candidate(name, doc, back=len(word))
        for name in sorted(FUNCTIONS.keys() | AGGREGATIONS.keys()):
            if name.startswith(word):
                yield Candidate(name + "(", DOCS[name], back=len(word))
        for name in self.metrics:
            if name.startswith(word):
                yield Candidate(name, "metric", back=len(word))

    def hint(self, text: str) -> str:
        match = re.search(r"([a-z_0-9]+)\($", text)
        return f"   {signature(match[1])}" if match else ""

    async def execute(self, line: str) -> str:
        command, _, rest = line.strip().partition(" ")
        try:
            if command == "write":
                await self._request("POST", "/write", rest.encode())
                return "written"
            if command == "graph":
                return await self._graph(rest)
            if command == "labels":
                return "\n".join(await self._ask("labels"))
            if command == "values":
                return "\n".join(await self._ask(f"label/{rest.strip()}/values"))
            if command == "series":
                found = await self._ask("series", {"match[]": rest})
                return "\n".join(map(metric_text, found))
            return table(await self._ask("query", {"query": line}))
        except ApiFailure as exc:
            return f"error: {exc}"

    async def _graph(self, text: str) -> str:
        """The values of the last hour, or of the duration that comes first."""
        first, _, query = text.strip().partition(" ")
        try:
            range_ms = parse_duration(first)
        except ValueError:
            range_ms, query = HOUR_MS, text
        now = datetime.now(UTC).timestamp()
        span = {"start": f"{now - range_ms / 1000:.3f}", "end": f"{now:.3f}"}
        step = {"step": f"{max(range_ms // COLUMNS, 1) / 1000:.3f}"}
        data = await self._ask("query_range", {"query": query} | span | step)
        return graph(data["result"], now - range_ms / 1000, now)

    async def _ask(self, path: str, params: dict[str, str] | None = None) -> Any:
        body = await self._request("GET", f"/api/v1/{path}?{urlencode(params or {})}")
        return json.loads(body)["data"]

    async def _request(self, method: str, target: str, body: bytes = b"") -> bytes:
        """One request on a connection of its own."""
        reader, writer = await asyncio.open_connection(self.host, self.port, limit=ANSWER_MAX)
        head = f"{method} {target} HTTP/1.0\r\nHost: {self.host}\r\nContent-Length: {len(body)}\r\n"
        if password := self.config.password():
            word = base64.b64encode(b":" + password.encode()).decode()
            head += f"Authorization: Basic {word}\r\n"
        writer.write(head.encode() + b"\r\n" + body)
        answer = await reader.read(-1)
        writer.close()
        head_text, _, content = answer.partition(b"\r\n\r\n")
        status = int(head_text.split(b" ", 2)[1]) if b" " in head_text else 0
        if not 200 <= status < 300:
            raise ApiFailure(_reason(content, status))
        return content


class ApiFailure(Exception):
    """The server said no; the message says why."""


def _reason(content: bytes, status: int) -> str:
    try:
        return json.loads(content)["error"]
    except (ValueError, KeyError):
        return content.decode(errors="replace").strip() or f"status {status}"


def metric_text(metric: dict[str, str]) -> str:
    """Labels as PromQL writes them."""
    inner = ", ".join(f"{n}={json.dumps(v)}" for n, v in metric.items() if n != "__name__")
    name = metric.get("__name__", "")
    return f"{name}{{{inner}}}" if inner or not name else name


def graph(result: list[dict[str, Any]], start: float, end: float) -> str:
    """A line of blocks for each series, all to one scale, with its least, most and last value."""
    if not result:
        return "(empty)"
    lines = []
    rows = [
        (metric_text(row["metric"]), [(t, float(v)) for t, v in row["values"]]) for row in result
    ]
    finite = [v for _, points in rows for _, v in points if math.isfinite(v)]
    low, high = min(finite, default=0.0), max(finite, default=0.0)
    width = max(len(name) for name, _ in rows)
    for name, points in rows:
        cells = [" "] * COLUMNS
        for t, v in points:
            column = min(int((t - start) / (end - start) * COLUMNS), COLUMNS - 1)
            cells[column] = spark(v, low, high)
        values = [v for _, v in points]
        told = f"{min(values):.4g} … {max(values):.4g}, now {values[-1]:.4g}"
        lines.append(f"{name:<{width}}  {''.join(cells)}  {told}")
    return "\n".join(lines)


def spark(value: float, low: float, high: float) -> str:
    """The block that stands for a value between low and high."""
    if not math.isfinite(value):
        return "·"
    share = (value - low) / (high - low) if high > low else 0.5
    return BLOCKS[min(int(share * len(BLOCKS)), len(BLOCKS) - 1)]


def table(data: dict[str, Any]) -> str:
    """A query's result as aligned lines."""
    kind, result = data["resultType"], data["result"]
    if kind in ("scalar", "string"):
        return str(result[1])
    rows = [
        (metric_text(row["metric"]), value, t)
        for row in result
        for t, value in row.get("values", [row.get("value")])
    ]
    if not rows:
        return "(empty)"
    width = max(len(name) for name, _, _ in rows)
    value_width = max(len(value) for _, value, _ in rows)
    return "\n".join(
        f"{name:<{width}}  {value:>{value_width}}"
        + (f"  {datetime.fromtimestamp(t, UTC):%H:%M:%S}" if kind == "matrix" else "")
        for name, value, t in rows
    )
