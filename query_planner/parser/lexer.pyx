"""SQL text to tokens, in one pass, by PostgreSQL's lexical rules (manual chapter 4.1).

The whole text is cut at once into a C array of (start, end, kind) beside a list of token texts:
folded words, string contents with escapes resolved, operator characters.  Positions are characters.
The parser classes inherit from `Lexer` and walk with `advance` and `go`.

Left out: standard_conforming_strings = off.
"""

from cpython.mem cimport PyMem_Free, PyMem_Realloc
from cpython.unicode cimport (
    PyUnicode_DATA, PyUnicode_GET_LENGTH, PyUnicode_KIND, PyUnicode_READ, PyUnicode_Substring,
)

from query_planner.errors import SqlError
from query_planner.parser.keywords import KEYWORDS

# Interned, so that the parser's comparisons with literals are mostly pointer comparisons.
import sys

cdef dict _WORDS = {sys.intern(word): (sys.intern(word), category)
                    for word, category in KEYWORDS.items()}
cdef Py_ssize_t _MAX_NAME = 63

cdef dict _CHAR = {chr(c): sys.intern(chr(c)) for c in range(128)}


cdef inline bint _is_word_start(Py_UCS4 c) noexcept:
    return c'a' <= c <= c'z' or c'A' <= c <= c'Z' or c == c'_' or c >= 128


cdef inline bint _is_digit(Py_UCS4 c) noexcept:
    return c'0' <= c <= c'9'


cdef inline bint _is_word(Py_UCS4 c) noexcept:
    return _is_word_start(c) or _is_digit(c) or c == c'$'


cdef inline bint _is_space(Py_UCS4 c) noexcept:
    return c == 32 or 9 <= c <= 13


cdef inline bint _is_operator(Py_UCS4 c) noexcept:
    return c < 128 and (c == c'+' or c == c'-' or c == c'*' or c == c'/' or c == c'<' or c == c'>'
                        or c == c'=' or c == c'~' or c == c'!' or c == c'@' or c == c'#'
                        or c == c'%' or c == c'^' or c == c'&' or c == c'|' or c == c'`'
                        or c == c'?')


cdef inline bint _frees_sign(Py_UCS4 c) noexcept:
    # An operator may end in + or - only if it has one of these.
    return (c == c'~' or c == c'!' or c == c'@' or c == c'#' or c == c'%' or c == c'^'
            or c == c'&' or c == c'|' or c == c'`' or c == c'?')


