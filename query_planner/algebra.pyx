"""The logical plan: the nodes of `physical.py`, with `Get` and `Join` where there is a choice.

Most operators have one implementation, so logical and physical share one class; before physical
planning an Aggregate's strategy is "" and pass-through nodes (Filter, Join, Sort, ...) have no
`columns` yet: ask `output(node)`.

Also here: the walks that rules are made of.
"""

from query_planner import physical as ph
from query_planner.expr cimport Column, Expr, Subquery, children, substitute

Plan = ph.Plan


class Get(Plan):
    """All rows of a relation, before the way to them is chosen.

    columns and numbers grow while the binder meets references, so that they hold what is used.
    """

    __slots__ = ("alias", "numbers", "relation", "tid")
    fields = ("relation", "alias", "numbers", "tid")


class Join(Plan):
    """kind as in HashJoin, before the algorithm is chosen; condition is a list of conjuncts."""

    __slots__ = ("condition", "kind", "left", "right")
    fields = ("kind", "left", "right", "condition")
    inputs = ("left", "right")


_PASS = (ph.Filter, ph.Sort, ph.Limit, ph.Distinct, ph.LockRows)
_LEFT_ONLY = ("semi", "anti", "anti null")


def output(node):
    """The columns a node hands up."""
    kind = type(node)
    if kind in _PASS or kind is ph.With:
        return output(node.child)
    if kind in (Join, ph.HashJoin, ph.NestedLoop):
        if node.kind in _LEFT_ONLY:
            return output(node.left)
        return output(node.left) + output(node.right)
    if kind is ph.WindowAgg:
        columns = tuple(node.columns)
        return output(node.child) + columns[len(columns) - len(node.calls):]
    return tuple(node.columns)


def output_ids(node):
    """Ids of `output`."""
    return {(<Column> column).id for column in output(node)}


# Fields that hold no expressions to rewrite.
_OPAQUE = frozenset((
    "relation", "alias", "index", "numbers", "kind", "strategy", "sets", "cte", "ctes", "sources",
    "counts", "ordinality", "all", "functions", "backward", "row", "old", "tid",
))
cdef dict _expression_fields = {}


cdef tuple _fields_of(node):
    """Names of the fields of a node that may hold expressions."""
    found = _expression_fields.get(type(node))
    if found is None:
        found = tuple([name for name in node.fields
                       if name not in _OPAQUE and name not in node.inputs])
        _expression_fields[type(node)] = found
    return <tuple> found


cdef int _gather(value, list found) except -1:
    if value is None:
        return 0
    if isinstance(value, Expr):
        found.append(value)
    elif isinstance(value, (tuple, list)):
        for item in value:
            _gather(item, found)
    elif isinstance(value, ph.SortKey):
        found.append(value.expr)
    elif isinstance(value, ph.OnConflict):
        _gather(value.assignments, found)
        _gather(value.condition, found)
    return 0


def expressions(node):
    """The expressions of a node itself (not of its inputs)."""
    cdef list found = []
    for name in _fields_of(node):
        _gather(getattr(node, name), found)
    return found


cdef object _map_value(value, fn):
    if isinstance(value, Expr):
        return fn(value)
    if isinstance(value, tuple):
        return tuple([_map_value(item, fn) for item in value])
    if isinstance(value, list):
        return [_map_value(item, fn) for item in value]
    if isinstance(value, ph.SortKey):
        return ph.SortKey(fn(value.expr), value.descending, value.nulls_first)
    if isinstance(value, ph.OnConflict):
        return ph.OnConflict(value.index, value.existing, value.excluded,
                             _map_value(value.assignments, fn), _map_value(value.condition, fn))
    return value


def map_expressions(node, fn):
    """Replace, in place, every expression of a node itself by fn(expression)."""
    for name in _fields_of(node):
        setattr(node, name, _map_value(getattr(node, name), fn))


def map_inputs(node, fn):
    """Replace, in place, every input of a node by fn(input)."""
    for name in node.inputs:
        value = getattr(node, name)
        if isinstance(value, tuple):
            setattr(node, name, tuple([fn(part) for part in value]))
        else:
            setattr(node, name, fn(value))
    if type(node) is ph.With:
        node.ctes = tuple([(n, name, fn(plan)) for n, name, plan in node.ctes])


cdef int _find_subqueries(Expr e, list found) except -1:
    if type(e) is Subquery:
        found.append(e)
    for child in children(e):
        _find_subqueries(<Expr> child, found)
    return 0


def subqueries(Expr e):
    """All Subquery expressions in an expression, outermost first."""
    cdef list found = []
    _find_subqueries(e, found)
    return found


def subqueries_of(node):
    """All Subquery expressions in the expressions of a node."""
    cdef list found = []
    for e in expressions(node):
        _find_subqueries(<Expr> e, found)
    return found


def free_columns(node):
    """Columns that a plan refers to but does not make, by id: what correlates it."""
    cdef dict used = {}
    cdef set made = set()
    _free(node, used, made)
    return {i: c for i, c in used.items() if i not in made}


cdef int _used(Expr e, dict used) except -1:
    if type(e) is Column:
        used[(<Column> e).id] = e
        return 0
    for child in children(e):
        _used(<Expr> child, used)
    if type(e) is Subquery:
        for column in (<Subquery> e).params:
            used[(<Column> column).id] = column
    return 0


def _free(node, dict used, set made):
    for e in expressions(node):
        _used(<Expr> e, used)
    for column in node.columns:
        made.add((<Column> column).id)
    for name in ("row", "old"):
        for column in getattr(node, name, None) or ():
            if column is not None:
                made.add((<Column> column).id)
    conflict = getattr(node, "conflict", None)
    if conflict is not None:
        for column in conflict.existing + conflict.excluded:
            made.add((<Column> column).id)
    for child in node.children():
        _free(child, used, made)


def rename(node, dict swap):
    """Replace, in place, references to columns from outside a plan by other columns."""
    def visit(plan):
        map_expressions(plan, lambda e: substitute(e, swap))
        map_inputs(plan, visit)
        return plan

    return visit(node)
