"""The parser of PromQL: a Pratt parser over the tokens, and the checks of types.

Binding, loosest first (`^` binds to the right, a sign in front binds like `*`):

    or  <  and unless  <  == != <= < >= >  <  + -  <  * / % atan2  <  ^  <  [range] offset @

Nesting is bounded, so that no query can exhaust the stack.

Of several mistakes Prometheus tells the one its grammar meets first.  So a token in the wrong place
ends the parsing (`fail`), what else is wrong is noted and told at the end: first `mistakes`, which
its grammar finds, then `mistyped`, which are found when the tree is whole.
"""

import math
from functools import lru_cache

from tsdb.promql.lexer cimport Token

from tsdb.matchers import Matcher
from tsdb.promql import ast
from tsdb.promql.ast import MATRIX, SCALAR, VECTOR
from tsdb.promql.errors import ParseError
from tsdb.promql.functions import AGGREGATIONS, FUNCTIONS, Function
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
    KNOWN_MAX = 4096               # characters of a query that is kept


def parse(str query):
    """The syntax tree of a query, not to be changed; ParseError if it has none.

    What dashboards ask every few seconds is parsed once.
    """
    return known(query) if len(query) <= KNOWN_MAX else parsed(query)


def parsed(str query):
    return Parser(query).run()


known = lru_cache(256)(parsed)


def parse_selector(str text) -> list:
    """The matchers of a bare selector, as `match[]` gives it."""
    expr = Parser(text).run()
    if not isinstance(expr, ast.Selector):
        raise ParseError("expected an instant vector selector", text, 0)
    return expr.matchers


