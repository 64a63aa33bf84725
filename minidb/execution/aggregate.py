"""Grouping and aggregate functions.

Rows are numbered by group as batches arrive (hashing.pyx), and each aggregate folds its argument
into one slot per group.  count, sum, avg, min and max of machine numbers are typed loops; sums of
integers are exact in 128 bits, as is avg of them, which is a numeric.

Grouping sets run the same input once per set.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import numpy as np

from minidb import numeric
from minidb.events import PAUSE, Pause
from minidb.execution.expression import compile_all, compile_expr
from minidb.execution.hashing import Grouper, count_rows, extreme, sum_floats, sum_ints
from minidb.execution.kernels.compare import interval_us, record_order
from minidb.execution.vector import Batch, Vec, code_of, concat, null, vec_of
from minidb.sqlstate import DatabaseError
from query_planner import expr as e
from query_planner.types import Type


class Accumulator:
    """One aggregate over numbered groups: `add` batches, then `result`."""

    def add(self, groups: np.ndarray, args: list[Vec], n: int, count: int) -> None:
        raise NotImplementedError

    def result(self, count: int) -> Vec:
        raise NotImplementedError


def _grown(array: np.ndarray, count: int) -> np.ndarray:
    if len(array) >= count:
        return array
    wide = np.zeros(max(count, 2 * len(array)), array.dtype)
    wide[: len(array)] = array
    return wide


def _known(groups: np.ndarray, vec: Vec, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Groups and values of the rows that are not NULL."""
    vec = vec.full(n)
    if vec.nulls is None:
        return groups, vec.data
    rows = np.flatnonzero(~vec.nulls)
    return groups[rows], vec.data[rows]


class Count(Accumulator):
    def __init__(self) -> None:
        self.totals = np.zeros(1, np.int64)

    def add(self, groups: np.ndarray, args: list[Vec], n: int, count: int) -> None:
        self.totals = _grown(self.totals, count)
        if args:
            groups, _ = _known(groups, args[0], n)
        count_rows(groups, self.totals)

    def result(self, count: int) -> Vec:
        return Vec(_grown(self.totals, count)[:count])


class SumInts(Accumulator):
    """sum and avg of integers."""

    def __init__(self, name: str, result: Type) -> None:
        self.average = name == "avg"
        self.code = code_of(result)
        self.totals: list[int] = []
        self.counts = np.zeros(1, np.int64)

    def add(self, groups: np.ndarray, args: list[Vec], n: int, count: int) -> None:
        self.counts = _grown(self.counts, count)
        self.totals.extend([0] * (count - len(self.totals)))
        groups, values = _known(groups, args[0], n)
        sum_ints(values.astype(np.int64), groups, self.totals)
        count_rows(groups, self.counts)

    def result(self, count: int) -> Vec:
        counts = _grown(self.counts, count)[:count].tolist()
        totals = self.totals + [0] * (count - len(self.totals))
        values: list[Any] = []
        for total, rows in zip(totals, counts, strict=True):
            if rows == 0:
                values.append(None)
            elif self.average:
                values.append(numeric.divide(Decimal(total), Decimal(rows)))
            elif self.code == "O":
                values.append(Decimal(total))
            else:
                if not -(2**63) <= total < 2**63:
                    raise DatabaseError("22003", "bigint out of range")
                values.append(total)
        return vec_of(values, self.code)


class SumFloats(Accumulator):
    """sum and avg of floats."""

    def __init__(self, name: str, result: Type) -> None:
        self.average = name == "avg"
        self.code = code_of(result)
        self.totals = np.zeros(1)
        self.counts = np.zeros(1, np.int64)

    def add(self, groups: np.ndarray, args: list[Vec], n: int, count: int) -> None:
        self.totals, self.counts = _grown(self.totals, count), _grown(self.counts, count)
        groups, values = _known(groups, args[0], n)
        sum_floats(values.astype("d"), groups, self.totals)
        count_rows(groups, self.counts)

    def result(self, count: int) -> Vec:
        counts = _grown(self.counts, count)[:count]
        totals = _grown(self.totals, count)[:count]
        if self.average:
            totals = totals / np.maximum(counts, 1)
        return Vec(totals.astype(self.code), counts == 0)


class Extreme(Accumulator):
    """min and max of machine values."""

    def __init__(self, name: str, result: Type) -> None:
        self.code = code_of(result)
        self.largest = name == "max"
        self.wide = "d" if self.code in "fd" else "q"
        self.best = np.zeros(1, self.wide)
        self.seen = np.zeros(1, np.uint8)

    def add(self, groups: np.ndarray, args: list[Vec], n: int, count: int) -> None:
        self.best, self.seen = _grown(self.best, count), _grown(self.seen, count)
        groups, values = _known(groups, args[0], n)
        extreme(values.astype(self.wide), groups, self.best, self.seen, self.largest)

    def result(self, count: int) -> Vec:
        seen = _grown(self.seen, count)[:count]
        return Vec(_grown(self.best, count)[:count].astype(self.code), seen == 0)


