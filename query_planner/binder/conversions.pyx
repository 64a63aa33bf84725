"""Types of expressions: names to types, literals to values, and conversions between types.

The lower half of the binder: everything about types that needs no scope.  Parameters of unknown type
take the type of their first use.
"""

from decimal import Decimal

from query_planner.ast.nodes cimport Literal, Node, TypeName
from query_planner.errors import SqlError
from query_planner.expr cimport Array, Cast, Const, Expr, Param, Row

from query_planner.functions import common_type
from query_planner.types import (
    ASSIGNMENT, BOOL, EXPLICIT, FLOAT4, FLOAT8, IMPLICIT, INT2, INT4, INT8, NUMERIC, OID,
    RECORD, SYNONYMS, TEXT, TYPES, UNKNOWN, base_type, can_cast, encode_typmod, title,
)

cdef dict _INTEGER_RANGE = {INT2: (-0x8000, 0x7FFF), INT4: (-0x80000000, 0x7FFFFFFF),
                            INT8: (-0x8000000000000000, 0x7FFFFFFFFFFFFFFF)}
cdef object _BOOL = BOOL, _INT4 = INT4, _INT8 = INT8, _TEXT = TEXT, _UNKNOWN = UNKNOWN
cdef object _NUMERIC = NUMERIC, _FLOAT8 = FLOAT8, _FLOAT4 = FLOAT4, _INT2 = INT2, _OID = OID


def error(str sqlstate, str message, Py_ssize_t pos=-1, detail=None, hint=None):
    """A SqlError at the character of a syntax node."""
    return SqlError(sqlstate, message, pos + 1, detail, hint)


cpdef Const constant(value, type_, int typmod=-1):
    """A Const."""
    cdef Const node = Const.__new__(Const)
    node.value = value
    node.type = type_
    node.typmod = typmod
    return node


