"""The physical plan: which operators, in which order, over which columns.

An executor turns each node class into one of its operators.  Every node has

    columns   tuple of expr.Column: what a row of its output holds, in order
    rows      estimated output rows                     width  estimated bytes per row
    startup   estimated cost to the first row           cost   to the last, in PostgreSQL's units
    id        pre-order number within the plan, for actuals of EXPLAIN ANALYZE

Expressions refer to columns by `Column.id`: those of a node's children, or of a node further up
that
hands them down as parameters (see NestedLoop and expr.Subquery).  Compile by mapping id -> place.

Invariants
1. A column id is produced by exactly one node of a plan (a scan's columns, a Project's items, ...)
   and passed through unchanged by all nodes above that keep it.
2. A node's expressions use only columns of its children and parameters of the enclosing
   NestedLoop or Subquery.
3. `filter` and `condition` tuples are conjunctions; a row passes when all are true (not null).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from query_planner.expr import Column, Expr

Columns = tuple[Column, ...]


class Plan:
    """Base of all nodes; see the module's text for the fields.  `fields` names a class's own."""

    __slots__ = ("columns", "cost", "id", "rows", "startup", "width")
    fields: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...  # the fields of the class

    def __init__(self, columns: Columns, *values: Any) -> None:
        self.columns = columns
        for name, value in zip(self.fields, values, strict=True):
            setattr(self, name, value)
        self.rows = 1.0
        self.startup = 0.0
        self.cost = 0.0
        self.width = 0
        self.id = 0

    if TYPE_CHECKING:
        # The fields of a subclass are what its `fields` names.
        def __getattr__(self, name: str) -> Any: ...

        def __setattr__(self, name: str, value: Any) -> None: ...

    def children(self) -> tuple[Plan, ...]:
        """Input nodes, left to right."""
        found: list[Plan] = []
        for name in self.inputs:
            value = getattr(self, name)
            if isinstance(value, tuple):
                found.extend(value)
            else:
                found.append(value)
        return tuple(found)

    def __repr__(self) -> str:
        inner = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.fields)
        return f"{type(self).__name__}({inner})"


class Result(Plan):
    """One row without columns: the input of SELECT 1."""

    __slots__ = ()


class Empty(Plan):
    """No rows (a contradiction was found)."""

    __slots__ = ()


class Values(Plan):
    """Rows of expressions: rows is a tuple of tuples of Expr, each as wide as `columns`."""

    __slots__ = ("tuples",)
    fields = ("tuples",)


class Scan(Plan):
    """All rows of a table.

    relation  catalog.Relation        alias  the name it goes by in the query
    filter    conjunction over the scan's columns, evaluated inside (zone maps may skip)
    tid       Column for the row's identity (type tid) or None; when set it is also in `columns`
    numbers   attribute number of each of `columns` (0 for tid; -1 tableoid; -2 xmin; -3 whole row)
    """

    __slots__ = ("alias", "filter", "numbers", "relation", "tid")
    fields = ("relation", "alias", "filter", "tid", "numbers")


class IndexScan(Plan):
    """Rows of a table found through an index.

    keys      one Expr per leading index column that is compared by =; constants, parameters
              or columns of an enclosing NestedLoop
    many      None, or an Expr of array type or a tuple of Exprs: the index column after `keys` is
    IN these
    low, high (Expr, inclusive) or None: range on the index column after `keys`
    backward  walk from the end
    filter    what remains to be checked on each row; the rest as in Scan
    """

    __slots__ = (
        "alias", "backward", "filter", "high", "index", "keys", "low", "many", "numbers",
        "relation", "tid",
    )  # fmt: skip
    fields = (
        "relation", "alias", "index", "keys", "many", "low", "high", "backward", "filter", "tid",
        "numbers",
    )  # fmt: skip


class FunctionScan(Plan):
    """Rows of set-returning functions side by side (ROWS FROM, shorter ones padded with NULL).

    calls       tuple of Expr: each a set-returning Call, or any expression (one row)
    counts      how many of `columns` each call fills (a composite result fills several)
    ordinality  whether the last column counts rows from 1 (int8)
    """

    __slots__ = ("alias", "calls", "counts", "ordinality")
    fields = ("calls", "counts", "ordinality", "alias")


class CteScan(Plan):
    """The rows of CTE number `cte`.  `sources` gives, for each of `columns`, its place in that
    output."""

    __slots__ = ("alias", "cte", "sources")
    fields = ("cte", "alias", "sources")


class WorkTableScan(CteScan):
    """Inside the step of RecursiveUnion number `cte`: the rows the previous round added."""

    __slots__ = ()


class Filter(Plan):
    """Keep rows that satisfy all of `condition`."""

    __slots__ = ("child", "condition")
    fields = ("child", "condition")
    inputs = ("child",)


class Project(Plan):
    """Compute: items[i] gives columns[i].  An item that is the same Column passes through."""

    __slots__ = ("child", "items")
    fields = ("child", "items")
    inputs = ("child",)


class ProjectSet(Plan):
    """Like Project, but items that are set-returning Calls are expanded in step, the shorter
    padded with NULL; other items repeat."""

    __slots__ = ("child", "items")
    fields = ("child", "items")
    inputs = ("child",)


class HashJoin(Plan):
    """Equi-join: build a table on right, probe with left.

    kind       "inner" | "left" | "right" | "full" | "semi" | "anti" | "anti null"
               "anti null" is NOT IN: any NULL key in right, or a NULL left key against a
               non-empty right, removes the left row
    left_keys, right_keys   parallel Exprs; functions[i] is the equality Function of pair i
    condition  what else must hold for a pair (part of the join, not a filter after it)
    """

    __slots__ = ("condition", "functions", "kind", "left", "left_keys", "right", "right_keys")
    fields = ("kind", "left", "right", "left_keys", "right_keys", "functions", "condition")
    inputs = ("left", "right")


class NestedLoop(Plan):
    """For each left row run right; kinds as in HashJoin without "right", "full", "anti null".

    params  columns of left that right refers to; when not empty right is run anew for each left row
            (index lookup, LATERAL), otherwise its rows may be kept.
    """

    __slots__ = ("condition", "kind", "left", "params", "right")
    fields = ("kind", "left", "right", "condition", "params")
    inputs = ("left", "right")


class Aggregate(Plan):
    """Group and aggregate.

    keys         Exprs; columns[:len(keys)] hold their values
    aggregates   expr.Aggregate (or expr.Grouping) for columns[len(keys):]
    sets         None, or grouping sets as tuples of key positions; absent keys are NULL in a set
    strategy     "plain" (no keys: exactly one row) | "hashed" | "sorted" (input ordered by keys)
    """

    __slots__ = ("aggregates", "child", "keys", "sets", "strategy")
    fields = ("child", "keys", "aggregates", "sets", "strategy")
    inputs = ("child",)


class SortKey:
    """expr, descending, nulls_first."""

    __slots__ = ("descending", "expr", "nulls_first")

    def __init__(self, expr: Expr, descending: bool = False, nulls_first: bool = False) -> None:
        self.expr = expr
        self.descending = descending
        self.nulls_first = nulls_first

    def __repr__(self) -> str:
        return f"SortKey({self.expr!r}, {self.descending}, {self.nulls_first})"


class WindowAgg(Plan):
    """Window functions over one partitioning and order.

    calls   expr.WindowCall, whose values follow the child's columns in `columns`
    frame   (mode, start kind, start Expr|None, end kind, end Expr|None, exclude)
    The child arrives sorted by partition, then order.
    """

    __slots__ = ("calls", "child", "frame", "order", "partition")
    fields = ("child", "calls", "partition", "order", "frame")
    inputs = ("child",)


class Sort(Plan):
    """Order by keys (SortKey); with `limit` set (an Expr giving limit, and maybe offset) only that
    many first rows are needed: a heap does (TopN), the Limit above still cuts."""

    __slots__ = ("child", "keys", "limit", "offset")
    fields = ("child", "keys", "limit", "offset")
    inputs = ("child",)


class Limit(Plan):
    """limit and offset are Exprs of int8 or None; `ties` holds the sort keys of WITH TIES."""

    __slots__ = ("child", "limit", "offset", "ties")
    fields = ("child", "limit", "offset", "ties")
    inputs = ("child",)


class Distinct(Plan):
    """Without `on`: one of each set of equal rows, hashed.  With `on` (Exprs): the first row of
    each
    group of an input that is sorted by them."""

    __slots__ = ("child", "on")
    fields = ("child", "on")
    inputs = ("child",)


class Append(Plan):
    """UNION ALL: rows of all parts; the i-th column of each part fills the i-th of `columns`."""

    __slots__ = ("parts",)
    fields = ("parts",)
    inputs = ("parts",)


class SetOp(Plan):
    """kind "intersect" | "except", with or without ALL, by columns' places as in Append."""

    __slots__ = ("all", "kind", "left", "right")
    fields = ("kind", "all", "left", "right")
    inputs = ("left", "right")


