# The grammar of operators; see expressions.pyx.

from query_planner.ast.nodes cimport Node
from query_planner.parser.operands cimport OperandParser

cdef class ExpressionParser(OperandParser):
    cdef Node infix(self, Node left, int power, Py_ssize_t pos)
    cdef Node prefix(self)
    cdef Node quantified(self, Node left, str op, Py_ssize_t pos)
