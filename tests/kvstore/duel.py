"""Two servers asked the same things: kvstore and redis-server; where do their answers differ?

    python -m tests.kvstore.duel --ours PORT --theirs PORT [--seed N] [--requests N]

The answers are compared as values, and after each request DEBUG DIGEST of both, which is the same
for the same data.  An answer that may differ is made comparable first: sets and maps are sorted,
times may be a little off, of what is random or about the process itself only the kind counts.
"""

from __future__ import annotations

import argparse
import socket
import sys
from typing import Any, NamedTuple

from kvstore.commands import GROUP_OF, ROWS
from tests.kvstore.requests import KEYS, Inventor

# Not asked at all: what ends, blocks or redirects the connection or the server, or waits.
LEFT_OUT = set("""
    shutdown debug monitor quit sync psync replconf replicaof slaveof failover wait subscribe
    psubscribe ssubscribe client|reply client|kill client|pause config|set config|rewrite
    migrate bgsave bgrewriteaof save module module|load module|loadex module|unload
    module|list module|help restore-asking acl|setuser acl|deluser acl|load acl|save hello
    auth reset script|debug client|tracking cluster|reset function|restore latency|reset multi
    latency|latest latency|history latency|graph latency|doctor slowlog|get slowlog|len
    rehearse swapdb move select eval evalsha eval_ro evalsha_ro fcall fcall_ro function|load
    asking script|flush script|load script|exists function|list function|stats
""".split())
# Only what kind of answer it is.
KIND_ONLY = set("""
    randomkey srandmember hrandfield zrandmember spop time lastsave info memory|usage
    memory|doctor memory|stats memory|malloc-stats lolwut role client|list client|info
    client|id object|idletime object|freq dump command command|docs acl|genpass acl|log
    command|list config|get memory|purge latency|histogram pfselftest scan command|info
    command|count pfdebug debug acl|list acl|getuser object|help client|setname client|getname
""".split())
UNORDERED = set("""
    smembers sinter sunion sdiff keys hgetall hkeys hvals scan sscan hscan zscan command|info
    acl|cat pubsub|channels command|getkeys acl|users
""".split())
TIMED = set("""
    ttl pttl expiretime pexpiretime xpending xinfo|stream xinfo|consumers xinfo|groups
    xautoclaim
""".split())
SLACK = 2000
END = b"the end of an answer"

FILL = [line.split() for line in """
    SET str hello
    SET num 41
    RPUSH list a b c a 1
    SADD set a b c
    SADD ints 1 2 3
    HSET hash a 1 b 2.5 c text
    ZADD zset 1 a 2 b 3 c
    GEOADD geo 13.361389 38.115556 a 15.087269 37.502669 b
    XADD stream 1-1 a 1
    XADD stream 2-0 b 2
    XGROUP CREATE stream g 0
    XGROUP CREATE stream h $
    PFADD hll a b c
    ZADD names 0 a 0 aa 0 b 0 c
""".strip().splitlines()]


class Refusal(str):
    """An error reply."""


class Blocked:
    """No answer came."""

    def __repr__(self) -> str:
        return "(no answer)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Blocked)

    __hash__ = None  # type: ignore[assignment]


class Line:
    """A connection: requests out, replies in as plain values."""

    def __init__(self, port: int, protocol: int):
        self.port, self.protocol = port, protocol
        self.connect()

    def connect(self) -> None:
        """A fresh connection, and a fresh state of it."""
        self.socket = socket.create_connection(("127.0.0.1", self.port), timeout=5)
        self.input = self.socket.makefile("rb")
        if self.protocol == 3:
            self.ask([b"HELLO", b"3"])

    def ask(self, words: list[bytes]) -> Any:
        """One request, its reply; a list of them if there are several (UNSUBSCRIBE)."""
        self.send(words)
        return self.answer()

    def answer(self) -> Any:
        """What came before the answer to an ECHO sent behind the request."""
        self.send([b"ECHO", END])
        replies = []
        while (reply := self.read()) != END:
            replies.append(reply)
            if isinstance(reply, Blocked):
                break
        return replies[0] if len(replies) == 1 else replies

    def send(self, words: list[bytes]) -> None:
        """One request."""
        parts = [b"*%d\r\n" % len(words)]
        parts += [b"$%d\r\n%b\r\n" % (len(word), word) for word in words]
        self.socket.sendall(b"".join(parts))

    def read(self) -> Any:
        """One reply."""
        try:
            line = self.input.readline()
        except TimeoutError:
            self.socket.close()
            self.connect()
            return Blocked()
        if not line.endswith(b"\r\n"):
            raise ConnectionError(f"the server on port {self.port} ended the connection")
        kind, text = line[:1], line[1:-2]
        if kind == b"+":
            return "+" + text.decode("latin-1")
        if kind == b"-":
            return Refusal(text.decode("latin-1"))
        if kind == b":":
            return int(text)
        if kind == b",":
            return float(text)
        if kind == b"#":
            return text == b"t"
        if kind == b"_" or text == b"-1":
            return None
        if kind in b"$=":
            return self.input.read(int(text) + 2)[:-2]
        values = [self.read() for _ in range(int(text) * (2 if kind in b"%|" else 1))]
        return values if kind == b"*" else (kind.decode(), *values)


class Difference(NamedTuple):
    """A request that was not answered alike."""

    request: list[bytes]
    ours: Any
    theirs: Any


