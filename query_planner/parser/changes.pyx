"""The grammar of INSERT, UPDATE, DELETE and of whole texts; and what the Python grammar calls.

`statement()` reads a query or a change, or hands over to `definition()` of the Python subclass in
definitions.py for everything else.
"""

from query_planner.ast.nodes cimport (
    Assignment, Delete, Insert, Node, OnConflict, Row, ScalarQuery, TableRef, Update, With,
)
from query_planner.parser.lexer cimport (
    END, INTEGER, NUMBER, OPERATOR, PUNCT, STRING, WORD,
)
from query_planner.parser.queries cimport QueryParser


cdef class ChangeParser(QueryParser):

    # ------------------------------------------------------------------ INSERT, UPDATE, DELETE

    cpdef object statement(self):
        """One statement of any kind."""
        cdef With with_ = None
        cdef Py_ssize_t start
        cdef str text = self.text
        if self.is_punct("("):
            return self.query()
        if self.kind == WORD:
            if text == "select" or text == "values" or text == "table":
                return self.query()
            if text == "with":
                start = self.at
                with_ = self.with_clause()
                text = self.text
                if self.kind != WORD or text not in ("insert", "update", "delete"):
                    self.go(start)
                    return self.query()
            node = None
            if text == "insert":
                node = self.insert()
            elif text == "update":
                node = self.update()
            elif text == "delete":
                node = self.delete()
            if node is not None:
                node.with_ = with_
                return node
        # Statements within statements (EXPLAIN, PREPARE, CREATE SCHEMA) go only a few levels deep.
        self.depth += 40
        self.enter()
        found = self.definition()
        self.depth -= 41
        return found

    def definition(self):
        """Statements that are neither queries nor changes of data; see definitions.py."""
        raise self.unexpected()

    cdef Node insert(self):
        cdef Insert node = Insert.__new__(Insert)
        node.pos = self.here()
        self.advance()
        self.need("into")
        node.table = self.table_ref(False)
        if self.is_word("as"):
            self.advance()
            node.table.alias = self.name()
        if self.is_word("default"):
            self.advance()
            self.need("values")
        else:
            if self.is_punct("(") and not (
                    self.ahead(1, WORD, "select") or self.ahead(1, WORD, "with")
                    or self.ahead(1, WORD, "values") or self.ahead(1, PUNCT, "(")):
                self.advance()
                columns = []
                while True:
                    columns.append(self.assigned_column())
                    if not self.take(","):
                        break
                node.columns = tuple(columns)
                self.need(")")
            if self.is_word("overriding"):
                self.advance()
                node.overriding = "system" if self.take("system") else "user"
                if node.overriding == "user":
                    self.need("user")
                self.need("value")
            node.query = self.query()
        if self.is_word("on"):
            node.on_conflict = self.conflict_clause()
        node.returning = self.returning_clause()
        return node

    def assigned_column(self):
        """A column to be assigned: its name, or (name, *indirection)."""
        name = self.name()
        path = [name]
        while True:
            if self.take("."):
                path.append(self.label())
            elif self.take("["):
                path.append(self.expression())
                self.need("]")
            else:
                break
        return name if len(path) == 1 else tuple(path)

    def conflict_clause(self):
        """ON CONFLICT ..."""
        cdef OnConflict node = OnConflict.__new__(OnConflict)
        node.pos = self.here()
        self.advance()
        self.need("conflict")
        if self.is_word("on"):
            self.advance()
            self.need("constraint")
            node.constraint = self.name()
        elif self.take("("):
            keys = []
            while True:
                keys.append(self.expression())
                if not self.is_punct(",") and not self.is_punct(")"):
                    self.qualified()    # an operator class changes nothing here
                if not self.take(","):
                    break
            node.keys = tuple(keys)
            self.need(")")
            if self.is_word("where"):
                self.advance()
                node.keys_where = self.expression()
        self.need("do")
        if self.take("nothing"):
            return node
        self.need("update")
        self.need("set")
        if node.keys is None and node.constraint is None:
            raise self.failure(
                "42601", "ON CONFLICT DO UPDATE requires inference specification or constraint "
                "name", node.pos)
        node.assignments = self.assignments()
        if self.is_word("where"):
            self.advance()
            node.where = self.expression()
        return node

    def returning_clause(self):
        """RETURNING targets, or None."""
        if not self.is_word("returning"):
            return None
        self.advance()
        return self.targets()

    cpdef tuple assignments(self):
        """column = value [, ...]"""
        cdef list found = []
        cdef Assignment node
        while True:
            node = Assignment.__new__(Assignment)
            node.pos = self.here()
            if self.is_punct("("):
                self.advance()
                columns = [self.assigned_column()]
                while self.take(","):
                    columns.append(self.assigned_column())
                node.columns = tuple(columns)
                self.need(")")
                self.need("=")
                node.value = self.expression()
                if type(node.value) is not Row and type(node.value) is not ScalarQuery:
                    node.value = Row(items=(node.value,), pos=node.value.pos)
            else:
                node.columns = (self.assigned_column(),)
                self.need("=")
                node.value = self.expression()
            found.append(node)
            if not self.is_punct(","):
                break
            self.advance()
        return tuple(found)

    cdef Node update(self):
        cdef Update node = Update.__new__(Update)
        node.pos = self.here()
        self.advance()
        node.table = self.target_table()
        self.need("set")
        node.assignments = self.assignments()
        node.from_ = ()
        if self.is_word("from"):
            self.advance()
            node.from_ = self.from_list()
        self.where_clause(node)
        node.returning = self.returning_clause()
        return node

    cdef Node delete(self):
        cdef Delete node = Delete.__new__(Delete)
        node.pos = self.here()
        self.advance()
        self.need("from")
        node.table = self.target_table()
        node.using = ()
        if self.is_word("using"):
            self.advance()
            node.using = self.from_list()
        self.where_clause(node)
        node.returning = self.returning_clause()
        return node

    def target_table(self):
        """The table of UPDATE and DELETE: an alias may not be the word SET."""
        cdef TableRef node = self.table_ref(False)
        if self.is_word("as"):
            self.advance()
            node.alias = self.name()
        elif self.is_column_name() and not self.is_word("set"):
            node.alias = self.name()
        return node

    def where_clause(self, Node node):
        """WHERE condition, or WHERE CURRENT OF cursor."""
        if not self.is_word("where"):
            return
        self.advance()
        if self.is_word("current") and self.ahead(1, WORD, "of"):
            self.advance()
            self.advance()
            node.current_of = self.name()
        else:
            node.where = self.expression()

    # ------------------------------------------------------------------ for the Python grammar

    def sees(self, *words):
        """Whether these words and punctuation stand next."""
        cdef Py_ssize_t i = self.at
        for word in words:
            if i >= self.count or self.tokens[i].kind not in (WORD, OPERATOR, PUNCT):
                return False
            if <str> self.texts[i] != word:
                return False
            i += 1
        return True

    def accept(self, *words):
        """Step over these words if all of them stand next."""
        if not self.sees(*words):
            return False
        self.go(self.at + len(words))
        return True

    def expect(self, *words):
        """Step over these words; a syntax error if they do not stand here."""
        for word in words:
            self.need(word)

    def choose(self, *words):
        """Step over and return the one of these words that stands next."""
        for word in words:
            if self.take(word):
                return word
        raise self.unexpected()

    def error(self):
        """A syntax error at the current token."""
        return self.unexpected()

    def refuse(self, what):
        """An error saying that a feature is not supported."""
        return self.failure("0A000", f"{what} is not supported", self.here())

    def string(self):
        """A string literal."""
        if self.tokens[self.at].kind != STRING:
            raise self.unexpected()
        text = self.text
        self.advance()
        return text

    def integer(self):
        """A whole number with an optional sign."""
        negative = self.kind == OPERATOR and self.text == "-"
        if negative or self.kind == OPERATOR and self.text == "+":
            self.advance()
        if self.kind != INTEGER:
            raise self.unexpected()
        value = int(self.text)
        self.advance()
        return -value if negative else value

    def value(self):
        """A setting's value: number, string, or word."""
        if self.kind == INTEGER or self.kind == OPERATOR and self.text in ("-", "+") \
                and self.tokens[self.at + 1].kind == INTEGER:
            return self.integer()
        negative = self.kind == OPERATOR and self.text == "-"
        if negative:
            self.advance()
        text = self.text
        if self.kind == NUMBER:
            self.advance()
            return -float(text) if negative else float(text)
        if self.kind == STRING:
            self.advance()
            return text
        return self.label()

    def mark(self):
        """The place of the current token, for `back`."""
        return self.at

    def back(self, mark):
        """Return to a place."""
        self.go(mark)

    def take_any(self):
        """Step over any token; returns its text."""
        text = self.text
        self.advance()
        return text

    @property
    def offset(self):
        """The character at which the current token starts."""
        return self.here()

    @property
    def ended(self):
        """Whether the statement is over."""
        return self.kind == END or self.is_punct(";")

    @property
    def named(self):
        """Whether a name stands next."""
        return self.is_column_name()

    @property
    def quoted(self):
        """Whether a string literal stands next."""
        return self.kind == STRING

    @property
    def previous_end(self):
        """Where the token before the current one ended."""
        return self.tokens[self.at - 1].end

    # ------------------------------------------------------------------ whole texts

    def statements(self):
        """All statements of the text as (node, start, end), split at semicolons."""
        cdef list found = []
        cdef Py_ssize_t start
        while self.kind != END:
            if self.is_punct(";"):
                self.advance()
                continue
            start = self.here()
            self.depth = 0
            node = self.statement()
            found.append((node, start, self.tokens[self.at - 1].end))
            if self.kind != END and not self.is_punct(";"):
                raise self.unexpected()
        return found

    def whole(self, str rule):
        """Read one grammar rule that must take all of the text."""
        node = getattr(self, rule)()
        if self.kind != END:
            raise self.unexpected()
        return node
