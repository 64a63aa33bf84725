"""What connections may cost: `client-output-buffer-limit`, `maxmemory-clients`, `timeout`.

    output of one    class normal | slave | pubsub: more than `hard` bytes, or more than `soft` for
                     longer than its seconds: cut off, what waits for it is dropped
    one that asks nothing for `timeout` seconds, and neither waits nor listens: cut off
    all together     more than `maxmemory-clients`: the largest are cut off until it is enough

A client that asks and does not read is no longer listened to after 64 MiB of replies anyway
(the core's back-pressure); the limits are for those who get without asking, and for single replies.

Looking at every client costs; so it is done only when all buffers of the process together could
break a limit, and again only after ten times as long as it took.
"""

from __future__ import annotations

from typing import Any

from bedrock.app.logs import logger
from kvstore.memory import buffer_bytes

log = logger("kvstore")
REST = 10


class ClientLimits:
    """Watches the clients of one store."""

    def __init__(self, store: Any):
        self.store = store
        self.dropped = 0
        self.over_since: dict[Any, int] = {}  # client -> when it went over its soft limit (ms)
        self.next_look_ns = 0

    def configure(self, parameters: Any) -> bool:
        """Take over changed parameters.  True if every request is to be watched."""
        self.classes = parameters["client-output-buffer-limit"]
        most = parameters["maxmemory-clients"]
        self.idle_ms = parameters["timeout"] * 1000
        self.most = parameters["maxmemory"] * -most // 100 if most < 0 else most
        bounds = [n for hard, soft, _ in self.classes.values() for n in (hard, soft) if n]
        self.least = min(bounds, default=0)
        hard, soft, _ = self.classes["normal"]
        return bool(hard or soft or self.most)

    @property
    def longest_reply(self) -> int:
        """Bytes of a reply beyond which its client is cut off; 0 = any."""
        hard: int = self.classes["normal"][0]
        return hard

    def kind(self, client: Any) -> str:
        """Which limits a client has."""
        if client in self.store.primary.replicas:
            return "slave"
        return "pubsub" if client.subscriptions or client.shard_channels else "normal"

    def check(self, client: Any, more: int = 0) -> bool:
        """Cut a client off if its output is over a limit; `more` is about to be added."""
        link = client.link
        waiting = link.queued + more
        hard, soft, seconds = self.classes[self.kind(client)]
        now_ms = self.store.keyspace.now_ms
        if not soft or waiting <= soft:
            self.over_since.pop(client, None)
        elif now_ms - self.over_since.setdefault(client, now_ms) > seconds * 1000:
            hard = 1
        if not hard or waiting <= hard:
            return False
        log.warning(
            "Client scheduled to be closed ASAP for overcoming of output buffer limits.",
            client=client.id, bytes=waiting)
        self.dropped += 1
        self.over_since.pop(client, None)
        link.abort("output buffer limit")
        return True

    def cycle(self) -> None:
        """From time to time."""
        if self.over_since or (self.least and buffer_bytes() > self.least):
            for client in list(self.store.clients.values()):
                if client.link is not None and (client.link.queued or client in self.over_since):
                    self.check(client)
        self.evict(force=True)
        if self.idle_ms:
            self.cut_off_idle(self.store.keyspace.now_ms - self.idle_ms)

    def cut_off_idle(self, since_ms: int) -> None:
        """Cut off who has not asked for anything since then."""
        for client in list(self.store.clients.values()):
            if client.active_ms < since_ms and client.waiter is None \
                    and client.link is not None and self.kind(client) == "normal":
                log.info("Closing idle client", client=client.id)
                client.link.abort("idle for too long")

    def evict(self, force: bool = False) -> None:
        """Keep `maxmemory-clients`: cut off the largest clients."""
        clock = self.store.clock
        began_ns = clock.now_ns()
        if not self.most or (began_ns < self.next_look_ns and not force):
            return
        clients = {
            client: client.memory
            for client in self.store.clients.values()
            if not client.no_evict and self.kind(client) != "slave"
        }
        total = sum(clients.values())
        for client in sorted(clients, key=clients.__getitem__, reverse=True):
            if total <= self.most:
                break
            log.info("Evicting client", client=client.id, bytes=clients[client])
            total -= clients[client]
            self.store.evicted_clients += 1
            client.link.abort("maxmemory-clients")
        self.next_look_ns = began_ns + REST * (clock.now_ns() - began_ns)
