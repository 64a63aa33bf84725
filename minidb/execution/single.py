"""One row at a time: `INSERT ... VALUES (one row)` and `UPDATE ... WHERE key = value`.

A vector of one value costs as much as one of a thousand.  Where a plan can only touch a single
row, its expressions are functions of that row:

    UPDATE t SET a = a + $1 WHERE id = $2      entry from the index, row, new values, update
    INSERT INTO t VALUES ($1, now())           values, insert

Of expressions are done here columns, parameters, constants and integer + and -; one without columns
that is anything else is left to expression.py.  A plan or a table that asks for more (RETURNING,
ON CONFLICT, generated columns, CHECK, foreign keys, a NULL for NOT NULL) goes the usual way.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from minidb.execution.expression import compile_expr
from minidb.execution.kernels.arithmetic import integer_limits, out_of_range
from minidb.execution.vector import Batch
from query_planner import expr as e
from query_planner import physical as p

# (row of the store, context) -> value
RowExpression = Callable[[tuple, Any], Any]


def _needs_no_row(x: e.Expr) -> bool:
    """Whether calls and casts of constants and parameters are all there is."""
    if isinstance(x, e.Call):
        return not x.function.returns_set and all(map(_needs_no_row, x.args))
    if isinstance(x, e.Cast):
        return _needs_no_row(x.arg)
    return isinstance(x, (e.Const, e.Param))


def row_expression(x: e.Expr, places: dict[int, int]) -> RowExpression | None:
    """The expression as a function; places: column id -> its place in the row.  None: too hard."""
    if isinstance(x, e.Column):
        place = places.get(x.id)
        return None if place is None else lambda row, context: row[place]
    if isinstance(x, e.Const):
        value = x.value
        return lambda row, context: value
    if isinstance(x, e.Param):
        at = x.number - 1
        return lambda row, context: context.parameters[at]
    if isinstance(x, e.Call) and x.function.name in ("+", "-") and x.type.name in ("int4", "int8") \
            and all(arg.type.name in ("int2", "int4", "int8") for arg in x.args):
        return _sum(x, places)
    if not _needs_no_row(x):
        return None
    compiled, one = compile_expr(x), Batch(1, {})
    return lambda row, context: compiled(one, context).value()


def _sum(x: e.Call, places: dict[int, int]) -> RowExpression | None:
    """Integer addition, subtraction or negation, checked against the type's range."""
    left = row_expression(x.args[0], places) if len(x.args) == 2 else lambda row, context: 0
    right = row_expression(x.args[-1], places)
    if left is None or right is None:
        return None
    name, minus = x.type.name, x.function.name == "-"
    if len(x.args) == 1 and not minus:
        return right
    low, high = integer_limits(name)

    def total(row: tuple, context: Any) -> Any:
        a, b = left(row, context), right(row, context)
        if a is None or b is None:
            return None
        result = a - b if minus else a + b
        if not low <= result <= high:
            raise out_of_range(name)
        return result

    return total


def _all(items: Any, places: dict[int, int]) -> list[RowExpression] | None:
    functions = [row_expression(item, places) for item in items]
    return None if None in functions else functions  # type: ignore[return-value]


class SingleInsert:
    """INSERT of one row."""

    def __init__(self, values: list[RowExpression]) -> None:
        self.values = values

    def run(self, table: Any, context: Any) -> bool:
        """Insert; False when the table or a NULL asks for the usual way."""
        if not table.plain:
            return False
        row = tuple([value((), context) for value in self.values])
        if None in row and any(row[at] is None for at in table.required):
            return False
        table.store.insert(context.txn, row)
        context.affected += 1
        return True


class SingleUpdate:
    """UPDATE of the row with a key.

    keys     of the index; changed: places of the assigned columns, ascending; values: theirs
    """

    def __init__(self, index: int, keys: list[RowExpression], changed: tuple[int, ...],
                 values: list[RowExpression]) -> None:
        self.index = index
        self.keys = keys
        self.changed = changed
        self.values = values

    def run(self, table: Any, context: Any) -> bool:
        """Update; False when the table or a NULL asks for the usual way."""
        if not table.plain:
            return False
        store = table.store
        key = tuple([key((), context) for key in self.keys])
        if None in key:
            return True
        found = store.find(
            store.indexes[self.index], key[0] if len(key) == 1 else key, context.snapshot)
        if not found:
            return True
        (tid, row), = found
        values = tuple([value(row, context) for value in self.values])
        if None in values and not table.required.isdisjoint(self.changed):
            return False
        if store.update(context.txn, context.snapshot, tid, self.changed, values):
            context.affected += 1
        return True


def single_insert(node: p.Insert) -> SingleInsert | None:
    """How to run this INSERT for its one row; None: as any other."""
    child = node.child
    if type(child) is not p.Values or len(child.tuples) != 1 or node.conflict is not None or \
            node.generated or node.returning is not None:
        return None
    if [column.number for column in node.relation.columns] != \
            list(range(1, len(child.tuples[0]) + 1)):
        return None
    values = _all(child.tuples[0], {})
    return None if values is None else SingleInsert(values)


def single_update(node: p.Update) -> SingleUpdate | None:
    """How to run this UPDATE for its one row; None: as any other."""
    scan = node.child
    if type(scan) is not p.IndexScan or not scan.index.unique or scan.many is not None or \
            scan.filter or scan.low is not None or scan.high is not None or \
            len(scan.keys) != len(scan.index.columns) or node.generated or \
            node.returning is not None:
        return None
    places = {column.id: number - 1
              for column, number in zip(scan.columns, scan.numbers, strict=True) if number > 0}
    assigned = sorted((node.relation.columns[at].number - 1, x) for at, x in node.assignments)
    keys, values = _all(scan.keys, {}), _all([x for _, x in assigned], places)
    if keys is None or values is None:
        return None
    return SingleUpdate(scan.index.oid, keys, tuple(place for place, _ in assigned), values)
