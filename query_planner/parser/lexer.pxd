# Tokens of one SQL text; see lexer.pyx.

cdef enum:
    END = 0
    WORD = 1      # unquoted identifier or keyword, folded
    QUOTED = 2    # "identifier"
    INTEGER = 3
    NUMBER = 4    # with a point or exponent
    STRING = 5
    BITS = 6      # B'..' and X'..'
    PARAM = 7     # $1
    OPERATOR = 8
    PUNCT = 9     # ( ) [ ] , ; . : :: := => ..

cdef struct Token:
    Py_ssize_t start
    Py_ssize_t end
    unsigned char kind
    unsigned char category

cdef class Lexer:
    cdef readonly str sql
    cdef Token* tokens
    cdef Py_ssize_t count
    cdef Py_ssize_t room
    cdef list texts

    # The current token, copied out of the arrays.
    cdef Py_ssize_t at
    cdef int kind
    cdef int category
    cdef str text

    cdef void go(self, Py_ssize_t at) noexcept
    cdef void advance(self) noexcept
    cdef int _emit(self, int kind, Py_ssize_t start, Py_ssize_t end, str text) except -1
    cdef int _scan(self) except -1
    cdef Py_ssize_t _string(self, Py_ssize_t start, Py_ssize_t i, str mode) except -1
    cdef object failure(self, str sqlstate, str message, Py_ssize_t position)
