"""The text that targets expose: Prometheus' format 0.0.4 and OpenMetrics 1.0, line by line.

    # TYPE name counter
    name{label="value"} 1.5 1700000000000          (OpenMetrics: seconds, and # {trace_id="x"} 0.3)
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from tsdb.promql.numbers import parse_float

INSIDE = r'(?:[^"}]|"(?:[^"\\]|\\.)*")*'  # of braces
SAMPLE = re.compile(
    rf"(?P<series>(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)[ \t]*(?:\{{(?P<labels>{INSIDE})\}})?)"
    r"[ \t]+(?P<value>\S+)(?:[ \t]+(?P<time>[-+.\deE]+))?"
    rf"(?:[ \t]+#[ \t]+\{{(?P<exemplar>{INSIDE})\}}[ \t]+(?P<evalue>\S+)"
    r"(?:[ \t]+(?P<etime>\S+))?)?[ \t]*"
)
LABEL = re.compile(r'[ \t]*([a-zA-Z_][a-zA-Z0-9_]*)[ \t]*=[ \t]*"((?:[^"\\]|\\.)*)"[ \t]*(?:,|$)')
ESCAPED = re.compile(r"\\(.)")


class BadExposition(ValueError):
    """A page that is not in the format; nothing of it is taken."""


@dataclass(frozen=True)
class Exemplar:
    """An example of what a sample counts."""

    labels: dict[str, str]
    value: float
    time_ms: int | None


@dataclass(frozen=True)
class Line:
    """A sample: `series` is its text, the same from scrape to scrape."""

    series: str
    name: str
    labels: str
    value: float
    time_ms: int | None
    exemplar: Exemplar | None = None


@dataclass
class Metadata:
    """What is told of a metric."""

    type: str = "unknown"
    help: str = ""
    unit: str = ""


@dataclass
class Page:
    """A page, read."""

    lines: list[Line] = field(default_factory=list)
    metadata: dict[str, Metadata] = field(default_factory=dict)


def parse_page(text: str, openmetrics: bool = False) -> Page:
    """All samples of a page; BadExposition."""
    page = Page()
    scale = 1000 if openmetrics else 1
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip(" \t")
        if not line:
            continue
        if line.startswith("#"):
            if line == "# EOF":
                return page
            _comment(page, line)
            continue
        match = SAMPLE.fullmatch(line)
        try:
            if match is None:
                raise BadExposition("expected name{labels} value")
            page.lines.append(_line(match, scale))
        except ValueError as exc:
            raise BadExposition(f"line {number}: {exc}") from exc
    if openmetrics:
        raise BadExposition("data does not end with # EOF")
    return page


def _line(match: re.Match[str], scale: int) -> Line:
    exemplar = None
    if match["exemplar"] is not None:
        etime = int(parse_float(match["etime"]) * 1000) if match["etime"] else None
        labels = dict(labels_in(match["exemplar"]))
        exemplar = Exemplar(labels, parse_float(match["evalue"]), etime)
    time_ms = int(parse_float(match["time"]) * scale) if match["time"] else None
    return Line(
        match["series"], match["name"], match["labels"] or "", parse_float(match["value"]),
        time_ms, exemplar,
    )  # fmt: skip


def labels_in(text: str) -> Iterator[tuple[str, str]]:
    """The (name, value) pairs between braces; BadExposition."""
    at = 0
    text = text.rstrip(" \t")
    while at < len(text):
        match = LABEL.match(text, at)
        if match is None:
            raise BadExposition(f"bad labels {{{text}}}")
        yield match[1], ESCAPED.sub(lambda m: "\n" if m[1] == "n" else m[1], match[2])
        at = match.end()


def _comment(page: Page, line: str) -> None:
    """`# TYPE`, `# HELP` and `# UNIT`; any other is passed over."""
    words = line[1:].strip().split(None, 2)
    if len(words) < 2 or words[0] not in ("TYPE", "HELP", "UNIT"):
        return
    text = words[2] if len(words) > 2 else ""
    metadata = page.metadata.setdefault(words[1], Metadata())
    if words[0] == "HELP":
        text = ESCAPED.sub(lambda m: "\n" if m[1] == "n" else m[1], text)
    if words[0] == "TYPE" and text == "untyped":
        text = "unknown"
    setattr(metadata, words[0].lower(), text)
