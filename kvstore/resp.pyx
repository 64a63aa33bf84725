"""RESP, the wire protocol: requests in, replies out, both versions (2 and 3).

A request is an array of bulk strings, or one line of words ("inline", for people with netcat):

    *2 CRLF  $3 CRLF GET CRLF  $1 CRLF k CRLF            GET k CRLF

`parse` never copies: an `Args` is a list of pointers into the input, good until the session's feed
returns.  Replies are written straight into the output buffer.  The wire is specified at
redis.io/docs/reference/protocol-spec (RESP3: the RESP3 specification of 2018).

Left out: RESP3's streamed strings and aggregates, attributes and big numbers as *input*, which no
client sends.

Invariants:
1. Memory for arguments grows with bytes that arrived, never with an announced count or length.
2. A request that is not whole consumes nothing; when it is long, `Args` remembers how far it got
   (by offsets, for the input moves), so feeding it in pieces costs linear time.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc cimport errno as c_errno
from libc.math cimport isinf, isnan
from libc.stdint cimport INT64_MAX, INT64_MIN, uint64_t
from libc.stdio cimport snprintf
from libc.stdlib cimport free, realloc, strtod
from libc.string cimport memchr, memcpy

cdef extern from "<stdlib.h>" nogil:
    long double strtold(const char* text, char** end)

cdef enum:
    LINE_MAX = 64 << 10            # an inline request, or a line that holds a length


class ReplyError(Exception):
    """An error reply: its text begins with the code, as in `ERR syntax error`."""


class Simple(str):
    """A reply of one short line (`+OK`)."""


class Verbatim(str):
    """Text for people, as RESP3 marks it (`=15 CRLF txt:...`)."""


class Members(list):
    """A reply whose order means nothing (RESP3 `~`)."""


class Push(list):
    """An out-of-band message (RESP3 `>`)."""


cdef class Args:
    """The words of one request."""

    def __dealloc__(self):
        free(self.v)

    @staticmethod
    def of(*words) -> Args:
        """Args that own their bytes, from str, bytes, int or float."""
        cdef list parts = [encoded(word) for word in words]
        cdef Args args = Args()
        cdef size_t at = 0
        args.owner = b"".join(parts)
        for part in parts:
            args.push(PyBytes_AS_STRING(args.owner) + at, len(part))
            at += len(part)
        return args

    cdef int borrow(self, tuple words) except -1:
        """Become the words of a tuple of bytes, without copying them."""
        self.reset()
        self.owner = words
        for word in words:
            self.push(PyBytes_AS_STRING(<bytes?>word), PyBytes_GET_SIZE(word))
        return 0

    cdef int push(self, const char* p, Py_ssize_t n) except -1:
        cdef Arg* grown
        if self.n == self.cap:
            self.cap = self.cap * 2 if self.cap else 16
            grown = <Arg*>realloc(self.v, self.cap * sizeof(Arg))
            if grown is NULL:
                raise MemoryError(self.cap)
            self.v = grown
        self.v[self.n].p = p
        self.v[self.n].n = n
        self.n += 1
        return 0

    cdef size_t size(self) noexcept:
        """About the bytes they take as a request."""
        cdef Py_ssize_t i
        cdef size_t n = 16
        for i in range(self.n):
            n += self.v[i].n + 16
        return n

    cdef int reset(self) noexcept:
        self.n = 0
        self.at = self.need = self.raw_n = 0
        self.declared = 0
        self.raw = NULL
        self.owner = None
        return 0

    cdef bytes text(self, Py_ssize_t i):
        return PyBytes_FromStringAndSize(self.v[i].p, self.v[i].n)

    cdef str shown(self, Py_ssize_t i, Py_ssize_t most=128):
        """A word as Redis's messages show it: not beyond a zero byte, nor beyond `most`."""
        return self.text(i).partition(b"\0")[0][:most].decode("latin-1")

    cpdef Args copy(self):
        """The same words in memory of their own, for a transaction or a blocked client."""
        cdef Buf buf = Buf()
        cdef Args args = Args()
        cdef Py_ssize_t i
        cdef size_t at = 0
        for i in range(self.n):
            buf.put(self.v[i].p, self.v[i].n)
        args.owner = bytes(buf)
        for i in range(self.n):
            args.push(PyBytes_AS_STRING(args.owner) + at, self.v[i].n)
            at += self.v[i].n
        return args

    def list(self) -> list[bytes]:
        """The words as bytes objects."""
        cdef Py_ssize_t i
        return [self.text(i) for i in range(self.n)]


