"""Coming and going: CAP, PASS, NICK, USER, PING, QUIT, OPER, KILL.

connected ── NICK and USER (and CAP END, if CAP was begun; PASS, if asked) ──► registered
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bedrock import __version__
from bedrock.lazy import hmac
from chat.capabilities import CAPABILITIES
from chat.channel import FLAGS, RANKS
from chat.client import USER_MODES
from chat.history import timestamp
from chat.message import Message
from chat.names import CHANNEL_LENGTH, NICK_LENGTH, fold, valid_nick
from chat.numerics import (
    ALREADYREGISTERED,
    CREATED,
    ERRONEUSNICKNAME,
    INVALIDCAPCMD,
    ISUPPORT,
    MYINFO,
    NEEDMOREPARAMS,
    NICKNAMEINUSE,
    NONICKNAMEGIVEN,
    NOPRIVILEGES,
    NOSUCHNICK,
    PASSWDMISMATCH,
    WELCOME,
    YOUREOPER,
    YOURHOST,
)
from chat.queries import lusers, motd

if TYPE_CHECKING:
    from chat.client import Client
    from chat.network import Network

TOPIC_LENGTH = 390
CAP_LINE = 400  # bytes of names in one CAP LS line


def isupport(network: Network) -> list[str]:
    """The tokens of RPL_ISUPPORT."""
    return [
        "AWAYLEN=390",
        "CASEMAPPING=ascii",
        f"CHANMODES=beI,k,l,{''.join(sorted(FLAGS))}",
        f"CHANLIMIT=#:{network.config.channels_max}",
        f"CHANNELLEN={CHANNEL_LENGTH}",
        "CHANTYPES=#",
        "CHATHISTORY=1000",
        "EXCEPTS=e",
        "INVEX=I",
        "KICKLEN=390",
        "MAXLIST=beI:100",
        "MODES=20",
        "MSGREFTYPES=msgid,timestamp",
        f"NETWORK={network.config.network}",
        f"NICKLEN={NICK_LENGTH}",
        f"PREFIX=({''.join(RANKS)}){''.join(RANKS.values())}",
        "STATUSMSG=@+",
        "TARGMAX=KICK:1,NOTICE:20,PRIVMSG:20",
        f"TOPICLEN={TOPIC_LENGTH}",
    ]


def cap(network: Network, client: Client, message: Message) -> None:
    """Capability negotiation, version 302."""
    subcommand = message.params[0].upper()
    args = message.params[1:]
    me = client.nick or "*"
    if subcommand == "LS":
        client.held_cap = not client.registered
        if args and args[0].isdigit():
            client.cap_version = max(client.cap_version, int(args[0]))
        values = client.cap_version >= 302
        words = [f"{n}={v}" if v and values else n for n, v in CAPABILITIES.items()]
        _cap_lines(client, "LS", words, more=values)
        if values:
            client.set_caps(client.caps | {"cap-notify"})
    elif subcommand == "LIST":
        _cap_lines(client, "LIST", sorted(client.caps), more=client.cap_version >= 302)
    elif subcommand == "REQ":
        client.held_cap = not client.registered
        words = " ".join(args).split()
        wanted = {word for word in words if not word.startswith("-")}
        unwanted = {word[1:] for word in words if word.startswith("-")}
        if wanted | unwanted <= CAPABILITIES.keys():
            client.set_caps((client.caps | wanted) - unwanted)
            client.tell("CAP", me, "ACK", " ".join(words))
        else:
            client.tell("CAP", me, "NAK", " ".join(words))
    elif subcommand == "END":
        client.held_cap = False
        welcome_if_complete(network, client)
    else:
        client.reply(INVALIDCAPCMD, subcommand)


def _cap_lines(client: Client, subcommand: str, words: list[str], more: bool) -> None:
    """The words over as many lines as they need; all but the last are marked with `*`."""
    me = client.nick or "*"
    lines: list[list[str]] = [[]]
    size = 0
    for word in words:
        if more and size + len(word) > CAP_LINE:
            lines.append([])
            size = 0
        lines[-1].append(word)
        size += len(word) + 1
    for line in lines[:-1]:
        client.tell("CAP", me, subcommand, "*", " ".join(line))
    client.tell("CAP", me, subcommand, " ".join(lines[-1]))


def password(network: Network, client: Client, message: Message) -> None:
    if client.registered:
        client.reply(ALREADYREGISTERED)
    else:
        client.password = message.params[0]


def nick(network: Network, client: Client, message: Message) -> None:
    if not message.params or not message.params[0]:
        client.reply(NONICKNAMEGIVEN)
        return
    wanted = message.params[0]
    if not valid_nick(wanted):
        client.reply(ERRONEUSNICKNAME, wanted)
        return
    owner = network.nicks.get(fold(wanted))
    if owner is not None and owner is not client:
        client.reply(NICKNAMEINUSE, wanted)
        return
    if wanted == client.nick:
        return
    if client.registered:
        network.remember(client)
        network.tell([*client.neighbours(), client], network.event(client.mask, "NICK", wanted))
    if client.nick:
        del network.nicks[fold(client.nick)]
    network.nicks[fold(wanted)] = client
    client.nick = wanted
    welcome_if_complete(network, client)


def user(network: Network, client: Client, message: Message) -> None:
    if client.registered or client.user:
        client.reply(ALREADYREGISTERED)
        return
    name = "".join(c for c in message.params[0] if c.isalnum() or c in "._-")[:18]
    if not name or not message.params[3]:
        client.reply(NEEDMOREPARAMS, "USER")
        return
    client.user = f"~{name}"
    client.realname = message.params[3]
    welcome_if_complete(network, client)


def welcome_if_complete(network: Network, client: Client) -> None:
    """Finish registration once nothing is missing."""
    if client.registered or client.held_cap or not client.nick or not client.user:
        return
    if not network.accepts(client.password):
        client.reply(PASSWDMISMATCH)
        network.quit(client, "Bad password", "Password incorrect")
        return
    client.registered = True
    config = network.config
    version = f"bedrock-chat-{__version__}"
    client.reply(WELCOME, text=f"Welcome to the {config.network} network, {client.mask}")
    client.reply(YOURHOST, text=f"Your host is {network.name}, running {version}")
    client.reply(CREATED, text=f"This server was started at {timestamp(network.created_ms)}")
    client.reply(
        MYINFO, network.name, version, "".join(sorted(USER_MODES)), "Ibeiklmnostv", "Ibeklov"
    )
    tokens = isupport(network)
    for start in range(0, len(tokens), 12):
        client.reply(ISUPPORT, *tokens[start : start + 12])
    lusers(network, client, message=Message("LUSERS"))
    motd(network, client, message=Message("MOTD"))


def ping(network: Network, client: Client, message: Message) -> None:
    client.tell("PONG", network.name, message.params[0])


def pong(network: Network, client: Client, message: Message) -> None:
    """Having been heard is all that counts."""


def quit_(network: Network, client: Client, message: Message) -> None:
    reason = message.params[0] if message.params else client.nick
    network.quit(client, f"Quit: {reason}", f"Closing link: {client.host} (Quit: {reason})")


def setname(network: Network, client: Client, message: Message) -> None:
    client.realname = message.params[0][:TOPIC_LENGTH]
    told = network.event(client.mask, "SETNAME", client.realname)
    watchers = [*client.neighbours(), client]
    network.tell((other for other in watchers if "setname" in other.caps), told)


def oper(network: Network, client: Client, message: Message) -> None:
    expected = network.oper_password
    given = message.params[1]
    if not expected or not hmac.compare_digest(
        given.encode("utf-8", "surrogateescape"), expected.encode()
    ):
        client.reply(PASSWDMISMATCH)
        return
    client.modes.add("o")
    client.reply(YOUREOPER)
    client.tell("MODE", client.nick, "+o")


def kill(network: Network, client: Client, message: Message) -> None:
    if "o" not in client.modes:
        client.reply(NOPRIVILEGES)
        return
    victim = network.find(message.params[0])
    if victim is None:
        client.reply(NOSUCHNICK, message.params[0])
        return
    why = f"Killed ({client.nick} ({message.params[1]}))"
    network.quit(victim, why, f"Closing link: {why}")
