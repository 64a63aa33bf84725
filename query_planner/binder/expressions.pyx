"""Syntax of expressions to typed expressions.

`ExpressionBinder.bind(node, scope)` dispatches on the node's class.  What a query level collects on
the way (aggregates, window functions, set-returning functions) goes to `self.level`; see queries.pyx.
Chains of one operator may be long, so depth is counted and refused with 54001 beyond MAX_DEPTH.
"""

from decimal import Decimal

from query_planner.ast cimport nodes as n
from query_planner.binder.conversions cimport constant
from query_planner.binder.scope cimport Item, Scope
from query_planner.expr cimport (
    And, AnyArray, Array, Call, Case, Cast, Column, Const, Expr, Field, InList, IsBool,
    IsDistinct, IsNull, Not, Or, Param, Row, Subquery, Subscript,
)

from query_planner.algebra import free_columns
from query_planner.binder.calls import CallBinder
from query_planner.binder.conversions import error
from query_planner.functions import Function, concrete, equality, operators, prefix_operators, resolve
from query_planner.types import (
    BOOL, EXPLICIT, INT4, INT8, JSONB, NUMERIC, RECORD, TEXT, TYPES, UNKNOWN, base_type,
    title,
)

cdef int _MAX_DEPTH = 1700

cdef object _BOOL = BOOL, _INT4 = INT4, _INT8 = INT8, _TEXT = TEXT, _UNKNOWN = UNKNOWN
cdef object _NUMERIC = NUMERIC, _RECORD = RECORD

# (operator, left oid, right oid) -> (Function, argument types, result type); built-ins only.
cdef dict _resolved = {}


cdef bint _is_unknown(Expr e):
    return e.type is _UNKNOWN


