"""Typed expressions: what the binder makes of syntax, what rules rewrite, what executors compile.

Every expression has a `type` (query_planner.types.Type) and a `typmod`.  They are never changed once
they can be reached from two places; rewriting builds new ones (`substitute`, `with_children`).

Invariants
1. Arguments already have exactly the types their function takes (polymorphic ones: the types the
   call resolved to); every conversion is a Cast of its own.
2. Conditions are of type bool.
3. A Column's `id` is unique within one planned statement; two Column objects with one id are the same
   column.  Aggregates, window functions and set-returning functions appear only as items of the
   plan nodes that compute them; everybody else refers to their Column.

`nodes equal` means same class and equal fields (used to find GROUP BY expressions again).
"""

from query_planner.types import BOOL


cdef class Expr:
    """Base: construct with keywords, `Const(value=1, type=INT4)`; typmod is -1 when not given."""

    def __init__(self, **values):
        self.typmod = -1
        for name, value in values.items():
            setattr(self, name, value)

    def __eq__(self, other):
        return isinstance(other, Expr) and same(self, other)

    def __hash__(self):
        return hash(key_of(self))

    def __repr__(self):
        from query_planner.explain.expressions import render
        return render(self)


cdef class Const(Expr):
    """A value (types.py says how values look); None is NULL."""

cdef class Column(Expr):
    """A column of some plan node.  source is (relation oid, attribute number) of a table column or
    None; nullable False when no NULL can be in it."""

cdef class Param(Expr):
    """$number of the statement."""

cdef class Call(Expr):
    """A function or operator (functions.Function) applied to args.  A variadic call has its
    trailing arguments gathered into one Array."""

cdef class Cast(Expr):
    """arg converted to `type` and `typmod`; from the same type it only applies the typmod.
    explicit: written by the user (varchar(n) then cuts silently)."""

cdef class And(Expr):
    """Three-valued conjunction of two or more."""

cdef class Or(Expr):
    """Three-valued disjunction of two or more."""

cdef class Not(Expr):
    """Three-valued negation."""

cdef class IsNull(Expr):
    """arg IS [NOT] NULL; for a record argument: all fields null / no field null."""

cdef class IsBool(Expr):
    """arg IS [NOT] TRUE|FALSE|UNKNOWN: value True, False or None."""

cdef class IsDistinct(Expr):
    """left IS [NOT] DISTINCT FROM right; function is the equality."""

cdef class Case(Expr):
    """whens: ((condition, result), ...); default or NULL.  `CASE x WHEN 1` arrives as x = 1."""

cdef class Coalesce(Expr):
    """First argument that is not null."""

cdef class MinMax(Expr):
    """GREATEST or LEAST (kind "greatest" | "least"), nulls ignored."""

cdef class InList(Expr):
    """arg [NOT] IN (items), by the equality `function`; items have the type of its right side."""

cdef class AnyArray(Expr):
    """left function ANY|ALL (array); kind "any" | "all"."""

cdef class Array(Expr):
    """ARRAY[items]; items of array type make one more dimension."""

cdef class Row(Expr):
    """ROW(items); type is record or a composite."""

cdef class Subscript(Expr):
    """arg[indices]; with `slice`, indices holds (low, high) pairs flattened, None where absent."""

cdef class Field(Expr):
    """One field of a record: position and name."""

cdef class Subquery(Expr):
    """A subquery that stayed an expression.

    kind       "scalar" (NULL without row; error 21000 with two) | "exists" | "array" |
               "any" | "all" (left compared with each row by `functions`, 3-valued)
    negated    only for "exists" and "any": NOT EXISTS, NOT IN
    plan       before optimization the algebra tree, in a finished plan the physical node
    params     Columns of the enclosing query that the plan refers to; empty = run it once
    """

cdef class Aggregate(Expr):
    """An aggregate call: order_by holds physical.SortKey; direct, the direct arguments of an
    ordered-set aggregate (whose args are then the WITHIN GROUP expressions)."""

cdef class Grouping(Expr):
    """GROUPING(...): keys are positions of the Aggregate's keys."""

cdef class WindowCall(Expr):
    """A window function, or an aggregate used as one."""