class RecursiveUnion(Plan):
    """base, then step over and over, each time reading the rows last added through
    WorkTableScan(cte); `all` False removes rows seen before.  Columns by place as in Append."""

    __slots__ = ("all", "base", "cte", "step")
    fields = ("base", "step", "cte", "all")
    inputs = ("base", "step")


class With(Plan):
    """Run each of ctes [(number, name, plan)] at most once (lazily, unless it changes data), then
    child."""

    __slots__ = ("child", "ctes")
    fields = ("ctes", "child")
    inputs = ("child",)

    def children(self) -> tuple[Plan, ...]:
        return (*(plan for _, _, plan in self.ctes), self.child)


class LockRows(Plan):
    """FOR UPDATE and kin: locks is a tuple of (relation, tid Column, strength, wait)."""

    __slots__ = ("child", "locks")
    fields = ("child", "locks")
    inputs = ("child",)


class Insert(Plan):
    """Add rows.

    child      its columns are the whole row: one for each of relation.columns, in their order, cast
               and with defaults filled in (generated columns NULL)
    generated  ((position, Expr over `row`), ...) to compute once the row stands
    row        Columns standing for the inserted (or updated) row; RETURNING refers to them
    conflict   None, or an OnConflict
    returning  None, or Exprs over `row`; `columns` are their values
    """

    __slots__ = ("child", "conflict", "generated", "relation", "returning", "row")
    fields = ("relation", "child", "row", "generated", "conflict", "returning")
    inputs = ("child",)


