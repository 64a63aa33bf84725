cdef class Token:
    cdef readonly str kind         # NUMBER STRING DURATION NAME METRIC END ERROR, or the word or sign
    cdef readonly str text         # as written; for STRING the unescaped value
    cdef readonly Py_ssize_t start
    cdef readonly Py_ssize_t end


cdef class Lexer:
    cdef str text
    cdef Py_ssize_t at, n
    cdef Py_ssize_t parens, brackets, braces       # open ones
    cdef Py_ssize_t colons                         # since the bracket
    cdef list tokens

    cdef list run(self)
    cdef bint step(self) except -1
    cdef count(self, Py_UCS4 c, Py_ssize_t start)
    cdef range(self)
    cdef no_duration(self, str why, Py_ssize_t start)
    cdef colon(self, Py_ssize_t start, Py_UCS4 c)
    cdef sign_in_braces(self, Py_ssize_t start, Py_UCS4 c)
    cdef str quoted(self, Py_ssize_t at)
    cdef Token add(self, str kind, str text, Py_ssize_t start)
    cdef fail(self, str why, Py_ssize_t at)
    cdef skip(self)
    cdef word(self, Py_ssize_t start)
    cdef number(self, Py_ssize_t start)
    cdef digits(self, Py_ssize_t start)
    cdef bint more_letters(self)
    cdef string(self, Py_ssize_t start, Py_UCS4 quote)
    cdef Py_UCS4 escape(self, Py_ssize_t start, Py_UCS4 quote) except? 0
    cdef Py_UCS4 code_point(self, Py_ssize_t digits, int base) except? 0
    cdef bint duration(self, Py_ssize_t start) except -1
