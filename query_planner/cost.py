"""What operators cost, in PostgreSQL's unit: one page read in sequence.

The constants are PostgreSQL's defaults, except that a random page costs little more than the next
one: the tables this planner serves are in memory most of the time.
"""

from __future__ import annotations

from math import log2

SEQ_PAGE = 1.0
RANDOM_PAGE = 1.1
TUPLE = 0.01
INDEX_TUPLE = 0.005
OPERATOR = 0.0025


def scan(rows: float, pages: float, conditions: int) -> float:
    """Reading a whole table and testing every row."""
    return pages * SEQ_PAGE + rows * (TUPLE + conditions * OPERATOR)


def index_startup(rows: float) -> float:
    """Walking down an index over `rows` entries."""
    return 0.25 + OPERATOR * log2(max(2.0, rows))


def index_scan(found: float, correlation: float, conditions: int) -> float:
    """Fetching `found` rows through an index, on top of its start-up."""
    scattered = 1 - correlation * correlation
    pages = 1 + max(0.0, found - 1) * (0.05 + 0.5 * scattered)
    return pages * RANDOM_PAGE * 0.25 + found * (INDEX_TUPLE + TUPLE + conditions * OPERATOR)


def sort(rows: float, keys: int, limit: float | None = None) -> float:
    """Ordering rows; only the first `limit` of them where that is known."""
    rows = max(2.0, rows)
    depth = log2(rows if limit is None or limit * 2 > rows else max(2.0, 2 * limit))
    return rows * depth * OPERATOR * 2 * (1 + 0.1 * (keys - 1))


def hash_join(left: float, right: float, keys: int, conditions: int, out: float) -> float:
    """Building on right, probing with left; the work on top of reading both."""
    build = right * (OPERATOR * keys + TUPLE)
    probe = left * OPERATOR * keys
    return build + probe + out * (TUPLE + conditions * OPERATOR)


def nested_loop(left: float, right: float, conditions: int, out: float) -> float:
    """Comparing every pair; the work on top of reading both."""
    return left * right * OPERATOR * max(1, conditions) + out * TUPLE


def aggregate(rows: float, keys: int, calls: int, groups: float) -> float:
    """Grouping rows by hash."""
    return rows * OPERATOR * (keys + calls) + groups * TUPLE
