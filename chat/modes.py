"""MODE, of users and of channels.

Channel modes by what they take (CHANMODES in ISUPPORT): lists of masks (b e I), a parameter always
(k), a parameter when set (l), none (i m n s t), and the ranks of members (o v).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from chat.channel import FLAGS, LIST_LENGTH, LISTS, RANKS, Channel, Entry
from chat.client import USER_MODES
from chat.message import Message
from chat.names import complete_mask, fold, is_channel
from chat.numerics import (
    BANLIST,
    CHANNELMODEIS,
    CHANOPRIVSNEEDED,
    CREATIONTIME,
    ENDOFBANLIST,
    ENDOFEXCEPTLIST,
    ENDOFINVEXLIST,
    EXCEPTLIST,
    INVEXLIST,
    NOSUCHCHANNEL,
    NOSUCHNICK,
    UMODEIS,
    UMODEUNKNOWNFLAG,
    UNKNOWNMODE,
    USERNOTINCHANNEL,
    USERSDONTMATCH,
)

if TYPE_CHECKING:
    from chat.client import Client
    from chat.network import Network

LIST_REPLIES = {
    "b": (BANLIST, ENDOFBANLIST),
    "e": (EXCEPTLIST, ENDOFEXCEPTLIST),
    "I": (INVEXLIST, ENDOFINVEXLIST),
}
CHANGES = 20  # of one MODE command
KEY_LENGTH = 32


def mode(network: Network, client: Client, message: Message) -> None:
    if is_channel(message.params[0]):
        _channel_mode(network, client, message.params)
    else:
        _user_mode(network, client, message.params)


def _signed(letters: str) -> Iterator[tuple[bool, str]]:
    """`+ab-c` as (True, "a"), (True, "b"), (False, "c")."""
    adding = True
    for letter in letters:
        if letter in "+-":
            adding = letter == "+"
        else:
            yield adding, letter


def _joined(changes: list[tuple[bool, str, str]]) -> list[str]:
    """Changes as the parameters of a MODE message."""
    letters, params, sign = "", [], None
    for adding, letter, param in changes:
        if adding is not sign:
            letters += "+" if adding else "-"
            sign = adding
        letters += letter
        if param:
            params.append(param)
    return [letters, *params]


def _user_mode(network: Network, client: Client, params: list[str]) -> None:
    if network.find(params[0]) is not client:
        known = network.find(params[0]) is not None
        client.reply(USERSDONTMATCH if known else NOSUCHNICK, *([] if known else params[:1]))
        return
    if len(params) == 1:
        client.reply(UMODEIS, "+" + "".join(sorted(client.modes)))
        return
    changes = []
    for adding, letter in _signed(params[1]):
        if letter not in USER_MODES:
            client.reply(UMODEUNKNOWNFLAG)
        elif (letter in client.modes) != adding and not (adding and letter == "o"):
            (client.modes.add if adding else client.modes.discard)(letter)
            changes.append((adding, letter, ""))
    if changes:
        client.deliver(network.event(client.mask, "MODE", client.nick, *_joined(changes)))


def _channel_mode(network: Network, client: Client, params: list[str]) -> None:
    channel = network.channel(params[0])
    if channel is None:
        client.reply(NOSUCHCHANNEL, params[0])
        return
    if len(params) == 1:
        client.reply(CHANNELMODEIS, channel.name, *channel.modes(client))
        client.reply(CREATIONTIME, channel.name, str(channel.created_s))
        return
    args = iter(params[2:])
    changes: list[tuple[bool, str, str]] = []
    refused = False
    for adding, letter in list(_signed(params[1]))[:CHANGES]:
        arg = next(args, "") if _takes_parameter(letter, adding) else ""
        if letter in LISTS and not arg:
            _send_list(client, channel, letter)
        elif letter not in LISTS and letter not in FLAGS and letter not in RANKS | KEYED:
            client.reply(UNKNOWNMODE, letter)
        elif not channel.is_operator(client):
            refused = True
        else:
            changed = _change(network, client, channel, adding, letter, arg)
            if changed is not None:
                changes.append((adding, letter, changed))
    if refused:
        client.reply(CHANOPRIVSNEEDED, channel.name)
    if changes:
        told = network.event(client.mask, "MODE", channel.name, *_joined(changes))
        network.tell(channel.members, told)


KEYED = {"k": "key", "l": "limit"}


def _takes_parameter(letter: str, adding: bool) -> bool:
    return letter in LISTS or letter in RANKS or letter == "k" or (letter == "l" and adding)


def _change(
    network: Network, client: Client, channel: Channel, adding: bool, letter: str, arg: str
) -> str | None:
    """Make one change; the parameter to show, or None if nothing changed."""
    if letter in FLAGS:
        if (letter in channel.flags) == adding:
            return None
        (channel.flags.add if adding else channel.flags.discard)(letter)
        return ""
    if letter in RANKS:
        return _change_rank(network, client, channel, adding, letter, arg)
    if letter in LISTS:
        return _change_list(network, client, channel, adding, letter, arg)
    if letter == "k":
        if adding and (not arg or " " in arg or "," in arg or arg.startswith(":")):
            return None
        if not adding and not channel.key:
            return None
        channel.key = arg[:KEY_LENGTH] if adding else ""
        return channel.key if adding else "*"
    if adding and not (arg.isascii() and arg.isdigit() and int(arg[:9]) > 0):
        return None
    if not adding and not channel.limit:
        return None
    channel.limit = int(arg[:9]) if adding else 0
    return str(channel.limit) if adding else ""


def _change_rank(
    network: Network, client: Client, channel: Channel, adding: bool, letter: str, arg: str
) -> str | None:
    member = network.find(arg)
    if member is None:
        client.reply(NOSUCHNICK, arg or "*")
        return None
    if member not in channel.members:
        client.reply(USERNOTINCHANNEL, member.nick, channel.name)
        return None
    ranks = channel.members[member]
    if (letter in ranks) == adding:
        return None
    (ranks.add if adding else ranks.discard)(letter)
    return member.nick


def _change_list(
    network: Network, client: Client, channel: Channel, adding: bool, letter: str, arg: str
) -> str | None:
    entries: list[Entry] = getattr(channel, LISTS[letter])
    mask = complete_mask(arg)
    found = next((entry for entry in entries if fold(entry.mask) == fold(mask)), None)
    if (found is not None) == adding or (adding and len(entries) >= LIST_LENGTH):
        return None
    if found is not None:
        entries.remove(found)
    else:
        entries.append(Entry(mask, client.mask, network.now_s()))
    return mask


def _send_list(client: Client, channel: Channel, letter: str) -> None:
    item, end = LIST_REPLIES[letter]
    for entry in getattr(channel, LISTS[letter]):
        client.reply(item, channel.name, entry.mask, entry.setter, str(entry.when_s))
    client.reply(end, channel.name)
