"""Text and bytea functions."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from minidb.execution.kernels.registry import SCALARS, Scalar, scalar
from minidb.sqlstate import DatabaseError

scalar("lower")(str.lower)
scalar("upper")(str.upper)
scalar("length", "char_length", "character_length")(len)
scalar("length", "char_length", "character_length", types="bpchar")(lambda s: len(s.rstrip(" ")))
scalar("octet_length", types="text")(lambda s: len(s.encode()))
scalar("octet_length", types="bytea")(len)
scalar("bit_length", types="text")(lambda s: 8 * len(s.encode()))
scalar("reverse")(lambda s: s[::-1])
scalar("ascii")(lambda s: ord(s[0]) if s else 0)
scalar("initcap")(lambda s: re.sub(r"[^\W_]+", lambda m: m[0].capitalize(), s))
scalar("md5", types="text")(lambda s: hashlib.md5(s.encode(), usedforsecurity=False).hexdigest())
scalar("md5", types="bytea")(lambda b: hashlib.md5(b, usedforsecurity=False).hexdigest())
scalar("strpos", "position")(lambda s, part: s.find(part) + 1)
scalar("starts_with", "^@")(str.startswith)
scalar("replace")(lambda s, old, new: s.replace(old, new) if old else s)
scalar("translate")(lambda s, old, new: s.translate(
    {ord(c): new[i] if i < len(new) else None for i, c in reversed(list(enumerate(old)))}))
scalar("btrim", types="text")(lambda s: s.strip(" "))
scalar("ltrim", types="text")(lambda s: s.lstrip(" "))
scalar("rtrim", types="text")(lambda s: s.rstrip(" "))
scalar("btrim", types="text text")(lambda s, chars: s.strip(chars) if chars else s)
scalar("ltrim", types="text text")(lambda s, chars: s.lstrip(chars) if chars else s)
scalar("rtrim", types="text text")(lambda s, chars: s.rstrip(chars) if chars else s)
scalar("repeat")(lambda s, n: _bounded(s, n) * max(n, 0))
scalar("to_hex")(lambda n: format(n & (0xFFFFFFFF if -2**31 <= n < 2**31 else 2**64 - 1), "x"))
scalar("quote_ident")(lambda s: quote_identifier(s))
scalar("sha256")(lambda b: hashlib.sha256(b).digest())
scalar("sha512")(lambda b: hashlib.sha512(b).digest())
scalar("get_byte")(lambda b, i: _byte(b, i))

_MAX_TEXT = 1 << 28


def _bounded(s: str, n: int) -> str:
    if n > 0 and len(s) * n > _MAX_TEXT:
        raise DatabaseError("54000", "requested length too large")
    return s


def _byte(data: bytes, i: int) -> int:
    if not 0 <= i < len(data):
        raise DatabaseError("22003", f"index {i} out of valid range, 0..{len(data) - 1}")
    return data[i]


@scalar("||")
def concatenate(a: Any, b: Any) -> Any:
    """Of strings, bytes, arrays; of an array and an element."""
    if isinstance(a, tuple) != isinstance(b, tuple):
        return (*a, b) if isinstance(a, tuple) else (a, *b)
    return a + b


@scalar("concat", strict=False)
def concat(*values: Any) -> str:
    return "".join(v for v in _variadic(values) if v is not None)


@scalar("concat_ws", strict=False)
def concat_ws(separator: str | None, *values: Any) -> str | None:
    if separator is None:
        return None
    return separator.join(v for v in _variadic(values) if v is not None)


def _variadic(values: tuple) -> tuple:
    """Arguments gathered into one array by the binder, or as they are."""
    return values[0] if len(values) == 1 and isinstance(values[0], tuple) else values


@scalar("chr")
def chr_(code: int) -> str:
    if not 0 < code <= 0x10FFFF or 0xD800 <= code < 0xE000:
        raise DatabaseError("54000", "requested character not valid for encoding: " + str(code))
    return chr(code)


@scalar("left")
def left(s: str, n: int) -> str:
    return s[:n]


@scalar("right")
def right(s: str, n: int) -> str:
    return s[-n:] if n > 0 else s[-n:] if n < 0 else ""


@scalar("substring", "substr", types="text int4")
@scalar("substring", "substr", types="bytea int4")
def substring_from(s: Any, start: int) -> Any:
    return s[max(start - 1, 0):]


@scalar("substring", "substr", types="text int4 int4")
@scalar("substring", "substr", types="bytea int4 int4")
def substring(s: Any, start: int, count: int) -> Any:
    if count < 0:
        raise DatabaseError("22011", "negative substring length not allowed")
    return s[max(start - 1, 0):max(start - 1 + count, 0)]


@scalar("substring", types="text text")
def substring_pattern(s: str, pattern: str) -> str | None:
    match = regex(pattern).search(s)
    if match is None:
        return None
    return match[1] if match.re.groups else match[0]


@scalar("lpad", types="text int4")
@scalar("lpad", types="text int4 text")
def lpad(s: str, n: int, fill: str = " ") -> str:
    missing = max(n, 0) - len(s)
    return (fill * missing)[:missing] + s if missing > 0 and fill else s[:max(n, 0)]


@scalar("rpad", types="text int4")
@scalar("rpad", types="text int4 text")
def rpad(s: str, n: int, fill: str = " ") -> str:
    missing = max(n, 0) - len(s)
    return s + (fill * missing)[:missing] if missing > 0 and fill else s[:max(n, 0)]


@scalar("split_part")
def split_part(s: str, separator: str, n: int) -> str:
    if n == 0:
        raise DatabaseError("22023", "field position must not be zero")
    parts = s.split(separator) if separator else [s]
    at = n - 1 if n > 0 else len(parts) + n
    return parts[at] if 0 <= at < len(parts) else ""


@scalar("overlay")
def overlay(s: str, new: str, start: int, count: int | None = None) -> str:
    count = len(new) if count is None else count
    return s[:start - 1] + new + s[start - 1 + count:]


@scalar("format", strict=False)
def format_(template: str | None, *values: Any) -> str | None:
    if template is None:
        return None
    rest = iter(_variadic(values))

    def fill(match: re.Match) -> str:
        kind = match[1]
        if kind == "%":
            return "%"
        value = next(rest, None)
        if kind == "s":
            return "" if value is None else str(value)
        if kind == "I":
            if value is None:
                raise DatabaseError("22004", "null values cannot be formatted as an SQL identifier")
            return quote_identifier(str(value))
        return "NULL" if value is None else quote_literal(str(value))

    return re.sub(r"%([sIL%])", fill, template)


def quote_identifier(name: str) -> str:
    """The name as it must be written in SQL."""
    from minidb.words import RESERVED

    if re.fullmatch(r"[a-z_][a-z0-9_$]*", name) and name not in RESERVED:
        return name
    return '"' + name.replace('"', '""') + '"'


@scalar("quote_literal")
def quote_literal(s: str) -> str:
    text = "'" + s.replace("'", "''") + "'"
    return " E" + text.replace("\\", "\\\\") if "\\" in s else text


@scalar("quote_nullable", strict=False)
def quote_nullable(s: str | None) -> str:
    return "NULL" if s is None else quote_literal(s)


# -- patterns


@lru_cache(1024)
def like_pattern(pattern: str, escape: str = "\\", flags: int = 0) -> Callable[[str], Any]:
    """LIKE's pattern as a function that is true for strings it matches."""
    if not flags and (not escape or escape not in pattern) and "_" not in pattern:
        inner = pattern.strip("%")
        if "%" not in inner:
            starts, ends = pattern.startswith("%"), pattern.endswith("%")
            if not starts and not ends:
                return inner.__eq__
            if starts and ends and pattern:
                return lambda s: inner in s
            return (lambda s: s.endswith(inner)) if starts else (lambda s: s.startswith(inner))
    out = []
    i = 0
    while i < len(pattern):
        c = pattern[i]
        if escape and c == escape:
            i += 1
            if i == len(pattern):
                raise DatabaseError("22025", "LIKE pattern must not end with escape character")
            out.append(re.escape(pattern[i]))
        else:
            out.append(".*" if c == "%" else "." if c == "_" else re.escape(c))
        i += 1
    return re.compile("".join(out), re.DOTALL | flags).fullmatch


