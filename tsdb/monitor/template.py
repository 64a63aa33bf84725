"""Templates of labels and annotations: the part of Go's text/template that alerts use.

    {{ $labels.instance }} has been down for {{ $value | humanizeDuration }}
    {{ if gt $value 90.0 }}critical{{ else }}warning{{ end }}
    {{ printf "%.2f" $value }}   {{ with query "up" }}{{ . | first | value }}{{ end }}

An action is a pipeline of words; a result is put in as text.  Left out: range, define, templates of
consoles.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from typing import Any

from tsdb.promql.json_out import value_text
from tsdb.promql.numbers import format_general

ACTION = re.compile(
    r"""\{\{(?P<trim>-\s)?
    (?P<inner>(?:"(?:[^"\\]|\\.)*"|`[^`]*`|[^"`}]|\}(?!\}))*?)
    (?P<rtrim>\s-)?\}\}""",
    re.VERBOSE,
)
WORD = re.compile(
    r'\s*("(?:[^"\\]|\\.)*"|`[^`]*`|[|()]|[-+]?\d[\d.eE+-]*|\$?\.?[\w.]+|\$|\.)'
)


# What functions given the wrong arguments raise, besides BadTemplate.
FAULTS = (
    ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError, re.error,
)  # fmt: skip


class BadTemplate(ValueError):
    """A template that cannot be expanded."""


class Template:
    """Expands texts for one alert.

    data    what `.` is: Labels, Value, ...
    query   runs PromQL, giving [(labels, value), ...]
    """

    def __init__(
        self,
        labels: dict[str, str],
        value: float,
        external: dict[str, str],
        url: str,
        query: Callable[[str], list[tuple[dict[str, str], float]]],
    ):
        self.dot: Any = {
            "Labels": labels, "Value": value, "ExternalLabels": external, "ExternalURL": url,
        }  # fmt: skip
        self.variables = {
            "$labels": labels, "$value": value, "$externalLabels": external, "$externalURL": url,
        }  # fmt: skip
        self.functions = FUNCTIONS | {"query": query, "externalURL": lambda: url}

    def expand(self, text: str) -> str:
        """The text with its actions carried out; what fails is told in its place."""
        try:
            pieces = list(_pieces(text))
            out, rest = self._block(pieces, self.dot)
            if rest:
                raise BadTemplate(f"unexpected {{{{{rest[0][1]}}}}}")
            return out
        except FAULTS as exc:
            return f"<error expanding template: {exc}>"

    def _block(self, pieces: list[tuple[bool, str]], dot: Any) -> tuple[str, list]:
        """Expand up to an `else` or `end` that belongs to somebody outside."""
        out: list[str] = []
        while pieces:
            action, text = pieces[0]
            word = text.split(None, 1)[0] if text.split() else ""
            if action and word in ("else", "end"):
                return "".join(out), pieces
            pieces = pieces[1:]
            if not action:
                out.append(text)
            elif word in ("if", "with"):
                made, pieces = self._choice(word, text[len(word) :], pieces, dot)
                out.append(made)
            elif not text.startswith("/*"):
                out.append(shown(self._pipeline(text, dot)))
        return "".join(out), pieces

    def _choice(self, word: str, text: str, pieces: list, dot: Any) -> tuple[str, list]:
        value = self._pipeline(text, dot)
        inner = value if word == "with" else dot
        yes, pieces = self._block(pieces, inner) if value else ("", _skipped(pieces))
        no = ""
        if pieces and pieces[0][1].startswith("else"):
            rest = pieces[0][1][4:].strip()
            if rest.startswith("if"):
                made, pieces = self._choice("if", rest[2:], pieces[1:], dot)
                return (yes if value else made), pieces
            if value:
                pieces = _skipped(pieces[1:])
            else:
                no, pieces = self._block(pieces[1:], dot)
        if not pieces or not pieces[0][1].startswith("end"):
            raise BadTemplate("unexpected EOF")
        return (yes if value else no), pieces[1:]

    # ---- pipelines ---------------------------------------------------------------------

    def _pipeline(self, text: str, dot: Any) -> Any:
        words = list(_words(text))
        value, rest = self._piped(words, dot)
        if rest:
            raise BadTemplate(f"unexpected {rest[0]!r}")
        return value

    def _piped(self, words: list[str], dot: Any) -> tuple[Any, list[str]]:
        value: Any = None
        piped = False
        while True:
            command: list[Any] = []
            head = words[0] if words else ""
            while words and words[0] not in ("|", ")"):
                operand, words = self._operand(words, dot, first=not command)
                command.append(operand)
            if not command:
                raise BadTemplate("missing value for command")
            if callable(command[0]):
                value = command[0](*command[1:], *([value] if piped else []))
            elif len(command) > 1 or piped:
                raise BadTemplate(f"can't give argument to non-function {head}")
            else:
                value = command[0]
            if not words or words[0] == ")":
                return value, words
            words, piped = words[1:], True

    def _operand(self, words: list[str], dot: Any, first: bool) -> tuple[Any, list[str]]:
        word, rest = words[0], words[1:]
        if word == "(":
            value, rest = self._piped(rest, dot)
            if not rest:
                raise BadTemplate("unclosed left paren")
            return value, rest[1:]
        if word[0] == '"':
            return json.loads(word), rest
        if word[0] == "`":
            return word[1:-1], rest
        if word[0].isdigit() or word[0] in "+-":
            return float(word), rest
        if word in ("true", "false"):
            return word == "true", rest
        if word.startswith("."):
            return _field(dot, word[1:]), rest
        if word.startswith("$"):
            name, _, path = word.partition(".")
            if name == "$":
                return _field(self.dot, path), rest
            if name not in self.variables:
                raise BadTemplate(f'undefined variable "{name}"')
            return _field(self.variables[name], path), rest
        if word in self.functions:
            function = self.functions[word]
            return (function if first else function()), rest
        raise BadTemplate(f'function "{word}" not defined')


def _pieces(text: str) -> Iterator[tuple[bool, str]]:
    """(is an action, text) of a template, with blanks trimmed where it says so."""
    at = 0
    strip = False
    for match in ACTION.finditer(text):
        before = text[at : match.start()]
        if strip:
            before = before.lstrip()
        if match["trim"]:
            before = before.rstrip()
        yield False, before
        yield True, match["inner"].strip()
        strip = bool(match["rtrim"])
        at = match.end()
    yield False, text[at:].lstrip() if strip else text[at:]


def _skipped(pieces: list[tuple[bool, str]]) -> list[tuple[bool, str]]:
    """What follows a block that is not expanded: from its `else` or `end` on."""
    depth = 0
    for i, (action, text) in enumerate(pieces):
        word = text.split(None, 1)[0] if action and text.split() else ""
        if word in ("if", "with", "range"):
            depth += 1
        elif word == "end" or (word == "else" and not depth):
            if not depth:
                return pieces[i:]
            depth -= 1
    return []


def _words(text: str) -> Iterator[str]:
    at = 0
    while at < len(text.rstrip()):
        match = WORD.match(text, at)
        if match is None:
            raise BadTemplate(f"unexpected {text[at:].strip()[:10]!r}")
        yield match[1]
        at = match.end()


def _field(value: Any, path: str) -> Any:
    for name in filter(None, path.split(".")):
        if not isinstance(value, dict):
            raise BadTemplate(f"can't evaluate field {name}")
        value = value.get(name, "")
    return value


def shown(value: Any) -> str:
    """A value as Go prints it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return format_general(value)
    return str(value)


# ---- functions -------------------------------------------------------------------------------


def _number(value: Any) -> float:
    return float(value)


def _four(value: float) -> str:
    """%.4g"""
    if math.isnan(value) or math.isinf(value):
        return value_text(value)
    return f"{value:.4g}"


def _humanize(value: Any, base: float = 1000, larger: str = "kMGTPEZY", suffix: str = "") -> str:
    v = _number(value)
    if v == 0 or math.isnan(v) or math.isinf(v):
        return _four(v)
    prefix = ""
    if abs(v) >= 1:
        for letter in larger:
            if abs(v) < base:
                break
            prefix, v = letter + suffix, v / base
    elif not suffix:
        prefix, v = _small(v)
    return f"{_four(v)}{prefix}"


def _small(v: float) -> tuple[str, float]:
    prefix = ""
    for letter in "munpfazy":
        if abs(v) >= 1:
            break
        prefix, v = letter, v * 1000
    return prefix, v


def _duration(value: Any) -> str:
    v = _number(value)
    if math.isnan(v) or math.isinf(v):
        return _four(v)
    if v == 0:
        return "0s"
    if abs(v) < 1:
        prefix, small = _small(v)
        return f"{_four(small)}{prefix}s"
    sign, v = ("-" if v < 0 else ""), abs(v)
    whole = int(v)
    days, hours = whole // 86_400, whole // 3600 % 24
    minutes, seconds = whole // 60 % 60, whole % 60
    if days:
        return f"{sign}{days}d {hours}h {minutes}m {seconds}s"
    if hours:
        return f"{sign}{hours}h {minutes}m {seconds}s"
    return f"{sign}{minutes}m {seconds}s" if minutes else f"{sign}{_four(v)}s"


def _printf(form: str, *args: Any) -> str:
    given = iter(args)

    def put(match: re.Match[str]) -> str:
        if match[0] == "%%":
            return "%"
        value = next(given, "%!(MISSING)")
        if match[2] == "v":
            return shown(value)
        if match[2] in "dxXoc":
            value = int(float(value))
        if match[2] == "q":
            return json.dumps(str(value))
        if match[2] == "s":
            value = shown(value)
        return f"%{match[1]}{match[2]}" % value

    return re.sub(r"%%|%([-+# 0-9.]*)([a-zA-Z])", put, form)


def _first(rows: list[Any]) -> Any:
    if not rows:
        raise BadTemplate("error calling first: first() called on vector with no elements")
    return rows[0]


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "and": lambda *args: next((a for a in args if not a), args[-1]),
    "or": lambda *args: next((a for a in args if a), args[-1]),
    "not": lambda value: not value,
    "eq": lambda a, *others: any(a == other for other in others),
    "ne": lambda a, b: a != b,
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
    "len": len,
    "first": _first,
    "label": lambda name, row: row[0].get(name, ""),
    "value": lambda row: row[1],
    "humanize": _humanize,
    "humanize1024": lambda value: _humanize(value, 1024, "kMGTPEZY", "i"),
    "humanizeDuration": _duration,
    "humanizePercentage": lambda value: f"{_four(_number(value) * 100)}%",
    "match": lambda pattern, text: re.search(pattern, text) is not None,
    "printf": _printf,
    "reReplaceAll": lambda pattern, by, text: re.sub(
        pattern, re.sub(r"\$\{?(\w+)\}?", r"\\g<\1>", by), text
    ),
    "stripPort": lambda text: text.rpartition(":")[0] or text,
    "title": lambda text: re.sub(r"\b\w", lambda m: m[0].upper(), text),
    "toLower": lambda text: text.lower(),
    "toUpper": lambda text: text.upper(),
}