class ExpressionBinder(CallBinder):
    """Binds expressions; the query binder inherits from it."""

    def bind(self, n.Node node, Scope scope):
        """The typed form of a syntax expression."""
        handler = _HANDLERS.get(type(node))
        if handler is None:
            raise error("42601", f"syntax error: {type(node).__name__} is not allowed here",
                        node.pos)
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise error("54001", "stack depth limit exceeded", node.pos)
        found = handler(self, node, scope)
        self.depth -= 1
        return found

    def value(self, n.Node node, Scope scope):
        """A bound expression whose type is settled."""
        return self.settle(self.bind(node, scope))

    def condition(self, n.Node node, Scope scope, str clause):
        """A bound condition."""
        return self.boolean(self.bind(node, scope), clause, node.pos)

    # ------------------------------------------------------------------ leaves

    def _literal(self, n.Literal node, Scope scope):
        cdef str kind = node.kind
        if kind == "integer":
            value = node.value
            if -0x80000000 <= value <= 0x7FFFFFFF:
                return constant(value, _INT4)
            if -0x8000000000000000 <= value <= 0x7FFFFFFFFFFFFFFF:
                return constant(value, _INT8)
            return constant(Decimal(value), _NUMERIC)
        if kind == "string":
            return constant(node.value, _UNKNOWN)
        if kind == "numeric":
            return constant(Decimal(node.value), _NUMERIC)
        if kind == "null":
            return constant(None, _UNKNOWN)
        if kind == "boolean":
            return constant(node.value, _BOOL)
        return constant(node.value, TYPES["bit"])

    def _column(self, n.ColumnRef node, Scope scope):
        cdef tuple parts = node.parts
        cdef Py_ssize_t count = len(parts)
        cdef Item item
        cdef str name = parts[count - 1]
        if count == 1:
            found = scope.find(name, node.pos)
            if found is None:
                item = scope.table(name, None)
                if item is not None:
                    return self.whole_row(item)
                raise error("42703", f'column "{name}" does not exist', node.pos)
        else:
            table = <str> parts[count - 2]
            item = scope.table(table, <str> parts[count - 3] if count > 2 else None)
            if item is None:
                raise self.missing_table(table, scope, node.pos)
            place = item.places.get(name)
            if place is None:
                found = item.system_column(name)
                if found is None:
                    raise error("42703", f"column {table}.{name} does not exist", node.pos)
            elif place < 0:
                raise error("42702", f'column reference "{name}" is ambiguous', node.pos)
            else:
                found = item.column(place)
        if type(found) is Column and node.pos >= 0:
            self.positions[(<Column> found).id] = node.pos
        return found

    def missing_table(self, name, scope, pos):
        """The error for a qualifier that is nobody's name."""
        for item in scope.items:
            if item.relation is not None and item.relation.name == name:
                return error("42P01", f'invalid reference to FROM-clause entry for table "{name}"',
                             pos, None, "Perhaps you meant to reference the table alias "
                             f'"{item.name}".')
        return error("42P01", f'missing FROM-clause entry for table "{name}"', pos)

    def whole_row(self, Item item):
        """All columns of an item as one record; a scalar function's item is its value."""
        columns = [item.column(place) for place in range(len(item.names))]
        if item.get is None and len(columns) == 1 and item.relation is None:
            return columns[0]
        type_ = None
        if item.relation is not None:
            type_ = self.catalog.type(item.relation.schema, item.relation.name)
        return Row(items=tuple(columns), type=type_ or _RECORD)

    def _parameter(self, n.Parameter node, Scope scope):
        cdef int number = node.number
        while len(self.params) < number:
            if not self.open_parameters:
                raise error("42P02", f"there is no parameter ${number}", node.pos)
            self.params.append(None)
        return self.parameter(number)

    def _default(self, n.Default node, Scope scope):
        raise error("42601", "DEFAULT is not allowed in this context", node.pos)

    # ------------------------------------------------------------------ operators

    def operate(self, str op, Expr left, Expr right, Py_ssize_t pos):
        """left op right."""
        cdef Call call
        cdef object given_left = left.type, given_right = right.type
        cdef tuple key, types
        key = (op, given_left.oid, given_right.oid)
        known = _resolved.get(key)
        if known is None:
            if type(left) is Row and type(right) is Row and op in _ROW_OPERATORS:
                return self.compare_rows(op, left, right, pos)
            function = resolve(operators(op), (given_left, given_right))
            if type(function) is not Function:
                raise self.no_operator(op, given_left, given_right, function, pos)
            settled = concrete(function, (given_left, given_right))
            if settled is None:
                raise self.no_operator(op, given_left, given_right, None, pos)
            known = (function, settled[0], settled[1])
            if given_left.oid < 16384 and given_right.oid < 16384:
                _resolved[key] = known
        elif type(left) is Row and type(right) is Row and op in _ROW_OPERATORS:
            return self.compare_rows(op, left, right, pos)
        function, types, result = known
        if given_left is not types[0]:
            left = self.need(left, types[0], -1, pos)
        if given_right is not types[1]:
            right = self.need(right, types[1], -1, pos)
        call = Call.__new__(Call)
        call.function = function
        call.args = (left, right)
        call.type = result
        call.typmod = -1
        return call

    def no_operator(self, op, left, right, why, pos):
        """The error for an operator that does not fit its arguments."""
        shown = f"{title(left)} {op} {title(right)}" if left is not None else f"{op} {title(right)}"
        if why == "ambiguous":
            return error("42725", f"operator is not unique: {shown}", pos, None,
                         "Could not choose a best candidate operator. "
                         "You might need to add explicit type casts.")
        return error("42883", f"operator does not exist: {shown}", pos, None,
                     "No operator matches the given name and argument types. "
                     "You might need to add explicit type casts.")

    def _binary(self, n.Binary node, Scope scope):
        return self.operate(node.op, self.bind(node.left, scope), self.bind(node.right, scope),
                            node.pos)

    def _unary(self, n.Unary node, Scope scope):
        cdef Expr arg = self.bind(node.arg, scope)
        if type(arg) is Const and (<Const> arg).value is not None and node.op == "-" and (
                arg.type is _INT4 or arg.type is _INT8 or arg.type is _NUMERIC):
            if (<Const> arg).value != 0 or arg.type is not _NUMERIC:
                if arg.type is not _INT4 or (<Const> arg).value != -0x80000000:
                    return constant(-(<Const> arg).value, arg.type)
        function = resolve(prefix_operators(node.op), (arg.type,))
        if type(function) is not Function:
            raise self.no_operator(node.op, None, arg.type, function, node.pos)
        arg = self.need(arg, function.args[0], -1, node.pos)
        if node.op == "+":
            return arg
        return Call(function=function, args=(arg,), type=function.result)

    def compare_rows(self, str op, Row left, Row right, Py_ssize_t pos):
        """(a, b) op (c, d), column by column."""
        if len(left.items) != len(right.items):
            raise error("42601", "unequal number of entries in row expressions", pos)
        if not left.items:
            raise error("0A000", "cannot compare rows of zero length", pos)
        pairs = list(zip(left.items, right.items))
        if op == "=" or op == "<>":
            parts = tuple([self.operate(op, a, b, pos) for a, b in pairs])
            if len(parts) == 1:
                return parts[0]
            return (And if op == "=" else Or)(args=parts, type=_BOOL)
        # a < c OR (a = c AND (b < d ...)): the strict operator on all but the last pair.
        a, b = pairs[len(pairs) - 1]
        found = self.operate(op, a, b, pos)
        for a, b in reversed(pairs[:len(pairs) - 1]):
            found = Or(type=_BOOL, args=(
                self.operate(op[0], a, b, pos),
                And(type=_BOOL, args=(self.operate("=", a, b, pos), found))))
        return found

    def _bool_op(self, n.BoolOp node, Scope scope):
        cdef str clause = "AND" if node.op == "and" else "OR"
        cdef list parts = []
        cdef Expr part
        cdef Expr found
        kind = And if node.op == "and" else Or
        for arg in node.args:
            part = self.condition(<n.Node> arg, scope, clause)
            if type(part) is kind:
                parts.extend((<And> part).args if kind is And else (<Or> part).args)
            else:
                parts.append(part)
        if kind is And:
            found = And.__new__(And)
            (<And> found).args = tuple(parts)
        else:
            found = Or.__new__(Or)
            (<Or> found).args = tuple(parts)
        found.type = _BOOL
        found.typmod = -1
        return found

    def _not(self, n.Not node, Scope scope):
        return self.negate(self.condition(node.arg, scope, "NOT"))

    def negate(self, Expr e):
        """NOT e, pushed into tests that have a negated form."""
        cdef Subquery query
        if type(e) is Not:
            return (<Not> e).arg
        if type(e) is IsNull:
            if (<IsNull> e).arg.type is not _RECORD:
                return IsNull(arg=(<IsNull> e).arg, negated=not (<IsNull> e).negated, type=_BOOL)
        if type(e) is InList:
            return InList(arg=(<InList> e).arg, items=(<InList> e).items, type=_BOOL,
                          function=(<InList> e).function, negated=not (<InList> e).negated)
        if type(e) is Subquery and (<Subquery> e).kind in ("exists", "any"):
            query = <Subquery> e
            return Subquery(kind=query.kind, left=query.left, functions=query.functions,
                            negated=not query.negated, plan=query.plan, params=query.params,
                            type=_BOOL)
        return Not(arg=e, type=_BOOL)

    def _is(self, n.Is node, Scope scope):
        cdef IsNull test
        if node.test == "null":
            test = IsNull.__new__(IsNull)
            test.arg = self.settle(self.bind(node.arg, scope))
            test.negated = node.negated
            test.type = _BOOL
            test.typmod = -1
            return test
        value = {"true": True, "false": False, "unknown": None}[node.test]
        arg = self.condition(node.arg, scope, f"IS {node.test.upper()}")
        return IsBool(arg=arg, value=value, negated=node.negated, type=_BOOL)

    def _is_distinct(self, n.IsDistinct node, Scope scope):
        call = self.operate("=", self.bind(node.left, scope), self.bind(node.right, scope),
                            node.pos)
        if type(call) is not Call:
            left = self.bind(node.left, scope)
            right = self.bind(node.right, scope)
            call = Call(function=equality(_RECORD), args=(left, right), type=_BOOL)
        return IsDistinct(left=call.args[0], right=call.args[1], function=call.function,
                          negated=node.negated, type=_BOOL)

    def _between(self, n.Between node, Scope scope):
        arg = self.bind(node.arg, scope)
        low = self.bind(node.low, scope)
        high = self.bind(node.high, scope)
        if type(arg) is Param and arg.type is _UNKNOWN:
            common = [x.type for x in (low, high) if x.type is not _UNKNOWN]
            arg = self.coerce(arg, common[0] if common else _TEXT)
        found = self.range_test(arg, low, high, node.pos)
        if node.symmetric:
            found = Or(type=_BOOL, args=(found, self.range_test(arg, high, low, node.pos)))
        return Not(arg=found, type=_BOOL) if node.negated else found

    def range_test(self, arg, low, high, pos):
        """arg >= low AND arg <= high."""
        return And(type=_BOOL, args=(self.operate(">=", arg, low, pos),
                                     self.operate("<=", arg, high, pos)))

    def _in_list(self, n.InList node, Scope scope):
        cdef Expr arg = self.bind(node.arg, scope)
        cdef list items = [self.bind(item, scope) for item in node.items]
        cdef list parts
        if type(arg) is not Row:
            try:
                parts, type_, _ = self.unify([arg, *items], "IN", node.pos)
            except Exception:
                type_ = None
            if type_ is not None:
                function = equality(type_)
                if function is None:
                    raise self.no_operator("=", type_, type_, None, node.pos)
                want = concrete(function, (type_, type_))[0][0]
                if want is not type_:
                    parts = [self.need(part, want, -1, node.pos) for part in parts]
                if len(items) == 1:
                    found = Call(function=function, args=(parts[0], parts[1]), type=_BOOL)
                    return Not(arg=found, type=_BOOL) if node.negated else found
                return InList(arg=parts[0], items=tuple(parts[1:]), function=function,
                              negated=node.negated, type=_BOOL)
        tests = tuple([self.operate("=", arg, item, node.pos) for item in items])
        found = tests[0] if len(tests) == 1 else Or(args=tests, type=_BOOL)
        return Not(arg=found, type=_BOOL) if node.negated else found

    def _like(self, n.Like node, Scope scope):
        arg = self.bind(node.arg, scope)
        pattern = self.bind(node.pattern, scope)
        if node.kind == "similar":
            args = [pattern] if node.escape is None else [pattern, self.bind(node.escape, scope)]
            pattern = self.call_named("similar_to_escape", args, node.pos)
            return self.operate("!~" if node.negated else "~", arg, pattern, node.pos)
        if node.escape is not None:
            pattern = self.call_named("like_escape", [pattern, self.bind(node.escape, scope)],
                                      node.pos)
        op = "~~" if node.kind == "like" else "~~*"
        return self.operate("!" + op if node.negated else op, arg, pattern, node.pos)

    # ------------------------------------------------------------------ subqueries

    def _quantified(self, n.Quantified node, Scope scope):
        cdef Expr left = self.bind(node.left, scope)
        cdef Expr array
        if isinstance(node.right, n.Query):
            return self.compare_query(node, left, scope)
        array = self.bind(node.right, scope)
        if array.type is _UNKNOWN:
            if left.type is _UNKNOWN:
                left = self.settle(left)
            target = base_type(left.type).array
            if target is None:
                raise error("42809", "op ANY/ALL (array) requires array on right side", node.pos)
            array = self.need(array, target, -1, node.pos)
        element = base_type(array.type).element
        if element is None:
            raise error("42809", "op ANY/ALL (array) requires array on right side", node.pos)
        function = resolve(operators(node.op), (left.type, element))
        if type(function) is not Function:
            raise self.no_operator(node.op, left.type, element, function, node.pos)
        types, result = concrete(function, (left.type, element))
        if result is not _BOOL:
            raise error("42809", "op ANY/ALL (array) requires operator to yield boolean", node.pos)
        left = self.need(left, types[0], -1, node.pos)
        if types[1] is not element and types[1].array is not None:
            array = self.need(array, types[1].array, -1, node.pos)
        return AnyArray(left=left, array=array, function=function, kind=node.kind, type=_BOOL)

    def compare_query(self, n.Quantified node, Expr left, Scope scope):
        """left op ANY|ALL (query)."""
        query = self.query(node.right, scope)
        lefts = (<Row> left).items if type(left) is Row else (left,)
        if len(query.columns) != len(lefts):
            many = "many" if len(query.columns) > len(lefts) else "few"
            raise error("42601", f"subquery has too {many} columns", node.pos)
        if len(lefts) > 1 and node.op not in ("=", "<>"):
            raise error("0A000", "row comparison with a subquery is only supported for = and <>",
                        node.pos)
        done = []
        functions = []
        items = []
        for value, column in zip(lefts, query.columns):
            if (<Expr> value).type is _UNKNOWN and column.type is not _UNKNOWN:
                value = self.need(value, column.type, -1, node.pos)
            call = self.operate(node.op, value, column, node.pos)
            done.append(call.args[0])
            items.append(call.args[1])
            functions.append(call.function)
        plan = self.projected(query, items)
        return self.subquery(node.kind, plan, _BOOL, left=tuple(done), functions=tuple(functions))

    def subquery(self, str kind, plan, type_, int typmod=-1, tuple left=(), tuple functions=()):
        """A Subquery over a plan, its correlated columns noted."""
        return Subquery(kind=kind, plan=plan, type=type_, typmod=typmod, left=left,
                        functions=functions, params=tuple(free_columns(plan).values()))

    def _exists(self, n.Exists node, Scope scope):
        return self.subquery("exists", self.query(node.query, scope).node, _BOOL)

    def _scalar(self, n.ScalarQuery node, Scope scope):
        query = self.query(node.query, scope)
        self.settle_columns(query)
        if len(query.columns) != 1:
            raise error("42601", "subquery must return only one column", node.pos)
        column = query.columns[0]
        return self.subquery("scalar", query.node, column.type, column.typmod)

    def _array_query(self, n.ArrayQuery node, Scope scope):
        query = self.query(node.query, scope)
        self.settle_columns(query)
        if len(query.columns) != 1:
            raise error("42601", "subquery must return only one column", node.pos)
        type_ = query.columns[0].type
        target = type_ if type_.category == "A" else type_.array
        if target is None:
            raise error("42704", f"could not find array type for data type {title(type_)}",
                        node.pos)
        return self.subquery("array", query.node, target)

    # ------------------------------------------------------------------ shapes

    def _case(self, n.Case node, Scope scope):
        cdef Case case
        cdef list conditions = [], results = []
        arg = None if node.arg is None else self.value(node.arg, scope)
        for condition, result in node.whens:
            if arg is None:
                conditions.append(self.condition(<n.Node> condition, scope, "CASE/WHEN"))
            else:
                conditions.append(self.operate("=", arg, self.bind(<n.Node> condition, scope),
                                               (<n.Node> condition).pos))
            results.append(self.bind(<n.Node> result, scope))
        # The default comes first when PostgreSQL looks for the common type.
        default = constant(None, _UNKNOWN) if node.default is None else self.bind(node.default,
                                                                                  scope)
        done, type_, typmod = self.unify([default, *results], "CASE", node.pos)
        case = Case.__new__(Case)
        case.whens = tuple(zip(conditions, done[1:]))
        case.default = None if node.default is None else done[0]
        case.type = type_
        case.typmod = typmod
        return case

    def _row(self, n.Row node, Scope scope):
        items = []
        for item in node.items:
            if type(item) is n.Star:
                items.extend(self.star(item, scope))
            else:
                items.append(self.bind(item, scope))
        return Row(items=tuple(items), type=_RECORD)

    def star(self, n.Star node, Scope scope):
        """The columns `*` or `t.*` stands for."""
        found = []
        cdef Item item
        if node.parts:
            name = node.parts[len(node.parts) - 1]
            item = scope.table(name, node.parts[len(node.parts) - 2] if len(node.parts) > 1
                               else None)
            if item is None:
                raise self.missing_table(name, scope, node.pos)
            return [item.column(place) for place in range(len(item.names))]
        for item in scope.items:
            for place in range(len(item.names)):
                if item.hidden is None or place not in item.hidden:
                    found.append(item.column(place))
        return found

    def _array(self, n.Array node, Scope scope, wanted=None):
        cdef list items = []
        for item in node.items:
            if type(item) is n.Array:
                items.append(self._array(item, scope, wanted))
            else:
                items.append(self.bind(item, scope))
        if not items:
            if wanted is None:
                raise error("42P18", "cannot determine type of empty array", node.pos, None,
                            "Explicitly cast to the desired type, for example ARRAY[]::integer[].")
            return Array(items=(), type=wanted)
        if wanted is not None:
            target = [wanted if (<Expr> x).type.category == "A" else wanted.element for x in items]
            done = [self.coerce(x, t, -1, EXPLICIT, node.pos) for x, t in zip(items, target)]
            if None not in done:
                return Array(items=tuple(done), type=wanted)
        done, type_, _ = self.unify(items, "ARRAY", node.pos)
        if type_.category != "A":
            if type_.array is None:
                raise error("42704", f"could not find array type for data type {title(type_)}",
                            node.pos)
            type_ = type_.array
        return Array(items=tuple(done), type=type_)

    def _subscript(self, n.Subscript node, Scope scope):
        cdef Expr arg = self.value(node.arg, scope)
        cdef list indices = []
        cdef bint sliced = False
        plain = base_type(arg.type)
        if plain is JSONB:
            for index in node.indices:
                index = self.bind(index, scope)
                if index.type is _UNKNOWN:
                    index = self.settle(index)
                arg = self.operate("->", arg, index, node.pos)
            return arg
        if plain.element is None:
            raise error("42804", f"cannot subscript type {title(arg.type)} because it does not "
                        "support subscripting", node.pos)
        for index in node.indices:
            sliced = sliced or type(index) is n.Slice
        for index in node.indices:
            if type(index) is n.Slice:
                bounds = ((<n.Slice> index).low, (<n.Slice> index).high)
            elif sliced:
                bounds = (n.Literal(kind="integer", value=1), index)
            else:
                bounds = (index,)
            for bound in bounds:
                if bound is None:
                    indices.append(None)
                    continue
                found = self.coerce(self.bind(bound, scope), _INT4, -1, "a", node.pos)
                if found is None:
                    raise error("42804", "array subscript must have type integer", node.pos)
                indices.append(found)
        return Subscript(arg=arg, indices=tuple(indices), slice=sliced,
                         type=plain if sliced else plain.element,
                         typmod=arg.typmod)

    def _field(self, n.FieldSelect node, Scope scope):
        cdef Expr arg = self.bind(node.arg, scope)
        fields = self.record_fields(arg)
        if fields is None:
            raise error("42809", f"column notation .{node.name} applied to type "
                        f"{title(arg.type)}, which is not a composite type", node.pos)
        for place, (name, type_, typmod) in enumerate(fields):
            if name == node.name:
                return Field(arg=arg, index=place, name=name, type=type_, typmod=typmod)
        raise error("42703", f'column "{node.name}" not found in data type {title(arg.type)}',
                    node.pos)

    def record_fields(self, Expr arg):
        """((name, Type, typmod), ...) of a record-valued expression, or None."""
        plain = base_type(arg.type)
        if plain.kind == "c":
            return plain.fields
        if type(arg) is Call and arg.function.fields:
            return tuple([(name, type_, -1) for name, type_ in arg.function.fields])
        if type(arg) is Row:
            return tuple([((<Column> x).name if type(x) is Column else f"f{i + 1}",
                           (<Expr> x).type, (<Expr> x).typmod)
                          for i, x in enumerate((<Row> arg).items)])
        return None

    def _cast_node(self, n.Cast node, Scope scope):
        cdef Expr arg
        type_, typmod = self.resolve_type(node.type)
        if type(node.arg) is n.Literal and (<n.Literal> node.arg).kind == "string":
            text = (<n.Literal> node.arg).value
            if node.type.fields is not None:
                text = _with_unit(text, node.type.fields)
            if type_.kind != "d":
                return self.literal(text, type_, typmod, node.arg.pos)
        if type(node.arg) is n.Array and type_.category == "A":
            arg = self._array(node.arg, scope, type_)
        else:
            arg = self.bind(node.arg, scope)
        found = self.coerce(arg, type_, typmod, EXPLICIT, node.pos)
        if found is None:
            raise error("42846", f"cannot cast type {title(arg.type)} to {title(type_)}", node.pos)
        return found

    def _collate(self, n.Collate node, Scope scope):
        arg = self.value(node.arg, scope)
        if not self.catalog_has_collation(node.name):
            shown = ".".join(node.name)
            raise error("42704", f'collation "{shown}" for encoding "UTF8" does not exist',
                        node.pos)
        if base_type(arg.type).category not in "SAXU" and arg.type.name != "name":
            raise error("42804", f"collations are not supported by type {title(arg.type)}",
                        node.pos)
        return arg

    def catalog_has_collation(self, name):
        """Only byte order exists; these are its names."""
        return name[len(name) - 1] in ("default", "C", "POSIX", "ucs_basic", "c", "en_US",
                                       "en_US.utf8", "C.UTF-8", "C.utf8")


