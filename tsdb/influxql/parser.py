"""The parser of InfluxQL: statements divided by `;`.

Left out: administration of users, grants, policies and continuous queries; each is refused by
name.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from tsdb.influxql.ast import (
    Call,
    Duration,
    Expr,
    Literal,
    Manage,
    Math,
    Name,
    Operation,
    Pattern,
    Select,
    Show,
    Source,
    Star,
    Statement,
    SyntaxTrouble,
    Target,
)
from tsdb.influxql.bound import literal
from tsdb.influxql.functions import MATH
from tsdb.regex import BadRegex, compile_regex

UNITS_NS = {
    "ns": 1, "u": 1_000, "µ": 1_000, "ms": 1_000_000, "s": 1_000_000_000, "m": 60_000_000_000,
    "h": 3_600_000_000_000, "d": 86_400_000_000_000, "w": 604_800_000_000_000,
}  # fmt: skip
BINDING = {
    "or": 1, "and": 2,
    "=": 3, "!=": 3, "<>": 3, "<": 3, "<=": 3, ">": 3, ">=": 3, "=~": 3, "!~": 3,
    "+": 4, "-": 4, "|": 4, "^": 4, "*": 5, "/": 5, "%": 5, "&": 5,
}  # fmt: skip
NESTING_MAX = 100
KNOWN, KNOWN_MAX = 256, 4096  # texts whose statements are kept, and how long they may be
TOKEN = re.compile(
    r"""\s+|--[^\n]*
    |(?P<duration>(?:\d+(?:ns|ms|[uµsmhdw]))+)
    |(?P<number>\d+(?:\.\d*)?(?:[eE][-+]?\d+)?|\.\d+)
    |(?P<text>'(?:[^'\\\n]|\\.)*')
    |(?P<quoted>"(?:[^"\\\n]|\\.)*")
    |(?P<word>[^\W\d]\w*)
    |\$(?P<bound>"(?:[^"\\\n]|\\.)*"|\w*)
    |(?P<op>=~|!~|!=|<>|<=|>=|::|[-+*/%=<>(),;.|&^:])""",
    re.VERBOSE,
)
BOUND = re.compile(r"""\s*\$(?P<bound>"(?:[^"\\\n]|\\.)*"|\w*)""")
REGEX = re.compile(r"\s*/((?:[^/\\\n]|\\.)*)/")
RESERVED = frozenset(
    "select from where group by order limit offset slimit soffset fill and or show as tz".split()
)

T = TypeVar("T")


def parse(text: str, values: dict[str, Any] | None = None) -> tuple[Statement, ...]:
    """The statements, `$name` standing for a value; SyntaxTrouble.

    What dashboards ask every few seconds is parsed once.
    """
    if values or len(text) > KNOWN_MAX:
        return _parse(text, values)
    return _known(text)


def _parse(text: str, values: dict[str, Any] | None = None) -> tuple[Statement, ...]:
    return tuple(Parser(text, values or {}).statements())


_known = lru_cache(KNOWN)(_parse)


