"""WebSocket (RFC 6455): frames by wsproto, as a session that HTTP upgrades to.

HttpSession ── GET with Upgrade ──► accept(request, session) ──► Upgrade ──► WebSocketSession
"""

from __future__ import annotations

from collections.abc import Sequence

from bedrock.lazy import wsproto
from bedrock.net.buf import Buf
from bedrock.net.http import HttpError, Request, Upgrade
from bedrock.net.session import Session

MESSAGE_BYTES = 1 << 20

# Codes of closing (RFC 6455 section 7.4.1).
NORMAL, PROTOCOL_ERROR, TOO_BIG = 1000, 1002, 1009


def accept(
    request: Request, session: WebSocketSession, subprotocols: Sequence[str] = ()
) -> Upgrade:
    """Answer a handshake: the first of `subprotocols` the client offers is chosen.

    HttpError 400 or 426 when the request is no WebSocket handshake of version 13.
    """
    headers = request.headers
    key = headers.get("sec-websocket-key", "")
    if headers.get("upgrade", "").lower() != "websocket" or not key:
        raise HttpError(400, "not a WebSocket handshake")
    if headers.get("sec-websocket-version") != "13":
        raise HttpError(426, "WebSocket version 13", {"Sec-WebSocket-Version": "13"})
    answer = {
        "Upgrade": "websocket",
        "Sec-WebSocket-Accept": wsproto.utilities.generate_accept_token(key.encode()).decode(),
    }
    offered = [name.strip() for name in headers.get("sec-websocket-protocol", "").split(",")]
    chosen = next((name for name in subprotocols if name in offered), "")
    if chosen:
        answer["Sec-WebSocket-Protocol"] = chosen
    session.subprotocol = chosen
    return Upgrade(session, answer)


class WebSocketSession(Session):
    """Messages in both directions; override `on_text`, `on_bytes`, `closed`.

    subprotocol: the one agreed on, "" if none.
    """

    subprotocol = ""

    def __init__(self) -> None:
        self._frames = wsproto.Connection(wsproto.ConnectionType.SERVER)
        self._parts: list[bytes | str] = []
        self._size = 0

    def attached(self) -> None:
        """The handshake is done."""

    def on_text(self, text: str) -> None:
        """A whole text message arrived."""

    def on_bytes(self, data: bytes) -> None:
        """A whole binary message arrived."""

    def send_text(self, text: str) -> None:
        """Send a text message."""
        self._send(wsproto.events.TextMessage(data=text))

    def send_bytes(self, data: bytes) -> None:
        """Send a binary message."""
        self._send(wsproto.events.BytesMessage(data=data))

    def close(self, code: int = NORMAL, reason: str = "") -> None:
        """Begin the closing handshake and end the link."""
        self._send(wsproto.events.CloseConnection(code=code, reason=reason))
        self.link.close()

    def _send(self, event: wsproto.events.Event) -> None:
        states = wsproto.connection.ConnectionState
        if self._frames.state in (states.OPEN, states.REMOTE_CLOSING):
            try:
                self.link.write(self._frames.send(event))
            except wsproto.utilities.LocalProtocolError:
                pass  # the closing handshake crossed with ours

    def received(self, data: bytes, out: Buf) -> int:
        try:
            self._frames.receive_data(data)
            for event in self._frames.events():
                if isinstance(event, wsproto.events.TextMessage | wsproto.events.BytesMessage):
                    self._message(event)
                elif isinstance(event, wsproto.events.Ping):
                    self._send(event.response())
                elif isinstance(event, wsproto.events.CloseConnection):
                    self._send(event.response())
                    self.link.close()
        except wsproto.utilities.RemoteProtocolError as exc:
            self._send(wsproto.events.CloseConnection(code=PROTOCOL_ERROR, reason=str(exc)))
            return -1
        return len(data)

    def _message(self, event: wsproto.events.TextMessage | wsproto.events.BytesMessage) -> None:
        self._size += len(event.data)
        if self._size > MESSAGE_BYTES:
            self.close(TOO_BIG)
            return
        self._parts.append(event.data)  # type: ignore[arg-type]
        if event.message_finished:
            parts, self._parts, self._size = self._parts, [], 0
            if isinstance(event, wsproto.events.TextMessage):
                self.on_text("".join(parts))  # type: ignore[arg-type]
            else:
                self.on_bytes(b"".join(parts))  # type: ignore[arg-type]
