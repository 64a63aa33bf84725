"""Runs Prometheus' promqltest files (the format of version 2.42) against a store.

    load 5m                               series with samples every 5 m from time 0
      metric{a="b"}  1+2x5 _ stale 3
    eval instant at 10m  expression       expected series and values, a scalar, or nothing
      metric{a="b"} 5
    eval_ordered / eval_fail / clear
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from tsdb.labels import Labels, labels_of
from tsdb.promql.engine import instant_query
from tsdb.promql.errors import QueryError
from tsdb.promql.lexer import parse_duration
from tsdb.promql.numbers import parse_float
from tsdb.promql.parser import parse_selector
from tsdb.promql.vector import Vector

STALE = np.array([0x7FF0000000000002], np.uint64).view(np.float64)[0]

SERIES = re.compile(
    r"""\s*((?:[a-zA-Z_:][\w:]*)?\s*(?:\{(?:[^"'}]|"[^"]*"|'[^']*')*\})?)(.*)$"""
)


def series_of(text: str) -> tuple[Labels, str]:
    """`name{a="b"} rest` as labels and rest."""
    match = SERIES.match(text)
    assert match, text
    head = match[1].strip()
    if head.replace(" ", "") == "{}":
        return Labels(()), match[2]
    return labels_of({m.name: m.value for m in parse_selector(head)}), match[2]


def expand(values: str) -> Iterator[float | None]:
    """The samples of a series description; None = no sample."""
    for item in values.split():
        item, _, times = item.partition("x")
        count = int(times) if times else 0
        if item == "_":
            yield from [None] * max(count, 1)
        elif item == "stale":
            yield STALE
        else:
            match = re.fullmatch(r"([-+]?(?:[\d.]+(?:e[-+]?\d+)?|Inf|NaN))([-+].*)?", item, re.I)
            assert match, item
            start, step = float(match[1]), float(match[2] or 0)
            value = start
            for _ in range(count + 1):
                yield value
                value += step


@dataclass
class Report:
    passed: int = 0
    failed: list[str] = field(default_factory=list)


def close(a: float, b: float) -> bool:
    """Prometheus' own tolerance."""
    if math.isnan(a) or math.isnan(b):
        return math.isnan(a) and math.isnan(b)
    if a == b:
        return True
    if math.isinf(a) or math.isinf(b):
        return False
    return abs(a - b) <= 1e-6 * max(abs(a), abs(b))


def run(text: str, fresh: Callable) -> Report:
    """Run a file; `fresh()` makes an empty store with add(labels, times, values) and select."""
    report = Report()
    store = fresh()
    lines = [line.rstrip() for line in text.splitlines()]
    i = 0
    while i < len(lines):
        line = lines[i].strip()
        i += 1
        if not line or line.startswith("#"):
            continue
        block = []
        while i < len(lines) and lines[i].strip() and not re.match(
            r"(load|eval|clear)", lines[i].lstrip()
        ):
            if not lines[i].lstrip().startswith("#"):
                block.append(lines[i])
            i += 1
        if line == "clear":
            store = fresh()
        elif line.startswith("load"):
            _load(store, parse_duration(line.split()[1]), block)
        else:
            problem = _eval(store, line, block)
            if problem:
                report.failed.append(f"{line}\n    {problem}")
            else:
                report.passed += 1
    return report


def _load(store, step_ms: int, block: list[str]) -> None:
    for text in block:
        labels, values = series_of(text)
        samples = [(i * step_ms, v) for i, v in enumerate(expand(values)) if v is not None]
        store.add(
            labels,
            np.array([t for t, _ in samples], np.int64),
            np.array([v for _, v in samples], np.float64),
        )


def _eval(store, line: str, block: list[str]) -> str:
    match = re.fullmatch(r"eval(_fail|_ordered)? instant at (\S+) (.*)", line)
    assert match, line
    mode, at, query = match.groups()
    sign = -1 if at.startswith("-") else 1
    time_ms = 0 if at in ("0", "0s", "0m") else sign * parse_duration(at.lstrip("-"))
    try:
        result = instant_query(store, query, time_ms)
    except QueryError as exc:
        return "" if mode == "_fail" else f"error: {exc}"
    if mode == "_fail":
        return "expected to fail"
    if not isinstance(result.value, Vector):
        if len(block) != 1:
            return f"a {result.type}, but {len(block)} series expected"
        wanted = parse_float(block[0].strip())
        got = float(result.value[0])
        return "" if close(got, wanted) else f"got {got}, expected {wanted}"
    got_rows = [
        (labels, result.value.values[i, 0]) for i, labels in enumerate(result.value.labels)
    ]
    wanted_rows = []
    for text in block:
        labels, values = series_of(text)
        wanted_rows += [(labels, v) for v in expand(values)]
    if len(got_rows) != len(wanted_rows):
        return f"got {got_rows}, expected {wanted_rows}"
    if mode != "_ordered":
        got_rows.sort(key=lambda row: row[0].pairs)
        wanted_rows.sort(key=lambda row: row[0].pairs)
    for (got_labels, got), (labels, wanted) in zip(got_rows, wanted_rows, strict=True):
        if got_labels != labels or not close(got, wanted):
            return f"got {got_labels} {got}, expected {labels} {wanted}"
    return ""
