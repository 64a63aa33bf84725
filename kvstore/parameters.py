"""Parameters: what CONFIG GET and CONFIG SET know, under the names Redis has for them.

The rows are in `parameter_table`, the ways to read them in `parameter_kinds`.  A change is checked
whole before any of it is taken, and then told to those who listen; a listener that refuses (an
address that cannot be bound) undoes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from kvstore.glob import matches
from kvstore.parameter_kinds import BUFFER_LIMITS, KINDS, Kind
from kvstore.parameter_table import TABLE
from kvstore.resp import ReplyError

HIGHEST = (1 << 63) - 1


class Parameter(NamedTuple):
    """One parameter; `low` and `high` bound a number."""

    name: str
    kind: Kind
    default: Any
    low: int
    high: int
    fixed: bool
    rigid: bool
    protected: bool
    inert: bool
    hidden: bool
    alias: str

    @classmethod
    def of(cls, line: str) -> Parameter:
        """A row from its line in the table."""
        name, kind_name, default, *marks = line.split()
        kind = KINDS[kind_name]
        low, high, alias = 0, HIGHEST, ""
        for mark in marks:
            if mark.startswith("="):
                alias = mark[1:]
            elif ".." in mark:
                below, _, above = mark.partition("..")
                low, high = kind.parse(below), int(above or HIGHEST)
        text = "" if default == "-" else default.replace("_", " ")
        value = BUFFER_LIMITS if kind_name == "buffers" else kind.parse(text)
        rigid, protected, inert, hidden = (
            word in marks for word in ("rigid", "protected", "inert", "hidden")
        )
        fixed = rigid or "fixed" in marks
        return cls(name, kind, value, low, high, fixed, rigid, protected, inert, hidden, alias)

    def read(self, text: str, before: Any) -> Any:
        """A value from its text; ValueError with Redis's words when it cannot be."""
        value = self.kind.parse(text)
        if isinstance(value, int) and value is not True and not self.low <= value <= self.high:
            raise ValueError(f"argument must be between {self.low} and {self.high} inclusive")
        return {**before, **value} if self.kind.merged else value


ROWS = [Parameter.of(line) for line in TABLE.strip().splitlines()]
BY_NAME = {name: row for row in ROWS for name in (row.name, row.alias) if name}


class NotApplied(ValueError):
    """A listener cannot take a parameter's new value."""

    def __init__(self, name: str, why: str):
        super().__init__(why)
        self.name = name


class Parameters:
    """The values of one store.  Keyword names use `_` for `-`."""

    def __init__(self, **values: Any):
        self._values = {row.name: row.default for row in ROWS}
        self._listeners: list[Callable[[], None]] = []
        for name, value in values.items():
            self._values[BY_NAME[name.replace("_", "-")].name] = value

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def listen(self, changed: Callable[[], None]) -> None:
        """Call `changed()` now and after every change."""
        self._listeners.append(changed)
        changed()

    def matching(self, pattern: str) -> Iterator[tuple[str, str]]:
        """(name, value as text) of the parameters that match a glob pattern, or have that name."""
        wanted = pattern.encode()
        for name, row in BY_NAME.items():
            if name == pattern.lower() or (not row.hidden and matches(wanted, name.encode(), True)):
                yield name, row.kind.show(self._values[row.name])

    def written(self, usual: dict[str, str], all_of_them: bool) -> dict[str, list[str]]:
        """name -> words, as redis.conf has them, of what is not at its default, or of all.

        usual: the defaults of those who read it, where they are others
        """
        written = {}
        for row in ROWS:
            value = self._values[row.name]
            text = row.kind.show(value)
            if row.name == "replicaof" and not text:
                continue  # what is none is not written
            default = row.kind.parse(usual[row.name]) if row.name in usual else row.default
            if value != default or (all_of_them and not row.hidden):
                written[row.name] = text.split() or [""] if row.kind.several else [text]
        return written

    def note(self, name: str, value: Any) -> None:
        """State a fact: what a parameter turned out to be (the port taken, the folder)."""
        self._values[name] = value

    def set(self, pairs: list[tuple[str, str]], starting: bool = False) -> None:
        """Change several parameters, all or none; fixed ones only before the start."""
        values: dict[str, Any] = {}
        for name, text in pairs:
            row = BY_NAME.get(name.lower())
            if row is None:
                raise ReplyError(
                    f"ERR Unknown option or number of arguments for CONFIG SET - '{name}'"
                )
            if row.name in values and not starting:
                raise self.refused(name, "duplicate parameter")
            if row.fixed and not starting and not row.rigid:
                raise self.refused(name, "can't set immutable config")
            if row.protected and not starting and self["enable-protected-configs"] == "no":
                raise self.refused(name, "can't set protected config")
            try:
                values[row.name] = row.read(text, self._values[row.name])
            except ValueError as error:
                raise self.refused(name, str(error)) from None
            if row.rigid and not starting and values[row.name] != self._values[row.name]:
                raise self.refused(name, "can't be changed while this server runs")
        before = {name: self._values[name] for name in values}
        self._values.update(values)
        try:
            for changed in self._listeners:
                changed()
        except NotApplied as error:
            self._values.update(before)
            for changed in self._listeners:
                changed()
            raise self.refused(error.name, str(error)) from None

    @staticmethod
    def refused(name: str, why: str) -> ReplyError:
        """The error CONFIG SET answers with."""
        return ReplyError(
            f"ERR CONFIG SET failed (possibly related to argument '{name}') - {why}"
        )
