"""Saying things, and reading what was said: PRIVMSG, NOTICE, TAGMSG, WALLOPS, CHATHISTORY."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from bedrock.world import DiskFull
from chat.channel import RANKS, Channel
from chat.history import Entry, conversation, parse_timestamp, timestamp
from chat.message import Message, Outgoing
from chat.names import fold, is_channel
from chat.numerics import (
    AWAY,
    CANNOTSENDTOCHAN,
    NOPRIVILEGES,
    NORECIPIENT,
    NOSUCHCHANNEL,
    NOSUCHNICK,
    NOTEXTTOSEND,
    TOOMANYTARGETS,
)

if TYPE_CHECKING:
    from chat.client import Client
    from chat.network import Network

TARGETS = 20
HISTORY_LIMIT = 1000


def privmsg(network: Network, client: Client, message: Message) -> None:
    _say(network, client, message, errors=True)


def notice(network: Network, client: Client, message: Message) -> None:
    """As PRIVMSG, but never answered by an error: two programs must not loop."""
    _say(network, client, message, errors=False)


def tagmsg(network: Network, client: Client, message: Message) -> None:
    """Client tags without text (typing, reactions); not kept."""
    if "message-tags" in client.caps:
        for target in message.params[0].split(",")[:TARGETS]:
            _say_to(network, client, message, target, None, errors=True)


def _say(network: Network, client: Client, message: Message, errors: bool) -> None:
    if not message.params or not message.params[0]:
        if errors:
            client.reply(NORECIPIENT)
        return
    if len(message.params) < 2 or not message.params[1]:
        if errors:
            client.reply(NOTEXTTOSEND)
        return
    client.active_ns = network.world.clock.now_ns()
    targets = message.params[0].split(",")
    if len(targets) > TARGETS and errors:
        client.reply(TOOMANYTARGETS, message.params[0])
    for target in targets[:TARGETS]:
        _say_to(network, client, message, target, message.params[1], errors)


def _say_to(
    network: Network,
    client: Client,
    message: Message,
    target: str,
    text: str | None,
    errors: bool,
) -> None:
    """Deliver to one target; text None for TAGMSG."""
    bare = target.lstrip("".join(RANKS.values())) if is_channel(target.lstrip("@+")) else target
    channel = network.channel(bare) if is_channel(bare) else None
    person = network.find(target) if not is_channel(bare) else None
    if channel is None and person is None:
        if errors:
            client.reply(NOSUCHCHANNEL if is_channel(bare) else NOSUCHNICK, target)
        return
    if channel is not None and not channel.may_speak(client):
        if errors:
            client.reply(CANNOTSENDTOCHAN, channel.name)
        return
    name = target[: -len(bare)] + channel.name if channel is not None else person.nick  # type: ignore[union-attr]
    tags = {k: v for k, v in message.tags.items() if k.startswith("+")}
    params = (name,) if text is None else (name, text)
    said = network.event(client.mask, message.command, *params, client_tags=tags)
    if text is not None and name == (channel.name if channel else name):
        entry = Entry(network.history.last_ms, said.msgid, client.mask, said.command, name, text)
        try:
            network.history.append(conversation(client.nick, name), entry)
        except DiskFull:
            # People go on talking, and learn that it will not be remembered.
            why = "Delivered, but not kept in the history: the disk is full"
            client.warn(message.command, "DISK_FULL", name, text=why)
    recipients = _audience(channel, target, bare) if channel is not None else [person]
    if text is None:
        recipients = [r for r in recipients if r is not None and "message-tags" in r.caps]
    network.tell((r for r in recipients if r is not None and r is not client), said)
    if "echo-message" in client.caps or person is client:
        network.tell((client,), said)
    if person is not None and person.away and errors and text is not None:
        client.reply(AWAY, person.nick, text=person.away)


def _audience(channel: Channel, target: str, bare: str) -> Iterable[Client]:
    """The members a message reaches: all, or from a rank up (STATUSMSG)."""
    signs = target[: -len(bare)]
    if not signs:
        return channel.members
    wanted = {letter for letter, sign in RANKS.items() if sign <= max(signs)}
    return [member for member, ranks in channel.members.items() if ranks & wanted]


def wallops(network: Network, client: Client, message: Message) -> None:
    if "o" not in client.modes:
        client.reply(NOPRIVILEGES)
        return
    told = network.event(client.mask, "WALLOPS", message.params[0])
    network.tell((other for other in network.clients if "w" in other.modes), told)


def chathistory(network: Network, client: Client, message: Message) -> None:
    """draft/chathistory: a batch of what was said."""
    subcommand = message.params[0].upper()
    try:
        limit = min(int(message.params[-1]), HISTORY_LIMIT)
        if limit < 1:
            raise ValueError("limit")
        if subcommand == "TARGETS":
            _send_targets(network, client, message.params[1], message.params[2], limit)
            return
        target = message.params[1]
        key = conversation(client.nick, target)
        points = message.params[2:-1]
        entries = _select(network, key, subcommand, points, limit)
    except LookupError:
        client.fail("CHATHISTORY", "UNKNOWN_COMMAND", subcommand, text="Unknown command")
        return
    except ValueError:
        client.fail("CHATHISTORY", "INVALID_PARAMS", subcommand, text="Invalid parameters")
        return
    if is_channel(target):
        channel = network.channel(target)
        if channel is None or client not in channel.members:
            client.fail("CHATHISTORY", "INVALID_TARGET", subcommand, target, text="Not there")
            return
    reference = _open_batch(network, client, "chathistory", target)
    for entry in entries:
        client.deliver(
            Outgoing(
                entry.source,
                entry.command,
                (entry.target, entry.text),
                time=timestamp(entry.time_ms),
                msgid=entry.msgid,
                batch=reference,
            )
        )
    _close_batch(client, reference)


def _select(
    network: Network, key: str, subcommand: str, points: list[str], limit: int
) -> list[Entry]:
    history = network.history
    if subcommand not in ("LATEST", "BEFORE", "AFTER", "AROUND", "BETWEEN"):
        raise LookupError(subcommand)
    if subcommand == "LATEST":
        now = history.now_ms() + 1
        latest = history.before(key, now, limit)
        if points[0] == "*":
            return latest
        since = _time(network, key, points[0])
        return [entry for entry in latest if entry.time_ms > since]
    at = _time(network, key, points[0])
    if subcommand == "BEFORE":
        return history.before(key, at, limit)
    if subcommand == "AFTER":
        return history.after(key, at, limit)
    if subcommand == "AROUND":
        half = limit // 2
        return history.before(key, at, half) + history.after(key, at - 1, limit - half)
    if len(points) < 2:
        raise ValueError("BETWEEN takes two points")
    return history.between(key, at, _time(network, key, points[1]), limit)


def _time(network: Network, key: str, point: str) -> int:
    """`timestamp=...` or `msgid=...` in milliseconds."""
    kind, _, value = point.partition("=")
    if kind == "timestamp":
        return parse_timestamp(value)
    found = network.history.time_of(key, value) if kind == "msgid" else None
    if found is None:
        raise ValueError(point)
    return found


def _send_targets(network: Network, client: Client, start: str, end: str, limit: int) -> None:
    me = fold(client.nick)
    low, high = _time(network, "", start), _time(network, "", end)
    found = []
    for key, time_ms in network.history.targets(me, low, high):
        if key in client.channels:
            found.append((time_ms, client.channels[key].name))
        elif me in key.split(" "):
            others = [nick for nick in key.split(" ") if nick != me] or [me]
            found.append((time_ms, others[0]))
    reference = _open_batch(network, client, "draft/chathistory-targets")
    for time_ms, name in sorted(found)[:limit]:
        client.deliver(
            Outgoing(
                network.name,
                "CHATHISTORY",
                ("TARGETS", name, timestamp(time_ms)),
                batch=reference,
            )
        )
    _close_batch(client, reference)


def _open_batch(network: Network, client: Client, kind: str, *params: str) -> str:
    """Begin a batch for a client that knows them; its reference, or ""."""
    if "batch" not in client.caps:
        return ""
    reference = network.world.rand.bytes(4).hex()
    client.tell("BATCH", f"+{reference}", kind, *params)
    return reference


def _close_batch(client: Client, reference: str) -> None:
    if reference:
        client.tell("BATCH", f"-{reference}")
