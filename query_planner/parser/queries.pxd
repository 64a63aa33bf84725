# The grammar of queries; see queries.pyx.

from query_planner.ast.nodes cimport Node, Query, TableRef, With
from query_planner.parser.expressions cimport ExpressionParser

cdef class QueryParser(ExpressionParser):
    cdef With with_clause(self)
    cdef Query set_expression(self, int power)
    cdef Query set_tail(self, Query left, int power)
    cdef Query set_operand(self)
    cdef Query query_tail(self, Query query)
    cdef Query select(self)
    cdef tuple targets(self)
    cdef tuple from_list(self)
    cdef Node table(self)
    cdef Node join_tail(self, Node left, bint one)
    cdef Node table_primary(self)
    cdef Node table_parenthesised(self)
    cdef Node function_table(self, bint lateral)
    cdef int alias(self, Node node) except -1
    cpdef TableRef table_ref(self, bint columns=?)
    cpdef name_list(self)
    cpdef object statement(self)