cpdef tuple children(Expr e):
    """Direct sub-expressions, without those inside a Subquery's plan."""
    kind = type(e)
    if kind is Column or kind is Const or kind is Param:
        return ()
    if kind is Call:
        return (<Call> e).args
    if kind is Cast:
        return ((<Cast> e).arg,)
    if kind is And:
        return (<And> e).args
    if kind is Or:
        return (<Or> e).args
    if kind is Not:
        return ((<Not> e).arg,)
    if kind is IsNull:
        return ((<IsNull> e).arg,)
    if kind is IsBool:
        return ((<IsBool> e).arg,)
    if kind is IsDistinct:
        return ((<IsDistinct> e).left, (<IsDistinct> e).right)
    if kind is Case:
        flat = [part for when in (<Case> e).whens for part in when]
        if (<Case> e).default is not None:
            flat.append((<Case> e).default)
        return tuple(flat)
    if kind is Coalesce:
        return (<Coalesce> e).args
    if kind is MinMax:
        return (<MinMax> e).args
    if kind is InList:
        return ((<InList> e).arg, *(<InList> e).items)
    if kind is AnyArray:
        return ((<AnyArray> e).left, (<AnyArray> e).array)
    if kind is Array:
        return (<Array> e).items
    if kind is Row:
        return (<Row> e).items
    if kind is Subscript:
        return ((<Subscript> e).arg, *[i for i in (<Subscript> e).indices if i is not None])
    if kind is Field:
        return ((<Field> e).arg,)
    if kind is Subquery:
        return (<Subquery> e).left
    if kind is Aggregate:
        return ((<Aggregate> e).args + tuple([k.expr for k in (<Aggregate> e).order_by])
                + (() if (<Aggregate> e).filter is None else ((<Aggregate> e).filter,))
                + (<Aggregate> e).direct)
    if kind is WindowCall:
        return (<WindowCall> e).args + (
            () if (<WindowCall> e).filter is None else ((<WindowCall> e).filter,))
    return ()


cdef Expr _copy(Expr e, Expr fresh):
    fresh.type = e.type
    fresh.typmod = e.typmod
    return fresh


cpdef Expr with_children(Expr e, tuple new):
    """The same expression over other sub-expressions, given in the order of `children`."""
    cdef Call call
    cdef Cast cast
    cdef Case case
    cdef Subquery query
    cdef Aggregate agg
    cdef WindowCall window
    kind = type(e)
    if kind is Call:
        call = Call.__new__(Call)
        call.function = (<Call> e).function
        call.args = new
        return _copy(e, call)
    if kind is Cast:
        cast = Cast.__new__(Cast)
        cast.arg = new[0]
        cast.explicit = (<Cast> e).explicit
        return _copy(e, cast)
    if kind is And or kind is Or or kind is Coalesce:
        return kind(args=new, type=e.type, typmod=e.typmod)
    if kind is MinMax:
        return MinMax(args=new, kind=(<MinMax> e).kind, type=e.type, typmod=e.typmod)
    if kind is Not:
        return Not(arg=new[0], type=e.type)
    if kind is IsNull:
        return IsNull(arg=new[0], negated=(<IsNull> e).negated, type=e.type)
    if kind is IsBool:
        return IsBool(arg=new[0], value=(<IsBool> e).value, negated=(<IsBool> e).negated,
                      type=e.type)
    if kind is IsDistinct:
        return IsDistinct(left=new[0], right=new[1], function=(<IsDistinct> e).function,
                          negated=(<IsDistinct> e).negated, type=e.type)
    if kind is Case:
        case = Case.__new__(Case)
        count = len((<Case> e).whens)
        case.whens = tuple([(new[2 * i], new[2 * i + 1]) for i in range(count)])
        case.default = new[2 * count] if (<Case> e).default is not None else None
        return _copy(e, case)
    if kind is InList:
        return InList(arg=new[0], items=new[1:], function=(<InList> e).function,
                      negated=(<InList> e).negated, type=e.type)
    if kind is AnyArray:
        return AnyArray(left=new[0], array=new[1], function=(<AnyArray> e).function,
                        kind=(<AnyArray> e).kind, type=e.type)
    if kind is Array or kind is Row:
        return kind(items=new, type=e.type, typmod=e.typmod)
    if kind is Subscript:
        rest = iter(new[1:])
        return Subscript(arg=new[0], slice=(<Subscript> e).slice, type=e.type, typmod=e.typmod,
                         indices=tuple([None if i is None else next(rest)
                                        for i in (<Subscript> e).indices]))
    if kind is Field:
        return Field(arg=new[0], index=(<Field> e).index, name=(<Field> e).name, type=e.type,
                     typmod=e.typmod)
    if kind is Subquery:
        query = <Subquery> e
        return Subquery(kind=query.kind, left=new, functions=query.functions,
                        negated=query.negated, plan=query.plan, params=query.params, type=e.type,
                        typmod=e.typmod)
    if kind is Aggregate:
        from query_planner.physical import SortKey
        agg = <Aggregate> e
        n = len(agg.args)
        m = n + len(agg.order_by)
        f = m + (agg.filter is not None)
        return Aggregate(
            function=agg.function, args=new[:n], distinct=agg.distinct,
            order_by=tuple([SortKey(x, k.descending, k.nulls_first)
                            for x, k in zip(new[n:m], agg.order_by)]),
            filter=new[m] if agg.filter is not None else None, direct=new[f:],
            type=e.type, typmod=e.typmod)
    if kind is WindowCall:
        window = <WindowCall> e
        n = len(window.args)
        return WindowCall(function=window.function, args=new[:n],
                          filter=new[n] if window.filter is not None else None,
                          type=e.type, typmod=e.typmod)
    return e


