"""The syntax column of the command table, read into the argument tree of COMMAND DOCS.

    key value [NX | XX] [EX seconds | KEEPTTL] [field ...]

Upper-case words are tokens; `[...]` is optional, `<a | b>` a choice, `...` repeats what is before.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from kvstore.resp import Simple

WORD = re.compile(r"\[|\]|<|>|\||\.\.\.|[^\s\[\]<>|]+")
INTEGERS = {
    "count", "cursor", "db", "destination-db", "increment", "decrement", "index", "limit",
    "numkeys", "offset", "seconds", "milliseconds", "start", "stop", "end", "timeout", "port",
    "rank",
}  # fmt: skip


@cache
def arguments(syntax: str) -> list[dict[bytes, Any]]:
    """The arguments of a command, in the form COMMAND DOCS answers with."""
    words = WORD.findall(syntax)
    choices, rest = _choices(words, 0, "")
    assert rest == len(words), syntax
    return choices[0] if len(choices) == 1 else [_oneof(choices)]


def _choices(words: list[str], at: int, closer: str) -> tuple[list[list[dict]], int]:
    """Sequences separated by `|` up to the closer, and the place behind it."""
    choices: list[list[dict]] = [[]]
    while at < len(words):
        word = words[at]
        if word == closer:
            return choices, at + 1
        if word == "|":
            choices.append([])
            at += 1
        elif word == "...":
            if choices[-1]:
                _repeat(choices[-1][-1])
            at += 1
        elif word in "[<":
            inner, at = _choices(words, at + 1, "]" if word == "[" else ">")
            _add_group(choices[-1], inner, word == "[")
        else:
            choices[-1].append(_word(word))
            at += 1
    return choices, at


def _add_group(sequence: list[dict], inner: list[list[dict]], optional: bool) -> None:
    if len(inner) == 1 and inner[0] and optional:
        last = inner[0][-1]
        same = [argument[b"name"] for argument in inner[0]]
        if "multiple" in last.get(b"flags", ()) and sequence \
                and [a[b"name"] for a in sequence[-len(same):]] == same:
            # `key [key ...]` is one argument that repeats, not two.
            _repeat(sequence[-1])
            return
    group = _oneof(inner) if len(inner) > 1 else _block(inner[0])
    if optional:
        group.setdefault(b"flags", []).append(Simple("optional"))
    sequence.append(group)


def _repeat(argument: dict) -> None:
    flags = argument.setdefault(b"flags", [])
    if "multiple" not in flags:
        flags.append(Simple("multiple"))


def _word(word: str) -> dict[bytes, Any]:
    name = word.strip('"').lower().encode()
    if word.isupper():
        return {b"name": name, b"type": b"pure-token", b"token": word.encode()}
    kind = b"string"
    if word.startswith("key") or word in ("source", "destination"):
        kind = b"key"
    elif word == "pattern":
        kind = b"pattern"
    elif word in INTEGERS:
        kind = b"integer"
    return {b"name": name, b"type": kind, b"display_text": word.encode()}


def _block(sequence: list[dict]) -> dict[bytes, Any]:
    """A group of one kind: `EX seconds` is one argument with a token."""
    if len(sequence) == 1:
        return sequence[0]
    head, *tail = sequence
    if head[b"type"] == b"pure-token" and len(tail) == 1 and b"token" not in tail[0]:
        return {**tail[0], b"token": head[b"token"]}
    return {b"name": head[b"name"], b"type": b"block", b"arguments": sequence}


def _oneof(choices: list[list[dict]]) -> dict[bytes, Any]:
    blocks = [_block(choice) for choice in choices if choice]
    return {b"name": blocks[0][b"name"], b"type": b"oneof", b"arguments": blocks}
