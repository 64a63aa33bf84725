"""Operands: constants, names, calls, CASE, subqueries, windows, and what has a syntax of its own."""

from query_planner.ast.nodes cimport (
    Array, ArrayQuery, Case, Cast, ColumnRef, Default, Exists, FieldSelect, Frame, FuncCall,
    Literal, Node, Parameter, Row, ScalarQuery, Slice, SortKey, Star, Subscript, TypeName,
    ValueFunction, Window,
)
from query_planner.parser.lexer cimport (
    BITS, INTEGER, NUMBER, OPERATOR, PARAM, PUNCT, QUOTED, STRING, WORD,
)
from query_planner.parser.tokens cimport P_BETWEEN, RESERVED, TYPE_FUNCTION, TokenParser

from query_planner.parser.tokens import MAX_DEPTH

cdef int _MAX_DEPTH = MAX_DEPTH

cdef frozenset _VALUE_FUNCTIONS = frozenset((
    "current_date", "current_time", "current_timestamp", "localtime", "localtimestamp",
    "current_role", "current_user", "session_user", "user", "current_catalog", "current_schema"))
cdef frozenset _SPECIAL = frozenset((
    "case", "cast", "exists", "array", "row", "extract", "overlay", "position", "substring",
    "trim", "coalesce", "greatest", "least", "nullif", "grouping", "default", "null", "true",
    "false", "normalize", "treat"))
cdef frozenset _TYPE_WORDS = frozenset((
    "bigint", "bit", "boolean", "char", "character", "dec", "decimal", "float", "int", "integer",
    "interval", "national", "nchar", "numeric", "real", "smallint", "time", "timestamp",
    "varchar", "double"))
cdef frozenset _QUERY_TAIL = frozenset((
    "union", "intersect", "except", "order", "limit", "offset", "fetch", "for"))


