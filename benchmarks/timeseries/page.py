"""Writes docs/reference/tsdb-figures.md and the curve of growth from what was measured last.

    python -m benchmarks tsbs tsdb growth --rounds 3
    python -m benchmarks.timeseries.page
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.growth import FIGURES, SIZES
from benchmarks.harness import RESULTS

DOCS = Path(__file__).parents[2] / "docs"
PANEL_W, PANEL_H, ACROSS = 250, 150, 3
STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#444}.n{font-size:11px;fill:#777}"
    ".l{fill:none;stroke:#2563a8;stroke-width:2}.p{fill:#2563a8}.g{stroke:#ccc;stroke-width:1}"
    "@media(prefers-color-scheme:dark){text{fill:#ccc}.n{fill:#999}.g{stroke:#444}"
    ".l{stroke:#7ab3ef}.p{fill:#7ab3ef}}"
)


def read(name: str) -> dict[str, Any]:
    """The results of a benchmark."""
    return json.loads((RESULTS / f"{name}.json").read_text())


def number(value: float) -> str:
    """Three digits that count."""
    if value >= 1000:
        return f"{value:,.0f}"
    digits = max(0, 2 - math.floor(math.log10(value))) if value > 0 else 0
    return f"{value:.{min(digits, 3)}f}"


def mark(met: bool | None) -> str:
    """Whether a bar was met."""
    return {True: "met", False: "**not met**", None: ""}[met]


def page() -> Iterator[str]:
    """The page, line by line."""
    tsbs, tsdb, growth = (read(name) for name in ("tsbs", "tsdb", "growth"))
    machine = tsbs["machine"]
    yield f"""# tsdb's figures

Made by `python -m benchmarks.timeseries.page` from runs on {tsbs["date"]}: {machine["cpu"]},
{machine["cores"]} cores, load average {machine["load_average"]} when it began. The machine is
shared, and client and servers share its cores; server CPU for each operation is what to trust.
Rounds are taken in turns, and medians of {tsbs["rounds"]} are shown. Peers: VictoriaMetrics 1.79.5,
InfluxDB 1.6.7, Prometheus 2.42 of Debian 12, their data on the same disk. tsdb's log is on, and
synced before every answer.

## TSBS cpu-only, beside others

1,000 hosts, ten whole numbers a host each ten seconds: ten million values, bodies of 10,000 lines,
four connections. Every value was read back from every server, with its time, and compared.
VictoriaMetrics' cache is off for queries. Rates are values or queries a second; ratios are ours /
theirs.

| | ours | theirs | rate | CPU | bar | |
|---|---|---|---|---|---|---|"""
    yield from rows(tsbs["rows"])
    yield """
| | measured | bar | |
|---|---|---|---|"""
    yield from figures(item for item in tsbs["figures"])
    yield """
## Remote-write and queries, beside Prometheus

| | ours | theirs | rate | CPU | bar | |
|---|---|---|---|---|---|---|"""
    yield from rows(tsdb["rows"])
    yield """
## Alone

Chunks of 1,000 samples, in megapoints a second of CPU time and bytes a point; arrays into an
embedded store with its log on disk; real series in blocks of 1,000 beside pcodec at level 8.

| | measured | bar | |
|---|---|---|---|"""
    yield from figures(tsdb["figures"])
    yield """
## As it grows

Ten times the series, 100 samples each, in one process; CPU time.

![Cost as the number of series grows](../images/tsdb-growth.svg)

| series | """ + " | ".join(f"{name}, {unit}" for name, (unit, _) in FIGURES.items()) + " |"
    yield "|---" * (len(FIGURES) + 1) + "|"
    found = {item["title"]: item["value"] for item in growth["figures"]}
    for series in SIZES:
        cells = [found.get(f"{series:,} series: {name}") for name in FIGURES]
        yield f"| {series:,} | " + " | ".join("" if c is None else number(c) for c in cells) + " |"


def rows(items: list[dict[str, Any]]) -> Iterator[str]:
    """Rows of a comparison."""
    for row in items:
        if row["peer"] is None:
            continue
        goals = ", ".join(
            {"rps": f"rate ≥ {goal:g}", "cpu": f"CPU ≤ {goal:.2g}"}[name]
            for name, goal in row["goals"].items()
        )
        yield (
            f"| {row['title']} | {number(row['ours']['rate'])} | {number(row['peer']['rate'])} "
            f"| {row['rate_ratio']:.2f} | {row['cpu_ratio']:.2f} | {goals} | {mark(row['met'])} |"
        )


def figures(items: Any) -> Iterator[str]:
    """Rows of single numbers."""
    for item in items:
        bar = ""
        if item["at_least"] is not None:
            bar = f"≥ {number(item['at_least'])}"
        elif item["at_most"] is not None:
            bar = f"≤ {number(item['at_most'])}"
        yield (
            f"| {item['title']} | {number(item['value'])} {item['unit']} | {bar} "
            f"| {mark(item['met'])} |"
        )


def curve() -> Iterator[str]:
    """A panel for each figure: both axes in powers of ten."""
    found = {item["title"]: item["value"] for item in read("growth")["figures"]}
    width, height = ACROSS * PANEL_W, math.ceil(len(FIGURES) / ACROSS) * PANEL_H
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">'
        f"<title>Cost of tsdb as the number of series grows</title><style>{STYLE}</style>"
    )
    for place, (name, (unit, _)) in enumerate(FIGURES.items()):
        left, top = place % ACROSS * PANEL_W + 20, place // ACROSS * PANEL_H + 25
        points = [
            (math.log10(series), value)
            for series in SIZES
            if (value := found.get(f"{series:,} series: {name}")) is not None
        ]
        low = math.floor(min(math.log10(v) for _, v in points))
        high = max(low + 2, math.ceil(max(math.log10(v) for _, v in points)))
        yield f'<text x="{left}" y="{top - 8}">{name}, {unit}</text>'
        at = [
            (left + (x - 3) / 3 * 190, top + 90 - (math.log10(v) - low) / (high - low) * 80, v)
            for x, v in points
        ]
        for x in range(4):
            across = left + x / 3 * 190
            yield f'<line class="g" x1="{across}" x2="{across}" y1="{top}" y2="{top + 92}"/>'
            label = ("1k", "10k", "100k", "1M")[x]
            yield f'<text class="n" x="{across}" y="{top + 106}">{label}</text>'
        yield '<path class="l" d="M' + "L".join(f"{x:.1f} {y:.1f}" for x, y, _ in at) + '"/>'
        for x, y, value in at:
            yield f'<circle class="p" cx="{x:.1f}" cy="{y:.1f}" r="3"/>'
            yield f'<text class="n" x="{x + 4:.1f}" y="{y - 6:.1f}">{number(value)}</text>'
    yield "</svg>"


def main() -> None:
    """Write both files."""
    (DOCS / "reference" / "tsdb-figures.md").write_text("\n".join(page()) + "\n")
    (DOCS / "images" / "tsdb-growth.svg").write_text("\n".join(curve()) + "\n")


if __name__ == "__main__":
    main()
