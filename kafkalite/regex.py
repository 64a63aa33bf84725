"""A pattern of names that a client gives us: matched as a whole, in bounded time.

Kafka matches in time linear in the name (RE2).  Python's engine goes back and tries again, which a
repetition within a repetition makes exponential, `(a*)*`; so such a pattern is refused, as are
references back and looks around, which RE2 does not know either.
"""

from __future__ import annotations

import re
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

from kafkalite.errors import Code, KafkaError

LONGEST = 1000
REPEATS = ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT")
UNKNOWN_TO_RE2 = ("GROUPREF", "GROUPREF_EXISTS", "ASSERT", "ASSERT_NOT", "ATOMIC_GROUP")


def _check(tree: Any, repeated: bool) -> None:
    for operation, argument in tree:
        name = str(operation)
        if name in UNKNOWN_TO_RE2:
            raise ValueError(f"{name.lower()} is not allowed")
        inside = repeated
        if name in REPEATS:
            unbounded = argument[1] is parser.MAXREPEAT or argument[1] > 1
            if repeated and unbounded:
                raise ValueError("a repetition within a repetition")
            inside = repeated or unbounded
        for part in _parts(argument):
            _check(part, inside)


def _parts(argument: Any) -> list[Any]:
    """The patterns within an operation's argument."""
    if isinstance(argument, parser.SubPattern):
        return [argument]
    if isinstance(argument, tuple | list):
        return [part for item in argument for part in _parts(item)]
    return []


class Regex:
    """KafkaError (INVALID_REGULAR_EXPRESSION) if it is none, or one that is refused."""

    def __init__(self, text: str):
        self.text = text
        try:
            if len(text) > LONGEST:
                raise ValueError(f"longer than {LONGEST}")
            _check(parser.parse(text), repeated=False)
            self._compiled = re.compile(text)
        except (ValueError, re.error, RecursionError, OverflowError) as exc:
            raise KafkaError(
                Code.INVALID_REGULAR_EXPRESSION, f"SubscribedRegex `{text}`: {exc}"
            ) from None

    def matches(self, name: str) -> bool:
        """True if the whole name is of the pattern."""
        return self._compiled.fullmatch(name) is not None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Regex) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)
