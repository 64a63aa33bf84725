"""SORT: the elements of a list, set or sorted set by their own value or by that of other keys.

    SORT people BY age_* GET name_* GET # LIMIT 0 10 DESC ALPHA STORE result
    a pattern: `*` is the element; `age_*` a string key, `person_*->age` a field of a hash
"""

from __future__ import annotations

from typing import Any

from kvstore.acl import READ
from kvstore.binding import command
from kvstore.keyspace import WrongType, type_name
from kvstore.list_commands import store_list
from kvstore.resp import ReplyError, whole


class Options:
    """What follows the key."""

    def __init__(self, words: list[bytes], may_store: bool):
        self.by: bytes | None = None
        self.get: list[bytes] = []
        self.offset, self.count = 0, -1
        self.descending = self.alpha = False
        self.store: bytes | None = None
        i = 0
        while i < len(words):
            word, left = words[i].upper(), len(words) - i - 1
            if word in (b"ASC", b"DESC"):
                self.descending = word == b"DESC"
            elif word == b"ALPHA":
                self.alpha = True
            elif word == b"LIMIT" and left >= 2:
                self.offset, self.count = whole(words[i + 1]), whole(words[i + 2])
                i += 2
            elif word == b"STORE" and left and may_store:
                self.store = words[i + 1]
                i += 1
            elif word == b"BY" and left:
                self.by = words[i + 1]
                i += 1
            elif word == b"GET" and left:
                self.get.append(words[i + 1])
                i += 1
            else:
                raise ReplyError("ERR syntax error")
            i += 1

    @property
    def in_order(self) -> bool:
        """BY a constant: keep the order there is."""
        return self.by is not None and b"*" not in self.by


def look_up(client: Any, pattern: bytes, element: bytes) -> bytes | None:
    """What a pattern stands for with an element put in; None when nothing is there."""
    if pattern == b"#":
        return element
    if b"*" not in pattern:
        return None
    key, arrow, field = pattern.partition(b"->")
    if b"*" not in key or not field:
        key, arrow, field = pattern, b"", b""
    key = key.replace(b"*", element, 1)
    value = client.db.get(key)
    if arrow and field:
        return value.field(field) if type_name(value) == "hash" else None
    return bytes(value) if type_name(value) == "string" else None


def weight(text: bytes | None) -> float:
    """A number to sort by."""
    if text is None:
        return 0.0
    try:
        return float(text)
    except ValueError:
        raise ReplyError("ERR One or more scores can't be converted into double") from None


def order(client: Any, elements: list[bytes], options: Options) -> list[bytes]:
    """The elements in the order asked for; equal ones by their bytes."""
    if options.in_order:
        return elements
    by = options.by
    weights = {e: e if by is None else look_up(client, by, e) for e in set(elements)}
    if options.alpha:
        ranked = {e: (w is not None, w or b"") for e, w in weights.items()}
        return sorted(elements, key=ranked.__getitem__, reverse=options.descending)
    scores = {e: (weight(w), e) for e, w in weights.items()}
    return sorted(elements, key=scores.__getitem__, reverse=options.descending)


def check_patterns(client: Any, words: list[bytes], options: Options) -> None:
    """Patterns reach any key there is: only who may read all of them may use them."""
    if client.user is None or client.user.free:
        return
    if client.user.may_touch_all(words[0].decode().lower(), words, READ):
        return
    for name, used in (("BY", options.by and b"*" in options.by), ("GET", options.get)):
        if used:
            raise ReplyError(
                f"ERR {name} option of SORT denied due to insufficient ACL permissions.")


def run(client: Any, words: list[bytes], may_store: bool) -> Any:
    """SORT and SORT_RO."""
    options = Options(words[2:], may_store)
    check_patterns(client, words, options)
    value = client.db.get(words[1])
    kind = type_name(value)
    if kind not in ("none", "list", "set", "zset"):
        raise WrongType
    elements = [] if value is None else value.elements()
    if options.in_order and kind == "set" and (options.store or client.executing):
        elements.sort()  # a set has no order: make one that a replay gives again
    if options.in_order and kind in ("list", "zset") and options.descending:
        elements.reverse()
    elements = order(client, elements, options)
    start = max(options.offset, 0)
    if options.count >= 0:
        elements = elements[start : start + options.count]
    else:
        elements = elements[start:]
    if options.get:
        elements = [look_up(client, p, e) for e in elements for p in options.get]
    if options.store is None:
        return elements
    store_list(client, options.store, [e or b"" for e in elements])
    return len(elements)


@command("sort")
def sort(client, words):
    """SORT key [options] [STORE destination]"""
    return run(client, words, True)


@command("sort_ro")
def sort_ro(client, words):
    """SORT_RO key [options]"""
    return run(client, words, False)
