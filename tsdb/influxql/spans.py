"""Spans: the windows of GROUP BY time(), which in a time zone begin at its midnights.

A window of a day is 23 hours long where the clocks go forward; one of an hour is always that.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, tzinfo

Span = tuple[int, int, int]  # start to show, first ms, end ms
EPOCH = datetime(1970, 1, 1)


def spans(
    low: int, high: int, interval: int, shift: int = 0, zone: tzinfo | None = None
) -> Iterator[Span]:
    """The windows, of `interval` ms from `shift` on, that hold low ... high."""
    if zone is None:
        first = (low - shift) // interval * interval + shift
        for start in range(first, high + 1, interval):
            yield start, max(start, low), min(start + interval, high + 1)
        return
    at = low
    while at <= high:
        start, end = window(at, interval, shift, zone)
        yield start, max(start, low), min(end, high + 1)
        at = max(end, at + 1)


def window(ms: int, interval: int, shift: int, zone: tzinfo | None) -> tuple[int, int]:
    """[start, end) of the window that holds a time."""
    if zone is None:
        start = (ms - shift) // interval * interval + shift
        return start, start + interval
    ahead = _ahead(ms, zone)
    start = (ms - shift + ahead) // interval * interval + shift - ahead
    return _moved(start, ahead, interval, zone), _moved(start + interval, ahead, interval, zone)


def _moved(edge: int, ahead: int, interval: int, zone: tzinfo) -> int:
    """A window's edge, where the clocks have changed since: at the same hour by the clock."""
    change = ahead - _ahead(edge, zone)
    return edge + change if abs(change) < interval else edge


def _ahead(ms: int, zone: tzinfo) -> int:
    """How far the clocks of a zone are ahead of UTC, in ms."""
    ms = min(max(ms, -(2**45)), 2**47)  # years that datetime knows
    moment = (EPOCH + timedelta(milliseconds=ms)).replace(tzinfo=zone)
    there = zone.fromutc(moment).utcoffset()
    return 0 if there is None else there // timedelta(milliseconds=1)