class Fold(Accumulator):
    """Any aggregate by a Python step per row: start, step(state, *args), finish(state).

    strict: rows with a NULL argument are passed over.
    """

    def __init__(self, start: Callable[[], Any], step: Callable[..., Any],
                 finish: Callable[[Any], Any], code: str, strict: bool = True) -> None:
        self.start = start
        self.step = step
        self.finish = finish
        self.code = code
        self.strict = strict
        self.states: list[Any] = []

    def add(self, groups: np.ndarray, args: list[Vec], n: int, count: int) -> None:
        states, step, strict = self.states, self.step, self.strict
        while len(states) < count:
            states.append(self.start())
        columns = [vec.values(n) for vec in args]
        for group, row in zip(groups.tolist(), zip(*columns, strict=True), strict=True):
            if strict and None in row:
                continue
            states[group] = step(states[group], *row)

    def result(self, count: int) -> Vec:
        while len(self.states) < count:
            self.states.append(self.start())
        return vec_of([self.finish(state) for state in self.states], self.code)


def _none() -> None:
    return None


def _same(state: Any) -> Any:
    return state


def _append(state: Any, value: Any, *rest: Any) -> list:
    state = [] if state is None else state
    state.append(value)
    return state


def _string(state: Any, value: Any, separator: Any) -> Any:
    if value is None:
        return state
    if state is None:
        return [value]
    state.append(separator or "")
    state.append(value)
    return state


def _moments(state: Any, value: Any) -> tuple:
    n, total, squares = state or (0, 0, 0)
    return n + 1, total + value, squares + value * value


def _variance(sample: bool, root: bool, exact: bool) -> Callable[[Any], Any]:
    def finish(state: Any) -> Any:
        if state is None or (sample and state[0] < 2):
            return None
        n, total, squares = state
        if exact:
            n = Decimal(n)
            top = numeric.CONTEXT.subtract(n * squares, total * total)
            bottom = n * (n - 1) if sample else n * n
            value = numeric.divide(max(top, Decimal(0)), bottom)
            if root:
                from minidb.execution.kernels.maths import sqrt_numeric

                return sqrt_numeric(value)
            return value
        value = max((squares - total * total / n) / (n - 1 if sample else n), 0.0)
        return value**0.5 if root else value

    return finish


def _better(type_: Type, largest: bool) -> Callable[[Any, Any], Any]:
    key: Any = None
    if type_.name == "interval":
        key = interval_us
    elif type_.name == "bpchar":
        key = str.rstrip

    def step(state: Any, value: Any) -> Any:
        if state is None:
            return value
        if type_.kind == "c" or type_.name == "record" or type_.element is not None:
            order = record_order(value, state)
        else:
            a, b = (value, state) if key is None else (key(value), key(state))
            order = (a > b) - (a < b)
        return value if (order > 0 if largest else order < 0) else state

    return step


def _plus(state: Any, value: Any) -> Any:
    if state is None:
        return value
    if isinstance(value, tuple):
        return tuple(a + b for a, b in zip(state, value, strict=True))
    return numeric.CONTEXT.add(state, value) if isinstance(value, Decimal) else state + value


def _mean(state: Any, value: Any) -> tuple:
    if state is None:
        return 1, value
    return state[0] + 1, _plus(state[1], value)


def _mean_end(state: Any) -> Any:
    if state is None:
        return None
    n, total = state
    if isinstance(total, tuple):
        from minidb.execution.kernels.dates import interval_over

        return interval_over(total, float(n))
    return numeric.divide(total, Decimal(n))


