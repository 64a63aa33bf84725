"""Regular expressions of selectors: RE2's syntax, run by Python's `re`.

The two agree on nearly everything people write.  What differs and is handled: flags in the middle
of a pattern (`a(?i)b`), which RE2 applies up to the end of the group; `\\z`; look-around and back
references, which RE2 refuses.  RE2's promise of linear time is kept for whether a text matches:
where `re` might try for ever an automaton tells first.
"""

from __future__ import annotations

import re
from functools import lru_cache

from tsdb.automaton import automaton_of

_PIECE = re.compile(
    r"\\Q.*?(?:\\E|$)|\\z|\\[1-9]|\\.|\[\^?\]?(?:\\.|\[:\w+:\]|[^\]\\])*\]"
    r"|\(\?[imsU-]+\)|\(\?(?:=|!|<=|<!)|[()|]|.",
    re.DOTALL,
)


class Regex:
    """A compiled pattern, which has to match the whole of a text."""

    def __init__(self, pattern: str):
        self.source = pattern
        written = _python_syntax(pattern)
        self._pattern = re.compile(written)
        self._automaton = automaton_of(written)
        self.groupindex = self._pattern.groupindex

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Regex) and self.source == other.source

    def __hash__(self) -> int:
        return hash(self.source)

    def matches(self, text: str) -> bool:
        """Whether it matches."""
        if self._automaton is not None:
            return self._automaton.matches(text)
        return self._pattern.fullmatch(text) is not None

    def fullmatch(self, text: str) -> re.Match[str] | None:
        """The match, for its groups."""
        if self._automaton is not None and not self._automaton.matches(text):
            return None
        return self._pattern.fullmatch(text)


class BadRegex(ValueError):
    """Not a regular expression; the message is the one Prometheus' users know."""


@lru_cache(maxsize=1024)
def compile_regex(pattern: str) -> Regex:
    """The compiled pattern; BadRegex when it is not one."""
    try:
        return Regex(pattern)
    except (re.error, RecursionError, OverflowError) as exc:
        raise BadRegex(f"error parsing regexp: {exc}: `^(?:{pattern})$`") from exc


def _python_syntax(pattern: str) -> str:
    """The pattern with mid-pattern flags scoped: `a(?i)b|c` -> `a(?i:b)|(?i:c)`."""
    out: list[str] = []
    open_flags: list[list[str]] = [[]]  # for each open group, the flag scopes begun in it
    for piece in _PIECE.findall(pattern):
        if piece.startswith("\\Q"):
            out.append(re.escape(piece[2:].removesuffix("\\E")))
        elif piece == "\\z":
            out.append(r"\Z")
        elif piece in ("(?=", "(?!", "(?<=", "(?<!") or re.fullmatch(r"\\[1-9]", piece):
            raise re.error(f"invalid or unsupported Perl syntax: `{piece}`")
        elif piece.startswith("(?") and piece.endswith(")"):
            scope = piece[:-1] + ":"
            open_flags[-1].append(scope)
            out.append(scope)
        elif piece == "(":
            open_flags.append([])
            out.append(piece)
        elif piece == ")":
            scopes = open_flags.pop() if len(open_flags) > 1 else []
            out.append(")" * len(scopes) + ")")
        elif piece == "|":
            scopes = open_flags[-1]
            out.append(")" * len(scopes) + "|" + "".join(scopes))
        else:
            out.append(piece)
    out.append(")" * len(open_flags[0]))
    return "".join(out)
