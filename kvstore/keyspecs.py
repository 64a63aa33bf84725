"""Where the keys of a command are: the `keys` column of the command table, read and applied.

A specification is `begin:last:step[:limit]`, `begin:#i+first:step` or `word@start:...`; the table's
docstring says what the parts mean.
"""

from __future__ import annotations

from collections.abc import Iterator
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


@cache
def key_specs(row: Row) -> tuple[KeySpec, ...]:
    """The specifications of a row; `?:?` (anywhere: SORT's patterns) is none."""
    texts = [text for text in row.keys.split(";") if text.strip() and "?" not in text]
    return tuple(_parse(text.split()) for text in texts)


def _parse(words: list[str]) -> KeySpec:
    begin, middle, *rest = words[0].split(":")
    keyword, _, start = begin.partition("@")
    index = -1 if start else int(begin)
    flags = tuple(words[1:])
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


def keys_of(name: str, words: list[bytes]) -> Iterator[tuple[bytes, tuple[str, ...]]]:
    """(key, flags) of each key in a request, its name included in words."""
    for spec in key_specs(ROWS[name]):
        begin = spec.begin
        if spec.keyword:
            upper = [word.upper() for word in words]
            if spec.keyword.encode() not in upper[spec.start :]:
                continue
            begin = upper.index(spec.keyword.encode(), spec.start) + 1
        if spec.count_at >= 0:
            at = begin + spec.count_at
            if at >= len(words) or not words[at].isdigit():
                continue
            first, n = begin + spec.first, int(words[at])
            places = range(first, first + n * spec.step, spec.step)
        else:
            last = len(words) + spec.last if spec.last < 0 else begin + spec.last
            places = range(begin, last + 1, spec.step)
        for i in places:
            if i < len(words):
                yield words[i], spec.flags


def legacy_range(row: Row) -> tuple[int, int, int]:
    """(first, last, step) as COMMAND showed keys before there were specifications."""
    specs = [spec for spec in key_specs(row) if spec.begin > 0 and spec.count_at < 0]
    if not specs:
        return 0, 0, 0
    first = min(spec.begin for spec in specs)
    lasts = [spec.last if spec.last < 0 else spec.begin + spec.last for spec in specs]
    return first, (-1 if min(lasts) < 0 else max(lasts)), specs[0].step
