"""Matchers: the conditions in a selector's braces, `name = "v"`, `!=`, `=~` and `!~`.

A regular expression must match the whole value.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property

from tsdb.regex import Regex, compile_regex

_PLAIN = re.compile(r"[^\\.+*?()|\[\]{}^$]*")


@dataclass(frozen=True)
class Matcher:
    """One condition on one label; a missing label counts as an empty value."""

    name: str
    op: str
    value: str
    _regex: Regex | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.op in ("=~", "!~"):
            object.__setattr__(self, "_regex", compile_regex(self.value))

    @cached_property
    def alternatives(self) -> frozenset[str] | None:
        """The values a regex without metacharacters but `|` can match, or None."""
        parts = self.value.split("|")
        if self._regex is None or not all(_PLAIN.fullmatch(part) for part in parts):
            return None
        return frozenset(parts)

    def matches(self, value: str) -> bool:
        """Whether a label value meets the condition."""
        if self._regex is None:
            return (value == self.value) == (self.op == "=")
        return self._regex.matches(value) == (self.op == "=~")

    @property
    def matches_empty(self) -> bool:
        """Whether a series without the label meets the condition."""
        return self.matches("")

    def __str__(self) -> str:
        escaped = self.value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
        return f'{self.name}{self.op}"{escaped}"'
