"""Who may ask the console, and what its pages may do.

- Host must name this machine as it was started: a page elsewhere whose name was re-bound to
  127.0.0.1 (DNS rebinding) sends its own name.
- Origin, where a browser sends one, must be ours for anything but reading; no CORS header is ever
  sent, so other sites cannot read either.
- Pages load nothing but our own files (CSP), cannot be framed, and are not cached.
- With a password, HTTP basic authentication (any user name), compared in constant time.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable
from typing import Any

from bedrock.lazy import hmac, lazy

urls = lazy("urllib.parse")

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]

LOCAL = ("127.0.0.1", "localhost", "[::1]")
HEADERS = [
    (b"content-security-policy", b"default-src 'self'; frame-ancestors 'none'; base-uri 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
]


class Guard:
    """ASGI middleware; `host` is the address listened at."""

    def __init__(self, app: Any, host: str, password: str = ""):
        self.app = app
        self.hosts = {*LOCAL, f"[{host}]" if ":" in host else host}
        # Listening everywhere, under names we cannot know; the password is the guard then.
        self.any_host = host in ("0.0.0.0", "::")  # noqa: S104
        self.password = password.encode()

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        headers = {name.decode("latin-1"): value for name, value in scope["headers"]}
        refusal = self.refuse(scope["method"], headers)
        if refusal:
            await _answer(send, *refusal)
            return

        async def guarded(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *HEADERS]
            await send(message)

        await self.app(scope, receive, guarded)

    def refuse(self, method: str, headers: dict[str, bytes]) -> tuple[int, str] | None:
        """Status and reason when the request is not to be answered."""
        host = headers.get("host", b"").decode("latin-1")
        if not self.any_host and _name(host) not in self.hosts:
            return 421, "this console is not known under that name"
        origin = headers.get("origin", b"").decode("latin-1")
        if method not in ("GET", "HEAD") and urls.urlsplit(origin).netloc != host:
            return 403, "only the console's own pages may do that"
        if self.password and not self.knows(headers.get("authorization", b"")):
            return 401, "password, please"
        return None

    def knows(self, authorization: bytes) -> bool:
        """Whether a header holds the password."""
        kind, _, value = authorization.partition(b" ")
        if kind.lower() != b"basic":
            return False
        try:
            _, _, word = base64.b64decode(value, validate=True).partition(b":")
        except (binascii.Error, ValueError):
            return False
        return hmac.compare_digest(word, self.password)


def _name(host: str) -> str:
    """`localhost:7070` -> `localhost`."""
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0].lower()


async def _answer(send: Send, status: int, reason: str) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), *HEADERS]
    if status == 401:
        headers.append((b"www-authenticate", b'Basic realm="bedrock"'))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": reason.encode() + b"\n"})
