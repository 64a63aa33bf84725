"""The picture: a lane for each partition, time to the right, offsets upwards; who handled what."""

from __future__ import annotations

from typing import Any

WIDTH, LANE, LEFT, GAP = 860, 74, 96, 10
COLORS = {"ada": "#3c8f5a", "bob": "#3b6ea8"}
AGAIN, INK, SOFT = "#c0392b", "#26231f", "#77706a"


def draw(runs: list[Any], partitions: int) -> str:
    """An SVG of all runs, one below the other."""
    parts, top = [], 34
    for run in runs:
        parts.append(_run(run, partitions, top))
        top += partitions * (LANE + GAP) + 74
    legend = "".join(
        f'<circle cx="{LEFT + i * 170}" cy="{top}" r="4" fill="{color}"/>'
        f'<text x="{LEFT + 10 + i * 170}" y="{top + 4}">{text}</text>'
        for i, (color, text) in enumerate(
            [(COLORS["ada"], "handled by ada"), (COLORS["bob"], "handled by bob"),
             (AGAIN, "handled again by ada")]
        )
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH + LEFT + 24}" height="{top + 24}" '
        f'font-family="system-ui, sans-serif" font-size="12" fill="{INK}">'
        f'<rect width="100%" height="100%" fill="#fffefb"/>{"".join(parts)}{legend}</svg>\n'
    )


def _run(run: Any, partitions: int, top: int) -> str:
    end = max(each.at for each in run.handled) * 1.02
    most = max(each.offset for each in run.handled) + 1

    def x(at: float) -> float:
        return LEFT + at / end * WIDTH

    parts = [f'<text x="{LEFT}" y="{top - 12}" font-size="15" font-weight="600">{run.mode}</text>']
    for partition in range(partitions):
        lane = top + partition * (LANE + GAP)
        parts.append(
            f'<rect x="{LEFT}" y="{lane}" width="{WIDTH}" height="{LANE}" fill="#f5f3ef"/>'
            f'<text x="{LEFT - 10}" y="{lane + LANE / 2 + 4}" text-anchor="end" fill="{SOFT}">'
            f"partition {partition}</text>"
        )
        dots: dict[tuple[str, float], set[tuple[int, int]]] = {}
        for each in run.handled:
            if each.partition == partition:
                y = lane + LANE - 3 - each.offset / most * (LANE - 6)
                pen = (AGAIN, 5.0) if each.again else (COLORS[each.worker], 2.8)
                dots.setdefault(pen, set()).add((round(x(each.at)), round(y)))
        for (color, size), places in sorted(dots.items(), key=lambda item: item[0][1]):
            path = "".join(f"M{at} {y}h0" for at, y in sorted(places))
            parts.append(
                f'<path d="{path}" stroke="{color}" stroke-width="{size}" stroke-linecap="round"/>'
            )
    bottom = top + partitions * (LANE + GAP) - GAP
    for at, text, anchor in (
        (run.killed_at, "bob is killed", "end"), (run.taken_over_at, "read on by ada", "start")
    ):
        dx = -5 if anchor == "end" else 5
        parts.append(
            f'<line x1="{x(at):.1f}" x2="{x(at):.1f}" y1="{top - 4}" y2="{bottom}" '
            f'stroke="{INK}" stroke-dasharray="3 3"/>'
            f'<text x="{x(at) + dx:.1f}" y="{bottom + 16}" text-anchor="{anchor}">{text} '
            f'<tspan fill="{SOFT}">{at:.1f} s</tspan></text>'
        )
    return "".join(parts)
