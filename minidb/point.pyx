"""The point path: `SELECT columns FROM t WHERE key = value` without vectors.

A plan that is a look-up of one row by a unique index, with plain columns as result, is run by one
function: key from the parameters, entry from the index, visible version of the row, its columns.
It takes no transaction of its own: within one call nothing else runs, so the newest commit is a
consistent snapshot.
"""

from minidb.index cimport Index
from minidb.output cimport how_of
from minidb.rowgroup cimport Snapshot
from minidb.table cimport TableStore
from minidb.transaction cimport Transaction, Transactions

from query_planner import physical as p
from query_planner.expr import Column, Const, Param


cdef class PointSelect:
    def __init__(self, int table, int index, tuple keys, tuple constants, tuple places,
                 tuple types):
        self.table = table
        self.index = index
        self.keys = keys
        self.constants = constants
        self.places = places
        self.types = types
        self.hows = tuple([how_of(type) for type in types])

    cdef object row(self, connection, tuple parameters):
        """The result row, or None."""
        cdef Transaction txn = connection.txn
        cdef Transactions manager = connection.engine.transactions
        cdef Snapshot snapshot
        cdef TableStore store
        cdef Py_ssize_t i
        cdef int number
        cdef object key
        cdef tuple row
        store = connection.catalog.current.tables[self.table].store
        if txn is None:
            snapshot = Snapshot.__new__(Snapshot)
            snapshot.at = manager.last_commit
        elif txn.isolation == "read committed":
            snapshot = Snapshot.__new__(Snapshot)
            snapshot.at = manager.last_commit
            snapshot.me = txn.id
        else:
            snapshot = txn.start_statement()
        if len(self.keys) == 1:
            number = self.keys[0]
            key = self.constants[0] if number < 0 else parameters[number]
            if key is None:
                return None
        else:
            key = tuple([self.constants[i] if <int>self.keys[i] < 0
                         else parameters[<int>self.keys[i]] for i in range(len(self.keys))])
            if None in key:
                return None
        row = store.fetch(<Index>store.indexes[self.index], key, snapshot)
        if row is None:
            return None
        return tuple([row[<Py_ssize_t>i] for i in self.places])

    def rows(self, connection, parameters):
        """The result as a list, for Python callers."""
        row = self.row(connection, parameters)
        return [] if row is None else [row]


def point_select(root):
    """The PointSelect of a plan, or None if it is none."""
    items = None
    node = root
    if type(node) is p.Project:
        if not all(isinstance(item, Column) for item in node.items):
            return None
        items = [item.id for item in node.items]
        node = node.child
    if type(node) is not p.IndexScan:
        return None
    if node.many is not None or node.filter or not node.index.unique or \
            node.low is not None or node.high is not None or \
            len(node.keys) != len(node.index.columns):
        return None
    if not all(isinstance(key, (Const, Param)) for key in node.keys):
        return None
    if not all(number > 0 for number in node.numbers):
        return None
    where = {column.id: number - 1
             for column, number in zip(node.columns, node.numbers)}
    if items is None:
        items = [column.id for column in node.columns]
    return PointSelect(
        node.relation.handle, node.index.oid,
        tuple([key.number - 1 if isinstance(key, Param) else -1 for key in node.keys]),
        tuple([None if isinstance(key, Param) else key.value for key in node.keys]),
        tuple([where[id_] for id_ in items]),
        tuple([column.type for column in root.columns]))
