"""Taking tokens, names and type names: the ground floor of the grammar.

Each floor is a class over the one below: TokenParser, OperandParser, ExpressionParser, QueryParser,
ChangeParser, and in Python TableParser, AlterParser, ObjectParser, Parser.
"""

from query_planner.ast.nodes cimport Literal, Node, Query, TypeName
from query_planner.parser.lexer cimport (
    END, INTEGER, OPERATOR, PUNCT, QUOTED, WORD, Lexer,
)

cdef int _MAX_DEPTH = 400
MAX_DEPTH = _MAX_DEPTH

cdef frozenset _TYPE_WORDS = frozenset((
    "bigint", "bit", "boolean", "char", "character", "dec", "decimal", "float", "int", "integer",
    "interval", "national", "nchar", "numeric", "real", "smallint", "time", "timestamp",
    "varchar", "double"))
cdef frozenset _INTERVAL_FIELDS = frozenset((
    "year", "month", "day", "hour", "minute", "second"))


cdef class TokenParser(Lexer):

    # ------------------------------------------------------------------ tokens

    cdef bint ahead(self, Py_ssize_t n, int kind, str text) noexcept:
        cdef Py_ssize_t i = self.at + n
        if i >= self.count:
            return False
        return self.tokens[i].kind == kind and <str> self.texts[i] == text

    cdef Py_ssize_t here(self) noexcept:
        return self.tokens[self.at].start

    cdef bint take(self, str text) noexcept:
        """Step over the current token if it is this word, operator or punctuation."""
        if (self.kind == WORD or self.kind >= OPERATOR) and self.text == text:
            self.advance()
            return True
        return False

    cdef int need(self, str text) except -1:
        if not self.take(text):
            raise self.unexpected()
        return 0

    cdef object unexpected(self):
        if self.kind == END:
            return self.failure("42601", "syntax error at end of input", self.here())
        shown = self.sql[self.tokens[self.at].start:self.tokens[self.at].end]
        return self.failure("42601", f'syntax error at or near "{shown}"', self.here())

    cdef int enter(self) except -1:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            error = self.failure("54001", "stack depth limit exceeded", self.here())
            error.hint = "Write the statement with less nesting."
            raise error
        return 0

    # ------------------------------------------------------------------ names

    cdef bint is_column_name(self) noexcept:
        return self.kind == QUOTED or self.kind == WORD and self.category <= COLUMN_NAME

    cpdef str name(self):
        """A name of a column, table or other object."""
        cdef str text = self.text
        if not self.is_column_name():
            raise self.unexpected()
        self.advance()
        return text

    cpdef str label(self):
        """A name in a place where any word will do (after AS, after a point)."""
        cdef str text = self.text
        if self.kind != QUOTED and self.kind != WORD:
            raise self.unexpected()
        self.advance()
        return text

    cpdef tuple names(self):
        """name [, name ...]"""
        cdef list found = [self.name()]
        while self.take(","):
            found.append(self.name())
        return tuple(found)

    cpdef tuple qualified(self):
        """name[.name ...]"""
        cdef list parts = [self.name()]
        while self.is_punct("."):
            self.advance()
            parts.append(self.label())
        return tuple(parts)

    cpdef tuple expressions(self):
        """expression [, expression ...]"""
        cdef list found = [self.expression()]
        while self.kind == PUNCT and self.text == ",":
            self.advance()
            found.append(self.expression())
        return tuple(found)

    # ------------------------------------------------------------------ types

    cpdef TypeName type_name(self):
        """[SETOF] type [(modifiers)] [ARRAY | [] ...]"""
        cdef bint setof = self.kind == WORD and self.text == "setof" and self.take("setof")
        cdef TypeName node = self.simple_type()
        node.setof = setof
        if node.name == ("interval",) and node.fields is None:
            self.interval_fields(node)
        if self.is_word("array"):
            self.advance()
            node.dims = 1
            if self.take("["):
                if self.kind != INTEGER:
                    raise self.unexpected()
                self.advance()
                self.need("]")
            return node
        while self.is_punct("["):
            self.advance()
            if self.kind == INTEGER:
                self.advance()
            self.need("]")
            node.dims += 1
        return node

    cdef TypeName simple_type(self):
        cdef TypeName node = TypeName.__new__(TypeName)
        cdef str text = self.text
        cdef list parts
        node.pos = self.here()
        node.typmods = ()
        if self.kind == WORD and text in _TYPE_WORDS:
            self.advance()
            if text == "double":
                if self.take("precision"):
                    text = "float8"
            elif text == "national":
                if not self.take("char"):
                    self.need("character")
                text = "varchar" if self.take("varying") else "bpchar"
            elif text == "character" or text == "char" or text == "nchar":
                text = "varchar" if self.take("varying") else "bpchar"
            elif text == "bit":
                text = "varbit" if self.take("varying") else "bit"
            elif text == "boolean":
                text = "bool"
            elif text == "bigint":
                text = "int8"
            elif text == "smallint":
                text = "int2"
            elif text == "int" or text == "integer":
                text = "int4"
            elif text == "real":
                text = "float4"
            elif text == "dec" or text == "decimal":
                text = "numeric"
            if text == "time" or text == "timestamp":
                if self.is_punct("("):
                    node.typmods = self.modifiers()
                if self.is_word("with") and self.ahead(1, WORD, "time"):
                    self.advance()
                    self.advance()
                    self.need("zone")
                    text = text + "tz"
                elif self.is_word("without"):
                    self.advance()
                    self.need("time")
                    self.need("zone")
            elif text == "interval":
                if self.is_punct("("):
                    node.typmods = self.modifiers()
            elif text == "float":
                text = "float8"
                if self.is_punct("("):
                    mods = self.modifiers()
                    bits = mods[0].value if type(mods[0]) is Literal else 0
                    if type(bits) is not int or not 1 <= bits <= 53:
                        raise self.failure(
                            "22023", "precision for type float must be between 1 and 53 bits",
                            node.pos)
                    text = "float4" if bits <= 24 else "float8"
            elif self.is_punct("("):
                node.typmods = self.modifiers()
            elif text == "bpchar" or text == "bit":
                node.typmods = (Literal(kind="integer", value=1),)
            node.name = (text,)
            return node
        if self.kind != QUOTED and (self.kind != WORD or self.category == RESERVED
                                    or self.category == COLUMN_NAME):
            raise self.unexpected()
        parts = [text]
        self.advance()
        while self.is_punct("."):
            self.advance()
            parts.append(self.label())
        node.name = tuple(parts)
        if self.is_punct("("):
            node.typmods = self.modifiers()
        return node

    def modifiers(self):
        """(modifier, ...) after a type name."""
        self.need("(")
        found = self.expressions()
        self.need(")")
        return found

    def interval_fields(self, TypeName node):
        """YEAR, DAY TO SECOND(3), ... after INTERVAL."""
        if self.kind != WORD or self.text not in _INTERVAL_FIELDS:
            return
        fields = self.text
        self.advance()
        if self.is_word("to"):
            self.advance()
            if self.text not in _INTERVAL_FIELDS:
                raise self.unexpected()
            fields += " to " + self.text
            self.advance()
        if fields.endswith("second") and self.is_punct("("):
            node.typmods = self.modifiers()
        node.fields = fields

    # ------------------------------------------------------------------ given by the floors above

    cpdef Node expression(self, int power=0):
        raise NotImplementedError

    cpdef Query query(self):
        raise NotImplementedError

    cdef Query query_from(self, Query left):
        raise NotImplementedError
