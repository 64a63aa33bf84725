"""The lexer of PromQL: text to tokens, in one pass.

Token kinds are NUMBER, STRING, DURATION, NAME, METRIC (a name with a colon), END, or the keyword
(in lower case) or sign itself.  Keywords are not reserved: the parser takes them as names where a
name must stand.

Where the text makes no token, the last one is of kind ERROR, with the reason as its text: what is
wrong before it is to be reported first.
"""

import json

cdef frozenset AGGREGATORS = frozenset((
    "avg", "bottomk", "count", "count_values", "group", "max", "min", "quantile", "stddev",
    "stdvar", "sum", "topk"))
cdef frozenset KEYWORDS = AGGREGATORS | frozenset((
    "and", "or", "unless", "atan2", "offset", "by", "without", "on", "ignoring", "group_left",
    "group_right", "bool"))
cdef frozenset SIGNS = frozenset((
    "+", "-", "*", "/", "%", "^", "==", "!=", "<=", ">=", "<", ">", "=",
    "(", ")", "{", "}", "[", "]", ",", ":", "@"))
cdef dict UNIT_MS = {
    "ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000,
    "y": 31_536_000_000}
cdef dict ESCAPES = {
    "a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\"}
cdef object DURATION_MAX = 9223372036854 + 1
cdef list UNIT_ORDER = ["y", "w", "d", "h", "m", "s", "ms"]


class BadToken(Exception):
    """The text from `at` on is no token."""

    def __init__(self, why: str, at: int):
        super().__init__(why)
        self.at = at


cdef inline bint is_letter(Py_UCS4 c) noexcept:
    return c"a" <= c <= c"z" or c"A" <= c <= c"Z" or c == c"_"


cdef inline bint is_digit(Py_UCS4 c) noexcept:
    return c"0" <= c <= c"9"


cdef class Token:
    """One token; see the module."""

    def __init__(self, str kind, str text, Py_ssize_t start, Py_ssize_t end):
        self.kind = kind
        self.text = text
        self.start = start
        self.end = end

    def describe(self, str query) -> str:
        """As an error message names it; query is the text that it is of."""
        if self.kind == "END":
            return "end of input"
        if self.kind == "NAME" and self.text.lower() in ("start", "end"):
            return f'"{self.text}"'
        if self.kind in ("NAME", "METRIC"):
            what = "identifier" if self.kind == "NAME" else "metric identifier"
            return f'{what} "{self.text}"'
        if self.kind in ("NUMBER", "STRING", "DURATION"):
            written = query[self.start:self.end]
            dots = "..." if len(written) > 10 else ""
            return f"{self.kind.lower()} {json.dumps(written[:10], ensure_ascii=False)}{dots}"
        if self.kind in AGGREGATORS:
            return f"<aggr:{self.text}>"
        if self.kind in ("and", "or", "unless", "atan2") or self.kind in (
                "+", "-", "*", "/", "%", "^", "==", "!=", "<=", ">=", "<", ">", "=~", "!~", "@"):
            return f"<op:{self.text}>"
        if self.kind in KEYWORDS:
            return f"<{self.text}>"
        return f'"{self.text}"'


def tokenize(str text) -> list:
    """All tokens, the last one of kind END or ERROR."""
    return Lexer(text).run()


def parse_duration(str text) -> int:
    """Milliseconds of `1h30m`; ValueError if it is no duration, or zero."""
    cdef Lexer lexer = Lexer(text)
    if not text or not lexer.duration(0) or lexer.at != len(text):
        raise ValueError(f'not a valid duration string: "{text}"')
    return duration_ms(text)


def duration_ms(str text) -> int:
    """Milliseconds of a DURATION token's text."""
    cdef Py_ssize_t i = 0, first, rank, before = -1
    total = 0
    while i < len(text):
        first = i
        while is_digit(text[i]):
            i += 1
        count = int(text[first:i])
        first = i
        while i < len(text) and not is_digit(text[i]):
            i += 1
        rank = UNIT_ORDER.index(text[first:i])
        if rank <= before:
            raise ValueError(f'not a valid duration string: "{text}"')
        before = rank
        total += count * UNIT_MS[text[first:i]]
    if total >= DURATION_MAX:
        raise ValueError("duration out of range")
    return total


cdef class Lexer:
    def __init__(self, str text):
        self.text = text
        self.n = len(text)
        self.tokens = []

    cdef list run(self):
        try:
            while self.step():
                pass
            if self.braces:
                raise BadToken("unexpected end of input inside braces", self.n)
            if self.parens:
                raise BadToken("unclosed left parenthesis", self.n)
            if self.brackets:
                raise BadToken("unclosed left bracket", self.n)
            self.add("END", "", self.n)
        except BadToken as exc:
            self.add("ERROR", str(exc), exc.at)
        return self.tokens

    cdef bint step(self) except -1:
        """Read one token; False at the end."""
        cdef Py_UCS4 c
        cdef Py_ssize_t start
        self.skip()
        start = self.at
        if start >= self.n:
            return False
        c = self.text[start]
        if self.brackets and (is_letter(c) or c == c":"):
            self.colon(start, c)
        elif is_letter(c) or (c == c":" and not self.braces):
            self.word(start)
        elif not self.braces and (is_digit(c) or (
                c == c"." and start + 1 < self.n and is_digit(self.text[start + 1]))):
            self.number(start)
        elif c in ("\"", "'", "`"):
            self.string(start, c)
        elif self.braces:
            self.sign_in_braces(start, c)
        elif self.text[start:start + 2] == "=~":
            self.fail("unexpected character after '=': '~'", start)
        elif start + 1 < self.n and self.text[start:start + 2] in SIGNS:
            self.at += 2
            self.add(self.text[start:self.at], self.text[start:self.at], start)
        elif self.text[start:start + 1] in SIGNS:
            self.at += 1
            self.count(c, start)
            self.add(self.text[start], self.text[start], start)
            if c == c"[":
                self.range()
        elif c == c"!":
            self.fail("unexpected character after '!': " + self.quoted(start + 1), start)
        else:
            self.fail(f"unexpected character: {self.quoted(start)}", start)
        return True

    cdef count(self, Py_UCS4 c, Py_ssize_t start):
        """Keep account of what is open."""
        if c == c"(":
            self.parens += 1
        elif c == c")":
            self.parens -= 1
            if self.parens < 0:
                self.fail("unexpected right parenthesis ')'", self.at)
        elif c == c"[":
            if self.brackets:
                self.fail("unexpected left bracket '['", start)
            self.brackets, self.colons = 1, 0
        elif c == c"]":
            if not self.brackets:
                self.fail("unexpected right bracket ']'", start)
            self.brackets = 0
        elif c == c"{":
            self.braces += 1
        elif c == c"}":
            self.fail("unexpected character: '}'", start)

    cdef range(self):
        """The duration that must stand behind `[`."""
        while self.at < self.n and self.text[self.at] in " \t\r\n":
            self.at += 1
        cdef Py_ssize_t start = self.at
        if self.duration(start):
            self.add("DURATION", self.text[start:self.at], start)
            return
        self.at = start
        self.digits(start)
        if not self.more_letters():
            self.fail("missing unit character in duration", start)
        self.no_duration("bad duration syntax", start)

    cdef no_duration(self, str why, Py_ssize_t start):
        """Fail with what was looked at: what may be a unit, and the letter behind it."""
        if self.text[self.at] in "smhdwy":
            self.at += 1
            if self.text[self.at:self.at + 1] == "s":
                self.at += 1
            self.at = min(self.at + 1, self.n)
        self.fail(f'{why}: "{self.text[start:self.at]}"', start)

    cdef colon(self, Py_ssize_t start, Py_UCS4 c):
        """Between brackets a letter is taken for the colon, and there is but one."""
        if self.colons:
            self.fail(f"unexpected colon '{c}'", start)
        self.colons = 1
        self.at += 1
        self.add(":", str(c), start)

    cdef sign_in_braces(self, Py_ssize_t start, Py_UCS4 c):
        """One of `, } = != =~ !~`."""
        cdef str two = self.text[start:start + 2]
        self.at += 2 if two in ("!=", "=~", "!~") else 1
        if c == c"!" and self.at == start + 1:
            self.fail("unexpected character after '!' inside braces: " + self.quoted(start + 1),
                      start)
        if c == c"{":
            self.fail("unexpected left brace '{'", start)
        if c not in ",}=!":
            self.fail(f"unexpected character inside braces: {self.quoted(start)}", start)
        if c == c"}":
            self.braces -= 1
        self.add(self.text[start:self.at], self.text[start:self.at], start)

    cdef str quoted(self, Py_ssize_t at):
        """A character as an error message has it."""
        if at >= self.n:
            return "end of input"
        slash = "\\" if self.text[at] in "'\\" else ""
        return f"'{slash}{self.text[at]}'"

    cdef Token add(self, str kind, str text, Py_ssize_t start):
        cdef Token token = Token(kind, text, start, self.at)
        self.tokens.append(token)
        return token

    cdef fail(self, str why, Py_ssize_t at):
        raise BadToken(why, at)

    cdef skip(self):
        """Pass over blanks and comments."""
        while self.at < self.n:
            if self.text[self.at] in " \t\r\n":
                self.at += 1
            elif self.text[self.at] == c"#":
                while self.at < self.n and self.text[self.at] not in "\r\n":
                    self.at += 1
            else:
                return

    cdef word(self, Py_ssize_t start):
        cdef bint colon = False
        cdef Py_UCS4 c
        while self.at < self.n:
            c = self.text[self.at]
            if c == c":" and not self.braces:
                colon = True
            elif not is_letter(c) and not is_digit(c):
                break
            self.at += 1
        cdef str text = self.text[start:self.at]
        cdef str lower = text.lower()
        if colon:
            self.add("METRIC", text, start)
        elif self.braces:
            self.add("NAME", text, start)
        elif lower in KEYWORDS:
            self.add(lower, text, start)
        elif lower in ("inf", "nan"):
            self.add("NUMBER", text, start)
        else:
            self.add("NAME", text, start)

    cdef number(self, Py_ssize_t start):
        """A number or, where a unit follows the digits, a duration."""
        if self.duration(start):
            self.add("DURATION", self.text[start:self.at], start)
            return
        self.at = start
        self.digits(start)
        if self.more_letters():
            self.no_duration("bad number or duration syntax", start)
        self.add("NUMBER", self.text[start:self.at], start)

    cdef digits(self, Py_ssize_t start):
        """Pass over what may be a number."""
        cdef str low = self.text[start:start + 2].lower()
        if low == "0x":
            self.at += 2
            while self.at < self.n and self.text[self.at] in "0123456789abcdefABCDEF":
                self.at += 1
        else:
            while self.at < self.n and is_digit(self.text[self.at]):
                self.at += 1
            if self.at < self.n and self.text[self.at] == c".":
                self.at += 1
                while self.at < self.n and is_digit(self.text[self.at]):
                    self.at += 1
            if self.at < self.n and self.text[self.at] in "eE":
                self.at += 1
                if self.at < self.n and self.text[self.at] in "+-":
                    self.at += 1
                while self.at < self.n and is_digit(self.text[self.at]):
                    self.at += 1

    cdef bint more_letters(self):
        """Whether a letter or digit follows."""
        return self.at < self.n and (
            is_letter(self.text[self.at]) or is_digit(self.text[self.at]))

    cdef bint duration(self, Py_ssize_t start) except -1:
        """Whether digits and units stand here, in any order; `at` is after them."""
        cdef str unit
        self.at = start
        while self.at < self.n and is_digit(self.text[self.at]):
            while self.at < self.n and is_digit(self.text[self.at]):
                self.at += 1
            unit = self.text[self.at:self.at + 2]
            if unit != "ms":
                unit = unit[:1]
            if unit not in UNIT_MS:
                return False
            self.at += len(unit)
        return self.at > start and not self.more_letters()

    cdef string(self, Py_ssize_t start, Py_UCS4 quote):
        cdef list parts = []
        cdef Py_ssize_t first
        self.at += 1
        first = self.at
        while True:
            if self.at >= self.n or (self.text[self.at] == c"\n" and quote != c"`"):
                self.fail("unterminated raw string" if quote == c"`"
                          else "unterminated quoted string", start)
            if self.text[self.at] == quote:
                break
            if self.text[self.at] == c"\\" and quote != c"`":
                parts.append(self.text[first:self.at])
                parts.append(str(self.escape(start, quote)))
                first = self.at
            else:
                self.at += 1
        parts.append(self.text[first:self.at])
        self.at += 1
        self.add("STRING", "".join(parts), start)

    cdef Py_UCS4 escape(self, Py_ssize_t start, Py_UCS4 quote) except? 0:
        """The character that the escape sequence at `at` stands for."""
        cdef Py_UCS4 c
        self.at += 1
        if self.at >= self.n:
            self.fail("escape sequence not terminated", start)
        c = self.text[self.at]
        if c == quote:
            self.at += 1
            return quote
        found = ESCAPES.get(str(c))
        if found is not None:
            self.at += 1
            return ord(found)
        if c"0" <= c <= c"7":
            return self.code_point(3, 8)
        self.at += 1
        if c == c"x":
            return self.code_point(2, 16)
        if c == c"u":
            return self.code_point(4, 16)
        if c == c"U":
            return self.code_point(8, 16)
        self.fail(f"unknown escape sequence U+{<int>c:04X} '{c}'", start)

    cdef Py_UCS4 code_point(self, Py_ssize_t digits, int base) except? 0:
        cdef str text = self.text[self.at:self.at + digits]
        try:
            value = int(text, base) if len(text) == digits and text.isalnum() else -1
        except ValueError:
            value = -1
        if not 0 <= value <= 0x10FFFF or 0xD800 <= value < 0xE000:
            self.fail("escape sequence is an invalid Unicode code point", self.at)
        self.at += digits
        return <Py_UCS4><int>value
