"""The parser of PromQL: a Pratt parser over the tokens, and the checks of types.

Binding, loosest first (`^` binds to the right, a sign in front binds like `*`):

    or  <  and unless  <  == != <= < >= >  <  + -  <  * / % atan2  <  ^  <  [range] offset @

Nesting is bounded, so that no query can exhaust the stack.
"""

import math

from tsdb.promql.lexer cimport Token

from tsdb.matchers import Matcher
from tsdb.promql import ast
from tsdb.promql.ast import SCALAR, VECTOR
from tsdb.promql.errors import ParseError
from tsdb.promql.functions import AGGREGATIONS, FUNCTIONS
from tsdb.promql.lexer import duration_ms, tokenize

cdef dict BINDING = {
    "or": 1, "and": 2, "unless": 2,
    "==": 3, "!=": 3, "<=": 3, "<": 3, ">=": 3, ">": 3,
    "+": 4, "-": 4, "*": 5, "/": 5, "%": 5, "atan2": 5, "^": 6}
cdef frozenset COMPARISONS = frozenset(("==", "!=", "<=", "<", ">=", ">"))
cdef frozenset SETS = frozenset(("and", "or", "unless"))
# Keywords that, unlike others, are no names of metrics.
cdef frozenset NO_METRICS = frozenset((
    "atan2", "bool", "on", "ignoring", "group_left", "group_right"))
cdef enum:
    UNARY_BINDING = 5
    NESTING_MAX = 200


def parse(str query):
    """The syntax tree of a query; ParseError if it has none."""
    return Parser(query).whole()


def parse_selector(str text) -> list:
    """The matchers of a bare selector, as `match[]` gives it."""
    expr = Parser(text).whole()
    if not isinstance(expr, ast.Selector):
        raise ParseError("expected an instant vector selector", text, 0)
    return expr.matchers


