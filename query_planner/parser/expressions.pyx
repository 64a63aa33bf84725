"""The grammar of expressions: a Pratt parser over PostgreSQL's operator precedence.

`expression(power)` reads a prefix and then every infix operator that binds tighter than `power`.
The powers, loosest first, are PostgreSQL's (manual section 4.1.6):

    OR 1 · AND 2 · NOT 3 · IS 4 · comparison 5 · BETWEEN IN LIKE 6 · other operators 7 · + - 8 ·
    * / % 9 · ^ 10 · AT TIME ZONE 11 · COLLATE 12 · unary sign 13 · [ ] and :: above all

Chains of AND and OR become one flat node.  Nesting is counted, and beyond MAX_DEPTH refused with
54001 instead of exhausting the C stack.
"""

from query_planner.ast.nodes cimport (
    Array, ArrayQuery, Between, Binary, BoolOp, Case, Cast, Collate, ColumnRef, Default, Exists,
    FieldSelect, Frame, FuncCall, InList, Is, IsDistinct, Like, Literal, Node, Not,
    Parameter, Quantified, Query, Row, ScalarQuery, Slice, SortKey, Star, Subscript, TypeName,
    Unary, ValueFunction, Window,
)
from query_planner.parser.lexer cimport (
    BITS, END, INTEGER, NUMBER, OPERATOR, PARAM, PUNCT, QUOTED, STRING, WORD, Lexer,
)

cdef int _MAX_DEPTH = 400
MAX_DEPTH = _MAX_DEPTH

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
    P_POSTFIX = 14

cdef enum:
    COLUMN_NAME = 2
    TYPE_FUNCTION = 3
    RESERVED = 4

cdef dict _POWERS = {
    "<": P_COMPARE, ">": P_COMPARE, "=": P_COMPARE, "<=": P_COMPARE, ">=": P_COMPARE,
    "<>": P_COMPARE, "+": P_ADD, "-": P_ADD, "*": P_MULTIPLY, "/": P_MULTIPLY, "%": P_MULTIPLY,
    "^": P_POWER,
}
cdef frozenset _VALUE_FUNCTIONS = frozenset((
    "current_date", "current_time", "current_timestamp", "localtime", "localtimestamp",
    "current_role", "current_user", "session_user", "user", "current_catalog", "current_schema"))
cdef frozenset _SPECIAL = frozenset((
    "case", "cast", "exists", "array", "row", "extract", "overlay", "position", "substring",
    "trim", "coalesce", "greatest", "least", "nullif", "grouping", "default", "null", "true",
    "false", "not", "normalize", "treat"))
cdef frozenset _TYPE_WORDS = frozenset((
    "bigint", "bit", "boolean", "char", "character", "dec", "decimal", "float", "int", "integer",
    "interval", "national", "nchar", "numeric", "real", "smallint", "time", "timestamp",
    "varchar", "double"))
cdef frozenset _QUERY_TAIL = frozenset((
    "union", "intersect", "except", "order", "limit", "offset", "fetch", "for"))
cdef frozenset _INTERVAL_FIELDS = frozenset((
    "year", "month", "day", "hour", "minute", "second"))


