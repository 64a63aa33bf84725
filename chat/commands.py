"""The commands, as a table: name, handler, parameters needed, whether one must be registered.

It drives dispatch, arity errors, HELP, and the completion and hints of the shell.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chat import channels, messages, modes, queries, registration
from chat.message import Message

if TYPE_CHECKING:
    from chat.client import Client
    from chat.network import Network

Handler = Callable[["Network", "Client", Message], None]


@dataclass(frozen=True)
class Command:
    """A line of the table.

    params      how many parameters it cannot do without
    registered  only after registration
    usage, doc  for HELP and the shell
    """

    name: str
    handler: Handler
    params: int
    registered: bool
    usage: str
    doc: str


def _command(
    name: str, handler: Handler, params: int, usage: str, doc: str, registered: bool = True
) -> tuple[str, Command]:
    return name, Command(name, handler, params, registered, usage, doc)


COMMANDS: dict[str, Command] = dict(
    (
        _command("ADMIN", queries.admin, 0, "", "whose server this is"),
        _command("AWAY", queries.away, 0, "[message]", "say that you are away, or back"),
        _command("CAP", registration.cap, 1, "LS|REQ|LIST|END [args]", "negotiate", False),
        _command(
            "CHATHISTORY",
            messages.chathistory,
            4,
            "LATEST|BEFORE|AFTER|AROUND|BETWEEN|TARGETS target points limit",
            "read what was said",
        ),
        _command("HELP", queries.help_, 0, "[command]", "what a command does"),
        _command("INFO", queries.info, 0, "", "about this server"),
        _command("INVITE", channels.invite, 2, "nick #channel", "invite someone to a channel"),
        _command("ISON", queries.ison, 1, "nick ...", "which of these are here"),
        _command("JOIN", channels.join, 1, "#channel[,#channel] [key,...]", "enter channels"),
        _command("KICK", channels.kick, 2, "#channel nick [reason]", "put someone out"),
        _command("KILL", registration.kill, 2, "nick reason", "disconnect someone (operators)"),
        _command("LIST", channels.list_, 0, "[#channel,...]", "channels, members and topics"),
        _command("LUSERS", queries.lusers, 0, "", "how many are here"),
        _command("MODE", modes.mode, 1, "target [modes [args]]", "show or change modes"),
        _command("MOTD", queries.motd, 0, "", "message of the day"),
        _command("NAMES", channels.names, 0, "[#channel,...]", "who is in a channel"),
        _command("NICK", registration.nick, 0, "nick", "take a nickname", False),
        _command("NOTICE", messages.notice, 0, "target text", "say something, no answer expected"),
        _command("OPER", registration.oper, 2, "name password", "become an operator"),
        _command("PART", channels.part, 1, "#channel[,...] [reason]", "leave channels"),
        _command("PASS", registration.password, 1, "password", "the server's password", False),
        _command("PING", registration.ping, 1, "token", "is the server there?", False),
        _command("PONG", registration.pong, 0, "token", "answer to PING", False),
        _command("PRIVMSG", messages.privmsg, 0, "target text", "say something"),
        _command("QUIT", registration.quit_, 0, "[reason]", "leave the network", False),
        _command("SETNAME", registration.setname, 1, "realname", "change your real name"),
        _command("STATS", queries.stats, 0, "[u]", "how long the server is up"),
        _command("TAGMSG", messages.tagmsg, 1, "target", "send client tags alone"),
        _command("TIME", queries.time, 0, "", "the server's time"),
        _command("TOPIC", channels.topic, 1, "#channel [topic]", "show or set the topic"),
        _command("USER", registration.user, 4, "user 0 * realname", "register", False),
        _command("USERHOST", queries.userhost, 1, "nick ...", "where these come from"),
        _command("VERSION", queries.version, 0, "", "the server's version and features"),
        _command("WALLOPS", messages.wallops, 1, "text", "to all with mode +w (operators)"),
        _command("WHO", queries.who, 0, "target", "who is in a channel, or matches a mask"),
        _command("WHOIS", queries.whois, 1, "[server] nick", "about someone"),
        _command("WHOWAS", queries.whowas, 1, "nick [count]", "about someone who left"),
    )
)
