"""Numbers as people read them, and series as the path of a small chart."""

from __future__ import annotations

from collections.abc import Sequence

from bedrock.app.console.watch import KEPT

WIDTH, HEIGHT = 240.0, 48.0


def number(value: float) -> str:
    """`0`, `7.5`, `1,234`, `56.8 k`, `1.23 M`."""
    if value < 100 and value != int(value):
        return f"{value:.1f}"
    if value < 10_000:
        return f"{value:,.0f}"
    for unit in ("k", "M", "G"):
        value /= 1000
        if value < 1000:
            return f"{three(value)} {unit}"
    return f"{three(value / 1000)} T"


def size(value: float) -> str:
    """Bytes: `0 B`, `12.3 KiB`, `4.00 GiB`."""
    if value < 1024:
        return f"{value:.0f} B"
    for unit in ("KiB", "MiB", "GiB"):
        value /= 1024
        if value < 1000:
            return f"{three(value)} {unit}"
    return f"{three(value / 1024)} TiB"


def amount(name: str, value: float) -> str:
    """A metric's value in the unit that its name ends in."""
    name = name.removesuffix("_total")
    if name.endswith("_bytes"):
        return size(value)
    if name.endswith("_seconds"):
        return f"{value:.3g} s"
    return number(value)


def three(value: float) -> str:
    """Three digits, so that a changing number keeps its width: `1.23`, `12.3`, `123`."""
    return f"{value:.{2 if value < 10 else 1 if value < 100 else 0}f}"


def percent(value: float) -> str:
    """A share of one core."""
    return f"{value * 100:.0f} %"


def chart(values: Sequence[float], closed: bool = False) -> str:
    """A path over the last KEPT values, newest at the right edge, zero at the bottom.

    closed: down to the bottom at both ends, to be filled.
    """
    if len(values) < 2:
        return ""
    top = max(*values, 1.0)
    step = WIDTH / (KEPT - 1)
    points = []
    for at, value in enumerate(reversed(values)):
        points.append(f"{WIDTH - at * step:.1f} {HEIGHT - 1 - value / top * (HEIGHT - 3):.1f}")
    path = "M" + "L".join(points)
    if closed:
        left = WIDTH - (len(values) - 1) * step
        path += f"L{left:.1f} {HEIGHT}L{WIDTH} {HEIGHT}Z"
    return path