class Conversions:
    """What the binder knows about types; `catalog` and `params` are shared with the whole."""

    def __init__(self, catalog, params):
        self.catalog = catalog
        self.params = list(params)
        self.type_names = {}

    # ------------------------------------------------------------------ types by name

    def resolve_type(self, TypeName node):
        """(Type, typmod) of a type as written."""
        cdef tuple name = node.name
        cdef str last = name[len(name) - 1]
        cdef tuple numbers
        type_ = None
        schema = name[len(name) - 2] if len(name) > 1 else None
        if schema is None or schema == "pg_catalog":
            type_ = TYPES.get(last)
            if type_ is None and last in SYNONYMS:
                type_ = TYPES[SYNONYMS[last]]
        if type_ is None:
            type_ = self.catalog.type(schema, last)
        if type_ is None:
            shown = ".".join(name) + "[]" * node.dims
            raise error("42704", f'type "{shown}" does not exist', node.pos)
        typmod = -1
        if node.typmods:
            numbers = tuple([self._modifier(m, node) for m in node.typmods])
            typmod = self._typmod(type_, numbers, node)
        elif node.fields is not None:
            typmod = -1
        if node.dims:
            if type_.array is None:
                raise error("42704", f'type "{title(type_)}[]" does not exist', node.pos)
            type_ = type_.array
        return type_, typmod

    def _modifier(self, Node node, TypeName owner):
        if type(node) is Literal and (<Literal> node).kind == "integer":
            return (<Literal> node).value
        raise error("42601", "type modifiers must be simple constants or identifiers", owner.pos)

    def _typmod(self, type_, tuple numbers, TypeName node):
        name = type_.name
        if name == "numeric":
            if not 1 <= numbers[0] <= 1000:
                raise error("22023", f"NUMERIC precision {numbers[0]} must be between 1 and 1000",
                            node.pos)
            if len(numbers) > 1 and not -1000 <= numbers[1] <= 1000:
                raise error("22023",
                            f"NUMERIC scale {numbers[1]} must be between -1000 and 1000", node.pos)
        elif name in ("varchar", "bpchar", "bit", "varbit"):
            shown = {"varchar": "varchar", "bpchar": "char"}.get(name, name)
            if numbers[0] < 1:
                raise error("22023", f"length for type {shown} must be at least 1", node.pos)
            if numbers[0] > 10485760:
                raise error("22023", f"length for type {shown} cannot exceed 10485760", node.pos)
        elif name in ("time", "timetz", "timestamp", "timestamptz", "interval"):
            return min(numbers[0], 6)
        else:
            raise error("42601", f'type modifier is not allowed for type "{title(type_)}"',
                        node.pos)
        return encode_typmod(type_, numbers)

    # ------------------------------------------------------------------ literals

    def literal(self, str text, type_, int typmod, Py_ssize_t pos):
        """The value of a literal's text in a type, as a Const (or a Cast left to run time)."""
        cdef Cast cast
        if type_ is _TEXT or type_ is _UNKNOWN:
            return constant(text, type_)
        try:
            value = self.catalog.literal(text, type_, typmod)
        except SqlError as problem:
            if not problem.position:
                problem.position = pos + 1
            raise
        if value is NotImplemented:
            cast = Cast.__new__(Cast)
            cast.arg = constant(text, _TEXT)
            cast.type = type_
            cast.typmod = typmod
            cast.explicit = True
            return cast
        return constant(value, type_, typmod)

    # ------------------------------------------------------------------ conversions

    def coerce(self, Expr e, type_, int typmod=-1, str context="i", Py_ssize_t pos=-1):
        """e as `type_`, or None where the context does not allow the conversion."""
        cdef object source = e.type
        if source is type_:
            if typmod < 0 or typmod == e.typmod:
                return e
            if context == IMPLICIT:
                return e
            return self._cast(e, type_, typmod, context)
        if source is _UNKNOWN:
            if type(e) is Const:
                if (<Const> e).value is None:
                    return constant(None, type_, typmod)
                if type_.kind == "p" and type_.name != "record":
                    return e
                if type_.kind == "d":
                    inner = self.literal((<Const> e).value, base_type(type_), typmod, pos)
                    return self._cast(inner, type_, typmod, context)
                found = self.literal((<Const> e).value, type_,
                                     typmod if context != IMPLICIT else -1, pos)
                return found
            if type(e) is Param:
                return self._type_parameter(<Param> e, type_, typmod, pos)
        if type(e) is Const and type(source) is type(type_):
            found = self._convert_constant(<Const> e, type_)
            if found is not None:
                if typmod >= 0 and context != IMPLICIT:
                    return self._cast(found, type_, typmod, context)
                return found
        if type(e) is Array and type_.element is not None and type_.category == "A":
            items = [self.coerce(x, type_ if (<Expr> x).type.category == "A" else type_.element,
                                 -1, context, pos) for x in (<Array> e).items]
            if None not in items:
                return Array(items=tuple(items), type=type_)
        if type(e) is Row and type_.kind == "c" and len((<Row> e).items) == len(type_.fields):
            items = [self.coerce(x, f[1], f[2], context, pos)
                     for x, f in zip((<Row> e).items, type_.fields)]
            if None not in items:
                return Row(items=tuple(items), type=type_)
        if not can_cast(source, type_, context):
            return None
        return self._cast(e, type_, typmod, context)

    def _cast(self, Expr e, type_, int typmod, str context):
        cdef Cast cast = Cast.__new__(Cast)
        cast.arg = e
        cast.type = type_
        cast.typmod = typmod
        cast.explicit = context == EXPLICIT
        return cast

    def _convert_constant(self, Const e, type_):
        """Number constants change type at once; None for what is left to a Cast."""
        source = e.type
        value = e.value
        if value is None:
            return constant(None, type_)
        if source is _INT4 or source is _INT8 or source is _INT2:
            if type_ is _INT8 or type_ is _INT4 or type_ is _INT2:
                low, high = _INTEGER_RANGE[type_]
                return constant(value, type_) if low <= value <= high else None
            if type_ is _NUMERIC:
                return constant(Decimal(value), type_)
            if type_ is _FLOAT8:
                return constant(float(value), type_)
            if type_ is _OID and 0 <= value <= 0xFFFFFFFF:
                return constant(value, type_)
        elif source is _NUMERIC and type_ is _FLOAT8:
            return constant(float(value), type_)
        return None

    def _type_parameter(self, Param e, type_, int typmod, Py_ssize_t pos):
        known = self.params[e.number - 1]
        if known is None or known is _UNKNOWN:
            if type_.kind == "p" and type_ is not RECORD:
                return e
            self.params[e.number - 1] = type_
        elif known is not type_:
            if can_cast(known, type_, ASSIGNMENT):
                return self._cast(self.parameter(e.number), type_, typmod, ASSIGNMENT)
            raise error("42P08", f"inconsistent types deduced for parameter ${e.number}", pos,
                        f"{title(known)} versus {title(type_)}")
        found = self.parameter(e.number)
        if typmod >= 0:
            return self._cast(found, type_, typmod, ASSIGNMENT)
        return found

    def parameter(self, int number):
        """A Param with the type known so far."""
        cdef Param node = Param.__new__(Param)
        node.number = number
        node.typmod = -1
        node.type = self.params[number - 1] or _UNKNOWN
        return node

    def need(self, Expr e, type_, int typmod, Py_ssize_t pos, str context="i"):
        """e as `type_`, or an error that it cannot be."""
        found = self.coerce(e, type_, typmod, context, pos)
        if found is None:
            raise error("42846", f"cannot cast type {title(e.type)} to {title(type_)}", pos)
        return found

    def settle(self, Expr e):
        """e with a type of its own: what is still unknown becomes text."""
        if e.type is _UNKNOWN:
            return self.coerce(e, _TEXT)
        return e

    def boolean(self, Expr e, str clause, Py_ssize_t pos):
        """e as a condition of WHERE and kin."""
        if e.type is _BOOL:
            return e
        found = self.coerce(e, _BOOL, -1, IMPLICIT, pos)
        if found is None:
            raise error("42804", f"argument of {clause} must be type boolean, not type "
                        f"{title(e.type)}", pos)
        return found

    def unify(self, list parts, str construct, Py_ssize_t pos):
        """Expressions brought to their common type: (list, type, typmod)."""
        cdef Expr part
        type_ = common_type([(<Expr> part).type for part in parts])
        if type_ is None:
            first = None
            for part in parts:
                if part.type is _UNKNOWN:
                    continue
                if first is None:
                    first = part.type
                elif part.type.category != first.category:
                    raise error("42804", f"{construct} types {title(first)} and "
                                f"{title(part.type)} cannot be matched", pos)
        typmods = {(<Expr> part).typmod for part in parts}
        typmod = typmods.pop() if len(typmods) == 1 else -1
        done = [self.coerce(part, type_, -1, IMPLICIT, pos) for part in parts]
        if None in done:
            bad = parts[done.index(None)]
            raise error("42846", f"{construct} could not convert type {title(bad.type)} to "
                        f"{title(type_)}", pos)
        return done, type_, typmod
