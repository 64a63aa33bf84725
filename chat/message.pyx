"""One line of IRC, in and out (RFC 1459 section 2.3.1; IRCv3 message-tags).

    @time=...;+draft/reply=x :nick!user@host PRIVMSG #channel :hello world\\r\\n
     |- tags, <= 8191 -----| |- source ----| |- command and params, <= 512 with CRLF --|

Text is UTF-8; bytes that are not pass through as surrogates and come out as they went in, so that
old clients with other encodings still understand each other.

`Outgoing` is formatted once for each combination of capabilities among its recipients, not once
for each recipient: a message to a thousand members is at most four lines.
"""

cdef enum:
    COMBINATIONS = 4

LINE_BYTES = 512                   # with CRLF, without tags
CLIENT_TAG_BYTES = 4096            # with the @ and the space
PARAMS = 15

cdef dict UNESCAPE = {":": ";", "s": " ", "\\": "\\", "r": "\r", "n": "\n"}


cdef class Message:
    """A parsed line."""

    def __init__(self, command, params=(), source="", tags=None):
        self.command = command
        self.params = list(params)
        self.source = source
        self.tags = tags or {}

    def __repr__(self):
        return f"Message({self.command!r}, {self.params!r}, {self.source!r}, {self.tags!r})"

    def __eq__(self, other):
        return isinstance(other, Message) and repr(self) == repr(other)


def parse(data: bytes) -> Message:
    """Parse a line without its end; None for an empty one.

    Nothing that a client can send makes this fail: what is missing is empty.
    """
    cdef str line = data.decode("utf-8", "surrogateescape").strip("\0")
    cdef str word, rest, source = ""
    cdef dict tags = None
    cdef list params = []
    if line.startswith("@"):
        word, _, line = line[1:].partition(" ")
        tags = parse_tags(word)
    line = line.lstrip(" ")
    if line.startswith(":"):
        source, _, line = line[1:].partition(" ")
        line = line.lstrip(" ")
    word, _, rest = line.partition(" ")
    if not word:
        return None
    while rest:
        rest = rest.lstrip(" ")
        if rest.startswith(":"):
            params.append(rest[1:])
            break
        if len(params) == PARAMS - 1:
            params.append(rest)
            break
        head, _, rest = rest.partition(" ")
        if head:
            params.append(head)
    return Message(word.upper(), params, source, tags)


def parse_tags(text: str) -> dict:
    """`a=b;c` as {"a": "b", "c": ""}, values unescaped."""
    cdef dict tags = {}
    for tag in text.split(";"):
        name, _, value = tag.partition("=")
        if name:
            tags[name] = unescape(value) if "\\" in value else value
    return tags


cdef str unescape(str value):
    cdef list out = []
    cdef bint escaped = False
    for c in value:
        if escaped:
            out.append(UNESCAPE.get(c, c))
            escaped = False
        elif c == "\\":
            escaped = True
        else:
            out.append(c)
    return "".join(out)


def escape(value: str) -> str:
    """A tag's value as it is written."""
    for plain, escaped in (("\\", "\\\\"), (";", "\\:"), (" ", "\\s"), ("\r", "\\r"), ("\n", "\\n")):
        value = value.replace(plain, escaped)
    return value


def format_line(source: str, command: str, params) -> bytes:
    """A line with its CRLF, cut to 512 bytes at a character."""
    cdef list words = [f":{source}"] if source else []
    words.append(command)
    if params:
        words.extend(params[:-1])
        last = params[len(params) - 1]
        words.append(f":{last}" if not last or " " in last or last.startswith(":") else last)
    cdef bytes line = " ".join(words).encode("utf-8", "surrogateescape")
    if len(line) > LINE_BYTES - 2:
        line = line[:LINE_BYTES - 2].decode("utf-8", "ignore").encode()
    return line + b"\r\n"


cdef class Outgoing:
    """A line on its way to any number of clients.

    time:        RFC 3339 with milliseconds, for those with server-time
    msgid:       "" for lines that have none
    client_tags: the sender's client-only tags (those with a +)
    batch:       reference of the batch the line belongs to, "" if none
    """

    def __init__(self, source, command, params=(), *, time="", msgid="", client_tags=None,
                 batch=""):
        self.source = source
        self.command = command
        self.params = tuple(params)
        self.time = time
        self.msgid = msgid
        self.client_tags = client_tags or {}
        self.batch = batch
        self.body = format_line(source, command, self.params)
        self.variants = [None] * COMBINATIONS

    cdef bytes line(self, int wants):
        """The line for a recipient with the capabilities `wants`."""
        cdef bytes line = self.variants[wants]
        if line is None:
            line = self.variants[wants] = self.tagged(wants)
        return line

    def encode(self, wants: int) -> bytes:
        """`line` for Python callers."""
        return self.line(wants)

    def tagged(self, int wants) -> bytes:
        cdef list tags = []
        if self.batch:
            tags.append(f"batch={self.batch}")
        if wants & TIME and self.time:
            tags.append(f"time={self.time}")
        if wants & TAGS:
            if self.msgid:
                tags.append(f"msgid={self.msgid}")
            tags.extend(
                f"{name}={escape(value)}" if value else name
                for name, value in self.client_tags.items())
        if not tags:
            return self.body
        return ("@" + ";".join(tags) + " ").encode("utf-8", "surrogateescape") + self.body