cdef str _with_unit(str text, str fields):
    """INTERVAL '3' MONTH: a bare number takes the (last) field as its unit."""
    stripped = text.strip()
    try:
        float(stripped)
    except ValueError:
        return text
    return f"{stripped} {fields.split(' ')[len(fields.split(' ')) - 1]}"


cdef frozenset _ROW_OPERATORS = frozenset(("=", "<>", "<", "<=", ">", ">="))

cdef dict _HANDLERS = {
    n.Literal: ExpressionBinder._literal,
    n.ColumnRef: ExpressionBinder._column,
    n.Parameter: ExpressionBinder._parameter,
    n.Default: ExpressionBinder._default,
    n.Binary: ExpressionBinder._binary,
    n.Unary: ExpressionBinder._unary,
    n.BoolOp: ExpressionBinder._bool_op,
    n.Not: ExpressionBinder._not,
    n.Is: ExpressionBinder._is,
    n.IsDistinct: ExpressionBinder._is_distinct,
    n.Between: ExpressionBinder._between,
    n.InList: ExpressionBinder._in_list,
    n.Like: ExpressionBinder._like,
    n.Quantified: ExpressionBinder._quantified,
    n.Exists: ExpressionBinder._exists,
    n.ScalarQuery: ExpressionBinder._scalar,
    n.ArrayQuery: ExpressionBinder._array_query,
    n.Case: ExpressionBinder._case,
    n.Row: ExpressionBinder._row,
    n.Array: ExpressionBinder._array,
    n.Subscript: ExpressionBinder._subscript,
    n.FieldSelect: ExpressionBinder._field,
    n.Cast: ExpressionBinder._cast_node,
    n.Collate: ExpressionBinder._collate,
    n.FuncCall: CallBinder.function_call,
    n.ValueFunction: CallBinder.value_function,
}
