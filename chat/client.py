"""A client: who it is, what it negotiated, where it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from chat.flood import Bucket
from chat.message import Outgoing, Wants
from chat.numerics import Numeric

if TYPE_CHECKING:
    from chat.channel import Channel
    from chat.network import Network

USER_MODES = {"i": "invisible", "o": "operator", "w": "receives WALLOPS"}


class Transport(Protocol):
    """The session behind a client: a socket's or a WebSocket's."""

    link: Any

    def deliver(self, message: Outgoing, wants: int) -> None: ...

    def close(self) -> None: ...


class Client:
    """A connection and, once it is registered, a user.

    nick      "" until NICK was accepted
    held_cap  CAP negotiation is open: registration waits for CAP END
    left      it has quit; nothing is delivered any more
    """

    def __init__(self, network: Network, transport: Transport, host: str):
        self.network = network
        self.transport = transport
        self.host = host
        self.nick = ""
        self.user = ""
        self.realname = ""
        self.password = ""
        self.away = ""
        self.registered = False
        self.held_cap = False
        self.cap_version = 301
        self.left = False
        self.pinged = False
        self.caps: set[str] = set()
        self.wants = 0
        self.modes: set[str] = set()
        self.channels: dict[str, Channel] = {}
        now = network.world.clock
        self.signon_s = now.wall_ms() // 1000
        self.active_ns = self.heard_ns = now.now_ns()
        config = network.config
        self.bucket = Bucket(config.flood_lines, config.flood_per_s, self.heard_ns)

    @property
    def mask(self) -> str:
        """nick!user@host: the source of what this client says."""
        return f"{self.nick}!{self.user}@{self.host}"

    def set_caps(self, caps: set[str]) -> None:
        self.caps = caps
        self.wants = (Wants.TIME if "server-time" in caps else 0) | (
            Wants.TAGS if "message-tags" in caps else 0
        )

    def deliver(self, message: Outgoing) -> None:
        """Queue a message for this client."""
        if not self.left:
            self.transport.deliver(message, self.wants)

    def reply(self, numeric: Numeric, *params: str, text: str | None = None) -> None:
        """A numeric reply: its parameters, then its text (or the one given)."""
        last = numeric.text if text is None else text
        words = [self.nick or "*", *params]
        if last or text is not None:
            words.append(last)
        self.deliver(Outgoing(self.network.name, numeric.code, words))

    def tell(self, command: str, *params: str) -> None:
        """A command from the server."""
        self.deliver(Outgoing(self.network.name, command, params))

    def fail(self, command: str, code: str, *context: str, text: str) -> None:
        """A FAIL of standard-replies, or a NOTICE for those without it."""
        if "standard-replies" in self.caps:
            self.tell("FAIL", command, code, *context, text)
        else:
            self.tell("NOTICE", self.nick or "*", f"{command}: {text}")

    def warn(self, command: str, code: str, *context: str, text: str) -> None:
        """As `fail`, where the command was carried out all the same."""
        if "standard-replies" in self.caps:
            self.tell("WARN", command, code, *context, text)
        else:
            self.tell("NOTICE", self.nick or "*", f"{command}: {text}")

    def neighbours(self) -> list[Client]:
        """All who share a channel with this client, without itself, always in the same order."""
        every = (member for channel in self.channels.values() for member in channel.members)
        return [member for member in dict.fromkeys(every) if member is not self]