cdef class Parser:
    cdef str query
    cdef list tokens
    cdef Py_ssize_t at
    cdef int depth
    cdef int aggregations          # we are in the brackets of
    cdef list mistakes, mistyped

    def __init__(self, str query):
        self.query = query
        self.tokens = tokenize(query)
        self.mistakes = []
        self.mistyped = []

    def run(self):
        """The tree; ParseError."""
        try:
            expr = self.whole()
        except ParseError:
            if self.mistakes:
                raise self.mistakes[0] from None
            raise
        for found in (self.mistakes, self.mistyped):
            if found:
                raise found[0]
        return expr

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

    cdef mistake(self, str why, Py_ssize_t pos):
        self.mistakes.append(ParseError(why, self.query, pos))

    cdef mistype(self, str why, Py_ssize_t pos):
        self.mistyped.append(ParseError(why, self.query, pos))

    cdef unexpected(self, Token token, str context, str expected):
        if token.kind == "ERROR":
            self.fail(token.text, token.start)
        why = f"unexpected {token.describe(self.query)}"
        context = context or ("aggregation" if self.aggregations else "")
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
                self.mistype("unary expression only allowed on expressions of type scalar or "
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
            self.expect(")", "")
            return ast.Paren(expr, pos=token.start)
        if kind in AGGREGATIONS and self.peek().kind in ("(", "by", "without"):
            return self.aggregate(token)
        if kind == "NAME" and self.peek().kind == "(" and not is_moment(token):
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
            self.mistake("error parsing number: strconv.ParseFloat: "
                         f'parsing "{token.text}": invalid syntax', token.start)
            return 0

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
        range_ms = self.duration("subquery selector", "duration")
        if self.peek().kind == ":":
            self.at += 1
            step_ms = 0
            if self.peek().kind != "]":
                step_ms = self.duration("subquery selector", 'duration or "]"')
            if self.peek().kind != "]":
                self.unexpected(self.peek(), "subquery selector", '"]"')
            self.at += 1
            if expr.type != VECTOR:
                kind = "matrix" if expr.type == MATRIX else expr.type
                self.mistype(f"subquery is only allowed on instant vector, got {kind} instead",
                             expr.pos)
            return ast.Subquery(expr, range_ms, step_ms, pos=expr.pos)
        if self.peek().kind != "]":
            self.unexpected(self.peek(), "subquery or range", '":" or "]"')
        self.at += 1
        if not isinstance(expr, ast.Selector):
            self.mistake("ranges only allowed for vector selectors", token.start)
        elif expr.has_offset:
            self.mistake("no offset modifiers allowed before range", token.start)
        elif expr.at is not None and not isinstance(expr.at, str):
            self.mistake("no @ modifiers allowed before range", token.start)
        # Of `x @ end()[5m]` Prometheus takes the moment for that of the range.
        return ast.Range(expr, range_ms, at=getattr(expr, "at", None), pos=expr.pos)

    cdef duration(self, str context, str expected):
        cdef Token token = self.take()
        if token.kind != "DURATION":
            self.unexpected(token, context, expected)
        return self.positive_ms(token)

    cdef positive_ms(self, Token token):
        try:
            if ms := duration_ms(token.text):
                return ms
            why = "duration must be greater than 0"
        except ValueError as exc:
            why = str(exc)
        self.mistake(why, token.start)
        return 1

    cdef offset(self, expr, Token token):
        cdef int sign = 1
        if self.peek().kind == "-":
            self.at += 1
            sign = -1
        offset_ms = sign * self.duration("offset", "duration")
        if not isinstance(expr, ast.Timed):
            self.mistake("offset modifier must be preceded by an instant vector selector or range "
                         "vector selector or a subquery", expr.pos)
        elif expr.has_offset:
            self.mistake("offset may not be set multiple times", expr.pos)
        else:
            expr.offset_ms, expr.has_offset = offset_ms, True
        return expr

    cdef at_modifier(self, expr, Token token):
        cdef int sign = 1
        cdef Token what = self.take()
        if is_moment(what):
            for bracket in "()":
                if self.take().kind != bracket:
                    self.unexpected(self.peek(-1), "@", "timestamp")
            moment = what.text.lower()
        else:
            if what.kind in ("-", "+"):
                sign = -1 if what.kind == "-" else 1
                what = self.take()
            if what.kind != "NUMBER":
                self.unexpected(what, "@", "timestamp")
            seconds = sign * self.number(what)
            if not -(2.0 ** 63) < seconds * 1000 < 2.0 ** 63:
                shown = f"{seconds:+f}".replace("inf", "Inf").replace("+nan", "NaN")
                self.mistake("timestamp out of bounds for @ modifier: "
                             + (shown if math.isinf(seconds) else shown.lstrip("+")), expr.pos)
                seconds = 0
            moment = int(math.floor(seconds * 1000 + 0.5))
        if not isinstance(expr, ast.Timed):
            self.mistake("@ modifier must be preceded by an instant vector selector or range "
                         "vector selector or a subquery", expr.pos)
        elif expr.at is not None:
            self.mistake("@ <timestamp> may not be set multiple times", expr.pos)
        else:
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
                    self.mistype(f'metric name must not be set twice: "{name}" or '
                                 f'"{matcher.value}"', first.start)
            matchers.append(Matcher("__name__", "=", name))
        if all([m.matches_empty for m in matchers]):
            self.mistype("vector selector must contain at least one non-empty matcher", first.start)
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
                self.mistake(str(exc), label.start)
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
            if self.peek().kind != ",":
                self.expect(")", "")
                return args
            self.at += 1
            if not self.begins_operand(self.peek()):
                self.fail("trailing commas not allowed in function call args",
                          self.peek(-1).start)

    cdef bint begins_operand(self, Token token):
        """Whether an expression may begin so; a token that is none is told of when it is taken."""
        return (token.kind in ("NUMBER", "STRING", "NAME", "METRIC", "(", "{", "+", "-", "ERROR")
                or is_word(token.kind) and token.kind not in NO_METRICS)

    cdef call(self, Token name):
        cdef Py_ssize_t before = len(self.mistyped)
        function = FUNCTIONS.get(name.text)
        args = self.arguments("")
        if function is None:
            self.mistake(f'unknown function with name "{name.text}"', name.start)
            return ast.Call(Function(name.text, ()), args, pos=name.start)
        wanted = len(function.args)
        least = wanted - max(function.optional, -function.optional)
        how = ""
        if function.optional == 0 and len(args) != wanted:
            how = f"{wanted}"
        elif len(args) < least:
            how = f"at least {least}"
        elif function.optional > 0 and len(args) > wanted:
            how = f"at most {wanted}"
        if how:  # told before what is wrong with the arguments themselves
            self.mistyped.insert(before, ParseError(
                f'expected {how} argument(s) in call to "{name.text}", got {len(args)}',
                self.query, name.start))
            return ast.Call(function, args, pos=name.start)
        for i, arg in enumerate(args):
            self.expect_type(arg, function.args[min(i, wanted - 1)],
                             f'call to function "{name.text}"')
        return ast.Call(function, args, pos=name.start)

    cdef aggregate(self, Token op):
        grouping = ()
        without = False
        given = False
        self.aggregations += 1
        if self.peek().kind in ("by", "without"):
            without = self.take().kind == "without"
            grouping = self.label_list()
            given = True
        args = self.arguments("")
        self.aggregations -= 1
        if not given and self.peek().kind == "ERROR":
            self.unexpected(self.peek(), "", "")
        if not given and self.peek().kind in ("by", "without"):
            without = self.take().kind == "without"
            grouping = self.label_list()
        wanted = 2 if AGGREGATIONS[op.kind] else 1
        if not args:
            self.mistake("no arguments for aggregate expression provided", op.start)
            return ast.Number(0, pos=op.start)
        if len(args) != wanted:
            self.mistake("wrong number of arguments for aggregate expression provided, "
                         f"expected {wanted}, got {len(args)}", op.start)
        expr = args.pop()
        self.expect_type(expr, VECTOR, "aggregation expression")
        param = args.pop() if args else None
        if param is not None:
            self.expect_type(param, AGGREGATIONS[op.kind], "aggregation parameter")
        return ast.Aggregate(op.kind, expr, param, grouping, without, pos=op.start)

    cdef expect_type(self, expr, str wanted, str context):
        if expr.type != wanted:
            self.mistype(f"expected type {wanted} in {context}, got {expr.type}", expr.pos)

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
                self.mistype("bool modifier can only be used on comparison operators",
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
                if self.peek().kind == "(" or not self.begins_operand(self.peek()):
                    matching.extra = self.label_list()
                for name in matching.extra:
                    if matching.on and name in matching.labels:
                        self.mistype(f'label "{name}" must not occur in ON and GROUP clause at '
                                     "once", operator.start)
                if op in SETS:
                    self.mistype(f'no grouping allowed for "{op}" operation', token.start)
        return as_bool, matching

    cdef check_binary(self, expr, Token op):
        left, right = expr.left.type, expr.right.type
        for side in (expr.left, expr.right):
            if side.type not in (SCALAR, VECTOR):
                self.mistype("binary expression must contain only scalar and instant vector "
                             "types", side.pos)
        if left == SCALAR and right == SCALAR and op.kind in COMPARISONS and not expr.as_bool:
            self.mistype("comparisons between scalars must use BOOL modifier", op.start)
        if SCALAR in (left, right):
            if op.kind in SETS:
                self.mistype(f'set operator "{op.text}" not allowed in binary scalar expression',
                             expr.pos)
            if expr.matching.labels:
                self.mistype("vector matching only allowed between instant vectors", expr.pos)
            expr.matching = ast.Matching()
        return expr


cdef bint is_moment(Token token):
    """Whether it is what may stand behind @ and is no function."""
    return token.kind == "NAME" and token.text.lower() in ("start", "end")


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
