# The syntax tree of expressions and queries.  Each class lists its fields in the order of printing;
# what they mean is in nodes.pyx.  `pos` is the 0-based character of the node's first token, -1 for
# a node that no text stands behind; it takes no part in equality.

cdef class Node:
    cdef public Py_ssize_t pos


# -- expressions

cdef class Literal(Node):
    cdef public object value
    cdef public str kind
cdef class ColumnRef(Node):
    cdef public tuple parts
cdef class Star(Node):
    cdef public tuple parts
cdef class Parameter(Node):
    cdef public int number
cdef class Unary(Node):
    cdef public str op
    cdef public Node arg
cdef class Binary(Node):
    cdef public str op
    cdef public Node left
    cdef public Node right
cdef class BoolOp(Node):
    cdef public str op
    cdef public tuple args
cdef class Not(Node):
    cdef public Node arg
cdef class Is(Node):
    cdef public Node arg
    cdef public str test
    cdef public bint negated
cdef class IsDistinct(Node):
    cdef public Node left
    cdef public Node right
    cdef public bint negated
cdef class Between(Node):
    cdef public Node arg
    cdef public Node low
    cdef public Node high
    cdef public bint negated
    cdef public bint symmetric
cdef class InList(Node):
    cdef public Node arg
    cdef public tuple items
    cdef public bint negated
cdef class Like(Node):
    cdef public Node arg
    cdef public Node pattern
    cdef public Node escape
    cdef public str kind
    cdef public bint negated
cdef class Quantified(Node):
    cdef public Node left
    cdef public str op
    cdef public str kind
    cdef public Node right
cdef class Exists(Node):
    cdef public Node query
cdef class ScalarQuery(Node):
    cdef public Node query
cdef class ArrayQuery(Node):
    cdef public Node query
cdef class FuncCall(Node):
    cdef public tuple name
    cdef public tuple args
    cdef public tuple arg_names
    cdef public bint star
    cdef public bint distinct
    cdef public bint variadic
    cdef public tuple order_by
    cdef public tuple within_group
    cdef public Node filter
    cdef public Node over
cdef class ValueFunction(Node):
    cdef public str name
    cdef public object precision
cdef class Case(Node):
    cdef public Node arg
    cdef public tuple whens
    cdef public Node default
cdef class TypeName(Node):
    cdef public tuple name
    cdef public tuple typmods
    cdef public int dims
    cdef public bint setof
    cdef public str fields
cdef class Cast(Node):
    cdef public Node arg
    cdef public TypeName type
cdef class Collate(Node):
    cdef public Node arg
    cdef public tuple name
cdef class Row(Node):
    cdef public tuple items
cdef class Array(Node):
    cdef public tuple items
cdef class Slice(Node):
    cdef public Node low
    cdef public Node high
cdef class Subscript(Node):
    cdef public Node arg
    cdef public tuple indices
cdef class FieldSelect(Node):
    cdef public Node arg
    cdef public str name
cdef class Default(Node):
    pass
cdef class GroupingSets(Node):
    cdef public str kind
    cdef public tuple sets

# -- parts of queries

cdef class Target(Node):
    cdef public Node expr
    cdef public str name
cdef class SortKey(Node):
    cdef public Node expr
    cdef public bint descending
    cdef public object nulls_first
cdef class Window(Node):
    cdef public str name
    cdef public str base
    cdef public tuple partition_by
    cdef public tuple order_by
    cdef public Node frame
cdef class Frame(Node):
    cdef public str mode
    cdef public tuple start
    cdef public tuple end
    cdef public str exclude
cdef class Cte(Node):
    cdef public str name
    cdef public tuple columns
    cdef public Node query
    cdef public object materialized
cdef class With(Node):
    cdef public tuple ctes
    cdef public bint recursive
cdef class Locking(Node):
    cdef public str strength
    cdef public tuple tables
    cdef public str wait
cdef class TableRef(Node):
    cdef public tuple name
    cdef public str alias
    cdef public tuple column_aliases
    cdef public bint only
cdef class SubqueryRef(Node):
    cdef public Node query
    cdef public str alias
    cdef public tuple column_aliases
    cdef public bint lateral
cdef class FunctionRef(Node):
    cdef public tuple calls
    cdef public str alias
    cdef public tuple column_aliases
    cdef public tuple column_types
    cdef public bint lateral
    cdef public bint ordinality
cdef class Join(Node):
    cdef public str kind
    cdef public Node left
    cdef public Node right
    cdef public Node on
    cdef public tuple using
    cdef public bint natural
    cdef public str alias

# -- queries

cdef class Query(Node):
    cdef public With with_
    cdef public tuple order_by
    cdef public Node limit
    cdef public Node offset
    cdef public bint with_ties
    cdef public tuple locking
cdef class Select(Query):
    cdef public tuple distinct_on
    cdef public bint distinct
    cdef public tuple targets
    cdef public TableRef into
    cdef public tuple from_
    cdef public Node where
    cdef public tuple group_by
    cdef public bint group_distinct
    cdef public Node having
    cdef public tuple windows
cdef class Values(Query):
    cdef public tuple rows
cdef class SetOperation(Query):
    cdef public str op
    cdef public bint all
    cdef public Query left
    cdef public Query right
cdef class Assignment(Node):
    cdef public tuple columns
    cdef public Node value
cdef class OnConflict(Node):
    cdef public tuple keys
    cdef public Node keys_where
    cdef public str constraint
    cdef public tuple assignments
    cdef public Node where
cdef class Insert(Node):
    cdef public With with_
    cdef public TableRef table
    cdef public tuple columns
    cdef public str overriding
    cdef public Query query
    cdef public OnConflict on_conflict
    cdef public tuple returning
cdef class Update(Node):
    cdef public With with_
    cdef public TableRef table
    cdef public tuple assignments
    cdef public tuple from_
    cdef public Node where
    cdef public str current_of
    cdef public tuple returning
cdef class Delete(Node):
    cdef public With with_
    cdef public TableRef table
    cdef public tuple using
    cdef public Node where
    cdef public str current_of
    cdef public tuple returning
