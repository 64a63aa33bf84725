# The grammar of expressions; see expressions.pyx.

from query_planner.ast.nodes cimport Node, Query, TypeName
from query_planner.parser.lexer cimport Lexer

cdef class ExpressionParser(Lexer):
    cdef int depth

    # -- looking at and taking tokens
    cdef inline bint is_punct(self, str text) noexcept:
        return self.kind == 9 and self.text == text
    cdef inline bint is_word(self, str text) noexcept:
        return self.kind == 1 and self.text == text
    cdef bint ahead(self, Py_ssize_t n, int kind, str text) noexcept
    cdef Py_ssize_t here(self) noexcept
    cdef bint take(self, str text) noexcept
    cdef int need(self, str text) except -1
    cdef object unexpected(self)
    cdef int enter(self) except -1

    # -- names
    cdef bint is_column_name(self) noexcept
    cpdef str name(self)
    cpdef str label(self)
    cpdef tuple names(self)
    cpdef tuple qualified(self)

    # -- expressions
    cpdef Node expression(self, int power=?)
    cpdef tuple expressions(self)
    cpdef TypeName type_name(self)
    cdef Node infix(self, Node left, int power, Py_ssize_t pos)
    cdef Node prefix(self)
    cdef Node quantified(self, Node left, str op, Py_ssize_t pos)
    cdef Node primary(self)
    cdef Node subscripts(self, Node base, bint fields)
    cdef Node parenthesised(self)
    cdef Node case_(self)
    cdef Node word(self)
    cdef Node special(self, str text)
    cdef Node column_or_call(self)
    cdef Node call(self, tuple name, Py_ssize_t pos)
    cdef Node typed_literal(self)
    cdef TypeName simple_type(self)
    cpdef tuple sort_keys(self)
    cpdef Node window_body(self)
    cdef Node frame(self)
    cdef tuple frame_bound(self)

    # -- given by the query grammar
    cpdef Query query(self)
    cdef Query query_from(self, Query left)
