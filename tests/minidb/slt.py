"""A reader of sqllogictest files: records, skip rules, expected results.

Format (sqlite.org/sqllogictest): records between blank lines; `statement ok|error`, `query TYPES
[SORT] [LABEL]`, `skipif DB`, `onlyif DB`, `halt`, `hash-threshold N`.  A result is one value a line, or
"N values hashing to MD5".
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ENGINE = "postgresql"


@dataclass
class Record:
    line: int
    kind: str                  # "ok", "error" or "query"
    sql: str
    types: str = ""
    sort: str = "nosort"
    label: str = ""
    expected: list[str] = field(default_factory=list)


@dataclass
class Tally:
    passed: int = 0
    skipped: int = 0
    failures: list[tuple[int, str, str]] = field(default_factory=list)


def records(path: Path) -> Iterator[Record | str]:
    """The records that this engine must pass; "skip" for each it may leave out."""
    for start, lines in _blocks(path):
        skip = False
        while lines and lines[0].split()[0] in ("skipif", "onlyif"):
            word, engine = lines.pop(0).split()[:2]
            start += 1
            skip |= (engine == ENGINE) == (word == "skipif")
        if not lines:
            continue
        words = lines[0].split()
        if words[0] == "halt":
            if not skip:
                return
            continue
        if words[0] == "hash-threshold":
            continue
        if skip:
            yield "skip"
        elif words[0] == "statement":
            yield Record(start, words[1], "\n".join(lines[1:]))
        elif words[0] == "query":
            at = lines.index("----") if "----" in lines else len(lines)
            yield Record(start, "query", "\n".join(lines[1:at]), words[1],
                         words[2] if len(words) > 2 else "nosort",
                         words[3] if len(words) > 3 else "", lines[at + 1:])


def _blocks(path: Path) -> Iterator[tuple[int, list[str]]]:
    lines: list[str] = []
    start = 1
    with path.open(encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, 1):
            line = line.rstrip("\n")
            if line.startswith("#"):
                continue
            line = line.split("\t#")[0] if line.startswith(("skipif", "onlyif")) else line
            if not line.strip():
                if lines:
                    yield start, lines
                lines = []
            else:
                if not lines:
                    start = number
                lines.append(line)
    if lines:
        yield start, lines


def show(value: Any, type_: str) -> str:
    if value is None:
        return "NULL"
    if type_ == "I":
        return str(int(value))
    if type_ == "R":
        return f"{float(value):.3f}"
    text = str(value)
    return "".join(c if " " <= c <= "~" else "@" for c in text) if text else "(empty)"


def result_lines(rows: list[tuple], record: Record) -> list[str]:
    shown = [[show(v, record.types[i] if i < len(record.types) else "T")
              for i, v in enumerate(row)] for row in rows]
    if record.sort == "rowsort":
        shown.sort()
    values = [v for row in shown for v in row]
    if record.sort == "valuesort":
        values.sort()
    return values


def matches(values: list[str], expected: list[str]) -> bool:
    if len(expected) == 1 and " values hashing to " in expected[0]:
        count, digest = expected[0].split(" values hashing to ")
        text = "".join(v + "\n" for v in values)
        return int(count) == len(values) and \
            hashlib.md5(text.encode()).hexdigest() == digest.strip()
    return values == expected


def run(path: Path, execute: Callable[[str], list[tuple]], limit: int = 0) -> Tally:
    """Play a file; `execute` gives a statement's rows or raises."""
    tally = Tally()
    for number, record in enumerate(records(path)):
        if limit and number >= limit:
            break
        if isinstance(record, str):
            tally.skipped += 1
            continue
        try:
            rows = execute(record.sql)
        except Exception as exc:
            if record.kind == "error":
                tally.passed += 1
            else:
                tally.failures.append((record.line, record.sql, f"{type(exc).__name__}: {exc}"))
            continue
        if record.kind == "error":
            tally.failures.append((record.line, record.sql, "no error"))
        elif record.kind == "ok":
            tally.passed += 1
        else:
            values = result_lines(rows, record)
            if matches(values, record.expected):
                tally.passed += 1
            else:
                tally.failures.append((
                    record.line, record.sql, f"{values[:12]} is not {record.expected[:12]}"))
    return tally