cdef class Lexer:
    """All tokens of a text and a place among them."""

    def __cinit__(self, str sql not None):
        self.sql = sql
        self.texts = []
        self._scan()
        self.go(0)

    def __dealloc__(self):
        PyMem_Free(self.tokens)

    cdef void go(self, Py_ssize_t at) noexcept:
        self.at = at
        self.kind = self.tokens[at].kind
        self.category = self.tokens[at].category
        self.text = <str> self.texts[at]

    cdef void advance(self) noexcept:
        if self.kind != END:
            self.go(self.at + 1)

    cdef object failure(self, str sqlstate, str message, Py_ssize_t position):
        return SqlError(sqlstate, message, position + 1)

    cdef int _emit(self, int kind, Py_ssize_t start, Py_ssize_t end, str text) except -1:
        cdef Token* token
        if self.count == self.room:
            self.room = 64 if self.room == 0 else self.room * 2
            self.tokens = <Token*> PyMem_Realloc(self.tokens, self.room * sizeof(Token))
            if self.tokens == NULL:
                raise MemoryError
        token = &self.tokens[self.count]
        token.start = start
        token.end = end
        token.kind = kind
        token.category = 0
        self.texts.append(text)
        self.count += 1
        return 0

    cdef int _scan(self) except -1:
        cdef str sql = self.sql
        cdef void* data = PyUnicode_DATA(sql)
        cdef int width = PyUnicode_KIND(sql)
        cdef Py_ssize_t n = PyUnicode_GET_LENGTH(sql), i = 0, start, j
        cdef Py_UCS4 c, d, quote
        cdef int depth
        cdef bint upper, point, frees
        cdef str text
        cdef tuple known
        while True:
            while i < n and _is_space(PyUnicode_READ(width, data, i)):
                i += 1
            if i >= n:
                break
            start = i
            c = PyUnicode_READ(width, data, i)
            d = PyUnicode_READ(width, data, i + 1) if i + 1 < n else 0
            if _is_word_start(c):
                if d == c"'" and c in u"eEbBxXnN":
                    i = self._string(start, i + 1, chr(c).lower())
                    continue
                if (c == c'U' or c == c'u') and d == c'&' and i + 2 < n:
                    quote = PyUnicode_READ(width, data, i + 2)
                    if quote == c"'" or quote == c'"':
                        i = self._string(start, i + 2, "u")
                        continue
                upper = False
                while i < n:
                    c = PyUnicode_READ(width, data, i)
                    if not _is_word(c):
                        break
                    upper = upper or c'A' <= c <= c'Z'
                    i += 1
                text = PyUnicode_Substring(sql, start, i)
                if upper:
                    text = text.lower() if text.isascii() else _fold(text)
                known = <tuple> _WORDS.get(text)
                if known is not None:
                    self._emit(WORD, start, i, <str> known[0])
                    self.tokens[self.count - 1].category = <int> known[1]
                else:
                    if i - start > _MAX_NAME // 4:
                        text = _clip(text)
                    self._emit(WORD, start, i, text)
            elif _is_digit(c) or c == c'.' and _is_digit(d):
                point = False
                while i < n and _is_digit(PyUnicode_READ(width, data, i)):
                    i += 1
                if (i < n and PyUnicode_READ(width, data, i) == c'.'
                        and not (i + 1 < n and PyUnicode_READ(width, data, i + 1) == c'.')):
                    point = True
                    i += 1
                    while i < n and _is_digit(PyUnicode_READ(width, data, i)):
                        i += 1
                if i < n and PyUnicode_READ(width, data, i) in u"eE":
                    j = i + 1
                    if j < n and PyUnicode_READ(width, data, j) in u"+-":
                        j += 1
                    if j < n and _is_digit(PyUnicode_READ(width, data, j)):
                        point = True
                        while j < n and _is_digit(PyUnicode_READ(width, data, j)):
                            j += 1
                        i = j
                if i < n and _is_word_start(PyUnicode_READ(width, data, i)):
                    raise self.failure(
                        "42601", "trailing junk after numeric literal at or near "
                        f'"{sql[start:i + 1]}"', start)
                self._emit(NUMBER if point else INTEGER, start, i, PyUnicode_Substring(sql, start, i))
            elif c == c"'":
                i = self._string(start, i, "")
            elif c == c'"':
                i = self._string(start, i, '"')
            elif c == c'$':
                if _is_digit(d):
                    i += 1
                    while i < n and _is_digit(PyUnicode_READ(width, data, i)):
                        i += 1
                    self._emit(PARAM, start, i, PyUnicode_Substring(sql, start + 1, i))
                    continue
                j = i + 1
                while j < n and _is_word(PyUnicode_READ(width, data, j)) \
                        and PyUnicode_READ(width, data, j) != c'$':
                    j += 1
                if j >= n or PyUnicode_READ(width, data, j) != c'$':
                    raise self.failure("42601", 'syntax error at or near "$"', start)
                text = PyUnicode_Substring(sql, start, j + 1)
                i = sql.find(text, j + 1)
                if i < 0:
                    raise self.failure(
                        "42601",
                        f'unterminated dollar-quoted string at or near "{sql[start:]}"', start)
                self._emit(STRING, start, i + len(text), PyUnicode_Substring(sql, j + 1, i))
                i += len(text)
            elif c == c'-' and d == c'-':
                while i < n and PyUnicode_READ(width, data, i) not in u"\r\n":
                    i += 1
            elif c == c'/' and d == c'*':
                depth = 1
                i += 2
                while i < n and depth:
                    c = PyUnicode_READ(width, data, i)
                    d = PyUnicode_READ(width, data, i + 1) if i + 1 < n else 0
                    if c == c'*' and d == c'/':
                        depth -= 1
                        i += 2
                    elif c == c'/' and d == c'*':
                        depth += 1
                        i += 2
                    else:
                        i += 1
                if depth:
                    raise self.failure(
                        "42601", f'unterminated /* comment at or near "{sql[start:]}"', start)
            elif _is_operator(c):
                frees = False
                while i < n:
                    c = PyUnicode_READ(width, data, i)
                    if not _is_operator(c):
                        break
                    d = PyUnicode_READ(width, data, i + 1) if i + 1 < n else 0
                    if i > start and (c == c'-' and d == c'-' or c == c'/' and d == c'*'):
                        break
                    frees = frees or _frees_sign(c)
                    i += 1
                if not frees:
                    while i - start > 1 and PyUnicode_READ(width, data, i - 1) in u"+-":
                        i -= 1
                if i - start == 1:
                    self._emit(OPERATOR, start, i, <str> _CHAR[sql[start]])
                else:
                    text = PyUnicode_Substring(sql, start, i)
                    if text == "=>":
                        self._emit(PUNCT, start, i, "=>")
                    else:
                        self._emit(OPERATOR, start, i, "<>" if text == "!=" else text)
            else:
                text = None
                if c == c':':
                    text = "::" if d == c':' else ":=" if d == c'=' else ":"
                elif c == c'.':
                    text = ".." if d == c'.' else "."
                elif c in u"()[],;":
                    text = <str> _CHAR[sql[start]]
                if text is None:
                    raise self.failure("42601", f'syntax error at or near "{sql[start]}"', start)
                i += len(text)
                self._emit(PUNCT, start, i, text)
        self._emit(END, n, n, "")
        return 0

    cdef Py_ssize_t _string(self, Py_ssize_t start, Py_ssize_t i, str mode) except -1:
        """Scan a quoted token whose opening quote is at i; returns where it ends."""
        cdef str sql = self.sql
        cdef void* data = PyUnicode_DATA(sql)
        cdef int width = PyUnicode_KIND(sql)
        cdef Py_ssize_t n = PyUnicode_GET_LENGTH(sql), begin = i + 1, j
        cdef Py_UCS4 quote = PyUnicode_READ(width, data, i), c
        cdef list parts = []
        cdef bint newline
        cdef str text
        cdef bint is_name = quote == c'"'
        i += 1
        while True:
            if i >= n:
                what = "quoted identifier" if is_name else (
                    "bit string literal" if mode == "b" else "quoted string")
                raise self.failure(
                    "42601", f'unterminated {what} at or near "{sql[start:]}"', start)
            c = PyUnicode_READ(width, data, i)
            if c == quote:
                if i + 1 < n and PyUnicode_READ(width, data, i + 1) == quote:
                    parts.append(PyUnicode_Substring(sql, begin, i + 1))
                    i += 2
                    begin = i
                    continue
                parts.append(PyUnicode_Substring(sql, begin, i))
                i += 1
                if is_name:
                    break
                # A string goes on after white space that holds a line break.
                j = i
                newline = False
                while j < n and _is_space(PyUnicode_READ(width, data, j)):
                    newline = newline or PyUnicode_READ(width, data, j) in u"\r\n"
                    j += 1
                if newline and j < n and PyUnicode_READ(width, data, j) == c"'":
                    i = j + 1
                    begin = i
                    continue
                break
            if c == c'\\' and mode == "e" and i + 1 < n:
                parts.append(PyUnicode_Substring(sql, begin, i))
                i = self._escape(i, parts)
                begin = i
                continue
            i += 1
        text = <str> parts[0] if len(parts) == 1 else "".join(parts)
        if mode == "u":
            text = self._unicode(text, start)
        if mode == "b" or mode == "x":
            self._emit(BITS, start, i, self._bits(text, mode, start))
        elif is_name:
            if not text:
                raise self.failure("42601", 'zero-length delimited identifier at or near """"',
                                   start)
            self._emit(QUOTED, start, i, _clip(text))
        else:
            if "\0" in text:
                raise self.failure("22021", 'invalid byte sequence for encoding "UTF8": 0x00',
                                   start)
            self._emit(STRING, start, i, text)
        return i

    def _escape(self, Py_ssize_t i, list parts):
        """Resolve the backslash escape at i of an E'' string; returns where it ends."""
        sql = self.sql
        c = sql[i + 1]
        simple = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}.get(c)
        if simple is not None:
            parts.append(simple)
            return i + 2
        if c in "01234567":
            j = i + 1
            while j < len(sql) and j < i + 4 and sql[j] in "01234567":
                j += 1
            parts.append(chr(int(sql[i + 1:j], 8) & 0xFF))
            return j
        if c in "xuU":
            length = {"x": 2, "u": 4, "U": 8}[c]
            j = i + 2
            while j < len(sql) and j < i + 2 + length and sql[j] in "0123456789abcdefABCDEF":
                j += 1
            if j == i + 2 and c == "x":
                parts.append("x")
                return j
            if c != "x" and j != i + 2 + length:
                raise self.failure("22025", "invalid Unicode escape", i)
            code = int(sql[i + 2:j], 16)
            if 0xD800 <= code < 0xDC00 and sql[j:j + 2] == "\\u":
                try:
                    low = int(sql[j + 2:j + 6], 16)
                except ValueError:
                    low = 0
                if 0xDC00 <= low < 0xE000:
                    code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00)
                    j += 6
            if code > 0x10FFFF or 0xD800 <= code < 0xE000:
                raise self.failure("42601", "invalid Unicode escape value", i)
            parts.append(chr(code))
            return j
        parts.append(c)
        return i + 2

    def _unicode(self, str text, Py_ssize_t start):
        r"""Resolve \0041 and \+000041 of a U& string or name."""
        out = []
        i = 0
        while i < len(text):
            if text[i] != "\\":
                out.append(text[i])
                i += 1
            elif text[i + 1:i + 2] == "\\":
                out.append("\\")
                i += 2
            else:
                skip, length = (2, 6) if text[i + 1:i + 2] == "+" else (1, 4)
                digits = text[i + skip:i + skip + length]
                try:
                    if len(digits) != length:
                        raise ValueError
                    out.append(chr(int(digits, 16)))
                except (ValueError, OverflowError):
                    raise self.failure("42601", "invalid Unicode escape", start) from None
                i += skip + length
        return "".join(out)

    def _bits(self, str text, str mode, Py_ssize_t start):
        """The 0s and 1s of B'..' or X'..'."""
        if mode == "b":
            bad = [c for c in text if c not in "01"]
            if bad:
                raise self.failure("22P02", f'"{bad[0]}" is not a valid binary digit', start)
            return text
        bad = [c for c in text if c not in "0123456789abcdefABCDEF"]
        if bad:
            raise self.failure("22P02", f'"{bad[0]}" is not a valid hexadecimal digit', start)
        return "".join([format(int(c, 16), "04b") for c in text])


cdef str _fold(str text):
    # Only ASCII letters fold; what other letters do is the locale's business.
    return "".join([c.lower() if c < "\x80" else c for c in text])


cdef str _clip(str name):
    cdef bytes data = name.encode("utf-8", "surrogatepass")
    if len(data) <= _MAX_NAME:
        return name
    return data[:_MAX_NAME].decode("utf-8", "ignore")


def tokens(str sql not None):
    """The tokens of a text as (kind, start, end, text): for tests and for the shell's colours."""
    cdef Lexer lexer = Lexer(sql)
    cdef Py_ssize_t i
    kinds = ("end", "word", "quoted", "integer", "number", "string", "bits", "param", "operator",
             "punct")
    return [(kinds[lexer.tokens[i].kind], lexer.tokens[i].start, lexer.tokens[i].end,
             lexer.texts[i]) for i in range(lexer.count)]
