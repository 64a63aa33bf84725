"""The syntax tree of InfluxQL.  Times and durations are in nanoseconds."""

from __future__ import annotations

from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from tsdb.regex import compile_regex

TIME_MIN, TIME_MAX = -(2**62), 2**62  # ms


class InfluxError(Exception):
    """A statement that cannot be answered; the message goes to the client."""


class SyntaxTrouble(InfluxError):
    """A text that is not InfluxQL: the whole request fails."""


@dataclass(frozen=True)
class Name:
    """A field or tag."""

    name: str


@dataclass(frozen=True)
class Star:
    """All fields and tags, or (kind "field", "tag") those alone."""

    kind: str = ""


@dataclass(frozen=True)
class Literal:
    """A number, text, or truth."""

    value: float | str | bool


@dataclass(frozen=True)
class Duration:
    """A length of time."""

    ns: int


@dataclass(frozen=True)
class Pattern:
    """A regular expression; it need not match the whole."""

    text: str

    def matches(self, text: str) -> bool:
        """Whether it matches somewhere."""
        return compile_regex(self.anywhere).matches(text)

    @property
    def anywhere(self) -> str:
        """As one that has to match the whole."""
        return f"(?s:.*)(?:{self.text})(?s:.*)"


@dataclass(frozen=True)
class Call:
    """A function."""

    name: str
    args: tuple[Expr, ...]


@dataclass(frozen=True)
class Operation:
    """left op right."""

    op: str
    left: Expr
    right: Expr


@dataclass(frozen=True)
class Math:
    """A function of numbers, value by value: an operator with a name."""

    name: str
    args: tuple[Expr, ...]


Expr = Name | Star | Literal | Duration | Pattern | Call | Math | Operation


@dataclass(frozen=True)
class Source:
    """What FROM names: a measurement or all that match, in a database ("" = the request's)."""

    name: str | Pattern
    database: str = ""


@dataclass(frozen=True)
class Target:
    """Where INTO writes; measurement "" = that of each series, database "" = the request's."""

    measurement: str
    database: str = ""


@dataclass
class Select:
    """SELECT ...; interval 0 = not grouped by time.

    low, high: ms that an enclosing SELECT asks for.
    """

    columns: list[tuple[Expr, str]]
    sources: list[Source | Select]
    into: Target | None = None
    where: Expr | None = None
    interval: int = 0
    offset_ns: int = 0
    tags: list[Name | Star | Pattern] = field(default_factory=list)
    fill: str | float = "null"
    descending: bool = False
    limit: int = 0
    offset: int = 0
    series_limit: int = 0
    series_offset: int = 0
    zone: ZoneInfo | None = None
    low: int = TIME_MIN
    high: int = TIME_MAX


@dataclass
class Show:
    """SHOW ...: what ("tag values"), in which database, of which measurements, with which keys."""

    what: str
    database: str = ""
    sources: list[Source] = field(default_factory=list)
    where: Expr | None = None
    keys: Expr | None = None
    keys_op: str = ""
    limit: int = 0
    offset: int = 0


@dataclass
class Manage:
    """CREATE DATABASE, DROP, DELETE; others that would change something are refused by `what`."""

    what: str
    name: str = ""
    sources: list[Source] = field(default_factory=list)
    where: Expr | None = None


Statement = Select | Show | Manage


def parts(op: str, expr: Expr) -> list[Expr]:
    """`a and b and c` as a, b and c.  There may be more of them than functions may nest."""
    found: list[Expr] = []
    while isinstance(expr, Operation) and expr.op == op:
        found.append(expr.right)
        expr = expr.left
    return [expr, *found[::-1]]


def calls(expr: Expr) -> list[Call]:
    """The outermost calls in an expression."""
    return [e for e in _leaves(expr) if isinstance(e, Call)]


def names(expr: Expr | None) -> list[str]:
    """The fields and tags in an expression."""
    found = []
    for leaf in _leaves(expr) if expr is not None else ():
        if isinstance(leaf, Name):
            found.append(leaf.name)
        elif isinstance(leaf, Call):
            found += [name for arg in leaf.args for name in names(arg)]
    return found


def _leaves(expr: Expr) -> list[Expr]:
    """What operators are between, from the left."""
    waiting: list[Expr] = [expr]
    found: list[Expr] = []
    while waiting:
        expr = waiting.pop()
        if isinstance(expr, Operation):
            waiting += (expr.right, expr.left)
        elif isinstance(expr, Math):
            waiting += reversed(expr.args)
        else:
            found.append(expr)
    return found
