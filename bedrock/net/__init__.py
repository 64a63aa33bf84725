"""Bytes in, bytes out: sessions, links, and the drivers that move their bytes.

    buf.pyx       Buf: a growable run of bytes
    session.pyx   Session (a protocol) and Link (its connection)
    driver.pyx    what all drivers share: the turn
    reactor.pyx   Reactor: epoll, what servers run on
    asyncio_driver.pyx  the same sessions on any asyncio loop
    tls.pyx       Tls: a session around a session
    server.py     Server: listeners, deadlines, drain
    http.py       HTTP/1.1;  websocket.py  WebSocket

Read `session.pyx` first, then a turn in `reactor.pyx`.
"""

from bedrock.net.buf import Buf
from bedrock.net.server import Server
from bedrock.net.session import FileSpan, Link, Session
from bedrock.world.net import Limits

__all__ = ["Buf", "FileSpan", "Limits", "Link", "Server", "Session"]
