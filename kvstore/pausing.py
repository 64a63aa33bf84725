"""CLIENT PAUSE: letting clients wait for a while, all of them or those that write.

    a request comes ─► pause on and it may not run now ─► link.hold(), the request stays unread
    CLIENT UNPAUSE, or the time is up ─► link.resume() for each: the request is read again

A request is held back before anything of it is done, so nothing has to be undone.  While a pause
lasts the data set does not change at all: nothing expires either.

Invariants:
1. A pause that is made longer or stricter stays so: the later end and the stricter mode count.
2. What runs in a transaction or a script is not held back; the whole of it is, before it begins.
3. Replicas are never held back.
"""

from __future__ import annotations

from typing import Any

from kvstore.binding import command
from kvstore.resp import ReplyError


class Pause:
    """One pause of a store."""

    def __init__(self, store: Any):
        self.store = store
        self.until_ms = 0
        self.everything = False
        self.held: dict[Any, None] = {}  # clients
        self._timer: Any = None

    def extend(self, until_ms: int, everything: bool) -> None:
        """Let clients wait until a time, at least."""
        store, clock = self.store, self.store.clock
        self.until_ms = max(self.until_ms, until_ms)
        self.everything |= everything
        if self._timer is not None:
            self._timer.cancel()
        wait_ns = (self.until_ms - store.keyspace.now_ms) * 1_000_000
        self._timer = clock.call_at(clock.now_ns() + max(wait_ns, 0), self.end)
        store.freeze(True)

    def end(self) -> None:
        """Let everyone go on."""
        if self._timer is not None:
            self._timer.cancel()
        self.store.pause = None
        self.store.freeze(False)
        for client in self.held:
            client.postponed = False
            client.link.resume()

    def postpone(self, client: Any) -> None:
        """Read nothing more from a client for now."""
        client.postponed = True
        client.link.hold()
        self.held[client] = None

    def forget(self, client: Any) -> None:
        """The client is gone."""
        self.held.pop(client, None)


@command("client|pause")
def client_pause(client, words):
    """CLIENT PAUSE milliseconds [WRITE | ALL]"""
    mode = words[3].lower() if len(words) > 3 else b"all"
    if mode not in (b"write", b"all"):
        raise ReplyError("ERR CLIENT PAUSE mode must be WRITE or ALL")
    if not words[2].lstrip(b"-").isdigit():
        raise ReplyError("ERR timeout is not an integer or out of range")
    if int(words[2]) < 0:
        raise ReplyError("ERR timeout is negative")
    store = client.store
    if store.server is None:
        raise ReplyError("ERR an embedded store lets nobody wait")
    if store.pause is None:
        store.pause = Pause(store)
    store.pause.extend(store.now() + int(words[2]), mode == b"all")
    return "OK"


@command("client|unpause")
def client_unpause(client, words):
    """CLIENT UNPAUSE"""
    if client.store.pause is not None:
        client.store.pause.end()
    return "OK"
