# Operands; see operands.pyx.

from query_planner.ast.nodes cimport Node
from query_planner.parser.tokens cimport TokenParser

cdef class OperandParser(TokenParser):
    cdef Node primary(self)
    cdef Node subscripts(self, Node base, bint fields)
    cdef Node parenthesised(self)
    cdef Node case_(self)
    cdef Node word(self)
    cdef Node special(self, str text)
    cdef Node column_or_call(self)
    cdef Node call(self, tuple name, Py_ssize_t pos)
    cdef Node typed_literal(self)
    cpdef tuple sort_keys(self)
    cpdef Node window_body(self)
    cdef Node frame(self)
    cdef tuple frame_bound(self)
