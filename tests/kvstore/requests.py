"""Requests invented from the command table: well-formed for the most part, some of them damaged.

A row's syntax is a grammar (`kvstore.syntax` says how to read it); a word of it in small letters is
filled from a pool of values that fit its name, now and then from one of values that do not.  The
same seed gives the same requests, so that two servers can be asked the same things.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from kvstore.commands import GROUP_OF, ROWS
from kvstore.syntax import WORD

KEYS = [b"str", b"num", b"list", b"set", b"ints", b"hash", b"zset", b"geo", b"stream", b"hll",
        b"none", b"other"]
# A key that holds what the commands of a group are for, most of the time.
HOME = {
    "string": [b"str", b"num", b"hll"], "bitmap": [b"str", b"num"], "list": [b"list", b"other"],
    "set": [b"set", b"ints"], "hash": [b"hash"], "sorted_set": [b"zset", b"geo"],
    "geo": [b"geo", b"zset"], "stream": [b"stream"], "hyperloglog": [b"hll", b"other"],
}  # fmt: skip
# Ranges by name are for sorted sets of one score: `names` is none of the keys others change.
SMALL = [b"0", b"1", b"2", b"3", b"-1", b"-2", b"10", b"-3", b"5"]
ODD = [
    b"", b"nan", b"inf", b"-inf", b"1e400", b"9223372036854775807", b"-9223372036854775808",
    b"9223372036854775808", b"2147483648", b"4294967296", b"-0", b"01", b" 1", b"1 ", b"+1",
    b"0x10", b"1.5", b"1e3", b"abc", b"\xff\xfe", b"*", b"-", b"+", b"(1", b"[a", b"$", b">",
    b"#", b"xyz" * 40,
]  # fmt: skip
WORDS = [b"a", b"b", b"c", b"aa", b"1", b"2", b"3", b"member", b"x" * 70, b"12345"]
FLOATS = [b"1", b"2.5", b"-3", b"0", b"inf", b"-inf", b"1e10", b"0.1", b"(2",
          b"3.0000000000000001"]
IDS = [b"1-1", b"2-0", b"5", b"5-3", b"0", b"0-0", b"-", b"+", b"$", b"7-*", b"(2-0", b">", b"9-9"]
TIMES = [b"100000", b"0", b"-1", b"9999999999", b"99999999999999"]
POOLS: dict[str, list[bytes]] = {
    "pattern": [b"*", b"a*", b"?", b"[a-c]", b"str*", b"hash->*", b"*->a", b"#", b"nosort"],
    "count": SMALL, "start": SMALL, "stop": SMALL, "end": SMALL, "index": SMALL, "cursor": [b"0"],
    "rank": SMALL, "len": SMALL, "num-matches": SMALL, "numkeys": [b"1", b"2", b"3", b"0", b"-1"],
    "offset": [b"0", b"1", b"7", b"8", b"100", b"#1", b"#0", b"-1"], "limit": SMALL,
    "increment": FLOATS, "decrement": SMALL, "score": FLOATS, "weight": FLOATS,
    "min": [*FLOATS, b"[a", b"(b", b"-", b"+"], "max": [*FLOATS, b"[c", b"(b", b"+", b"-"],
    "id": IDS, "ms": SMALL, "last-id": IDS, "threshold": [*SMALL, b"3-0"], "entries_read": SMALL,
    "entries_added": SMALL, "max_deleted_entry_id": IDS, "min-idle-time": [b"0", b"1", b"100000"],
    "seconds": TIMES, "milliseconds": TIMES, "unix-time-seconds": TIMES,
    "unix-time-milliseconds": TIMES, "ttl": [b"0", b"100000"], "timeout": [b"0.01", b"0.02", b"-1"],
    "longitude": [b"13.361389", b"0", b"180", b"-180.1"],
    "latitude": [b"38.115556", b"0", b"85.06"],
    "radius": [b"100", b"0", b"300", b"-1"], "width": [b"100", b"400"], "height": [b"100", b"400"],
    "encoding": [b"u8", b"i16", b"u63", b"u64", b"i64", b"i1"], "bit": [b"0", b"1"],
    "operation": [b"AND", b"OR", b"XOR", b"NOT"], "groupname": [b"g", b"h"], "group": [b"g", b"h"],
    "consumer": [b"ann", b"bob"], "consumername": [b"ann", b"bob"], "pivot": WORDS,
    "destination-db": [b"0", b"1", b"9"], "db": [b"0", b"1", b"9"], "index1": [b"0", b"1"],
    "index2": [b"0", b"1"], "type": [b"string", b"list", b"zset", b"nothing"],
    "frequency": SMALL, "serialized-value": [b"\0\1a\n\0\xb1\0\0\0\0\0\0\0"],
    "command-name": [b"get", b"config|set", b"nothing"], "command": [b"get", b"sort", b"mset"],
    "section": [b"server", b"nothing"], "event": [b"command", b"nothing"],
    "script": [b"return 1", b"return redis.call('GET','str')", b"return {1,'a',false}", b"x x"],
    "sha1": [b"e0e1f9fabfc9d4800c877a703b823ac0578ff8db", b"0" * 40],
    "parameter": [b"maxmemory", b"hash-max-listpack-entries"], "subcommand": [b"x"],
    "categoryname": [b"read", b"nothing"], "username": [b"default", b"nobody"],
    "channel": [b"c"], "shardchannel": [b"c"], "message": [b"hello"],
    "categor": [b"read"], "bits": [b"5"], "protover": [b"2", b"3", b"4"],
}  # fmt: skip
KEY_WORDS = {
    "key", "key1", "key2", "source", "destination", "destkey", "newkey", "dst", "src", "sourcekey",
}


class Inventor:
    """Requests, one after the other."""

    def __init__(self, seed: int, names: list[str]):
        self.rand = random.Random(seed)
        self.names = names
        self.home: list[bytes] = KEYS

    def request(self) -> list[bytes]:
        """A request of some command."""
        name = self.rand.choice(self.names)
        row = ROWS[name]
        self.home = [b"names"] if "lex" in name else HOME.get(GROUP_OF[name], KEYS)
        words = [*name.upper().encode().split(b"|"), *self.fill(tree(row.syntax))]
        return self.damaged(words) if self.rand.random() < 0.15 else words

    def fill(self, sequence: list) -> Iterator[bytes]:
        """The words of a sequence of the grammar."""
        for item in sequence:
            if isinstance(item, str):
                yield self.word(item)
                continue
            kind, choices, repeats = item
            if kind == "[" and self.rand.random() < 0.55:
                continue
            for _ in range(self.rand.randint(1, 3) if repeats else 1):
                yield from self.fill(self.rand.choice(choices))

    def word(self, name: str) -> bytes:
        """A value for one word."""
        if name.isupper() or not name[0].isalpha():
            return name.strip('"').encode()
        if name.lower() in KEY_WORDS:
            return self.rand.choice(self.home if self.rand.random() < 0.85 else KEYS)
        if self.rand.random() < 0.1:
            return self.rand.choice(ODD)
        return self.rand.choice(POOLS.get(name, WORDS))

    def damaged(self, words: list[bytes]) -> list[bytes]:
        """A word too many, too few, or another than there should be."""
        at = self.rand.randrange(1, len(words) + 1)
        change = self.rand.randrange(3)
        if change == 0:
            return words[:at]
        if change == 1:
            return [*words[:at], self.rand.choice(ODD + WORDS), *words[at:]]
        return [*words[:at], self.rand.choice(ODD + KEYS), *words[at + 1 :]]


def tree(syntax: str) -> list:
    """A syntax as sequences: a word, or (`[` or `<`, choices, whether it repeats)."""
    sequence, rest = _sequences(WORD.findall(syntax), "")
    assert not rest, syntax
    return sequence[0] if len(sequence) == 1 else [("<", sequence, False)]


def _sequences(words: list[str], closer: str) -> tuple[list[list], list[str]]:
    choices: list[list] = [[]]
    while words:
        word, *words = words
        if word == closer:
            break
        if word == "|":
            choices.append([])
        elif word == "...":
            continue  # what repeats is the whole of the brackets, seen by who reads them
        elif word in "[<":
            end = _closing(words, word)
            inner, words_left = _sequences(words, "]" if word == "[" else ">")
            choices[-1].append((word, inner, words[end - 1] == "..."))
            words = words_left
        else:
            choices[-1].append(word)
    return choices, words


def _closing(words: list[str], opener: str) -> int:
    """Where the bracket that was opened closes."""
    closer, depth = {"[": "]", "<": ">"}[opener], 1
    for i, word in enumerate(words):
        depth += (word == opener) - (word == closer)
        if not depth:
            return i
    raise ValueError(words)


