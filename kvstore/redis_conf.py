"""redis.conf and the command line of redis-server, as directives.

    # a comment
    port 6380
    save 3600 1 300 100
    requirepass "with spaces and \\x41 or \\n"
    user alice on >secret ~* +@all

A directive is a line of words; a word may be quoted as in a request typed by hand.  The command
line is appended to the file as more lines: `--port 6380 --save 60 1` reads as `port 6380` and
`save 60 1`.
Reference: the comments of Redis 7.0's own redis.conf.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from kvstore import resp


class Directive(NamedTuple):
    """One line: its words, and where it stood."""

    name: str
    values: list[str]
    line: str
    number: int


class Unreadable(Exception):
    """A configuration that cannot be used; `directive` is the line, if it is one line's fault."""

    def __init__(self, why: str, directive: Directive | None = None):
        super().__init__(why)
        self.directive = directive


def split_words(line: str) -> list[str]:
    """The words of a line, quotes resolved; ValueError for unbalanced ones."""
    words = resp.split_words(line.encode("utf-8", "surrogateescape"))
    if words is None:
        raise ValueError("Unbalanced quotes in configuration line")
    return [word.decode("utf-8", "surrogateescape") for word in words]


def parse(lines: Iterable[str]) -> Iterator[Directive]:
    """The directives of a file, those of included files in their place."""
    for number, line in enumerate(lines, 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        try:
            words = split_words(line)
        except ValueError as error:
            raise Unreadable(str(error), Directive("", [], line, number)) from None
        if not words:
            continue
        directive = Directive(words[0].lower(), words[1:], line, number)
        if directive.name == "include" and len(words) == 2:
            yield from parse(read(words[1]))
        else:
            yield directive


def read(path: str) -> list[str]:
    """The lines of a file; `-` is standard input."""
    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text("utf-8")
    except OSError as error:
        raise Unreadable(f"can't open config file '{path}': {error.strerror}") from None
    return text.splitlines()


def quoted(word: str) -> str:
    """A word so that `split_words` gives it back."""
    if word and all(33 <= ord(ch) < 127 and ch not in "\"'\\#" for ch in word):
        return word
    shown = word.encode("utf-8", "surrogateescape")
    escaped = "".join(
        f"\\{chr(byte)}" if byte in b'"\\' else chr(byte) if 32 <= byte < 127 else f"\\x{byte:02x}"
        for byte in shown
    )
    return f'"{escaped}"'


def from_arguments(arguments: list[str]) -> list[str]:
    """The lines that options on the command line stand for."""
    lines: list[list[str]] = []
    for word in arguments:
        if word.startswith("--") and len(word) > 2:
            lines.append([word[2:]])
        elif not lines:
            raise Unreadable(f"the first option does not begin with --: {word!r}")
        else:
            lines[-1].append(word)
    return [" ".join([name, *map(quoted, values)]) for name, *values in lines]
