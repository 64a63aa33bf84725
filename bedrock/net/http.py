"""HTTP/1.1 (RFC 9112) on the server's side: a session, and routes as a table.

    HttpSession ── Request ──► Router ── handler(request) ──► Response ── bytes, file or stream

Parsing is httptools' (llhttp).  A handler returns a `Response`, or is a coroutine function; while
it runs the link is held, so pipelined requests are answered in order.  A route with `stream=True`
gets its request before the body, whose chunks it reads with `async for chunk in request.stream()`;
other bodies are collected within `body_bytes`.

Left out: trailers (read and dropped), range requests, compression of responses.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import re
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from http import HTTPStatus
from typing import Any

import httptools

from bedrock.lazy import lazy
from bedrock.net.buf import Buf
from bedrock.net.session import FileSpan, Session
from bedrock.world.disk import DiskFailed

log = logging.getLogger("bedrock.net.http")
urls = lazy("urllib.parse")

Body = Any  # bytes, FileSpan, a tuple of both, or AsyncIterator[bytes]
REASONS = {status.value: status.phrase for status in HTTPStatus}
STREAM_HIGH = 1 << 20  # bytes of an unread request body at which reading stops


@dataclass(frozen=True)
class HttpLimits:
    """Sizes in bytes; more is answered with 431 or 413 before it is kept."""

    header_bytes: int = 16 << 10
    body_bytes: int = 64 << 20


class HttpError(Exception):
    """Answer with this status; the body comes from `Router.on_error`."""

    def __init__(self, status: int, message: str = "", headers: Mapping[str, str] | None = None):
        super().__init__(message or REASONS.get(status, ""))
        self.status = status
        self.headers = dict(headers or {})


@dataclass
class Response:
    """What to answer.

    body: bytes, a FileSpan, a tuple of both, or an async iterator of bytes (sent in chunks).
    length: bytes that an iterator will give, if that is known: sent as Content-Length, unchunked.
        One that gives less, or fails, ends the connection, so that the client sees it.
    """

    body: Body = b""
    status: int = 200
    content_type: str = "text/plain; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)
    length: int | None = None


@dataclass
class Upgrade:
    """Answer 101 and speak another protocol with `session` from here on."""

    session: Session
    headers: Mapping[str, str]


class Request:
    """One request.  Header names are in lower case; of a repeated header the last counts.

    path    percent-decoded; `target` is as it was sent
    query   name -> list of values
    params  what the route's pattern matched
    body    the whole body (empty for a streaming route)
    """

    def __init__(self, session: HttpSession):
        self.session = session
        self.method = ""
        self.target = ""
        self.path = ""
        self.version = "1.1"
        self.query: dict[str, list[str]] = {}
        self.headers: dict[str, str] = {}
        self.params: dict[str, str] = {}
        self.body = b""
        self.route: Route | None = None
        self.keep_alive = True
        self.upgrade = False
        self._chunks: deque[bytes] = deque()
        self._kept = 0
        self._complete = False
        self._more: asyncio.Future[None] | None = None

    @property
    def peer(self) -> Any:
        """The client's address."""
        return self.session.link.peer

    def form(self) -> dict[str, list[str]]:
        """The query, extended by a urlencoded body."""
        fields = {name: list(values) for name, values in self.query.items()}
        if self.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            for name, values in urls.parse_qs(
                self.body.decode("utf-8", "replace"), keep_blank_values=True
            ).items():
                fields.setdefault(name, []).extend(values)
        return fields

    async def stream(self) -> AsyncIterator[bytes]:
        """The body as it arrives; ConnectionError if the client goes before its end."""
        while True:
            while self._chunks:
                chunk = self._chunks.popleft()
                self._kept -= len(chunk)
                yield chunk
            if self._complete:
                return
            if self.session.link.closed:
                raise ConnectionError("the client went away")
            self.session.link.resume()
            self._more = asyncio.get_running_loop().create_future()
            await self._more

    def _wake(self) -> None:
        if self._more is not None and not self._more.done():
            self._more.set_result(None)