class Duel:
    """Both servers, and what they are asked."""

    def __init__(self, ours: int, theirs: int, protocol: int = 2):
        self.sides = [Line(ours, protocol), Line(theirs, protocol)]

    def both(self, *words: str | bytes) -> list[Any]:
        """The answers of both to one request."""
        request = [word.encode() if isinstance(word, str) else word for word in words]
        for side in self.sides:
            side.send(request)
        return [side.answer() for side in self.sides]

    def fill(self) -> None:
        """The data everything begins with."""
        self.both("FLUSHALL")
        for words in FILL:
            self.both(*words)

    def ask(self, request: list[bytes]) -> Difference | None:
        """Put one request to both; how they differ, if they do."""
        ours, theirs = self.both(*request)
        name = row_name(request)
        if not alike(name, ours, theirs, request):
            return Difference(request, ours, theirs)
        if diverges(name, request):
            self.fill()
        digests = self.both("DEBUG", "DIGEST")
        if digests[0] != digests[1]:
            self.both("EXISTS", *KEYS)  # keys whose time is up go when they are looked at
            digests = self.both("DEBUG", "DIGEST")
        return None if digests[0] == digests[1] else Difference(request, *digests)


def row_name(request: list[bytes]) -> str:
    """The row of the command table a request belongs to, as far as it has one."""
    name = request[0].decode("latin-1").lower()
    full = f"{name}|{request[1].decode('latin-1').lower()}" if len(request) > 1 else name
    return full if full in ROWS else name


def diverges(name: str, request: list[bytes]) -> bool:
    """Whether the data may differ afterwards by chance or by time."""
    words = {word.upper() for word in request}
    return (
        name in ("spop", "pfmerge")
        or (name == "zrangestore" and b"BYLEX" in words)
        or (name == "xadd" and b"*" in words)
        or (name == "sort" and {b"STORE", b"BY"} <= words)
    )


def alike(name: str, ours: Any, theirs: Any, request: list[bytes]) -> bool:
    """Whether two answers to a request mean the same."""
    if isinstance(ours, Refusal) or isinstance(theirs, Refusal):
        # How 7.0.15 words a timeout too far away is an overflow of its own.
        late = "ERR timeout is "
        return type(ours) is type(theirs) and (
            ours == theirs or (ours.startswith(late) and theirs.startswith(late)))
    if b"BYLEX" in request and request[1] != b"names":
        return type(ours) is type(theirs)
    if name in KIND_ONLY or (name == "xadd" and isinstance(ours, bytes)):
        return type(ours) is type(theirs)
    if name.endswith("|help"):
        return type(ours) is type(theirs)
    if name in ("sscan", "hscan", "zscan") and (ours[0] != b"0" or theirs[0] != b"0"):
        return len(ours) == len(theirs)  # a part of it: which one is each server's own affair
    if name in UNORDERED or (name in ("sort", "sort_ro") and request[1] != b"list"):
        ours, theirs = in_order(ours), in_order(theirs)
    return near(ours, theirs) if name in TIMED else repr(ours) == repr(theirs)


def in_order(value: Any) -> Any:
    """A value whose lists are sorted, pairs of a map together."""
    if isinstance(value, tuple) and value[0] == "%":
        pairs = zip(value[1::2], value[2::2], strict=True)
        return ("%", sorted(((key, in_order(each)) for key, each in pairs), key=repr))
    if isinstance(value, (list, tuple)):
        return type(value)(sorted((in_order(each) for each in value), key=repr))
    return value


def near(ours: Any, theirs: Any) -> bool:
    """Equal but for numbers that may be times."""
    if isinstance(ours, (list, tuple)) and type(ours) is type(theirs):
        return len(ours) == len(theirs) and all(map(near, ours, theirs))
    if type(ours) is int and type(theirs) is int:
        return abs(ours - theirs) <= SLACK
    return bool(ours == theirs)


def names_of(groups: set[str] | None = None) -> list[str]:
    """The rows that may be asked, of some groups or all."""
    return sorted(
        name for name in ROWS
        if name not in LEFT_OUT and (not groups or GROUP_OF[name] in groups)
        and not name.startswith("cluster")
    )  # fmt: skip


def differences(
    ours: int, theirs: int, seed: int, requests: int, protocol: int,
    groups: set[str] | None = None,
) -> list[Difference]:  # fmt: skip
    """Ask many things; the answers that differ.  After each the data is made the same again."""
    duel = Duel(ours, theirs, protocol)
    inventor = Inventor(seed, names_of(groups))
    found = []
    duel.fill()
    for i in range(requests):
        difference = duel.ask(inventor.request())
        if difference is not None:
            found.append(difference)
        if difference is not None or i % 40 == 39:
            duel.fill()
    return found


def main() -> int:
    """Print the differences, one of a kind."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ours", type=int, required=True)
    parser.add_argument("--theirs", type=int, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--protocol", type=int, default=2, choices=(2, 3))
    parser.add_argument("--group", nargs="*", default=[])
    options = parser.parse_args()
    found = differences(options.ours, options.theirs, options.seed, options.requests,
                        options.protocol, set(options.group))
    shown: dict[tuple[str, str, str], int] = {}
    for one in found:
        key = row_name(one.request), str(one.ours)[:25], str(one.theirs)[:25]
        shown[key] = shown.get(key, 0) + 1
        if shown[key] == 1:
            print(b" ".join(one.request), "\n    ours  ", repr(one.ours)[:300], "\n    theirs",
                  repr(one.theirs)[:300])
    print(len(found), "differences of", len(shown), "kinds in", options.requests)
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