def encoded(word) -> bytes:
    """A word of a request as it goes over the wire."""
    if isinstance(word, bytes):
        return word
    if isinstance(word, float):
        return repr(word).encode()
    return str(word).encode()


# ---------------------------------------------------------------------- requests

cdef int length_line(const char* p, size_t n, size_t* at, int64_t* value) noexcept:
    """The number up to the end of the line: 1 = read, 0 = line not whole, -1 = not a number."""
    cdef const char* start = p + at[0]
    cdef size_t left = n - at[0]
    cdef const char* end
    # Almost always one or two digits.
    if left >= 3 and start[1] == c'\r' and c'0' <= start[0] <= c'9':
        value[0] = start[0] - c'0'
        at[0] += 3
        return 1
    if left >= 4 and start[2] == c'\r' and c'1' <= start[0] <= c'9' and c'0' <= start[1] <= c'9':
        value[0] = (start[0] - c'0') * 10 + start[1] - c'0'
        at[0] += 4
        return 1
    end = <const char*>memchr(start, c'\r', left)
    if end is NULL or <size_t>(end - start) + 2 > left:
        return 0
    if not parse_int(start, end - start, value):
        return -1
    at[0] += end - start + 2
    return 1


cdef Py_ssize_t refuse(Args args, bytes why):
    args.error = b"ERR Protocol error: " + why
    return -1


cdef Py_ssize_t parse(Args args, const char* p, size_t n, const Bounds* bounds) except -2:
    cdef size_t at
    cdef int64_t length = 0
    cdef Py_ssize_t i
    cdef int got
    if p[0] != c'*':
        return parse_inline(args, p, n)
    if args.declared == 0:
        args.reset()
        at = 1
        got = length_line(p, n, &at, &length)
        if got == 0:
            if n > LINE_MAX:
                return refuse(args, b"too big mbulk count string")
            return 0
        if got < 0 or length > 0x7FFFFFFF:
            return refuse(args, b"invalid multibulk length")
        if length > bounds.args:
            return refuse(args, b"unauthenticated multibulk length")
        if length <= 0:
            return at
        args.declared = length
    else:
        at = args.at
    while args.n < args.declared:
        args.at = at
        if at >= n:
            args.need = 0
            return 0
        if p[at] != c'$':
            args.declared = 0
            return refuse(args, b"expected '$', got '%c'" % (<unsigned char>p[at],))
        at += 1
        got = length_line(p, n, &at, &length)
        if got == 0:
            if n - at > LINE_MAX:
                args.declared = 0
                return refuse(args, b"too big bulk count string")
            args.need = 0
            return 0
        if got < 0 or length < 0 or length > bounds.bulk:
            args.declared = 0
            if got > 0 and length > 0 and bounds.args < 0x7FFFFFFF:
                return refuse(args, b"unauthenticated bulk length")
            return refuse(args, b"invalid bulk length")
        if n - at < <size_t>length + 2:
            args.need = at + length + 2
            return 0
        args.push(<const char*>at, length)
        at += length + 2
    for i in range(args.n):
        args.v[i].p = p + <size_t>args.v[i].p
    args.declared = 0
    args.raw = p
    args.raw_n = at
    return at


cdef Py_ssize_t parse_inline(Args args, const char* p, size_t n) except -2:
    cdef const char* end = <const char*>memchr(p, c'\n', n)
    cdef list words
    cdef size_t at = 0
    args.reset()
    # Behind a zero byte no line ends: text it is not, and whoever sent it gets no answer.
    if end is NULL or memchr(p, 0, end - p) is not NULL:
        if n > LINE_MAX:
            return refuse(args, b"too big inline request")
        return 0
    words = split_words(PyBytes_FromStringAndSize(p, end - p))
    if words is None:
        return refuse(args, b"unbalanced quotes in request")
    args.owner = b"".join(words)
    for word in words:
        args.push(PyBytes_AS_STRING(args.owner) + at, len(word))
        at += len(word)
    return end - p + 1


ESCAPES = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"a": b"\a"}