@scalar("~~", "like", types="text text")
@scalar("~~", "like", types="name text")
@scalar("~~", types="bpchar text")
def like(s: str, pattern: str) -> bool:
    return bool(like_pattern(pattern)(s))


@scalar("!~~", "notlike")
def not_like(s: str, pattern: str) -> bool:
    return not like_pattern(pattern)(s)


@scalar("~~*")
def ilike(s: str, pattern: str) -> bool:
    return bool(like_pattern(pattern, "\\", re.IGNORECASE)(s))


@scalar("!~~*")
def not_ilike(s: str, pattern: str) -> bool:
    return not like_pattern(pattern, "\\", re.IGNORECASE)(s)


SCALARS["~~",] = SCALARS["like",] = Scalar(like, True, False, False)


@scalar("like_escape")
def like_escape(pattern: str, escape: str) -> str:
    """The pattern with its escape character changed to the backslash."""
    if len(escape) > 1:
        raise DatabaseError("22019", "invalid escape string",
                            hint="Escape string must be empty or one character.")
    if escape == "\\":
        return pattern
    out = []
    i = 0
    while i < len(pattern):
        c = pattern[i]
        if escape and c == escape and i + 1 < len(pattern):
            i += 1
            out.append("\\" + pattern[i])
        else:
            out.append("\\\\" if c == "\\" else c)
        i += 1
    return "".join(out)


