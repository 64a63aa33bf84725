"""The network as a server sees it.  Drivers live in bedrock.net and bedrock.sim.

An address is `(host, port)`, or a path for a unix socket.  A factory makes one `Session`
(bedrock.net.session) for each connection.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Address = tuple[str, int] | str


@dataclass(frozen=True)
class Limits:
    """What a connection may cost, checked before memory is taken.  0 means no limit.

    max_clients      connections of one listener; one more is closed at once
    high / low       queued output (bytes) at which reading stops / starts again
    hard             queued output (bytes) at which the connection is aborted
    first_message_s  from accept to the first whole message
    frame_s          from a message's first byte to its last
    idle_s           without any message
    stall_s          a client that takes none of its queued output
    """

    max_clients: int = 10_000
    high: int = 1 << 20
    low: int = 256 << 10
    hard: int = 256 << 20
    first_message_s: float = 10.0
    frame_s: float = 30.0
    idle_s: float = 0.0
    stall_s: float = 60.0


class Listener:
    """An open listening socket.

    address: where it really listens (port 0 is resolved).
    links:   the connections it accepted that are still open.
    """

    address: Address
    links: set

    def close(self) -> None:
        """Accept no more; open connections stay."""
        raise NotImplementedError


class Net:
    """Interface of a driver."""

    counters: dict[str, int]

    def listen(
        self,
        factory: Callable[[], Any],
        address: Address,
        *,
        limits: Limits = Limits(),
        tls: Any = None,
    ) -> Listener:
        """Listen at `address`; OSError (EADDRINUSE, EACCES) when it cannot."""
        raise NotImplementedError

    async def connect(
        self,
        factory: Callable[[], Any],
        address: Address,
        *,
        limits: Limits = Limits(),
        tls: Any = None,
        timeout_s: float = 10.0,
    ) -> Any:
        """Connect and return the session once it is open; OSError or TimeoutError when not."""
        raise NotImplementedError
