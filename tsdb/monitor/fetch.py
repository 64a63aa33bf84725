"""An HTTP request to somebody else: one connection, one answer."""

from __future__ import annotations

import asyncio
import zlib
from dataclasses import dataclass, field

import httptools

from bedrock.net.buf import Buf
from bedrock.net.session import Session
from bedrock.world import World

ANSWER_MAX = 64 << 20  # bytes


class FetchFailed(Exception):
    """No answer, or none that can be used; the message says why."""


@dataclass
class Answer:
    """Status, headers (in lower case) and body, unpacked."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class _Parts:
    headers: dict[str, str] = field(default_factory=dict)
    body: list[bytes] = field(default_factory=list)
    size: int = 0


class ClientSession(Session):
    """Reads one answer; callbacks of httptools."""

    def __init__(self) -> None:
        self.parser = httptools.HttpResponseParser(self)
        self.parts = _Parts()
        self.answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

    def received(self, data: bytes, out: Buf) -> int:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError as exc:
            self._fail(f"malformed answer: {exc}")
        return len(data)

    def closed(self, exc: Exception | None) -> None:
        self._fail(str(exc) if exc else "EOF")

    def _fail(self, why: str) -> None:
        if not self.answer.done():
            self.answer.set_exception(FetchFailed(why))

    def on_header(self, name: bytes, value: bytes) -> None:
        self.parts.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self.parts.size += len(body)
        if self.parts.size > ANSWER_MAX:
            self._fail(f"answer larger than {ANSWER_MAX} bytes")
            self.link.abort()
            return
        self.parts.body.append(body)

    def on_message_complete(self) -> None:
        if self.answer.done():
            return
        body = b"".join(self.parts.body)
        if self.parts.headers.get("content-encoding") == "gzip":
            try:
                unpacker = zlib.decompressobj(wbits=31)
                body = unpacker.decompress(body, ANSWER_MAX)
            except zlib.error as exc:
                self._fail(f"bad gzip: {exc}")
                return
        status = self.parser.get_status_code()
        self.answer.set_result(Answer(status, self.parts.headers, body))


async def fetch(
    world: World,
    method: str,
    address: str,
    path: str,
    headers: dict[str, str] | None = None,
    body: bytes = b"",
    timeout_s: float = 10.0,
) -> Answer:
    """Ask `address` (host:port) for a path; FetchFailed."""
    host, _, port = address.rpartition(":")
    if not port.isdigit():
        host, port = address, "80"
    head = f"{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n"
    for name, value in (headers or {}).items():
        head += f"{name}: {value}\r\n"
    if body:
        head += f"Content-Length: {len(body)}\r\n"
    session = None
    assert world.net is not None
    try:
        async with asyncio.timeout(timeout_s):
            session = await world.net.connect(ClientSession, (host, int(port)))
            session.link.write(head.encode() + b"\r\n" + body)
            return await session.answer
    except TimeoutError as exc:
        raise FetchFailed("context deadline exceeded") from exc
    except OSError as exc:
        raise FetchFailed(f"dial tcp {address}: {exc.strerror or exc}") from exc
    finally:
        if session is not None:
            session.link.abort()


