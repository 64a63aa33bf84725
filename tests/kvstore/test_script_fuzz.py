"""Random Lua scripts: redis-server and kvstore give the same bytes back.

The scripts come from a small grammar: values of all types, tables with holes, calls that succeed
and that fail, and the libraries, fed also with what they refuse.  What redis-server 7.0 dies of is
left out: raising a table without `err`.
"""

import random
import re
import socket
import time

import pytest

import kvstore
from bedrock.testing import peers
from kvstore.resp import Args, request

SCRIPTS = 3000
SECONDS = 6

STRINGS = ["", "a", "10", "1.5", "a b", "x\\0y", "\\255\\254", "\\r\\n", "{}", "nil", "MYERR text",
           "-ERR x", "0x10", "\\226\\130\\172", "\\\\u0041", "long " * 9]
NUMBERS = ["0", "1", "-1", "3.7", "-3.7", "1e3", "2^31", "-2^31", "2^53", "1e15", "123456789012",
           "0.1", "255", "65536", "-32769", "1e-7", "4294967296"]
WILD = ["1e300", "-1e300", "1/0", "-1/0", "2^63"]
JSON = ['[1,2,{"a":null}]', '{"a":{"b":[true,false]}}', '"\\u00e9\\ud83d\\ude00"', "1e5", "-0.5",
        '[1,', '{"a"}', '"\\x"', "tru", "[]", "{}", '[[[[1]]]]', '{"a":1,}', "nan", "0x1f", " 7 ",
        '"a\\/b"', "[1 2]", '{"k":"v"} x', ""]
FORMATS = ["b", "B", "h", "H", "i", "I4", "l", ">I2", "<i3", "s", "c0", "c3", "f", "d", ">d", "x",
           "i8", "!4bi", "!bh", "bc0", "z", "i33", "!3i", " > i2 < i2", "L", "bbs", "T"]


class Grammar:
    """Writes scripts by chance."""

    def __init__(self, seed):
        self.rand = random.Random(seed)

    def script(self):
        head = self.rand.choice(["", "", "redis.setresp(3) "])
        shape = self.rand.randrange(5)
        if shape == 0:
            return f"{head}local a = {self.value(3)} local b = {self.value(2)} return {{a, b}}"
        if shape == 1:
            return f"{head}return {{pcall(function() return {self.value(2)} end)}}"
        if shape == 2:
            return f"{head}{self.raising()}"
        if shape == 3:
            return f"{head}local t = {self.call()} return {{type(t), t}}"
        return f"{head}return {self.value(4)}"

    def pick(self, *choices):
        return self.rand.choice(choices)()

    def string(self):
        return '"' + self.rand.choice(STRINGS) + '"'

    def number(self):
        return self.rand.choice(NUMBERS)

    def plain(self):
        return self.pick(
            self.string, self.number, lambda: "true", lambda: "false", lambda: "nil",
            lambda: self.rand.choice(WILD), lambda: "cjson.null",
        )

    def value(self, depth):
        if depth == 0:
            return self.plain()
        return self.pick(
            self.plain, lambda: self.table(depth - 1), lambda: self.special(depth - 1), self.call,
            lambda: self.library(depth - 1), lambda: f"tostring({self.plain()})",
            lambda: f"tonumber({self.plain()})",
        )

    def table(self, depth):
        items = [self.value(depth) for _ in range(self.rand.randrange(5))]
        if self.rand.random() < 0.3:
            items.append(f"[{self.string()}] = {self.value(depth)}")
        return "{" + ", ".join(items) + "}"

    def special(self, depth):
        return self.pick(
            lambda: f"{{ok = {self.plain()}}}", lambda: f"{{err = {self.plain()}}}",
            lambda: f"{{double = {self.plain()}}}",
            lambda: f"{{map = {{a = {self.value(depth)}}}}}",
            lambda: f"{{set = {{[{self.string()}] = true}}}}",
            lambda: f"{{big_number = {self.string()}}}",
            lambda: f"{{verbatim_string = {{format = 'txt', string = {self.string()}}}}}",
            lambda: f"redis.status_reply({self.plain()})",
            lambda: f"redis.error_reply({self.plain()})",
        )

    def call(self):
        key, value = self.rand.choice("abc"), self.pick(self.string, self.number)
        words = self.rand.choice([
            ("set", f"s{key}", None), ("get", f"s{key}"), ("incr", f"n{key}"), ("incr", f"s{key}"),
            ("append", f"s{key}", None), ("rpush", f"l{key}", None), ("lrange", f"l{key}", 0, 4),
            ("llen", f"s{key}"), ("hset", f"h{key}", "f", None), ("hget", f"h{key}", "f"),
            ("hmget", f"h{key}", "f", "g"), ("zadd", f"z{key}", 1.5, None),
            ("zscore", f"z{key}", "m"), ("zrange", f"z{key}", 0, 3, "withscores"),
            ("type", f"l{key}"), ("echo", None), ("mget", f"s{key}", "none"), ("ping",),
            ("exists", f"s{key}"), ("nosuch", None), ("get",), ("config", "get", "maxmemory"),
            ("subscribe", "x"), ("sismember", f"e{key}", None), ("setrange", f"s{key}", 3, None),
            ("zincrby", f"z{key}", 0.25, "m"), ("object", "nope", "x"), ("hgetall", "none"),
        ])  # fmt: skip
        shown = ", ".join(value if word is None else repr(word) for word in words)
        return f"redis.{self.rand.choice(['call', 'pcall', 'pcall'])}({shown})"

    def library(self, depth):
        text = self.rand.choice(JSON)
        raw = "".join(f"\\{self.rand.randrange(256):03d}" for _ in range(self.rand.randrange(9)))
        layout = self.rand.choice(FORMATS)
        bits = self.rand.choice(
            ["band", "bor", "bxor", "lshift", "rshift", "arshift", "rol", "ror", "tohex"])
        return self.pick(
            lambda: f"cjson.encode({self.value(depth)})",
            lambda: f"cjson.decode([==[{text}]==])",
            lambda: f"cjson.encode(cjson.decode([==[{text}]==]))",
            lambda: f"cmsgpack.unpack(cmsgpack.pack({self.value(depth)}))",
            lambda: f"cmsgpack.pack({self.value(depth)}, {self.plain()})",
            lambda: f'cmsgpack.unpack("{raw}")',
            lambda: f'{{cmsgpack.unpack_limit("{raw}", {self.rand.randrange(-1, 4)}, '
                    f"{self.rand.randrange(-1, 4)})}}",
            lambda: f"struct.pack('{layout}', {self.plain()}, {self.plain()})",
            lambda: f"{{struct.unpack('{layout}', \"{raw}\", {self.rand.randrange(0, 4)})}}",
            lambda: f"struct.size('{layout}')",
            lambda: f"bit.{bits}({self.plain()}, {self.number()})",
            lambda: f"bit.{self.rand.choice(['tobit', 'bnot', 'bswap'])}({self.plain()})",
            lambda: f"redis.sha1hex({self.plain()})",
            lambda: f"string.format('%5.2f|%s|%q', {self.number()}, {self.string()}, "
                    f"{self.string()})",
        )

    def raising(self):
        return self.pick(
            lambda: f"error({self.string()})", lambda: f"error({self.number()}, 0)",
            lambda: f"error({{err = {self.string()}}})",
            lambda: f"local x = {self.value(2)} return x .. {{}}",
            lambda: f"return nowhere.{self.rand.choice('ab')}",
            lambda: f"return {self.value(2)} + 1", lambda: f"return ({self.plain()})()",
            lambda: f"\n\nreturn {self.library(1)}", lambda: f"\nreturn {self.call()}",
            lambda: f"cjson[{self.string()}] = {self.plain()}",
            lambda: f"return xpcall(function() error({self.string()}) end, "
                    "function(e) return {e} end)",
        )


