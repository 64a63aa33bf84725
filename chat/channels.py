"""Channels: JOIN, PART, KICK, TOPIC, INVITE, NAMES, LIST."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING

from chat.channel import Channel
from chat.message import Message
from chat.names import fold, matches, valid_channel
from chat.numerics import (
    BADCHANMASK,
    BADCHANNELKEY,
    BANNEDFROMCHAN,
    CHANNELISFULL,
    CHANOPRIVSNEEDED,
    ENDOFNAMES,
    INVITEONLYCHAN,
    INVITING,
    LIST,
    LISTEND,
    NAMREPLY,
    NOSUCHCHANNEL,
    NOSUCHNICK,
    NOTONCHANNEL,
    NOTOPIC,
    TOOMANYCHANNELS,
    TOPIC,
    TOPICWHOTIME,
    USERNOTINCHANNEL,
    USERONCHANNEL,
    Numeric,
)

if TYPE_CHECKING:
    from chat.client import Client
    from chat.network import Network

NAMES_BYTES = 400
TOPIC_LENGTH = 390


def join(network: Network, client: Client, message: Message) -> None:
    if message.params[0] == "0":
        for joined in list(client.channels.values()):
            _part(network, client, joined, client.nick)
        return
    keys = message.params[1].split(",") if len(message.params) > 1 else []
    names = message.params[0].split(",")
    for name, key in zip_longest(names, keys[: len(names)], fillvalue=""):
        if not name:
            continue
        if not valid_channel(name):
            client.reply(BADCHANMASK if name.startswith("#") else NOSUCHCHANNEL, name)
            continue
        channel = network.channel(name)
        if len(client.channels) >= network.config.channels_max:
            client.reply(TOOMANYCHANNELS, name)
        elif channel is None:
            founded = network.channels[fold(name)] = Channel(name, network.now_s())
            _enter(network, client, founded, {"o"})
        elif client not in channel.members:
            refusal = _refusal(client, channel, key)
            if refusal is not None:
                client.reply(refusal, channel.name)
            else:
                _enter(network, client, channel, set())


def _refusal(client: Client, channel: Channel, key: str) -> Numeric | None:
    """Why a client may not join, None if it may."""
    invited = client in channel.invited
    if channel.is_banned(client) and not invited:
        return BANNEDFROMCHAN
    if "i" in channel.flags and not invited and not channel.may_join_uninvited(client):
        return INVITEONLYCHAN
    if channel.key and key != channel.key:
        return BADCHANNELKEY
    if channel.limit and len(channel.members) >= channel.limit:
        return CHANNELISFULL
    return None


def _enter(network: Network, client: Client, channel: Channel, ranks: set[str]) -> None:
    channel.invited.discard(client)
    channel.members[client] = ranks
    client.channels[fold(channel.name)] = channel
    plain = network.event(client.mask, "JOIN", channel.name)
    extended = network.event(client.mask, "JOIN", channel.name, "*", client.realname)
    for member in list(channel.members):
        network.tell((member,), extended if "extended-join" in member.caps else plain)
    if client.away:
        watchers = [m for m in channel.members if m is not client and "away-notify" in m.caps]
        network.tell(watchers, network.event(client.mask, "AWAY", client.away))
    if channel.topic:
        _send_topic(client, channel)
    send_names(client, channel)


def part(network: Network, client: Client, message: Message) -> None:
    for name in message.params[0].split(","):
        channel = network.channel(name)
        if channel is None:
            client.reply(NOSUCHCHANNEL, name)
        elif client not in channel.members:
            client.reply(NOTONCHANNEL, channel.name)
        else:
            _part(network, client, channel, *message.params[1:2])


def _part(network: Network, client: Client, channel: Channel, *reason: str) -> None:
    network.tell(channel.members, network.event(client.mask, "PART", channel.name, *reason))
    network.leave(client, channel)


def kick(network: Network, client: Client, message: Message) -> None:
    name, nicks = message.params[:2]
    reason = (message.params[2:3] or [client.nick])[0] or client.nick
    channel = network.channel(name)
    if channel is None:
        client.reply(NOSUCHCHANNEL, name)
    elif client not in channel.members:
        client.reply(NOTONCHANNEL, channel.name)
    elif not channel.is_operator(client):
        client.reply(CHANOPRIVSNEEDED, channel.name)
    else:
        for nick in nicks.split(","):
            victim = network.find(nick)
            if victim is None:
                client.reply(NOSUCHNICK, nick)
                continue
            if victim not in channel.members:
                client.reply(USERNOTINCHANNEL, victim.nick, channel.name)
                continue
            told = network.event(client.mask, "KICK", channel.name, victim.nick, reason)
            network.tell(channel.members, told)
            network.leave(victim, channel)


def topic(network: Network, client: Client, message: Message) -> None:
    channel = network.channel(message.params[0])
    if channel is None:
        client.reply(NOSUCHCHANNEL, message.params[0])
        return
    if client not in channel.members and (len(message.params) > 1 or "s" in channel.flags):
        client.reply(NOTONCHANNEL, channel.name)
    elif len(message.params) == 1:
        if channel.topic:
            _send_topic(client, channel)
        else:
            client.reply(NOTOPIC, channel.name)
    elif "t" in channel.flags and not channel.is_operator(client):
        client.reply(CHANOPRIVSNEEDED, channel.name)
    else:
        channel.topic = message.params[1][:TOPIC_LENGTH]
        channel.topic_setter = client.mask
        channel.topic_s = network.now_s()
        told = network.event(client.mask, "TOPIC", channel.name, channel.topic)
        network.tell(channel.members, told)


def _send_topic(client: Client, channel: Channel) -> None:
    client.reply(TOPIC, channel.name, text=channel.topic)
    client.reply(TOPICWHOTIME, channel.name, channel.topic_setter, str(channel.topic_s))


def invite(network: Network, client: Client, message: Message) -> None:
    nick, name = message.params[:2]
    guest = network.find(nick)
    channel = network.channel(name)
    if guest is None:
        client.reply(NOSUCHNICK, nick)
    elif channel is None:
        client.reply(NOSUCHCHANNEL, name)
    elif client not in channel.members:
        client.reply(NOTONCHANNEL, channel.name)
    elif guest in channel.members:
        client.reply(USERONCHANNEL, guest.nick, channel.name)
    elif "i" in channel.flags and not channel.is_operator(client):
        client.reply(CHANOPRIVSNEEDED, channel.name)
    else:
        channel.invited.add(guest)
        client.reply(INVITING, guest.nick, channel.name)
        told = network.event(client.mask, "INVITE", guest.nick, channel.name)
        watchers = [
            member
            for member in channel.members
            if member is not client
            and "invite-notify" in member.caps
            and channel.is_operator(member)
        ]
        network.tell([guest, *watchers], told)


def names(network: Network, client: Client, message: Message) -> None:
    if not message.params:
        client.reply(ENDOFNAMES, "*")
        return
    for name in message.params[0].split(","):
        channel = network.channel(name)
        if channel is not None and channel.is_visible_to(client):
            send_names(client, channel)
        else:
            client.reply(ENDOFNAMES, name)


def send_names(client: Client, channel: Channel) -> None:
    """RPL_NAMREPLY in as many lines as it takes."""
    every = "multi-prefix" in client.caps
    inside = client in channel.members
    symbol = "@" if "s" in channel.flags else "="
    line: list[str] = []
    size = 0
    for member in list(channel.members):
        if "i" in member.modes and not inside:
            continue
        name = member.mask if "userhost-in-names" in client.caps else member.nick
        word = channel.prefix(member, every) + name
        if size + len(word) > NAMES_BYTES:
            client.reply(NAMREPLY, symbol, channel.name, text=" ".join(line))
            line, size = [], 0
        line.append(word)
        size += len(word) + 1
    if line:
        client.reply(NAMREPLY, symbol, channel.name, text=" ".join(line))
    client.reply(ENDOFNAMES, channel.name)


def list_(network: Network, client: Client, message: Message) -> None:
    wanted = message.params[0].split(",") if message.params and message.params[0] else ["*"]
    for channel in list(network.channels.values()):
        if channel.is_visible_to(client) and any(matches(mask, channel.name) for mask in wanted):
            count = str(len(channel.members))
            client.reply(LIST, channel.name, count, text=channel.topic)
    client.reply(LISTEND)
