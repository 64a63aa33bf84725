"""IRC over WebSocket (IRCv3 "websocket"): one line a frame, without CRLF.

The subprotocol text.ircv3.net carries valid UTF-8, binary.ircv3.net any bytes.  The same port
serves the one-file web client, so that a browser needs no other server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bedrock.net.http import HttpError, Request, Response, Route, Router, Upgrade
from bedrock.net.websocket import WebSocketSession, accept
from chat.message import LINE_BYTES, Outgoing, parse

if TYPE_CHECKING:
    from chat.client import Client
    from chat.network import Network

BINARY = "binary.ircv3.net"
SUBPROTOCOLS = ("text.ircv3.net", BINARY)


class IrcWebSocket(WebSocketSession):
    """A client's connection."""

    def __init__(self, network: Network):
        super().__init__()
        self.network = network
        self.client: Client | None = None

    def attached(self) -> None:
        peer = self.link.peer
        host = peer[0] if isinstance(peer, tuple) else "localhost"
        self.client = self.network.connect(self, host)

    def on_text(self, text: str) -> None:
        self._line(text.encode("utf-8", "surrogateescape"))

    def on_bytes(self, data: bytes) -> None:
        self._line(data)

    def _line(self, data: bytes) -> None:
        assert self.client is not None
        data = data.rstrip(b"\r\n")
        if b"\n" in data or b"\r" in data:
            self.network.malformed(self.client, "one line a frame")
            return
        if len(data) - (data.find(b" ") if data.startswith(b"@") else 0) > LINE_BYTES - 2:
            self.network.line_too_long(self.client)
            return
        message = parse(data)
        if message is not None:
            self.network.handle(self.client, message)

    def deliver(self, message: Outgoing, wants: int) -> None:
        """Queue a message for this client."""
        line = message.encode(wants)[:-2]
        if self.subprotocol == BINARY:
            self.send_bytes(line)
        else:
            self.send_text(line.decode("utf-8", "replace"))

    def closed(self, exc: Exception | None) -> None:
        client, self.client = self.client, None
        if client is not None:
            self.network.disconnected(client, str(exc) if exc else "Connection closed")


def router(network: Network) -> Router:
    """The routes of the WebSocket port."""

    def index(request: Request) -> Response | Upgrade:
        if "upgrade" in request.headers:
            check_origin(request)
            return accept(request, IrcWebSocket(network), SUBPROTOCOLS)
        from importlib.resources import files  # takes longer to load than the server

        page = files("chat").joinpath("static/index.html").read_bytes()
        return Response(
            page,
            content_type="text/html; charset=utf-8",
            headers={
                "Content-Security-Policy": "default-src 'self'; style-src 'unsafe-inline'; "
                "script-src 'unsafe-inline'; connect-src 'self' ws: wss:"
            },
        )

    return Router([Route("GET", "/", index)])


def check_origin(request: Request) -> None:
    """A page of another site must not speak for its visitor: its Origin is not our Host."""
    origin = request.headers.get("origin")
    if origin and origin.split("://", 1)[-1] != request.headers.get("host"):
        raise HttpError(403, "this Origin may not connect")