class OnConflict:
    """What ON CONFLICT does.

    index        the arbiter catalog.Index, or None: any conflict
    existing     Columns for the row in the way        excluded   Columns for the row proposed
    assignments  None = DO NOTHING, or ((position in relation.columns, Expr), ...)
    condition    conjunction over existing and excluded that must hold to update
    """

    __slots__ = ("assignments", "condition", "excluded", "existing", "index")

    def __init__(self, index: Any, existing: Columns, excluded: Columns,
                 assignments: Any, condition: tuple[Expr, ...]) -> None:
        self.index = index
        self.existing = existing
        self.excluded = excluded
        self.assignments = assignments
        self.condition = condition


class Update(Plan):
    """Change rows.

    tid          the child's column that identifies the row
    assignments  ((position in relation.columns, Expr over child's columns), ...)
    generated, row, returning   as in Insert; RETURNING may also use the child's columns
    old          the child's Columns holding the row as found, one for each of relation.columns or
                 None where nobody needs it
    """

    __slots__ = (
        "assignments", "child", "generated", "old", "relation", "returning", "row", "tid",
    )  # fmt: skip
    fields = (
        "relation", "child", "tid", "assignments", "row", "generated", "old", "returning",
    )  # fmt: skip
    inputs = ("child",)


class Delete(Plan):
    """Remove rows; RETURNING is over the child's columns."""

    __slots__ = ("child", "relation", "returning", "tid")
    fields = ("relation", "child", "tid", "returning")
    inputs = ("child",)


class Prepared:
    """A planned statement.

    root        the topmost node
    kind        "select" | "insert" | "update" | "delete"
    outputs     (name, Type, typmod, relation oid or 0, attribute number or 0) of each result
    column;
                empty for a data-modifying statement without RETURNING
    parameters  Types of $1, $2, ...
    relations   every Relation the plan depends on (views included): lock and invalidate by these
    volatile    whether any function's result may change from row to row (no result caching)
    """

    __slots__ = ("kind", "outputs", "parameters", "relations", "root", "volatile")

    def __init__(self, root: Plan, kind: str, outputs: tuple, parameters: tuple,
                 relations: tuple, volatile: bool) -> None:
        self.root = root
        self.kind = kind
        self.outputs = outputs
        self.parameters = parameters
        self.relations = relations
        self.volatile = volatile