Handler = Callable[[Request], Response | Upgrade | Awaitable[Response | Upgrade]]


@dataclass(frozen=True)
class Route:
    """A line of the route table.

    pattern: a path; `{name}` matches one component, `{name:path}` the rest with its slashes.
    stream:  call the handler before the body has arrived.
    """

    method: str
    pattern: str
    handler: Handler
    stream: bool = False


class Router:
    """Finds the handler of a request.

    routes: the table, first match wins
    counts: (pattern, status) -> requests answered
    """

    def __init__(self, routes: Iterable[Route], *, limits: HttpLimits = HttpLimits()):
        self.limits = limits
        self.counts: Counter[tuple[str, int]] = Counter()
        self._exact: dict[str, dict[str, Route]] = {}
        self._patterns: list[tuple[re.Pattern[str], Route]] = []
        for route in routes:
            if "{" in route.pattern:
                self._patterns.append((compile_pattern(route.pattern), route))
            else:
                self._exact.setdefault(route.pattern, {})[route.method] = route

    def find(self, request: Request) -> Route:
        """The route, with `request.params` set; HttpError 404 or 405 when there is none."""
        method = "GET" if request.method == "HEAD" else request.method
        allowed: set[str] = set()
        methods = self._exact.get(request.path)
        if methods:
            if method in methods:
                return methods[method]
            allowed.update(methods)
        for pattern, route in self._patterns:
            match = pattern.fullmatch(request.path)
            if match:
                if route.method == method:
                    request.params = match.groupdict()
                    return route
                allowed.add(route.method)
        if allowed:
            raise HttpError(405, headers={"Allow": ", ".join(sorted(allowed))})
        raise HttpError(404)

    def on_error(self, request: Request, error: HttpError) -> Response:
        """The response to a failed request; a component overrides it with its own format."""
        return Response(f"{error}\n".encode(), error.status, headers=error.headers)


@cache
def compile_pattern(pattern: str) -> re.Pattern[str]:
    """A route's pattern as a regular expression."""
    parts = re.split(r"\{(\w+)(:path)?\}", pattern)
    regex = re.escape(parts[0])
    for name, rest, literal in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        regex += f"(?P<{name}>{'.*' if rest else '[^/]+'})" + re.escape(literal)
    return re.compile(regex, re.DOTALL)


