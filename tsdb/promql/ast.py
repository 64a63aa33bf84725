"""The syntax tree of PromQL: what the parser makes and the evaluator walks.

Every node knows its position (a character offset), for error messages, and its type. Durations and
times are in milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

from tsdb.matchers import Matcher
from tsdb.promql.functions import DEPEND_ON_STEP, Function

SCALAR = "scalar"
STRING = "string"
VECTOR = "instant vector"
MATRIX = "range vector"


@dataclass
class Expr:
    """Any expression; `type` is one of the four above."""

    type: ClassVar[str] = VECTOR
    pos: int = field(default=0, kw_only=True)


@dataclass
class Number(Expr):
    type = SCALAR
    value: float


@dataclass
class String(Expr):
    type = STRING
    value: str


@dataclass
class Paren(Expr):
    expr: Expr

    @property
    def type(self) -> str:  # type: ignore[override]
        return self.expr.type


@dataclass
class Unary(Expr):
    op: str
    expr: Expr

    @property
    def type(self) -> str:  # type: ignore[override]
        return self.expr.type


@dataclass
class Matching:
    """How the two sides of a binary operation find each other.

    on       the labels listed are those compared (else: those ignored)
    many     "left" or "right" where that side may have several partners (group_left/right)
    extra    labels copied from the "one" side
    """

    on: bool = False
    labels: tuple[str, ...] = ()
    many: str = ""
    extra: tuple[str, ...] = ()


@dataclass
class Binary(Expr):
    op: str
    left: Expr
    right: Expr
    matching: Matching = field(default_factory=Matching)
    as_bool: bool = False

    def __post_init__(self) -> None:
        both = self.left.type == SCALAR and self.right.type == SCALAR
        self.type = SCALAR if both else VECTOR  # type: ignore[misc]

    def chain(self) -> tuple[Expr, list[Binary]]:
        """`a + b + c` as its first operand and the operators that follow, inmost first.

        A chain may be longer than functions may call each other.
        """
        operators: list[Binary] = []
        expr: Expr = self
        while isinstance(expr, Binary):
            operators.append(expr)
            expr = expr.left
        return expr, operators[::-1]


@dataclass
class Timed(Expr):
    """What `offset` and `@` apply to; at is ms, "start", "end" or None."""

    offset_ms: int = field(default=0, kw_only=True)
    at: int | str | None = field(default=None, kw_only=True)
    has_offset: bool = field(default=False, kw_only=True)


@dataclass
class Selector(Timed):
    matchers: list[Matcher]


@dataclass
class Range(Timed):
    """selector[range]; offset and @ are those of the whole."""

    type = MATRIX
    selector: Selector
    range_ms: int


@dataclass
class Subquery(Timed):
    """expr[range:step]; step 0 = the default."""

    type = MATRIX
    expr: Expr
    range_ms: int
    step_ms: int


@dataclass
class Aggregate(Expr):
    op: str
    expr: Expr
    param: Expr | None
    grouping: tuple[str, ...]
    without: bool


@dataclass
class Call(Expr):
    function: Function
    args: list[Expr]

    @property
    def type(self) -> str:  # type: ignore[override]
        return self.function.returns


def walk(expr: Expr) -> Iterator[Expr]:
    """An expression and all that it is made of, from the left."""
    waiting = [expr]
    while waiting:
        expr = waiting.pop()
        yield expr
        waiting += _children(expr)[::-1]


def selectors(expr: Expr) -> Iterator[Selector]:
    """The selectors in an expression."""
    return (part for part in walk(expr) if isinstance(part, Selector))


def is_fixed(expr: Expr) -> bool:
    """Whether an expression has one value for all steps, as Prometheus sees it."""
    for part in walk(expr):
        match part:
            case Range(at=None, selector=Selector(at=None)) | Subquery(at=None):
                return False
            case Call(function=Function(name=name)) if name in DEPEND_ON_STEP:
                return False
    inside = {id(part.selector) for part in walk(expr) if isinstance(part, Range)}
    return all(one.at is not None or id(one) in inside for one in selectors(expr))


def _children(expr: Expr) -> list[Expr]:
    match expr:
        case Binary():
            return [expr.left, expr.right]
        case Call():
            return expr.args
        case Aggregate():
            return [expr.expr] if expr.param is None else [expr.param, expr.expr]
        case Paren() | Unary() | Subquery():
            return [expr.expr]
        case Range():
            return [expr.selector]
    return []
