"""WHERE: the bounds of time, the conditions on tags, and those on fields."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, tzinfo
from functools import reduce
from typing import Any

import numpy as np

from tsdb.influxql.ast import (
    TIME_MAX,
    TIME_MIN,
    Call,
    Duration,
    Expr,
    InfluxError,
    Literal,
    Name,
    Operation,
    Pattern,
    parts,
)
from tsdb.labels import is_label_name
from tsdb.line_protocol import label_name
from tsdb.matchers import Matcher

MS = 1_000_000  # ns
FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "=", "!=": "!="}
TIME = re.compile(
    r"\d{4}-\d\d-\d\d( \d\d:\d\d:\d\d(\.\d+)?|T\d\d:\d\d:\d\d(\.\d+)?(Z|[-+]\d\d:\d\d))?"
)
SPECIAL = re.compile(r"[\\.+*?()|\[\]{}^$]")
COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}
ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: np.divide(a, b, out=np.zeros(np.broadcast(a, b).shape), where=b != 0),
    "%": lambda a, b: np.fmod(a, b),
}


class Bounds:
    """What a WHERE says of time: [low, high] in ms, and the rest of it."""

    def __init__(self, where: Expr | None, now_ms: int, zone: tzinfo = UTC):
        self.now_ms = now_ms
        self.zone = zone  # of times that name none
        self.low, self.high = TIME_MIN, TIME_MAX
        self.shown = TIME_MIN  # the lower bound as an answer shows it
        self.rest = self._take(where) if where is not None else None

    def within(self, low: int, high: int) -> None:
        """Take no more than [low, high]."""
        if low > self.low:
            self.low = self.shown = low
        self.high = min(self.high, high)

    def _take(self, expr: Expr) -> Expr | None:
        if isinstance(expr, Operation) and expr.op == "and":
            kept = [e for e in map(self._take, parts("and", expr)) if e is not None]
            return reduce(lambda a, b: Operation("and", a, b), kept) if kept else None
        if isinstance(expr, Operation) and expr.op in FLIPPED:
            if _is_time(expr.left):
                self._bound(expr.op, self.moment_ns(expr.right))
                return None
            if _is_time(expr.right):
                self._bound(FLIPPED[expr.op], self.moment_ns(expr.left))
                return None
        return expr

    def _bound(self, op: str, ns: int) -> None:
        floor = ns // MS
        exact = ns % MS == 0
        if op in (">", ">=", "="):
            self.shown = max(self.shown, floor)
            after = floor if exact and op != ">" else floor + 1
            self.low = max(self.low, after)
        if op in ("<", "<=", "="):
            before = floor - 1 if exact and op == "<" else floor
            self.high = min(self.high, before)
        if op == "!=":
            raise InfluxError("invalid operation: time and != are not compatible")

    def moment_ns(self, expr: Expr) -> int:
        """A time, or a length of time, in ns."""
        match expr:
            case Duration():
                return expr.ns
            case Literal(str() as text):
                return _parse_time(text, self.zone)
            case Literal(bool()):
                pass
            case Literal(value):
                return int(value)
            case Call("now", ()):
                return self.now_ms * MS
            case Operation("+" | "-" as op, left, right):
                other = self.moment_ns(right)
                return self.moment_ns(left) + (other if op == "+" else -other)
        raise InfluxError("invalid operation: time is compared with something that is no time")


def _is_time(expr: Expr) -> bool:
    return isinstance(expr, Name) and expr.name.lower() == "time"


def _parse_time(text: str, zone: tzinfo) -> int:
    if not TIME.fullmatch(text):
        raise InfluxError("invalid timestamp string")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as exc:
        raise InfluxError("invalid timestamp string") from exc
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    whole = moment.replace(microsecond=0)
    return int(whole.timestamp()) * 1_000_000_000 + moment.microsecond * 1000


# ---- conditions on tags and fields -----------------------------------------------------------


def label_of(tag: str) -> str:
    """The label that a tag is."""
    return tag if is_label_name(tag) else label_name(tag.encode()).decode()


def matchers_of(expr: Expr | None, fields: Mapping[str, Any]) -> list[Matcher] | None:
    """A condition as the index can look for it; None if that needs a look at points."""
    match expr:
        case None:
            return []
        case Operation("and"):
            found = [matchers_of(part, fields) for part in parts("and", expr)]
            return None if None in found else [m for some in found for m in some or ()]
        case Operation("or"):
            return _alternatives(parts("or", expr), fields)
        case Operation("=" | "!=" as op, Name(name), Literal(str() as value)):
            if name not in fields:
                return [Matcher(label_of(name), op, value)]
        case Operation("=~" | "!~" as op, Name(name), Pattern() as pattern):
            if name not in fields:
                return [Matcher(label_of(name), op, pattern.anywhere)]
    return None


def _alternatives(choices: list[Expr], fields: Mapping[str, Any]) -> list[Matcher] | None:
    """`tag = 'a' OR tag = 'b'`: one condition, if it is always the same tag."""
    found = [matchers_of(choice, fields) for choice in choices]
    alone = [some[0] for some in found if some is not None and len(some) == 1]
    if len(alone) < len(choices) or {(m.name, m.op) for m in alone} != {(alone[0].name, "=")}:
        return None
    return [Matcher(alone[0].name, "=~", "|".join(SPECIAL.sub(r"\\\g<0>", m.value) for m in alone))]


def sifting(expr: Expr | None, fields: Mapping[str, Any]) -> list[Matcher]:
    """What the index can look for of a condition: those of its parts, all of which must hold."""
    every = parts("and", expr) if expr is not None else []
    return [m for part in every for m in matchers_of(part, fields) or ()]


def holds(
    expr: Expr | None, tags: Mapping[str, str], columns: Mapping[str, np.ndarray], n: int
) -> np.ndarray:
    """For n points of a series, which meet the condition."""
    if expr is None:
        return np.ones(n, np.bool_)
    match expr:
        case Operation("and" | "or" as op):
            met = [holds(part, tags, columns, n) for part in parts(op, expr)]
            return (np.logical_and if op == "and" else np.logical_or).reduce(met)
        case Operation("=~" | "!~" as op, left, Pattern() as pattern):
            value = _side(left, tags, columns)
            found = isinstance(value, str) and pattern.matches(value)
            return np.full(n, found == (op == "=~"))
        case Operation(op, left, right) if op in COMPARE:
            a, b = _side(left, tags, columns), _side(right, tags, columns)
            if isinstance(a, str) != isinstance(b, str):
                return np.zeros(n, np.bool_)
            with np.errstate(invalid="ignore"):
                result = COMPARE[op](a, b)
            # A missing value (NaN) meets no condition.
            missing = np.isnan(a) | np.isnan(b) if not isinstance(a, str) else False
            return np.broadcast_to(result & ~np.asarray(missing, np.bool_), n).copy()
        case Literal(bool() as value):
            return np.full(n, value)
    raise InfluxError("invalid condition expression")


def computed(function: Callable[..., Any], *args: Any) -> Any:
    """The function of numbers, alone or in columns; of a text there is none."""
    if any(isinstance(arg, str) for arg in args):
        return np.float64("nan")
    with np.errstate(all="ignore"):
        return function(*args)


def _side(expr: Expr, tags: Mapping[str, str], columns: Mapping[str, np.ndarray]) -> Any:
    match expr:
        case Name(name):
            found = columns.get(name)
            return found if found is not None else tags.get(label_of(name), "")
        case Literal(str() as text):
            return text
        case Literal(value):
            return np.float64(value)
        case Operation(op, left, right) if op in ARITHMETIC:
            return computed(
                ARITHMETIC[op], _side(left, tags, columns), _side(right, tags, columns)
            )
    raise InfluxError("invalid condition expression")