def _percentile(fraction_is_continuous: bool) -> Callable[[Any], Any]:
    def finish(state: Any) -> Any:
        if state is None:
            return None
        fraction, values = state[0], sorted(state[1])
        if fraction is None:
            return None
        if fraction_is_continuous:
            at = fraction * (len(values) - 1)
            low = int(at)
            high = min(low + 1, len(values) - 1)
            return values[low] + (values[high] - values[low]) * (at - low)
        return values[max(-int(-(fraction * len(values)) // 1) - 1, 0)]

    return finish


def _collect(state: Any, fraction: Any, value: Any) -> Any:
    if value is None:
        return state
    if state is None:
        return fraction, [value]
    state[1].append(value)
    return state


def _mode(state: Any) -> Any:
    if not state:
        return None
    counts: dict[Any, int] = {}
    for value in sorted(state):
        counts[value] = counts.get(value, 0) + 1
    return max(counts, key=lambda v: counts[v])


def accumulator(x: e.Aggregate) -> Accumulator:
    """A fresh accumulator for an aggregate call; 0A000 for one that is not there."""
    name = x.function.name
    types = [arg.type for arg in x.args]
    code = code_of(x.type)
    if name == "count":
        return Count()
    if types:
        made = _over(name, types[0], x.type, code)
        if made is not None:
            return made
    if name == "string_agg":
        join = b"".join if types[0].name == "bytea" else "".join
        return Fold(_none, _string, lambda s: None if s is None else join(s), code, False)
    if name == "array_agg":
        return Fold(_none, _append, lambda s: None if s is None else tuple(s), code, False)
    if name in ("percentile_cont", "percentile_disc"):
        return Fold(_none, _collect, _percentile(name == "percentile_cont"), code, False)
    if name == "mode":
        return Fold(_none, _append, _mode, code)
    raise DatabaseError("0A000", f"aggregate function {name} is not supported")


def _over(name: str, type_: Type, result: Type, code: str) -> Accumulator | None:
    """Aggregates of one plain argument."""
    arg = code_of(type_)
    if name in ("sum", "avg"):
        if type_.name in ("int2", "int4", "int8"):
            return SumInts(name, result)
        if arg in "fd":
            return SumFloats(name, result)
        if name == "sum":
            return Fold(_none, _plus, _same, code)
        return Fold(_none, _mean, _mean_end, code)
    if name in ("min", "max"):
        if arg in "hiqfd":
            return Extreme(name, result)
        return Fold(_none, _better(type_, name == "max"), _same, code)
    if name in ("bool_and", "every"):
        return Fold(_none, lambda s, v: v if s is None else s and v, _same, code)
    if name == "bool_or":
        return Fold(_none, lambda s, v: v if s is None else s or v, _same, code)
    if name in ("bit_and", "bit_or", "bit_xor"):
        op = {"bit_and": int.__and__, "bit_or": int.__or__, "bit_xor": int.__xor__}[name]
        return Fold(_none, lambda s, v: v if s is None else op(s, v), _same, code)
    if name.startswith(("stddev", "var")):
        exact = code == "O"
        step: Any = _moments
        if exact and arg != "O":
            step = lambda s, v: _moments(s, Decimal(v))  # noqa: E731
        return Fold(_none, step,
                    _variance(not name.endswith("_pop"), name.startswith("stddev"), exact), code)
    if name == "any_value":
        return Fold(_none, lambda s, v: v if s is None else s, _same, code)
    return None


class AggregateCall:
    """One aggregate of a plan: its arguments, filter, DISTINCT and ORDER BY."""

    def __init__(self, x: e.Aggregate) -> None:
        self.x = x
        self.args = compile_all((*x.direct, *x.args))
        self.filter = None if x.filter is None else compile_expr(x.filter)
        self.ordered = bool(x.order_by)
        self.keys = [compile_expr(key.expr) for key in x.order_by]
        self.code = code_of(x.type)

    def start(self) -> Running:
        return Running(self)


class Running:
    """An AggregateCall in one run."""

    def __init__(self, call: AggregateCall) -> None:
        self.call = call
        self.into = accumulator(call.x)
        self.seen: set = set()
        self.kept: list[tuple[np.ndarray, list[Vec], list[Vec], int]] = []

    def add(self, batch: Batch, groups: np.ndarray, count: int, context: Any) -> None:
        call = self.call
        if call.filter is not None:
            passed = call.filter(batch, context).true()
            rows = np.flatnonzero(np.broadcast_to(passed, batch.n))
            if len(rows) == 0:
                return
            batch, groups = batch.take(rows), groups[rows]
        args = [arg(batch, context) for arg in call.args]
        n = batch.n
        if call.x.distinct:
            keep = []
            columns = [vec.values(n) for vec in args]
            for i, key in enumerate(zip(groups.tolist(), *columns, strict=True)):
                if key not in self.seen:
                    self.seen.add(key)
                    keep.append(i)
            rows = np.array(keep, np.int64)
            if call.ordered:
                batch = batch.take(rows)
            args, groups, n = [vec.full(n).take(rows) if n > 1 else vec for vec in args], \
                groups[rows], len(keep)
            if n == 0:
                return
        if call.ordered:
            keys = [key(batch, context) for key in call.keys]
            self.kept.append((groups, args, keys, n))
        else:
            self.into.add(groups, args, n, count)

    def result(self, count: int) -> Vec:
        if self.kept:
            self._sorted(count)
        return self.into.result(count)

    def _sorted(self, count: int) -> None:
        from minidb.execution.sort import order_of

        x = self.call.x
        groups = np.concatenate([part[0] for part in self.kept])
        n = len(groups)
        types = [arg.type for arg in (*x.direct, *x.args)]
        args = [concat([(part[1][i], part[3]) for part in self.kept], code_of(types[i]))
                for i in range(len(types))]
        keys = [concat([(part[2][i], part[3]) for part in self.kept],
                       code_of(key.expr.type)) for i, key in enumerate(x.order_by)]
        order = order_of(keys, x.order_by, n)
        self.into.add(groups[order], [vec.full(n).take(order) if n > 1 else vec for vec in args],
                      n, count)


class Aggregate:
    """Operator of physical.Aggregate."""

    def __init__(self, node: Any, child: Any) -> None:
        self.child = child
        self.keys = compile_all(node.keys)
        self.key_codes = [code_of(key.type) for key in node.keys]
        self.calls: list[Any] = [
            x if isinstance(x, e.Grouping) else AggregateCall(x) for x in node.aggregates]
        self.ids = [column.id for column in node.columns]
        self.sets = node.sets
        self.plain = not node.keys and node.sets is None
        self.integer = [code in "?hiq" for code in self.key_codes]

    def batches(self, context: Any) -> Iterator[Batch | Pause]:
        if self.sets is None:
            sets = [tuple(range(len(self.keys)))]
        else:
            sets = list(self.sets)
        groupings = [Grouping(self, keys) for keys in sets]
        for batch in self.child.batches(context):
            if isinstance(batch, Pause):
                yield batch
                continue
            keys = [key(batch, context) for key in self.keys]
            for grouping in groupings:
                grouping.add(batch, keys, context)
            yield PAUSE
        for grouping in groupings:
            out = grouping.result(self.plain)
            if out is not None:
                yield out


class Grouping:
    """One grouping set in one run.  keys: positions of the keys it groups by."""

    def __init__(self, plan: Aggregate, keys: tuple[int, ...]) -> None:
        self.plan = plan
        self.keys = keys
        self.integer = len(keys) == 1 and plan.integer[keys[0]]
        self.grouper = Grouper(self.integer)
        self.running = [
            None if isinstance(call, e.Grouping) else call.start() for call in plan.calls]
        self.firsts: list[list[tuple[Vec, int]]] = [[] for _ in keys]
        self.count = 0

    def add(self, batch: Batch, keys: list[Vec], context: Any) -> None:
        n = batch.n
        if not self.keys:
            groups = np.zeros(n, np.int64)
            self.count = 1
        else:
            mine = [keys[at].full(n) for at in self.keys]
            if self.integer:
                groups, fresh = self.grouper.add(mine[0].data.astype(np.int64), mine[0].nulls, n)
            else:
                columns = [group_keys(vec.values(n), self.plan.key_codes[at])
                           for vec, at in zip(mine, self.keys, strict=True)]
                rows = columns[0] if len(columns) == 1 else list(zip(*columns, strict=True))
                groups, fresh = self.grouper.add(rows, None, n)
            self.count = self.grouper.count
            if fresh:
                at = np.array(fresh, np.int64)
                for vec, firsts in zip(mine, self.firsts, strict=True):
                    firsts.append((vec.take(at) if n > 1 else vec, len(fresh)))
        for running in self.running:
            if running is not None:
                running.add(batch, groups, self.count, context)

    def result(self, plain: bool) -> Batch | None:
        count = self.count
        if count == 0:
            if self.keys or not (plain or self.plan.sets is not None):
                return None
            count = 1
        columns: dict[int, Vec] = {}
        ids = self.plan.ids
        for i, code in enumerate(self.plan.key_codes):
            columns[ids[i]] = null(code)
        for at, firsts in zip(self.keys, self.firsts, strict=True):
            columns[ids[at]] = concat(firsts, self.plan.key_codes[at])
        for id_, call, running in zip(
                ids[len(self.plan.keys):], self.plan.calls, self.running, strict=True):
            if running is None:
                bits = 0
                for key in call.keys:
                    bits = bits * 2 + (key not in self.keys)
                columns[id_] = vec_of([bits], "i")
            else:
                columns[id_] = running.result(count)
        return Batch(count, columns)


def group_keys(values: list[Any], code: str) -> list[Any]:
    """Values that are equal in Python exactly when they are in one group."""
    if code in "fd":
        return ["NaN" if v is not None and v != v else v for v in values]
    return values
