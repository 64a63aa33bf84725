"""Runs Prometheus' promqltest files (the format of version 2.42) against a server, over HTTP.

    load 5m                               series with samples every 5 m from time 0
      metric{a="b"}  1+2x5 _ stale 3
    eval instant at 10m  expression       expected series and values, a scalar, or nothing
      metric{a="b"} 5
    eval_ordered / eval_fail / clear

A load is a remote-write, an evaluation `POST /api/v1/query`, `clear` a fresh server; so the same
runner judges ours and a real Prometheus.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from urllib.parse import urlencode

import numpy as np

from tests.tsdb.wire import http, remote_write_body
from tsdb.promql.lexer import parse_duration
from tsdb.promql.numbers import parse_float
from tsdb.promql.parser import parse_selector

STALE = np.array([0x7FF0000000000002], np.uint64).view(np.float64)[0]

SERIES = re.compile(
    r"""\s*((?:[a-zA-Z_:][\w:]*)?\s*(?:\{(?:[^"'}]|"[^"]*"|'[^']*')*\})?)(.*)$"""
)


Labels = tuple[tuple[str, str], ...]


def series_of(text: str) -> tuple[Labels, str]:
    """`name{a="b"} rest` as sorted labels and rest."""
    match = SERIES.match(text)
    assert match, text
    head = match[1].strip()
    matchers = [] if head.replace(" ", "") == "{}" else parse_selector(head)
    return tuple(sorted((m.name, m.value) for m in matchers if m.value)), match[2]


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


# A server for as long as the context lasts: its URL.
Fresh = Callable[[], AbstractContextManager[str]]


def run(text: str, fresh: Fresh) -> Report:
    """Run a file; `fresh()` starts an empty server."""
    report = Report()
    lines = [line.rstrip() for line in text.splitlines()]
    i = 0
    with ExitStack() as running:
        url = running.enter_context(fresh())
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
                running.close()
                url = running.enter_context(fresh())
            elif line.startswith("load"):
                load(url, parse_duration(line.split()[1]), block)
            elif problem := evaluate(url, line, block):
                report.failed.append(f"{line}\n    {problem}")
            else:
                report.passed += 1
    return report


def load(url: str, step_ms: int, block: list[str]) -> None:
    """Write the series; of one that is listed twice the last counts."""
    series = {}
    for text in block:
        labels, values = series_of(text)
        samples = enumerate(expand(values))
        series[labels] = [(i * step_ms, v) for i, v in samples if v is not None]
    status, answer = http(
        f"{url}/api/v1/write",
        remote_write_body(series),
        Content_Encoding="snappy",
        Content_Type="application/x-protobuf",
        X_Prometheus_Remote_Write_Version="0.1.0",
    )
    assert status in (200, 204), answer


def evaluate(url: str, line: str, block: list[str]) -> str:
    """What is wrong with the answer to an `eval` line, or ""."""
    match = re.fullmatch(r"eval(_fail|_ordered)? instant at (\S+) (.*)", line)
    assert match, line
    mode, at, query = match.groups()
    sign = -1 if at.startswith("-") else 1
    time_ms = 0 if at in ("0", "0s", "0m") else sign * parse_duration(at.lstrip("-"))
    form = urlencode({"query": query, "time": time_ms / 1000}).encode()
    answer = json.loads(http(f"{url}/api/v1/query", form)[1])
    if (mode == "_fail") != (answer["status"] == "error"):
        return f"got {answer}"
    if mode == "_fail":
        return ""
    kind, result = answer["data"]["resultType"], answer["data"]["result"]
    if kind in ("scalar", "string"):
        if len(block) != 1:
            return f"a {kind}, but {len(block)} series expected"
        wanted = parse_float(block[0].strip())
        return "" if close(float(result[1]), wanted) else f"got {result}, expected {wanted}"
    got = [(tuple(sorted(row["metric"].items())), float(row["value"][1])) for row in result]
    expected = []
    for text in block:
        labels, values = series_of(text)
        expected += [(labels, v) for v in expand(values) if v is not None]
    if mode != "_ordered":
        got.sort(key=lambda row: row[0])
        expected.sort(key=lambda row: row[0])
    same = len(got) == len(expected) and all(
        g[0] == e[0] and close(g[1], e[1]) for g, e in zip(got, expected, strict=True)
    )
    return "" if same else f"got {got}, expected {expected}"
