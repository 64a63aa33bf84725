"""Sequence values: counted outside transactions, so that no session waits for another.

A record of the journal reserves values ahead (LOGGED_AHEAD): after a crash counting goes on behind
what was reserved, with a gap and never twice.
"""

from __future__ import annotations

from typing import Any

from minidb.sqlstate import DatabaseError

LOGGED_AHEAD = 32


class Sequences:
    """values: oid -> (last value, whether it was given out)."""

    def __init__(self, engine: Any) -> None:
        self.engine = engine
        self.values: dict[int, tuple[int, bool]] = {}
        self.reserved: dict[int, int] = {}

    def state(self, table: Any) -> tuple[int, bool]:
        found = self.values.get(table.oid)
        return (table.sequence.start, False) if found is None else found

    def next(self, connection: Any, table: Any) -> int:
        sequence = table.sequence
        last, called = self.state(table)
        value = last + sequence.increment if called else last
        if value > sequence.maximum or value < sequence.minimum:
            if not sequence.cycle:
                limit, bound = ("maximum", sequence.maximum) if sequence.increment > 0 else \
                    ("minimum", sequence.minimum)
                raise DatabaseError(
                    "2200H",
                    f'nextval: reached {limit} value of sequence "{table.name}" ({bound})')
            value = sequence.minimum if sequence.increment > 0 else sequence.maximum
            self.reserved.pop(table.oid, None)
        self.values[table.oid] = value, True
        self._reserve(table, value)
        connection.sequence_values[table.oid] = value
        connection.last_sequence = table.oid
        return value

    def set(self, connection: Any, table: Any, value: int, called: bool) -> int:
        sequence = table.sequence
        if not sequence.minimum <= value <= sequence.maximum:
            raise DatabaseError(
                "22003", f'setval: value {value} is out of bounds for sequence "{table.name}" '
                f"({sequence.minimum}..{sequence.maximum})")
        self.values[table.oid] = value, called
        self.reserved.pop(table.oid, None)
        self._log(table, value, called)
        if called:
            connection.sequence_values[table.oid] = value
        return value

    def _reserve(self, table: Any, value: int) -> None:
        step = table.sequence.increment
        reserved = self.reserved.get(table.oid)
        if reserved is None or (value > reserved if step > 0 else value < reserved):
            ahead = value + step * LOGGED_AHEAD
            ahead = min(max(ahead, table.sequence.minimum), table.sequence.maximum)
            self.reserved[table.oid] = ahead
            self._log(table, ahead, True)

    def _log(self, table: Any, value: int, called: bool) -> None:
        if self.engine.journal is not None and not table.temporary:
            self.engine.journal.log_sequence(table.oid, value, called)
