"""Regular expressions of selectors: RE2's syntax, run by Python's `re`.

The two agree on nearly everything people write.  What differs and is handled: flags in the middle
of a pattern (`a(?i)b`), which RE2 applies up to the end of the group; `\\z`; look-around and back
references, which RE2 refuses.  Not kept: RE2's promise of linear time.
"""

from __future__ import annotations

import re
from functools import lru_cache

_PIECE = re.compile(
    r"\\Q.*?(?:\\E|$)|\\z|\\[1-9]|\\.|\[\^?\]?(?:\\.|\[:\w+:\]|[^\]\\])*\]"
    r"|\(\?[imsU-]+\)|\(\?(?:=|!|<=|<!)|[()|]|.",
    re.DOTALL,
)


class BadRegex(ValueError):
    """Not a regular expression; the message is the one Prometheus' users know."""


@lru_cache(maxsize=1024)
def compile_regex(pattern: str) -> re.Pattern[str]:
    """The compiled pattern; BadRegex when it is not one."""
    try:
        return re.compile(_python_syntax(pattern))
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