class HttpSession(Session):
    """One connection of HTTP/1.x.

    router: where requests go; shared by all connections.
    """

    def __init__(self, router: Router):
        self.half_open = True
        self.router = router
        self.parser = httptools.HttpRequestParser(self)
        self.request: Request | None = None  # the one being parsed
        self.waiting: deque[Request] = deque()  # parsed, not yet begun
        self.busy = False  # an answer takes its time, or the client does
        self.header_bytes = 0
        self.room: asyncio.Future[None] | None = None

    # ------------------------------------------------------------------ bytes in

    def received(self, data: bytes, out: Buf) -> int:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            return upgrade.args[0]
        except httptools.HttpParserError as exc:
            cause = exc.__context__
            if isinstance(cause, DiskFailed):  # of a handler: it ends the service
                raise cause from None
            self._refuse(cause if isinstance(cause, HttpError) else HttpError(400))
            return -1
        return len(data)

    def closed(self, exc: Exception | None) -> None:
        if self.request is not None:
            self.request._wake()
        for request in self.waiting:
            request._wake()
        self.drained()

    def drained(self) -> None:
        if self.room is not None and not self.room.done():
            self.room.set_result(None)

    def _refuse(self, error: HttpError) -> None:
        request = self.request or Request(self)
        request.keep_alive = False
        if not self.busy:
            self._write_head(request, self.router.on_error(request, error))

    # What httptools calls while parsing.

    def on_message_begin(self) -> None:
        self.request = Request(self)
        self.header_bytes = 0

    def on_url(self, url: bytes) -> None:
        self.header_bytes += len(url)
        self._check_header()
        assert self.request is not None
        self.request.target += url.decode("latin-1")

    def on_header(self, name: bytes, value: bytes) -> None:
        self.header_bytes += len(name) + len(value)
        self._check_header()
        assert self.request is not None
        self.request.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def _check_header(self) -> None:
        if self.header_bytes > self.router.limits.header_bytes:
            raise HttpError(431)

    def on_headers_complete(self) -> None:
        request = self.request
        assert request is not None
        request.method = self.parser.get_method().decode()
        request.version = self.parser.get_http_version()
        request.keep_alive = self.parser.should_keep_alive()
        request.upgrade = self.parser.should_upgrade()
        path, _, query = request.target.partition("?")
        if "://" in path:
            path = "/" + path.split("://", 1)[1].partition("/")[2]
        request.path = urls.unquote(path)
        if query:
            request.query = urls.parse_qs(query, keep_blank_values=True)
        try:
            request.route = self.router.find(request)
        except HttpError:
            pass  # answered in its turn, once the body is read
        length = request.headers.get("content-length", "0")
        streaming = request.route is not None and request.route.stream
        if not streaming and length.isdigit() and int(length) > self.router.limits.body_bytes:
            raise HttpError(413)
        if request.headers.get("expect", "").lower() == "100-continue":
            self.link.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if streaming:
            self._enqueue(request)

    def on_body(self, body: bytes) -> None:
        request = self.request
        assert request is not None
        request._chunks.append(body)
        request._kept += len(body)
        if request.route is not None and request.route.stream:
            request._wake()
            if request._kept > STREAM_HIGH:
                self.link.hold()
        elif request._kept > self.router.limits.body_bytes:
            raise HttpError(413)

    def on_message_complete(self) -> None:
        request = self.request
        assert request is not None
        self.request = None
        request._complete = True
        if request.route is not None and request.route.stream:
            request._wake()
            if self.busy:
                self.link.hold()
        else:
            request.body = b"".join(request._chunks)
            request._chunks.clear()
            self._enqueue(request)

    # ------------------------------------------------------------------ answers out

    def _enqueue(self, request: Request) -> None:
        self.waiting.append(request)
        if not self.busy:
            slow = self._next()
            if slow is not None:
                self.busy = True
                self.link.run(self._go_on(slow))

    def _next(self) -> Coroutine[Any, Any, None] | None:
        """Answer what waits; the rest of the answer that takes its time, or the wait for room."""
        while self.waiting and not self.link.closed:
            if self.link.full:
                return self._wait_for_room()
            request = self.waiting.popleft()
            try:
                route = request.route or self.router.find(request)
                answer = route.handler(request)
            except Exception as exc:
                answer = self._failed(request, exc)
            if inspect.isawaitable(answer) or (
                isinstance(answer, Response) and isinstance(answer.body, AsyncIterator)
            ):
                return self._finish(request, answer)
            self._answer(request, answer)
        return None

    async def _go_on(self, slow: Coroutine[Any, Any, None] | None) -> None:
        """Finish an answer, then what waits behind it.  The link is held meanwhile."""
        while slow is not None:
            await slow
            slow = self._next()
        self.busy = False

    async def _finish(self, request: Request, answer: Any) -> None:
        if not request._complete:
            self.link.resume()  # its body still comes
        if inspect.isawaitable(answer):
            try:
                answer = await answer
            except Exception as exc:
                answer = self._failed(request, exc)
        if self.link.closed:
            return
        if isinstance(answer, Response) and isinstance(answer.body, AsyncIterator):
            await self._stream(request, answer)
        else:
            self._answer(request, answer)
        if not request._complete:
            # The handler answered without reading the body: there is no way to resynchronise.
            self.waiting.clear()
            self.link.close()

    async def _wait_for_room(self) -> None:
        """Until the client has taken most of what it was sent."""
        if self.link.full and not self.link.closed:
            self.room = asyncio.get_running_loop().create_future()
            await self.room

    def _failed(self, request: Request, exc: Exception) -> Response:
        """The answer where a handler raised; for DiskFailed the link ends the service."""
        if isinstance(exc, DiskFailed):
            raise exc
        if not isinstance(exc, HttpError):
            log.error("%s %s failed", request.method, request.path, exc_info=exc)
            exc = HttpError(500)
        return self.router.on_error(request, exc)

    def _answer(self, request: Request, response: Response | Upgrade) -> None:
        """Write an answer that is all there."""
        if isinstance(response, Upgrade):
            head = ["HTTP/1.1 101 Switching Protocols", "Connection: Upgrade"]
            head += [f"{name}: {value}" for name, value in response.headers.items()]
            self.link.write(("\r\n".join(head) + "\r\n\r\n").encode("latin-1"))
            self.link.upgrade(response.session)
            return
        body = response.body
        assert not isinstance(body, AsyncIterator)
        parts = body if isinstance(body, tuple) else (body,)
        self._write_head(request, response, sum(map(len, parts)))
        if request.method != "HEAD":
            for part in parts:
                if isinstance(part, FileSpan):
                    self.link.send_file(part.file, part.offset, part.count)
                elif len(part) > 16 << 10:
                    self.link.send_ref(part)
                else:
                    self.link.write(part)
        if not request.keep_alive:
            self.link.close()

    async def _stream(self, request: Request, response: Response) -> None:
        """Write a body that comes bit by bit, no faster than the client takes it."""
        left = response.length
        chunked = request.version == "1.1" and left is None
        request.keep_alive = request.keep_alive and (chunked or left is not None)
        self._write_head(request, response, left, chunked)
        assert isinstance(response.body, AsyncIterator)
        async for chunk in response.body:
            if self.link.closed:
                return
            if left is not None:
                chunk = chunk[:left]
                left -= len(chunk)
            if chunk and request.method != "HEAD":
                self.link.write(b"%x\r\n%b\r\n" % (len(chunk), chunk) if chunked else chunk)
            await self._wait_for_room()
        if chunked and request.method != "HEAD":
            self.link.write(b"0\r\n\r\n")
        if left or not request.keep_alive:
            self.link.close()

    def _write_head(
        self,
        request: Request,
        response: Response,
        length: int | None = None,
        chunked: bool = False,
    ) -> None:
        status = response.status
        if request.route is not None:
            self.router.counts[request.route.pattern, status] += 1
        else:
            self.router.counts["", status] += 1
        whole = response.body if isinstance(response.body, bytes) and length is None else None
        head = [
            f"HTTP/1.1 {status} {REASONS.get(status, 'Unknown')}",
            f"Date: {http_date(self.link.clock.wall_ms() // 1000)}",
        ]
        if status != 204 and status >= 200:
            if chunked:
                head.append("Transfer-Encoding: chunked")
            elif length is not None or whole is not None:
                head.append(f"Content-Length: {len(whole) if whole is not None else length}")
            if response.content_type and (length != 0 or response.body):
                head.append(f"Content-Type: {response.content_type}")
        if not request.keep_alive:
            head.append("Connection: close")
        elif request.version == "1.0":
            head.append("Connection: keep-alive")
        head += [f"{name}: {value}" for name, value in response.headers.items()]
        self.link.write(("\r\n".join(head) + "\r\n\r\n").encode("latin-1"))
        if whole is not None:
            self.link.write(whole)


_DAYS = "Mon Tue Wed Thu Fri Sat Sun".split()
_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
_date = (0, "")


def http_date(seconds: int) -> str:
    """The Date header's value, made once a second."""
    global _date
    if _date[0] != seconds:
        # By hand: email.utils costs a tenth of a server's start to import, strftime has a locale.
        t = time.gmtime(seconds)
        day, month = _DAYS[t.tm_wday], _MONTHS[t.tm_mon - 1]
        clock = f"{t.tm_hour:02}:{t.tm_min:02}:{t.tm_sec:02}"
        _date = (seconds, f"{day}, {t.tm_mday:02} {month} {t.tm_year} {clock} GMT")
    return _date[1]
