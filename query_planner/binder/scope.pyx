"""Names in reach while binding: the items of FROM, level by level outwards, and the CTEs.

An `Item` is one thing in FROM with its column names.  A base table's columns become `Column`s only
when they are referred to, so that its Get ends up with exactly those that are used.
"""

from query_planner.errors import SqlError
from query_planner.expr cimport Column

from query_planner.types import CID, OID, TID, XID

# System columns: (number within a scan, type).
SYSTEM = {"ctid": (0, TID), "tableoid": (-1, OID), "xmin": (-2, XID), "cmin": (-4, CID),
          "xmax": (-5, XID), "cmax": (-6, CID)}


cdef class Item:
    """One table, subquery, function or set of merged USING columns.

    columns   Column (or, for merged columns, any Expr) by place; None = not referred to yet
    places    name -> place, -1 for a name that stands for several
    hidden    places that only a qualified name reaches (columns merged by USING)
    """

    def __init__(self, name, names, columns, relation=None, get=None, numbering=None,
                 schema=None, places=None):
        self.name = name
        self.names = names
        self.columns = columns
        self.relation = relation
        self.get = get
        self.numbering = numbering
        self.schema = schema
        if places is None:
            places = {}
            for place, column_name in enumerate(names):
                places[column_name] = -1 if column_name in places else place
        self.places = places

    cpdef object column(self, Py_ssize_t place):
        """The Column at a place, made now if this is the first reference to it."""
        cdef Column column
        found = self.columns[place]
        if found is None:
            source = self.relation.columns[place]
            column = Column.__new__(Column)
            column.id = next(self.numbering)
            column.name = self.names[place]
            column.type = source.type
            column.typmod = source.typmod
            column.nullable = not source.not_null
            column.source = (self.relation.oid, source.number)
            self.get.columns.append(column)
            self.get.numbers.append(source.number)
            self.columns[place] = found = column
        return found

    cpdef object system_column(self, str name):
        """ctid and kin of a base table, or None."""
        known = SYSTEM.get(name)
        if known is None or self.get is None or self.relation.kind not in "rm":
            return None
        if self.system is None:
            self.system = {}
        found = self.system.get(name)
        if found is None:
            found = Column(id=next(self.numbering), name=name, type=known[1], nullable=False,
                           source=(self.relation.oid, -1))
            self.get.columns.append(found)
            self.get.numbers.append(known[0])
            if known[0] == 0:
                self.get.tid = found
            self.system[name] = found
        return found


cdef class Scope:
    """The items of one query level; `parent` is the query around it."""

    def __init__(self, parent=None, items=None, ctes=None):
        self.parent = parent
        self.items = [] if items is None else items
        self.ctes = ctes

    cpdef object find(self, str name, Py_ssize_t pos):
        """What an unqualified column name means here or further out; None if nothing."""
        cdef Scope scope = self
        cdef Item item, owner
        while scope is not None:
            owner = None
            for item in scope.items:
                place = item.places.get(name)
                if place is None or (item.hidden is not None and place in item.hidden):
                    continue
                if owner is not None or place < 0:
                    raise SqlError("42702", f'column reference "{name}" is ambiguous', pos + 1)
                owner = item
            if owner is not None:
                return owner.column(owner.places[name])
            if name in SYSTEM:
                for item in scope.items:
                    found = item.system_column(name)
                    if found is not None:
                        return found
            scope = scope.parent
        return None

    cpdef Item table(self, str name, str schema):
        """The item a qualifier names, here or further out; None if none."""
        cdef Scope scope = self
        cdef Item item
        while scope is not None:
            for item in scope.items:
                if item.name == name and (schema is None or item.schema == schema):
                    return item
            scope = scope.parent
        return None

    def cte(self, str name):
        """The CTE of that name in reach, or None."""
        cdef Scope scope = self
        while scope is not None:
            if scope.ctes is not None and name in scope.ctes:
                return scope.ctes[name]
            scope = scope.parent
        return None