def split_words(line: bytes) -> list[bytes] | None:
    """Words of a line, with "double" (escapes \\n \\xHH) and 'single' quotes; None = unbalanced."""
    words = []
    i, n = 0, len(line)
    while True:
        while i < n and line[i:i + 1].isspace():
            i += 1
        if i >= n or line[i] == 0:
            return words
        word = bytearray()
        quote = b""
        while i < n:
            c = line[i:i + 1]
            if quote == b'"' and c == b"\\" and i + 1 < n:
                hexa = line[i + 2:i + 4]
                if line[i + 1:i + 2] == b"x" and len(hexa) == 2 and is_hex(hexa):
                    word.append(int(hexa, 16))
                    i += 4
                else:
                    word += ESCAPES.get(line[i + 1:i + 2], line[i + 1:i + 2])
                    i += 2
                continue
            if quote == b"'" and line[i:i + 2] == b"\\'":
                word += b"'"
                i += 2
                continue
            i += 1
            if quote:
                if c != quote:
                    word += c
                    continue
                if i < n and not line[i:i + 1].isspace():
                    return None        # a closing quote must end its word
                quote = b""
                break
            if c.isspace() or c == b"\0":
                break
            if c in (b'"', b"'"):
                quote = c
            else:
                word += c
        if quote:
            return None
        words.append(bytes(word))


def is_hex(text: bytes) -> bool:
    """True if it is hexadecimal digits only."""
    return all(c in b"0123456789abcdefABCDEF" for c in text)


cdef bint is_word(const Arg* arg, const char* word) noexcept:
    cdef Py_ssize_t i
    for i in range(arg.n):
        if (arg.p[i] | 0x20 if c'A' <= arg.p[i] <= c'Z' else arg.p[i]) != word[i] \
                or word[i] == 0:
            return False
    return word[arg.n] == 0


# ---------------------------------------------------------------------- numbers

cdef bint parse_int(const char* p, Py_ssize_t n, int64_t* value) noexcept:
    cdef uint64_t magnitude = 0
    cdef uint64_t digit
    cdef Py_ssize_t i = 0
    cdef bint negative = False
    if n <= 0 or n > 20:
        return False
    if p[0] == c'-':
        negative = True
        i = 1
        if n == 1:
            return False
    # No leading zero, no "-0": one number has one spelling.
    if p[i] == c'0':
        if n > 1:
            return False
        value[0] = 0
        return True
    while i < n:
        digit = <uint64_t>(p[i] - c'0')
        if digit > 9 or magnitude > (<uint64_t>-1 - digit) / 10:
            return False
        magnitude = magnitude * 10 + digit
        i += 1
    if negative:
        if magnitude > <uint64_t>INT64_MAX + 1:
            return False
        value[0] = <int64_t>(0 - magnitude)
    else:
        if magnitude > <uint64_t>INT64_MAX:
            return False
        value[0] = <int64_t>magnitude
    return True


def whole(word: bytes) -> int:
    """A word as the whole number it must be."""
    cdef int64_t value
    if not parse_int(PyBytes_AS_STRING(word), PyBytes_GET_SIZE(word), &value):
        raise ReplyError("ERR value is not an integer or out of range")
    return value


cdef bint parse_double(const char* p, Py_ssize_t n, double* value) noexcept:
    cdef char[1024] text
    cdef char* end
    if n <= 0 or n >= 1024 or p[0] in b" \t\n\r\v\f":
        return False
    memcpy(text, p, n)
    text[n] = 0
    c_errno.errno = 0
    value[0] = strtod(text, &end)
    # Too large or too small for a number; infinity must be asked for by its name.
    if c_errno.errno == c_errno.ERANGE and (value[0] == 0 or isinf(value[0])):
        return False
    return end == text + n and not isnan(value[0])


cdef bint parse_long_double(const char* p, Py_ssize_t n, long double* value) noexcept:
    cdef char[5120] text
    cdef char* end
    if n <= 0 or n >= 5120 or p[0] in b" \t\n\r\v\f":
        return False
    memcpy(text, p, n)
    text[n] = 0
    c_errno.errno = 0
    value[0] = strtold(text, &end)
    if c_errno.errno == c_errno.ERANGE:
        return False
    return end == text + n and value[0] == value[0]


cdef int format_int(char* into, int64_t value) noexcept:
    cdef char[24] digits
    cdef int n = 0, length
    cdef uint64_t left = <uint64_t>value if value >= 0 else 0 - <uint64_t>value
    while True:
        digits[n] = c'0' + <char>(left % 10)
        left //= 10
        n += 1
        if left == 0:
            break
    if value < 0:
        digits[n] = c'-'
        n += 1
    length = n
    while n:
        n -= 1
        into[length - 1 - n] = digits[n]
    return length


