"""The slow log, and requests as they may be shown to others: long ones cut, secrets blotted out."""

from __future__ import annotations

from collections import deque
from typing import Any

from kvstore.binding import command
from kvstore.resp import ReplyError

WORDS = 32  # of a request, at most
WORD_BYTES = 128
BLOT = b"(redacted)"
SECRET_PARAMETERS = (
    b"masterauth", b"masteruser", b"requirepass", b"tls-client-key-file-pass", b"tls-key-file-pass",
)  # fmt: skip


def discreet(words: list[bytes]) -> list[bytes]:
    """A request without what nobody else should see."""
    name = words[0].lower()
    if name == b"auth":
        return [words[0], *[BLOT] * (len(words) - 1)]
    if name == b"hello":
        upper = [word.upper() for word in words]
        at = upper.index(b"AUTH") + 1 if b"AUTH" in upper else len(words)
        return [*words[:at], *[BLOT] * len(words[at : at + 2]), *words[at + 2 :]]
    if name == b"migrate":
        return without_migrate_secrets(words)
    if name == b"acl" and len(words) > 1 and words[1].lower() == b"setuser":
        return [*words[:2], *[BLOT] * (len(words) - 2)]
    if name == b"config" and len(words) > 1 and words[1].lower() == b"set":
        return [
            BLOT if i > 2 and i % 2 and words[i - 1].lower() in SECRET_PARAMETERS else word
            for i, word in enumerate(words)
        ]
    return words


def without_migrate_secrets(words: list[bytes]) -> list[bytes]:
    """MIGRATE without the password for the other server."""
    shown, hidden = list(words), 0
    for i in range(6, len(words)):
        if hidden:
            shown[i], hidden = BLOT, hidden - 1
        elif words[i].lower() == b"keys":
            break
        else:
            hidden = {b"auth": 1, b"auth2": 2}.get(words[i].lower(), 0)
    return shown


def shortened(words: list[bytes]) -> list[bytes]:
    """A request cut to what the log keeps of one."""
    kept = words[: WORDS - 1] if len(words) > WORDS else words
    shown = [
        word if len(word) <= WORD_BYTES
        else b"%s... (%d more bytes)" % (word[:WORD_BYTES], len(word) - WORD_BYTES)
        for word in kept
    ]  # fmt: skip
    if len(words) > WORDS:
        shown.append(b"... (%d more arguments)" % (len(words) - len(kept)))
    return shown


class SlowLog:
    """The latest requests that took long, the newest first; a number counts them all."""

    def __init__(self) -> None:
        self.entries: deque[list[Any]] = deque()
        self.count = 0
        self.limit = 0

    def resize(self, limit: int) -> None:
        """Keep that many from now on."""
        self.limit = limit
        while len(self.entries) > limit:
            self.entries.pop()

    def add(self, at_s: int, us: int, words: list[bytes], address: str, name: bytes) -> None:
        """A request took long."""
        self.entries.appendleft(
            [self.count, at_s, us, shortened(discreet(words)), address.encode(), name])
        self.count += 1
        self.resize(self.limit)


@command("slowlog|get")
def slowlog_get(client, words):
    """SLOWLOG GET [count]"""
    entries = list(client.store.slowlog.entries)
    count = 10
    if len(words) > 2:
        if not words[2].lstrip(b"-").isdigit() or int(words[2]) < -1:
            raise ReplyError("ERR count should be greater than or equal to -1")
        count = int(words[2])
    return entries if count == -1 else entries[:count]


@command("slowlog|len")
def slowlog_len(client, words):
    """SLOWLOG LEN"""
    return len(client.store.slowlog.entries)


@command("slowlog|reset")
def slowlog_reset(client, words):
    """SLOWLOG RESET"""
    client.store.slowlog.entries.clear()
    return "OK"
