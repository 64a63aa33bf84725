"""Result sets as tables that fit the screen.

    ┌────┬─────────┬───────┐
    │ id │ name    │ price │
    ├────┼─────────┼───────┤
    │  1 │ pear    │  1.50 │
    │  2 │ NULL    │    12 │
    └────┴─────────┴───────┘
      2 rows

Numbers are right-aligned.  When the table is wider than the screen, the widest columns are cut
first (`…`); when it is longer than `limit`, the first and last rows are shown.
"""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from unicodedata import combining, east_asian_width

NARROWEST = 4


def width_of(text: str) -> int:
    """Columns a text takes on a terminal."""
    if text.isascii():
        return len(text)
    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def cut(text: str, width: int) -> str:
    """A text of at most `width` columns, ending in … when some is missing."""
    if width_of(text) <= width:
        return text
    kept, used = [], 0
    for char in text:
        wide = width_of(char)
        if used + wide > width - 1:
            break
        kept.append(char)
        used += wide
    return "".join(kept) + "…"


def cell(value: Any, null: str = "NULL") -> str:
    """A value as one line of text."""
    if value is None:
        return null
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (bytes, bytearray, memoryview)):
        return "\\x" + bytes(value).hex()
    if isinstance(value, (dict, list)):
        value = json.dumps(value, default=str)
    return str(value).replace("\n", "⏎").replace("\t", " ")


def fit(wanted: list[int], room: int) -> list[int]:
    """Shrink the widest columns until the sum is within `room`."""
    widths = wanted[:]
    while sum(widths) > room and max(widths) > NARROWEST:
        widest = max(widths)
        next_widest = max((w for w in widths if w < widest), default=NARROWEST)
        at = [i for i, w in enumerate(widths) if w == widest]
        over = sum(widths) - room
        step = min(max(1, over // len(at)), widest - max(next_widest, NARROWEST))
        for i in at:
            widths[i] -= max(1, step)
            if sum(widths) <= room:
                break
    return widths


def render(
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    width: int | None = None,
    limit: int = 200,
    null: str = "NULL",
) -> str:
    """A table of `rows`; width defaults to that of the screen."""
    width = width or shutil.get_terminal_size((100, 25)).columns
    half = limit // 2
    shown = list(rows) if len(rows) <= limit else [*rows[:half], *rows[len(rows) - half :]]
    texts = [[cell(value, null) for value in row] for row in shown]
    right = [
        bool(shown) and all(_is_number(row[i]) or row[i] is None for row in shown)
        for i in range(len(columns))
    ]
    wanted = [
        max([width_of(name), *(width_of(row[i]) for row in texts)])
        for i, name in enumerate(columns)
    ]
    widths = fit(wanted, width - 3 * len(columns) - 1)

    def rule(left: str, middle: str, end: str) -> str:
        return left + middle.join("─" * (w + 2) for w in widths) + end

    def line(values: Sequence[str], aligned: Sequence[bool]) -> str:
        cells = []
        for value, room, to_right in zip(values, widths, aligned, strict=True):
            value = cut(value, room)
            blanks = " " * (room - width_of(value))
            cells.append(blanks + value if to_right else value + blanks)
        return "│ " + " │ ".join(cells) + " │"

    out = [rule("┌", "┬", "┐"), line(columns, right), rule("├", "┼", "┤")]
    for number, row in enumerate(texts):
        if len(rows) > limit and number == half:
            out.append(line(["·"] * len(columns), right))
        out.append(line(row, right))
    out.append(rule("└", "┴", "┘"))
    count = f"  {len(rows)} row{'' if len(rows) == 1 else 's'}"
    return "\n".join([*out, count + (f" ({limit} shown)" if len(rows) > limit else "")])


def as_csv(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """The rows as CSV (RFC 4180), a header first; NULL is an empty field."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(columns)
    writer.writerows([cell(value, "") for value in row] for row in rows)
    return out.getvalue()


def as_json(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """The rows as JSON, one object a line."""
    names = list(columns)
    return "".join(
        json.dumps(dict(zip(names, row, strict=True)), default=str) + "\n" for row in rows
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)
