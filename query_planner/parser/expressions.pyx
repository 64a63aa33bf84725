"""The grammar of expressions: a Pratt parser over PostgreSQL's operator precedence.

`expression(power)` reads a prefix and then every infix operator that binds tighter than `power`.
The powers, loosest first, are PostgreSQL's (manual section 4.1.6):

    OR 1 · AND 2 · NOT 3 · IS 4 · comparison 5 · BETWEEN IN LIKE 6 · other operators 7 · + - 8 ·
    * / % 9 · ^ 10 · AT TIME ZONE 11 · COLLATE 12 · unary sign 13 · [ ] and :: above all

Chains of AND and OR become one flat node.  Nesting is counted, and beyond MAX_DEPTH refused with
54001 instead of exhausting the C stack.
"""

from query_planner.ast.nodes cimport (
    Between, Binary, BoolOp, Cast, Collate, FuncCall, InList, Is, IsDistinct, Like, Literal, Node,
    Not, Quantified, Row, ScalarQuery, Unary,
)
from query_planner.parser.lexer cimport INTEGER, OPERATOR, PUNCT, QUOTED, WORD
from query_planner.parser.operands cimport OperandParser
from query_planner.parser.tokens cimport (
    P_ADD, P_AND, P_AT, P_BETWEEN, P_COLLATE, P_COMPARE, P_IS, P_MULTIPLY, P_NOT, P_OR, P_OTHER,
    P_POWER, P_SIGN, RESERVED,
)

from query_planner.parser.tokens import MAX_DEPTH

cdef int _MAX_DEPTH = MAX_DEPTH

cdef dict _POWERS = {
    "<": P_COMPARE, ">": P_COMPARE, "=": P_COMPARE, "<=": P_COMPARE, ">=": P_COMPARE,
    "<>": P_COMPARE, "+": P_ADD, "-": P_ADD, "*": P_MULTIPLY, "/": P_MULTIPLY, "%": P_MULTIPLY,
    "^": P_POWER,
}


cdef class ExpressionParser(OperandParser):

    # ------------------------------------------------------------------ operators

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
