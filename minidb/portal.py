"""A portal: a statement with its parameters, under way.

The extended protocol makes one by Bind, DECLARE makes one as a cursor.  Rows that were produced but
not yet asked for wait in `rows`.
"""

from __future__ import annotations

from typing import Any

from minidb.events import Pause
from minidb.statement import Statement


class Portal:
    """formats  result formats, or None for text
    holds    outlives its transaction (WITH HOLD)
    """

    def __init__(self, statement: Statement, parameters: tuple, formats: tuple | None,
                 holds: bool = False) -> None:
        self.statement = statement
        self.parameters = parameters
        self.formats = formats
        self.holds = holds
        self.steps: Any = None
        self.rows: list[tuple] = []
        self.tag = ""

    def take(self, limit: int) -> list[tuple]:
        """Up to `limit` (0: all) of the rows at hand."""
        if not limit or limit >= len(self.rows):
            rows, self.rows = self.rows, []
            return rows
        rows, self.rows = self.rows[:limit], self.rows[limit:]
        return rows

    def materialize(self) -> None:
        """Produce all rows now."""
        if self.steps is not None:
            for event in self.steps:
                if not isinstance(event, Pause):
                    self.rows.extend(event)

    def close(self) -> None:
        """Stop; a COMMIT or ROLLBACK that closes its own portal runs to its end."""
        if self.steps is not None and not self.steps.gi_running:
            self.steps.close()
            self.steps = None


class Cursor:
    """A cursor's rows, all of them, and where it stands: 0 before the first row, n + 1 after the
    last."""

    def __init__(self, portal: Portal, scroll: bool | None) -> None:
        self.portal = portal
        self.scroll = scroll
        self.rows: list[tuple] | None = None
        self.at = 0
        self.holds = portal.holds
        self.statement = portal.statement
        self.formats = portal.formats

    def materialize(self) -> None:
        if self.rows is None:
            self.portal.materialize()
            self.rows = self.portal.take(0)

    def close(self) -> None:
        self.portal.close()

    def fetch(self, direction: str, count: int | None) -> list[tuple]:
        """Move, and give the rows passed."""
        assert self.rows is not None
        n = len(self.rows)
        if direction in ("absolute", "relative"):
            assert count is not None
            target = (count if count >= 0 else n + 1 + count) if direction == "absolute" \
                else self.at + count
            self.at = min(max(target, 0), n + 1)
            return [self.rows[self.at - 1]] if 1 <= self.at <= n and self.at == target else []
        if count is not None and count < 0:
            direction = "forward" if direction == "backward" else "backward"
            count = -count
        if count == 0:
            return [self.rows[self.at - 1]] if 1 <= self.at <= n else []
        if direction == "forward":
            stop = n if count is None else min(self.at + count, n)
            rows = self.rows[self.at:stop]
            self.at = n + 1 if count is None or self.at + count > n else stop
            return rows
        first = min(self.at - 1, n)
        stop = 0 if count is None else max(first - count, 0)
        rows = self.rows[stop:first][::-1]
        self.at = 0 if count is None or first - count < 0 else stop + 1
        return rows