cdef int format_double(char* into, double value) noexcept:
    if isinf(value):
        if value > 0:
            memcpy(into, b"inf", 3)
            return 3
        memcpy(into, b"-inf", 4)
        return 4
    # Whole numbers are the rule for scores, and much cheaper this way.
    if -1e15 < value < 1e15 and <double><int64_t>value == value and value != 0:
        return format_int(into, <int64_t>value)
    return snprintf(into, 32, b"%.17g", value)


cdef bytes format_long_double(long double value):
    """As INCRBYFLOAT stores it: 17 decimals, without the zeros at their end."""
    cdef char[5120] text
    cdef int n
    if value != value or value - value != 0:
        raise ReplyError("ERR increment would produce NaN or Infinity")
    n = snprintf(text, 5120, b"%.17Lf", value)
    if memchr(text, c'.', n) is not NULL:
        while text[n - 1] == c'0':
            n -= 1
        if text[n - 1] == c'.':
            n -= 1
    if n == 2 and text[0] == c'-' and text[1] == c'0':
        return b"0"
    return PyBytes_FromStringAndSize(text, n)


# ---------------------------------------------------------------------- replies

cdef inline int header(Buf out, char kind, int64_t n) except -1:
    cdef char* into = out.room(24)
    cdef int length
    into[0] = kind
    length = format_int(into + 1, n) + 1
    into[length] = c'\r'
    into[length + 1] = c'\n'
    out.n += length + 2
    return 0


cdef int put_ok(Buf out) except -1:
    return out.put(b"+OK\r\n", 5)


cdef int put_int(Buf out, int64_t value) except -1:
    return header(out, c':', value)


cdef int put_bulk(Buf out, const char* p, Py_ssize_t n) except -1:
    cdef char* into = out.room(n + 32)
    cdef int length
    into[0] = c'$'
    length = format_int(into + 1, n) + 1
    into[length] = c'\r'
    into[length + 1] = c'\n'
    into += length + 2
    memcpy(into, p, n)
    into[n] = c'\r'
    into[n + 1] = c'\n'
    out.n += length + n + 4
    return 0


cdef int put_bytes(Buf out, bytes data) except -1:
    return put_bulk(out, PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))


cdef int put_nil(Buf out, int resp) except -1:
    return out.put(b"_\r\n", 3) if resp == 3 else out.put(b"$-1\r\n", 5)


cdef int put_nil_array(Buf out, int resp) except -1:
    return out.put(b"_\r\n", 3) if resp == 3 else out.put(b"*-1\r\n", 5)


cdef int put_array(Buf out, Py_ssize_t n) except -1:
    return header(out, c'*', n)


cdef int put_map(Buf out, Py_ssize_t n, int resp) except -1:
    return header(out, c'%', n) if resp == 3 else header(out, c'*', n * 2)


cdef int put_set(Buf out, Py_ssize_t n, int resp) except -1:
    return header(out, c'~' if resp == 3 else c'*', n)


cdef int put_push(Buf out, Py_ssize_t n, int resp) except -1:
    return header(out, c'>' if resp == 3 else c'*', n)


cdef int put_double(Buf out, double value, int resp) except -1:
    cdef char[40] text
    cdef int n = format_double(text, value)
    if resp != 3:
        return put_bulk(out, text, n)
    out.put(b",", 1)
    out.put(text, n)
    return out.put(b"\r\n", 2)


cdef int put_error(Buf out, bytes message) except -1:
    # A line break inside would end the reply early.
    message = message.replace(b"\r", b" ").replace(b"\n", b" ")
    out.put(b"-", 1)
    out.put(PyBytes_AS_STRING(message), PyBytes_GET_SIZE(message))
    return out.put(b"\r\n", 2)