cdef void _collect(Expr e, set found):
    kind = type(e)
    if kind is Column:
        found.add((<Column> e).id)
    elif kind is Const or kind is Param:
        return
    else:
        for child in children(e):
            _collect(<Expr> child, found)
        if kind is Subquery:
            for column in (<Subquery> e).params:
                found.add((<Column> column).id)


cpdef set columns_of(Expr e):
    """Ids of all columns an expression needs, those a correlated subquery needs included."""
    cdef set found = set()
    _collect(e, found)
    return found


cpdef Expr substitute(Expr e, dict mapping):
    """Replace columns by expressions: mapping is column id -> Expr.

    Parameters of a correlated subquery are replaced only by other columns; a mapping to anything
    else leaves the subquery's plan wrong, so callers ask `substitutable` first.
    """
    kind = type(e)
    if kind is Column:
        return mapping.get((<Column> e).id, e)
    if kind is Const or kind is Param:
        return e
    cdef tuple old = children(e)
    cdef list new = []
    cdef bint changed = False
    for child in old:
        fresh = substitute(<Expr> child, mapping)
        changed = changed or fresh is not child
        new.append(fresh)
    cdef Expr result = with_children(e, tuple(new)) if changed else e
    if kind is Subquery and (<Subquery> e).params:
        swap = {}
        for column in (<Subquery> e).params:
            target = mapping.get((<Column> column).id)
            if target is not None and (<Column> column).id != (<Column> target).id:
                swap[(<Column> column).id] = target
        if swap:
            from query_planner.algebra import rename
            query = <Subquery> result
            result = Subquery(
                kind=query.kind, left=query.left, functions=query.functions,
                negated=query.negated, plan=rename(query.plan, swap), type=e.type, typmod=e.typmod,
                params=tuple([swap.get(c.id, c) for c in query.params]))
    return result


cpdef bint substitutable(Expr e, dict mapping):
    """Whether `substitute` can do it: correlated subqueries see only columns."""
    kind = type(e)
    if kind is Subquery:
        for column in (<Subquery> e).params:
            if not isinstance(mapping.get((<Column> column).id, column), Column):
                return False
    for child in children(e):
        if not substitutable(<Expr> child, mapping):
            return False
    return True


cpdef object key_of(Expr e):
    """A hashable value that is equal for equal expressions."""
    kind = type(e)
    if kind is Column:
        return (<Column> e).id
    if kind is Const:
        value = (<Const> e).value
        try:
            hash(value)
        except TypeError:
            value = repr(value)
        return ("const", e.type.oid, e.typmod, type(value).__name__, value)
    if kind is Param:
        return ("param", (<Param> e).number)
    if kind is Call:
        function = (<Call> e).function
        return (function.key, *[key_of(<Expr> x) for x in (<Call> e).args])
    if kind is Subquery:
        return ("subquery", id((<Subquery> e).plan), (<Subquery> e).negated)
    cdef list parts = [kind.__name__, e.type.oid, e.typmod]
    for name in ("negated", "value", "kind", "index", "distinct", "keys", "slice"):
        extra = getattr(e, name, None)
        if extra is not None:
            parts.append((name, extra))
    function = getattr(e, "function", None)
    if function is not None:
        parts.append(function.key)
    if kind is Aggregate:
        parts.extend([(k.descending, k.nulls_first) for k in (<Aggregate> e).order_by])
        parts.append((<Aggregate> e).filter is not None)
    parts.extend([key_of(<Expr> x) for x in children(e)])
    return tuple(parts)


cpdef bint same(Expr a, Expr b):
    """Structural equality."""
    if a is b:
        return True
    if type(a) is not type(b) or a.type is not b.type:
        return False
    if type(a) is Column:
        return (<Column> a).id == (<Column> b).id
    return key_of(a) == key_of(b)


cpdef list conjuncts(Expr e):
    """The parts of a condition that all must hold; a constant TRUE has none."""
    cdef list parts = []
    if type(e) is And:
        for arg in (<And> e).args:
            parts.extend(conjuncts(<Expr> arg))
    elif not (type(e) is Const and (<Const> e).value is True):
        parts.append(e)
    return parts


cpdef Expr conjunction(parts):
    """One condition out of many (TRUE out of none)."""
    parts = tuple(parts)
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return Const(value=True, type=BOOL)
    return And(args=parts, type=BOOL)


cpdef bint is_volatile(Expr e):
    """Whether an expression calls a volatile function."""
    kind = type(e)
    if kind is Column or kind is Const or kind is Param:
        return False
    if kind is Call and (<Call> e).function.volatility == "v":
        return True
    for child in children(e):
        if is_volatile(<Expr> child):
            return True
    return False


cpdef bint holds_subquery(Expr e):
    """Whether a Subquery is or stands within an expression."""
    kind = type(e)
    if kind is Subquery:
        return True
    if kind is Column or kind is Const or kind is Param:
        return False
    for child in children(e):
        if holds_subquery(<Expr> child):
            return True
    return False
