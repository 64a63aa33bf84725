# Taking tokens, names and type names; see tokens.pyx.

from query_planner.ast.nodes cimport Node, Query, TypeName
from query_planner.parser.lexer cimport Lexer

# How tightly operators bind, loosest first; see expressions.pyx.
cdef enum:
    P_OR = 1
    P_AND = 2
    P_NOT = 3
    P_IS = 4
    P_COMPARE = 5
    P_BETWEEN = 6
    P_OTHER = 7
    P_ADD = 8
    P_MULTIPLY = 9
    P_POWER = 10
    P_AT = 11
    P_COLLATE = 12
    P_SIGN = 13

# Categories of keywords, as in keywords.py.
cdef enum:
    COLUMN_NAME = 2
    TYPE_FUNCTION = 3
    RESERVED = 4

cdef class TokenParser(Lexer):
    cdef int depth

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

    cdef bint is_column_name(self) noexcept
    cpdef str name(self)
    cpdef str label(self)
    cpdef tuple names(self)
    cpdef tuple qualified(self)
    cpdef tuple expressions(self)
    cpdef TypeName type_name(self)
    cdef TypeName simple_type(self)

    cpdef Node expression(self, int power=?)
    cpdef Query query(self)
    cdef Query query_from(self, Query left)