@pytest.mark.peer
@pytest.mark.parametrize("protocol", [2, 3])
def test_random_scripts_are_answered_as_by_redis(protocol):
    try:
        peer = peers.redis_server("--save", "")
    except peers.PeerMissing as missing:
        pytest.skip(str(missing))
    grammar = Grammar(protocol)
    until = time.monotonic() + SECONDS
    with peer, kvstore.connect() as ours, socket.create_connection((peer.host, peer.port)) as sock:
        client = ours.store.client()
        client.resp = protocol
        theirs = Answers(sock)
        theirs.ask("HELLO", protocol)
        for _ in range(SCRIPTS):
            if time.monotonic() > until:
                break
            words = "EVAL", grammar.script(), 0
            expected = without_addresses(theirs.ask(*words))
            found = without_addresses(ours.store.run(client, Args.of(*words)))
            assert found == expected, words[1]


class Answers:
    """Replies of a server as they come."""

    def __init__(self, sock):
        self.sock, self.data = sock, b""

    def ask(self, *words):
        self.sock.sendall(request(*words))
        while (end := end_of_reply(self.data)) < 0:
            got = self.sock.recv(65536)
            assert got, f"the server is gone after {words}"
            self.data += got
        reply, self.data = self.data[:end], self.data[end:]
        return reply


def end_of_reply(data, at=0):
    """Where the reply that begins at `at` ends; -1 while it is not whole."""
    end = data.find(b"\r\n", at)
    if end < 0:
        return -1
    kind, line, end = data[at : at + 1], data[at + 1 : end], end + 2
    if kind in b"$=":
        end += int(line) + 2 if int(line) >= 0 else 0
        return end if end <= len(data) else -1
    if kind in b"*~%":
        for _ in range(int(line) * (2 if kind == b"%" else 1)):
            end = end_of_reply(data, end)
            if end < 0:
                return -1
    return end


def without_addresses(reply):
    return re.sub(rb"0x[0-9a-f]+", b"0x", reply)
