"""Calls: functions, aggregates, window functions, set-returning functions, and the spelled ones.

An aggregate, window function or set-returning function is not computed where it stands: it is put
into the `Level` of its query, and the call becomes a reference to the Column that will hold it.
"""

from query_planner.ast cimport nodes as n
from query_planner.binder.conversions cimport constant
from query_planner.binder.scope cimport Scope
from query_planner.expr cimport (
    Aggregate, Array, Call, Case, Coalesce, Column, Expr, MinMax, WindowCall, key_of,
)

from query_planner.binder.conversions import Conversions, error
from query_planner.functions import Function, concrete, lookup, own_operator, resolve
from query_planner.physical import SortKey
from query_planner.types import (
    ANY, EXPLICIT, INT4, INT8, INTERVAL, SYNONYMS, TEXT, TYPES, UNKNOWN, title,
)

cdef object _UNKNOWN = UNKNOWN

_DEFAULT_FRAME = ("range", "unbounded preceding", None, "current row", None, None)

# Functions written without parentheses: the function they call, and a cast of its result.
_VALUE_FUNCTIONS = {
    "current_date": ("now", "date"), "current_timestamp": ("now", "timestamptz"),
    "current_time": ("now", "timetz"), "localtimestamp": ("now", "timestamp"),
    "localtime": ("now", "time"), "current_user": ("current_user", None),
    "current_role": ("current_user", None), "user": ("current_user", None),
    "session_user": ("session_user", None), "current_catalog": ("current_database", None),
    "current_schema": ("current_schema", None),
}


cdef class Level:
    """What one query level collects while its expressions are bound.

    clause      the clause being bound, for error messages
    no_calls    why aggregates are refused right now, or None
    """

    cdef public str clause
    cdef public object no_aggregates
    cdef public object no_windows
    cdef public object no_sets
    cdef public dict aggregates
    cdef public list windows
    cdef public list sets
    cdef public dict named
    cdef public bint inside
    cdef public list grouping

    def __init__(self):
        self.aggregates = {}
        self.windows = []
        self.sets = []
        self.named = {}
        self.grouping = []


cdef tuple _sort_key_of(key):
    return (key_of(<Expr> key.expr), key.descending, key.nulls_first)


