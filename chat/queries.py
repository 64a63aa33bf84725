"""Questions: WHO, WHOIS, WHOWAS, AWAY, ISON, USERHOST, LUSERS, MOTD, VERSION, TIME, INFO, ADMIN,
STATS, HELP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bedrock import __version__
from chat import numerics as n
from chat.history import timestamp
from chat.message import Message
from chat.names import fold, is_channel, matches

if TYPE_CHECKING:
    from chat.channel import Channel
    from chat.client import Client
    from chat.network import Network

AWAY_LENGTH = 390


def away(network: Network, client: Client, message: Message) -> None:
    client.away = message.params[0][:AWAY_LENGTH] if message.params else ""
    client.reply(n.NOWAWAY if client.away else n.UNAWAY)
    told = network.event(client.mask, "AWAY", *([client.away] if client.away else []))
    network.tell((c for c in client.neighbours() if "away-notify" in c.caps), told)


def who(network: Network, client: Client, message: Message) -> None:
    target = message.params[0] if message.params else "*"
    channel = network.channel(target)
    if is_channel(target):
        if channel is not None and channel.is_visible_to(client):
            for member in list(channel.members):
                if client in channel.members or "i" not in member.modes:
                    _who_reply(network, client, member, channel)
    else:
        for other in list(network.nicks.values()):
            if other.registered and _who_matches(network, client, other, target):
                shared = next((c for c in other.channels.values() if c.is_visible_to(client)), None)
                _who_reply(network, client, other, shared)
    client.reply(n.ENDOFWHO, target)


def _who_matches(network: Network, client: Client, other: Client, target: str) -> bool:
    if fold(other.nick) == fold(target):
        return True
    hidden = "i" in other.modes and other is not client and other not in client.neighbours()
    return not hidden and any(
        matches(target, name) for name in (other.nick, other.user, other.host, network.name)
    )


def _who_reply(network: Network, client: Client, who: Client, channel: Channel | None) -> None:
    flags = "G" if who.away else "H"
    if "o" in who.modes:
        flags += "*"
    if channel is not None:
        flags += channel.prefix(who, "multi-prefix" in client.caps)
    client.reply(
        n.WHOREPLY,
        channel.name if channel is not None else "*",
        who.user,
        who.host,
        network.name,
        who.nick,
        flags,
        text=f"0 {who.realname}",
    )


def whois(network: Network, client: Client, message: Message) -> None:
    nick = message.params[-1]
    subject = network.find(nick.split(",")[0])
    if subject is None:
        client.reply(n.NOSUCHNICK, nick)
        client.reply(n.ENDOFWHOIS, nick)
        return
    who = subject.nick
    client.reply(n.WHOISUSER, who, subject.user, subject.host, "*", text=subject.realname)
    shown = [
        channel.prefix(subject, "multi-prefix" in client.caps) + channel.name
        for channel in subject.channels.values()
        if channel.is_visible_to(client)
    ]
    if shown:
        client.reply(n.WHOISCHANNELS, who, text=" ".join(shown))
    client.reply(n.WHOISSERVER, who, network.name, text=network.config.network)
    if subject.away:
        client.reply(n.AWAY, who, text=subject.away)
    if "o" in subject.modes:
        client.reply(n.WHOISOPERATOR, who)
    idle_s = (network.world.clock.now_ns() - subject.active_ns) // 10**9
    client.reply(n.WHOISIDLE, who, str(idle_s), str(subject.signon_s))
    client.reply(n.ENDOFWHOIS, who)


def whowas(network: Network, client: Client, message: Message) -> None:
    nick = message.params[0]
    count = message.params[1] if len(message.params) > 1 else ""
    limit = int(count) if count.isascii() and count.isdigit() and int(count) else None
    found = [was for was in network.whowas if fold(was[0]) == fold(nick)][:limit]
    for name, user, host, realname, when_s in found:
        client.reply(n.WHOWASUSER, name, user, host, "*", text=realname)
        client.reply(n.WHOISSERVER, name, network.name, text=timestamp(when_s * 1000))
    if not found:
        client.reply(n.WASNOSUCHNICK, nick)
    client.reply(n.ENDOFWHOWAS, nick)


def ison(network: Network, client: Client, message: Message) -> None:
    wanted = " ".join(message.params).split()
    here = [found.nick for nick in wanted if (found := network.find(nick)) is not None]
    client.reply(n.ISON, text=" ".join(here))


def userhost(network: Network, client: Client, message: Message) -> None:
    words = []
    for nick in message.params[:5]:
        found = network.find(nick)
        if found is not None:
            star = "*" if "o" in found.modes else ""
            words.append(f"{found.nick}{star}={'-' if found.away else '+'}{found.host}")
    client.reply(n.USERHOST, text=" ".join(words))


def lusers(network: Network, client: Client, message: Message) -> None:
    users = [c for c in network.clients if c.registered and not c.left]
    invisible = sum("i" in c.modes for c in users)
    client.reply(
        n.LUSERCLIENT,
        text=f"There are {len(users) - invisible} users and {invisible} invisible on 1 servers",
    )
    client.reply(n.LUSEROP, str(sum("o" in c.modes for c in users)))
    client.reply(n.LUSERUNKNOWN, str(len(network.clients) - len(users)))
    client.reply(n.LUSERCHANNELS, str(len(network.channels)))
    client.reply(n.LUSERME, text=f"I have {len(users)} clients and 0 servers")
    network.users_most = max(network.users_most, len(users))
    most, now = str(network.users_most), str(len(users))
    client.reply(n.LOCALUSERS, now, most, text=f"Current local users {now}, max {most}")
    client.reply(n.GLOBALUSERS, now, most, text=f"Current global users {now}, max {most}")


def motd(network: Network, client: Client, message: Message) -> None:
    if not network.motd:
        client.reply(n.NOMOTD)
        return
    client.reply(n.MOTDSTART, text=f"- {network.name} Message of the day -")
    for line in network.motd:
        client.reply(n.MOTD, text=f"- {line}")
    client.reply(n.ENDOFMOTD)


def version(network: Network, client: Client, message: Message) -> None:
    from chat.registration import isupport  # registration greets with our lusers and motd

    client.reply(n.VERSION, f"bedrock-chat-{__version__}", network.name, text="")
    tokens = isupport(network)
    for start in range(0, len(tokens), 12):
        client.reply(n.ISUPPORT, *tokens[start : start + 12])


def time(network: Network, client: Client, message: Message) -> None:
    client.reply(n.TIME, network.name, text=timestamp(network.world.clock.wall_ms()))


def info(network: Network, client: Client, message: Message) -> None:
    client.reply(n.INFO, text=f"Bedrock chat {__version__}: an IRC server you can read")
    client.reply(n.ENDOFINFO)


def admin(network: Network, client: Client, message: Message) -> None:
    client.reply(n.ADMINME, network.name)
    client.reply(n.ADMINLOC1, text=f"{network.name} of the network {network.config.network}")
    client.reply(n.ADMINLOC2, text=f"Bedrock chat {__version__}")
    client.reply(n.ADMINEMAIL, text="whoever started it")


def stats(network: Network, client: Client, message: Message) -> None:
    """`u` tells how long the server has been up; there are no other statistics."""
    letter = message.params[0][:1] if message.params else "*"
    if letter == "u":
        minutes, seconds = divmod((network.world.clock.wall_ms() - network.created_ms) // 1000, 60)
        hours, minutes = divmod(minutes, 60)
        days, hours = divmod(hours, 24)
        up = f"Server Up {days} days {hours}:{minutes:02}:{seconds:02}"
        client.reply(n.STATSUPTIME, text=up)
    client.reply(n.ENDOFSTATS, letter)


def help_(network: Network, client: Client, message: Message) -> None:
    subject = message.params[0].upper() if message.params else ""
    if not subject:
        client.reply(n.HELPSTART, "*", text="Commands; HELP <command> tells more")
        for name in network.commands:
            client.reply(n.HELPTXT, "*", text=name)
        client.reply(n.ENDOFHELP, "*", text="End of help")
    elif subject in network.commands:
        command = network.commands[subject]
        client.reply(n.HELPSTART, subject, text=f"{subject} {command.usage}".rstrip())
        client.reply(n.HELPTXT, subject, text=command.doc)
        client.reply(n.ENDOFHELP, subject, text="End of help")
    else:
        client.reply(n.HELPNOTFOUND, subject)
