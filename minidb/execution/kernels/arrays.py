"""Functions of arrays, and those that give rows."""

from __future__ import annotations

from typing import Any

from minidb.execution.kernels.registry import scalar
from minidb.sqlstate import DatabaseError


def _depth(value: tuple) -> int:
    depth = 0
    level: Any = value
    while isinstance(level, tuple) and level:
        depth += 1
        level = level[0]
    return depth


def _along(value: tuple, dimension: int) -> int | None:
    """The size of one dimension, None if there is none."""
    if not 1 <= dimension <= _depth(value):
        return None
    level: Any = value
    for _ in range(dimension - 1):
        level = level[0]
    return len(level)


scalar("array_ndims")(lambda a: _depth(a) or None)
scalar("array_length", "array_upper")(_along)
scalar("array_lower")(lambda a, d: None if _along(a, d) is None else 1)
scalar("array_to_string", strict=False)(
    lambda a, separator, null=None: None if a is None or separator is None else separator.join(
        null if v is None else v for v in _flat(a) if v is not None or null is not None))
scalar("string_to_array", strict=False)(lambda s, separator, null=None: _split(s, separator, null))
scalar("array_append", strict=False)(lambda a, v: (*(a or ()), v))
scalar("array_prepend", strict=False)(lambda v, a: (v, *(a or ())))
scalar("array_cat", strict=False)(lambda a, b: b if a is None else a if b is None else a + b)
scalar("array_remove", strict=False)(
    lambda a, v: None if a is None else tuple(x for x in a if x != v))
scalar("array_replace", strict=False)(
    lambda a, old, new: None if a is None else tuple(new if x == old else x for x in a))
scalar("array_position", strict=False)(
    lambda a, v, start=1: None if a is None else next(
        (i + 1 for i in range(start - 1, len(a)) if a[i] == v), None))
scalar("array_positions", strict=False)(
    lambda a, v: None if a is None else tuple(i + 1 for i, x in enumerate(a) if x == v))
scalar("@>")(lambda a, b: set(_flat(b)) <= set(_flat(a)))
scalar("<@")(lambda a, b: set(_flat(a)) <= set(_flat(b)))
scalar("&&")(lambda a, b: not set(_flat(a)).isdisjoint(_flat(b)))


@scalar("cardinality")
def cardinality(a: tuple) -> int:
    return len(_flat(a))


def _flat(value: tuple) -> list[Any]:
    out: list[Any] = []
    for item in value:
        if isinstance(item, tuple):
            out.extend(_flat(item))
        else:
            out.append(item)
    return out


def _split(s: str | None, separator: str | None, null: str | None) -> tuple | None:
    if s is None:
        return None
    if not s:
        return ()
    parts: Any = list(s) if separator is None else s.split(separator) if separator else [s]
    return tuple(None if part == null else part for part in parts)


# -- functions that give rows: name -> generator of one call's rows


def generate_series(start: Any, stop: Any, step: Any = 1) -> Any:
    if start is None or stop is None or step is None:
        return
    if step == 0:
        raise DatabaseError("22023", "step size cannot equal zero")
    value = start
    while value <= stop if step > 0 else value >= stop:
        yield value
        value += step


def generate_times(start: Any, stop: Any, step: Any) -> Any:
    """generate_series of timestamps by an interval."""
    from minidb.execution.kernels.compare import interval_us
    from minidb.execution.kernels.dates import timestamp_plus

    if start is None or stop is None or step is None:
        return
    length = interval_us(step)
    if length == 0:
        raise DatabaseError("22023", "step size cannot equal zero")
    value = start
    while value <= stop if length > 0 else value >= stop:
        yield value
        value = timestamp_plus(value, step)


def generate_subscripts(a: Any, dimension: Any, reverse: bool = False) -> Any:
    size = None if a is None or dimension is None else _along(a, dimension)
    if size is not None:
        yield from range(size, 0, -1) if reverse else range(1, size + 1)


def unnest(a: Any) -> Any:
    if a is not None:
        yield from _flat(a)


def regexp_matches(s: Any, pattern: Any, flags: str = "") -> Any:
    from minidb.execution.kernels.strings import _flags, regex

    if s is None or pattern is None:
        return
    for match in regex(pattern, _flags(flags)).finditer(s):
        yield match.groups() if match.re.groups else (match[0],)
        if "g" not in flags:
            return


def regexp_split_to_table(s: Any, pattern: Any, flags: str = "") -> Any:
    from minidb.execution.kernels.strings import _flags, regex

    if s is not None and pattern is not None:
        yield from regex(pattern, _flags(flags)).split(s)


def string_to_table(s: Any, separator: Any, null: Any = None) -> Any:
    yield from _split(s, separator, null) or ()


ROW_FUNCTIONS = {
    "generate_series": generate_series,
    "generate_subscripts": generate_subscripts,
    "unnest": unnest,
    "regexp_matches": regexp_matches,
    "regexp_split_to_table": regexp_split_to_table,
    "string_to_table": string_to_table,
}