cdef class Parser:
    cdef str query
    cdef list tokens
    cdef Py_ssize_t at
    cdef int depth

    def __init__(self, str query):
        self.query = query
        self.tokens = tokenize(query)

    # ---- tokens ------------------------------------------------------------------------

    cdef Token peek(self, Py_ssize_t ahead=0):
        return self.tokens[min(self.at + ahead, len(self.tokens) - 1)]

    cdef Token take(self):
        cdef Token token = self.peek()
        self.at += 1
        return token

    cdef Token expect(self, str kind, str context):
        cdef Token token = self.take()
        if token.kind != kind:
            self.unexpected(token, context, "")
        return token

    cdef fail(self, str why, Py_ssize_t pos):
        raise ParseError(why, self.query, pos)

    cdef unexpected(self, Token token, str context, str expected):
        if token.kind == "ERROR":
            self.fail(token.text, token.start)
        why = f"unexpected {token.describe()}"
        if context:
            why += f" in {context}"
        if expected:
            why += f", expected {expected}"
        self.fail(why, token.start)

    # ---- expressions -------------------------------------------------------------------

    def whole(self):
        if self.peek().kind == "END":
            self.fail("no expression found in input", 0)
        expr = self.expression(0)
        if self.peek().kind != "END":
            self.unexpected(self.peek(), "", "")
        return expr

    cdef expression(self, int binding):
        """An expression whose operators bind tighter than `binding`."""
        cdef Token token
        cdef int strength
        self.depth += 1
        if self.depth > NESTING_MAX:
            self.fail("expression is nested too deeply", self.peek().start)
        left = self.operand()
        while True:
            token = self.peek()
            strength = BINDING.get(token.kind, 0)
            if strength <= binding:
                break
            self.at += 1
            as_bool, matching = self.modifiers(token)
            right = self.expression(strength - 1 if token.kind == "^" else strength)
            left = self.check_binary(
                ast.Binary(token.kind, left, right, matching, as_bool, pos=left.pos), token)
        self.depth -= 1
        return left

    cdef operand(self):
        cdef Token token = self.peek()
        if token.kind in ("+", "-"):
            self.at += 1
            expr = self.expression(UNARY_BINDING)
            if expr.type not in (SCALAR, VECTOR):
                self.fail("unary expression only allowed on expressions of type scalar or "
                          f'instant vector, got "{expr.type}"', token.start)
            if isinstance(expr, ast.Number):
                return ast.Number(-expr.value if token.kind == "-" else expr.value,
                                  pos=token.start)
            return ast.Unary(token.kind, expr, pos=token.start)
        return self.postfix(self.primary())

    cdef primary(self):
        cdef Token token = self.take()
        cdef str kind = token.kind
        if kind == "NUMBER":
            return ast.Number(self.number(token), pos=token.start)
        if kind == "STRING":
            return ast.String(token.text, pos=token.start)
        if kind == "(":
            expr = self.expression(0)
            self.expect(")", "paren expression" if self.peek().kind == "END" else "")
            return ast.Paren(expr, pos=token.start)
        if kind in AGGREGATIONS and self.peek().kind in ("(", "by", "without"):
            return self.aggregate(token)
        if kind == "NAME" and self.peek().kind == "(":
            return self.call(token)
        if kind == "{":
            return self.selector("", token)
        if kind in ("NAME", "METRIC") or is_word(kind) and kind not in NO_METRICS:
            return self.selector(token.text, token)
        self.unexpected(token, "", "")

    cdef double number(self, Token token) except? -1:
        try:
            return number_of(token.text)
        except ValueError:
            self.fail("error parsing number: strconv.ParseFloat: "
                      f'parsing "{token.text}": invalid syntax', token.start)

    cdef postfix(self, expr):
        """Range, subquery, offset and @ behind an operand."""
        cdef Token token
        while True:
            token = self.peek()
            if token.kind == "[":
                expr = self.bracket(expr, token)
            elif token.kind == "offset":
                self.at += 1
                expr = self.offset(expr, token)
            elif token.kind == "@":
                self.at += 1
                expr = self.at_modifier(expr, token)
            else:
                return expr

    cdef bracket(self, expr, Token token):
        self.at += 1
        range_ms = self.duration("range selector")
        if self.peek().kind == ":":
            self.at += 1
            step_ms = self.duration("subquery selector") if self.peek().kind != "]" else 0
            self.expect("]", "subquery selector")
            if expr.type != VECTOR:
                self.fail(f"subquery is only allowed on instant vector, got {expr.type} instead",
                          expr.pos)
            return ast.Subquery(expr, range_ms, step_ms, pos=expr.pos)
        self.expect("]", "range selector")
        if not isinstance(expr, ast.Selector):
            self.fail("ranges only allowed for vector selectors", token.start)
        if expr.has_offset:
            self.fail("no offset modifiers allowed before range", token.start)
        if expr.at is not None:
            self.fail("no @ modifiers allowed before range", token.start)
        return ast.Range(expr, range_ms, pos=expr.pos)

    cdef duration(self, str context):
        cdef Token token = self.take()
        if token.kind != "DURATION":
            self.unexpected(token, context, "duration")
        return self.positive_ms(token)

    cdef positive_ms(self, Token token):
        try:
            ms = duration_ms(token.text)
        except ValueError as exc:
            self.fail(str(exc), token.start)
        if ms == 0:
            self.fail("duration must be greater than 0", token.start)
        return ms

    cdef offset(self, expr, Token token):
        cdef int sign = 1
        if self.peek().kind in ("-", "+"):
            sign = -1 if self.take().kind == "-" else 1
        cdef Token length = self.take()
        if length.kind != "DURATION":
            self.unexpected(length, "offset", "duration")
        if not isinstance(expr, ast.Timed):
            self.fail("offset modifier must be preceded by an instant vector selector or range "
                      "vector selector or a subquery", expr.pos)
        if expr.has_offset:
            self.fail("offset may not be set multiple times", expr.pos)
        expr.offset_ms = sign * self.positive_ms(length)
        expr.has_offset = True
        return expr

    cdef at_modifier(self, expr, Token token):
        cdef int sign = 1
        cdef Token what = self.take()
        if what.kind == "NAME" and what.text in ("start", "end"):
            self.expect("(", "@")
            self.expect(")", "@")
            moment = what.text
        else:
            if what.kind in ("-", "+"):
                sign = -1 if what.kind == "-" else 1
                what = self.take()
            if what.kind != "NUMBER":
                self.unexpected(what, "@", "timestamp")
            seconds = sign * self.number(what)
            if not -(2.0 ** 63) < seconds * 1000 < 2.0 ** 63:
                self.fail(f"timestamp out of bounds for @ modifier: {seconds:f}", what.start)
            moment = int(math.floor(seconds * 1000 + 0.5))
        if not isinstance(expr, ast.Timed):
            self.fail("@ modifier must be preceded by an instant vector selector or range vector "
                      "selector or a subquery", expr.pos)
        if expr.at is not None:
            self.fail("@ <timestamp> may not be set multiple times", expr.pos)
        expr.at = moment
        return expr

    # ---- selectors ---------------------------------------------------------------------

    cdef selector(self, str name, Token first):
        cdef list matchers = []
        if not name or self.peek().kind == "{":
            if name:
                self.at += 1
            matchers = self.matchers()
        if name:
            for matcher in matchers:
                if matcher.name == "__name__":
                    self.fail(f'metric name must not be set twice: "{name}" or '
                              f'"{matcher.value}"', first.start)
            matchers.append(Matcher("__name__", "=", name))
        if all([m.matches_empty for m in matchers]):
            self.fail("vector selector must contain at least one non-empty matcher", first.start)
        return ast.Selector(matchers, pos=first.start)

    cdef list matchers(self):
        """What follows `{`, up to and with `}`."""
        cdef list found = []
        cdef Token label, op, value
        while self.peek().kind != "}":
            label = self.take()
            if not (label.kind == "NAME" or is_word(label.kind) or
                    label.kind == "NUMBER" and label.text.isalpha()):      # inf, nan
                self.unexpected(label, "label matching", 'identifier or "}"')
            op = self.take()
            if op.kind not in ("=", "!=", "=~", "!~"):
                self.unexpected(op, "label matching", "label matching operator")
            value = self.take()
            if value.kind != "STRING":
                self.unexpected(value, "label matching", "string")
            try:
                found.append(Matcher(label.text, op.kind, value.text))
            except ValueError as exc:
                self.fail(str(exc), label.start)
            if self.peek().kind == ",":
                self.at += 1
            elif self.peek().kind != "}":
                self.unexpected(self.peek(), "label matching", '"," or "}"')
        self.at += 1
        return found

    cdef tuple label_list(self):
        """Names in parentheses."""
        cdef list names = []
        cdef Token token
        if self.peek().kind != "(":
            self.unexpected(self.peek(), "grouping opts", '"("')
        self.at += 1
        while self.peek().kind != ")":
            token = self.take()
            if token.kind != "NAME" and not is_word(token.kind) or token.kind == "without":
                self.unexpected(token, "grouping opts", "label")
            names.append(token.text)
            if self.peek().kind == ",":
                self.at += 1
            elif self.peek().kind != ")":
                self.unexpected(self.peek(), "grouping opts", '"," or ")"')
        self.at += 1
        return tuple(names)

    # ---- calls and aggregations --------------------------------------------------------

    cdef list arguments(self, str context):
        cdef list args = []
        self.expect("(", context)
        if self.peek().kind == ")":
            self.at += 1
            return args
        while True:
            args.append(self.expression(0))
            if self.peek().kind == ",":
                self.at += 1
                if self.peek().kind == ")":
                    self.fail("trailing commas not allowed in function call args",
                              self.peek(-1).start)
                continue
            self.expect(")", context)
            return args

    cdef call(self, Token name):
        function = FUNCTIONS.get(name.text)
        if function is None:
            self.fail(f'unknown function with name "{name.text}"', name.start)
        args = self.arguments("function call")
        wanted = len(function.args)
        if function.optional == 0 and len(args) != wanted:
            self.fail(f'expected {wanted} argument(s) in call to "{name.text}", '
                      f"got {len(args)}", name.start)
        least = wanted - max(function.optional, -function.optional)
        if len(args) < least:
            self.fail(f'expected at least {least} argument(s) in call to "{name.text}", '
                      f"got {len(args)}", name.start)
        if function.optional > 0 and len(args) > wanted:
            self.fail(f'expected at most {wanted} argument(s) in call to "{name.text}", '
                      f"got {len(args)}", name.start)
        for i, arg in enumerate(args):
            self.expect_type(arg, function.args[min(i, wanted - 1)],
                             f'call to function "{name.text}"')
        return ast.Call(function, args, pos=name.start)

    cdef aggregate(self, Token op):
        grouping = ()
        without = False
        given = False
        if self.peek().kind in ("by", "without"):
            without = self.take().kind == "without"
            grouping = self.label_list()
            given = True
        args = self.arguments("aggregation")
        if not given and self.peek().kind in ("by", "without"):
            without = self.take().kind == "without"
            grouping = self.label_list()
        wanted = 2 if AGGREGATIONS[op.kind] else 1
        if not args:
            self.fail("no arguments for aggregate expression provided", op.start)
        if len(args) != wanted:
            self.fail("wrong number of arguments for aggregate expression provided, "
                      f"expected {wanted}, got {len(args)}", op.start)
        expr = args.pop()
        self.expect_type(expr, VECTOR, "aggregation expression")
        param = args.pop() if args else None
        if param is not None:
            self.expect_type(param, AGGREGATIONS[op.kind], "aggregation parameter")
        return ast.Aggregate(op.kind, expr, param, grouping, without, pos=op.start)

    cdef expect_type(self, expr, str wanted, str context):
        if expr.type != wanted:
            self.fail(f"expected type {wanted} in {context}, got {expr.type}", expr.pos)

    # ---- binary operators --------------------------------------------------------------

    cdef tuple modifiers(self, Token operator):
        """`bool`, `on/ignoring (...)` and `group_left/right (...)` behind an operator."""
        cdef str op = operator.kind
        as_bool = False
        matching = ast.Matching()
        cdef Token token = self.peek()
        if token.kind == "bool":
            self.at += 1
            if op not in COMPARISONS:
                self.fail("bool modifier can only be used on comparison operators",
                          operator.start)
            as_bool = True
            token = self.peek()
        if token.kind in ("on", "ignoring"):
            self.at += 1
            matching.on = token.kind == "on"
            matching.labels = self.label_list()
            token = self.peek()
            if token.kind in ("group_left", "group_right"):
                self.at += 1
                matching.many = "left" if token.kind == "group_left" else "right"
                if op in SETS:
                    self.fail(f'no grouping allowed for "{op}" operation', token.start)
                if self.peek().kind == "(":
                    matching.extra = self.label_list()
                for name in matching.extra:
                    if matching.on and name in matching.labels:
                        self.fail(f'label "{name}" must not occur in ON and GROUP clause at once',
                                  operator.start)
        return as_bool, matching

    cdef check_binary(self, expr, Token op):
        left, right = expr.left.type, expr.right.type
        for side in (expr.left, expr.right):
            if side.type not in (SCALAR, VECTOR):
                self.fail("binary expression must contain only scalar and instant vector types",
                          side.pos)
        if left == SCALAR and right == SCALAR and op.kind in COMPARISONS and not expr.as_bool:
            self.fail("comparisons between scalars must use BOOL modifier", op.start)
        if SCALAR in (left, right):
            if op.kind in SETS:
                self.fail(f'set operator "{op.text}" not allowed in binary scalar expression',
                          expr.pos)
            if expr.matching.labels:
                self.fail("vector matching only allowed between instant vectors", expr.pos)
            expr.matching = ast.Matching()
        return expr


cdef bint is_word(str kind):
    """Whether a token kind is a keyword, which may also stand as a name."""
    return kind.replace("_", "a").replace("2", "a").islower()


def number_of(str text) -> float:
    """The value of a NUMBER token."""
    if text[:2].lower() == "0x":
        return float(int(text, 16))
    if len(text) > 1 and text[0] == "0" and text.isdigit():
        return float(int(text, 8)) if all([c in "01234567" for c in text]) else float(text)
    return float(text)