class Parser:
    """Recursive descent; regular expressions are lexed only where one may stand."""

    def __init__(self, text: str, values: dict[str, Any]):
        self.text = text
        self.values = values
        self.at = 0
        self.depth = 0
        self.kind, self.token = "", ""
        self.begin = 0
        self.next()

    # ---- tokens ------------------------------------------------------------------------

    def next(self) -> str:
        """Go to the next token; returns the one passed."""
        passed = self.token
        while True:
            if self.at >= len(self.text):
                self.kind, self.token, self.begin = "end", "EOF", self.at
                return passed
            match = TOKEN.match(self.text, self.at)
            if match is None:
                self.kind, self.token, self.begin = "bad", self.text[self.at], self.at
                return passed
            if match.lastgroup == "bound":
                self.bind(match)
                continue
            self.begin, self.at = self.at, match.end()
            if match.lastgroup:
                self.kind, self.token = match.lastgroup, match[0]
                return passed

    def bind(self, match: re.Match[str]) -> None:
        """Put the literal that `$name` stands for in its place."""
        name = match["bound"]
        value = literal(unquote(name) if name[:1] == '"' else name, self.values)
        self.text = self.text[: match.start()] + value + self.text[match.end() :]

    def fail(self, expected: str) -> SyntaxTrouble:
        line = self.text.count("\n", 0, self.begin) + 1
        char = self.begin - self.text.rfind("\n", 0, self.begin)
        return SyntaxTrouble(
            f"error parsing query: found {self.token}, expected {expected} "
            f"at line {line}, char {char}"
        )

    def word(self, *words: str) -> bool:
        """Take one of these keywords, if it is next."""
        if self.kind == "word" and self.token.lower() in words:
            self.next()
            return True
        return False

    def is_word(self, *words: str) -> bool:
        return self.kind == "word" and self.token.lower() in words

    def is_op(self, mark: str) -> bool:
        return self.kind == "op" and self.token == mark

    def op(self, mark: str) -> bool:
        """Take an operator or mark, if it is next."""
        if self.is_op(mark):
            self.next()
            return True
        return False

    def expect(self, token: str) -> None:
        if not (self.op(token) or self.word(token.lower())):
            raise self.fail(token)

    def is_name(self) -> bool:
        return self.kind == "quoted" or (
            self.kind == "word" and self.token.lower() not in RESERVED
        )

    def identifier(self) -> str:
        if not self.is_name():
            raise self.fail("identifier")
        return unquote(self.next()) if self.kind == "quoted" else self.next()

    def regex(self) -> Pattern | None:
        """A regular expression, if one is next."""
        if bound := BOUND.match(self.text, self.begin):
            self.bind(bound)
        match = REGEX.match(self.text, self.begin)
        if match is None:
            return None
        try:
            pattern = Pattern(match[1].replace("\\/", "/"))
            compile_regex(pattern.anywhere)
        except BadRegex as exc:
            raise SyntaxTrouble(f"error parsing query: {exc}") from exc
        self.at = match.end()
        self.next()
        return pattern

    def integer(self) -> int:
        if self.kind != "number" or not self.token.isdigit():
            raise self.fail("integer")
        return int(self.next())

    # ---- statements --------------------------------------------------------------------

    def statements(self) -> list[Statement]:
        found = []
        while self.kind != "end":
            if self.op(";"):
                continue
            found.append(self.statement())
            if self.kind != "end" and not self.op(";"):
                raise self.fail(";, EOF")
        if not found:
            raise SyntaxTrouble("error parsing query: found EOF, expected SELECT, SHOW, CREATE")
        return found

    def statement(self) -> Statement:
        if self.word("select"):
            return self.select()
        if self.word("show"):
            return self.show()
        if self.is_word("create", "drop", "delete", "alter", "grant", "revoke", "set", "kill",
                        "explain"):  # fmt: skip
            return self.manage()
        raise self.fail("SELECT, DELETE, SHOW, CREATE, DROP, EXPLAIN, GRANT, REVOKE, ALTER, SET, "
                        "KILL")

    def manage(self) -> Manage:
        words = [self.next().lower()]
        statement = Manage(words[0])
        if words != ["delete"] and self.kind == "word":
            words.append(self.next().lower())
        statement.what = " ".join(words)
        if statement.what in ("create database", "drop database", "drop measurement"):
            statement.name = self.identifier()
        if statement.what in ("delete", "drop series"):
            if self.word("from"):
                statement.sources = self.listed(self.source)
            if self.word("where"):
                statement.where = self.expression()
            if not statement.sources and statement.where is None:
                raise self.fail("FROM, WHERE")
            return statement
        while self.kind != "end" and not self.is_op(";"):
            self.next()
        return statement

    def show(self) -> Show:
        words = []
        while self.kind == "word" and not self.is_word("on", "from", "with", "where", "limit"):
            words.append(self.next().lower())
        show = Show(" ".join(words))
        if self.word("on"):
            show.database = self.identifier()
        if self.word("from"):
            show.sources = self.listed(self.source)
        if self.word("with"):
            self.expect_words("key", "measurement")
            show.keys_op = self.next().lower()
            show.keys = self.keys(show.keys_op)
        if self.word("where"):
            show.where = self.expression()
        show.limit, show.offset, _, _ = self.limits()
        return show

    def expect_words(self, *words: str) -> None:
        if not self.word(*words):
            raise self.fail(", ".join(words).upper())

    def keys(self, op: str) -> Expr:
        if op == "in":
            self.expect("(")
            listed = self.listed(self.identifier)
            self.expect(")")
            return Call("in", tuple(map(Name, listed)))
        return self.regex() or Name(self.identifier())

    def select(self) -> Select:
        columns = self.listed(self.column)
        into = self.target() if self.word("into") else None
        self.expect("FROM")
        select = Select(columns, self.listed(self.source_or_select), into)
        if self.word("where"):
            select.where = self.expression()
        if self.word("group"):
            self.expect("BY")
            self.dimension(select)
            while self.op(","):
                self.dimension(select)
        if self.word("fill"):
            self.expect("(")
            select.fill = self.fill()
            self.expect(")")
        if self.word("order"):
            self.expect("BY")
            if self.identifier().lower() != "time":
                raise SyntaxTrouble(
                    "error parsing query: only ORDER BY time supported at this time"
                )
            select.descending = self.word("desc")
            self.word("asc")
        (select.limit, select.offset, select.series_limit, select.series_offset) = self.limits()
        if self.word("tz"):
            select.zone = self.zone()
        return select

    def zone(self) -> ZoneInfo:
        """The argument of tz()."""
        self.expect("(")
        if self.kind != "text":
            raise self.fail("string")
        name = unquote(self.next())
        try:
            zone = ZoneInfo(name)
        except (KeyError, ValueError, OSError) as exc:
            raise SyntaxTrouble(f"error parsing query: unable to find time zone {name}") from exc
        self.expect(")")
        return zone

    def target(self) -> Target:
        """`measurement`, `database.policy.measurement`, or `:MEASUREMENT` for the last part."""
        parts: list[str] = []
        while True:
            if self.op("."):
                parts.append("")
            elif self.op(":"):
                self.expect_words("measurement")
                parts.append("")
                break
            else:
                parts.append(self.identifier())
                if not self.op("."):
                    break
        return Target(parts[-1], parts[0] if len(parts) > 2 else "")

    def limits(self) -> tuple[int, int, int, int]:
        found = {"limit": 0, "offset": 0, "slimit": 0, "soffset": 0}
        while self.is_word(*found):
            which = self.next().lower()
            found[which] = self.integer()
        return found["limit"], found["offset"], found["slimit"], found["soffset"]

    def fill(self) -> str | float:
        if self.is_word("null", "none", "previous", "linear"):
            return self.next().lower()
        sign = -1 if self.op("-") else 1
        if self.kind != "number":
            raise self.fail("number")
        return sign * float(self.next())

    def column(self) -> tuple[Expr, str]:
        expr = self.expression()
        return expr, self.identifier() if self.word("as") else ""

    def dimension(self, select: Select) -> None:
        if self.is_word("time"):
            self.next()
            self.expect("(")
            if select.interval:
                raise SyntaxTrouble("error parsing query: multiple time dimensions not allowed")
            select.interval = self.duration()
            if self.op(","):
                sign = -1 if self.op("-") else 1
                select.offset_ns = sign * self.duration()
            self.expect(")")
        elif self.op("*"):
            select.tags.append(Star())
        else:
            select.tags.append(self.regex() or Name(self.tagged(self.identifier())))

    def duration(self) -> int:
        if self.kind != "duration":
            raise self.fail("duration")
        return duration_ns(self.next())

    def tagged(self, name: str) -> str:
        """A name without its `::tag` or `::field`."""
        if self.op("::"):
            self.next()
        return name

    def listed(self, one: Callable[[], T]) -> list[T]:
        """Several, divided by commas."""
        found = [one()]
        while self.op(","):
            found.append(one())
        return found

    def source_or_select(self) -> Source | Select:
        return self.subquery() if self.op("(") else self.source()

    def subquery(self) -> Select:
        """A SELECT, up to its closing bracket."""
        self.depth += 1
        if self.depth > NESTING_MAX:
            raise SyntaxTrouble("error parsing query: nested too deeply")
        self.expect("SELECT")
        select = self.select()
        self.expect(")")
        self.depth -= 1
        return select

    def source(self) -> Source:
        parts: list[str | Pattern] = []
        while True:
            if self.op("."):
                parts.append("")  # database..measurement
                continue
            pattern = self.regex()
            parts.append(pattern if pattern else self.identifier())
            if not self.op("."):
                break
        database = parts[0] if len(parts) > 2 else ""
        return Source(parts[-1], database if isinstance(database, str) else "")

    # ---- expressions -------------------------------------------------------------------

    def expression(self, binding: int = 0) -> Expr:
        self.depth += 1
        if self.depth > NESTING_MAX:
            raise SyntaxTrouble("error parsing query: nested too deeply")
        left = self.operand()
        arithmetic = 0
        while self.kind in ("op", "word"):
            op = self.token.lower()
            strength = BINDING.get(op, 0)
            if strength <= binding:
                break
            arithmetic += strength > BINDING["and"]
            if arithmetic > NESTING_MAX:
                raise SyntaxTrouble("error parsing query: too many operators in a row")
            if op in ("=~", "!~"):
                self.kind = "op"
                self.begin = self.at
                pattern = self.regex()
                if pattern is None:
                    self.next()
                    raise self.fail("regex")
                left = Operation(op, left, pattern)
                continue
            self.next()
            left = Operation("!=" if op == "<>" else op, left, self.expression(strength))
        self.depth -= 1
        return left

    def operand(self) -> Expr:
        forms: dict[str, Callable[[str], Expr]] = {
            "number": lambda token: Literal(float(token)),
            "duration": lambda token: Duration(duration_ns(token)),
            "text": lambda token: Literal(unquote(token)),
        }
        if self.kind in forms:
            return forms[self.kind](self.next())
        if self.op("("):
            inner = self.expression()
            self.expect(")")
            return inner
        if self.op("*"):
            return Star(self.next().lower() if self.op("::") else "")
        if self.op("-"):
            return Operation("-", Literal(0.0), self.expression(BINDING["*"]))
        if self.op("+"):
            return self.expression(BINDING["*"])
        if pattern := self.regex():
            return pattern
        if self.is_word("true", "false"):
            return Literal(self.next().lower() == "true")
        quoted = self.kind == "quoted"
        name = self.identifier()
        if not quoted and name.lower() == "distinct" and self.is_name():
            return Call("distinct", (Name(self.identifier()),))
        if not quoted and self.op("("):
            args: list[Expr] = []
            if not self.op(")"):
                args = self.listed(self.expression)
                self.expect(")")
            name = name.lower()
            return Math(name, tuple(args)) if name in MATH else Call(name, tuple(args))
        return Name(self.tagged(name))


def duration_ns(text: str) -> int:
    """`1h30m` in nanoseconds."""
    parts = re.findall(r"(\d+)(ns|ms|[uµsmhdw])", text)
    return sum(int(count) * UNITS_NS[unit] for count, unit in parts)


def unquote(token: str) -> str:
    """A quoted token's text."""
    return re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], token[1:-1])
