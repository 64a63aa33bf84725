"""The syntax tree of expressions and queries: what the parser makes and the binder reads.

Nodes are plain records; they say what was written, not what it means.  Everything repeated is a
tuple, everything absent is None (or an empty tuple, or False), names are already folded to lower
case unless they were quoted.  Statements that are not queries are in `statements.py`.

A node made by hand takes its fields by name: `ColumnRef(parts=("t", "a"))`.  Two nodes are equal when
they are of one class and their fields are equal; positions do not count.
"""

import types as _types

_FIELDS = {}


def fields(cls):
    """Names of the fields of a node class, in order, inherited ones last."""
    names = _FIELDS.get(cls)
    if names is None:
        found = []
        for ancestor in cls.__mro__:
            for name, slot in vars(ancestor).items():
                if isinstance(slot, _types.GetSetDescriptorType) and name not in ("pos",):
                    if not name.startswith("__"):
                        found.append(name)
        names = _FIELDS[cls] = tuple(found)
    return names


cdef class Node:
    """Base of all: construction by name, equality, repr."""

    def __init__(self, **values):
        self.pos = values.pop("pos", -1)
        for name in fields(type(self)):
            if name in values:
                setattr(self, name, values.pop(name))
        if values:
            raise TypeError(f"{type(self).__name__} has no {', '.join(values)}")

    def __eq__(self, other):
        if type(self) is not type(other):
            return NotImplemented
        for name in fields(type(self)):
            if (getattr(self, name) or None) != (getattr(other, name) or None):
                # An absent tuple and an empty one say the same; 0, "" and False do too.
                return False
        return True

    def __hash__(self):
        return hash(type(self))

    def __repr__(self):
        shown = []
        for name in fields(type(self)):
            value = getattr(self, name)
            if value is not None and value is not False and value != ():
                shown.append(f"{name}={value!r}")
        return f"{type(self).__name__}({', '.join(shown)})"


cdef class Literal(Node):
    """A constant.  kind: "integer" (value int), "numeric" (value str as written), "string" (str),
    "bit" (str of 0 and 1), "boolean" (bool), "null" (None)."""

cdef class ColumnRef(Node):
    """A possibly qualified name: ("t", "a")."""

cdef class Star(Node):
    """`*` or `t.*`: the parts before the star."""

cdef class Parameter(Node):
    """`$1`."""

cdef class Unary(Node):
    """A prefix operator."""

cdef class Binary(Node):
    """An infix operator."""

cdef class BoolOp(Node):
    """AND or OR over two or more arguments (chains are flattened); op is "and" or "or"."""

cdef class Not(Node):
    """NOT arg."""

cdef class Is(Node):
    """arg IS [NOT] test, test one of "null", "true", "false", "unknown"."""

cdef class IsDistinct(Node):
    """left IS [NOT] DISTINCT FROM right; negated for NOT."""

cdef class Between(Node):
    """arg [NOT] BETWEEN [SYMMETRIC] low AND high."""

cdef class InList(Node):
    """arg [NOT] IN (items).  IN (query) is a Quantified, under a Not where negated."""

cdef class Like(Node):
    """arg [NOT] LIKE pattern [ESCAPE escape]; kind is "like", "ilike" or "similar"."""

cdef class Quantified(Node):
    """left op ANY|ALL (right): right is a query or an array expression; kind is "any" or "all"."""

cdef class Exists(Node):
    """EXISTS (query)."""

cdef class ScalarQuery(Node):
    """(query) where a value is wanted."""

cdef class ArrayQuery(Node):
    """ARRAY(query)."""

cdef class FuncCall(Node):
    """name(args) with all its decorations.  arg_names is parallel to args (None = positional) or
    absent; `over` is a Window (for OVER name: a Window with only `base`)."""

cdef class ValueFunction(Node):
    """A function without parentheses: current_date, localtime, current_user, ..."""

cdef class Case(Node):
    """CASE [arg] WHEN .. THEN .. ELSE default END; whens holds (condition, result) pairs."""

cdef class TypeName(Node):
    """A type as written: name parts, typmods (expressions), array dimensions, interval fields."""

cdef class Cast(Node):
    """CAST(arg AS type), arg::type and type 'literal'."""

cdef class Collate(Node):
    """arg COLLATE name."""

cdef class Row(Node):
    """ROW(items) or (a, b)."""

cdef class Array(Node):
    """ARRAY[items]."""

cdef class Slice(Node):
    """low:high within a subscript; either may be absent."""

cdef class Subscript(Node):
    """arg[indices]: expressions and Slices."""

cdef class FieldSelect(Node):
    """(arg).name; name "*" for all fields."""

cdef class Default(Node):
    """DEFAULT as a value in VALUES or SET."""

cdef class GroupingSets(Node):
    """In GROUP BY: kind "rollup", "cube", "sets" (sets of expressions) or "set" (one parenthesised)."""

cdef class Target(Node):
    """A result column: expression and, where written, its name."""

cdef class SortKey(Node):
    """One ORDER BY item; nulls_first None = the default of the direction."""

cdef class Window(Node):
    """A window: own name (WINDOW w AS ...), the name it builds on, partition, order, frame."""

cdef class Frame(Node):
    """mode "rows", "range" or "groups"; start and end are (kind, expression or None) with kind
    "unbounded preceding", "preceding", "current row", "following", "unbounded following";
    exclude is None, "current row", "group" or "ties"."""

cdef class Cte(Node):
    """name [(columns)] AS [NOT MATERIALIZED] (query or data-modifying statement)."""

cdef class With(Node):
    """WITH [RECURSIVE] ctes."""

cdef class Locking(Node):
    """FOR strength [OF tables] [wait]; strength "update", "no key update", "share", "key share";
    wait None, "nowait" or "skip locked"."""

cdef class TableRef(Node):
    """[ONLY] name [AS alias (columns)]."""

cdef class SubqueryRef(Node):
    """[LATERAL] (query) AS alias (columns)."""

cdef class FunctionRef(Node):
    """[LATERAL] f(..) or ROWS FROM (f(..), g(..)) [WITH ORDINALITY] AS alias (columns);
    column_types is parallel to column_aliases where a column definition list was given."""

cdef class Join(Node):
    """kind "inner", "left", "right", "full" or "cross"."""

cdef class Query(Node):
    """What may follow any query: WITH before it, ORDER BY, LIMIT, OFFSET, FOR UPDATE after it."""

cdef class Select(Query):
    """SELECT; distinct_on holds the expressions of DISTINCT ON."""

cdef class Values(Query):
    """VALUES rows (tuples of expressions)."""

cdef class SetOperation(Query):
    """op "union", "intersect" or "except"."""

cdef class Assignment(Node):
    """SET column = value, or SET (a, b) = row or query; columns are names, a column that is
    subscripted or a field is a (name, *indirection) tuple."""

cdef class OnConflict(Node):
    """ON CONFLICT [(keys) [WHERE keys_where] | ON CONSTRAINT constraint] DO UPDATE SET assignments
    [WHERE where]; assignments None for DO NOTHING.  Keys are expressions."""

cdef class Insert(Node):
    """INSERT; query None stands for DEFAULT VALUES; columns None for all."""

cdef class Update(Node):
    """UPDATE."""

cdef class Delete(Node):
    """DELETE."""
