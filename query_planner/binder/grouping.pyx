"""Expressions above an Aggregate: GROUP BY expressions become its columns, stray ones are errors."""

from query_planner.expr cimport (
    Column, Const, Expr, Param, Subquery, children, key_of, with_children,
)

from query_planner.algebra import Get, rename
from query_planner.binder.conversions import error


cdef class Regrouping:
    """Rewrites expressions so that they stand above an Aggregate.

    known    key_of(GROUP BY expression) -> its Column
    inputs   columns below, by id          made   ids of columns the Aggregate makes
    """

    cdef public object binder
    cdef public dict known
    cdef public dict inputs
    cdef public set made
    cdef public list keys
    cdef public list columns
    cdef public object sets
    cdef public object aggregate
    cdef public object level

    def __init__(self, binder, known, inputs, made, keys, columns, sets):
        self.binder = binder
        self.known = known
        self.inputs = inputs
        self.made = made
        self.keys = keys
        self.columns = columns
        self.sets = sets

    def replace(self, Expr e):
        """e over the Aggregate's columns."""
        found = self.known.get(key_of(e))
        if found is not None:
            return found
        if type(e) is Column:
            return self.column(<Column> e)
        if type(e) is Const or type(e) is Param:
            return e
        if type(e) is Subquery and (<Subquery> e).params:
            swap = {}
            for param in (<Subquery> e).params:
                new = self.replace(param)
                if new is not param:
                    swap[(<Column> param).id] = new
            if swap:
                e = Subquery(kind=e.kind, left=e.left, functions=e.functions, negated=e.negated,
                             plan=rename(e.plan, swap), type=e.type, typmod=e.typmod,
                             params=tuple([swap.get((<Column> c).id, c) for c in e.params]))
        parts = children(e)
        if not parts:
            return e
        return with_children(e, tuple([self.replace(part) for part in parts]))

    def column(self, Column column):
        """A bare column: fine if grouped, made above, from outside, or fixed by a grouped key."""
        if column.id in self.made or column.id not in self.inputs:
            return column
        if self.sets is None and self.depends(column):
            self.keys.append(column)
            self.columns.append(column)
            self.known[column.id] = column
            self.made.add(column.id)
            count = len(self.keys)
            aggregate = self.aggregate
            aggregate.keys = tuple(self.keys)
            aggregate.columns = (tuple(self.columns)
                                 + tuple(aggregate.columns)[count - 1:])
            return column
        table = self.table_of(column)
        shown = f"{table}.{column.name}" if table else column.name
        raise error("42803", f'column "{shown}" must appear in the GROUP BY clause or be used in '
                    "an aggregate function", self.binder.positions.get(column.id, -1))

    def gets(self, node):
        """All Gets below a plan."""
        if type(node) is Get:
            yield node
        for child in node.children():
            yield from self.gets(child)

    def table_of(self, Column column):
        """The alias of the table a column comes from."""
        for get in self.gets(self.aggregate.child):
            if any([c.id == column.id for c in get.columns]):
                return get.alias
        return None

    def depends(self, Column column):
        """Whether the table's whole primary key is grouped, so that the column is one value."""
        grouped = {(<Column> key).id for key in self.keys if type(key) is Column}
        for get in self.gets(self.aggregate.child):
            if not any([c.id == column.id for c in get.columns]):
                continue
            numbers = {number for c, number in zip(get.columns, get.numbers) if c.id in grouped}
            for index in get.relation.indexes:
                if index.primary and numbers.issuperset(index.columns):
                    return True
        return False
