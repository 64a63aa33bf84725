"""The network: who is connected, which channels exist, and what is said to whom.

The engine of the server.  It knows no sockets: a transport calls `connect`, `handle` and
`disconnected`, and is called back with `deliver`.  Handlers of commands live beside their subject
(registration, channels, modes, messages, queries) and are found through `chat.commands`.

Invariants:
1. A folded nick names one client; it is claimed before registration ends.
2. What a client did is told to those it concerns in the same order to each of them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from bedrock.lazy import hmac
from bedrock.world import World
from chat.channel import Channel
from chat.client import Client, Transport
from chat.history import History, timestamp
from chat.message import Message, Outgoing
from chat.names import fold
from chat.numerics import INPUTTOOLONG, NEEDMOREPARAMS, NOTREGISTERED, UNKNOWNCOMMAND
from chat.session import fan_out

if TYPE_CHECKING:
    from chat.commands import Command

PING_AFTER_S = 90
DROP_AFTER_S = 150
REGISTER_WITHIN_S = 60
SWEEP_S = 15
WHOWAS_KEPT = 500


class Network:
    """One server's state.

    world    clock, randomness, and the disk history is kept on
    config   chat.config.Config
    password asked with PASS; "" for none
    """

    def __init__(self, world: World, config: Any, password: str = ""):
        from chat.commands import COMMANDS  # the handlers import this module's types

        self.world = world
        self.config = config
        self.password = password
        self.name: str = config.server_name
        self.commands: dict[str, Command] = COMMANDS
        self.motd: list[str] = config.motd_lines()
        self.oper_password: str = config.oper_password()
        self.history = History(world, config.history_lines)
        self.clients: dict[Client, None] = {}  # a set that keeps its order
        self.users_most = 0
        self.nicks: dict[str, Client] = {}
        self.channels: dict[str, Channel] = {}
        self.whowas: deque[tuple[str, str, str, str, int]] = deque(maxlen=WHOWAS_KEPT)
        self.created_ms = world.clock.wall_ms()
        self.handled = 0
        self.delivered = 0
        self._ids = 0
        self._salt = world.rand.token(4).hex()

    # ------------------------------------------------------------------ transports call

    def connect(self, transport: Transport, host: str) -> Client:
        """A connection was opened."""
        client = Client(self, transport, host)
        self.clients[client] = None
        return client

    def handle(self, client: Client, message: Message) -> None:
        """A line arrived."""
        if client.left or self.floods(client):
            return
        self.handled += 1
        client.pinged = False
        command = self.commands.get(message.command)
        if command is None:
            if client.registered:
                client.reply(UNKNOWNCOMMAND, message.command)
            else:
                client.reply(NOTREGISTERED)
        elif command.registered and not client.registered:
            client.reply(NOTREGISTERED)
        elif len(message.params) < command.params:
            client.reply(NEEDMOREPARAMS, message.command)
        else:
            command.handler(self, client, message)

    def floods(self, client: Client) -> bool:
        """Take note that a client sent a line; True if it was one too many, and its last."""
        client.heard_ns = self.world.clock.now_ns()
        if client.bucket.take(client.heard_ns) or "o" in client.modes:
            return False
        self.quit(client, "Excess Flood", f"Closing link: {client.host} (Excess Flood)")
        return True

    def line_too_long(self, client: Client) -> None:
        if not client.left and not self.floods(client):
            client.reply(INPUTTOOLONG)

    def malformed(self, client: Client, why: str) -> None:
        client.fail("*", "INVALID_MESSAGE", text=why)

    def disconnected(self, client: Client, reason: str) -> None:
        """The connection is gone."""
        self.quit(client, reason)
        self.clients.pop(client, None)

    # ------------------------------------------------------------------ handlers call

    def find(self, nick: str) -> Client | None:
        """A registered client by nick."""
        client = self.nicks.get(fold(nick))
        return client if client is not None and client.registered else None

    def channel(self, name: str) -> Channel | None:
        return self.channels.get(fold(name))

    def now_s(self) -> int:
        return self.world.clock.wall_ms() // 1000

    def next_msgid(self, time_ms: int) -> str:
        """Unique for ever: the time, a salt drawn at the start, and a counter."""
        self._ids += 1
        return f"{time_ms:x}-{self._salt}-{self._ids:x}"

    def event(
        self, source: str, command: str, *params: str, client_tags: dict[str, str] | None = None
    ) -> Outgoing:
        """A line that tells of something that happened now."""
        time_ms = self.history.now_ms()
        return Outgoing(
            source,
            command,
            params,
            time=timestamp(time_ms),
            msgid=self.next_msgid(time_ms) if command in ("PRIVMSG", "NOTICE", "TAGMSG") else "",
            client_tags=client_tags,
        )

    def tell(self, recipients: Iterable[Client], message: Outgoing) -> None:
        """Queue a message for each recipient."""
        self.delivered += fan_out(recipients, message)

    def quit(self, client: Client, reason: str, why: str = "") -> None:
        """Take a client off the network, tell its neighbours, and close its connection.

        why: the ERROR it is told, if any.
        """
        if client.left:
            return
        if client.registered:
            self.tell(client.neighbours(), self.event(client.mask, "QUIT", reason))
            self.remember(client)
        for channel in list(client.channels.values()):
            self.leave(client, channel)
        for channel in self.channels.values():
            channel.invited.discard(client)
        if self.nicks.get(fold(client.nick)) is client:
            del self.nicks[fold(client.nick)]
        if why:
            client.tell("ERROR", why)
        client.left = True
        client.transport.close()

    def leave(self, client: Client, channel: Channel) -> None:
        """Undo a membership (both invariants of Channel)."""
        del channel.members[client]
        del client.channels[fold(channel.name)]
        if not channel.members:
            del self.channels[fold(channel.name)]

    def remember(self, client: Client) -> None:
        """For WHOWAS."""
        self.whowas.appendleft(
            (client.nick, client.user, client.host, client.realname, self.now_s())
        )

    def accepts(self, password: str) -> bool:
        """Is it the server's password?  Compared in constant time."""
        return not self.password or hmac.compare_digest(
            password.encode("utf-8", "surrogateescape"), self.password.encode()
        )

    # ------------------------------------------------------------------ the clock calls

    def sweep(self) -> None:
        """Ping who is silent, drop who does not answer or never registered."""
        now_ns = self.world.clock.now_ns()
        for client in list(self.clients):
            silent_s = (now_ns - client.heard_ns) / 1e9
            if not client.registered:
                if self.now_s() - client.signon_s > REGISTER_WITHIN_S:
                    self.quit(client, "Registration timeout", "Registration timeout")
            elif silent_s > DROP_AFTER_S:
                self.quit(client, f"Ping timeout: {int(silent_s)} seconds", "Ping timeout")
            elif silent_s > PING_AFTER_S and not client.pinged:
                client.pinged = True
                client.tell("PING", self.name)
