# Typed expressions: what the binder makes of syntax, what rules rewrite, what executors compile.
# Meanings and invariants are in expr.pyx.

cdef class Expr:
    cdef public object type
    cdef public int typmod

cdef class Const(Expr):
    cdef public object value
cdef class Column(Expr):
    cdef public int id
    cdef public str name
    cdef public bint nullable
    cdef public object source
cdef class Param(Expr):
    cdef public int number
cdef class Call(Expr):
    cdef public object function
    cdef public tuple args
cdef class Cast(Expr):
    cdef public Expr arg
    cdef public bint explicit
cdef class And(Expr):
    cdef public tuple args
cdef class Or(Expr):
    cdef public tuple args
cdef class Not(Expr):
    cdef public Expr arg
cdef class IsNull(Expr):
    cdef public Expr arg
    cdef public bint negated
cdef class IsBool(Expr):
    cdef public Expr arg
    cdef public object value
    cdef public bint negated
cdef class IsDistinct(Expr):
    cdef public Expr left
    cdef public Expr right
    cdef public object function
    cdef public bint negated
cdef class Case(Expr):
    cdef public tuple whens
    cdef public Expr default
cdef class Coalesce(Expr):
    cdef public tuple args
cdef class MinMax(Expr):
    cdef public str kind
    cdef public tuple args
cdef class InList(Expr):
    cdef public Expr arg
    cdef public tuple items
    cdef public object function
    cdef public bint negated
cdef class AnyArray(Expr):
    cdef public Expr left
    cdef public Expr array
    cdef public object function
    cdef public str kind
cdef class Array(Expr):
    cdef public tuple items
cdef class Row(Expr):
    cdef public tuple items
cdef class Subscript(Expr):
    cdef public Expr arg
    cdef public tuple indices
    cdef public bint slice
cdef class Field(Expr):
    cdef public Expr arg
    cdef public int index
    cdef public str name
cdef class Subquery(Expr):
    cdef public str kind
    cdef public tuple left
    cdef public tuple functions
    cdef public bint negated
    cdef public object plan
    cdef public tuple params
cdef class Aggregate(Expr):
    cdef public object function
    cdef public tuple args
    cdef public bint distinct
    cdef public tuple order_by
    cdef public Expr filter
    cdef public tuple direct
cdef class Grouping(Expr):
    cdef public tuple keys
cdef class WindowCall(Expr):
    cdef public object function
    cdef public tuple args
    cdef public Expr filter
cpdef tuple children(Expr e)
cpdef Expr with_children(Expr e, tuple new)
cpdef set columns_of(Expr e)
cpdef Expr substitute(Expr e, dict mapping)
cpdef bint substitutable(Expr e, dict mapping)
cpdef object key_of(Expr e)
cpdef bint same(Expr a, Expr b)
cpdef list conjuncts(Expr e)
cpdef Expr conjunction(parts)
cpdef bint is_volatile(Expr e)
cpdef bint holds_subquery(Expr e)