class CallBinder(Conversions):
    """Binds calls; the expression binder inherits from it."""

    def column(self, str name, type_, int typmod=-1, source=None, bint nullable=True):
        """A new Column."""
        cdef Column column = Column.__new__(Column)
        column.id = next(self.numbering)
        column.name = name
        column.type = type_
        column.typmod = typmod
        column.source = source
        column.nullable = nullable
        return column

    def candidates(self, n.FuncCall node, name, schema):
        """All functions of that name."""
        found = ()
        if schema is None or schema == "pg_catalog":
            found = lookup(name)
        more = self.catalog.functions(schema, name)
        return tuple(found) + tuple(more) if more else found

    def function_call(self, n.FuncCall node, Scope scope):
        """Any call that is written with parentheses."""
        cdef tuple path = node.name
        cdef Py_ssize_t count = len(path)
        cdef str name = path[count - 1]
        cdef list args
        schema = path[count - 2] if count > 1 else None
        if count == 1:
            special = _SPECIAL.get(name)
            if special is not None:
                return special(self, node, scope)
        candidates = self.candidates(node, name, schema)
        kinds = {f.kind for f in candidates}
        if node.over is None and ("a" in kinds or "s" in kinds):
            if "s" in kinds and (node.within_group is not None or kinds == {"s"}):
                return self.ordered_set(node, scope, candidates)
            if "a" in kinds:
                return self.aggregate(node, scope, candidates)
        if node.over is not None:
            return self.window_call(node, scope, candidates)
        args = [self.bind(arg, scope) for arg in node.args]
        if node.star:
            raise error("42809", f"{name}(*) specified, but {name} is not an aggregate function",
                        node.pos)
        if node.distinct or node.order_by or node.filter is not None:
            what = "DISTINCT" if node.distinct else "FILTER" if node.filter is not None \
                else "ORDER BY"
            raise error("42809", f"{what} specified, but {name} is not an aggregate function",
                        node.pos)
        if node.arg_names:
            args = self.arrange(node, args, candidates)
        return self.call(node, name, args, candidates)

    def arrange(self, n.FuncCall node, list args, candidates):
        """Named arguments put into their declared places; gaps get neutral values."""
        names = next((f.arg_names for f in candidates if f.arg_names), ())
        placed = []
        found = {}
        for arg, arg_name in zip(args, node.arg_names):
            if arg_name is None:
                placed.append(arg)
            elif arg_name not in names:
                raise error("42883", f"function {'.'.join(node.name)} has no argument named "
                            f'"{arg_name}"', node.pos)
            else:
                found[names.index(arg_name)] = arg
        if found:
            while len(placed) <= max(found):
                place = len(placed)
                placed.append(found.get(place) or constant(0, INT4))
        return placed

    def call(self, n.FuncCall node, str name, list args, candidates):
        """A plain or set-returning function applied to bound arguments."""
        cdef Call call
        cdef Column column
        cdef tuple types
        given = tuple([(<Expr> arg).type for arg in args])
        function = self.choose(node, name, args, given, candidates)
        if type(function) is not Function:
            return function
        if function.kind == "w":
            raise error("42809", f"window function {name} requires an OVER clause", node.pos)
        if node.variadic:
            settled = self.variadic_types(function, given)
        else:
            settled = concrete(function, given)
        if settled is None:
            raise error("42P18", "could not determine polymorphic type because input has type "
                        "unknown", node.pos)
        types, result = settled
        done = [arg if (<Expr> arg).type is want else self.need(arg, want, -1, node.pos)
                for arg, want in zip(args, types)]
        if function.variadic is not None and not node.variadic and function.variadic is not ANY:
            fixed = len(function.args)
            element = types[fixed]
            done = [*done[:fixed], Array(items=tuple(done[fixed:]), type=element.array)]
        call = Call.__new__(Call)
        call.function = function
        call.args = tuple(done)
        call.type = result
        call.typmod = -1
        if not function.returns_set or self.level is None:
            return call
        if self.level.no_sets is not None:
            if self.level.no_sets == "from":
                return call
            raise error("0A000", "set-returning functions are not allowed in "
                        f"{self.level.no_sets}", node.pos)
        column = self.column(name, result)
        self.level.sets.append((call, column))
        return column

    def variadic_types(self, function, given):
        """Types of a call whose last argument, marked VARIADIC, is the array itself."""
        last = given[len(given) - 1]
        if function.variadic is None:
            return concrete(function, given)
        array = last if function.variadic is ANY else function.variadic.array or last
        return tuple(function.args) + (array,), function.result

    def choose(self, n.FuncCall node, str name, list args, tuple given, candidates):
        """The function a call means, or a bound conversion when the name is a type's."""
        if node.variadic:
            for function in candidates:
                if function.variadic is not None and len(function.args) + 1 == len(args):
                    return function
        function = resolve(candidates, given)
        if type(function) is Function:
            return function
        if function is None and len(args) == 1 and len(node.name) == 1:
            type_ = TYPES.get(SYNONYMS.get(name, name))
            if type_ is not None and type_.kind != "p":
                found = self.coerce(args[0], type_, -1, EXPLICIT, node.pos)
                if found is not None:
                    return found
        if function is None and len(args) == 1 and len(node.name) == 1:
            fields = self.record_fields(args[0])
            if fields is not None:
                from query_planner.expr import Field
                for place, (field, type_, typmod) in enumerate(fields):
                    if field == name:
                        return Field(arg=args[0], index=place, name=field, type=type_,
                                     typmod=typmod)
        shown = ", ".join([title(t) for t in given])
        label = ".".join(node.name)
        if function == "ambiguous":
            raise error("42725", f"function {label}({shown}) is not unique", node.pos, None,
                        "Could not choose a best candidate function. "
                        "You might need to add explicit type casts.")
        raise error("42883", f"function {label}({shown}) does not exist", node.pos, None,
                    "No function matches the given name and argument types. "
                    "You might need to add explicit type casts.")

    def call_named(self, str name, list args, pos):
        """A call of a built-in function that the grammar asked for."""
        node = n.FuncCall(name=(name,), args=(), pos=pos)
        return self.call(node, name, args, lookup(name))

    def value_function(self, n.ValueFunction node, Scope scope):
        """current_date and kin."""
        name, target = _VALUE_FUNCTIONS[node.name]
        found = self.call_named(name, [], node.pos)
        if target is None:
            return found
        typmod = -1 if node.precision is None else min(node.precision, 6)
        return self.need(found, TYPES[target], typmod, node.pos, EXPLICIT)

    # ------------------------------------------------------------------ spelled functions

    def _coalesce(self, n.FuncCall node, Scope scope):
        parts = [self.bind(arg, scope) for arg in node.args]
        done, type_, typmod = self.unify(parts, "COALESCE", node.pos)
        return Coalesce(args=tuple(done), type=type_, typmod=typmod)

    def _min_max(self, n.FuncCall node, Scope scope):
        kind = node.name[0]
        parts = [self.bind(arg, scope) for arg in node.args]
        done, type_, typmod = self.unify(parts, kind.upper(), node.pos)
        return MinMax(kind=kind, args=tuple(done), type=type_, typmod=typmod)

    def _nullif(self, n.FuncCall node, Scope scope):
        if len(node.args) != 2:
            raise error("42601", "NULLIF requires two arguments", node.pos)
        left = self.bind(node.args[0], scope)
        right = self.bind(node.args[1], scope)
        test = self.operate("=", left, right, node.pos)
        if left.type is _UNKNOWN:
            left = test.args[0]
        return Case(whens=((test, constant(None, left.type)),), default=left, type=left.type,
                    typmod=left.typmod)

    def _grouping(self, n.FuncCall node, Scope scope):
        if self.level is None or self.level.no_aggregates is not None:
            raise error("42803", "grouping operations are not allowed here", node.pos)
        args = [self.bind(arg, scope) for arg in node.args]
        column = self.column("grouping", INT4)
        self.level.grouping.append((args, column, node.pos))
        return column

    # ------------------------------------------------------------------ aggregates

    def _enter_aggregate(self, n.FuncCall node):
        level = self.level
        if level is None:
            raise error("42803", "aggregate functions are not allowed here", node.pos)
        if level.no_aggregates is not None:
            raise error("42803", f"aggregate functions are not allowed in {level.no_aggregates}",
                        node.pos)
        if level.inside:
            raise error("42803", "aggregate function calls cannot be nested", node.pos)
        level.inside = True
        return level

    def aggregate(self, n.FuncCall node, Scope scope, candidates):
        """An aggregate of the current query level: a reference to its Column."""
        cdef Aggregate found
        level = self._enter_aggregate(node)
        found = self.aggregate_call(node, scope, candidates)
        level.inside = False
        return self.collect(level, found)

    def collect(self, level, Aggregate found):
        """The Column of an aggregate, shared by equal ones."""
        key = key_of(found), found.filter is not None and key_of(found.filter)
        known = level.aggregates.get(key)
        if known is None:
            column = self.column(found.function.name, found.type, found.typmod)
            level.aggregates[key] = known = (found, column)
        return known[1]

    def aggregate_call(self, n.FuncCall node, Scope scope, candidates):
        """The Aggregate itself."""
        cdef str name = node.name[len(node.name) - 1]
        args = [self.bind(arg, scope) for arg in node.args]
        given = tuple([(<Expr> arg).type for arg in args])
        if not args and not node.star and name == "count":
            raise error("42809", "count(*) must be used to call a parameterless aggregate function",
                        node.pos)
        function = self.choose(node, name, args, given, [f for f in candidates if f.kind == "a"])
        if type(function) is not Function:
            raise error("42883", f"function {name} does not exist", node.pos)
        types, result = concrete(function, given)
        typmod = -1
        done = [self.need(arg, want, -1, node.pos) for arg, want in zip(args, types)]
        if name in ("min", "max") and given[0] is not types[0] and given[0].name == "varchar":
            result = TEXT
        keys = self.sort_keys(node.order_by or (), scope)
        if node.distinct and keys:
            inputs = [key_of(x) for x in done]
            if any(key_of(k.expr) not in inputs for k in keys):
                raise error("42P10", "in an aggregate with DISTINCT, ORDER BY expressions must "
                            "appear in argument list", node.pos)
        return Aggregate(
            function=function, args=tuple(done), distinct=node.distinct, order_by=keys,
            filter=self.filter_clause(node, scope), direct=(), type=result, typmod=typmod)

    def filter_clause(self, n.FuncCall node, Scope scope):
        """FILTER (WHERE ...), or None."""
        if node.filter is None:
            return None
        return self.condition(node.filter, scope, "FILTER")

    def sort_keys(self, keys, Scope scope):
        """ORDER BY inside a call or window."""
        return tuple([self.sort_key(key, self.value(key.expr, scope)) for key in keys])

    def sort_key(self, n.SortKey node, Expr e):
        """One key; checks that its type has an order."""
        if own_operator("<", e.type) is None:
            raise error("42883", "could not identify an ordering operator for type "
                        f"{title(e.type)}", node.pos, None,
                        "Use an explicit ordering operator or modify the query.")
        nulls = node.descending if node.nulls_first is None else node.nulls_first
        return SortKey(e, node.descending, nulls)

    def ordered_set(self, n.FuncCall node, Scope scope, candidates):
        """percentile_cont(0.5) WITHIN GROUP (ORDER BY x) and kin."""
        cdef str name = node.name[len(node.name) - 1]
        if node.within_group is None:
            raise error("42809", f"WITHIN GROUP is required for ordered-set aggregate {name}",
                        node.pos)
        level = self._enter_aggregate(node)
        direct = [self.bind(arg, scope) for arg in node.args]
        keys = self.sort_keys(node.within_group, scope)
        level.inside = False
        given = tuple([(<Expr> x).type for x in direct] + [k.expr.type for k in keys])
        plain = [f for f in candidates if f.kind == "s"]
        function = next((f for f in plain if f.variadic is ANY), None) or resolve(plain, given)
        if type(function) is not Function:
            self.choose(node, name, direct, given, ())
        types, result = concrete(function, given)
        done = [self.need(x, t, -1, node.pos) for x, t in zip(direct, types)]
        rest = types[len(direct):]
        keys = tuple([SortKey(self.need(k.expr, t, -1, node.pos), k.descending, k.nulls_first)
                      for k, t in zip(keys, rest)])
        return self.collect(level, Aggregate(
            function=function, args=tuple([k.expr for k in keys]), distinct=False, order_by=keys,
            filter=self.filter_clause(node, scope), direct=tuple(done), type=result))

    # ------------------------------------------------------------------ windows

    def window_call(self, n.FuncCall node, Scope scope, candidates):
        """f(..) OVER ..: a reference to its Column."""
        cdef str name = node.name[len(node.name) - 1]
        level = self.level
        if level is None or level.no_windows is not None:
            where = level.no_windows if level is not None else "this place"
            raise error("42P20", f"window functions are not allowed in {where}", node.pos)
        before = level.no_windows
        level.no_windows = "window definitions"
        fitting = [f for f in candidates if f.kind in "wa"]
        if not fitting:
            raise error("42883" if not candidates else "42809",
                        f"OVER specified, but {name} is not a window function nor an aggregate "
                        "function", node.pos)
        if node.distinct:
            raise error("0A000", "DISTINCT is not implemented for window functions", node.pos)
        if node.order_by:
            raise error("0A000", "aggregate ORDER BY is not implemented for window functions",
                        node.pos)
        args = [self.bind(arg, scope) for arg in node.args]
        given = tuple([(<Expr> arg).type for arg in args])
        function = self.choose(node, name, args, given, fitting)
        if type(function) is not Function:
            raise error("42883", f"function {name} does not exist", node.pos)
        types, result = concrete(function, given)
        done = tuple([self.need(arg, want, -1, node.pos) for arg, want in zip(args, types)])
        call = WindowCall(function=function, args=done, filter=self.filter_clause(node, scope),
                          type=result)
        spec = self.window(node.over, scope)
        level.no_windows = before
        column = self.column(name, result)
        level.windows.append((call, column, spec))
        return column

    def window(self, n.Window node, Scope scope):
        """(partition, order, frame) of a window definition or name."""
        partition = tuple([self.value(e, scope) for e in node.partition_by or ()])
        order = self.sort_keys(node.order_by or (), scope)
        frame = None if node.frame is None else self.frame(node.frame, order, scope)
        if node.base is not None:
            base = self.level.named.get(node.base)
            if base is None:
                raise error("42704", f'window "{node.base}" does not exist', node.pos)
            if partition:
                raise error("42P20", f'cannot override PARTITION BY clause of window "{node.base}"',
                            node.pos)
            inner = self.window(base, scope)
            if order and inner[1]:
                raise error("42P20", f'cannot override ORDER BY clause of window "{node.base}"',
                            node.pos)
            partition = inner[0]
            order = order or inner[1]
            if frame is None:
                frame = inner[2]
        return partition, order, frame or _DEFAULT_FRAME

    def frame(self, n.Frame node, order, Scope scope):
        """The bound form of a frame clause."""
        bounds = []
        for kind, offset in (node.start, node.end):
            e = None
            if offset is not None:
                e = self.bind(offset, scope)
                if node.mode == "range":
                    if len(order) != 1:
                        raise error("42P20", "RANGE with offset PRECEDING/FOLLOWING requires "
                                    "exactly one ORDER BY column", node.pos)
                    want = order[0].expr.type
                    if want.category == "D":
                        want = INTERVAL
                    e = self.need(e, want, -1, node.pos, "a")
                else:
                    e = self.need(e, INT8, -1, node.pos, "a")
            bounds.extend([kind, e])
        return (node.mode, *bounds, node.exclude)


cdef dict _SPECIAL = {
    "coalesce": CallBinder._coalesce,
    "greatest": CallBinder._min_max,
    "least": CallBinder._min_max,
    "nullif": CallBinder._nullif,
    "grouping": CallBinder._grouping,
}