cdef class ExpressionParser(Lexer):

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

    # ------------------------------------------------------------------ operators

    cpdef tuple expressions(self):
        """expression [, expression ...]"""
        cdef list found = [self.expression()]
        while self.kind == PUNCT and self.text == ",":
            self.advance()
            found.append(self.expression())
        return tuple(found)

    cpdef Node expression(self, int power=0):
        """One expression whose infix operators all bind tighter than `power`."""
        cdef Node left, fresh
        cdef int length = 0
        self.enter()
        left = self.prefix()
        while True:
            fresh = self.infix(left, power, self.here())
            if fresh is None:
                break
            left = fresh
            length += 1
            if length > 4 * _MAX_DEPTH:
                raise self.failure("54001", "stack depth limit exceeded", self.here())
        self.depth -= 1
        return left

    cdef Node prefix(self):
        cdef Py_ssize_t pos = self.here()
        cdef Node arg
        cdef str op
        if self.kind == WORD:
            if self.category == RESERVED and self.text == "not":
                self.advance()
                return _not(self.expression(P_NOT - 1), pos)
            return self.primary()
        if self.kind == OPERATOR:
            op = self.text
            self.advance()
            if op == "-" or op == "+":
                if op == "-" and self.kind == INTEGER and not self.ahead(1, PUNCT, "::") \
                        and not self.ahead(1, OPERATOR, "^"):
                    # A negative number is one constant, so that -2147483648 is an int4.
                    arg = self.primary()
                    if type(arg) is Literal:
                        (<Literal> arg).value = -(<Literal> arg).value
                        arg.pos = pos
                        return arg
                    return _unary(op, arg, pos)
                return _unary(op, self.expression(P_SIGN), pos)
            return _unary(op, self.expression(P_OTHER), pos)
        return self.primary()

    cdef Node infix(self, Node left, int power, Py_ssize_t pos):
        """left and one infix operator with its right side, or None where none binds."""
        cdef str op
        cdef int own
        cdef object found
        cdef BoolOp bool_op
        cdef Node right
        cdef Collate collate
        cdef Cast cast
        cdef FuncCall call
        if self.kind == OPERATOR:
            op = self.text
            found = _POWERS.get(op)
            own = P_OTHER if found is None else <int> found
            if own <= power:
                return None
            self.advance()
            if self.kind == WORD and self.category == RESERVED and (
                    self.text == "any" or self.text == "some" or self.text == "all"):
                return self.quantified(left, op, pos)
            return _binary(op, left, self.expression(own), pos)
        if self.kind == PUNCT:
            if self.text == "::":
                self.advance()
                cast = Cast.__new__(Cast)
                cast.arg = left
                cast.type = self.type_name()
                cast.pos = pos
                return cast
            if self.text == "[":
                return self.subscripts(left, False)
            return None
        if self.kind != WORD:
            return None
        op = self.text
        if self.category == 0:
            if op == "at" and P_AT > power and self.ahead(1, WORD, "time"):
                self.advance()
                self.advance()
                self.need("zone")
                call = FuncCall.__new__(FuncCall)
                call.name = ("timezone",)
                call.args = (self.expression(P_AT), left)
                call.pos = pos
                return call
            if op == "operator" and P_OTHER > power and self.ahead(1, PUNCT, "("):
                op = self.explicit_operator()
                if self.kind == WORD and (
                        self.text == "any" or self.text == "some" or self.text == "all"):
                    return self.quantified(left, op, pos)
                return _binary(op, left, self.expression(P_OTHER), pos)
            return None
        if op == "and" or op == "or":
            own = P_AND if op == "and" else P_OR
            if own <= power:
                return None
            args = [left]
            while self.kind == WORD and self.text == op:
                self.advance()
                args.append(self.expression(own))
            bool_op = BoolOp.__new__(BoolOp)
            bool_op.op = op
            bool_op.args = tuple(args)
            bool_op.pos = pos
            return bool_op
        if op == "is":
            if P_IS <= power:
                return None
            self.advance()
            return self.is_test(left, pos)
        if op == "isnull" or op == "notnull":
            if P_IS <= power:
                return None
            self.advance()
            return _is(left, "null", op == "notnull", pos)
        if op == "collate":
            if P_COLLATE <= power:
                return None
            self.advance()
            collate = Collate.__new__(Collate)
            collate.arg = left
            collate.name = self.qualified()
            collate.pos = pos
            return collate
        if op == "overlaps" and P_OTHER > power:
            self.advance()
            right = self.expression(P_OTHER)
            if type(left) is not Row or type(right) is not Row:
                raise self.failure("42601", "OVERLAPS needs two rows", pos)
            call = FuncCall.__new__(FuncCall)
            call.name = ("overlaps",)
            call.args = (<Row> left).items + (<Row> right).items
            call.pos = pos
            return call
        return self.predicate(left, power, pos)

    def predicate(self, Node left, int power, Py_ssize_t pos):
        """[NOT] BETWEEN | IN | LIKE | ILIKE | SIMILAR TO after `left`, or None."""
        cdef bint negated = False
        cdef Between between
        cdef InList in_list
        cdef Like like
        cdef Quantified quantified
        cdef Py_ssize_t start = self.at
        cdef str op
        if P_BETWEEN <= power:
            return None
        if self.text == "not":
            negated = True
            self.advance()
        op = self.text if self.kind == WORD else ""
        if op == "between":
            self.advance()
            between = Between.__new__(Between)
            between.arg = left
            between.negated = negated
            between.symmetric = self.take("symmetric")
            if not between.symmetric:
                self.take("asymmetric")
            between.low = self.expression(P_BETWEEN)
            self.need("and")
            between.high = self.expression(P_BETWEEN)
            between.pos = pos
            return between
        if op == "in":
            self.advance()
            self.need("(")
            if self.starts_query():
                quantified = Quantified.__new__(Quantified)
                quantified.left = left
                quantified.op = "="
                quantified.kind = "any"
                quantified.right = self.query()
                quantified.pos = pos
                self.need(")")
                return _not(quantified, pos) if negated else quantified
            in_list = InList.__new__(InList)
            in_list.arg = left
            in_list.items = self.expressions()
            in_list.negated = negated
            in_list.pos = pos
            self.need(")")
            if len(in_list.items) == 1 and type(in_list.items[0]) is ScalarQuery:
                # IN ((SELECT ...)) is a query too.
                quantified = Quantified(left=left, op="=", kind="any",
                                        right=in_list.items[0].query, pos=pos)
                return _not(quantified, pos) if negated else quantified
            return in_list
        if op == "like" or op == "ilike" or op == "similar":
            self.advance()
            if op == "similar":
                self.need("to")
            like = Like.__new__(Like)
            like.arg = left
            like.kind = op
            like.negated = negated
            like.pos = pos
            if self.kind == WORD and (self.text == "any" or self.text == "some"
                                      or self.text == "all"):
                name = {"like": "~~", "ilike": "~~*"}.get(op)
                if name is None:
                    raise self.unexpected()
                return self.quantified(left, "!" + name if negated else name, pos)
            like.pattern = self.expression(P_BETWEEN)
            if self.is_word("escape"):
                self.advance()
                like.escape = self.expression(P_BETWEEN)
            return like
        self.go(start)
        return None

    def is_test(self, Node left, Py_ssize_t pos):
        """What follows IS."""
        cdef bint negated = self.take("not")
        cdef IsDistinct distinct
        cdef str word = self.text
        if self.kind == WORD:
            if word == "null" or word == "true" or word == "false" or word == "unknown":
                self.advance()
                return _is(left, word, negated, pos)
            if word == "distinct":
                self.advance()
                self.need("from")
                distinct = IsDistinct.__new__(IsDistinct)
                distinct.left = left
                distinct.right = self.expression(P_IS)
                distinct.negated = negated
                distinct.pos = pos
                return distinct
        raise self.unexpected()

    def explicit_operator(self):
        """OPERATOR(schema.op): the operator's characters; only pg_catalog has operators."""
        self.advance()
        self.need("(")
        while self.kind == WORD or self.kind == QUOTED:
            self.advance()
            self.need(".")
        if self.kind != OPERATOR:
            raise self.unexpected()
        op = self.text
        self.advance()
        self.need(")")
        return op

    cdef Node quantified(self, Node left, str op, Py_ssize_t pos):
        """ANY|SOME|ALL (query or array) after an operator."""
        cdef Quantified node = Quantified.__new__(Quantified)
        node.left = left
        node.op = op
        node.kind = "all" if self.text == "all" else "any"
        node.pos = pos
        self.advance()
        self.need("(")
        node.right = self.query() if self.starts_query() else self.expression()
        if type(node.right) is ScalarQuery:
            node.right = (<ScalarQuery> node.right).query
        self.need(")")
        return node

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
        if text == "not":
            self.advance()
            return _not(self.expression(P_NOT - 1), pos)
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

    # ------------------------------------------------------------------ given by QueryParser

    cpdef Query query(self):
        raise NotImplementedError

    cdef Query query_from(self, Query left):
        raise NotImplementedError


cdef Node _not(Node arg, Py_ssize_t pos):
    cdef Not node = Not.__new__(Not)
    node.arg = arg
    node.pos = pos
    return node


cdef Node _is(Node arg, str test, bint negated, Py_ssize_t pos):
    cdef Is node = Is.__new__(Is)
    node.arg = arg
    node.test = test
    node.negated = negated
    node.pos = pos
    return node


cdef Node _unary(str op, Node arg, Py_ssize_t pos):
    cdef Unary node = Unary.__new__(Unary)
    node.op = op
    node.arg = arg
    node.pos = pos
    return node


cdef Node _binary(str op, Node left, Node right, Py_ssize_t pos):
    cdef Binary node = Binary.__new__(Binary)
    node.op = op
    node.left = left
    node.right = right
    node.pos = pos
    return node
