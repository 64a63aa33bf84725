# The grammar of statements that change data; see changes.pyx.

from query_planner.ast.nodes cimport Node
from query_planner.parser.queries cimport QueryParser

cdef class ChangeParser(QueryParser):
    cdef Node insert(self)
    cdef Node update(self)
    cdef Node delete(self)
    cpdef tuple assignments(self)
