"""The embedded form: a store in a directory, asked in this process; numpy in and out.

    with tsdb.open("data") as db:
        db.write({"__name__": "temperature", "room": "a"}, times_ms, celsius)
        frame = db.query_range("avg_over_time(temperature[1h])", start, end, 3600)
        frame.values                            # [series, step], NaN where there is no value

Times given to queries are seconds (or datetimes), those of samples milliseconds, as on the wire.
A write is durable when `write` returns.  One process at a time may have a directory open.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from bedrock.world import OsDisk, World
from tsdb.labels import labels_of
from tsdb.lifecycle import Policy
from tsdb.promql.engine import instant_query, range_query
from tsdb.promql.parser import parse_selector
from tsdb.promql.vector import Vector, Windows
from tsdb.store import Store

Moment = float | datetime
TIME_MAX = 2**62  # ms


@dataclass(frozen=True)
class Frame:
    """A result: labels[series], times[step] in ms, values[series, step] with NaN for none."""

    labels: list[dict[str, str]]
    times: np.ndarray
    values: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)


class Database:
    """An open store; see the module."""

    def __init__(self, store: Store):
        self.store = store

    # ---- writing -----------------------------------------------------------------------

    def write(self, labels: Mapping[str, str] | str, times_ms: Any, values: Any) -> None:
        """Write samples of one series; `labels` may be a metric's name alone."""
        named = {"__name__": labels} if isinstance(labels, str) else dict(labels)
        times, numbers = np.asarray(times_ms, np.int64), np.asarray(values, np.float64)
        if times.shape != numbers.shape or times.ndim != 1:
            raise ValueError("times and values must be of one dimension and of one length")
        self.store.add(labels_of(named), times, numbers)
        self.store.log.flush()

    def write_lines(self, lines: str, database: str = "") -> None:
        """Write line protocol; ValueError names the first line that is none (others are kept)."""
        parser = self.store.write_lines(lines.encode(), 1, database.encode())
        self.store.log.flush()
        if parser.rejected:
            number, why = parser.errors[0]
            raise ValueError(f"line {number}: {why}")

    # ---- reading -----------------------------------------------------------------------

    def query(self, promql: str, at: Moment | None = None) -> Frame | float | str:
        """The value of an instant query: a Frame of one step, a number or a text."""
        time_ms = self.store.world.clock.wall_ms() if at is None else _ms(at)
        result = instant_query(self.store.finder, promql, time_ms)
        if isinstance(result.value, str):
            return result.value
        if isinstance(result.value, Windows):
            raise ValueError("a range vector has no values at one time: use `samples`")
        if isinstance(result.value, Vector):
            return _frame(result.value, result.times)
        return float(result.value[0])

    def query_range(self, promql: str, start: Moment, end: Moment, step_s: float) -> Frame:
        """The value of a query at start, start + step, ... up to end."""
        result = range_query(
            self.store.finder, promql, _ms(start), _ms(end), round(step_s * 1000)
        )
        assert isinstance(result.value, Vector)
        return _frame(result.value, result.times)

    def samples(
        self, selector: str, start: Moment | None = None, end: Moment | None = None
    ) -> list[tuple[dict[str, str], np.ndarray, np.ndarray]]:
        """(labels, times in ms, values) of each series as it was written."""
        low = -TIME_MAX if start is None else _ms(start)
        high = TIME_MAX if end is None else _ms(end)
        columns = self.store.select(parse_selector(selector), low, high)
        return [
            (labels.as_dict(), *columns.samples(row)) for row, labels in enumerate(columns.labels)
        ]

    # ---- keeping -----------------------------------------------------------------------

    def delete(
        self, selector: str, start: Moment | None = None, end: Moment | None = None
    ) -> None:
        """Delete samples."""
        low = -TIME_MAX if start is None else _ms(start)
        self.store.delete(parse_selector(selector), low, TIME_MAX if end is None else _ms(end))
        self.store.log.flush()

    def maintain(self) -> None:
        """Flush, merge and expire what is due: call it now and then."""
        self.store.maintain()

    def close(self) -> None:
        """Write what is left and let go of the directory."""
        self.store.close()

    def __enter__(self) -> Database:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open(path: str, retention_s: float = 0) -> Database:
    """The store in a directory, made if there is none.  retention_s: 0 keeps all."""
    policy = Policy(retention_ms=round(retention_s * 1000))
    return Database(Store(World(OsDisk(str(path))), policy=policy))


def _frame(vector: Vector, times: np.ndarray) -> Frame:
    values = np.where(vector.present, vector.values, np.nan)
    return Frame([labels.as_dict() for labels in vector.labels], times, values)


def _ms(moment: Moment) -> int:
    return round((moment.timestamp() if isinstance(moment, datetime) else moment) * 1000)


__all__: Sequence[str] = ("Database", "Frame", "open")