cdef int put_object(Buf out, object value, int resp) except -1:
    """Any Python value as a reply: what the commands written in Python answer with."""
    if value is None:
        put_nil(out, resp)
    elif isinstance(value, bytes):
        put_bytes(out, value)
    elif isinstance(value, bool):
        if resp == 3:
            out.put(b"#t\r\n" if value else b"#f\r\n", 4)
        else:
            put_int(out, value)
    elif isinstance(value, int):
        if INT64_MIN <= value <= INT64_MAX:
            put_int(out, value)
        elif resp == 3:
            put_text(out, b"(", str(value).encode())
        else:
            put_bytes(out, str(value).encode())
    elif isinstance(value, float):
        put_double(out, value, resp)
    elif isinstance(value, Verbatim):
        data = value.encode()
        if resp == 3:
            header(out, c'=', len(data) + 4)
            out.write(b"txt:" + data + b"\r\n")
        else:
            put_bytes(out, data)
    elif isinstance(value, str):
        put_text(out, b"+", value.encode())
    elif isinstance(value, ReplyError):
        put_error(out, str(value).encode("utf-8", "surrogateescape"))
    elif isinstance(value, dict):
        put_map(out, len(value), resp)
        for name, item in value.items():
            put_object(out, name, resp)
            put_object(out, item, resp)
    else:
        if isinstance(value, Members):
            put_set(out, len(value), resp)
        elif isinstance(value, Push):
            put_push(out, len(value), resp)
        else:
            put_array(out, len(value))
        for item in value:
            put_object(out, item, resp)
    return 0


cdef int put_text(Buf out, bytes mark, bytes text) except -1:
    out.write(mark)
    out.write(text)
    return out.put(b"\r\n", 2)


cdef int put_request(Buf out, Args args) except -1:
    cdef Py_ssize_t i
    if args.raw is not NULL:
        return out.put(args.raw, args.raw_n)
    put_array(out, args.n)
    for i in range(args.n):
        put_bulk(out, args.v[i].p, args.v[i].n)
    return 0


def request(*words) -> bytes:
    """A request as a client sends it."""
    cdef Buf out = Buf()
    put_request(out, Args.of(*words))
    return bytes(out)


def encode(value, int resp=2) -> bytes:
    """A Python value as a reply."""
    cdef Buf out = Buf()
    put_object(out, value, resp)
    return bytes(out)


def parse_request(data: bytes) -> tuple[list[bytes], int]:
    """(words, bytes consumed) of the first request; ([], 0) while it is not whole."""
    cdef Bounds bounds = Bounds(0x7FFFFFFF, 512 << 20)
    cdef Args args = Args()
    cdef Py_ssize_t used
    if not data:
        return [], 0
    used = parse(args, PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data), &bounds)
    if used < 0:
        raise ReplyError(args.error.decode("latin-1"))
    return (args.list() if used else []), used


# ---------------------------------------------------------------------- replies, read back

def decode(data: bytes, Py_ssize_t at=0) -> tuple:
    """(value, offset behind it) of the first reply at `at`; (None, -1) while it is not whole.

    Errors come as ReplyError objects, not raised: one may sit inside an array.
    """
    cdef Py_ssize_t end = data.find(b"\r\n", at)
    if end < 0:
        return None, -1
    kind = data[at:at + 1]
    line = data[at + 1:end]
    end += 2
    if kind in b"$=!":
        size = int(line)
        if size < 0:
            return None, end
        if len(data) < end + size + 2:
            return None, -1
        body = data[end:end + size]
        if kind == b"=":
            body = Verbatim(body[4:].decode("utf-8", "surrogateescape"))
        elif kind == b"!":
            body = ReplyError(body.decode("utf-8", "surrogateescape"))
        return body, end + size + 2
    if kind in b"*~>%":
        return decode_items(data, kind, int(line), end)
    if kind == b"+":
        return Simple(line.decode("utf-8", "surrogateescape")), end
    if kind == b"-":
        return ReplyError(line.decode("utf-8", "surrogateescape")), end
    if kind in b":(":
        return int(line), end
    if kind == b",":
        return float(line), end
    if kind == b"#":
        return line == b"t", end
    if kind == b"_":
        return None, end
    raise ValueError(f"not a reply: {data[at:at + 20]!r}")


def decode_items(data: bytes, kind: bytes, n: int, at: int) -> tuple:
    """The items of an aggregate whose header ends at `at`."""
    if n < 0:
        return None, at
    items = []
    for _ in range(n * 2 if kind == b"%" else n):
        item, at = decode(data, at)
        if at < 0:
            return None, -1
        items.append(item)
    if kind == b"%":
        return dict(zip(items[::2], items[1::2], strict=True)), at
    if kind == b">":
        return Push(items), at
    return items, at
