"""Values that come beside a query: `$host` in it stands for what `params` says `host` is.

    q=SELECT v FROM m WHERE host = $host      params={"host": "a"}

A value becomes a literal in the query's own words when the parser comes to it, quoted so that it
ends where the literal ends.  An object names a kind that JSON has not: {"regex": "a|b"},
{"duration": "5m"}, {"identifier": "usage"}.
"""

from __future__ import annotations

import json
import re
from typing import Any

from tsdb.influxql.ast import SyntaxTrouble

TROUBLE = "error parsing query: "
MISSING = TROUBLE + "missing parameter: "
DURATION = re.compile(r"(?:\d+(?:ns|ms|[uµsmhdw]))+")
REGEX = re.compile(r"/(?:[^/\\\n]|\\.)*/")


def parameters(text: str) -> dict[str, Any]:
    """What a request's `params` says; SyntaxTrouble."""
    try:
        found = json.loads(text, parse_constant=_no_number) if text else {}
    except (ValueError, RecursionError) as exc:
        raise SyntaxTrouble(f"error parsing query parameters: {exc}") from exc
    if not isinstance(found, dict):
        raise SyntaxTrouble("error parsing query parameters: they must be an object")
    return found


def literal(name: str, values: dict[str, Any]) -> str:
    """The literal of a parameter; SyntaxTrouble."""
    if not name:
        raise SyntaxTrouble(TROUBLE + "empty bound parameter")
    match values.get(name, ...):
        case bool(value):
            return str(value).lower()
        case int(value) | float(value):
            return f" {value!r}" if value < 0 else repr(value)  # `- -1`: two of them are a comment
        case str(value) | {"string": str(value)}:
            return _quoted(value, "'")
        case {"identifier": str(value)}:
            return _quoted(value, '"')
        case {"duration": str(value)} if DURATION.fullmatch(value):
            return value
        case {"regex": str(value)}:
            pattern = "/" + re.sub(r"\\.|/", lambda m: "\\/" if m[0] == "/" else m[0], value) + "/"
            if REGEX.fullmatch(pattern):
                return pattern
    raise SyntaxTrouble(MISSING + (_unfit(values[name]) if name in values else name))


def _quoted(text: str, mark: str) -> str:
    text = text.replace("\\", "\\\\").replace(mark, "\\" + mark).replace("\n", "\\n")
    return mark + text + mark


def _unfit(value: Any) -> str:
    """Why a value stands for nothing."""
    if isinstance(value, dict) and len(value) == 1:
        ((kind, inner),) = value.items()
        if kind in ("string", "identifier", "duration", "regex"):
            return f"{inner!r} is no {kind}"
        return f"unknown bind object type: {kind}"
    kinds = {type(None): "<nil>", list: "[]interface {}", dict: "map[string]interface {}"}
    return f"unable to bind parameter with type {kinds[type(value)]}"


def _no_number(word: str) -> None:
    raise ValueError(f"invalid number {word}")
