"""Sockets that drivers make alike."""

from __future__ import annotations

import os
import socket

from bedrock.world.net import Address


def listening(address: Address) -> socket.socket:
    """A non-blocking socket listening at (host, port) or at a unix path; OSError if it cannot."""
    if isinstance(address, str):
        unlink(address)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    else:
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.setblocking(False)
        sock.bind(address)
        sock.listen(1024)
    except BaseException:
        sock.close()
        raise
    return sock


def socket_pair() -> tuple[socket.socket, socket.socket]:
    """Two sockets connected with each other."""
    return socket.socketpair()


def plain_address(name: tuple | str) -> Address:
    """A socket's name without IPv6's flow and scope."""
    return name[:2] if isinstance(name, tuple) else name  # type: ignore[return-value]


def unlink(address: Address) -> None:
    """Remove the file of a unix socket that nobody listens at any more."""
    if isinstance(address, str) and os.path.exists(address):
        os.unlink(address)
