"""Nicknames, channel names and masks: what is valid, what is equal, what matches."""

from __future__ import annotations

import re
from functools import lru_cache

NICK_LENGTH = 30
CHANNEL_LENGTH = 64
CHANNEL_TYPES = "#"

_NICK = re.compile(r"[A-Za-z\[\]\\`_^{|}][A-Za-z0-9\[\]\\`_^{|}-]*")
_UPPER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}


def fold(name: str) -> str:
    """The form by which names are equal: CASEMAPPING=ascii."""
    return name.translate(_UPPER)


def valid_nick(nick: str) -> bool:
    return len(nick) <= NICK_LENGTH and _NICK.fullmatch(nick) is not None


def is_channel(name: str) -> bool:
    """True if the name can only be meant as a channel's."""
    return name[:1] in CHANNEL_TYPES and name != ""


def valid_channel(name: str) -> bool:
    return (
        is_channel(name) and 1 < len(name) <= CHANNEL_LENGTH and not re.search(r"[ ,:\x07]", name)
    )


def complete_mask(mask: str) -> str:
    """`nick`, `user@host` or any part as nick!user@host."""
    nick, bang, rest = mask.partition("!")
    if not bang:
        nick, rest = ("*", mask) if "@" in mask else (mask, "*@*")
    user, at, host = rest.partition("@")
    return f"{nick or '*'}!{user or '*'}@{host if at and host else '*'}"


def matches(mask: str, name: str) -> bool:
    """Does a mask with * and ? match, in our case mapping?"""
    return _compile(fold(mask)).fullmatch(fold(name)) is not None


@lru_cache(maxsize=4096)
def _compile(mask: str) -> re.Pattern[str]:
    # Runs of stars are one star: otherwise matching could be made to take exponential time.
    mask = re.sub(r"\*+", "*", mask)
    return re.compile(
        "".join({"*": ".*?", "?": "."}.get(c) or re.escape(c) for c in mask), re.DOTALL
    )