cdef class OperandParser(TokenParser):

    # ------------------------------------------------------------------ operands

    def starts_query(self):
        """Whether the current token can only begin a query."""
        return self.kind == WORD and (self.text == "select" or self.text == "values"
                                      or self.text == "with" or self.text == "table"
                                      and self.category == RESERVED)

    cdef Node primary(self):
        cdef Literal literal
        cdef Parameter parameter
        cdef Py_ssize_t pos = self.here()
        cdef str text = self.text
        if self.kind == WORD:
            return self.word()
        if self.kind == QUOTED:
            return self.column_or_call()
        if self.kind == PUNCT:
            if text == "(":
                return self.subscripts(self.parenthesised(), True)
            raise self.unexpected()
        if self.kind == PARAM:
            if len(text) > 5 or int(text) > 65535 or int(text) == 0:
                raise self.failure("42P02", f"there is no parameter ${text}", pos)
            parameter = Parameter.__new__(Parameter)
            parameter.number = int(text)
            parameter.pos = pos
            self.advance()
            return self.subscripts(parameter, True)
        literal = Literal.__new__(Literal)
        literal.pos = pos
        if self.kind == INTEGER:
            literal.kind = "integer"
            if len(text) > 30:
                literal.kind = "numeric"
                literal.value = text
            else:
                literal.value = int(text)
        elif self.kind == NUMBER:
            literal.kind = "numeric"
            literal.value = text
        elif self.kind == STRING:
            literal.kind = "string"
            literal.value = text
        elif self.kind == BITS:
            literal.kind = "bit"
            literal.value = text
        else:
            raise self.unexpected()
        self.advance()
        return literal

    cdef Node subscripts(self, Node base, bint fields):
        """[index], [low:high] and, where `fields`, .name after an operand."""
        cdef Subscript subscript
        cdef FieldSelect select
        cdef Slice slice_
        cdef Py_ssize_t pos
        cdef list indices
        cdef int count = 0
        while self.kind == PUNCT:
            pos = self.here()
            count += 1
            if count > _MAX_DEPTH:
                raise self.failure("54001", "stack depth limit exceeded", pos)
            if self.text == "[":
                indices = []
                while self.is_punct("["):
                    self.advance()
                    low = None
                    if not self.is_punct(":"):
                        low = self.expression()
                    if self.is_punct(":"):
                        self.advance()
                        slice_ = Slice.__new__(Slice)
                        slice_.pos = pos
                        slice_.low = low
                        if not self.is_punct("]"):
                            slice_.high = self.expression()
                        low = slice_
                    self.need("]")
                    indices.append(low)
                subscript = Subscript.__new__(Subscript)
                subscript.arg = base
                subscript.indices = tuple(indices)
                subscript.pos = base.pos
                base = subscript
            elif fields and self.text == ".":
                self.advance()
                select = FieldSelect.__new__(FieldSelect)
                select.arg = base
                select.pos = base.pos
                if self.kind == OPERATOR and self.text == "*":
                    self.advance()
                    select.name = "*"
                else:
                    select.name = self.label()
                base = select
            else:
                break
        return base

    cdef Node parenthesised(self):
        cdef Py_ssize_t pos = self.here()
        cdef Node inner
        cdef ScalarQuery scalar
        cdef Row row
        self.enter()
        self.advance()
        if self.starts_query():
            scalar = ScalarQuery.__new__(ScalarQuery)
            scalar.query = self.query()
            scalar.pos = pos
            inner = scalar
        else:
            inner = self.expression()
            if type(inner) is ScalarQuery and self.kind == WORD and self.text in _QUERY_TAIL:
                # ((SELECT ..) UNION ..): what looked like an operand began a query.
                scalar = ScalarQuery.__new__(ScalarQuery)
                scalar.query = self.query_from((<ScalarQuery> inner).query)
                scalar.pos = pos
                inner = scalar
            elif self.is_punct(","):
                items = [inner]
                while self.take(","):
                    items.append(self.expression())
                row = Row.__new__(Row)
                row.items = tuple(items)
                row.pos = pos
                inner = row
        self.need(")")
        self.depth -= 1
        return inner

    cdef Node case_(self):
        cdef Case node = Case.__new__(Case)
        cdef list whens = []
        node.pos = self.here()
        self.advance()
        if not self.is_word("when"):
            node.arg = self.expression()
        while self.is_word("when"):
            self.advance()
            condition = self.expression()
            self.need("then")
            whens.append((condition, self.expression()))
        if not whens:
            raise self.unexpected()
        if self.is_word("else"):
            self.advance()
            node.default = self.expression()
        self.need("end")
        node.whens = tuple(whens)
        return node

    cdef Node word(self):
        """An operand that begins with an unquoted word."""
        cdef str text = self.text
        cdef Py_ssize_t next_ = self.at + 1
        cdef int following = self.tokens[next_].kind
        cdef Node found
        if self.category == 0:
            if following == STRING and text != "double":
                return self.typed_literal()
            if text == "double" and self.ahead(1, WORD, "precision"):
                return self.typed_literal()
            return self.column_or_call()
        if text in _SPECIAL:
            found = self.special(text)
            if found is not None:
                return found
        if text in _VALUE_FUNCTIONS:
            if text != "current_schema" or not self.ahead(1, PUNCT, "("):
                return self.value_function()
        if text in _TYPE_WORDS:
            if following == STRING or following == WORD or self.ahead(1, PUNCT, "("):
                found = self.typed_literal()
                if found is not None:
                    return found
        if self.category == RESERVED:
            raise self.unexpected()
        if self.category == TYPE_FUNCTION and following == STRING:
            return self.typed_literal()
        return self.column_or_call()

    def value_function(self):
        """current_timestamp(3) and kin."""
        cdef ValueFunction node = ValueFunction.__new__(ValueFunction)
        node.pos = self.here()
        node.name = self.text
        self.advance()
        if self.is_punct("(") and node.name in ("current_time", "current_timestamp", "localtime",
                                                "localtimestamp"):
            self.advance()
            if self.kind != INTEGER:
                raise self.unexpected()
            node.precision = int(self.text)
            self.advance()
            self.need(")")
        return node

    cdef Node typed_literal(self):
        """type 'literal', or None (and nothing read) where that is not what stands here."""
        cdef Py_ssize_t start = self.at, pos = self.here()
        cdef Cast cast
        cdef TypeName type_
        cdef Literal literal
        cdef bint generic = self.category == 0 and self.text != "double"
        try:
            type_ = self.simple_type()
        except Exception:
            if generic:
                raise
            type_ = None
        if type_ is None or self.kind != STRING:
            self.go(start)
            return None
        literal = Literal.__new__(Literal)
        literal.kind = "string"
        literal.value = self.text
        literal.pos = self.here()
        self.advance()
        if type_.name == ("interval",) and type_.fields is None:
            self.interval_fields(type_)
        cast = Cast.__new__(Cast)
        cast.arg = literal
        cast.type = type_
        cast.pos = pos
        return cast

    cdef Node special(self, str text):
        """Operands with a syntax of their own; None where the word is a plain name after all."""
        cdef Literal literal
        cdef Exists exists
        cdef Cast cast
        cdef Row row
        cdef Py_ssize_t pos = self.here()
        cdef bint paren = self.ahead(1, PUNCT, "(")
        if text == "null" or text == "true" or text == "false":
            literal = Literal.__new__(Literal)
            literal.kind = "null" if text == "null" else "boolean"
            literal.value = None if text == "null" else text == "true"
            literal.pos = pos
            self.advance()
            return literal
        if text == "case":
            self.enter()
            node = self.case_()
            self.depth -= 1
            return self.subscripts(node, False)
        if text == "default":
            self.advance()
            return Default(pos=pos)
        if text == "array":
            self.advance()
            if self.is_punct("("):
                self.advance()
                query = ArrayQuery(query=self.query(), pos=pos)
                self.need(")")
                return self.subscripts(query, False)
            return self.subscripts(self.array_items(pos), False)
        if not paren:
            return None
        if text == "cast" or text == "treat":
            self.advance()
            self.advance()
            cast = Cast.__new__(Cast)
            cast.arg = self.expression()
            self.need("as")
            cast.type = self.type_name()
            cast.pos = pos
            self.need(")")
            return cast
        if text == "exists":
            self.advance()
            self.advance()
            exists = Exists.__new__(Exists)
            exists.query = self.query()
            exists.pos = pos
            self.need(")")
            return exists
        if text == "row":
            self.advance()
            self.advance()
            row = Row.__new__(Row)
            row.items = () if self.is_punct(")") else self.expressions()
            row.pos = pos
            self.need(")")
            return row
        return self.subscripts(self.spelled_call(text, pos), True)

    def array_items(self, Py_ssize_t pos):
        """[items] of ARRAY[...], whose items may again be bare [..]."""
        cdef list items = []
        self.enter()
        self.need("[")
        while not self.is_punct("]"):
            if items:
                self.need(",")
            if self.is_punct("["):
                items.append(self.array_items(self.here()))
            else:
                items.append(self.expression())
        self.need("]")
        self.depth -= 1
        return Array(items=tuple(items), pos=pos)

    def spelled_call(self, str text, Py_ssize_t pos):
        """Functions whose arguments are separated by words: EXTRACT(x FROM y) and kin."""
        cdef str name = text
        cdef list args = []
        self.advance()
        self.advance()
        if text == "extract":
            if self.kind != WORD and self.kind != STRING and self.kind != QUOTED:
                raise self.unexpected()
            args.append(Literal(kind="string", value=self.text, pos=self.here()))
            self.advance()
            self.need("from")
            args.append(self.expression())
        elif text == "position":
            args.append(self.expression(P_BETWEEN))
            self.need("in")
            args.insert(0, self.expression(P_BETWEEN))
        elif text == "trim":
            name = "btrim"
            if self.is_word("leading"):
                name = "ltrim"
            elif self.is_word("trailing"):
                name = "rtrim"
            if self.is_word("leading") or self.is_word("trailing") or self.is_word("both"):
                self.advance()
            if not self.take("from"):
                args.append(self.expression())
                if self.take("from"):
                    args.insert(0, self.expression())
                elif self.take(","):
                    args.append(self.expression())
            else:
                args.extend(self.expressions())
        elif text == "substring" or text == "overlay":
            args.append(self.expression())
            if text == "overlay" and self.is_word("placing"):
                self.advance()
                args.append(self.expression())
                self.need("from")
                args.append(self.expression())
                if self.take("for"):
                    args.append(self.expression())
            elif self.is_word("similar"):
                self.advance()
                args.append(self.expression())
                self.need("escape")
                args.append(self.expression())
            elif self.take("from"):
                args.append(self.expression())
                if self.take("for"):
                    args.append(self.expression())
            elif self.take("for"):
                length = self.expression()
                start = Literal(kind="integer", value=1)
                if self.take("from"):
                    start = self.expression()
                args.extend([start, length])
            else:
                while self.take(","):
                    args.append(self.expression())
        elif text == "normalize":
            args.append(self.expression())
            if self.take(","):
                args.append(Literal(kind="string", value=self.label()))
        else:
            args.extend(self.expressions())
        self.need(")")
        return FuncCall(name=(name,), args=tuple(args), pos=pos)

    cdef Node column_or_call(self):
        cdef Py_ssize_t pos = self.here()
        cdef ColumnRef column
        cdef Star star
        cdef tuple name
        cdef list parts
        cdef bint is_function = self.kind == WORD and self.category == TYPE_FUNCTION
        cdef str first = self.text
        self.advance()
        if self.kind == PUNCT and self.text == ".":
            parts = [first]
            while self.kind == PUNCT and self.text == ".":
                self.advance()
                if self.kind == OPERATOR and self.text == "*":
                    self.advance()
                    star = Star.__new__(Star)
                    star.parts = tuple(parts)
                    star.pos = pos
                    return star
                parts.append(self.label())
            name = tuple(parts)
        else:
            name = (first,)
        if self.kind == PUNCT:
            if self.text == "(":
                return self.subscripts(self.call(name, pos), True)
            if self.text == "[" and not is_function:
                column = ColumnRef.__new__(ColumnRef)
                column.parts = name
                column.pos = pos
                return self.subscripts(column, False)
        elif self.kind == STRING and len(name) > 1:
            # schema.type 'literal'
            type_ = TypeName(name=name, typmods=(), pos=pos)
            literal = Literal(kind="string", value=self.text, pos=self.here())
            self.advance()
            return Cast(arg=literal, type=type_, pos=pos)
        if is_function:
            self.go(self.at - 1)
            raise self.unexpected()
        column = ColumnRef.__new__(ColumnRef)
        column.parts = name
        column.pos = pos
        return column

    cdef Node call(self, tuple name, Py_ssize_t pos):
        """A function call from its opening parenthesis on."""
        cdef FuncCall node = FuncCall.__new__(FuncCall)
        cdef list args = [], arg_names = []
        cdef bint named = False
        node.name = name
        node.pos = pos
        node.args = ()
        self.advance()
        if self.kind == OPERATOR and self.text == "*" and self.ahead(1, PUNCT, ")"):
            self.advance()
            node.star = True
        elif not self.is_punct(")"):
            if self.is_word("distinct"):
                self.advance()
                node.distinct = True
            elif self.is_word("all"):
                self.advance()
            while True:
                if self.is_word("variadic"):
                    self.advance()
                    node.variadic = True
                if (self.kind == WORD or self.kind == QUOTED) and (
                        self.ahead(1, PUNCT, "=>") or self.ahead(1, PUNCT, ":=")):
                    named = True
                    arg_names.append(self.label())
                    self.advance()
                else:
                    if named:
                        raise self.failure(
                            "42601", "positional argument cannot follow named argument",
                            self.here())
                    arg_names.append(None)
                args.append(self.expression())
                if not self.is_punct(","):
                    break
                self.advance()
            node.args = tuple(args)
            if named:
                node.arg_names = tuple(arg_names)
            if self.is_word("order"):
                node.order_by = self.sort_keys()
        self.need(")")
        if self.kind == WORD and self.category == 0 or self.kind == WORD and self.text == "within":
            if self.is_word("within") and self.ahead(1, WORD, "group"):
                self.advance()
                self.advance()
                self.need("(")
                node.within_group = self.sort_keys()
                self.need(")")
            if self.is_word("filter") and self.ahead(1, PUNCT, "("):
                self.advance()
                self.advance()
                self.need("where")
                node.filter = self.expression()
                self.need(")")
            if self.is_word("over"):
                self.advance()
                if self.is_punct("("):
                    node.over = self.window_body()
                else:
                    node.over = Window(base=self.name(), pos=self.here())
        return node

    cpdef tuple sort_keys(self):
        """ORDER BY key [, key ...], from the word ORDER on."""
        cdef list keys = []
        cdef SortKey key
        self.need("order")
        self.need("by")
        while True:
            key = SortKey.__new__(SortKey)
            key.pos = self.here()
            key.expr = self.expression()
            if self.kind == WORD:
                if self.text == "desc":
                    key.descending = True
                    self.advance()
                elif self.text == "asc":
                    self.advance()
                elif self.text == "using":
                    self.advance()
                    op = self.text
                    if self.kind != OPERATOR or op not in ("<", ">"):
                        raise self.unexpected()
                    key.descending = op == ">"
                    self.advance()
                if self.is_word("nulls"):
                    self.advance()
                    key.nulls_first = self.is_word("first")
                    if not self.take("first"):
                        self.need("last")
            keys.append(key)
            if not self.is_punct(","):
                break
            self.advance()
        return tuple(keys)

    # ------------------------------------------------------------------ windows

    cpdef Node window_body(self):
        """( [base] [PARTITION BY ..] [ORDER BY ..] [frame] )"""
        cdef Window node = Window.__new__(Window)
        node.pos = self.here()
        node.partition_by = ()
        node.order_by = ()
        self.need("(")
        if self.is_column_name() and not (
                self.kind == WORD and self.text in ("partition", "rows", "range", "groups")):
            node.base = self.name()
        if self.is_word("partition"):
            self.advance()
            self.need("by")
            node.partition_by = self.expressions()
        if self.is_word("order"):
            node.order_by = self.sort_keys()
        if self.kind == WORD and self.text in ("rows", "range", "groups"):
            node.frame = self.frame()
        self.need(")")
        return node

    cdef Node frame(self):
        cdef Frame node = Frame.__new__(Frame)
        node.pos = self.here()
        node.mode = self.text
        self.advance()
        if self.is_word("between"):
            self.advance()
            node.start = self.frame_bound()
            self.need("and")
            node.end = self.frame_bound()
        else:
            node.start = self.frame_bound()
            node.end = ("current row", None)
        if self.is_word("exclude"):
            self.advance()
            if self.take("current"):
                self.need("row")
                node.exclude = "current row"
            elif self.take("no"):
                self.need("others")
            elif self.take("ties"):
                node.exclude = "ties"
            else:
                self.need("group")
                node.exclude = "group"
        for bound, wrong in ((node.start, "unbounded following"),
                             (node.end, "unbounded preceding")):
            if bound[0] == wrong:
                side = "start" if bound is node.start else "end"
                raise self.failure("42P20", f"frame {side} cannot be {wrong.upper()}", node.pos)
        return node

    cdef tuple frame_bound(self):
        if self.is_word("unbounded"):
            self.advance()
            if self.take("preceding"):
                return ("unbounded preceding", None)
            self.need("following")
            return ("unbounded following", None)
        if self.is_word("current") and self.ahead(1, WORD, "row"):
            self.advance()
            self.advance()
            return ("current row", None)
        offset = self.expression()
        if self.take("preceding"):
            return ("preceding", offset)
        self.need("following")
        return ("following", offset)