_CLASSES = {
    "alnum": r"a-zA-Z0-9", "alpha": r"a-zA-Z", "digit": r"0-9", "lower": r"a-z", "upper": r"A-Z",
    "space": r"\s", "punct": r"!-/:-@\[-`{-~", "xdigit": r"0-9A-Fa-f", "blank": r" \t",
    "cntrl": r"\x00-\x1f", "print": r" -~", "graph": r"!-~",
}  # fmt: skip


@lru_cache(1024)
def regex(pattern: str, flags: int = 0) -> re.Pattern[str]:
    """A POSIX/ARE pattern as Python's.  Python's alternation takes the first match, not the
    longest; classes and escapes that differ in spelling are translated."""
    if pattern.startswith("***="):
        pattern = re.escape(pattern[4:])
    elif pattern.startswith(("***:", "(?e)")):
        pattern = pattern[4:]
    text = re.sub(r"\[:(\w+):\]", lambda m: _CLASSES.get(m[1], ""), pattern)
    text = re.sub(r"\[\[(?=[^:.=])", r"[\\[", text)
    text = text.replace(r"\m", r"\b(?=\w)").replace(r"\M", r"\b(?<=\w)").replace(r"\y", r"\b")
    try:
        return re.compile(text, flags)
    except (re.error, OverflowError) as exc:
        raise DatabaseError("2201B", f"invalid regular expression: {exc}") from exc


@scalar("~")
def matches(s: str, pattern: str) -> bool:
    return regex(pattern).search(s) is not None


@scalar("~*")
def imatches(s: str, pattern: str) -> bool:
    return regex(pattern, re.IGNORECASE).search(s) is not None


@scalar("!~")
def not_matches(s: str, pattern: str) -> bool:
    return regex(pattern).search(s) is None


@scalar("!~*")
def not_imatches(s: str, pattern: str) -> bool:
    return regex(pattern, re.IGNORECASE).search(s) is None


def _flags(text: str) -> int:
    return (re.IGNORECASE if "i" in text else 0) | (re.VERBOSE if "x" in text else 0)


@scalar("regexp_replace")
def regexp_replace(s: str, pattern: str, new: str, flags: str = "") -> str:
    new = re.sub(r"\\&", r"\\g<0>", new)
    return regex(pattern, _flags(flags)).sub(new, s, count=0 if "g" in flags else 1)


@scalar("regexp_match")
def regexp_match(s: str, pattern: str, flags: str = "") -> tuple | None:
    match = regex(pattern, _flags(flags)).search(s)
    if match is None:
        return None
    return match.groups() if match.re.groups else (match[0],)


@scalar("regexp_split_to_array")
def regexp_split_to_array(s: str, pattern: str, flags: str = "") -> tuple:
    return tuple(regex(pattern, _flags(flags)).split(s))


@scalar("encode")
def encode(data: bytes, form: str) -> str:
    from base64 import b64encode

    if form == "hex":
        return data.hex()
    if form == "base64":
        return b64encode(data).decode()
    if form == "escape":
        return "".join(
            "\\\\" if b == 92 else chr(b) if 32 <= b < 127 else f"\\{b:03o}" for b in data)
    raise DatabaseError("22023", f'unrecognized encoding: "{form}"')


@scalar("decode")
def decode(text: str, form: str) -> bytes:
    from base64 import b64decode

    try:
        if form == "hex":
            return bytes.fromhex(text)
        if form == "base64":
            return b64decode(text)
    except ValueError as exc:
        raise DatabaseError("22023", f"invalid {form} data") from exc
    raise DatabaseError("22023", f'unrecognized encoding: "{form}"')


@scalar("convert_from")
def convert_from(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except (UnicodeDecodeError, LookupError) as exc:
        raise DatabaseError("22021", f'invalid byte sequence for encoding "{encoding}"') from exc


@scalar("convert_to")
def convert_to(text: str, encoding: str) -> bytes:
    try:
        return text.encode(encoding)
    except (UnicodeEncodeError, LookupError) as exc:
        raise DatabaseError("22P05", f'no equivalent in encoding "{encoding}"') from exc
