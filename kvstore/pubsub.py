"""Publish and subscribe: messages to whoever listens now; nothing is kept.

    channels   name -> clients, in the order they came          SUBSCRIBE
    patterns   glob -> clients                                  PSUBSCRIBE
    shards     name -> clients (one node: a namespace of its own) SSUBSCRIBE

A client that does not take its messages is cut off once `client-output-buffer-limit pubsub` bytes
wait for it: one slow listener must not eat the server's memory.

Keyspace notifications are messages too: `__keyspace@0__:key` carries the event,
`__keyevent@0__:event` carries the key.
"""

from __future__ import annotations

from typing import Any

from kvstore.binding import command
from kvstore.glob import matches
from kvstore.refusals import wrong_number
from kvstore.resp import Push, ReplyError, encode

KEYSPACE_BIT, KEYEVENT_BIT = 1, 2
# attribute of the client and of PubSub, word for subscribe, word for unsubscribe, word of a message
KINDS = {
    "channels": ("subscribe", "unsubscribe", "message"),
    "patterns": ("psubscribe", "punsubscribe", "pmessage"),
    "shard_channels": ("ssubscribe", "sunsubscribe", "smessage"),
}


NOTHING: list[Any] = [None]  # what unsubscribing from nothing is confirmed with


class PubSub:
    """Who listens to what.

    store: its keyspace's notifications are published here
    """

    def __init__(self, store: Any):
        self.store = store
        self.channels: dict[bytes, dict] = {}
        self.patterns: dict[bytes, dict] = {}
        self.shard_channels: dict[bytes, dict] = {}
        store.keyspace.on_event = self.notify
        store.parameters.listen(self.configure)

    def configure(self) -> None:
        """Take over changed parameters."""
        self.store.keyspace.events = self.store.parameters["notify-keyspace-events"]

    def publish(self, channel: bytes, message: bytes) -> int:
        """Send a message; how many clients got it."""
        n = self.send(self.channels.get(channel), [b"message", channel, message])
        for pattern, clients in list(self.patterns.items()):
            if matches(pattern, channel):
                n += self.send(clients, [b"pmessage", pattern, channel, message])
        return n

    def publish_to_shard(self, channel: bytes, message: bytes) -> int:
        """The same for shard channels."""
        return self.send(self.shard_channels.get(channel), [b"smessage", channel, message])

    def send(self, clients: dict | None, message: list) -> int:
        """Push one message to some clients."""
        if not clients:
            return 0
        data = {resp: encode(Push(message), resp) for resp in (2, 3)}
        for client in list(clients):
            client.push(data[client.resp])
        return len(clients)

    def notify(self, kind: int, name: str, key: bytes, db: Any) -> None:
        """A keyspace notification."""
        events = self.store.keyspace.events
        where = db.index
        if events & KEYSPACE_BIT:
            self.publish(b"__keyspace@%d__:%s" % (where, key), name.encode())
        if events & KEYEVENT_BIT:
            self.publish(b"__keyevent@%d__:%s" % (where, name.encode()), key)

    def add(self, client: Any, kind: str, names: list[bytes]) -> bytes:
        """Subscribe; the confirmations as bytes."""
        table = getattr(self, kind)
        mine = getattr(client, kind)
        if mine is None:
            mine = {}
            setattr(client, kind, mine)
        reply = b""
        for name in names:
            mine[name] = None
            table.setdefault(name, {})[client] = None
            client.mark_subscribed()
            reply += self.confirm(client, KINDS[kind][0], kind, name)
        return reply

    def remove(self, client: Any, kind: str, names: list[bytes]) -> bytes:
        """Unsubscribe from some, or from all when none is named; the confirmations as bytes."""
        table = getattr(self, kind)
        mine = getattr(client, kind) or {}
        reply = b""
        for name in names or [*mine] or NOTHING:
            if name in mine:
                del mine[name]
                del table[name][client]
                if not table[name]:
                    del table[name]
            client.mark_subscribed()
            reply += self.confirm(client, KINDS[kind][1], kind, name)
        return reply

    def confirm(self, client: Any, word: str, kind: str, name: bytes | None) -> bytes:
        """What a client is told after one change of its subscriptions."""
        n = len(client.shard_channels or ()) if kind == "shard_channels" else client.subscriptions
        return encode(Push([word.encode(), name, n]), client.resp)

    def forget(self, client: Any) -> None:
        """The client is gone or starts anew."""
        for kind in KINDS:
            if getattr(client, kind):
                self.remove(client, kind, [])


def define_both(kind: str) -> None:
    """SUBSCRIBE and UNSUBSCRIBE of one kind."""
    subscribe_word, unsubscribe_word, _ = KINDS[kind]

    @command(subscribe_word)
    def subscribe(client, words):
        if client.executing and client.resp == 2 and client.link is None:
            raise ReplyError(f"ERR {subscribe_word} needs a connection")
        client.reply_with(client.store.pubsub.add(client, kind, words[1:]))
        return NotImplemented

    @command(unsubscribe_word)
    def unsubscribe(client, words):
        client.reply_with(client.store.pubsub.remove(client, kind, words[1:]))
        return NotImplemented


for _kind in KINDS:
    define_both(_kind)


@command("publish")
def publish(client, words):
    """PUBLISH channel message"""
    client.store.tell_replicas(client, *words)
    return client.store.pubsub.publish(words[1], words[2])


@command("spublish")
def spublish(client, words):
    """SPUBLISH channel message"""
    client.store.tell_replicas(client, *words)
    return client.store.pubsub.publish_to_shard(words[1], words[2])


def matching(names, words: list[bytes]) -> list[bytes]:
    """Names that match the optional pattern words[2]."""
    if len(words) > 3:
        raise wrong_number(words)
    return [name for name in names if len(words) < 3 or matches(words[2], name)]


@command("pubsub|channels")
def pubsub_channels(client, words):
    """PUBSUB CHANNELS [pattern]"""
    return matching(client.store.pubsub.channels, words)


@command("pubsub|shardchannels")
def pubsub_shardchannels(client, words):
    """PUBSUB SHARDCHANNELS [pattern]"""
    return matching(client.store.pubsub.shard_channels, words)


@command("pubsub|numpat")
def pubsub_numpat(client, words):
    """PUBSUB NUMPAT"""
    return len(client.store.pubsub.patterns)


@command("pubsub|numsub")
def pubsub_numsub(client, words):
    """PUBSUB NUMSUB [channel ...]"""
    table = client.store.pubsub.channels
    return [item for name in words[2:] for item in (name, len(table.get(name, ())))]


@command("pubsub|shardnumsub")
def pubsub_shardnumsub(client, words):
    """PUBSUB SHARDNUMSUB [channel ...]"""
    table = client.store.pubsub.shard_channels
    return [item for name in words[2:] for item in (name, len(table.get(name, ())))]
