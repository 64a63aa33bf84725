"""What the binder asks of a syntax tree as such: names of columns, mentions of CTEs."""

from query_planner.ast cimport nodes as n

from query_planner.ast import fields
from query_planner.functions import lookup


cpdef str label_of(n.Node node):
    """The name PostgreSQL gives a result column that has none."""
    return _label(node)[0]


cdef tuple _label(n.Node node):
    """(name, strength): 2 for a name of its own, 1 for one made up from a type or CASE, 0 for none."""
    cdef tuple inner
    kind = type(node)
    if kind is n.ColumnRef:
        return (<n.ColumnRef> node).parts[len((<n.ColumnRef> node).parts) - 1], 2
    if kind is n.FuncCall:
        return (<n.FuncCall> node).name[len((<n.FuncCall> node).name) - 1], 2
    if kind is n.Cast:
        inner = _label((<n.Cast> node).arg)
        if inner[1] > 1:
            return inner
        name = (<n.Cast> node).type.name
        return name[len(name) - 1], 1
    if kind is n.Case:
        if (<n.Case> node).default is not None:
            inner = _label((<n.Case> node).default)
            if inner[1] > 1:
                return inner
        return "case", 1
    if kind is n.ValueFunction:
        return (<n.ValueFunction> node).name, 2
    if kind is n.FieldSelect:
        return (<n.FieldSelect> node).name, 2
    if kind is n.Subscript:
        return _label((<n.Subscript> node).arg)
    if kind is n.Collate:
        return _label((<n.Collate> node).arg)
    if kind is n.Exists:
        return "exists", 2
    if kind is n.Array or kind is n.ArrayQuery:
        return "array", 2
    if kind is n.Row:
        return "row", 2
    if kind is n.Literal and (<n.Literal> node).kind == "boolean":
        return "bool", 1
    if kind is n.ScalarQuery:
        query = (<n.ScalarQuery> node).query
        while type(query) is n.SetOperation:
            query = (<n.SetOperation> query).left
        if type(query) is n.Select and (<n.Select> query).targets:
            target = <n.Target> (<n.Select> query).targets[0]
            return (target.name, 2) if target.name is not None else _label(target.expr)
    return "?column?", 0


def _walk(node):
    """All syntax nodes of a tree."""
    yield node
    for name in fields(type(node)):
        value = getattr(node, name)
        if isinstance(value, n.Node):
            yield from _walk(value)
        elif type(value) is tuple:
            yield from _walk_tuple(value)


def _walk_tuple(values):
    for value in values:
        if isinstance(value, n.Node):
            yield from _walk(value)
        elif type(value) is tuple:
            yield from _walk_tuple(value)


def count_tables(node, str name):
    """How many TableRefs carry a bare name."""
    return sum([1 for found in _walk(node) if type(found) is n.TableRef and found.name == (name,)])


def mentions(node, str name):
    return count_tables(node, name) > 0


def calls_volatile(node):
    """Whether a query calls a function that must not be run more or less often than written."""
    for found in _walk(node):
        if type(found) is n.FuncCall:
            if any([f.volatility == "v" for f in lookup(found.name[len(found.name) - 1])]):
                return True
        elif isinstance(found, n.Query) and found.locking:
            return True
    return False
