"""Where the keys of a command are: the `keys` column of the command table, read and applied.

A specification is `begin:last:step[:limit]`, `begin:#i+first:step` or `word@start:...`; the table's
docstring says what the parts mean.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import NamedTuple

from kvstore.commands import ROWS, Row


class KeySpec(NamedTuple):
    """One specification.

    begin or keyword  where to begin: a word's number, or behind a word found from `start` on
    last, step, limit a range of keys; or, with `count_at` >= 0, a number of keys
    flags             RO, RW, OW, RM and what is done: ACCESS, UPDATE, INSERT, DELETE
    """

    begin: int
    keyword: str
    start: int
    last: int
    step: int
    limit: int
    count_at: int
    first: int
    flags: tuple[str, ...]


Keys = Iterator[tuple[bytes, tuple[str, ...]]]


@cache
def key_specs(row: Row) -> tuple[KeySpec, ...]:
    """The specifications of a row; `?:?` (anywhere: SORT's patterns) is none."""
    texts = [text for text in row.keys.split(";") if text.strip() and "?" not in text]
    return tuple(_parse(text.split()) for text in texts)


def _parse(words: list[str]) -> KeySpec:
    begin, middle, *rest = words[0].split(":")
    keyword, _, start = begin.partition("@")
    index = -1 if start else int(begin)
    flags = (words[1], *map(str.lower, words[2:]))  # RO, RW, OW, RM or NOT_KEY before the others
    if middle.startswith("#"):
        count_at, first = middle[1:].split("+")
        return KeySpec(
            index, keyword if start else "", int(start or 0), 0, int(rest[0]), 0,
            int(count_at), int(first), flags,
        )  # fmt: skip
    return KeySpec(
        index, keyword if start else "", int(start or 0), int(middle), int(rest[0]),
        int(rest[1]) if len(rest) > 1 else 0, -1, 0, flags,
    )  # fmt: skip


def set_flags(words: list[bytes]) -> tuple[str, ...]:
    """SET reads the old value only if it is to give it."""
    if b"GET" in [word.upper() for word in words[3:]]:
        return "RW", "access", "update"
    return "OW", "update"


def bitfield_flags(words: list[bytes]) -> tuple[str, ...]:
    """BITFIELD that only gets changes nothing."""
    if {word.upper() for word in words[2:]} & {b"SET", b"INCRBY"}:
        return "RW", "access", "update"
    return "RO", "access"


def sort_keys(words: list[bytes]) -> Keys:
    """The key that is sorted, and where the result is kept: the last STORE counts."""
    yield words[1], ("RO", "access")
    upper = [word.upper() for word in words]
    skipped = {b"LIMIT": 3, b"BY": 2, b"GET": 2}
    i, store = 2, -1
    while i < len(words):
        if upper[i] == b"STORE" and i + 1 < len(words):
            store = i + 1
            i += 1
        i += skipped.get(upper[i], 1)
    if store > 0 and words[0].lower() == b"sort":
        yield words[store], ("OW", "update")


def migrate_keys(words: list[bytes]) -> Keys:
    """The key, or where that is empty those behind KEYS; none if both are there."""
    upper, i = [word.upper() for word in words], 6
    while i < len(words) and upper[i] != b"KEYS":
        i += {b"AUTH": 2, b"AUTH2": 3}.get(upper[i], 1)
    if i >= len(words):
        yield words[3], MOVED
    elif not words[3]:
        yield from ((word, MOVED) for word in words[i + 1 :])


MOVED = ("RW", "access", "delete")

# Commands whose keys, or what is done with them, depend on other words than their places.
FLAGS_OF: dict[str, Callable[[list[bytes]], tuple[str, ...]]] = {
    "set": set_flags, "bitfield": bitfield_flags,
}  # fmt: skip
KEYS_OF: dict[str, Callable[[list[bytes]], Keys]] = {
    "sort": sort_keys, "sort_ro": sort_keys, "migrate": migrate_keys,
}  # fmt: skip


def keys_of(name: str, words: list[bytes]) -> Keys:
    """(key, flags) of each key in a request, its name included in words."""
    if name in KEYS_OF:
        yield from KEYS_OF[name](words)
        return
    found = []
    for spec in key_specs(ROWS[name]):
        if "NOT_KEY" in spec.flags:
            continue
        flags = FLAGS_OF[name](words) if name in FLAGS_OF else spec.flags
        try:
            found += [(words[place], flags) for place in places_of(spec, words)]
        except (ValueError, IndexError):
            return  # a number of keys that is none, or of more than there are: nothing is certain
    yield from found


def places_of(spec: KeySpec, words: list[bytes]) -> range:
    """Which words a specification means; ValueError if their number is given and wrong."""
    begin = spec.begin
    if spec.keyword:
        upper = [word.upper() for word in words]
        if spec.keyword.encode() not in upper[spec.start :]:
            return range(0)
        begin = upper.index(spec.keyword.encode(), spec.start) + 1
    if spec.count_at >= 0:
        n = int(words[begin + spec.count_at])
        first = begin + spec.first
        if n < 0 or first + (n - 1) * spec.step >= len(words):
            raise ValueError(n)
        return range(first, first + n * spec.step, spec.step)
    last = len(words) + spec.last if spec.last < 0 else begin + spec.last
    if spec.limit > 1:  # keys first, then as many other words
        last = begin + (last + 1 - begin) // spec.limit - 1
    return range(begin, min(last + 1, len(words)), spec.step)


def legacy_range(row: Row) -> tuple[int, int, int]:
    """(first, last, step) as COMMAND showed keys before there were specifications."""
    specs = [spec for spec in key_specs(row) if spec.begin > 0 and spec.count_at < 0]
    if not specs:
        return 0, 0, 0
    first = min(spec.begin for spec in specs)
    lasts = [spec.last if spec.last < 0 else spec.begin + spec.last for spec in specs]
    return first, (min(lasts) if min(lasts) < 0 else max(lasts)), specs[0].step


def key_places(row: Row) -> tuple[bool, tuple[int, int, int]]:
    """Whether keys must be looked for in each request; else first, last and step of them."""
    specs = key_specs(row)
    plain = [spec for spec in specs if spec.count_at < 0 and not spec.keyword and spec.limit < 2]
    if row.name in KEYS_OF or len(specs) > 1 or len(plain) < len(specs) or "?" in row.keys:
        return True, (0, 0, 0)
    if not specs:
        return False, (0, 0, 0)
    spec = specs[0]
    return False, (spec.begin, spec.last if spec.last < 0 else spec.begin + spec.last, spec.step)


def shard_channels_of(name: str, words: list[bytes]) -> list[bytes]:
    """Channels that are in slots as keys are."""
    return [words[i] for spec in key_specs(ROWS[name]) for i in places_of(spec, words)]
